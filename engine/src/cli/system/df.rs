//! `docker system df`: show docker disk usage.

use crate::cli::prelude::*;
use crate::cli::{container, image, volume};
use bottleship_gotmpl::Value;
use bottleship_oci::Reference;

/// The command.
pub const COMMAND: Command = Command {
    names: &["system df"],
    usage: "[OPTIONS]",
    about: "Show docker disk usage",
    args: Args::None,
    flags: &[
        Flag::long("format", "string", FORMAT_TABLE),
        Flag::new(
            'v',
            "verbose",
            "",
            "Show detailed information on space usage",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

const TABLE: &str = "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
const HEADERS: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];
const IMAGES: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
const CONTAINERS: &str = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}";
const VOLUMES: &str = "table {{.Name}}\t{{.Links}}\t{{.Size}}";
const CACHE: &str = "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}";
const CACHE_HEADERS: &[(&str, &str)] = &[
    ("ID", "CACHE ID"),
    ("Parent", "PARENT"),
    ("CacheType", "CACHE TYPE"),
    ("Size", "SIZE"),
    ("CreatedSince", "CREATED"),
    ("LastUsedSince", "LAST USED"),
    ("UsageCount", "USAGE"),
    ("Shared", "SHARED"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let df = cli.get("/system/df").await?;
    if m.on("verbose") {
        return verbose(cli, &df, m.str("format")).await;
    }
    let rows = vec![images(&df), containers(&df), volumes(&df), cache(&df)];
    cli.out(&formatter::render(
        m.str("format"),
        TABLE,
        &Rows {
            headers: HEADERS,
            rows,
        },
    )?)
    .await;
    Ok(())
}

fn row(
    name: &'static str,
    kind: &str,
    total: usize,
    active: usize,
    size: i64,
    reclaimable: String,
) -> Value {
    formatter::row(
        name,
        vec![
            ("Type", kind.into()),
            ("TotalCount", total.to_string().into()),
            ("Active", active.to_string().into()),
            ("Size", units::human_size(size as f64, 4).into()),
            ("Reclaimable", reclaimable.into()),
        ],
        vec![],
    )
}

fn reclaimable(n: i64, of: i64) -> String {
    let size = units::human_size(n as f64, 4);
    if of > 0 {
        format!("{size} ({}%)", n.saturating_mul(100) / of)
    } else {
        size
    }
}

fn images(df: &J) -> Value {
    let all = df.items("Images");
    let active = all.iter().filter(|i| i.num("Containers") > 0);
    let used: i64 = active
        .clone()
        .filter(|i| i.num("Size") != -1 && i.num("SharedSize") != -1)
        .map(|i| i.num("Size") - i.num("SharedSize"))
        .sum();
    let total = df.num("LayersSize");
    row(
        "*formatter.diskUsageImagesContext",
        "Images",
        all.len(),
        active.count(),
        total,
        reclaimable(total - used, total),
    )
}

fn containers(df: &J) -> Value {
    let all = df.items("Containers");
    let running = |c: &&J| matches!(c.text("State"), "running" | "paused" | "restarting");
    let total: i64 = all.iter().map(|c| c.num("SizeRw")).sum();
    let free: i64 = all
        .iter()
        .filter(|c| !running(c))
        .map(|c| c.num("SizeRw"))
        .sum();
    row(
        "*formatter.diskUsageContainersContext",
        "Containers",
        all.len(),
        all.iter().filter(running).count(),
        total,
        reclaimable(free, total),
    )
}

fn volumes(df: &J) -> Value {
    let all = df.items("Volumes");
    let known = || {
        all.iter()
            .map(|v| v.at("UsageData"))
            .filter(|u| u.num("Size") != -1)
    };
    let total: i64 = known().map(|u| u.num("Size")).sum();
    let free: i64 = known()
        .filter(|u| u.num("RefCount") == 0)
        .map(|u| u.num("Size"))
        .sum();
    row(
        "*formatter.diskUsageVolumesContext",
        "Local Volumes",
        all.len(),
        all.iter()
            .filter(|v| v.at("UsageData").num("RefCount") > 0)
            .count(),
        total,
        reclaimable(free, total),
    )
}

fn cache_size(df: &J) -> i64 {
    df.items("BuildCache")
        .iter()
        .filter(|c| !c.flag("Shared"))
        .map(|c| c.num("Size"))
        .sum()
}

fn cache(df: &J) -> Value {
    let all = df.items("BuildCache");
    let used: i64 = all
        .iter()
        .filter(|c| c.flag("InUse") && !c.flag("Shared"))
        .map(|c| c.num("Size"))
        .sum();
    let total = cache_size(df);
    row(
        "*formatter.diskUsageBuilderContext",
        "Build Cache",
        all.len(),
        all.iter().filter(|c| c.flag("InUse")).count(),
        total,
        units::human_size((total - used) as f64, 4),
    )
}

fn cache_row(cli: &Cli<'_>, c: &J, truncate: bool) -> Value {
    let id = c.text("ID");
    let mut id = if truncate { units::short_id(id) } else { id }.to_string();
    if c.flag("InUse") {
        id.push('*');
    }
    let time = |name: &str| units::parse_rfc3339(c.text(name));
    let since =
        |name: &str| time(name).map_or_else(String::new, |(s, _)| units::ago(cli.host.now(), s));
    let at = |name: &str| time(name).map_or_else(String::new, |(s, n)| units::go_time(s, n));
    formatter::row(
        "*formatter.buildCacheContext",
        vec![
            ("ID", id.into()),
            ("Parent", c.text("Parent").into()),
            ("CacheType", c.text("Type").into()),
            ("Description", c.text("Description").into()),
            ("InUse", c.flag("InUse").to_string().into()),
            ("Shared", c.flag("Shared").to_string().into()),
            ("Size", units::human_size(c.num("Size") as f64, 3).into()),
            ("CreatedAt", at("CreatedAt").into()),
            ("CreatedSince", since("CreatedAt").into()),
            ("LastUsedAt", at("LastUsedAt").into()),
            ("LastUsedSince", since("LastUsedAt").into()),
            ("UsageCount", c.num("UsageCount").to_string().into()),
        ],
        vec![],
    )
}

async fn verbose(cli: &Cli<'_>, df: &J, format: &str) -> Result<(), Failure> {
    let table = formatter::is_table(format);
    let image_rows: Vec<Value> = df
        .items("Images")
        .iter()
        .map(|i| {
            let tag = i
                .texts("RepoTags")
                .first()
                .and_then(|t| Reference::parse(t).ok());
            let digest = i
                .texts("RepoDigests")
                .first()
                .and_then(|t| Reference::parse(t).ok());
            let (repo, tag) = match (&tag, &digest) {
                (Some(r), _) => (r.familiar_name(), r.tag().unwrap_or("<none>").to_string()),
                (None, Some(r)) => (r.familiar_name(), "<none>".into()),
                _ => ("<none>".into(), "<none>".into()),
            };
            image::row(cli, i, table, &repo, &tag, "")
        })
        .collect();
    let container_rows: Vec<Value> = df
        .items("Containers")
        .iter()
        .map(|c| {
            // The size of the image is counted with the images.
            let mut c = c.clone();
            c["SizeRootFs"] = 0.into();
            container::row(&c, table, cli)
        })
        .collect();
    let volume_rows: Vec<Value> = df.items("Volumes").iter().map(volume::row).collect();
    let cache_rows: Vec<Value> = df
        .items("BuildCache")
        .iter()
        .map(|c| cache_row(cli, c, table))
        .collect();
    if !table {
        let all = formatter::row(
            "*formatter.diskUsageContext",
            vec![
                ("Images", Value::list("*formatter.imageContext", image_rows)),
                (
                    "Containers",
                    Value::list("*formatter.ContainerContext", container_rows),
                ),
                (
                    "Volumes",
                    Value::list("*formatter.volumeContext", volume_rows),
                ),
                (
                    "BuildCache",
                    Value::list("*formatter.buildCacheContext", cache_rows),
                ),
            ],
            vec![],
        );
        let text = if format == "json" {
            // Unlike rows, this keeps its order.
            let part = |name: &str| formatter::one(&format!("{{{{json .{name}}}}}"), &all);
            format!(
                "{{\"Images\":{},\"Containers\":{},\"Volumes\":{},\"BuildCache\":{}}}",
                part("Images")?,
                part("Containers")?,
                part("Volumes")?,
                part("BuildCache")?
            )
        } else {
            formatter::one(format, &all)
                .map_err(|f| Failure::new(f.text.trim_start_matches("template parsing error: ")))?
        };
        cli.out(&text).await;
        return Ok(());
    }
    let render =
        |table: &str, headers, rows| formatter::render("table", table, &Rows { headers, rows });
    let images = render(IMAGES, image::HEADERS, image_rows)?;
    let containers = render(CONTAINERS, container::HEADERS, container_rows)?;
    let volumes = render(VOLUMES, volume::HEADERS, volume_rows)?;
    let cache = render(CACHE, CACHE_HEADERS, cache_rows)?;
    let size = units::human_size(cache_size(df) as f64, 4);
    cli.out(&format!(
        "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\nLocal Volumes space usage:\n\n{volumes}\nBuild cache usage: {size}\n\n{cache}"
    ))
    .await;
    Ok(())
}
