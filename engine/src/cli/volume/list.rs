//! `docker volume ls`: list volumes.

use crate::cli::container::labels;
use crate::cli::network::natural;
use crate::cli::prelude::*;
use bottleship_gotmpl::Value;

/// The command.
pub const COMMAND: Command = Command {
    names: &["volume ls", "volume list"],
    usage: "[OPTIONS]",
    about: "List volumes",
    args: Args::None,
    flags: &[
        Flag::long(
            "cluster",
            "",
            "Display only cluster volumes, and use cluster volume list formatting",
        )
        .needs(Need::Swarm),
        Flag::new(
            'f',
            "filter",
            "filter",
            "Provide filter values (e.g. \"dangling=true\")",
        ),
        Flag::long("format", "string", FORMAT_TABLE),
        Flag::new('q', "quiet", "", "Only display volume names"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

/// Fields and headings.
pub const HEADERS: &[(&str, &str)] = &[
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Availability", "AVAILABILITY"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Group", "GROUP"),
    ("Status", "STATUS"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let filters = parse_filters(&m.list("filter"))?;
    let answer = cli
        .get(format!("/volumes{}", Params::new().filters(&filters)))
        .await?;
    let mut volumes: Vec<&J> = answer.items("Volumes").iter().collect();
    volumes.sort_by(|a, b| natural(a.text("Name"), b.text("Name")));
    let mut format = m.str("format").to_string();
    if format.is_empty() && !m.on("quiet") {
        format = cli.load_config().await.text("volumesFormat").to_string();
    }
    if m.on("quiet") && formatter::is_table(&format) {
        format = "{{.Name}}".into();
    }
    if format == "raw" {
        format = if m.on("quiet") {
            "name: {{.Name}}"
        } else {
            "name: {{.Name}}\ndriver: {{.Driver}}\n"
        }
        .into();
    }
    let rows = volumes.into_iter().map(row).collect();
    cli.out(&formatter::render(
        &format,
        "table {{.Driver}}\t{{.Name}}",
        &Rows {
            headers: HEADERS,
            rows,
        },
    )?)
    .await;
    Ok(())
}

/// A volume as a row.
pub fn row(v: &J) -> Value {
    let all: Vec<(String, String)> = v
        .entries("Labels")
        .into_iter()
        .map(|(k, v)| (k.to_string(), v.as_str().unwrap_or("").to_string()))
        .collect();
    let usage = v.at("UsageData");
    let na = || "N/A".to_string();
    let links = usage
        .at("RefCount")
        .as_i64()
        .map_or_else(na, |n| n.to_string());
    let size = usage
        .at("Size")
        .as_i64()
        .map_or_else(na, |n| units::human_size(n as f64, 4));
    formatter::row(
        "*formatter.volumeContext",
        vec![
            ("Name", v.text("Name").into()),
            ("Driver", v.text("Driver").into()),
            ("Scope", v.text("Scope").into()),
            ("Mountpoint", v.text("Mountpoint").into()),
            ("Labels", labels(v).into()),
            ("Links", links.into()),
            ("Size", size.into()),
            ("Availability", "N/A".into()),
            ("Group", "N/A".into()),
            ("Status", "N/A".into()),
        ],
        vec![(
            "Label",
            formatter::text_method(move |name| {
                all.iter()
                    .find(|(k, _)| k == name)
                    .map(|(_, v)| v.clone())
                    .unwrap_or_default()
            }),
        )],
    )
}
