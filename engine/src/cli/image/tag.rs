//! `docker image tag`: create a tag TARGET_IMAGE that refers to SOURCE_IMAGE.

use crate::cli::prelude::*;
use bottleship_oci::{AnyReference, Reference};

/// The command.
pub const COMMAND: Command = Command {
    names: &["image tag", "tag"],
    usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    about: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    args: Args::Exact(2),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let (source, target) = (m.arg(0), m.arg(1));
    let bad = |what: &str, e: &dyn std::fmt::Display| {
        Failure::new(format!(
            "Error parsing reference: {} is not a valid repository/tag: {e}",
            quote(what)
        ))
    };
    AnyReference::parse(source).map_err(|e| bad(source, &e))?;
    let r = Reference::parse(target).map_err(|e| bad(target, &e))?;
    if r.digest().is_some() {
        return Err(Failure::new(
            "refusing to create a tag with a digest reference",
        ));
    }
    let params = Params::new()
        .add("repo", r.name())
        .add("tag", r.tag().unwrap_or("latest"));
    cli.post(format!("/images/{}/tag{params}", segment(source)), &J::Null)
        .await?;
    Ok(())
}
