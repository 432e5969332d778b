//! `docker container inspect`: display detailed information on one or more containers.

use crate::cli::inspect::inspect;
use crate::cli::prelude::*;
use crate::cli::shapes;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container inspect"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Display detailed information on one or more containers",
    args: Args::Min(1),
    flags: &[
        Flag::new('f', "format", "string", FORMAT_INSPECT),
        Flag::new('s', "size", "", "Display total file sizes"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let size = if m.on("size") { "?size=1" } else { "" };
    inspect(cli, m.str("format"), &m.args, async |id| {
        let raw = cli
            .get_raw(format!("/containers/{}/json{size}", segment(id)))
            .await?;
        Ok((raw, Some(&shapes::CONTAINER)))
    })
    .await
}
