//! Containers on networks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ipam::{format_mac, mac_of, parse_mac};
use super::names::resolver;
use super::ports::{parse_port, parse_range};
use super::store::{NetworkRecord, NetworkRef};
use crate::api::ApiError;
use crate::api::types::{EndpointResource, EndpointSettings, PortBinding, PortMap};
use crate::container::{Container, Record, renew_network_files};
use crate::engine::Engine;
use crate::events::attributes;
use crate::network::{EndpointSpec, Protocol, Publish};

/// Which network a container's mode names, if it has a sandbox of its own.
pub fn network_of_mode(mode: &str) -> &str {
    if matches!(mode, "" | "default") {
        "bridge"
    } else {
        mode
    }
}

/// Makes a container's sandbox, joins its networks and publishes its ports.
/// Returns the sandbox, or `None` for the host's network.
pub async fn join(engine: &Engine, container: &Container) -> Result<Option<String>, ApiError> {
    let mode = container.record().host_config.network_mode.clone();
    if let Some(other) = mode.strip_prefix("container:") {
        let other = engine.containers().find(other)?;
        other
            .record()
            .state
            .must_run(&other.id())
            .map_err(|e| e.context("cannot join network of a non running container"))?;
        let sandbox = other.record().sandbox_id.clone();
        return Ok(Some(sandbox).filter(|sandbox| !sandbox.is_empty()));
    }
    let sandbox = engine.new_id();
    container.record_mut().sandbox_id = sandbox.clone();
    if mode == "host" {
        enter(engine, container, "host", "")?;
        return Ok(None);
    }
    let names: Vec<String> = container.record().networks.keys().cloned().collect();
    // A container on the default bridge may join others later.
    let resolver = resolver(engine, container);
    engine
        .ports()
        .network
        .create_sandbox(&sandbox, Some(resolver))
        .await?;
    let mut joined = Ok(());
    for (index, name) in in_join_order(&names, &mode).into_iter().enumerate() {
        joined = match name.as_str() {
            "none" => enter(engine, container, "none", ""),
            _ => plug(engine, container, &sandbox, &name, index).await,
        };
        if joined.is_err() {
            break;
        }
    }
    if joined.is_ok() && mode != "none" {
        joined = publish_ports(engine, container, &sandbox).await;
    }
    if let Err(error) = joined {
        leave(engine, container).await;
        return Err(error);
    }
    Ok(Some(sandbox))
}

/// The network of the mode first: it becomes `eth0`.
fn in_join_order(names: &[String], mode: &str) -> Vec<String> {
    let first = network_of_mode(mode);
    let mut ordered: Vec<String> = names
        .iter()
        .filter(|name| *name == first)
        .cloned()
        .collect();
    ordered.extend(names.iter().filter(|name| *name != first).cloned());
    ordered
}

/// Notes a container in a network without interfaces (host, none).
fn enter(engine: &Engine, container: &Container, name: &str, mac: &str) -> Result<(), ApiError> {
    let network = engine.networks().find(name)?;
    let endpoint_id = engine.new_id();
    let (id, container_name) = (container.id(), container.name());
    {
        let mut record = container.record_mut();
        let settings = record.networks.entry(name.into()).or_default();
        settings.network_id = network.borrow().id.clone();
        settings.endpoint_id = endpoint_id.clone();
    }
    let resource = EndpointResource {
        name: container_name,
        endpoint_id,
        mac_address: mac.into(),
        ..EndpointResource::default()
    };
    network.borrow_mut().endpoints.insert(id.clone(), resource);
    emit(engine, "connect", &network.borrow(), &id);
    Ok(())
}

fn emit(engine: &Engine, action: &str, network: &NetworkRecord, container: &str) {
    let facts = [
        ("container", container),
        ("name", &network.name),
        ("type", &network.driver),
    ];
    engine
        .events()
        .emit("network", action, &network.id, attributes(facts));
}

async fn plug(
    engine: &Engine,
    container: &Container,
    sandbox: &str,
    name: &str,
    index: usize,
) -> Result<(), ApiError> {
    let network = engine.networks().find(name)?;
    let settings = container
        .record()
        .networks
        .get(name)
        .cloned()
        .unwrap_or_default();
    let address = choose_address(&network, &settings)?;
    let mac = match parse_mac(&settings.mac_address) {
        Some(mac) => mac,
        None => {
            parse_mac(&container.record().config.mac_address).unwrap_or_else(|| mac_of(address))
        }
    };
    let (prefix, gateway, network_id) = {
        let record = network.borrow();
        let prefix = record.pool.as_ref().map_or(16, |pool| pool.prefix());
        (
            prefix,
            record
                .gateway
                .parse::<Ipv4Addr>()
                .ok()
                .filter(|_| !record.internal),
            record.id.clone(),
        )
    };
    let endpoint = EndpointSpec {
        id: engine.new_id(),
        network: network_id.clone(),
        interface: format!("eth{index}"),
        mac,
        address: IpAddr::V4(address),
        prefix,
        gateway: gateway.map(IpAddr::V4).filter(|_| index == 0),
    };
    if let Err(error) = engine.ports().network.connect(sandbox, &endpoint).await {
        release(&network, address);
        return Err(error.into());
    }
    let (id, container_name) = (container.id(), container.name());
    {
        let mut record = container.record_mut();
        let short = record.short_id().to_owned();
        let settings = record.networks.entry(name.into()).or_default();
        settings.network_id = network_id;
        settings.endpoint_id = endpoint.id.clone();
        settings.gateway = gateway.map(|g| g.to_string()).unwrap_or_default();
        settings.ip_address = address.to_string();
        settings.ip_prefix_len = prefix;
        settings.mac_address = format_mac(mac);
        if network.borrow().is_user_defined() {
            settings.dns_names = Some(dns_names(&container_name, &short, settings));
        }
    }
    let resource = EndpointResource {
        name: container_name,
        endpoint_id: endpoint.id,
        mac_address: format_mac(mac),
        ipv4_address: format!("{address}/{prefix}"),
        ipv6_address: String::new(),
    };
    network.borrow_mut().endpoints.insert(id.clone(), resource);
    emit(engine, "connect", &network.borrow(), &id);
    Ok(())
}

/// The names a container answers to on a network.
fn dns_names(name: &str, short_id: &str, settings: &EndpointSettings) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    for alias in settings
        .aliases
        .iter()
        .flatten()
        .chain([&short_id.to_owned()])
    {
        if !names.contains(alias) {
            names.push(alias.clone());
        }
    }
    names
}

fn choose_address(network: &NetworkRef, settings: &EndpointSettings) -> Result<Ipv4Addr, ApiError> {
    let mut record = network.borrow_mut();
    let asked = settings
        .ipam_config
        .as_ref()
        .map(|config| config.ipv4_address.clone())
        .filter(|a| !a.is_empty());
    let pool = record
        .pool
        .as_mut()
        .ok_or_else(|| ApiError::system("network has no addresses"))?;
    match asked {
        None => pool.allocate().ok_or_else(|| {
            ApiError::system("no available IPv4 addresses on this network's address pools")
        }),
        Some(text) => {
            let address: Ipv4Addr = text
                .parse()
                .map_err(|_| ApiError::invalid(format!("invalid IPv4 address: {text}")))?;
            if !pool.contains(address) {
                let message = format!(
                    "Invalid address {address}: It does not belong to any of this network's subnets"
                );
                return Err(ApiError::system(message));
            }
            if pool.take(address) {
                Ok(address)
            } else {
                Err(ApiError::forbidden("Address already in use"))
            }
        }
    }
}

fn release(network: &NetworkRef, address: Ipv4Addr) {
    if let Some(pool) = network.borrow_mut().pool.as_mut() {
        pool.release(address);
    }
}

/// Undoes [`join`]: frees addresses, ports and the sandbox.
pub async fn leave(engine: &Engine, container: &Container) {
    let (id, mode, sandbox) = {
        let record = container.record();
        (
            record.id.clone(),
            record.host_config.network_mode.clone(),
            record.sandbox_id.clone(),
        )
    };
    if mode.starts_with("container:") {
        return;
    }
    let names: Vec<String> = container.record().networks.keys().cloned().collect();
    for name in names {
        unplug(engine, container, &id, &name);
    }
    release_ports(engine, &std::mem::take(&mut container.record_mut().ports));
    container.record_mut().sandbox_id.clear();
    if mode != "host" && !sandbox.is_empty() {
        // The sandbox goes with the processes; there is nobody left to tell.
        let _ = engine.ports().network.delete_sandbox(&sandbox).await;
    }
}

fn unplug(engine: &Engine, container: &Container, id: &str, name: &str) {
    let Ok(network) = engine.networks().find(name) else {
        return;
    };
    if network.borrow_mut().endpoints.remove(id).is_none() {
        return;
    }
    if let Some(settings) = container.record_mut().networks.get_mut(name) {
        if let Ok(address) = settings.ip_address.parse() {
            release(&network, address);
        }
        // An address that was asked for stays asked for.
        let fixed_mac = settings.mac_address.clone();
        let generated = settings
            .ip_address
            .parse()
            .is_ok_and(|ip| format_mac(mac_of(ip)) == fixed_mac);
        *settings = EndpointSettings {
            ipam_config: settings.ipam_config.take(),
            links: settings.links.take(),
            aliases: settings.aliases.take(),
            driver_opts: settings.driver_opts.take(),
            gw_priority: settings.gw_priority,
            mac_address: if generated { String::new() } else { fixed_mac },
            network_id: std::mem::take(&mut settings.network_id),
            dns_names: settings.dns_names.take(),
            ..EndpointSettings::default()
        };
    }
    emit(engine, "disconnect", &network.borrow(), id);
}

/// What to publish: the bindings asked for, and with `-P` every exposed port.
fn wanted_ports(record: &Record) -> BTreeMap<String, Vec<PortBinding>> {
    let mut wanted: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for (port, bindings) in record.host_config.port_bindings.iter().flatten() {
        wanted.insert(port.clone(), bindings.clone().unwrap_or_default());
    }
    if record.host_config.publish_all_ports {
        for port in record
            .config
            .exposed_ports
            .iter()
            .flatten()
            .map(|(port, _)| port)
        {
            let bindings = wanted.entry(port.clone()).or_default();
            if bindings.is_empty() {
                bindings.push(PortBinding::default());
            }
        }
    }
    wanted
}

async fn publish_ports(
    engine: &Engine,
    container: &Container,
    sandbox: &str,
) -> Result<(), ApiError> {
    let (wanted, exposed, endpoint, address) = {
        let record = container.record();
        let settings = record
            .networks
            .get(network_of_mode(&record.host_config.network_mode))
            .or(record.networks.values().next());
        let endpoint = settings.map(|s| s.endpoint_id.clone()).unwrap_or_default();
        let address: Option<IpAddr> = settings.and_then(|s| s.ip_address.parse().ok());
        let exposed: Vec<String> = record
            .config
            .exposed_ports
            .iter()
            .flatten()
            .map(|(port, _)| port.clone())
            .collect();
        (wanted_ports(&record), exposed, endpoint, address)
    };
    let Some(address) = address else {
        return Ok(());
    };
    let mut published: PortMap = exposed.into_iter().map(|port| (port, None)).collect();
    let mut failed = None;
    'ports: for (name, bindings) in wanted {
        let Some((port, protocol)) = parse_port(&name) else {
            continue;
        };
        let done = published.entry(name).or_default();
        for binding in bindings {
            match publish(engine, sandbox, &binding, (port, protocol), address).await {
                Ok(mut bound) => done.get_or_insert_default().append(&mut bound),
                Err(error) => {
                    failed = Some(error);
                    break 'ports;
                }
            }
        }
    }
    match failed {
        None => {
            container.record_mut().ports = published;
            Ok(())
        }
        Some(error) => {
            release_ports(engine, &published);
            let name = container.name();
            Err(error.context(format!(
                "driver failed programming external connectivity on endpoint {name} ({endpoint})"
            )))
        }
    }
}

/// Publishes one binding: on IPv4 and IPv6 unless an address is given.
async fn publish(
    engine: &Engine,
    sandbox: &str,
    binding: &PortBinding,
    (port, protocol): (u16, Protocol),
    container_ip: IpAddr,
) -> Result<Vec<PortBinding>, ApiError> {
    let (first, last) = parse_range(&binding.host_port).ok_or_else(|| {
        ApiError::invalid(format!(
            "invalid port specification: {:?}",
            binding.host_port
        ))
    })?;
    let addresses: Vec<IpAddr> = match binding.host_ip.as_str() {
        "" => vec![
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ],
        text => vec![
            text.parse()
                .map_err(|_| ApiError::invalid(format!("invalid IP address: {text}")))?,
        ],
    };
    let allocator = &engine.networks().ports;
    let mut bound = Vec::new();
    let (mut first, mut last) = (first, last);
    for ip in addresses {
        let host_port = allocator.allocate(ip, protocol, first, last)?;
        let publish = Publish {
            host_ip: ip,
            host_port,
            protocol,
            container_ip,
            container_port: port,
        };
        if let Err(error) = engine.ports().network.publish(sandbox, &publish).await {
            allocator.release(ip, protocol, host_port);
            return Err(error.into());
        }
        bound.push(PortBinding {
            host_ip: ip.to_string(),
            host_port: host_port.to_string(),
        });
        // The same port on the other address family.
        (first, last) = (host_port, host_port);
    }
    Ok(bound)
}

fn release_ports(engine: &Engine, ports: &PortMap) {
    for (name, bindings) in ports {
        let Some((_, protocol)) = parse_port(name) else {
            continue;
        };
        for binding in bindings.iter().flatten() {
            if let (Ok(ip), Ok(port)) = (binding.host_ip.parse(), binding.host_port.parse()) {
                engine.networks().ports.release(ip, protocol, port);
            }
        }
    }
}

/// `docker network connect`.
pub async fn attach_container(
    engine: &Engine,
    network: &str,
    container: &Container,
    settings: EndpointSettings,
) -> Result<(), ApiError> {
    let network = engine.networks().find(network)?;
    let (name, user_defined) = (
        network.borrow().name.clone(),
        network.borrow().is_user_defined(),
    );
    let mode = container.record().host_config.network_mode.clone();
    if mode == "host" || name == "host" {
        return Err(ApiError::forbidden(
            "container cannot be disconnected from host network or connected to host network",
        ));
    }
    if mode == "none" || name == "none" {
        return Err(ApiError::forbidden(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        ));
    }
    if mode.starts_with("container:") {
        return Err(ApiError::invalid(
            "container sharing network namespace with another container or host cannot be connected to any other network",
        ));
    }
    check_settings(&settings, user_defined)?;
    let running = container.record().state.running;
    if container.record().networks.contains_key(&name) && running {
        return Err(ApiError::forbidden(format!(
            "endpoint with name {} already exists in network {name}",
            container.name()
        )));
    }
    let settings = EndpointSettings {
        network_id: network.borrow().id.clone(),
        ..settings
    };
    let index = container.record().networks.len();
    container
        .record_mut()
        .networks
        .insert(name.clone(), settings);
    if running {
        let sandbox = container.record().sandbox_id.clone();
        if let Err(error) = plug(engine, container, &sandbox, &name, index).await {
            container.record_mut().networks.remove(&name);
            return Err(error);
        }
        renew_network_files(engine, container).await?;
    }
    container.save(engine).await
}

/// What may be asked for depends on the network.
pub fn check_settings(settings: &EndpointSettings, user_defined: bool) -> Result<(), ApiError> {
    for config in settings.ipam_config.iter() {
        if !config.ipv4_address.is_empty() && config.ipv4_address.parse::<Ipv4Addr>().is_err() {
            return Err(ApiError::invalid(format!(
                "invalid IPv4 address: {}",
                config.ipv4_address
            )));
        }
        if !config.ipv6_address.is_empty() && config.ipv6_address.parse::<Ipv6Addr>().is_err() {
            return Err(ApiError::invalid(format!(
                "invalid IPv6 address: {}",
                config.ipv6_address
            )));
        }
    }
    let asks_address = settings
        .ipam_config
        .as_ref()
        .is_some_and(|c| !c.ipv4_address.is_empty() || !c.ipv6_address.is_empty());
    if asks_address && !user_defined {
        return Err(ApiError::invalid(
            "user specified IP address is supported on user defined networks only",
        ));
    }
    if !settings.mac_address.is_empty() && parse_mac(&settings.mac_address).is_none() {
        return Err(ApiError::invalid(format!(
            "invalid MAC address: {}",
            settings.mac_address
        )));
    }
    if settings
        .aliases
        .as_ref()
        .is_some_and(|aliases| !aliases.is_empty())
        && !user_defined
    {
        return Err(ApiError::invalid(
            "network-scoped alias is supported only for containers in user defined networks",
        ));
    }
    Ok(())
}

/// `docker network disconnect`.
pub async fn detach_container(
    engine: &Engine,
    network: &str,
    container: &Container,
) -> Result<(), ApiError> {
    let network = engine.networks().find(network)?;
    let name = network.borrow().name.clone();
    if container.record().host_config.network_mode == "host" {
        return Err(ApiError::forbidden(
            "container cannot be disconnected from host network or connected to host network",
        ));
    }
    let id = container.id();
    let Some(settings) = container.record().networks.get(&name).cloned() else {
        return Err(ApiError::system(format!(
            "container {id} is not connected to network {name}"
        )));
    };
    if container.record().state.running {
        let sandbox = container.record().sandbox_id.clone();
        engine
            .ports()
            .network
            .disconnect(&sandbox, &settings.endpoint_id)
            .await?;
        unplug(engine, container, &id, &name);
    }
    container.record_mut().networks.remove(&name);
    if container.record().state.running {
        renew_network_files(engine, container).await?;
    }
    container.save(engine).await
}
