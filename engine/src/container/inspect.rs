//! `docker inspect` of a container.

use super::store::Container;
use crate::api::types::{
    ContainerInspect, EndpointSettings, GraphDriverData, HostConfig, NetworkSettings,
};
use crate::api::{ApiError, ApiVersion};
use crate::engine::Engine;
use crate::graph_driver;
use crate::networking::network_of_mode;

/// Everything about a container.
pub async fn inspect(
    engine: &Engine,
    container: &Container,
    size: bool,
    version: ApiVersion,
) -> Result<ContainerInspect, ApiError> {
    let record = container.record().clone();
    let dir = format!("{}/containers/{}", engine.config().root_dir, record.id);
    let ran = record.started_before || record.state.running;
    let file = |name: &str| {
        if ran {
            format!("{dir}/{name}")
        } else {
            String::new()
        }
    };
    let json_file = record.host_config.log_config.driver == "json-file";
    let (size_rw, size_root_fs) = if size {
        Some(sizes(engine, container).await?).unzip()
    } else {
        (None, None)
    };
    let execs: Vec<String> = container.execs().iter().cloned().collect();
    Ok(ContainerInspect {
        id: record.id.clone(),
        created: record.created,
        path: record.path.clone(),
        args: record.args.clone(),
        state: record.state.wire(),
        image: record.image_id.clone(),
        resolv_conf_path: file("resolv.conf"),
        hostname_path: file("hostname"),
        hosts_path: file("hosts"),
        log_path: if json_file {
            file(&format!("{}-json.log", record.id))
        } else {
            String::new()
        },
        name: format!("/{}", record.name),
        restart_count: record.restart_count,
        driver: engine.ports().snapshots.driver().into(),
        platform: "linux".into(),
        exec_ids: Some(execs).filter(|execs| !execs.is_empty()),
        graph_driver: graph_driver(engine, &record.id, record.layer.as_deref()).await?,
        size_rw,
        size_root_fs,
        mounts: record.mounts.clone(),
        network_settings: network_settings(&record, version),
        host_config: HostConfig {
            links: links(&record),
            ..record.host_config
        },
        config: record.config,
        ..ContainerInspect::default()
    })
}

/// Bytes of the container's own files, and of those with its image's.
pub async fn sizes(engine: &Engine, container: &Container) -> Result<(i64, i64), ApiError> {
    let (id, layer) = (container.id(), container.record().layer.clone());
    let own = engine.ports().snapshots.usage(&id).await?.size;
    let below = image_size(engine, layer.as_deref()).await?;
    Ok((own as i64, (own + below) as i64))
}

/// Bytes of a layer and those below it.
pub async fn image_size(engine: &Engine, layer: Option<&str>) -> Result<u64, ApiError> {
    let mut total = 0;
    let mut next = layer.and_then(|layer| layer.parse().ok());
    while let Some(chain) = next {
        let Some(info) = engine.ports().snapshots.layer(&chain).await? else {
            break;
        };
        total += info.size;
        next = info.parent;
    }
    Ok(total)
}

/// Links as paths of the container linked to and of its name here.
fn links(record: &super::Record) -> Option<Vec<String>> {
    let links = record.host_config.links.as_ref()?;
    let path = |link: &String| {
        let (name, alias) = super::links::parse(link);
        format!("/{name}:/{}/{alias}", record.name)
    };
    Some(links.iter().map(path).collect())
}

/// The directories an overlay2 driver would have.
async fn graph_driver(
    engine: &Engine,
    id: &str,
    layer: Option<&str>,
) -> Result<GraphDriverData, ApiError> {
    let snapshots = &engine.ports().snapshots;
    let mut layers = Vec::new();
    let mut next: Option<bottleship_oci::ChainId> = layer.and_then(|layer| layer.parse().ok());
    while let Some(chain) = next {
        layers.push(chain.to_string());
        next = snapshots.layer(&chain).await?.and_then(|info| info.parent);
    }
    let root = &engine.config().root_dir;
    let lower = graph_driver::below_container(root, id, &layers);
    let mut described = graph_driver::describe(snapshots.driver(), root, id, lower);
    if let Some(data) = &mut described.data {
        data.insert("ID".into(), id.into());
    }
    Ok(described)
}

fn network_settings(record: &super::Record, version: ApiVersion) -> NetworkSettings {
    // Only the default bridge is shown at the top, as in Docker 1.9 and before.
    let top = record.networks.get("bridge").cloned().unwrap_or_default();
    let sandbox = record.sandbox_id.clone();
    let key = match network_of_mode(&record.host_config.network_mode) {
        _ if sandbox.is_empty() => String::new(),
        "host" => "/var/run/docker/netns/default".into(),
        _ => format!(
            "/var/run/docker/netns/{}",
            sandbox.get(..12).unwrap_or(&sandbox)
        ),
    };
    let networks = record
        .networks
        .iter()
        .map(|(name, settings)| (name.clone(), shown(record, settings, version)))
        .collect();
    NetworkSettings {
        sandbox_id: sandbox,
        sandbox_key: key,
        ports: record.ports.clone(),
        endpoint_id: top.endpoint_id,
        gateway: top.gateway,
        ip_address: top.ip_address,
        ip_prefix_len: top.ip_prefix_len,
        mac_address: top.mac_address,
        networks,
        ..NetworkSettings::default()
    }
}

/// Before API 1.45 the short id was among the aliases.
fn shown(
    record: &super::Record,
    settings: &EndpointSettings,
    version: ApiVersion,
) -> EndpointSettings {
    let mut settings = settings.clone();
    if version < ApiVersion(45) && settings.dns_names.is_some() {
        settings
            .aliases
            .get_or_insert_default()
            .push(record.short_id().to_owned());
    }
    settings
}
