//! `docker volume rm`: remove one or more volumes. You cannot remove a volume that is in use by a container..

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["volume rm", "volume remove"],
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    about: "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
    args: Args::Min(1),
    flags: &[Flag::new(
        'f',
        "force",
        "",
        "Force the removal of one or more volumes",
    )],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut errors = Vec::new();
    let force = if m.on("force") { "?force=1" } else { "" };
    for name in &m.args {
        match cli
            .delete(format!("/volumes/{}{force}", segment(name)))
            .await
        {
            Ok(_) => cli.out(&format!("{name}\n")).await,
            Err(e) => errors.push(e.to_string()),
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(errors.join("\n")))
    }
}
