//! `docker stats` and `docker top`.

use std::collections::BTreeMap;

use super::store::Container;
use crate::api::ApiError;
use crate::api::types::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats,
    StatsResponse, Timestamp, TopResponse,
};
use crate::engine::Engine;
use crate::runtime::ProcessInfo;

/// One measurement; `previous` is the one before it, for rates.
pub async fn measure(
    engine: &Engine,
    container: &Container,
    previous: Option<&StatsResponse>,
) -> Result<StatsResponse, ApiError> {
    let (id, name, running, limit, sandbox, interfaces, pids_limit) = {
        let r = container.record();
        let memory = u64::try_from(r.host_config.resources.memory).unwrap_or(0);
        let pids = r
            .host_config
            .resources
            .pids_limit
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(0);
        (
            r.id.clone(),
            format!("/{}", r.name),
            r.state.running,
            memory,
            r.sandbox_id.clone(),
            r.networks.len(),
            pids,
        )
    };
    let mut stats = StatsResponse {
        name,
        id: id.clone(),
        read: Timestamp::ZERO,
        preread: Timestamp::ZERO,
        ..StatsResponse::default()
    };
    if !running {
        return Ok(stats);
    }
    let platform = engine.ports().runtime.platform();
    let used = engine.ports().runtime.stats(&id).await?;
    stats.read = engine.now();
    if let Some(previous) = previous {
        stats.preread = previous.read;
        stats.precpu_stats = previous.cpu_stats.clone();
    }
    stats.pids_stats = PidsStats {
        current: used.pids,
        limit: pids_limit,
    };
    let entry = |op: &str, value| BlkioEntry {
        major: 254,
        minor: 0,
        op: op.into(),
        value,
    };
    stats.blkio_stats = BlkioStats {
        io_service_bytes_recursive: Some(vec![
            entry("read", used.block_read),
            entry("write", used.block_write),
        ]),
        ..BlkioStats::default()
    };
    stats.cpu_stats = CpuStats {
        cpu_usage: CpuUsage {
            total_usage: used.cpu_total,
            percpu_usage: None,
            usage_in_kernelmode: used.cpu_kernel,
            usage_in_usermode: used.cpu_total.saturating_sub(used.cpu_kernel),
        },
        system_cpu_usage: engine
            .ports()
            .clock
            .monotonic()
            .saturating_mul(u64::from(platform.cpus.max(1))),
        online_cpus: platform.cpus,
        ..CpuStats::default()
    };
    let details = [
        ("inactive_file", used.memory_cache),
        ("file", used.memory_cache),
        ("anon", used.memory.saturating_sub(used.memory_cache)),
    ];
    stats.memory_stats = MemoryStats {
        usage: used.memory,
        stats: Some(
            details
                .into_iter()
                .map(|(name, bytes)| (name.to_owned(), bytes))
                .collect(),
        ),
        limit: if limit == 0 { platform.memory } else { limit },
        ..MemoryStats::default()
    };
    let networks: BTreeMap<String, NetworkStats> = (0..interfaces)
        .filter(|_| !sandbox.is_empty())
        .map(|index| {
            let interface = format!("eth{index}");
            let [rx_bytes, rx_packets, tx_bytes, tx_packets] =
                engine.ports().network.traffic(&sandbox, &interface);
            (
                interface,
                NetworkStats {
                    rx_bytes,
                    rx_packets,
                    tx_bytes,
                    tx_packets,
                    ..NetworkStats::default()
                },
            )
        })
        .collect();
    stats.networks = Some(networks).filter(|networks| !networks.is_empty());
    Ok(stats)
}

/// `docker top`, as `ps` with these arguments prints it.
pub async fn top(
    engine: &Engine,
    container: &Container,
    ps_args: &str,
) -> Result<TopResponse, ApiError> {
    let id = container.id();
    container.record().state.must_run(&id)?;
    container.record().state.not_restarting(&id)?;
    let processes = engine.ports().runtime.processes(&id).await?;
    let columns = columns(ps_args)?;
    let now = engine.now();
    let rows = processes.iter().map(|process| {
        columns
            .iter()
            .map(|column| (column.value)(process, now))
            .collect()
    });
    Ok(TopResponse {
        titles: columns.iter().map(|column| column.title.clone()).collect(),
        processes: rows.collect(),
    })
}

struct Column {
    title: String,
    value: fn(&ProcessInfo, Timestamp) -> String,
}

/// The columns of `ps -ef`, `ps aux` or `ps -o a,b`.
fn columns(ps_args: &str) -> Result<Vec<Column>, ApiError> {
    let words: Vec<&str> = ps_args.split_whitespace().collect();
    let names: Vec<String> = match words.as_slice() {
        [] | ["-ef"] => ["user", "pid", "ppid", "c", "stime", "tty", "time", "args"]
            .map(String::from)
            .to_vec(),
        ["aux"] | ["-aux"] => [
            "user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "start", "time", "command",
        ]
        .map(String::from)
        .to_vec(),
        words => {
            let mut names = Vec::new();
            let mut rest = words.iter();
            while let Some(word) = rest.next() {
                let list = match word.trim_start_matches('-') {
                    "o" | "eo" | "axo" | "ax-o" => rest.next().copied().unwrap_or_default(),
                    "e" | "A" | "ax" | "a" | "x" => continue,
                    glued if glued.starts_with('o') => &glued[1..],
                    other => {
                        return Err(ApiError::system(format!(
                            "ps arguments {other:?} are not supported here: use -ef, aux or -o COLUMN,…"
                        )));
                    }
                };
                names.extend(
                    list.split(',')
                        .filter(|name| !name.is_empty())
                        .map(str::to_owned),
                );
            }
            names
        }
    };
    let is_ef = matches!(words.as_slice(), [] | ["-ef"]);
    let columns = names
        .iter()
        .map(|name| column(name, is_ef))
        .collect::<Result<Vec<_>, _>>()?;
    if !names.iter().any(|name| name == "pid") {
        return Err(ApiError::system("Couldn't find PID field in ps output"));
    }
    Ok(columns)
}

fn column(name: &str, is_ef: bool) -> Result<Column, ApiError> {
    let (title, value): (&str, fn(&ProcessInfo, Timestamp) -> String) = match name {
        "user" | "uid" | "euser" | "uname" if is_ef => ("UID", |p, _| user(p.uid)),
        "user" | "euser" | "uname" => ("USER", |p, _| user(p.uid)),
        "uid" | "euid" => ("UID", |p, _| p.uid.to_string()),
        "pid" => ("PID", |p, _| p.pid.to_string()),
        "ppid" => ("PPID", |p, _| p.ppid.to_string()),
        "c" => ("C", |_, _| "0".into()),
        "stime" | "start" | "start_time" => {
            (if name == "start" { "START" } else { "STIME" }, |p, _| {
                clock_time(p.start_time)
            })
        }
        "tty" | "tt" | "tname" => ("TTY", |p, _| p.tty.clone()),
        "time" | "cputime" => ("TIME", |p, _| hours(p.cpu_time / 1_000_000_000)),
        "etime" => ("ELAPSED", |p, now| {
            elapsed((now.seconds() - p.start_time).max(0) as u64)
        }),
        "args" if is_ef => ("CMD", |p, _| p.command.clone()),
        "args" | "cmd" | "command" => (if name == "cmd" { "CMD" } else { "COMMAND" }, |p, _| {
            p.command.clone()
        }),
        "comm" | "ucmd" | "ucomm" => ("COMMAND", |p, _| p.comm.clone()),
        "%cpu" | "pcpu" => ("%CPU", |_, _| "0.0".into()),
        "%mem" | "pmem" => ("%MEM", |_, _| "0.0".into()),
        "vsz" | "vsize" => ("VSZ", |p, _| (p.virtual_size / 1024).to_string()),
        "rss" | "rssize" => ("RSS", |p, _| (p.resident / 1024).to_string()),
        "stat" | "state" | "s" => (if name == "stat" { "STAT" } else { "S" }, |p, _| {
            p.state.to_string()
        }),
        "nlwp" | "thcount" => ("NLWP", |p, _| p.threads.to_string()),
        other => {
            return Err(ApiError::system(format!(
                "ps: error: unknown user-defined format specifier {other:?}"
            )));
        }
    };
    Ok(Column {
        title: title.into(),
        value,
    })
}

/// The host's `ps` knows the host's users: root, and numbers.
fn user(uid: u32) -> String {
    match uid {
        0 => "root".into(),
        65534 => "nobody".into(),
        uid => uid.to_string(),
    }
}

fn clock_time(seconds: i64) -> String {
    let (_, _, _, hour, minute, _) = Timestamp::from_unix(seconds, 0).civil();
    format!("{hour:02}:{minute:02}")
}

fn hours(seconds: u64) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn elapsed(seconds: u64) -> String {
    if seconds >= 3600 {
        hours(seconds)
    } else {
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ps_arguments_choose_columns() {
        let titles = |args: &str| {
            columns(args)
                .map(|c| c.into_iter().map(|c| c.title).collect::<Vec<_>>())
                .map_err(|e| e.message)
        };
        assert_eq!(
            titles("").map(|t| t.join(" ")),
            Ok("UID PID PPID C STIME TTY TIME CMD".into())
        );
        assert_eq!(
            titles("-o pid,comm").map(|t| t.join(" ")),
            Ok("PID COMMAND".into())
        );
        assert_eq!(
            titles("-o comm"),
            Err("Couldn't find PID field in ps output".into())
        );
        assert!(titles("aux").is_ok() && titles("--bogus").is_err());
    }
}
