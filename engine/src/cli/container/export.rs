//! `docker container export`: export a container's filesystem as a tar archive.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container export", "export"],
    usage: "[OPTIONS] CONTAINER",
    about: "Export a container's filesystem as a tar archive",
    args: Args::Exact(1),
    flags: &[Flag::new(
        'o',
        "output",
        "string",
        "Write to a file, instead of STDOUT",
    )],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let path = format!("/containers/{}/export", segment(m.arg(0)));
    cli.save_to(
        m.str("output"),
        async || cli.send(Request::get(path)).await,
        "export",
    )
    .await
}
