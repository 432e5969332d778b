//! `docker context show`: print the name of the current context.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["context show"],
    usage: "",
    about: "Print the name of the current context",
    args: Args::None,
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, _: &Matches) -> Result<(), Failure> {
    let name = cli.context_name().await;
    cli.out(&format!("{name}\n")).await;
    Ok(())
}
