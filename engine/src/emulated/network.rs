//! The [`Network`] on the emulated kernel: sandboxes are its network namespaces, networks its bridges.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_linux::abi::Errno;
use bottleship_linux::net::Protocol as Transport;
use bottleship_linux::{Bridge, BridgeConfig, DnsAnswer, Kernel, NetNs, Published};

use super::runtime::Sandboxes;
use crate::network::{
    Answer, EndpointSpec, Network, NetworkError, NetworkSpec, Protocol, Publish, Question, Resolver,
};

struct Sandbox {
    namespace: NetNs,
    /// Names of interfaces by endpoint.
    endpoints: BTreeMap<String, String>,
    /// Ports are published for as long as these are held.
    published: Vec<Published>,
}

#[derive(Default)]
struct State {
    networks: BTreeMap<String, Bridge>,
    sandboxes: BTreeMap<String, Sandbox>,
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

#[async_trait(?Send)]
impl Network for EmulatedNetwork {
    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), NetworkError> {
        let addresses = spec.subnets.iter();
        let bridge = self.kernel.new_bridge(BridgeConfig {
            name: spec.bridge.clone(),
            addresses: addresses
                .map(|(subnet, gateway)| (*gateway, subnet.prefix))
                .collect(),
            internal: spec.internal,
            inter_container: spec.inter_container,
        });
        let old = self
            .state
            .borrow_mut()
            .networks
            .insert(spec.id.clone(), bridge);
        if let Some(old) = old {
            self.kernel.remove_bridge(&old);
        }
        Ok(())
    }

    async fn delete_network(&self, id: &str) -> Result<(), NetworkError> {
        let gone = self.state.borrow_mut().networks.remove(id);
        if let Some(bridge) = gone {
            self.kernel.remove_bridge(&bridge);
        }
        Ok(())
    }

    async fn create_sandbox(
        &self,
        sandbox: &str,
        resolver: Option<Resolver>,
    ) -> Result<(), NetworkError> {
        let namespace = self.kernel.new_net_ns();
        if let Some(resolver) = resolver {
            namespace.set_resolver(Rc::new(move |question| {
                let asked = match question.reverse {
                    Some(address) => Question::Names(address),
                    None => Question::Addresses(&question.name),
                };
                match resolver(asked) {
                    Some(Answer::Addresses(addresses)) => DnsAnswer::Addresses(addresses),
                    Some(Answer::Names(names)) => DnsAnswer::Names(names),
                    None => DnsAnswer::AskOutside,
                }
            }));
        }
        let made = Sandbox {
            namespace,
            endpoints: BTreeMap::new(),
            published: Vec::new(),
        };
        self.state
            .borrow_mut()
            .sandboxes
            .insert(sandbox.into(), made);
        Ok(())
    }

    async fn delete_sandbox(&self, sandbox: &str) -> Result<(), NetworkError> {
        let gone = self.state.borrow_mut().sandboxes.remove(sandbox);
        if let Some(gone) = gone {
            for interface in gone.endpoints.values() {
                gone.namespace.remove_interface(interface);
            }
        }
        Ok(())
    }

    async fn connect(&self, sandbox: &str, endpoint: &EndpointSpec) -> Result<(), NetworkError> {
        let mut state = self.state.borrow_mut();
        let bridge = state.networks.get(&endpoint.network).cloned();
        let bridge = bridge.ok_or_else(|| missing("network", &endpoint.network))?;
        let found = state.sandboxes.get_mut(sandbox);
        let found = found.ok_or_else(|| missing("sandbox", sandbox))?;
        found.namespace.add_interface(
            &bridge,
            &endpoint.interface,
            endpoint.mac,
            &[(endpoint.address, endpoint.prefix)],
            endpoint.gateway,
        );
        found
            .endpoints
            .insert(endpoint.id.clone(), endpoint.interface.clone());
        Ok(())
    }

    async fn disconnect(&self, sandbox: &str, endpoint: &str) -> Result<(), NetworkError> {
        let mut state = self.state.borrow_mut();
        if let Some(sandbox) = state.sandboxes.get_mut(sandbox)
            && let Some(interface) = sandbox.endpoints.remove(endpoint)
        {
            sandbox.namespace.remove_interface(&interface);
        }
        Ok(())
    }

    async fn publish(&self, sandbox: &str, publish: &Publish) -> Result<(), NetworkError> {
        let transport = match publish.protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
            Protocol::Sctp => {
                let text = "SCTP ports are not supported on the emulated network".to_owned();
                return Err(NetworkError::Failed(text));
            }
        };
        let mut state = self.state.borrow_mut();
        let found = state.sandboxes.get_mut(sandbox);
        let found = found.ok_or_else(|| missing("sandbox", sandbox))?;
        let host = SocketAddr::new(publish.host_ip, publish.host_port);
        let to = SocketAddr::new(publish.container_ip, publish.container_port);
        match self.kernel.publish(transport, host, &found.namespace, to) {
            Ok(published) => {
                found.published.push(published);
                Ok(())
            }
            Err(Errno::EADDRINUSE) => Err(NetworkError::PortInUse(host.to_string())),
            Err(errno) => Err(NetworkError::Failed(errno.to_string())),
        }
    }

    fn traffic(&self, sandbox: &str, interface: &str) -> [u64; 4] {
        let state = self.state.borrow();
        let found = state.sandboxes.get(sandbox);
        found.map_or([0; 4], |sandbox| sandbox.namespace.traffic(interface))
    }
}
