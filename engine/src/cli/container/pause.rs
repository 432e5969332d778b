//! `docker container pause`: pause all processes within one or more containers.

use super::each;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container pause", "pause"],
    usage: "CONTAINER [CONTAINER...]",
    about: "Pause all processes within one or more containers",
    args: Args::Min(1),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    each(cli, m, async |id| {
        cli.post(format!("/containers/{}/pause", segment(id)), &J::Null)
            .await
            .map(drop)
    })
    .await
}
