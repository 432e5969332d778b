//! `docker container unpause`: unpause all processes within one or more containers.

use super::each;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container unpause", "unpause"],
    usage: "CONTAINER [CONTAINER...]",
    about: "Unpause all processes within one or more containers",
    args: Args::Min(1),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    each(cli, m, async |id| {
        cli.post(format!("/containers/{}/unpause", segment(id)), &J::Null)
            .await
            .map(drop)
    })
    .await
}
