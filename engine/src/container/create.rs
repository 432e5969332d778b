//! `docker create`.

use std::collections::BTreeMap;

use super::mounts::{self, Mounts};
use super::names::random_name;
use super::record::Record;
use super::store::Container;
use super::validate;
use crate::api::ApiError;
use crate::api::types::{
    ContainerConfig, CreateRequest, CreateResponse, EndpointSettings, HealthConfig, HostConfig,
    NetworkingConfig,
};
use crate::engine::Engine;
use crate::image_source::{BaseImage, ImageSource};
use crate::networking::{check_settings, network_of_mode};
use crate::snapshot::RootFs;
use bottleship_vfs::Errno;

const SHM_SIZE: i64 = 64 << 20;
/// What containers do not see, unless privileged.
pub const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// What containers do not write, unless privileged.
pub const READONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Makes a container. An empty name is chosen by the engine.
pub async fn create(
    engine: &Engine,
    name: &str,
    request: CreateRequest,
) -> Result<CreateResponse, ApiError> {
    let CreateRequest {
        mut config,
        host_config,
        networking_config,
    } = request;
    if config == ContainerConfig::default() && host_config.is_none() {
        return Err(ApiError::invalid(
            "config cannot be empty in order to create a container",
        ));
    }
    let mut host = host_config.unwrap_or_default();
    if engine.containers().all().len() >= engine.config().max_containers {
        let limit = engine.config().max_containers;
        return Err(ApiError::conflict(format!(
            "cannot create container: limit of {limit} containers reached, remove some first"
        )));
    }
    let image = if config.image.is_empty() {
        None
    } else {
        Some(engine.images().resolve(&config.image).await?)
    };
    if let Some(image) = &image {
        merge(&mut config, &image.config);
    }
    if config.entrypoint.as_deref() == Some(&[String::new()]) {
        config.entrypoint = None;
    }
    let empty = |words: &Option<Vec<String>>| words.as_ref().is_none_or(Vec::is_empty);
    if empty(&config.entrypoint) && empty(&config.cmd) {
        return Err(ApiError::invalid("no command specified"));
    }
    adapt_host_config(engine, &mut host);
    validate::check(engine, &config, &host)?;
    let warnings = discard(&mut host);
    let networks = networks_of(
        engine,
        &host,
        &mut config,
        networking_config.unwrap_or_default(),
    )?;
    let id = engine.new_id();
    let name = reserve_name(engine, name, &id)?;
    let made = make(engine, &id, &name, config, host, networks, image).await;
    match made {
        Ok(container) => {
            container.emit(engine, "create", &[]);
            Ok(CreateResponse { id, warnings })
        }
        Err(error) => {
            engine.containers().release_name(&name);
            // Its error matters less than the one that led here.
            let _ = engine.ports().snapshots.remove(&id).await;
            Err(error)
        }
    }
}

async fn make(
    engine: &Engine,
    id: &str,
    name: &str,
    mut config: ContainerConfig,
    host: HostConfig,
    networks: BTreeMap<String, EndpointSettings>,
    image: Option<BaseImage>,
) -> Result<Container, ApiError> {
    if config.hostname.is_empty() && !host.network_mode.starts_with("container:") {
        let own = if host.network_mode == "host" || host.uts_mode == "host" {
            &engine.config().hostname
        } else {
            &id[..12]
        };
        config.hostname = own.to_owned();
    }
    if let Some(other) = host.network_mode.strip_prefix("container:") {
        // Whether it is there is asked when the container starts.
        if let Ok(other) = engine.containers().find(other) {
            config.hostname = other.record().config.hostname.clone();
        }
    }
    let layer = image.as_ref().and_then(|image| image.layer.clone());
    let rootfs = engine.ports().snapshots.prepare(id, layer.as_ref()).await?;
    make_working_dir(&rootfs, &config.working_dir)?;
    let Mounts {
        points,
        copy_up,
        anonymous,
    } = mounts::resolve(engine, &config, &host).await?;
    let (path, args) = entrypoint_and_args(&config);
    let record = Record {
        id: id.into(),
        name: name.into(),
        created: engine.now(),
        path,
        args,
        config,
        host_config: host,
        image_id: image.map(|image| image.id).unwrap_or_default(),
        layer: layer.map(|layer| layer.as_str().to_owned()),
        mounts: points,
        copy_up,
        anonymous_volumes: anonymous,
        networks,
        ..Record::default()
    };
    super::copy_up::fill_volumes(engine, &record).await?;
    let volumes: Vec<String> = record
        .mounts
        .iter()
        .filter(|m| m.r#type == "volume")
        .map(|m| m.name.clone())
        .collect();
    let container = engine.containers().insert(engine, record);
    for volume in volumes {
        engine.volumes().add_user(&volume, id);
    }
    if !container.record().host_config.auto_remove {
        engine.ports().snapshots.sync(id).await?;
    }
    container.save(engine).await?;
    Ok(container)
}

fn make_working_dir(rootfs: &RootFs, dir: &str) -> Result<(), ApiError> {
    if matches!(dir, "" | "/") {
        return Ok(());
    }
    super::archive::make_dirs(&rootfs.fs, dir).map_err(|errno| match errno {
        Errno::ENOTDIR => ApiError::system(format!("Cannot mkdir: {dir} is not a directory")),
        errno => ApiError::system(format!("mkdir {dir}: {errno}")),
    })
}

fn reserve_name(engine: &Engine, name: &str, id: &str) -> Result<String, ApiError> {
    let containers = engine.containers();
    if !name.is_empty() {
        containers.reserve_name(name, id)?;
        return Ok(name.strip_prefix('/').unwrap_or(name).to_owned());
    }
    for retry in 0..6 {
        let name = random_name(&*engine.ports().entropy, retry);
        if !containers.is_name_taken(&name) {
            containers.reserve_name(&name, id)?;
            return Ok(name);
        }
    }
    let short = id[..12].to_owned();
    containers.reserve_name(&short, id)?;
    Ok(short)
}

/// The program and its arguments.
fn entrypoint_and_args(config: &ContainerConfig) -> (String, Vec<String>) {
    let entrypoint = config.entrypoint.iter().flatten();
    let mut words = entrypoint.chain(config.cmd.iter().flatten()).cloned();
    (words.next().unwrap_or_default(), words.collect())
}

/// Fills what a user left out from the image (moby's `container.Merge`).
pub fn merge(user: &mut ContainerConfig, image: &ContainerConfig) {
    let empty = |words: &Option<Vec<String>>| words.as_ref().is_none_or(Vec::is_empty);
    if user.user.is_empty() {
        user.user = image.user.clone();
    }
    for (port, _) in image.exposed_ports.iter().flatten() {
        user.exposed_ports
            .get_or_insert_default()
            .entry(port.clone())
            .or_default();
    }
    let key = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    for variable in image.env.iter().flatten() {
        let env = user.env.get_or_insert_default();
        if !env.iter().any(|own| key(own) == key(variable)) {
            env.push(variable.clone());
        }
    }
    for (label, value) in image.labels.iter().flatten() {
        user.labels
            .get_or_insert_default()
            .entry(label.clone())
            .or_insert_with(|| value.clone());
    }
    if user.labels.is_none() {
        user.labels = Some(BTreeMap::new());
    }
    if empty(&user.entrypoint) {
        if empty(&user.cmd) {
            user.cmd = image.cmd.clone();
        }
        if user.entrypoint.is_none() {
            user.entrypoint = image.entrypoint.clone();
        }
    }
    merge_health(user, image.healthcheck.as_ref());
    if user.working_dir.is_empty() {
        user.working_dir = image.working_dir.clone();
    }
    if user.volumes.as_ref().is_none_or(BTreeMap::is_empty) {
        user.volumes = image.volumes.clone();
    } else if let Some(volumes) = &mut user.volumes {
        for (path, _) in image.volumes.iter().flatten() {
            volumes.entry(path.clone()).or_default();
        }
    }
    if user.stop_signal.is_empty() {
        user.stop_signal = image.stop_signal.clone();
    }
    if user.shell.is_none() {
        user.shell = image.shell.clone();
    }
}

fn merge_health(user: &mut ContainerConfig, image: Option<&HealthConfig>) {
    let Some(image) = image else { return };
    let Some(own) = &mut user.healthcheck else {
        user.healthcheck = Some(image.clone());
        return;
    };
    if own.test.as_ref().is_none_or(Vec::is_empty) {
        own.test = image.test.clone();
    }
    let fill = |own: &mut i64, image: i64| {
        if *own == 0 {
            *own = image;
        }
    };
    fill(&mut own.interval, image.interval);
    fill(&mut own.timeout, image.timeout);
    fill(&mut own.start_period, image.start_period);
    fill(&mut own.start_interval, image.start_interval);
    fill(&mut own.retries, image.retries);
}

/// dockerd's defaults.
fn adapt_host_config(engine: &Engine, host: &mut HostConfig) {
    let config = engine.config();
    let default = |value: &mut String, with: &str| {
        if value.is_empty() {
            *value = with.into();
        }
    };
    if matches!(host.network_mode.as_str(), "" | "default") {
        host.network_mode = "bridge".into();
    }
    default(&mut host.log_config.driver, &config.log_driver);
    let options = host.log_config.config.get_or_insert_default();
    if host.log_config.driver == config.log_driver {
        for (name, value) in &config.log_options {
            options.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    if host.shm_size == 0 {
        host.shm_size = SHM_SIZE;
    }
    default(&mut host.ipc_mode, "private");
    default(&mut host.cgroupns_mode, "private");
    default(&mut host.runtime, "runc");
    default(&mut host.restart_policy.name, "no");
    let owned = |paths: &[&str]| Some(paths.iter().map(|path| (*path).to_owned()).collect());
    if host.privileged {
        host.masked_paths = None;
        host.readonly_paths = None;
    } else {
        host.masked_paths = host.masked_paths.take().or_else(|| owned(&MASKED_PATHS));
        host.readonly_paths = host
            .readonly_paths
            .take()
            .or_else(|| owned(&READONLY_PATHS));
    }
    // What clients send for "not set".
    host.resources.memory_swappiness = host.resources.memory_swappiness.filter(|n| *n != -1);
    host.resources.pids_limit = host.resources.pids_limit.filter(|n| *n > 0);
    if host.resources.memory > 0 && host.resources.memory_swap == 0 {
        // As much swap as memory.
        host.resources.memory_swap = host.resources.memory.saturating_mul(2);
    }
}

/// Takes away what has no effect here, and says so.
fn discard(host: &mut HostConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if host.resources.blkio_weight != 0 {
        host.resources.blkio_weight = 0;
        warnings.push(
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
                .to_owned(),
        );
    }
    let publishes = host.publish_all_ports
        || host
            .port_bindings
            .as_ref()
            .is_some_and(|ports| !ports.is_empty());
    if host.network_mode == "host" && publishes {
        warnings.push("Published ports are discarded when using host network mode".to_owned());
    }
    warnings
}

/// The networks a container will be on: that of its mode, and others asked for.
fn networks_of(
    engine: &Engine,
    host: &HostConfig,
    config: &mut ContainerConfig,
    asked: NetworkingConfig,
) -> Result<BTreeMap<String, EndpointSettings>, ApiError> {
    let mut networks = BTreeMap::new();
    let mode = host.network_mode.as_str();
    if mode.starts_with("container:") || config.network_disabled {
        return Ok(networks);
    }
    let first = network_of_mode(mode);
    let mut asked = asked.endpoints_config;
    // Clients may call the network of the mode "default", or by its id.
    let settings = [first, "default"]
        .iter()
        .find_map(|name| asked.remove(*name))
        .unwrap_or_default();
    match engine.networks().find(first) {
        Ok(network) => {
            let user_defined = network.borrow().is_user_defined();
            check_settings(&settings, user_defined)?;
            let name = network.borrow().name.clone();
            networks.insert(name, settings);
        }
        // It may be made before the container is started.
        Err(_) => {
            networks.insert(first.to_owned(), settings);
        }
    }
    for (name, settings) in asked {
        let network = engine.networks().find(&name)?;
        check_settings(&settings, network.borrow().is_user_defined())?;
        let name = network.borrow().name.clone();
        networks.insert(name, settings);
    }
    Ok(networks)
}

/// Gives a container another name.
pub async fn rename(engine: &Engine, container: &Container, name: &str) -> Result<(), ApiError> {
    let old = container.name();
    let new = name.strip_prefix('/').unwrap_or(name);
    if new.is_empty() {
        return Err(ApiError::invalid("Neither old nor new names may be empty"));
    }
    if new == old {
        return Err(ApiError::invalid(
            "Renaming a container with the same name as its current name",
        ));
    }
    engine
        .containers()
        .reserve_name(&format!("/{new}"), &container.id())
        .map_err(|error| error.context("Error when allocating new name"))?;
    container.record_mut().name = new.to_owned();
    if let Err(error) = container.save(engine).await {
        container.record_mut().name = old;
        engine.containers().release_name(new);
        return Err(error);
    }
    engine.containers().release_name(&old);
    let (id, networks) = (
        container.id(),
        container
            .record()
            .networks
            .keys()
            .cloned()
            .collect::<Vec<_>>(),
    );
    for network in networks
        .iter()
        .filter_map(|name| engine.networks().find(name).ok())
    {
        if let Some(endpoint) = network.borrow_mut().endpoints.get_mut(&id) {
            endpoint.name = new.to_owned();
        }
    }
    for settings in container.record_mut().networks.values_mut() {
        for known in settings
            .dns_names
            .iter_mut()
            .flatten()
            .filter(|known| **known == old)
        {
            *known = new.to_owned();
        }
    }
    container.emit(engine, "rename", &[("oldName", &format!("/{old}"))]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Option<Vec<String>> {
        Some(list.iter().map(|s| s.to_string()).collect())
    }

    #[test]
    fn the_image_fills_what_the_user_left_out() {
        let image = ContainerConfig {
            env: words(&["PATH=/bin", "A=image"]),
            cmd: words(&["sh"]),
            entrypoint: words(&["/entry"]),
            working_dir: "/srv".into(),
            ..ContainerConfig::default()
        };
        let mut user = ContainerConfig {
            env: words(&["A=user"]),
            ..ContainerConfig::default()
        };
        merge(&mut user, &image);
        assert_eq!(user.env, words(&["A=user", "PATH=/bin"]));
        assert_eq!(
            (user.cmd.clone(), user.entrypoint.clone()),
            (words(&["sh"]), words(&["/entry"]))
        );
        assert_eq!(
            entrypoint_and_args(&user),
            ("/entry".into(), vec!["sh".into()])
        );

        let mut user = ContainerConfig {
            entrypoint: words(&["echo"]),
            ..ContainerConfig::default()
        };
        merge(&mut user, &image);
        assert_eq!(
            user.cmd, None,
            "an entrypoint of one's own clears the image's command"
        );

        let mut user = ContainerConfig {
            cmd: words(&["ls"]),
            ..ContainerConfig::default()
        };
        merge(&mut user, &image);
        assert_eq!(
            entrypoint_and_args(&user),
            ("/entry".into(), vec!["ls".into()])
        );
    }
}
