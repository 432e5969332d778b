//! `docker image prune`: remove unused images.

use super::remove::deleted;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image prune"],
    usage: "[OPTIONS]",
    about: "Remove unused images",
    args: Args::None,
    flags: &[
        Flag::new(
            'a',
            "all",
            "",
            "Remove all unused images, not just dangling ones",
        ),
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
    let all = m.on("all");
    let what = if all {
        "all images without at least one container associated to them"
    } else {
        "all dangling images"
    };
    if !m.on("force")
        && !cli
            .confirm(&format!(
                "WARNING! This will remove {what}.\nAre you sure you want to continue?"
            ))
            .await?
    {
        return Ok(());
    }
    let (text, reclaimed) = prune(cli, all, filters).await?;
    cli.out(&text).await;
    cli.out(&format!(
        "Total reclaimed space: {}\n",
        units::human_size(reclaimed as f64, 4)
    ))
    .await;
    Ok(())
}

/// Removes unused images; what to say about it, and the bytes freed.
pub async fn prune(
    cli: &Cli<'_>,
    all: bool,
    mut filters: Vec<(String, String)>,
) -> Result<(String, i64), Failure> {
    filters.insert(0, ("dangling".into(), (!all).to_string()));
    let answer = cli
        .post(
            format!("/images/prune{}", Params::new().filters(&filters)),
            &J::Null,
        )
        .await?;
    let items = answer.items("ImagesDeleted");
    let text = if items.is_empty() {
        String::new()
    } else {
        format!("Deleted Images:\n{}\n", deleted(items, false))
    };
    Ok((text, answer.num("SpaceReclaimed")))
}
