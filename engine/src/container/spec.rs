//! From a container's configuration to what the runtime runs (dockerd's `createSpec`).

use bottleship_vfs::tmpfs::Tmpfs;
use bottleship_vfs::{CreatePerm, Errno, FileSystem, InodeRef, NewNode, Quota, SetAttr};

use super::caps;
use super::links;
use super::record::Record;
use super::store::Container;
use crate::api::ApiError;
use crate::api::types::{Resources, Ulimit};
use crate::dirs::FileTree;
use crate::engine::Engine;
use crate::runtime::{
    ContainerSpec, MountSource, NamespaceMode, ProcessSpec, ResourceLimits, Rlimit, RuntimeMount,
};
use crate::volume::LocalMount;

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What the files Docker mounts come from.
const HOST_DISK: &str = "/dev/vda1";

/// Everything the runtime needs to create a container.
pub async fn container_spec(
    engine: &Engine,
    container: &Container,
    network: Option<String>,
) -> Result<ContainerSpec, ApiError> {
    let record = container.record().clone();
    let host = &record.host_config;
    let rootfs = engine.ports().snapshots.rootfs(&record.id).await?;
    let (files, mut mounts) = network_files(engine, &record).await?;
    container.set_network_files(files);
    for point in &record.mounts {
        let source = match point.r#type.as_str() {
            "volume" => match engine.volumes().local_mount(&point.name) {
                None => MountSource::Tree(engine.ports().volumes.open(&point.name).await?),
                Some(LocalMount::Tmpfs(size, mode)) => MountSource::Tmpfs { size, mode },
                Some(LocalMount::Bind(device)) => bind(engine, &device).await?,
            },
            "bind" => bind(engine, &point.source).await?,
            _ => tmpfs_source(&record, &point.destination),
        };
        let device = if matches!(source, MountSource::Tmpfs { .. }) {
            "tmpfs"
        } else {
            HOST_DISK
        };
        mounts.push(RuntimeMount {
            source,
            target: point.destination.clone(),
            read_only: !point.rw,
            options: Vec::new(),
            device: device.into(),
        });
    }
    for (target, options) in host.tmpfs.iter().flatten() {
        mounts.push(tmpfs_mount(target, options));
    }
    // Parents before children.
    mounts.sort_by_key(|mount| mount.target.matches('/').count());
    Ok(ContainerSpec {
        id: record.id.clone(),
        rootfs,
        read_only_rootfs: host.readonly_rootfs,
        process: process_spec(engine, &record)?,
        init: host.init.unwrap_or(false),
        hostname: record.config.hostname.clone(),
        domainname: record.config.domainname.clone(),
        pid_namespace: namespace(engine, &host.pid_mode)?,
        ipc_namespace: namespace(engine, &host.ipc_mode)?,
        uts_namespace: if host.uts_mode == "host" {
            NamespaceMode::Host
        } else {
            NamespaceMode::Private
        },
        network,
        mounts,
        shm_size: u64::try_from(host.shm_size).unwrap_or(64 << 20),
        limits: limits(&host.resources),
        devices: host
            .resources
            .devices
            .iter()
            .flatten()
            .map(|device| {
                (
                    device.path_on_host.clone(),
                    device.path_in_container.clone(),
                )
            })
            .collect(),
        sysctls: host
            .sysctls
            .iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        masked_paths: host.masked_paths.clone().unwrap_or_default(),
        readonly_paths: host.readonly_paths.clone().unwrap_or_default(),
        privileged: host.privileged,
        seccomp: !host.privileged && !is_unconfined(host.security_opt.as_deref()),
    })
}

fn tmpfs_source(record: &Record, destination: &str) -> MountSource {
    let mounts = record.host_config.mounts.iter().flatten();
    let options = mounts
        .filter(|m| m.target == destination)
        .find_map(|m| m.tmpfs_options.clone())
        .unwrap_or_default();
    let mode = if options.mode == 0 {
        0o1777
    } else {
        options.mode
    };
    MountSource::Tmpfs {
        size: u64::try_from(options.size_bytes)
            .ok()
            .filter(|size| *size > 0),
        mode,
    }
}

/// `--tmpfs /run:size=64m,mode=1777`.
fn tmpfs_mount(target: &str, options: &str) -> RuntimeMount {
    let mut mount = RuntimeMount {
        source: MountSource::Tmpfs {
            size: None,
            mode: 0o1777,
        },
        target: target.into(),
        read_only: false,
        options: vec!["nosuid".into(), "nodev".into(), "noexec".into()],
        device: "tmpfs".into(),
    };
    let (mut size, mut mode) = (None, 0o1777);
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option.split_once('=').unwrap_or((option, "")) {
            ("size", text) => size = parse_bytes(text),
            ("mode", text) => mode = u32::from_str_radix(text, 8).unwrap_or(mode),
            ("ro", _) => mount.read_only = true,
            ("exec", _) => mount.options.retain(|o| o != "noexec"),
            ("suid", _) => mount.options.retain(|o| o != "nosuid"),
            ("dev", _) => mount.options.retain(|o| o != "nodev"),
            _ => {}
        }
    }
    mount.source = MountSource::Tmpfs { size, mode };
    mount
}

/// `64m`: binary multiples.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let shift = match text
        .get(digits..)?
        .to_ascii_lowercase()
        .trim_end_matches('b')
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    number.checked_shl(shift)
}

fn namespace(engine: &Engine, mode: &str) -> Result<NamespaceMode, ApiError> {
    if mode == "host" {
        return Ok(NamespaceMode::Host);
    }
    let Some(reference) = mode.strip_prefix("container:") else {
        return Ok(NamespaceMode::Private);
    };
    let other = engine.containers().find(reference)?;
    let id = other.id();
    if !other.record().state.running {
        return Err(ApiError::conflict(format!(
            "cannot join namespace of a non running container: Container {id} is not running"
        )));
    }
    Ok(NamespaceMode::Container(id))
}

/// The first process.
fn process_spec(engine: &Engine, record: &Record) -> Result<ProcessSpec, ApiError> {
    let (config, host) = (&record.config, &record.host_config);
    let mut args = vec![record.path.clone()];
    args.extend(record.args.iter().cloned());
    let capabilities = caps::effective(
        host.cap_add.as_deref().unwrap_or_default(),
        host.cap_drop.as_deref().unwrap_or_default(),
        host.privileged,
    )?;
    let [rows, columns] = host.console_size;
    let size = u16::try_from(rows)
        .ok()
        .zip(u16::try_from(columns).ok())
        .filter(|size| *size != (0, 0));
    Ok(ProcessSpec {
        args,
        env: environment(engine, record),
        cwd: if config.working_dir.is_empty() {
            "/".into()
        } else {
            config.working_dir.clone()
        },
        user: config.user.clone(),
        groups: host.group_add.clone().unwrap_or_default(),
        capabilities,
        no_new_privileges: has_no_new_privileges(host.security_opt.as_deref()),
        rlimits: rlimits(&host.resources),
        terminal: config.tty,
        console_size: size,
        stdin: config.open_stdin,
    })
}

/// Whether `--security-opt no-new-privileges` is on.
pub fn has_no_new_privileges(options: Option<&[String]>) -> bool {
    let on = |option: &String| {
        matches!(
            option.as_str(),
            "no-new-privileges" | "no-new-privileges=true" | "no-new-privileges:true"
        )
    };
    options.unwrap_or_default().iter().any(on)
}

/// Whether `--security-opt seccomp=unconfined` is on.
fn is_unconfined(options: Option<&[String]>) -> bool {
    let on =
        |option: &String| matches!(option.as_str(), "seccomp=unconfined" | "seccomp:unconfined");
    options.unwrap_or_default().iter().any(on)
}

/// The limits of each process of a container, of those that `docker exec` starts, too.
pub fn rlimits(resources: &Resources) -> Vec<Rlimit> {
    resources.ulimits.iter().flatten().map(rlimit).collect()
}

/// `--ulimit`; -1 is no limit.
pub fn rlimit(limit: &Ulimit) -> Rlimit {
    let value = |n: i64| u64::try_from(n).unwrap_or(u64::MAX);
    Rlimit {
        name: limit.name.clone(),
        soft: value(limit.soft),
        hard: value(limit.hard),
    }
}

/// dockerd's environment and that of links, with the container's own on top.
pub fn environment(engine: &Engine, record: &Record) -> Vec<String> {
    let mut env = vec![
        DEFAULT_PATH.to_owned(),
        format!("HOSTNAME={}", record.config.hostname),
    ];
    if record.config.tty {
        env.push("TERM=xterm".into());
    }
    env.extend(links::environment(engine, record));
    replace_or_append(&mut env, record.config.env.as_deref().unwrap_or_default());
    env
}

/// moby's `ReplaceOrAppendEnvValues`: a name without `=` removes the variable.
pub fn replace_or_append(env: &mut Vec<String>, more: &[String]) {
    for variable in more {
        let name = variable.split('=').next().unwrap_or_default();
        let is_same = |known: &String| known.split('=').next() == Some(name);
        if !variable.contains('=') {
            env.retain(|known| !is_same(known));
        } else if let Some(known) = env.iter_mut().find(|known| is_same(known)) {
            *known = variable.clone();
        } else {
            env.push(variable.clone());
        }
    }
}

/// Limits as the kernel takes them.
pub fn limits(r: &Resources) -> ResourceLimits {
    let positive = |n: i64| u64::try_from(n).ok().filter(|n| *n > 0);
    let (quota, period) = match positive(r.nano_cpus) {
        // A period of 100 ms.
        Some(nano) => (Some(nano / 10_000), Some(100_000)),
        None => (positive(r.cpu_quota), positive(r.cpu_period)),
    };
    ResourceLimits {
        memory: positive(r.memory),
        memory_swap: positive(r.memory_swap),
        pids: r.pids_limit.and_then(positive),
        cpu_quota: quota,
        cpu_period: period,
        cpu_shares: positive(r.cpu_shares),
    }
}

/// A file or directory of the host.
async fn bind(engine: &Engine, path: &str) -> Result<MountSource, ApiError> {
    match engine.ports().host.open(path).await? {
        Some(tree) => Ok(MountSource::Tree(tree)),
        None => Err(ApiError::invalid(format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {path}"
        ))),
    }
}

/// `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`, which are mounted over
/// the image's.
pub async fn network_files(
    engine: &Engine,
    record: &Record,
) -> Result<(InodeRef, Vec<RuntimeMount>), ApiError> {
    let shared = record.host_config.network_mode.strip_prefix("container:");
    let source = match shared {
        Some(other) => engine.containers().find(other)?.record().clone(),
        None => record.clone(),
    };
    let failed =
        |errno: Errno| ApiError::system(format!("making the container's network files: {errno}"));
    let files = Tmpfs::new(&engine.ports().file_clock, Quota::new(1 << 20, 16)).map_err(failed)?;
    let root = files.root();
    let [hosts, resolv_conf] = changing_files(engine, &source).await;
    let hostname = format!("{}\n", source.config.hostname).into_bytes();
    let contents = [("hostname", hostname), hosts, resolv_conf];
    let mut mounts = Vec::with_capacity(contents.len());
    for (name, content) in contents {
        let file = write_file(&root, name, &content)
            .map_err(|errno| ApiError::system(format!("/etc/{name}: {errno}")))?;
        mounts.push(RuntimeMount {
            source: MountSource::Tree(FileTree {
                fs: files.clone(),
                root: file,
            }),
            target: format!("/etc/{name}"),
            read_only: false,
            options: Vec::new(),
            device: HOST_DISK.into(),
        });
    }
    Ok((root, mounts))
}

/// The files that say what the container's networks are.
async fn changing_files(engine: &Engine, record: &Record) -> [(&'static str, Vec<u8>); 2] {
    let resolv_conf = resolv_conf(engine, record).await;
    [
        ("hosts", hosts(engine, record)),
        ("resolv.conf", resolv_conf),
    ]
}

/// Writes them anew after a running container was connected or disconnected. What the container itself wrote to them
/// is lost, as with Docker.
pub async fn renew_network_files(engine: &Engine, container: &Container) -> Result<(), ApiError> {
    let Some(root) = container.network_files() else {
        return Ok(());
    };
    let record = container.record().clone();
    for (name, content) in changing_files(engine, &record).await {
        let renewed = root.lookup(name.as_bytes()).and_then(|file| {
            file.set_attr(&SetAttr {
                size: Some(0),
                ..SetAttr::default()
            })?;
            write_all(&file, &content)
        });
        renewed.map_err(|errno| ApiError::system(format!("/etc/{name}: {errno}")))?;
    }
    Ok(())
}

fn write_file(dir: &InodeRef, name: &str, content: &[u8]) -> bottleship_vfs::Result<InodeRef> {
    let perm = CreatePerm {
        mode: 0o644,
        uid: 0,
        gid: 0,
    };
    let file = dir.create(name.as_bytes(), NewNode::File, perm)?;
    write_all(&file, content)?;
    Ok(file)
}

fn write_all(file: &InodeRef, content: &[u8]) -> bottleship_vfs::Result<()> {
    let mut written = 0;
    while written < content.len() {
        written += file.write_at(written as u64, content.get(written..).unwrap_or_default())?;
    }
    Ok(())
}

fn hosts(engine: &Engine, record: &Record) -> Vec<u8> {
    let mut hosts = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for entry in record.host_config.extra_hosts.iter().flatten() {
        if let Some((name, address)) = entry.split_once([':', '=']) {
            let gateway = || {
                record
                    .networks
                    .values()
                    .map(|n| n.gateway.clone())
                    .find(|g| !g.is_empty())
                    .unwrap_or_default()
            };
            let address = if address == "host-gateway" {
                gateway()
            } else {
                address.to_owned()
            };
            hosts.push_str(&format!("{address}\t{name}\n"));
        }
    }
    for link in record.host_config.links.iter().flatten() {
        let (name, alias) = links::parse(link);
        let Ok(other) = engine.containers().find(name) else {
            continue;
        };
        let other = other.record();
        if let Some(address) = other
            .networks
            .values()
            .map(|n| &n.ip_address)
            .find(|a| !a.is_empty())
        {
            hosts.push_str(&format!(
                "{address}\t{alias} {} {}\n",
                other.config.hostname, other.name
            ));
        }
    }
    let hostname = &record.config.hostname;
    let names = match hostname.split_once('.') {
        Some((short, _)) => format!("{hostname} {short}"),
        None if record.config.domainname.is_empty() => hostname.clone(),
        None => format!("{hostname}.{} {hostname}", record.config.domainname),
    };
    for settings in record
        .networks
        .values()
        .filter(|n| !n.ip_address.is_empty())
    {
        hosts.push_str(&format!("{}\t{names}\n", settings.ip_address));
    }
    hosts.into_bytes()
}

async fn resolv_conf(engine: &Engine, record: &Record) -> Vec<u8> {
    let host = &record.host_config;
    let embedded = record.networks.keys().any(|name| {
        let network = engine.networks().find(name);
        network.is_ok_and(|network| network.borrow().is_user_defined())
    });
    let list = |option: &Option<Vec<String>>| option.clone().unwrap_or_default();
    let (servers, search, options) = (
        list(&host.dns),
        list(&host.dns_search),
        list(&host.dns_options),
    );
    if !embedded && servers.is_empty() && search.is_empty() && options.is_empty() {
        return engine.ports().host.resolv_conf().await;
    }
    let mut text = String::new();
    if embedded {
        text.push_str("nameserver 127.0.0.11\n");
    } else if servers.is_empty() {
        let inherited = engine.ports().host.resolv_conf().await;
        let inherited = String::from_utf8_lossy(&inherited).into_owned();
        let lines = inherited
            .lines()
            .filter(|line| line.starts_with("nameserver"));
        lines.for_each(|line| text.push_str(&format!("{line}\n")));
    }
    servers
        .iter()
        .filter(|_| !embedded)
        .for_each(|server| text.push_str(&format!("nameserver {server}\n")));
    if !search.is_empty() && search != ["."] {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    let mut options = options;
    if embedded && !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push("ndots:0".into());
    }
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    text.into_bytes()
}
