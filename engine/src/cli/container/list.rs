//! `docker ps`: list containers.

use crate::cli::prelude::*;
use bottleship_gotmpl::Value;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container ls", "container list", "container ps", "ps"],
    usage: "[OPTIONS]",
    about: "List containers",
    args: Args::None,
    flags: &[
        Flag::new(
            'a',
            "all",
            "",
            "Show all containers (default shows just running)",
        ),
        Flag::new(
            'f',
            "filter",
            "filter",
            "Filter output based on conditions provided",
        ),
        Flag::long("format", "string", FORMAT_TABLE),
        Flag::new(
            'n',
            "last",
            "int",
            "Show n last created containers (includes all states) (default -1)",
        ),
        Flag::new(
            'l',
            "latest",
            "",
            "Show the latest created container (includes all states)",
        ),
        Flag::long("no-trunc", "", "Don't truncate output"),
        Flag::new('q', "quiet", "", "Only display container IDs"),
        Flag::new('s', "size", "", "Display total file sizes"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

const TABLE: &str =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";

/// Fields and headings.
pub const HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut format = m.str("format").to_string();
    let quiet = m.on("quiet");
    if format.is_empty() && !quiet {
        format = cli.load_config().await.text("psFormat").to_string();
    }
    if quiet && !format.is_empty() {
        cli.err("WARNING: Ignoring custom format, because both --format and --quiet are set.\n")
            .await;
        if format != "raw" {
            format.clear();
        }
    }
    let default = match (quiet, m.on("size")) {
        (true, _) => "table {{.ID}}".to_string(),
        (_, true) => format!("{TABLE}\t{{{{.Size}}}}"),
        _ => TABLE.to_string(),
    };
    // The template may need sizes that nobody asked for.
    let size =
        m.on("size") || (format.contains(".Size") && !quiet) || (m.on("size") && format == "json");
    if !format.is_empty() {
        let probe = row(&J::Null, true, cli);
        // As given: docker names columns in the text it was given.
        let template = bottleship_gotmpl::Template::parse("", &format)
            .map_err(|e| Failure::new(format!("failed to parse template: {e}")))?;
        template
            .execute(&probe, bottleship_gotmpl::MissingKey::Invalid)
            .map_err(|e| Failure::new(format!("failed to execute template: {e}")))?;
    }
    let last = match (m.int("last"), m.on("latest")) {
        (None | Some(-1), true) => 1,
        (n, _) => n.unwrap_or(-1),
    };
    let filters = parse_filters(&m.list("filter"))?;
    let params = Params::new()
        .add_if(m.on("all"), "all", "1")
        .filters(&filters)
        .add_if(last > 0, "limit", last.to_string())
        .add_if(size || (format == "json" && !quiet), "size", "1");
    let list = cli.get(format!("/containers/json{params}")).await?;
    let containers = list.as_array().map_or(&[][..], |a| a);
    if quiet && formatter::is_table(&format) {
        let mut out = String::new();
        for c in containers {
            let id = c.text("Id");
            out.push_str(if m.on("no-trunc") {
                id
            } else {
                units::short_id(id)
            });
            out.push('\n');
        }
        cli.out(&out).await;
        return Ok(());
    }
    if format == "raw" {
        format = RAW.to_string();
        if m.on("size") {
            format.push_str("size: {{.Size}}\n");
        }
    }
    let rows = Rows {
        headers: HEADERS,
        rows: containers
            .iter()
            .map(|c| row(c, !m.on("no-trunc"), cli))
            .collect(),
    };
    cli.out(&formatter::render(&format, &default, &rows)?).await;
    Ok(())
}

/// `key=value,…`, sorted.
pub fn labels(c: &J) -> String {
    let mut all: Vec<String> = c
        .entries("Labels")
        .into_iter()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or("")))
        .collect();
    all.sort();
    all.join(",")
}

/// A container of the list as a row.
pub fn row(c: &J, truncate: bool, cli: &Cli<'_>) -> Value {
    let id = c.text("Id");
    let command = c.text("Command");
    let names: Vec<String> = c
        .texts("Names")
        .into_iter()
        .map(|n| n.strip_prefix('/').unwrap_or(n).to_string())
        .collect();
    let shown = if truncate {
        // Names with a slash inside are links from another container.
        names
            .iter()
            .find(|n| !n.contains('/'))
            .cloned()
            .into_iter()
            .collect()
    } else {
        names
    };
    let created = c.num("Created");
    let mut mounts: Vec<String> = Vec::new();
    let mut volumes = 0;
    for mount in c.items("Mounts") {
        let name = match mount.text("Name") {
            "" => mount.text("Source"),
            n => n,
        };
        volumes += i64::from(mount.text("Driver") == "local");
        mounts.push(if truncate {
            units::ellipsis(name, 15)
        } else {
            name.to_string()
        });
    }
    let mut networks: Vec<&str> = c
        .at("NetworkSettings")
        .entries("Networks")
        .iter()
        .map(|(k, _)| *k)
        .collect();
    networks.sort_unstable();
    let size = units::human_size(c.num("SizeRw") as f64, 3);
    let size = if c.num("SizeRootFs") > 0 {
        format!(
            "{size} (virtual {})",
            units::human_size(c.num("SizeRootFs") as f64, 3)
        )
    } else {
        size
    };
    let all_labels: Vec<(String, String)> = c
        .entries("Labels")
        .into_iter()
        .map(|(k, v)| (k.to_string(), v.as_str().unwrap_or("").to_string()))
        .collect();
    formatter::row(
        "*formatter.ContainerContext",
        vec![
            ("ID", if truncate { units::short_id(id) } else { id }.into()),
            ("Names", shown.join(",").into()),
            ("Image", image(c, truncate).into()),
            (
                "Command",
                quote(&if truncate {
                    units::ellipsis(command, 20)
                } else {
                    command.to_string()
                })
                .into(),
            ),
            ("CreatedAt", units::go_time(created, 0).into()),
            ("RunningFor", units::ago(cli.host.now(), created).into()),
            ("Platform", Value::Nil),
            ("Ports", display_ports(c.items("Ports")).into()),
            ("State", c.text("State").into()),
            ("Status", c.text("Status").into()),
            ("Size", size.into()),
            ("Labels", labels(c).into()),
            ("Mounts", mounts.join(",").into()),
            ("LocalVolumes", volumes.to_string().into()),
            ("Networks", networks.join(",").into()),
        ],
        vec![(
            "Label",
            formatter::text_method(move |name| {
                all_labels
                    .iter()
                    .find(|(k, _)| k == name)
                    .map(|(_, v)| v.clone())
                    .unwrap_or_default()
            }),
        )],
    )
}

fn image(c: &J, truncate: bool) -> String {
    let image = c.text("Image");
    if image.is_empty() {
        return "<no image>".into();
    }
    if !truncate {
        return image.into();
    }
    if units::short_id(c.text("ImageID")) == units::short_id(image) {
        return units::short_id(image).into();
    }
    // A digest is left out beside its name.
    match bottleship_oci::Reference::parse(image) {
        Ok(r) if r.digest().is_some() => match r.tag() {
            Some(t) => format!("{}:{t}", r.familiar_name()),
            None => r.familiar_name(),
        },
        _ => image.into(),
    }
}

/// docker's `DisplayablePorts`: consecutive ports in groups.
pub fn display_ports(ports: &[J]) -> String {
    #[derive(PartialEq)]
    struct Group {
        key: String,
        first: i64,
        last: i64,
    }
    let mut sorted: Vec<&J> = ports.iter().collect();
    sorted.sort_by(|a, b| {
        let k = |p: &J| {
            (
                p.num("PrivatePort"),
                p.text("IP").to_string(),
                p.num("PublicPort"),
                p.text("Type").to_string(),
            )
        };
        k(a).cmp(&k(b))
    });
    let (mut groups, mut result, mut single): (Vec<Group>, Vec<String>, Vec<String>) =
        Default::default();
    let form = |g: &Group| {
        let (ip, proto) = g.key.split_once('/').unwrap_or(("", &g.key));
        let range = if g.first == g.last {
            g.first.to_string()
        } else {
            format!("{}-{}", g.first, g.last)
        };
        if ip.is_empty() {
            format!("{range}/{proto}")
        } else {
            format!("{}:{range}->{range}/{proto}", bracket(ip))
        }
    };
    let mut order: Vec<String> = Vec::new();
    for p in sorted {
        let (private, public, ip) = (p.num("PrivatePort"), p.num("PublicPort"), p.text("IP"));
        let mut key = p.text("Type").to_string();
        if !ip.is_empty() {
            if public != private {
                single.push(format!(
                    "{}:{public}->{private}/{}",
                    bracket(ip),
                    p.text("Type")
                ));
                continue;
            }
            key = format!("{ip}/{key}");
        }
        match groups.iter_mut().find(|g| g.key == key) {
            Some(g) if private == g.last + 1 => g.last = private,
            Some(g) => {
                result.push(form(g));
                g.first = private;
                g.last = private;
            }
            None => {
                order.push(key.clone());
                groups.push(Group {
                    key,
                    first: private,
                    last: private,
                });
            }
        }
    }
    for key in &order {
        if let Some(g) = groups.iter().find(|g| g.key == *key) {
            result.push(form(g));
        }
    }
    result.extend(single);
    result.join(", ")
}

fn bracket(ip: &str) -> String {
    if ip.contains(':') {
        format!("[{ip}]")
    } else {
        ip.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_grouped() {
        let p = json!([
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 80, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 81, "PublicPort": 81, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 90, "PublicPort": 9090, "Type": "tcp"},
            {"PrivatePort": 443, "Type": "tcp"},
            {"PrivatePort": 444, "Type": "tcp"},
        ]);
        assert_eq!(
            display_ports(p.as_array().unwrap()),
            "0.0.0.0:80-81->80-81/tcp, 443-444/tcp, [::]:9090->90/tcp"
        );
    }
}
