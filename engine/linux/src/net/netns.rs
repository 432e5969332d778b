//! Network namespaces, their interfaces, and the bridges between them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::{Rc, Weak};

use bottleship_abi::socket::{
    IFF_BROADCAST, IFF_LOOPBACK, IFF_LOWER_UP, IFF_MULTICAST, IFF_RUNNING, IFF_UP,
};

use super::dns::DnsHook;
use super::ports::Ports;
use super::route::Rules;
use super::tcp::TcpState;
use super::udp::UdpState;
use super::unix::UnixState;
use super::uplink::Uplink;
use crate::kernel::Kernel;

/// What connects the namespaces of a kernel.
#[derive(Clone, Default)]
pub struct Network(pub(super) Rc<Fabric>);

#[derive(Default)]
pub(super) struct Fabric {
    /// The host's namespace, the first one made.
    pub host: RefCell<Weak<Inner>>,
    /// Published ports.
    pub rules: Rules,
    /// The way out.
    pub uplink: RefCell<Option<Rc<dyn Uplink>>>,
    last_index: Cell<u32>,
}

/// A network namespace. Cheap to clone.
#[derive(Clone)]
pub struct NetNs(pub(super) Rc<Inner>);

pub(super) struct Inner {
    ino: u64,
    pub fabric: Rc<Fabric>,
    pub interfaces: RefCell<Vec<Rc<Interface>>>,
    pub gateway: RefCell<Vec<IpAddr>>,
    pub tcp: Rc<Ports<TcpState>>,
    pub udp: Rc<Ports<UdpState>>,
    pub established: RefCell<Vec<Weak<TcpState>>>,
    pub abstract_names: RefCell<BTreeMap<Vec<u8>, Weak<UnixState>>>,
    pub unix_sockets: RefCell<Vec<Weak<UnixState>>>,
    pub resolver: RefCell<Option<DnsHook>>,
    pub last_abstract: Cell<u32>,
    pub settings: RefCell<BTreeMap<&'static str, String>>,
}

/// A network interface.
pub struct Interface {
    /// Its name, `eth0`.
    pub name: String,
    /// Its number, unique in the kernel.
    pub index: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Addresses with the length of their network's prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Bytes a packet may have.
    pub mtu: u32,
    pub(super) bridge: Option<Bridge>,
    /// Received bytes and packets, sent bytes and packets.
    pub(super) counters: [Cell<u64>; 4],
}

impl Interface {
    /// `IFF_*`.
    pub fn flags(&self) -> u32 {
        match self.is_loopback() {
            true => IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP,
            false => IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST | IFF_LOWER_UP,
        }
    }

    /// Whether it is `lo`.
    pub fn is_loopback(&self) -> bool {
        self.name == "lo"
    }

    /// Counts what is sent through it to `other`.
    pub(super) fn count(&self, other: &Interface, bytes: usize) {
        // 66 bytes of headers, as a TCP segment on Ethernet has.
        let packets = (bytes as u64).div_ceil(u64::from(self.mtu)).max(1);
        let total = bytes as u64 + packets * 66;
        let add = |cell: &Cell<u64>, n| cell.set(cell.get() + n);
        add(&self.counters[2], total);
        add(&self.counters[3], packets);
        add(&other.counters[0], total);
        add(&other.counters[1], packets);
    }

    /// Received bytes and packets, sent bytes and packets.
    pub fn traffic(&self) -> [u64; 4] {
        [0, 1, 2, 3].map(|i| self.counters[i].get())
    }
}

/// How to make a bridge.
#[derive(Clone, Debug, Default)]
pub struct BridgeConfig {
    /// The host's interface on it, `docker0`.
    pub name: String,
    /// The host's addresses on it, the gateways, with the length of the prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The way to other networks and to the host's other addresses is closed.
    pub internal: bool,
    /// Namespaces on it reach each other.
    pub inter_container: bool,
}

/// A network that namespaces are on: what Docker makes a bridge for. Cheap to clone.
#[derive(Clone)]
pub struct Bridge(Rc<BridgeInner>);

struct BridgeInner {
    config: BridgeConfig,
    members: RefCell<Vec<Member>>,
}

/// An address on a bridge, and whose it is.
type Member = (IpAddr, Weak<Inner>, Weak<Interface>);

impl Bridge {
    pub(super) fn same(&self, other: &Bridge) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn is_internal(&self) -> bool {
        self.0.config.internal
    }

    pub(super) fn inter_container(&self) -> bool {
        self.0.config.inter_container
    }

    /// Who has an address on it.
    pub(super) fn member(&self, ip: IpAddr) -> Option<(NetNs, Rc<Interface>)> {
        let members = self.0.members.borrow();
        let (_, ns, interface) = members.iter().find(|(addr, ..)| *addr == ip)?;
        Some((NetNs(ns.upgrade()?), interface.upgrade()?))
    }
}

impl Kernel {
    /// Makes a network with the host on it.
    pub fn new_bridge(&self, config: BridgeConfig) -> Bridge {
        let bridge = Bridge(Rc::new(BridgeInner {
            config: config.clone(),
            members: RefCell::default(),
        }));
        let mac = match config.addresses.first() {
            Some((IpAddr::V4(ip), _)) => {
                let [a, b, c, d] = ip.octets();
                [2, 0x42, a, b, c, d]
            }
            _ => [2, 0x42, 0, 0, 0, 1],
        };
        let host = self.host_ns().net;
        host.add_interface(&bridge, &config.name, mac, &config.addresses, None);
        bridge
    }

    /// Takes the host off a network. Namespaces still on it keep their interfaces.
    pub fn remove_bridge(&self, bridge: &Bridge) {
        self.host_ns().net.remove_interface(&bridge.0.config.name);
    }
}

impl NetNs {
    /// The settings below `/proc/sys/net` that were changed here, by their path below `/proc`.
    pub(crate) fn settings(&self) -> &RefCell<BTreeMap<&'static str, String>> {
        &self.0.settings
    }

    /// A namespace that `/proc/PID/ns/net` names by `ino`. The first of a kernel is the host's.
    pub(crate) fn new(network: &Network, ino: u64) -> NetNs {
        let fabric = network.0.clone();
        let loopback = Interface {
            name: "lo".to_owned(),
            index: 1,
            mac: [0; 6],
            addresses: vec![
                (Ipv4Addr::LOCALHOST.into(), 8),
                (Ipv6Addr::LOCALHOST.into(), 128),
            ],
            mtu: 65_536,
            bridge: None,
            counters: Default::default(),
        };
        let ns = NetNs(Rc::new(Inner {
            ino,
            fabric: fabric.clone(),
            interfaces: RefCell::new(vec![Rc::new(loopback)]),
            gateway: RefCell::default(),
            tcp: Rc::default(),
            udp: Rc::default(),
            established: RefCell::default(),
            abstract_names: RefCell::default(),
            unix_sockets: RefCell::default(),
            resolver: RefCell::default(),
            last_abstract: Cell::new(0),
            settings: RefCell::default(),
        }));
        if fabric.host.borrow().upgrade().is_none() {
            *fabric.host.borrow_mut() = Rc::downgrade(&ns.0);
        }
        ns
    }

    /// Its inode number.
    pub fn ino(&self) -> u64 {
        self.0.ino
    }

    pub(super) fn same(&self, other: &NetNs) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// The host's namespace.
    pub(super) fn host(&self) -> Option<NetNs> {
        self.0.fabric.host.borrow().upgrade().map(NetNs)
    }

    /// Whether it is the host's.
    pub(super) fn is_host(&self) -> bool {
        self.host().is_some_and(|host| host.same(self))
    }

    /// Plugs the namespace into a network.
    pub fn add_interface(
        &self,
        bridge: &Bridge,
        name: &str,
        mac: [u8; 6],
        addresses: &[(IpAddr, u8)],
        gateway: Option<IpAddr>,
    ) {
        let last = &self.0.fabric.last_index;
        last.set(last.get().max(1) + 1);
        let interface = Rc::new(Interface {
            name: name.to_owned(),
            index: last.get(),
            mac,
            addresses: addresses.to_vec(),
            mtu: 1500,
            bridge: Some(bridge.clone()),
            counters: Default::default(),
        });
        let mut members = bridge.0.members.borrow_mut();
        members.retain(|(_, ns, interface)| ns.strong_count() > 0 && interface.strong_count() > 0);
        for (ip, _) in addresses {
            members.push((*ip, Rc::downgrade(&self.0), Rc::downgrade(&interface)));
        }
        drop(members);
        self.0.interfaces.borrow_mut().push(interface);
        self.0.gateway.borrow_mut().extend(gateway);
    }

    /// Unplugs an interface. Its default route goes with it.
    pub fn remove_interface(&self, name: &str) {
        let mut interfaces = self.0.interfaces.borrow_mut();
        let Some(at) = interfaces.iter().position(|i| i.name == name) else {
            return;
        };
        let gone = interfaces.remove(at);
        let on_link = |gateway: &IpAddr| {
            gone.addresses
                .iter()
                .any(|(ip, len)| contains(*ip, *len, *gateway))
        };
        self.0
            .gateway
            .borrow_mut()
            .retain(|gateway| !on_link(gateway));
    }

    /// Answers name questions at 127.0.0.11.
    pub fn set_resolver(&self, hook: DnsHook) {
        *self.0.resolver.borrow_mut() = Some(hook);
    }

    /// Its interfaces, loopback first.
    pub fn interfaces(&self) -> Vec<Rc<Interface>> {
        self.0.interfaces.borrow().clone()
    }

    /// Received bytes and packets, sent bytes and packets of an interface.
    pub fn traffic(&self, interface: &str) -> [u64; 4] {
        let interfaces = self.0.interfaces.borrow();
        let found = interfaces.iter().find(|i| i.name == interface);
        found.map_or([0; 4], |i| i.traffic())
    }

    /// Whether an address is one of its own.
    pub(super) fn is_local(&self, ip: IpAddr) -> bool {
        let interfaces = self.0.interfaces.borrow();
        ip.is_loopback()
            || interfaces
                .iter()
                .any(|i| i.addresses.iter().any(|(own, _)| *own == ip))
    }

    /// The interface an own address is on.
    pub(super) fn interface_of(&self, ip: IpAddr) -> Option<Rc<Interface>> {
        let interfaces = self.0.interfaces.borrow();
        let own = |i: &&Rc<Interface>| i.addresses.iter().any(|(own, _)| *own == ip);
        let found = interfaces.iter().find(own);
        found
            .or(if ip.is_loopback() {
                interfaces.first()
            } else {
                None
            })
            .cloned()
    }
}

/// Whether `ip` is in the network of an address.
pub(super) fn contains(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(prefix.min(32)))
                .unwrap_or(0);
            net.to_bits() & mask == ip.to_bits() & mask
        }
        (IpAddr::V6(net), IpAddr::V6(ip)) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(prefix.min(128)))
                .unwrap_or(0);
            net.to_bits() & mask == ip.to_bits() & mask
        }
        _ => false,
    }
}
