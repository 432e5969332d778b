//! `docker container stop`: stop one or more running containers.

use super::each;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container stop", "stop"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Stop one or more running containers",
    args: Args::Min(1),
    flags: FLAGS,
    run: |cli, m| Box::pin(run(cli, m, "stop")),
};

/// What `docker restart` takes, too.
pub const FLAGS: &[Flag] = &[
    Flag::new('s', "signal", "string", "Signal to send to the container"),
    Flag::new(
        't',
        "timeout",
        "int",
        "Seconds to wait before killing the container",
    ),
    Flag::hidden("time", "int"),
];

/// Asks for `action` on each container: `stop`, or `restart`.
pub async fn run(cli: &Cli<'_>, m: &Matches, action: &str) -> Result<(), Failure> {
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
            format!("/containers/{}/{action}{params}", segment(id)),
            &J::Null,
        )
        .await
        .map(drop)
    })
    .await
}
