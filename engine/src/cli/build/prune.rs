//! `docker builder prune`: remove build cache.

use crate::cli::container::opts::size;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["builder prune"],
    usage: "",
    about: "Remove build cache",
    args: Args::None,
    flags: &[
        Flag::new(
            'a',
            "all",
            "",
            "Remove all unused build cache, not just dangling ones",
        ),
        Flag::long(
            "filter",
            "filter",
            "Provide filter values (e.g. \"until=24h\")",
        ),
        Flag::new('f', "force", "", "Do not prompt for confirmation"),
        Flag::long(
            "keep-storage",
            "bytes",
            "Amount of disk space to keep for cache",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let filters = parse_filters(&m.list("filter"))?;
    let what = if m.on("all") {
        "all build cache"
    } else {
        "all dangling build cache"
    };
    if !m.on("force")
        && !cli
            .confirm(&format!(
                "WARNING! This will remove {what}. Are you sure you want to continue?"
            ))
            .await?
    {
        return Ok(());
    }
    let (text, reclaimed) = prune(cli, m.on("all"), size(m, "keep-storage"), filters).await?;
    cli.out(&text).await;
    cli.out(&format!(
        "Total reclaimed space: {}\n",
        units::human_size(reclaimed as f64, 4)
    ))
    .await;
    Ok(())
}

/// Removes build cache; what to say about it, and the bytes freed.
pub async fn prune(
    cli: &Cli<'_>,
    all: bool,
    keep: i64,
    filters: Vec<(String, String)>,
) -> Result<(String, i64), Failure> {
    let params = Params::new()
        .add_if(all, "all", "1")
        .filters(&filters)
        .add_if(keep > 0, "keep-storage", keep.to_string());
    let answer = cli.post(format!("/build/prune{params}"), &J::Null).await?;
    let deleted = answer.texts("CachesDeleted");
    let text = if deleted.is_empty() {
        String::new()
    } else {
        format!("Deleted build cache objects:\n{}\n\n", deleted.join("\n"))
    };
    Ok((text, answer.num("SpaceReclaimed")))
}
