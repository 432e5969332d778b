//! `docker image history`: show the history of an image.

use crate::cli::platform;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image history", "history"],
    usage: "[OPTIONS] IMAGE",
    about: "Show the history of an image",
    args: Args::Exact(1),
    flags: &[
        Flag::long("format", "string", FORMAT_TABLE),
        Flag::new(
            'H',
            "human",
            "",
            "Print sizes and dates in human readable format (default true)",
        ),
        Flag::long("no-trunc", "", "Don't truncate output"),
        Flag::long(
            "platform",
            "string",
            "Show history for the given platform. Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")",
        ),
        Flag::new('q', "quiet", "", "Only show image IDs"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

const TABLE: &str = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
const PLAIN: &str = "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let params = platform::param(Params::new(), m.str("platform"))
        .map_err(|e| Failure::new(format!("invalid platform: {e}")))?;
    let list = cli
        .get(format!("/images/{}/history{params}", segment(m.arg(0))))
        .await?;
    let (human, truncate) = (m.on_or("human", true), !m.on("no-trunc"));
    let now = cli.host.now();
    let rows = list
        .as_array()
        .map_or(&[][..], |a| a)
        .iter()
        .map(|h| {
            let created = h.num("Created");
            let by = h.text("CreatedBy").replace('\t', " ");
            let size = h.num("Size");
            let since = if created <= -62_135_596_800 {
                String::new()
            } else if human {
                units::ago(now, created)
            } else {
                units::rfc3339(created)
            };
            formatter::row(
                "*image.historyContext",
                vec![
                    (
                        "ID",
                        if truncate {
                            units::short_id(h.text("Id"))
                        } else {
                            h.text("Id")
                        }
                        .into(),
                    ),
                    ("CreatedAt", units::rfc3339(created).into()),
                    ("CreatedSince", since.into()),
                    (
                        "CreatedBy",
                        if truncate {
                            units::ellipsis(&by, 45)
                        } else {
                            by
                        }
                        .into(),
                    ),
                    (
                        "Size",
                        if human {
                            units::human_size(size as f64, 3)
                        } else {
                            size.to_string()
                        }
                        .into(),
                    ),
                    ("Comment", h.text("Comment").into()),
                ],
                vec![],
            )
        })
        .collect();
    let format = m.str("format");
    let (format, table) = match (m.on("quiet") && formatter::is_table(format), human) {
        (true, _) => ("{{.ID}}", TABLE),
        (_, true) => (format, TABLE),
        (_, false) => (format, PLAIN),
    };
    cli.out(&formatter::render(
        format,
        table,
        &Rows {
            headers: HEADERS,
            rows,
        },
    )?)
    .await;
    Ok(())
}
