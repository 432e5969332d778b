//! `docker volume inspect`: display detailed information on one or more volumes.

use crate::cli::inspect::inspect;
use crate::cli::prelude::*;
use crate::cli::shapes;

/// The command.
pub const COMMAND: Command = Command {
    names: &["volume inspect"],
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    about: "Display detailed information on one or more volumes",
    args: Args::Min(1),
    flags: &[Flag::new('f', "format", "string", FORMAT_INSPECT)],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    inspect(cli, m.str("format"), &m.args, async |id| {
        let raw = cli.get_raw(format!("/volumes/{}", segment(id))).await?;
        Ok((raw, Some(&shapes::VOLUME)))
    })
    .await
}
