//! `docker network disconnect`: disconnect a container from a network.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["network disconnect"],
    usage: "[OPTIONS] NETWORK CONTAINER",
    about: "Disconnect a container from a network",
    args: Args::Exact(2),
    flags: &[Flag::new(
        'f',
        "force",
        "",
        "Force the container to disconnect from a network",
    )],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    cli.post(
        format!("/networks/{}/disconnect", segment(m.arg(0))),
        &json!({"Container": m.arg(1), "Force": m.on("force")}),
    )
    .await?;
    Ok(())
}
