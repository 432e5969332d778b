//! `docker network prune`: remove all unused networks.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["network prune"],
    usage: "[OPTIONS]",
    about: "Remove all unused networks",
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
            .confirm(
                "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?",
            )
            .await?
    {
        return Ok(());
    }
    let text = prune(cli, &filters).await?;
    cli.out(&text).await;
    Ok(())
}

/// Removes unused networks; what to say about it.
pub async fn prune(cli: &Cli<'_>, filters: &[(String, String)]) -> Result<String, Failure> {
    let answer = cli
        .post(
            format!("/networks/prune{}", Params::new().filters(filters)),
            &J::Null,
        )
        .await?;
    let deleted = answer.texts("NetworksDeleted");
    Ok(if deleted.is_empty() {
        String::new()
    } else {
        format!("Deleted Networks:\n{}\n\n", deleted.join("\n"))
    })
}
