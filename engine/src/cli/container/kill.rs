//! `docker container kill`: kill one or more running containers.

use super::each;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container kill", "kill"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Kill one or more running containers",
    args: Args::Min(1),
    flags: &[Flag::new(
        's',
        "signal",
        "string",
        "Signal to send to the container",
    )],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    each(cli, m, async |id| {
        let params = Params::new().add_if(m.given("signal"), "signal", m.str("signal"));
        cli.post(
            format!("/containers/{}/kill{params}", segment(id)),
            &J::Null,
        )
        .await
        .map(drop)
    })
    .await
}
