//! `docker network inspect`: display detailed information on one or more networks.

use crate::cli::inspect::inspect;
use crate::cli::prelude::*;
use crate::cli::shapes;

/// The command.
pub const COMMAND: Command = Command {
    names: &["network inspect"],
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    about: "Display detailed information on one or more networks",
    args: Args::Min(1),
    flags: &[
        Flag::new('f', "format", "string", FORMAT_INSPECT),
        Flag::new('v', "verbose", "", "Verbose output for diagnostics"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let verbose = if m.on("verbose") { "?verbose=true" } else { "" };
    inspect(cli, m.str("format"), &m.args, async |id| {
        let raw = cli
            .get_raw(format!("/networks/{}{verbose}", segment(id)))
            .await?;
        Ok((raw, Some(&shapes::NETWORK)))
    })
    .await
}
