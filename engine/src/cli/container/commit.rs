//! `docker container commit`: create a new image from a container's changes.

use crate::cli::prelude::*;
use bottleship_oci::Reference;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container commit", "commit"],
    usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    about: "Create a new image from a container's changes",
    args: Args::Range(1, 2),
    flags: &[
        Flag::new(
            'a',
            "author",
            "string",
            "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")",
        ),
        Flag::new(
            'c',
            "change",
            "list",
            "Apply Dockerfile instruction to the created image",
        ),
        Flag::new('m', "message", "string", "Commit message"),
        Flag::new(
            'p',
            "pause",
            "",
            "Pause container during commit (default true)",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut params = Params::new().add_if(m.given("author"), "author", m.str("author"));
    for c in m.list("change") {
        params = params.add("changes", c);
    }
    params = params
        .add_if(m.given("message"), "comment", m.str("message"))
        .add("container", m.arg(0))
        .add_if(!m.on_or("pause", true), "pause", "0");
    if m.args.len() > 1 {
        let r = Reference::parse(m.arg(1)).map_err(|e| Failure::new(e.to_string()))?;
        if r.digest().is_some() {
            return Err(Failure::new(
                "refusing to create a tag with a digest reference",
            ));
        }
        params = params
            .add("repo", r.name())
            .add("tag", r.tag().unwrap_or("latest"));
    }
    let answer = cli.post(format!("/commit{params}"), &J::Null).await?;
    cli.out(&format!("{}\n", answer.text("Id"))).await;
    Ok(())
}
