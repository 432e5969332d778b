//! `docker volume prune`: remove unused local volumes.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["volume prune"],
    usage: "[OPTIONS]",
    about: "Remove unused local volumes",
    args: Args::None,
    flags: &[
        Flag::new(
            'a',
            "all",
            "",
            "Remove all unused volumes, not just anonymous ones",
        ),
        Flag::long(
            "filter",
            "filter",
            "Provide filter values (e.g. \"label=<label>\")",
        ),
        Flag::new('f', "force", "", "Do not prompt for confirmation"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut filters = parse_filters(&m.list("filter"))?;
    let all = m.on("all");
    if all {
        if filters.iter().any(|(k, _)| k == "all") {
            return Err(Failure::new(
                "conflicting options: cannot specify both --all and --filter all=1",
            ));
        }
        filters.push(("all".into(), "true".into()));
    }
    let what = if all {
        "all local volumes"
    } else {
        "anonymous local volumes"
    };
    if !m.on("force")
        && !cli
            .confirm(&format!(
                "WARNING! This will remove {what} not used by at least one container.\nAre you sure you want to continue?"
            ))
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

/// Removes unused volumes; what to say about it, and the bytes freed.
pub async fn prune(cli: &Cli<'_>, filters: &[(String, String)]) -> Result<(String, i64), Failure> {
    let answer = cli
        .post(
            format!("/volumes/prune{}", Params::new().filters(filters)),
            &J::Null,
        )
        .await?;
    let deleted = answer.texts("VolumesDeleted");
    let text = if deleted.is_empty() {
        String::new()
    } else {
        format!("Deleted Volumes:\n{}\n\n", deleted.join("\n"))
    };
    Ok((text, answer.num("SpaceReclaimed")))
}
