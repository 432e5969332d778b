//! `docker network rm`: remove one or more networks.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["network rm", "network remove"],
    usage: "NETWORK [NETWORK...]",
    about: "Remove one or more networks",
    args: Args::Min(1),
    flags: &[Flag::new(
        'f',
        "force",
        "",
        "Do not error if the network does not exist",
    )],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut failed = false;
    for name in &m.args {
        match cli.delete(format!("/networks/{}", segment(name))).await {
            Ok(_) => cli.out(&format!("{name}\n")).await,
            Err(e) => {
                failed |= !(m.on("force") && e.not_found());
                cli.err(&format!("{e}\n")).await;
            }
        }
    }
    if failed {
        // What docker says of a status without a text.
        Err(Failure::new("exit status 1"))
    } else {
        Ok(())
    }
}
