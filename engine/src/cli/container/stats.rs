//! `docker container stats`: display a live stream of container(s) resource usage statistics.

use crate::cli::jsonmessage::Documents;
use crate::cli::prelude::*;
use bottleship_gotmpl::Value;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container stats", "stats"],
    usage: "[OPTIONS] [CONTAINER...]",
    about: "Display a live stream of container(s) resource usage statistics",
    args: Args::Any,
    flags: &[
        Flag::new(
            'a',
            "all",
            "",
            "Show all containers (default shows just running)",
        ),
        Flag::long("format", "string", FORMAT_TABLE),
        Flag::long(
            "no-stream",
            "",
            "Disable streaming stats and only pull the first result",
        ),
        Flag::long("no-trunc", "", "Do not truncate output"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

const TABLE: &str = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

const HEADERS: &[(&str, &str)] = &[
    ("Container", "CONTAINER"),
    ("Name", "NAME"),
    ("ID", "CONTAINER ID"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut format = m.str("format").to_string();
    if format.is_empty() {
        format = cli.load_config().await.text("statsFormat").to_string();
    }
    let watch = async {
        let mut clear = "\x1b[2J";
        loop {
            let ids = if m.args.is_empty() {
                let all = if m.on("all") { "?all=1" } else { "" };
                let list = cli.get(format!("/containers/json{all}")).await?;
                let list = list.as_array().cloned().unwrap_or_default();
                list.iter().map(|c| c.text("Id").to_string()).collect()
            } else {
                m.args.clone()
            };
            let samples = futures::future::join_all(ids.iter().map(|id| sample(cli, m, id))).await;
            let (mut rows, mut missing) = (Vec::new(), Vec::new());
            for s in samples {
                match s {
                    Ok(Some(r)) => rows.push(r),
                    Ok(None) => {}
                    Err(f) => missing.push(f.text),
                }
            }
            if !missing.is_empty() && !m.args.is_empty() {
                return Err(Failure::new(missing.join("\n")));
            }
            let text = formatter::render(
                &format,
                TABLE,
                &Rows {
                    headers: HEADERS,
                    rows,
                },
            )?;
            if m.on("no-stream") {
                cli.out(&text).await;
                return Ok(());
            }
            // Each line is cleared to its end, and the screen below the last.
            let text = text.replace('\n', "\x1b[K\n");
            cli.out(&format!("{clear}\x1b[H{text}\x1b[J")).await;
            clear = "";
            cli.host.sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    if m.on("no-stream") {
        return watch.await;
    }
    match cli.until_signal(watch).await {
        Ok(r) => r,
        Err(n) => Err(Failure::status(128 + n)),
    }
}

async fn sample(cli: &Cli<'_>, m: &Matches, id: &str) -> Result<Option<Value>, Failure> {
    let params = Params::new().add("stream", "0");
    let r = cli
        .send(Request::get(format!(
            "/containers/{}/stats{params}",
            segment(id)
        )))
        .await?;
    let s = match Documents::new(r).next().await? {
        Some(s) => s,
        None => return Ok(None),
    };
    Ok(Some(row(&s, id, !m.on("no-trunc"))))
}

fn float(v: &J) -> f64 {
    v.as_f64().unwrap_or(0.0)
}

fn row(s: &J, asked: &str, truncate: bool) -> Value {
    let (cpu, before) = (s.at("cpu_stats"), s.at("precpu_stats"));
    let used = float(cpu.at("cpu_usage").at("total_usage"))
        - float(before.at("cpu_usage").at("total_usage"));
    let system = float(cpu.at("system_cpu_usage")) - float(before.at("system_cpu_usage"));
    let cpus = match cpu.num("online_cpus") {
        0 => cpu.at("cpu_usage").items("percpu_usage").len() as f64,
        n => n as f64,
    };
    let percent = if system > 0.0 && used > 0.0 {
        used / system * cpus * 100.0
    } else {
        0.0
    };
    let memory = s.at("memory_stats");
    let usage = float(memory.at("usage"));
    // Page cache that can be dropped does not count: cgroup v1's name, then v2's.
    let cache = ["total_inactive_file", "inactive_file"]
        .iter()
        .map(|k| float(memory.at("stats").at(k)))
        .find(|c| *c > 0.0 && *c < usage)
        .unwrap_or(0.0);
    let (usage, limit) = (usage - cache, float(memory.at("limit")));
    let share = if limit > 0.0 {
        usage / limit * 100.0
    } else {
        0.0
    };
    let (mut rx, mut tx, mut read, mut write) = (0.0, 0.0, 0.0, 0.0);
    for (_, n) in s.entries("networks") {
        rx += float(n.at("rx_bytes"));
        tx += float(n.at("tx_bytes"));
    }
    for b in s.at("blkio_stats").items("io_service_bytes_recursive") {
        match b.text("op").chars().next() {
            Some('r' | 'R') => read += float(b.at("value")),
            Some('w' | 'W') => write += float(b.at("value")),
            _ => {}
        }
    }
    let size = |n: f64| units::human_size(n, 3);
    let id = s.text("id");
    let name = s.text("name");
    let container = match (truncate, asked.len()) {
        (true, 64) => units::short_id(asked),
        _ => asked,
    };
    formatter::row(
        "*container.statsContext",
        vec![
            ("Container", container.into()),
            ("Name", name.strip_prefix('/').unwrap_or(name).into()),
            ("ID", if truncate { units::short_id(id) } else { id }.into()),
            ("CPUPerc", format!("{percent:.2}%").into()),
            (
                "MemUsage",
                format!(
                    "{} / {}",
                    units::bytes_size(usage),
                    units::bytes_size(limit)
                )
                .into(),
            ),
            ("MemPerc", format!("{share:.2}%").into()),
            ("NetIO", format!("{} / {}", size(rx), size(tx)).into()),
            (
                "BlockIO",
                format!("{} / {}", size(read), size(write)).into(),
            ),
            ("PIDs", s.at("pids_stats").num("current").to_string().into()),
        ],
        vec![],
    )
}
