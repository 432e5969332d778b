//! From `docker run`'s flags to the document `POST /containers/create` takes (docker/cli container/opts.go).

use super::mount::{Volume, parse_volume};
use super::opts::*;
use super::{mount, ports};
use crate::cli::prelude::*;

/// A container to create.
#[derive(Debug)]
pub struct Spec {
    /// Config, HostConfig and NetworkingConfig in one document.
    pub body: J,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
    pub auto_remove: bool,
}

fn set(o: &mut J, key: &str, v: impl Into<J>) {
    o[key] = v.into();
}

fn strings(v: &[&str]) -> J {
    J::Array(v.iter().map(|s| (*s).into()).collect())
}

/// As Go encodes a slice nothing was put into.
fn or_null(v: J) -> J {
    match v {
        J::Array(a) if a.is_empty() => J::Null,
        v => v,
    }
}

/// Capabilities as docker sends them: upper case with their prefix, sorted, each once.
fn capabilities(v: &[&str]) -> J {
    let mut all: Vec<String> = v
        .iter()
        .map(|c| c.trim().to_uppercase())
        .map(|c| {
            if c == "ALL" || c.starts_with("CAP_") {
                c
            } else {
                format!("CAP_{c}")
            }
        })
        .collect();
    all.sort();
    all.dedup();
    or_null(json!(all))
}

impl Cli<'_> {
    /// Reads the flags; errors are Docker's texts without the `docker: ` before them.
    pub async fn container_spec(&self, m: &Matches) -> Result<Spec, Failure> {
        let err = |e: String| Failure::new(e);
        let attach: Vec<String> = m.list("attach").iter().map(|a| a.to_lowercase()).collect();
        let has = |s: &str| attach.iter().any(|a| a == s);
        let tty = m.on("tty");
        let stdin = has("stdin") || m.on("interactive");
        let (stdout, stderr) = if attach.is_empty() {
            (true, true)
        } else {
            (has("stdout"), has("stderr"))
        };
        if let Some(mac) = m.get("mac-address").filter(|mac| !mac.is_empty()) {
            let parts: Vec<&str> = mac.split([':', '-']).collect();
            let hex = |p: &&str| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit());
            if !matches!(parts.len(), 6 | 8 | 20) || !parts.iter().all(hex) {
                return Err(err(format!("{mac} is not a valid mac address")));
            }
        }
        if let Some(n) = m.int("memory-swappiness")
            && n != -1
            && !(0..=100).contains(&n)
        {
            return Err(err(format!(
                "invalid value: {n}. Valid memory swappiness range is 0-100"
            )));
        }

        let (volumes, binds) = self.volumes(m).map_err(err)?;
        let mut published = ports::Ports::default();
        for p in m.list("publish") {
            ports::publish(p, &mut published).map_err(err)?;
        }
        for e in m.list("expose") {
            ports::expose(e, &mut published).map_err(err)?;
        }
        let devices = m
            .list("device")
            .into_iter()
            .map(parse_device)
            .collect::<Result<Vec<J>, _>>()
            .map_err(err)?;
        let env = self.environment(m).await?;
        let labels = self.labels(m).await?;
        self.check_modes(m)?;
        let restart = parse_restart(m.get("restart").unwrap_or("no")).map_err(err)?;
        let health = health(m).map_err(err)?;
        let security = self.security_opts(m).await?;
        let storage = m.list("storage-opt");
        if storage.iter().any(|o| !o.contains('=')) {
            return Err(err("invalid storage option".into()));
        }

        let mut c = json!({
            "Hostname": m.str("hostname"),
            "Domainname": m.str("domainname"),
            "User": m.str("user"),
            "AttachStdin": stdin,
            "AttachStdout": stdout,
            "AttachStderr": stderr,
            "Tty": tty,
            "OpenStdin": m.on("interactive"),
            "StdinOnce": m.on("interactive") && stdin,
            "Env": or_null(json!(env)),
            "Cmd": if m.args.len() > 1 { J::from(m.args[1..].to_vec()) } else { J::Null },
            "Image": m.arg(0),
            "Volumes": volumes,
            "WorkingDir": m.str("workdir"),
            "Entrypoint": match m.get("entrypoint") { Some(e) => json!([e]), None => J::Null },
            "Labels": labels,
        });
        if !published.exposed.is_empty() {
            set(&mut c, "ExposedPorts", J::Object(published.exposed));
        }
        if let Some(s) = m.get("stop-signal") {
            set(&mut c, "StopSignal", s);
        }
        if let Some(n) = m.int("stop-timeout") {
            set(&mut c, "StopTimeout", n);
        }
        if let Some(h) = health {
            set(&mut c, "Healthcheck", h);
        }

        let mut h = self.host_config(m)?;
        set(&mut h, "Binds", or_null(binds));
        set(&mut h, "PortBindings", J::Object(published.bindings));
        set(&mut h, "RestartPolicy", restart);
        set(&mut h, "Devices", devices);
        set(&mut h, "SecurityOpt", or_null(json!(security)));
        if !storage.is_empty() {
            set(&mut h, "StorageOpt", object(&storage));
        }
        if m.on("rm") && !matches!(h["RestartPolicy"].text("Name"), "" | "no") {
            return Err(err(
                "conflicting options: cannot specify both --restart and --rm".into(),
            ));
        }
        let endpoints = networks(m, &mut h).map_err(err)?;
        set(&mut c, "HostConfig", h);
        set(
            &mut c,
            "NetworkingConfig",
            json!({"EndpointsConfig": endpoints}),
        );
        Ok(Spec {
            body: c,
            stdin,
            stdout,
            stderr,
            tty,
            auto_remove: m.on("rm"),
        })
    }

    fn volumes(&self, m: &Matches) -> Check<(J, J)> {
        let (mut anonymous, mut binds) = (serde_json::Map::new(), Vec::new());
        for v in m.list("volume") {
            match parse_volume(v, &self.host.cwd())? {
                Volume::Anonymous(path) => {
                    anonymous.insert(path, json!({}));
                }
                Volume::Bind(b) => binds.push(J::String(b)),
            }
        }
        Ok((J::Object(anonymous), J::Array(binds)))
    }

    fn check_modes(&self, m: &Matches) -> Result<(), Failure> {
        let bad =
            |flag: &str, kind: &str| Err(Failure::new(format!("--{flag}: invalid {kind} mode")));
        let container = |v: &str| v.strip_prefix("container:").is_some_and(|c| !c.is_empty());
        let pid = m.str("pid");
        if !(matches!(pid, "" | "host") || container(pid)) {
            return bad("pid", "PID");
        }
        if !matches!(m.str("uts"), "" | "host") {
            return bad("uts", "UTS");
        }
        if !matches!(m.str("userns"), "" | "host") {
            return bad("userns", "USER");
        }
        if !matches!(m.str("cgroupns"), "" | "host" | "private") {
            return bad("cgroupns", "CGROUP");
        }
        Ok(())
    }

    async fn security_opts(&self, m: &Matches) -> Result<Vec<String>, Failure> {
        let mut out = Vec::new();
        for o in m.list("security-opt") {
            let split = o.split_once('=').or_else(|| o.split_once(':'));
            match split {
                None | Some((_, "")) if !o.starts_with("no-new-privileges") => {
                    return Err(Failure::new(format!(
                        "Invalid --security-opt: {}",
                        quote(o)
                    )));
                }
                Some(("seccomp", file)) if file != "unconfined" && file != "builtin" => {
                    let data = self.read_file(file, 4 << 20).await.map_err(|e| {
                        Failure::new(format!(
                            "opening seccomp profile ({file}) failed: {}",
                            e.text
                        ))
                    })?;
                    let profile: J = serde_json::from_slice(&data).map_err(|e| {
                        Failure::new(format!(
                            "compacting json for seccomp profile ({file}) failed: {e}"
                        ))
                    })?;
                    out.push(format!("seccomp={profile}"));
                }
                _ => out.push(o.to_string()),
            }
        }
        Ok(out)
    }

    fn host_config(&self, m: &Matches) -> Result<J, Failure> {
        let (columns, rows) = self.host.winsize(Stream::Stdout).unwrap_or((0, 0));
        let mut dns_options = m.list("dns-option");
        dns_options.extend(m.list("dns-opt"));
        let mut h = json!({
            "ContainerIDFile": m.str("cidfile"),
            "LogConfig": {"Type": m.str("log-driver"), "Config": object(&m.list("log-opt"))},
            "NetworkMode": "default",
            "AutoRemove": m.on("rm"),
            "VolumeDriver": m.str("volume-driver"),
            "VolumesFrom": or_null(strings(&m.list("volumes-from"))),
            "ConsoleSize": [rows, columns],
            "CapAdd": capabilities(&m.list("cap-add")),
            "CapDrop": capabilities(&m.list("cap-drop")),
            "CgroupnsMode": m.str("cgroupns"),
            "Dns": strings(&m.list("dns")),
            "DnsOptions": strings(&dns_options),
            "DnsSearch": strings(&m.list("dns-search")),
            "ExtraHosts": or_null(json!(m.list("add-host").into_iter().filter_map(|a| parse_extra_host(a).ok()).collect::<Vec<_>>())),
            "GroupAdd": or_null(strings(&m.list("group-add"))),
            "IpcMode": m.str("ipc"),
            "Links": or_null(strings(&m.list("link"))),
            "OomScoreAdj": m.int("oom-score-adj").unwrap_or(0),
            "PidMode": m.str("pid"),
            "Privileged": m.on("privileged"),
            "PublishAllPorts": m.on("publish-all"),
            "ReadonlyRootfs": m.on("read-only"),
            "UTSMode": m.str("uts"),
            "UsernsMode": m.str("userns"),
        });
        let limits = json!({
            "ShmSize": size(m, "shm-size"),
            "Isolation": m.str("isolation"),
            "CpuShares": m.int("cpu-shares").unwrap_or(0),
            "Memory": size(m, "memory"),
            "NanoCpus": m.get("cpus").and_then(|c| parse_cpus(c).ok()).unwrap_or(0),
            "CgroupParent": m.str("cgroup-parent"),
            "BlkioWeight": m.int("blkio-weight").unwrap_or(0),
            "CpuPeriod": m.int("cpu-period").unwrap_or(0),
            "CpuQuota": m.int("cpu-quota").unwrap_or(0),
            "CpuRealtimePeriod": m.int("cpu-rt-period").unwrap_or(0),
            "CpuRealtimeRuntime": m.int("cpu-rt-runtime").unwrap_or(0),
            "CpusetCpus": m.str("cpuset-cpus"),
            "CpusetMems": m.str("cpuset-mems"),
            "MemoryReservation": size(m, "memory-reservation"),
            "MemorySwap": size(m, "memory-swap"),
            "MemorySwappiness": m.int("memory-swappiness").unwrap_or(-1),
            "OomKillDisable": m.on("oom-kill-disable"),
            "PidsLimit": m.int("pids-limit").unwrap_or(0),
        });
        if let (J::Object(h), J::Object(limits)) = (&mut h, limits) {
            h.extend(limits);
        }
        if let Some(v) = m.get("init") {
            set(&mut h, "Init", crate::cli::command::go_bool(v));
        }
        if m.given("runtime") {
            set(&mut h, "Runtime", m.str("runtime"));
        }
        let tmpfs = m.list("tmpfs");
        if !tmpfs.is_empty() {
            let mut o = serde_json::Map::new();
            for t in tmpfs {
                let (path, options) = t.split_once(':').unwrap_or((t, ""));
                o.insert(path.into(), options.into());
            }
            set(&mut h, "Tmpfs", J::Object(o));
        }
        let mounts: Vec<J> = m
            .list("mount")
            .into_iter()
            .filter_map(|v| mount::parse(v).ok())
            .collect();
        if !mounts.is_empty() {
            set(&mut h, "Mounts", mounts);
        }
        let ulimits: Vec<J> = m
            .list("ulimit")
            .into_iter()
            .filter_map(|u| parse_ulimit(u).ok())
            .map(|(name, soft, hard)| json!({"Name": name, "Soft": soft, "Hard": hard}))
            .collect();
        set(&mut h, "Ulimits", ulimits);
        let sysctls = m.list("sysctl");
        if !sysctls.is_empty() {
            set(&mut h, "Sysctls", object(&sysctls));
        }
        let annotations = m.list("annotation");
        if !annotations.is_empty() {
            set(&mut h, "Annotations", object(&annotations));
        }
        set(
            &mut h,
            "DeviceCgroupRules",
            or_null(strings(&m.list("device-cgroup-rule"))),
        );
        let gpus: Vec<J> = m
            .list("gpus")
            .into_iter()
            .filter_map(|g| parse_gpus(g).ok())
            .collect();
        set(&mut h, "DeviceRequests", or_null(json!(gpus)));
        for (flag, field, bytes) in [
            ("device-read-bps", "BlkioDeviceReadBps", true),
            ("device-write-bps", "BlkioDeviceWriteBps", true),
            ("device-read-iops", "BlkioDeviceReadIOps", false),
            ("device-write-iops", "BlkioDeviceWriteIOps", false),
        ] {
            let list: Vec<J> = m
                .list(flag)
                .into_iter()
                .filter_map(|d| parse_throttle(d, bytes).ok())
                .collect();
            set(&mut h, field, list);
        }
        let weights: Vec<J> = m
            .list("blkio-weight-device")
            .into_iter()
            .filter_map(|d| parse_weight_device(d).ok())
            .collect();
        set(&mut h, "BlkioWeightDevice", weights);
        Ok(h)
    }
}

fn health(m: &Matches) -> Check<Option<J>> {
    let given = [
        "health-cmd",
        "health-interval",
        "health-timeout",
        "health-start-period",
        "health-start-interval",
        "health-retries",
    ]
    .iter()
    .any(|f| m.given(f));
    if m.on("no-healthcheck") {
        if given {
            return Err("--no-healthcheck conflicts with --health-* options".into());
        }
        return Ok(Some(json!({"Test": ["NONE"]})));
    }
    if !given {
        return Ok(None);
    }
    for f in ["interval", "timeout", "start-period", "start-interval"] {
        if nanos(m, &format!("health-{f}")) < 0 {
            return Err(format!("--health-{f} cannot be negative"));
        }
    }
    let retries = m.int("health-retries").unwrap_or(0);
    if retries < 0 {
        return Err("--health-retries cannot be negative".into());
    }
    let mut h = json!({});
    if let Some(cmd) = m.get("health-cmd").filter(|c| !c.is_empty()) {
        set(&mut h, "Test", json!(["CMD-SHELL", cmd]));
    }
    for (flag, field) in [
        ("health-interval", "Interval"),
        ("health-timeout", "Timeout"),
        ("health-start-period", "StartPeriod"),
        ("health-start-interval", "StartInterval"),
    ] {
        let n = nanos(m, flag);
        if n != 0 {
            set(&mut h, field, n);
        }
    }
    if retries != 0 {
        set(&mut h, "Retries", retries);
    }
    Ok(Some(h))
}

fn user_defined(name: &str) -> bool {
    !matches!(name, "default" | "bridge" | "host" | "none" | "nat")
        && !name.starts_with("container:")
}

/// Sets the network mode and returns the endpoints by network.
fn networks(m: &Matches, h: &mut J) -> Check<J> {
    let mut list: Vec<Network> = m
        .list("network")
        .into_iter()
        .chain(m.list("net"))
        .map(parse_network)
        .collect::<Result<_, _>>()?;
    if list.is_empty() {
        list.push(Network {
            target: "default".into(),
            ..Network::default()
        });
    }
    let (mut user, mut other) = (false, false);
    let mut endpoints = serde_json::Map::new();
    for (i, n) in list.iter_mut().enumerate() {
        if user_defined(&n.target) {
            user = true;
        } else {
            other = true;
        }
        if i == 0 {
            set(h, "NetworkMode", n.target.clone());
            let mut aliases = m.list("network-alias");
            aliases.extend(m.list("net-alias"));
            if !n.aliases.is_empty() && !aliases.is_empty() {
                return Err("conflicting options: cannot specify both --network-alias and per-network alias".into());
            }
            n.aliases.extend(aliases.iter().map(|a| a.to_string()));
            for (flag, slot) in [
                ("ip", &mut n.ipv4),
                ("ip6", &mut n.ipv6),
                ("mac-address", &mut n.mac),
            ] {
                if let Some(v) = m.get(flag) {
                    *slot = v.to_string();
                }
            }
            n.link_local
                .extend(m.list("link-local-ip").iter().map(|l| l.to_string()));
        }
        if n.target.trim().is_empty() {
            return Err("no name set for network".into());
        }
        if !user_defined(&n.target) && !n.aliases.is_empty() {
            return Err(
                "network-scoped aliases are only supported for user-defined networks".into(),
            );
        }
        let mut e = json!({});
        if !n.ipv4.is_empty() || !n.ipv6.is_empty() || !n.link_local.is_empty() {
            e["IPAMConfig"] =
                json!({"IPv4Address": n.ipv4, "IPv6Address": n.ipv6, "LinkLocalIPs": n.link_local});
        }
        if !n.aliases.is_empty() {
            e["Aliases"] = json!(n.aliases);
        }
        if i == 0 {
            let links = m.list("link");
            if user_defined(&n.target) && !links.is_empty() {
                e["Links"] = strings(&links);
            }
        }
        if !n.driver_opts.is_empty() {
            let opts: serde_json::Map<String, J> = n
                .driver_opts
                .iter()
                .map(|(k, v)| (k.clone(), J::String(v.clone())))
                .collect();
            e["DriverOpts"] = J::Object(opts);
        }
        if !n.mac.is_empty() {
            e["MacAddress"] = n.mac.clone().into();
        }
        if n.priority != 0 {
            e["GwPriority"] = n.priority.into();
        }
        if endpoints.insert(n.target.clone(), e).is_some() {
            return Err(format!(
                "network {} is specified multiple times",
                quote(&n.target)
            ));
        }
    }
    if user && other {
        return Err("conflicting options: cannot attach both user-defined and non-user-defined network-modes".into());
    }
    Ok(J::Object(endpoints))
}
