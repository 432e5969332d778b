//! `docker network ls`: list networks.

use crate::cli::container::labels;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["network ls", "network list"],
    usage: "[OPTIONS]",
    about: "List networks",
    args: Args::None,
    flags: &[
        Flag::new(
            'f',
            "filter",
            "filter",
            "Provide filter values (e.g. \"driver=bridge\")",
        ),
        Flag::long("format", "string", FORMAT_TABLE),
        Flag::long("no-trunc", "", "Do not truncate the output"),
        Flag::new('q', "quiet", "", "Only display network IDs"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

const HEADERS: &[(&str, &str)] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let filters = parse_filters(&m.list("filter"))?;
    let list = cli
        .get(format!("/networks{}", Params::new().filters(&filters)))
        .await?;
    let mut networks: Vec<&J> = list.as_array().map_or(&[][..], |a| a).iter().collect();
    networks.sort_by(|a, b| natural(a.text("Name"), b.text("Name")));
    let mut format = m.str("format").to_string();
    if format.is_empty() && !m.on("quiet") {
        format = cli.load_config().await.text("networksFormat").to_string();
    }
    if m.on("quiet") && formatter::is_table(&format) {
        format = "{{.ID}}".into();
    }
    if format == "raw" {
        format = if m.on("quiet") {
            "network_id: {{.ID}}"
        } else {
            "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n"
        }
        .into();
    }
    let truncate = !m.on("no-trunc");
    let rows = networks
        .into_iter()
        .map(|n| {
            let id = n.text("Id");
            let (s, ns) = units::parse_rfc3339(n.text("Created")).unwrap_or((-62_135_596_800, 0));
            let all: Vec<(String, String)> = n
                .entries("Labels")
                .into_iter()
                .map(|(k, v)| (k.to_string(), v.as_str().unwrap_or("").to_string()))
                .collect();
            formatter::row(
                "*network.networkContext",
                vec![
                    ("ID", if truncate { units::short_id(id) } else { id }.into()),
                    ("Name", n.text("Name").into()),
                    ("Driver", n.text("Driver").into()),
                    ("Scope", n.text("Scope").into()),
                    ("IPv4", n.flag("EnableIPv4").to_string().into()),
                    ("IPv6", n.flag("EnableIPv6").to_string().into()),
                    ("Internal", n.flag("Internal").to_string().into()),
                    ("Labels", labels(n).into()),
                    ("CreatedAt", units::go_time(s, ns).into()),
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
        })
        .collect();
    let table = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
    cli.out(&formatter::render(
        &format,
        table,
        &Rows {
            headers: HEADERS,
            rows,
        },
    )?)
    .await;
    Ok(())
}

/// Orders names as docker does: runs of digits by their value.
pub fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let split = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let (x, y) = (split(a), split(b));
        if x > 0 && y > 0 {
            let (p, q) = (
                a[..x].trim_start_matches('0'),
                b[..y].trim_start_matches('0'),
            );
            let order = p
                .len()
                .cmp(&q.len())
                .then_with(|| p.cmp(q))
                .then_with(|| x.cmp(&y));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[x..], &b[y..]);
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (None, None) => return std::cmp::Ordering::Equal,
            (None, _) => return std::cmp::Ordering::Less,
            (_, None) => return std::cmp::Ordering::Greater,
            (Some(p), Some(q)) if p != q => return p.cmp(&q),
            (Some(p), _) => (a, b) = (&a[p.len_utf8()..], &b[p.len_utf8()..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn digits_sort_by_value() {
        let mut v = vec!["n10", "n2", "n", "b1", "n02"];
        v.sort_by(|a, b| natural(a, b));
        assert_eq!(v, ["b1", "n", "n2", "n02", "n10"]);
    }
}
