//! Where an address leads.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::{Rc, Weak};

use bottleship_abi::Errno;

use super::netns::{Bridge, Interface, NetNs, contains};
use crate::kernel::Kernel;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Where an address leads, seen from a namespace.
pub(super) struct Route {
    /// The namespace it is in.
    pub ns: NetNs,
    /// The address there; another one behind a published port.
    pub to: SocketAddr,
    /// Where the sender appears to be.
    pub source: IpAddr,
    /// The sender's interface and the receiver's.
    pub interfaces: Option<(Rc<Interface>, Rc<Interface>)>,
}

/// Published ports: rules that lead from an address of the host to one of another namespace.
#[derive(Default)]
pub(super) struct Rules {
    rules: RefCell<Vec<Rule>>,
    ids: Cell<u64>,
}

struct Rule {
    id: u64,
    protocol: Protocol,
    host: SocketAddr,
    to: SocketAddr,
    ns: Weak<super::netns::Inner>,
}

/// A published port, until it is dropped.
pub struct Published {
    network: super::Network,
    id: u64,
}

impl Drop for Published {
    fn drop(&mut self) {
        self.network
            .0
            .rules
            .rules
            .borrow_mut()
            .retain(|rule| rule.id != self.id);
    }
}

impl Kernel {
    /// Makes an address of the host lead to `to` in `ns`. `EADDRINUSE` when the port is published or
    /// listened on already.
    pub fn publish(
        &self,
        protocol: Protocol,
        host: SocketAddr,
        ns: &NetNs,
        to: SocketAddr,
    ) -> Result<Published, Errno> {
        let network = self.0.network.clone();
        let rules = &network.0.rules;
        let overlap = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified() || b.is_unspecified();
        let taken = rules.rules.borrow().iter().any(|rule| {
            rule.protocol == protocol
                && rule.host.port() == host.port()
                && rule.host.is_ipv4() == host.is_ipv4()
                && overlap(rule.host.ip(), host.ip())
        });
        if taken || self.host_ns().net.listens(protocol, host) {
            return Err(Errno::EADDRINUSE);
        }
        let id = rules.ids.get() + 1;
        rules.ids.set(id);
        rules.rules.borrow_mut().push(Rule {
            id,
            protocol,
            host,
            to,
            ns: Rc::downgrade(&ns.0),
        });
        Ok(Published { network, id })
    }
}

impl NetNs {
    /// Whether a socket of this namespace has the port.
    fn listens(&self, protocol: Protocol, addr: SocketAddr) -> bool {
        match protocol {
            Protocol::Tcp => self.0.tcp.has(addr),
            Protocol::Udp => self.0.udp.has(addr),
        }
    }

    /// The published port at an address of the host.
    fn published(&self, protocol: Protocol, to: SocketAddr) -> Option<(NetNs, SocketAddr)> {
        let rules = self.0.fabric.rules.rules.borrow();
        let rule = rules.iter().find(|rule| {
            let ip = rule.host.ip();
            let any = ip.is_unspecified() && ip.is_ipv4() == to.is_ipv4();
            rule.protocol == protocol && rule.host.port() == to.port() && (ip == to.ip() || any)
        })?;
        Some((NetNs(rule.ns.upgrade()?), rule.to))
    }

    /// Finds where an address leads. `source` is the address the sender is bound to, if any.
    pub(super) fn route(
        &self,
        protocol: Protocol,
        to: SocketAddr,
        source: Option<IpAddr>,
    ) -> Result<Route, Errno> {
        let to = match to.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                SocketAddr::new(Ipv4Addr::LOCALHOST.into(), to.port())
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                SocketAddr::new(Ipv6Addr::LOCALHOST.into(), to.port())
            }
            _ => to,
        };
        let source = source.filter(|ip| !ip.is_unspecified());
        if self.is_local(to.ip()) {
            if self.is_host() {
                return self.at_host(protocol, to, source.unwrap_or(to.ip()), None);
            }
            return Ok(Route {
                ns: self.clone(),
                to,
                source: source.unwrap_or(to.ip()),
                interfaces: None,
            });
        }
        let interfaces = self.interfaces();
        for interface in &interfaces {
            let on_link = |(ip, prefix): &&(IpAddr, u8)| contains(*ip, *prefix, to.ip());
            let Some(((own, _), bridge)) = interface
                .addresses
                .iter()
                .find(on_link)
                .zip(interface.bridge.as_ref())
            else {
                continue;
            };
            let source = source.unwrap_or(*own);
            let (ns, other) = bridge.member(to.ip()).ok_or(Errno::EHOSTUNREACH)?;
            if ns.is_host() {
                return self.at_host(protocol, to, source, Some(interface));
            }
            if !self.is_host() && !bridge.inter_container() {
                return Err(Errno::EHOSTUNREACH);
            }
            return Ok(Route {
                ns,
                to,
                source,
                interfaces: Some((interface.clone(), other)),
            });
        }
        // The default route leads to the host, which has no way further out.
        let gateways = self.0.gateway.borrow().clone();
        let gateway = gateways.iter().find(|g| g.is_ipv4() == to.is_ipv4());
        let gateway = *gateway.ok_or(Errno::ENETUNREACH)?;
        let (own, interface) = self.toward(gateway).ok_or(Errno::ENETUNREACH)?;
        let host = self.host().ok_or(Errno::ENETUNREACH)?;
        if interface.bridge.as_ref().is_some_and(Bridge::is_internal) || !host.is_local(to.ip()) {
            return Err(Errno::ENETUNREACH);
        }
        self.at_host(protocol, to, source.unwrap_or(own), Some(&interface))
    }

    /// Whether an address is beyond the host, and its default route leads there.
    pub(super) fn leads_out(&self, to: SocketAddr) -> bool {
        let ip = to.ip();
        let special = match ip {
            IpAddr::V4(ip) => ip.is_broadcast() || ip.is_multicast() || ip.octets()[0] == 0,
            IpAddr::V6(ip) => ip.is_multicast() || ip.is_unspecified(),
        };
        let Some(host) = self.host().filter(|host| !special && !host.is_local(ip)) else {
            return false;
        };
        let linked = |ns: &NetNs| {
            ns.interfaces().iter().any(|interface| {
                let mut addresses = interface.addresses.iter();
                addresses.any(|(own, prefix)| contains(*own, *prefix, ip))
            })
        };
        // Networks of the host's are nobody's outside of it.
        if linked(&host) || linked(self) {
            return false;
        }
        if self.is_host() {
            return true;
        }
        let gateways = self.0.gateway.borrow().clone();
        let gateway = gateways.iter().find(|g| g.is_ipv4() == to.is_ipv4());
        let toward = gateway.and_then(|gateway| self.toward(*gateway));
        toward.is_some_and(|(_, interface)| {
            !interface.bridge.as_ref().is_some_and(Bridge::is_internal)
        })
    }

    /// The address that what goes out comes from.
    pub(super) fn source_outside(&self, v6: bool) -> Option<IpAddr> {
        let mut addresses = Vec::new();
        for interface in self.interfaces().iter().filter(|i| !i.is_loopback()) {
            addresses.extend(interface.addresses.iter().map(|(ip, _)| *ip));
        }
        addresses.into_iter().find(|ip| ip.is_ipv6() == v6)
    }

    /// The own address and the interface for a neighbour.
    fn toward(&self, neighbour: IpAddr) -> Option<(IpAddr, Rc<Interface>)> {
        self.interfaces().into_iter().find_map(|interface| {
            let mut addresses = interface.addresses.iter();
            let own = addresses.find(|(ip, prefix)| contains(*ip, *prefix, neighbour))?;
            Some((own.0, interface.clone()))
        })
    }

    /// At an address of the host: a published port, or the host itself.
    fn at_host(
        &self,
        protocol: Protocol,
        to: SocketAddr,
        source: IpAddr,
        from: Option<&Rc<Interface>>,
    ) -> Result<Route, Errno> {
        let host = self.host().ok_or(Errno::ENETUNREACH)?;
        let Some((ns, inside)) = host.published(protocol, to) else {
            let interfaces = from.cloned().zip(host.interface_of(to.ip()));
            return Ok(Route {
                ns: host,
                to,
                source,
                interfaces,
            });
        };
        // What comes through the host appears to come from its address on the container's network.
        let interface = ns.interface_of(inside.ip()).ok_or(Errno::EHOSTUNREACH)?;
        let (gateway, out) = host.toward(inside.ip()).ok_or(Errno::EHOSTUNREACH)?;
        let bridged = |i: &Rc<Interface>| {
            i.bridge
                .as_ref()
                .zip(interface.bridge.as_ref())
                .is_some_and(|(a, b)| a.same(b))
        };
        let direct = from.is_some_and(|from| !self.is_host() && !bridged(from));
        Ok(Route {
            ns,
            to: inside,
            source: if direct { source } else { gateway },
            interfaces: Some((from.cloned().unwrap_or(out), interface)),
        })
    }
}
