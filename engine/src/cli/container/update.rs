//! `docker container update`: update configuration of one or more containers.

use super::opts::{parse_cpus, parse_restart, size};
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container update", "update"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Update configuration of one or more containers",
    args: Args::Min(1),
    flags: &[
        Flag::long(
            "blkio-weight",
            "uint16",
            "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
        ),
        Flag::long(
            "cpu-period",
            "int",
            "Limit CPU CFS (Completely Fair Scheduler) period",
        ),
        Flag::long(
            "cpu-quota",
            "int",
            "Limit CPU CFS (Completely Fair Scheduler) quota",
        ),
        Flag::long(
            "cpu-rt-period",
            "int",
            "Limit the CPU real-time period in microseconds",
        ),
        Flag::long(
            "cpu-rt-runtime",
            "int",
            "Limit the CPU real-time runtime in microseconds",
        ),
        Flag::new('c', "cpu-shares", "int", "CPU shares (relative weight)"),
        Flag::long("cpus", "decimal", "Number of CPUs"),
        Flag::long(
            "cpuset-cpus",
            "string",
            "CPUs in which to allow execution (0-3, 0,1)",
        ),
        Flag::long(
            "cpuset-mems",
            "string",
            "MEMs in which to allow execution (0-3, 0,1)",
        ),
        Flag::new('m', "memory", "bytes", "Memory limit"),
        Flag::long("memory-reservation", "bytes", "Memory soft limit"),
        Flag::long(
            "memory-swap",
            "bytes",
            "Swap limit equal to memory plus swap: -1 to enable unlimited swap",
        ),
        Flag::long(
            "pids-limit",
            "int",
            "Tune container pids limit (set -1 for unlimited)",
        ),
        Flag::long(
            "restart",
            "string",
            "Restart policy to apply when a container exits",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    if !COMMAND.flags.iter().any(|f| m.given(f.name)) {
        return Err(Failure::new(
            "you must provide one or more flags when using this command",
        ));
    }
    let restart = match m.get("restart") {
        Some(r) => parse_restart(r).map_err(Failure::new)?,
        None => json!({}),
    };
    let int = |name: &str| m.int(name).unwrap_or(0);
    let mut body = json!({
        "BlkioWeight": int("blkio-weight"),
        "CpusetCpus": m.str("cpuset-cpus"),
        "CpusetMems": m.str("cpuset-mems"),
        "CpuShares": int("cpu-shares"),
        "Memory": size(m, "memory"),
        "MemoryReservation": size(m, "memory-reservation"),
        "MemorySwap": size(m, "memory-swap"),
        "CpuPeriod": int("cpu-period"),
        "CpuQuota": int("cpu-quota"),
        "CpuRealtimePeriod": int("cpu-rt-period"),
        "CpuRealtimeRuntime": int("cpu-rt-runtime"),
        "NanoCpus": m.get("cpus").and_then(|c| parse_cpus(c).ok()).unwrap_or(0),
        "RestartPolicy": restart,
    });
    if let Some(n) = m.int("pids-limit") {
        body["PidsLimit"] = n.into();
    }
    let (mut failed, mut warnings) = (false, Vec::new());
    for id in &m.args {
        match cli
            .post(format!("/containers/{}/update", segment(id)), &body)
            .await
        {
            Ok(answer) => {
                cli.out(&format!("{id}\n")).await;
                warnings.extend(answer.texts("Warnings").into_iter().map(str::to_string));
            }
            Err(e) => {
                failed = true;
                cli.err(&format!("{e}\n")).await;
            }
        }
    }
    if !warnings.is_empty() {
        cli.out(&format!("{}\n", warnings.join("\n"))).await;
    }
    if failed {
        Err(Failure::status(1))
    } else {
        Ok(())
    }
}
