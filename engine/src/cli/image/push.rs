//! `docker image push`: upload an image to a registry.

use super::pull::{show, with_auth};
use crate::cli::platform;
use crate::cli::prelude::*;
use bottleship_oci::Reference;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image push", "push"],
    usage: "[OPTIONS] NAME[:TAG]",
    about: "Upload an image to a registry",
    args: Args::Exact(1),
    flags: &[
        Flag::new(
            'a',
            "all-tags",
            "",
            "Push all tags of an image to the repository",
        ),
        Flag::long(
            "disable-content-trust",
            "",
            "Skip image signing (default true)",
        ),
        Flag::long(
            "platform",
            "string",
            "Push a platform-specific manifest as a single-platform image to the registry.\nImage index won't be pushed, meaning that other manifests, including attestations won't be preserved.\n'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
        ),
        Flag::new('q', "quiet", "", "Suppress verbose output"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let r = Reference::parse(m.arg(0)).map_err(|e| Failure::new(e.to_string()))?;
    let (all, quiet) = (m.on("all-tags"), m.on("quiet"));
    if all && !r.is_name_only() {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    let r = if all {
        r
    } else {
        let tagged = r.clone().with_default_tag();
        if r.is_name_only() && !quiet {
            cli.out(&format!(
                "Using default tag: {}\n",
                tagged.tag().unwrap_or("latest")
            ))
            .await;
        }
        tagged
    };
    let params = platform::param(Params::new(), m.str("platform"))
        .map_err(|e| Failure::new(format!("invalid platform: {e}")))?
        .add_if(!all, "tag", r.tag().unwrap_or("latest"));
    let auth = cli.registry_auth(r.domain()).await;
    let name = segment(&r.familiar_name());
    let response = cli
        .send(with_auth(
            Request::post(format!("/images/{name}/push{params}")),
            &auth,
        ))
        .await?;
    if quiet {
        show(cli, response, None).await?;
        cli.out(&format!("{}:{}\n", r.name(), r.tag().unwrap_or("latest")))
            .await;
        return Ok(());
    }
    show(cli, response, Some(Stream::Stdout)).await
}
