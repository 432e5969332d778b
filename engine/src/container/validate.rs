//! What dockerd refuses in a container's configuration.

use crate::api::ApiError;
use crate::api::types::{ContainerConfig, HostConfig, Resources, RestartPolicy};
use crate::engine::Engine;
use crate::networking::parse_port;

use super::{caps, log};

const MIN_MEMORY: i64 = 6 * 1024 * 1024;

type Checked = Result<(), ApiError>;

fn refuse(condition: bool, message: impl Into<String>) -> Checked {
    if condition {
        Err(ApiError::invalid(message))
    } else {
        Ok(())
    }
}

/// Checks everything that does not depend on other objects.
pub fn check(engine: &Engine, config: &ContainerConfig, host: &HostConfig) -> Checked {
    check_config(config)?;
    check_resources(engine, &host.resources)?;
    check_restart_policy(&host.restart_policy, host.auto_remove)?;
    log::validate(&host.log_config)?;
    for (which, names) in [("CapAdd", &host.cap_add), ("CapDrop", &host.cap_drop)] {
        for name in names.iter().flatten() {
            caps::normalize(name).map_err(|error| error.context(format!("invalid {which}")))?;
        }
    }
    refuse(
        !(-1000..=1000).contains(&host.oom_score_adj),
        format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            host.oom_score_adj
        ),
    )?;
    refuse(
        !matches!(host.isolation.as_str(), "" | "default"),
        format!(
            "Invalid isolation: {:?} - linux only supports 'default'",
            host.isolation
        ),
    )?;
    refuse(
        host.storage_opt
            .as_ref()
            .is_some_and(|options| !options.is_empty()),
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
    )?;
    for link in host.links.iter().flatten() {
        let (name, _) = super::links::parse(link);
        engine.containers().find(name).map_err(|error| {
            ApiError::invalid(format!(
                "could not get container for {name}: {}",
                error.message
            ))
        })?;
    }
    check_namespaces(config, host)?;
    check_ports(host)?;
    for option in host.security_opt.iter().flatten() {
        let name = option.split(['=', ':']).next().unwrap_or_default();
        let known = matches!(
            name,
            "no-new-privileges"
                | "seccomp"
                | "apparmor"
                | "label"
                | "systempaths"
                | "writable-cgroups"
        );
        refuse(!known, format!("invalid --security-opt 2: {option:?}"))?;
    }
    if !matches!(host.runtime.as_str(), "" | "runc" | "io.containerd.runc.v2") {
        return Err(ApiError::invalid(format!(
            "unknown or invalid runtime name: {}",
            host.runtime
        )));
    }
    Ok(())
}

fn check_config(config: &ContainerConfig) -> Checked {
    let dir = &config.working_dir;
    refuse(
        !dir.is_empty() && !dir.starts_with('/'),
        format!("the working directory '{dir}' is invalid, it needs to be an absolute path"),
    )?;
    for variable in config.env.iter().flatten() {
        refuse(
            variable.is_empty() || variable.starts_with('='),
            format!("invalid environment variable: {variable}"),
        )?;
        refuse(
            variable.contains('\0'),
            format!("invalid environment variable: {variable:?} contains nul byte"),
        )?;
    }
    if !config.stop_signal.is_empty() {
        super::signal::parse_signal(&config.stop_signal)?;
    }
    for port in config.exposed_ports.iter().flatten().map(|(port, _)| port) {
        refuse(
            parse_port(port).is_none(),
            format!("invalid port specification: {port:?}"),
        )?;
    }
    if let Some(health) = &config.healthcheck {
        let names = [
            (health.interval, "Interval"),
            (health.timeout, "Timeout"),
            (health.start_period, "StartPeriod"),
            (health.start_interval, "StartInterval"),
        ];
        for (value, name) in names {
            refuse(
                value != 0 && value < 1_000_000,
                format!("{name} in Healthcheck cannot be less than 1ms"),
            )?;
        }
        refuse(
            health.retries < 0,
            "Retries in Healthcheck cannot be negative",
        )?;
    }
    Ok(())
}

/// Checks limits; also those of `docker update`.
pub fn check_resources(engine: &Engine, r: &Resources) -> Checked {
    refuse(
        r.memory != 0 && r.memory < MIN_MEMORY,
        "Minimum memory limit allowed is 6MB",
    )?;
    refuse(
        r.memory > 0 && r.memory_swap > 0 && r.memory_swap < r.memory,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    )?;
    refuse(
        r.memory == 0 && r.memory_swap > 0,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    )?;
    if let Some(swappiness) = r.memory_swappiness {
        refuse(
            !(-1..=100).contains(&swappiness),
            format!("Invalid value: {swappiness}, valid memory swappiness range is 0-100"),
        )?;
    }
    refuse(
        r.memory_reservation != 0 && r.memory_reservation < MIN_MEMORY,
        "Minimum memory reservation allowed is 6MB",
    )?;
    refuse(
        r.memory > 0 && r.memory_reservation > 0 && r.memory < r.memory_reservation,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    )?;
    refuse(
        r.nano_cpus > 0 && r.cpu_period > 0,
        "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    )?;
    refuse(
        r.nano_cpus > 0 && r.cpu_quota > 0,
        "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
    )?;
    check_cpuset(engine, &r.cpuset_cpus)?;
    let cpus = i64::from(engine.ports().runtime.platform().cpus.max(1));
    refuse(
        r.nano_cpus < 0 || r.nano_cpus > cpus * 1_000_000_000,
        format!("Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"),
    )?;
    refuse(
        r.cpu_shares < 0,
        format!(
            "invalid CPU shares ({}): value must be a positive integer",
            r.cpu_shares
        ),
    )?;
    refuse(
        r.cpu_period != 0 && !(1000..=1_000_000).contains(&r.cpu_period),
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    )?;
    refuse(
        r.cpu_quota > 0 && r.cpu_quota < 1000,
        "CPU cfs quota can not be less than 1ms (i.e. 1000)",
    )?;
    for limit in r.ulimits.iter().flatten() {
        let (name, soft, hard) = (&limit.name, limit.soft, limit.hard);
        refuse(
            !ULIMITS.contains(&name.as_str()),
            format!("invalid ulimit type: {name}"),
        )?;
        refuse(
            hard != -1 && soft > hard,
            format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"),
        )?;
    }
    Ok(())
}

/// A set such as `0-2,4` of processors that are there.
fn check_cpuset(engine: &Engine, set: &str) -> Checked {
    let last = engine.ports().runtime.platform().cpus.max(1) - 1;
    for part in set.split(',').filter(|_| !set.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (Ok(from), Ok(to)) = (from.trim().parse::<u32>(), to.trim().parse::<u32>()) else {
            return Err(ApiError::invalid(format!(
                "Invalid value {set} for cpuset cpus"
            )));
        };
        refuse(from > to, format!("Invalid value {set} for cpuset cpus"))?;
        let available = if last == 0 {
            "0".to_owned()
        } else {
            format!("0-{last}")
        };
        refuse(
            to > last,
            format!("Requested CPUs are not available - requested {set}, available: {available}"),
        )?;
    }
    Ok(())
}

const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Checks a restart policy.
pub fn check_restart_policy(policy: &RestartPolicy, auto_remove: bool) -> Checked {
    let name = policy.name.as_str();
    let known = matches!(name, "" | "no" | "always" | "on-failure" | "unless-stopped");
    refuse(
        !known,
        format!(
            "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        ),
    )?;
    refuse(
        name != "on-failure" && policy.maximum_retry_count > 0,
        "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    )?;
    refuse(
        policy.maximum_retry_count < 0,
        "invalid restart policy: maximum retry count cannot be negative",
    )?;
    refuse(
        auto_remove && !matches!(name, "" | "no"),
        "can't create 'AutoRemove' container with restart policy",
    )
}

fn check_namespaces(config: &ContainerConfig, host: &HostConfig) -> Checked {
    let is_container = |mode: &str| {
        mode.strip_prefix("container:")
            .is_some_and(|id| !id.is_empty())
    };
    let pid = host.pid_mode.as_str();
    refuse(
        !matches!(pid, "" | "private" | "host") && !is_container(pid),
        format!("invalid PID mode: {pid}"),
    )?;
    let ipc = host.ipc_mode.as_str();
    let known = matches!(ipc, "" | "none" | "private" | "shareable" | "host") || is_container(ipc);
    refuse(!known, format!("invalid IPC mode: {ipc}"))?;
    refuse(
        !matches!(host.uts_mode.as_str(), "" | "host"),
        format!("invalid UTS mode: {}", host.uts_mode),
    )?;
    refuse(
        !matches!(host.userns_mode.as_str(), "" | "host"),
        format!("invalid user namespace mode: {}", host.userns_mode),
    )?;
    if is_container(&host.network_mode) {
        let conflict =
            |condition: bool, what: &str| refuse(condition, format!("conflicting options: {what}"));
        let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        conflict(!config.hostname.is_empty(), "hostname and the network mode")?;
        conflict(
            some(&host.links),
            "container type network can't be used with links. This would result in undefined behavior",
        )?;
        conflict(some(&host.dns), "dns and the network mode")?;
        conflict(
            some(&host.extra_hosts),
            "custom host-to-IP mapping and the network mode",
        )?;
        conflict(
            !config.mac_address.is_empty(),
            "mac-address and the network mode",
        )?;
        let published = host
            .port_bindings
            .as_ref()
            .is_some_and(|ports| !ports.is_empty())
            || host.publish_all_ports;
        conflict(
            published,
            "port publishing and the container type network mode",
        )?;
        let exposed = config
            .exposed_ports
            .as_ref()
            .is_some_and(|ports| !ports.is_empty());
        conflict(exposed, "port exposing and the container type network mode")?;
    }
    refuse(
        host.uts_mode == "host" && !config.hostname.is_empty(),
        "conflicting options: hostname and the UTS mode",
    )
}

fn check_ports(host: &HostConfig) -> Checked {
    for (port, bindings) in host.port_bindings.iter().flatten() {
        refuse(
            parse_port(port).is_none(),
            format!("invalid port specification: {port:?}"),
        )?;
        for binding in bindings.iter().flatten() {
            let text = &binding.host_port;
            refuse(
                crate::networking::parse_range(text).is_none(),
                format!("invalid port specification: {text:?}"),
            )?;
        }
    }
    Ok(())
}
