//! `docker container restart`: restart one or more containers.

use super::each;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container restart", "restart"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Restart one or more containers",
    args: Args::Min(1),
    flags: &[
        Flag::new('s', "signal", "string", "Signal to send to the container"),
        Flag::new(
            't',
            "timeout",
            "int",
            "Seconds to wait before killing the container",
        ),
        Flag::hidden("time", "int"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    if m.given("time") {
        cli.out("Flag --time has been deprecated, use --timeout instead\n")
            .await;
    }
    if m.given("time") && m.given("timeout") {
        return Err(Failure::new(
            "conflicting options: cannot specify both --timeout and --time",
        ));
    }
    let timeout = m.get("timeout").or(m.get("time"));
    each(cli, m, async |id| {
        let params = Params::new()
            .add_if(m.given("signal"), "signal", m.str("signal"))
            .add_if(timeout.is_some(), "t", timeout.unwrap_or(""));
        cli.post(
            format!("/containers/{}/restart{params}", segment(id)),
            &J::Null,
        )
        .await
        .map(drop)
    })
    .await
}
