//! The runtime specification's document (`config.json`) of a container. What may be in it is decided here, from what the
//! engine asks for; nothing of an image or a client's request gets into it unlooked at.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use bottleship_engine::container::caps;
use bottleship_engine::runtime::{
    ContainerSpec, NamespaceMode, ProcessSpec, ResourceLimits, Rlimit, RuntimeError,
};
use bottleship_engine::user::User;
use serde_json::{Value, json};

use super::os::{RANGE, Users};
use super::seccomp;

/// How strict the walls are.
#[derive(Clone, Debug, Default)]
pub struct Walls {
    /// The user namespace that containers are in; without one their root is the host's, as with Docker.
    pub users: Option<Arc<Users>>,
    /// Bytes of memory of one container at most. A little less than all of its session's, so that what fills it is ended
    /// before its neighbours in the session are.
    pub memory: Option<u64>,
    /// For strangers: nothing that weakens a container is done, whoever asks for it.
    pub strangers: bool,
}

/// Capabilities that strangers' containers don't have: making devices, and writing the host's audit log.
const NOT_FOR_STRANGERS: [&str; 2] = ["CAP_MKNOD", "CAP_AUDIT_WRITE"];

/// Hidden from strangers on top of what Docker hides.
const MASKED: [&str; 3] = [
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/sys/devices/virtual/powercap",
];

/// A mount as the runtime makes it.
pub struct Bind {
    /// Absolute path of the host, or `tmpfs`.
    pub source: String,
    /// Absolute path in the container.
    pub target: String,
    /// `bind` or `tmpfs`.
    pub kind: &'static str,
    /// Mount options.
    pub options: Vec<String>,
}

/// What the runtime's ports add to the engine's wishes.
pub struct Surroundings<'a> {
    /// The mounted root.
    pub root: &'a Path,
    /// The control group, absolute.
    pub cgroup: &'a str,
    /// The mounts the container asked for.
    pub mounts: Vec<Bind>,
    /// Paths of namespaces to join, by the specification's names.
    pub joined: BTreeMap<&'static str, String>,
    /// Namespaces shared with the host.
    pub shared: Vec<&'static str>,
    /// docker-init, if the container is to have it.
    pub init: Option<String>,
}

impl Walls {
    /// The limits of a container that asked for some.
    fn limits(&self, asked: &ResourceLimits) -> ResourceLimits {
        let Some(most) = self.memory else {
            return asked.clone();
        };
        let within = |asked: Option<u64>| Some(asked.unwrap_or(most).min(most));
        ResourceLimits {
            memory: within(asked.memory),
            memory_swap: within(asked.memory_swap),
            ..asked.clone()
        }
    }

    /// The host's id of the containers' root.
    pub fn base(&self) -> u32 {
        self.users.as_ref().map_or(0, |users| users.base)
    }

    /// The capabilities a process gets: those asked for that this server has itself, and that are for it.
    fn capabilities(&self, asked: &[String], own: u64) -> Vec<String> {
        asked
            .iter()
            .filter(|name| {
                let number = caps::ALL
                    .iter()
                    .position(|known| name.strip_prefix("CAP_") == Some(known));
                number.is_some_and(|number| own & (1 << number) != 0)
            })
            .filter(|name| !self.strangers || !NOT_FOR_STRANGERS.contains(&name.as_str()))
            .cloned()
            .collect()
    }

    /// What of a container's wishes is refused to strangers.
    ///
    /// # Errors
    /// When it asks for such a thing.
    pub fn check(&self, spec: &ContainerSpec) -> Result<(), RuntimeError> {
        if !self.strangers {
            return Ok(());
        }
        let refused = if spec.privileged {
            Some("privileged containers are")
        } else if !spec.seccomp {
            Some("containers without a seccomp profile are")
        } else if spec.pid_namespace == NamespaceMode::Host
            || spec.ipc_namespace == NamespaceMode::Host
            || spec.uts_namespace == NamespaceMode::Host
        {
            Some("the host's namespaces are")
        } else if !spec.devices.is_empty() {
            Some("the host's devices are")
        } else if spec
            .sysctls
            .iter()
            .any(|(name, _)| !name.starts_with("net."))
        {
            Some("sysctls outside of net.* are")
        } else {
            None
        };
        match refused {
            Some(what) => Err(RuntimeError::Failed(format!(
                "{what} not available in a hosted session"
            ))),
            None => self.check_capabilities(&spec.process.capabilities),
        }
    }

    /// Capabilities beyond Docker's default ones are refused to strangers.
    ///
    /// # Errors
    /// With the first that is.
    pub fn check_capabilities(&self, asked: &[String]) -> Result<(), RuntimeError> {
        if !self.strangers {
            return Ok(());
        }
        let usual = caps::effective(&[], &[], false).unwrap_or_default();
        match asked.iter().find(|name| !usual.contains(name)) {
            Some(name) => Err(RuntimeError::Failed(format!(
                "the capability {name} is not available in a hosted session"
            ))),
            None => Ok(()),
        }
    }
}

/// The bounding set of this process: what it may pass on.
pub fn own_capabilities() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}

/// A process' part of the document; `exec` takes it as it is.
///
/// # Errors
/// When a limit has no such name.
pub fn process(process: &ProcessSpec, user: &User, walls: &Walls) -> Result<Value, RuntimeError> {
    let mut env = process.env.clone();
    if !env.iter().any(|variable| variable.starts_with("HOME=")) {
        env.push(format!("HOME={}", user.home));
    }
    let held = walls.capabilities(&process.capabilities, own_capabilities());
    let mut rlimits = process
        .rlimits
        .iter()
        .map(rlimit)
        .collect::<Result<Vec<_>, _>>()?;
    if walls.strangers {
        rlimits.retain(|limit| limit["type"] != "RLIMIT_CORE");
        rlimits.push(json!({ "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }));
    }
    let mut document = json!({
        "terminal": process.terminal,
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "additionalGids": user.all_groups(),
        },
        "args": process.args,
        "env": env,
        "cwd": process.cwd,
        "capabilities": {
            "bounding": held,
            "effective": held,
            "permitted": held,
            "inheritable": [],
            "ambient": [],
        },
        "rlimits": rlimits,
        "noNewPrivileges": process.no_new_privileges || walls.strangers,
    });
    if walls.strangers {
        // When memory is short, the server outlives its visitors.
        document["oomScoreAdj"] = json!(500);
    }
    if let Some((rows, columns)) = process.console_size.filter(|_| process.terminal) {
        document["consoleSize"] = json!({ "height": rows, "width": columns });
    }
    Ok(document)
}

fn rlimit(limit: &Rlimit) -> Result<Value, RuntimeError> {
    const NAMES: [&str; 16] = [
        "cpu",
        "fsize",
        "data",
        "stack",
        "core",
        "rss",
        "nproc",
        "nofile",
        "memlock",
        "as",
        "locks",
        "sigpending",
        "msgqueue",
        "nice",
        "rtprio",
        "rttime",
    ];
    if !NAMES.contains(&limit.name.as_str()) {
        return Err(RuntimeError::Failed(format!(
            "invalid ulimit type: {}",
            limit.name
        )));
    }
    Ok(json!({
        "type": format!("RLIMIT_{}", limit.name.to_uppercase()),
        "soft": limit.soft,
        "hard": limit.hard,
    }))
}

/// New limits of a container that runs.
pub fn new_limits(asked: &ResourceLimits, walls: &Walls) -> Value {
    let mut within = walls.limits(asked);
    // What was not asked for stays as it is.
    within.memory = within.memory.filter(|_| asked.memory.is_some());
    within.memory_swap = within.memory_swap.filter(|_| asked.memory_swap.is_some());
    resources(&within)
}

/// Limits as the runtime sets them.
fn resources(limits: &ResourceLimits) -> Value {
    let mut document = serde_json::Map::new();
    let mut memory = serde_json::Map::new();
    if let Some(bytes) = limits.memory {
        memory.insert("limit".into(), json!(bytes));
    }
    if let Some(bytes) = limits.memory_swap {
        memory.insert("swap".into(), json!(bytes));
    }
    if !memory.is_empty() {
        document.insert("memory".into(), memory.into());
    }
    if let Some(pids) = limits.pids {
        document.insert("pids".into(), json!({ "limit": pids }));
    }
    let mut cpu = serde_json::Map::new();
    let all = [
        ("quota", limits.cpu_quota),
        ("period", limits.cpu_period),
        ("shares", limits.cpu_shares),
    ];
    for (name, value) in all {
        if let Some(value) = value {
            cpu.insert(name.into(), json!(value));
        }
    }
    if !cpu.is_empty() {
        document.insert("cpu".into(), cpu.into());
    }
    document.into()
}

fn devices(spec: &ContainerSpec, walls: &Walls) -> Value {
    if spec.privileged {
        return json!([{ "allow": true, "access": "rwm" }]);
    }
    let allow = |major: u32, minor: Option<u32>, access: &str| json!({ "allow": true, "type": "c", "major": major, "minor": minor, "access": access });
    let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
    if !walls.strangers {
        // As dockerd: nodes may be made, and not opened.
        for kind in ["c", "b"] {
            rules.push(json!({ "allow": true, "type": kind, "access": "m" }));
        }
    }
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)] {
        rules.push(allow(major, Some(minor), "rw"));
    }
    rules.push(json!({ "allow": true, "type": "c", "major": 136, "access": "rw" }));
    for rule in &mut rules {
        if let Some(rule) = rule.as_object_mut() {
            rule.retain(|_, value| !value.is_null());
        }
    }
    rules.into()
}

/// The nodes of the host's devices that a container asked for, and the rules that let it use them.
fn asked_devices(spec: &ContainerSpec) -> Result<(Vec<Value>, Vec<Value>), RuntimeError> {
    let (mut nodes, mut rules) = (Vec::new(), Vec::new());
    for (host, path) in &spec.devices {
        let unknown = || {
            RuntimeError::Failed(format!(
                "error gathering device information while adding custom device {host:?}: not a device node"
            ))
        };
        let meta = std::fs::metadata(host).map_err(|_| unknown())?;
        let kind = match meta.file_type() {
            kind if kind.is_char_device() => "c",
            kind if kind.is_block_device() => "b",
            _ => return Err(unknown()),
        };
        let (major, minor) = (
            rustix::fs::major(meta.rdev()),
            rustix::fs::minor(meta.rdev()),
        );
        nodes.push(json!({
            "path": path, "type": kind, "major": major, "minor": minor,
            "fileMode": meta.mode() & 0o777, "uid": meta.uid(), "gid": meta.gid(),
        }));
        rules.push(json!({
            "allow": true, "type": kind, "major": major, "minor": minor, "access": "rwm",
        }));
    }
    Ok((nodes, rules))
}

fn usual_mounts(spec: &ContainerSpec, walls: &Walls) -> Vec<Value> {
    let mount = |target: &str, kind: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    let access = if spec.privileged { "rw" } else { "ro" };
    let shm = format!("size={}", spec.shm_size);
    let mut mounts = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", access]),
    ];
    if !walls.strangers {
        mounts.push(mount(
            "/sys/fs/cgroup",
            "cgroup",
            &[access, "nosuid", "noexec", "nodev"],
        ));
    }
    if !spec.mounts.iter().any(|mount| mount.target == "/dev/shm") {
        let options = ["nosuid", "noexec", "nodev", "mode=1777", &shm];
        let mut shm = mount("/dev/shm", "tmpfs", &options);
        shm["source"] = json!("shm");
        mounts.push(shm);
    }
    mounts
}

fn namespaces(spec: &ContainerSpec, walls: &Walls, around: &Surroundings<'_>) -> Vec<Value> {
    let mut kinds = vec!["pid", "network", "ipc", "uts", "mount", "cgroup"];
    if spec.privileged {
        // As dockerd: the host's groups are in sight.
        kinds.retain(|kind| *kind != "cgroup");
    }
    kinds
        .into_iter()
        .filter(|kind| !around.shared.contains(kind))
        .map(|kind| match around.joined.get(kind) {
            Some(path) => json!({ "type": kind, "path": path }),
            None => json!({ "type": kind }),
        })
        // All of an engine's containers are in one: what they join of each other's belongs to it.
        .chain(
            walls
                .users
                .iter()
                .map(|users| json!({ "type": "user", "path": users.path() })),
        )
        .collect()
}

/// The whole document.
///
/// # Errors
/// When the container asks for what can't be.
pub fn document(
    spec: &ContainerSpec,
    user: &User,
    walls: &Walls,
    around: &Surroundings<'_>,
) -> Result<Value, RuntimeError> {
    walls.check(spec)?;
    let mut first = process(&spec.process, user, walls)?;
    let mut mounts = usual_mounts(spec, walls);
    if let Some(init) = &around.init {
        let args = std::iter::once("/sbin/docker-init".to_owned())
            .chain(["--".to_owned()])
            .chain(spec.process.args.iter().cloned());
        first["args"] = args.collect();
        mounts.push(json!({
            "destination": "/sbin/docker-init", "type": "bind", "source": init, "options": ["bind", "ro"],
        }));
    }
    for bind in &around.mounts {
        mounts.push(json!({
            "destination": bind.target, "type": bind.kind, "source": bind.source, "options": bind.options,
        }));
    }
    let own_network = !around.shared.contains(&"network") && !around.joined.contains_key("network");
    let mut sysctl: BTreeMap<String, String> = BTreeMap::new();
    if own_network {
        sysctl.insert("net.ipv4.ip_unprivileged_port_start".into(), "0".into());
        let groups = if walls.users.is_some() {
            "0 65535"
        } else {
            "0 2147483647"
        };
        sysctl.insert("net.ipv4.ping_group_range".into(), groups.into());
        if Path::new("/proc/sys/net/ipv6").exists() {
            // Networks here have version 4 only, and dockerd turns off what a container has no address for.
            for interface in ["all", "default"] {
                let name = format!("net.ipv6.conf.{interface}.disable_ipv6");
                sysctl.insert(name, "1".into());
            }
        }
    }
    let own_name = !around.shared.contains(&"uts") && !around.joined.contains_key("uts");
    if own_name && !spec.domainname.is_empty() {
        sysctl.insert("kernel.domainname".into(), spec.domainname.clone());
    }
    sysctl.extend(spec.sysctls.iter().cloned());
    let mut masked = spec.masked_paths.clone();
    if walls.strangers {
        masked.extend(MASKED.map(str::to_owned));
    }
    let mut limits = resources(&walls.limits(&spec.limits));
    let (nodes, rules) = asked_devices(spec)?;
    limits["devices"] = devices(spec, walls);
    if let Some(list) = limits["devices"].as_array_mut() {
        list.extend(rules);
    }
    let mut linux = json!({
        "namespaces": namespaces(spec, walls, around),
        "cgroupsPath": around.cgroup,
        "resources": limits,
        "maskedPaths": masked,
        "readonlyPaths": spec.readonly_paths,
        "sysctl": sysctl,
        "rootfsPropagation": "rprivate",
    });
    if !nodes.is_empty() {
        linux["devices"] = nodes.into();
    }
    if let Some(users) = &walls.users {
        let map = json!([{ "containerID": 0, "hostID": users.base, "size": RANGE }]);
        linux["uidMappings"] = map.clone();
        linux["gidMappings"] = map;
    }
    if spec.seccomp {
        let held: Vec<String> =
            serde_json::from_value(first["capabilities"]["bounding"].clone()).unwrap_or_default();
        linux["seccomp"] = seccomp::profile(&held);
    }
    let mut document = json!({
        "ociVersion": "1.0.2",
        "process": first,
        "root": { "path": around.root, "readonly": spec.read_only_rootfs },
        "mounts": mounts,
        "linux": linux,
    });
    if own_name {
        document["hostname"] = json!(spec.hostname);
    }
    Ok(document)
}
