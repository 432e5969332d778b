//! `docker container rm`: remove one or more containers.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container rm", "container remove", "rm"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Remove one or more containers",
    args: Args::Min(1),
    flags: &[
        Flag::new(
            'f',
            "force",
            "",
            "Force the removal of a running container (uses SIGKILL)",
        ),
        Flag::new('l', "link", "", "Remove the specified link"),
        Flag::new(
            'v',
            "volumes",
            "",
            "Remove anonymous volumes associated with the container",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut failed = false;
    for id in &m.args {
        let name = id.trim_matches('/');
        if name.is_empty() {
            failed = true;
            cli.err("container name cannot be empty\n").await;
            continue;
        }
        let params = Params::new()
            .add_if(m.on("force"), "force", "1")
            .add_if(m.on("link"), "link", "1")
            .add_if(m.on("volumes"), "v", "1");
        match cli
            .delete(format!("/containers/{}{params}", segment(name)))
            .await
        {
            Ok(_) => cli.out(&format!("{id}\n")).await,
            Err(e) => {
                // With --force, what is not there is not missed, but said.
                failed |= !(m.on("force") && e.not_found());
                cli.err(&format!("{e}\n")).await;
            }
        }
    }
    if failed {
        Err(Failure::status(1))
    } else {
        Ok(())
    }
}
