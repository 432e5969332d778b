//! `docker container diff`: inspect changes to files or directories on a container's filesystem.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container diff", "diff"],
    usage: "CONTAINER",
    about: "Inspect changes to files or directories on a container's filesystem",
    args: Args::Exact(1),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let changes = cli
        .get(format!("/containers/{}/changes", segment(m.arg(0))))
        .await?;
    let mut out = String::new();
    for c in changes.as_array().map_or(&[][..], |a| a) {
        let kind = match c.num("Kind") {
            0 => 'C',
            1 => 'A',
            2 => 'D',
            _ => ' ',
        };
        out.push_str(&format!("{kind} {}\n", c.text("Path")));
    }
    cli.out(&out).await;
    Ok(())
}
