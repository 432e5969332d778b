//! Container networks on the kernel: bridges and veth pairs.
//!
//! All bridges of an engine are in one network namespace, not in the host's: nothing in it can collide with the host's
//! own networks, and it is gone with the processes, however they end. A container's namespace is made by the runtime,
//! so that the container's user namespace owns it; its interfaces are plugged in between `create` and `start`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use bottleship_engine::executor::Executor;
use bottleship_engine::network::{
    EndpointSpec, Network, NetworkError, NetworkSpec, Publish, Resolver,
};
use tokio::runtime::Handle;

use super::dns::{self, NameServer};
use super::os;
use super::proxy::{self, Published};

/// A network namespace that is held open.
pub type Namespace = Arc<OwnedFd>;

#[derive(Default)]
struct Sandbox {
    /// The container's namespace and its first process, once there is one.
    attached: Option<(Namespace, u32)>,
    endpoints: Vec<EndpointSpec>,
    resolver: Option<Resolver>,
    name_server: Option<NameServer>,
    published: Vec<Published>,
}

#[derive(Default)]
struct State {
    networks: BTreeMap<String, NetworkSpec>,
    sandboxes: BTreeMap<String, Sandbox>,
}

/// Where an engine's networks are.
pub struct OciNetwork {
    tokio: Handle,
    executor: Executor,
    /// Where the bridges are.
    bridges: Namespace,
    /// Where published ports are listened on.
    ports: Namespace,
    state: RefCell<State>,
}

/// Runs `ip` on some commands in a namespace.
///
/// # Errors
/// What `ip` says.
pub async fn ip(
    tokio: &Handle,
    namespace: &Namespace,
    commands: String,
) -> Result<(), NetworkError> {
    let namespace = namespace.clone();
    let ran = tokio
        .spawn_blocking(move || os::in_network(namespace.as_fd(), || run_ip(&commands)))
        .await;
    match ran {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(NetworkError::Failed(format!(
            "entering a network namespace: {error}"
        ))),
        Err(error) => Err(NetworkError::Failed(error.to_string())),
    }
}

fn run_ip(commands: &str) -> Result<(), NetworkError> {
    let failed = |error: std::io::Error| {
        NetworkError::Failed(format!("ip (iproute2, which makes networks): {error}"))
    };
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(commands.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().next().unwrap_or("failed").trim();
            let line = line.strip_prefix("RTNETLINK answers: ").unwrap_or(line);
            let which = commands.lines().next().unwrap_or_default();
            Err(NetworkError::Failed(format!("ip {which}: {line}")))
        }
    }
}

fn missing(what: &str, id: &str) -> NetworkError {
    NetworkError::Failed(format!("{what} {id} not found"))
}

/// The bridge's end of an endpoint's cable.
fn cable(endpoint: &str) -> String {
    format!("veth{}", endpoint.get(..11).unwrap_or(endpoint))
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

impl OciNetwork {
    /// Networks with their bridges in one namespace and their published ports in another, or the same.
    pub fn new(tokio: Handle, executor: Executor, bridges: Namespace, ports: Namespace) -> Self {
        OciNetwork {
            tokio,
            executor,
            bridges,
            ports,
            state: RefCell::default(),
        }
    }

    /// The path of the namespace of a sandbox that a container is in.
    pub fn path(&self, sandbox: &str) -> Option<String> {
        let state = self.state.borrow();
        let (namespace, _) = state.sandboxes.get(sandbox)?.attached.as_ref()?;
        Some(os::path_of(namespace))
    }

    /// The path of the namespace that the engine's bridges and published ports are in, if it is one.
    pub fn host_path(&self) -> Option<String> {
        Arc::ptr_eq(&self.bridges, &self.ports).then(|| os::path_of(&self.bridges))
    }

    /// Plugs a container that was created and not started into the networks of its sandbox.
    ///
    /// # Errors
    /// When an interface can't be made.
    pub async fn attach(&self, sandbox: &str, pid: u32) -> Result<(), NetworkError> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let path = format!("/proc/{pid}/ns/net");
        let namespace = rustix::fs::open(path, flags, rustix::fs::Mode::empty())
            .map_err(|error| NetworkError::Failed(format!("network namespace: {error}")))?;
        let namespace: Namespace = Arc::new(namespace);
        let (endpoints, resolver) = {
            let mut state = self.state.borrow_mut();
            let Some(found) = state.sandboxes.get_mut(sandbox) else {
                return Err(missing("sandbox", sandbox));
            };
            found.attached = Some((namespace.clone(), pid));
            (found.endpoints.clone(), found.resolver.clone())
        };
        if endpoints.is_empty() {
            ip(&self.tokio, &namespace, "link set lo up\n".into()).await?;
        } else {
            self.plug(&namespace, pid, &endpoints).await?;
        }
        if let Some(resolver) = resolver {
            let server = dns::serve(
                &self.tokio,
                &self.executor,
                &namespace,
                &self.ports,
                resolver,
            )?;
            if let Some(found) = self.state.borrow_mut().sandboxes.get_mut(sandbox) {
                found.name_server = Some(server);
            }
        }
        Ok(())
    }

    async fn plug(
        &self,
        namespace: &Namespace,
        pid: u32,
        endpoints: &[EndpointSpec],
    ) -> Result<(), NetworkError> {
        let mut outside = String::new();
        let mut inside = String::from("link set lo up\n");
        for endpoint in endpoints {
            let (bridge, isolated) = {
                let state = self.state.borrow();
                let network = state.networks.get(&endpoint.network);
                let network = network.ok_or_else(|| missing("network", &endpoint.network))?;
                (network.bridge.clone(), !network.inter_container)
            };
            let (cable, interface) = (cable(&endpoint.id), &endpoint.interface);
            outside.push_str(&format!(
                "link add {cable} type veth peer name {interface} address {} netns {pid}\n\
                 link set {cable} master {bridge}\n\
                 link set {cable} up\n",
                mac(endpoint.mac)
            ));
            if isolated {
                outside.push_str(&format!("link set {cable} type bridge_slave isolated on\n"));
            }
            inside.push_str(&format!(
                "addr add {}/{} brd + dev {interface}\nlink set {interface} up\n",
                endpoint.address, endpoint.prefix
            ));
            if let Some(gateway) = endpoint.gateway {
                inside.push_str(&format!("route add default via {gateway}\n"));
            }
        }
        ip(&self.tokio, &self.bridges, outside).await?;
        ip(&self.tokio, namespace, inside).await
    }
}

#[async_trait(?Send)]
impl Network for OciNetwork {
    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), NetworkError> {
        let bridge = &spec.bridge;
        let mut commands = format!("link add name {bridge} type bridge\n");
        for (subnet, gateway) in &spec.subnets {
            commands.push_str(&format!(
                "addr add {gateway}/{} dev {bridge}\n",
                subnet.prefix
            ));
        }
        commands.push_str(&format!("link set {bridge} up\n"));
        ip(&self.tokio, &self.bridges, commands).await?;
        self.state
            .borrow_mut()
            .networks
            .insert(spec.id.clone(), spec.clone());
        Ok(())
    }

    async fn delete_network(&self, id: &str) -> Result<(), NetworkError> {
        let removed = self.state.borrow_mut().networks.remove(id);
        match removed {
            Some(spec) => {
                ip(
                    &self.tokio,
                    &self.bridges,
                    format!("link del {}\n", spec.bridge),
                )
                .await
            }
            None => Ok(()),
        }
    }

    async fn create_sandbox(
        &self,
        sandbox: &str,
        resolver: Option<Resolver>,
    ) -> Result<(), NetworkError> {
        let new = Sandbox {
            resolver,
            ..Sandbox::default()
        };
        self.state
            .borrow_mut()
            .sandboxes
            .insert(sandbox.to_owned(), new);
        Ok(())
    }

    async fn delete_sandbox(&self, sandbox: &str) -> Result<(), NetworkError> {
        let removed = self.state.borrow_mut().sandboxes.remove(sandbox);
        let Some(sandbox) = removed else {
            return Ok(());
        };
        if sandbox.attached.is_some() && !sandbox.endpoints.is_empty() {
            // The kernel takes them away with the namespace, some time later.
            let cables = sandbox.endpoints.iter();
            let commands: String = cables
                .map(|endpoint| format!("link del {}\n", cable(&endpoint.id)))
                .collect();
            let _ = ip(&self.tokio, &self.bridges, commands).await;
        }
        Ok(())
    }

    async fn connect(&self, sandbox: &str, endpoint: &EndpointSpec) -> Result<(), NetworkError> {
        let attached = {
            let mut state = self.state.borrow_mut();
            let found = state.sandboxes.get_mut(sandbox);
            let found = found.ok_or_else(|| missing("sandbox", sandbox))?;
            found.endpoints.push(endpoint.clone());
            found.attached.clone()
        };
        match attached {
            Some((namespace, pid)) => {
                self.plug(&namespace, pid, std::slice::from_ref(endpoint))
                    .await
            }
            None => Ok(()),
        }
    }

    async fn disconnect(&self, sandbox: &str, endpoint: &str) -> Result<(), NetworkError> {
        let attached = {
            let mut state = self.state.borrow_mut();
            let Some(found) = state.sandboxes.get_mut(sandbox) else {
                return Ok(());
            };
            found.endpoints.retain(|known| known.id != endpoint);
            found.attached.is_some()
        };
        match attached {
            true => {
                let commands = format!("link del {}\n", cable(endpoint));
                ip(&self.tokio, &self.bridges, commands).await
            }
            false => Ok(()),
        }
    }

    async fn publish(&self, sandbox: &str, publish: &Publish) -> Result<(), NetworkError> {
        let published = proxy::publish(&self.tokio, &self.ports, &self.bridges, publish)?;
        let mut state = self.state.borrow_mut();
        let found = state.sandboxes.get_mut(sandbox);
        found
            .ok_or_else(|| missing("sandbox", sandbox))?
            .published
            .push(published);
        Ok(())
    }

    fn traffic(&self, sandbox: &str, interface: &str) -> [u64; 4] {
        let state = self.state.borrow();
        let attached = state
            .sandboxes
            .get(sandbox)
            .and_then(|s| s.attached.as_ref());
        let Some((_, pid)) = attached else {
            return [0; 4];
        };
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
        traffic_of(&text, interface).unwrap_or([0; 4])
    }
}

/// The counters of an interface in `/proc/net/dev`.
fn traffic_of(text: &str, interface: &str) -> Option<[u64; 4]> {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'))?;
    let numbers: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    Some([
        *numbers.first()?,
        *numbers.get(1)?,
        *numbers.get(8)?,
        *numbers.get(9)?,
    ])
}

/// Makes a namespace for bridges, in which forwarding between them is off.
///
/// # Errors
/// When this isn't root.
pub fn new_namespace() -> anyhow::Result<Namespace> {
    make_ready(os::new_network()?)
}

/// Makes a fresh namespace one for bridges.
///
/// # Errors
/// What `ip` says.
pub fn make_ready(namespace: OwnedFd) -> anyhow::Result<Namespace> {
    os::in_network(namespace.as_fd(), || {
        for version in ["iptables", "ip6tables"] {
            // Rules are for what is routed, not for what a bridge passes on; without the module none is.
            let path = format!("/proc/sys/net/bridge/bridge-nf-call-{version}");
            let _ = std::fs::write(path, "0");
        }
        run_ip("link set lo up\n")
    })??;
    Ok(Arc::new(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_the_kernels_table() {
        let text = "Inter-|   Receive |  Transmit\n face |bytes packets errs\n    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n  eth0: 746 9 0 0 0 0 0 0 90 1 0 0 0 0 0 0\n";
        assert_eq!(traffic_of(text, "eth0"), Some([746, 9, 90, 1]));
        assert_eq!(traffic_of(text, "eth"), None);
    }

    #[test]
    fn a_cable_has_a_name_the_kernel_takes() {
        assert!(cable(&"f".repeat(64)).len() <= 15);
        assert_eq!(mac([2, 66, 172, 17, 0, 2]), "02:42:ac:11:00:02");
    }
}
