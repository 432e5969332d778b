//! `docker system prune`: remove unused data.

use crate::cli::prelude::*;
use crate::cli::{build, container, image, network, volume};

/// The command.
pub const COMMAND: Command = Command {
    names: &["system prune"],
    usage: "[OPTIONS]",
    about: "Remove unused data",
    args: Args::None,
    flags: &[
        Flag::new(
            'a',
            "all",
            "",
            "Remove all unused images not just dangling ones",
        ),
        Flag::long(
            "filter",
            "filter",
            "Provide filter values (e.g. \"label=<key>=<value>\")",
        ),
        Flag::new('f', "force", "", "Do not prompt for confirmation"),
        Flag::long("volumes", "", "Prune anonymous volumes"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let filters = parse_filters(&m.list("filter"))?;
    let (all, volumes) = (m.on("all"), m.on("volumes"));
    if volumes && filters.iter().any(|(k, _)| k == "until") {
        return Err(Failure::new(
            "ERROR: The \"until\" filter is not supported with \"--volumes\"",
        ));
    }
    if !m.on("force") {
        let mut what = vec![
            "all stopped containers",
            "all networks not used by at least one container",
        ];
        if volumes {
            what.push("all anonymous volumes not used by at least one container");
        }
        if all {
            what.extend([
                "all images without at least one container associated to them",
                "all build cache",
            ]);
        } else {
            what.extend(["all dangling images", "unused build cache"]);
        }
        let mut text = String::from("WARNING! This will remove:\n");
        for w in what {
            text.push_str(&format!("  - {w}\n"));
        }
        if !filters.is_empty() {
            text.push_str("\n  Items to be pruned will be filtered with:\n");
            let mut shown: Vec<String> = filters.iter().map(|(k, v)| format!("{k}={v}")).collect();
            shown.sort();
            for f in shown {
                text.push_str(&format!("  - {f}\n"));
            }
        }
        if !cli
            .confirm(&format!("{text}\nAre you sure you want to continue?"))
            .await?
        {
            return Ok(());
        }
    }
    let mut total = 0;
    let (text, n) = container::prune::prune(cli, &filters).await?;
    cli.out(&text).await;
    total += n;
    cli.out(&network::prune::prune(cli, &filters).await?).await;
    if volumes {
        let (text, n) = volume::prune::prune(cli, &filters).await?;
        cli.out(&text).await;
        total += n;
    }
    let (text, n) = image::prune::prune(cli, all, filters.clone()).await?;
    cli.out(&text).await;
    total += n;
    let cache: Vec<(String, String)> = filters.into_iter().filter(|(k, _)| k == "until").collect();
    let (text, n) = build::prune::prune(cli, all, 0, cache).await?;
    cli.out(&text).await;
    total += n;
    cli.out(&format!(
        "Total reclaimed space: {}\n",
        units::human_size(total as f64, 4)
    ))
    .await;
    Ok(())
}
