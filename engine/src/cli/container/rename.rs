//! `docker container rename`: rename a container.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container rename", "rename"],
    usage: "CONTAINER NEW_NAME",
    about: "Rename a container",
    args: Args::Exact(2),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let (old, new) = (m.arg(0).trim(), m.arg(1).trim());
    if old.is_empty() || new.is_empty() {
        return Err(Failure::new(
            "Error: Neither old nor new names may be empty",
        ));
    }
    let params = Params::new().add("name", new);
    cli.post(
        format!("/containers/{}/rename{params}", segment(old)),
        &J::Null,
    )
    .await
    .map_err(|e| {
        Failure::new(format!(
            "{e}\nError: failed to rename container named {old}"
        ))
    })?;
    Ok(())
}
