//! Container networks: what libnetwork's drivers do for dockerd. Addresses are
//! given out by the engine; the port makes them work.

use std::net::IpAddr;
use std::rc::Rc;

use async_trait::async_trait;

/// A network made by the port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// The network's id.
    pub id: String,
    /// The bridge's interface name, `docker0` or `br-<12 digits>`.
    pub bridge: String,
    /// Subnets with their gateways.
    pub subnets: Vec<(Subnet, IpAddr)>,
    /// No way out.
    pub internal: bool,
    /// Whether containers on it reach each other.
    pub inter_container: bool,
}

/// An address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The network address.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

/// A container's interface on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// The endpoint's id.
    pub id: String,
    /// The network's id.
    pub network: String,
    /// `eth0`.
    pub interface: String,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Address and prefix length.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
    /// Default route, unless the network is internal.
    pub gateway: Option<IpAddr>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp` or `sctp`.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// From Docker's name, case-insensitively.
    pub fn parse(name: &str) -> Option<Self> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
            .into_iter()
            .find(|p| name.eq_ignore_ascii_case(p.name()))
    }
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Address of the host to listen on.
    pub host_ip: IpAddr,
    /// Port of the host; never 0, the engine chooses.
    pub host_port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The container's address.
    pub container_ip: IpAddr,
    /// The container's port.
    pub container_port: u16,
}

/// Why the network could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Something on the host listens there: `Bind for 0.0.0.0:80 failed: port is already allocated`.
    #[error("Bind for {0} failed: port is already allocated")]
    PortInUse(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// What a container asks the embedded DNS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// The addresses of a name.
    Addresses(&'a str),
    /// The names of an address.
    Names(IpAddr),
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Addresses of either family.
    Addresses(Vec<IpAddr>),
    /// Names with their network's as domain, `web.shop`.
    Names(Vec<String>),
}

/// Answers a container's question, or `None` to ask outside.
pub type Resolver = Rc<dyn Fn(Question<'_>) -> Option<Answer>>;

/// Makes networks work.
#[async_trait(?Send)]
pub trait Network {
    /// Makes a bridge.
    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), NetworkError>;

    /// Removes a bridge.
    async fn delete_network(&self, id: &str) -> Result<(), NetworkError>;

    /// Makes a network namespace with only a loopback interface. With a resolver,
    /// the embedded DNS server answers at 127.0.0.11.
    async fn create_sandbox(
        &self,
        sandbox: &str,
        resolver: Option<Resolver>,
    ) -> Result<(), NetworkError>;

    /// Removes it, with its interfaces and published ports.
    async fn delete_sandbox(&self, sandbox: &str) -> Result<(), NetworkError>;

    /// Plugs a sandbox into a network.
    async fn connect(&self, sandbox: &str, endpoint: &EndpointSpec) -> Result<(), NetworkError>;

    /// Unplugs it.
    async fn disconnect(&self, sandbox: &str, endpoint: &str) -> Result<(), NetworkError>;

    /// Forwards a port of the host to a sandbox, until the sandbox is deleted.
    async fn publish(&self, sandbox: &str, publish: &Publish) -> Result<(), NetworkError>;

    /// Received and sent bytes and packets of an interface: rx bytes, rx packets, tx bytes, tx packets.
    fn traffic(&self, sandbox: &str, interface: &str) -> [u64; 4];
}
