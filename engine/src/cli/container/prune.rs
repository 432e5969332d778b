//! `docker container prune`: remove all stopped containers.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container prune"],
    usage: "[OPTIONS]",
    about: "Remove all stopped containers",
    args: Args::None,
    flags: &[
        Flag::long(
            "filter",
            "filter",
            "Provide filter values (e.g. \"until=<timestamp>\")",
        ),
        Flag::new('f', "force", "", "Do not prompt for confirmation"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let filters = parse_filters(&m.list("filter"))?;
    if !m.on("force")
        && !cli
            .confirm("WARNING! This will remove all stopped containers.\nAre you sure you want to continue?")
            .await?
    {
        return Ok(());
    }
    let (text, reclaimed) = prune(cli, &filters).await?;
    cli.out(&text).await;
    cli.out(&format!(
        "Total reclaimed space: {}\n",
        units::human_size(reclaimed as f64, 4)
    ))
    .await;
    Ok(())
}

/// Removes stopped containers; what to say about it, and the bytes freed.
pub async fn prune(cli: &Cli<'_>, filters: &[(String, String)]) -> Result<(String, i64), Failure> {
    let answer = cli
        .post(
            format!("/containers/prune{}", Params::new().filters(filters)),
            &J::Null,
        )
        .await?;
    let mut text = String::new();
    let deleted = answer.texts("ContainersDeleted");
    if !deleted.is_empty() {
        text = format!("Deleted Containers:\n{}\n\n", deleted.join("\n"));
    }
    Ok((text, answer.num("SpaceReclaimed")))
}
