//! The [`Network`] on the emulated kernel: sandboxes are its network namespaces.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_linux::{Kernel, NetNs};

use super::runtime::Sandboxes;
use crate::network::{
    EndpointSpec, Network, NetworkError, NetworkSpec, Protocol, Publish, Resolver,
};

struct Sandbox {
    namespace: NetNs,
    endpoints: BTreeMap<String, EndpointSpec>,
    published: Vec<Publish>,
    resolver: Option<Resolver>,
}

#[derive(Default)]
struct State {
    networks: BTreeMap<String, NetworkSpec>,
    sandboxes: BTreeMap<String, Sandbox>,
    /// Ports of the host that are taken.
    taken: BTreeSet<(Protocol, IpAddr, u16)>,
}

/// Networks between containers of one emulated kernel.
#[derive(Clone)]
pub struct EmulatedNetwork {
    kernel: Kernel,
    state: Rc<RefCell<State>>,
}

impl EmulatedNetwork {
    /// No networks yet.
    pub fn new(kernel: Kernel) -> Self {
        EmulatedNetwork {
            kernel,
            state: Rc::default(),
        }
    }

    /// How the runtime finds the namespaces of sandboxes.
    pub fn sandboxes(&self) -> Sandboxes {
        let state = self.state.clone();
        Rc::new(move |name| Some(state.borrow().sandboxes.get(name)?.namespace.clone()))
    }
}

fn missing(what: &str, name: &str) -> NetworkError {
    NetworkError::Failed(format!("{what} {name} not found"))
}

/// Whether listening on both addresses of one port is impossible.
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
}

#[async_trait(?Send)]
impl Network for EmulatedNetwork {
    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), NetworkError> {
        self.state
            .borrow_mut()
            .networks
            .insert(spec.id.clone(), spec.clone());
        Ok(())
    }

    async fn delete_network(&self, id: &str) -> Result<(), NetworkError> {
        self.state.borrow_mut().networks.remove(id);
        Ok(())
    }

    async fn create_sandbox(
        &self,
        sandbox: &str,
        resolver: Option<Resolver>,
    ) -> Result<(), NetworkError> {
        let namespace = self.kernel.new_net_ns();
        let made = Sandbox {
            namespace,
            endpoints: BTreeMap::new(),
            published: Vec::new(),
            resolver,
        };
        self.state
            .borrow_mut()
            .sandboxes
            .insert(sandbox.into(), made);
        Ok(())
    }

    async fn delete_sandbox(&self, sandbox: &str) -> Result<(), NetworkError> {
        let mut state = self.state.borrow_mut();
        if let Some(gone) = state.sandboxes.remove(sandbox) {
            for publish in gone.published {
                state
                    .taken
                    .remove(&(publish.protocol, publish.host_ip, publish.host_port));
            }
        }
        Ok(())
    }

    async fn connect(&self, sandbox: &str, endpoint: &EndpointSpec) -> Result<(), NetworkError> {
        let mut state = self.state.borrow_mut();
        if !state.networks.contains_key(&endpoint.network) {
            return Err(missing("network", &endpoint.network));
        }
        let sandbox = state
            .sandboxes
            .get_mut(sandbox)
            .ok_or_else(|| missing("sandbox", sandbox))?;
        sandbox
            .endpoints
            .insert(endpoint.id.clone(), endpoint.clone());
        Ok(())
    }

    async fn disconnect(&self, sandbox: &str, endpoint: &str) -> Result<(), NetworkError> {
        if let Some(sandbox) = self.state.borrow_mut().sandboxes.get_mut(sandbox) {
            sandbox.endpoints.remove(endpoint);
        }
        Ok(())
    }

    async fn publish(&self, sandbox: &str, publish: &Publish) -> Result<(), NetworkError> {
        let mut state = self.state.borrow_mut();
        let is_taken = state.taken.iter().any(|(protocol, address, port)| {
            (*protocol, *port) == (publish.protocol, publish.host_port)
                && overlap(*address, publish.host_ip)
        });
        if is_taken {
            return Err(NetworkError::PortInUse(format!(
                "{}:{}",
                publish.host_ip, publish.host_port
            )));
        }
        let found = state
            .sandboxes
            .get_mut(sandbox)
            .ok_or_else(|| missing("sandbox", sandbox))?;
        found.published.push(publish.clone());
        state
            .taken
            .insert((publish.protocol, publish.host_ip, publish.host_port));
        Ok(())
    }

    fn traffic(&self, _sandbox: &str, _interface: &str) -> [u64; 4] {
        [0; 4]
    }
}
