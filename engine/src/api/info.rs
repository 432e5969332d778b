//! `/info` and `/system/df`.

use std::collections::BTreeMap;

use http::StatusCode;

use super::ApiResult;
use super::message::{Call, Response};
use super::system::SERVER_VERSION;
use super::types::{
    Commit, ContainerSummary, DiskUsage, IndexInfo, InfoResponse, PluginsInfo,
    RegistryServiceConfig, RuntimeInfo, SwarmInfo,
};
use crate::container::{inspect, list};
use crate::image_source::ImageSource;

pub async fn info(call: Call) -> ApiResult {
    let engine = &call.engine;
    let platform = engine.ports().runtime.platform();
    let containers = engine.containers().all();
    let count = |status: &[&str]| {
        containers
            .iter()
            .filter(|c| status.contains(&c.record().state.status()))
            .count() as i64
    };
    let config = engine.config();
    let own = |id: &str| Commit { id: id.into() };
    let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let runtime = |path: &str| RuntimeInfo {
        path: path.into(),
        runtime_args: None,
    };
    let version = env!("CARGO_PKG_VERSION");
    Ok(Response::json(
        StatusCode::OK,
        &InfoResponse {
            id: engine_id(&config.hostname),
            containers: containers.len() as i64,
            containers_running: count(&["running", "restarting"]),
            containers_paused: count(&["paused"]),
            containers_stopped: count(&["created", "exited", "dead", "removing"]),
            images: engine.images().count(),
            driver: engine.ports().snapshots.driver().into(),
            driver_status: [
                ["Backing Filesystem", "extfs"],
                ["Supports d_type", "true"],
                ["Using metacopy", "false"],
                ["Native Overlay Diff", "true"],
                ["userxattr", "false"],
            ]
            .map(|pair| pair.map(str::to_owned))
            .to_vec(),
            plugins: PluginsInfo {
                volume: strings(&["local"]),
                network: strings(&["bridge", "host", "null"]),
                authorization: None,
                log: strings(&["json-file", "local"]),
            },
            memory_limit: true,
            swap_limit: true,
            cpu_cfs_period: true,
            cpu_cfs_quota: true,
            cpu_shares: true,
            cpu_set: true,
            pids_limit: true,
            ipv4_forwarding: true,
            debug: false,
            oom_kill_disable: false,
            n_fd: 0,
            n_goroutines: engine.executor().task_count() as i64,
            system_time: engine.now().to_string(),
            logging_driver: config.log_driver.clone(),
            cgroup_driver: "cgroupfs".into(),
            cgroup_version: platform.cgroup_version,
            n_events_listener: engine.events().listener_count() as i64,
            kernel_version: platform.kernel_version,
            operating_system: platform.operating_system,
            os_version: String::new(),
            os_type: "linux".into(),
            architecture: platform.architecture,
            index_server_address: "https://index.docker.io/v1/".into(),
            registry_config: registry_config(&config.insecure_registries, &config.registry_mirrors),
            ncpu: platform.cpus.into(),
            mem_total: platform.memory as i64,
            docker_root_dir: config.root_dir.clone(),
            name: config.hostname.clone(),
            labels: config.labels.clone(),
            server_version: SERVER_VERSION.into(),
            runtimes: BTreeMap::from([
                (
                    "io.containerd.runc.v2".to_owned(),
                    runtime(&platform.runtime),
                ),
                ("runc".to_owned(), runtime(&platform.runtime)),
            ]),
            default_runtime: "runc".into(),
            swarm: SwarmInfo {
                local_node_state: "inactive".into(),
                ..SwarmInfo::default()
            },
            init_binary: "docker-init".into(),
            containerd_commit: own(version),
            runc_commit: own(&platform.runtime_version),
            init_commit: own(version),
            security_options: strings(&["name=seccomp,profile=builtin", "name=cgroupns"]),
            cdi_spec_dirs: Some(Vec::new()),
            ..InfoResponse::default()
        },
    ))
}

/// A stable identity in the form of Docker's: twelve groups of four.
fn engine_id(hostname: &str) -> String {
    use sha2::{Digest, Sha256};
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = [
        Sha256::digest(hostname),
        Sha256::digest([hostname, "\0"].concat()),
    ]
    .concat();
    let letters: Vec<char> = hash
        .iter()
        .take(48)
        .map(|b| char::from(ALPHABET[usize::from(b % 32)]))
        .collect();
    letters
        .chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join(":")
}

fn registry_config(insecure: &[String], mirrors: &[String]) -> RegistryServiceConfig {
    let hub = IndexInfo {
        name: "docker.io".into(),
        mirrors: mirrors.to_vec(),
        secure: true,
        official: true,
    };
    let mut index_configs = BTreeMap::from([("docker.io".to_owned(), hub)]);
    for name in insecure {
        let index = IndexInfo {
            name: name.clone(),
            mirrors: Vec::new(),
            secure: false,
            official: false,
        };
        index_configs.insert(name.clone(), index);
    }
    RegistryServiceConfig {
        insecure_registry_cidrs: vec!["::1/128".into(), "127.0.0.0/8".into()],
        index_configs,
        mirrors: Some(mirrors.to_vec()),
    }
}

pub async fn disk_usage(call: Call) -> ApiResult {
    let engine = &call.engine;
    let types = call.query.all("type");
    let wants = |kind: &str| types.is_empty() || types.contains(&kind);
    let mut usage = DiskUsage::default();
    if wants("container") {
        for container in engine.containers().all() {
            let mut row: ContainerSummary = list::summary(engine, &container);
            (row.size_rw, row.size_root_fs) = inspect::sizes(engine, &container).await?;
            usage.containers.push(row);
        }
    }
    if wants("image") {
        let users = engine.image_users();
        (usage.layers_size, usage.images) = engine.images().disk_usage(&users).await?;
    }
    if wants("volume") {
        usage.volumes = engine.volumes().usage(engine).await?;
    }
    Ok(Response::json(StatusCode::OK, &usage))
}
