//! Netlink's routing family, for reading: `ip addr`, `ip route`, `getifaddrs(3)`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

use bottleship_abi::socket::{AF_INET, AF_INET6, AF_UNSPEC};
use bottleship_abi::{Errno, Layout, get_u16, get_u32};

use super::addr::Addr;
use super::netns::{Interface, NetNs, contains};
use super::socket::{Attached, Protocol, Received};
use crate::kernel::file::{IN, OUT};
use crate::kernel::wait::{PollTable, WaitQueue};
use crate::syscall::Cx;

pub const NETLINK_ROUTE: u32 = 0;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_MULTI: u16 = 2;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;

const HEADER: usize = 16;
/// Bytes of messages in one datagram.
const DATAGRAM: usize = 4096;
/// Datagrams that wait to be read.
const MAX_QUEUED: usize = 256;

/// A netlink socket.
pub struct Netlink {
    ns: NetNs,
    port: Cell<u32>,
    queue: RefCell<VecDeque<Vec<u8>>>,
    wait: WaitQueue,
}

/// A request's header.
struct Request<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

impl Netlink {
    pub fn new(ns: &NetNs) -> Rc<Netlink> {
        Rc::new(Netlink {
            ns: ns.clone(),
            port: Cell::new(0),
            queue: RefCell::default(),
            wait: WaitQueue::new(),
        })
    }

    fn port(&self, cx: &Cx) -> u32 {
        if self.port.get() == 0 {
            self.port.set(cx.t.process.pid_in(cx.t.pid_ns()));
        }
        self.port.get()
    }

    fn answer(&self, request: &Request<'_>, port: u32) {
        let dump = request.flags & NLM_F_DUMP != 0;
        let family = u32::from(request.body.first().copied().unwrap_or(0));
        let messages = match request.kind {
            RTM_GETLINK => Ok((RTM_NEWLINK, self.links(request, dump))),
            RTM_GETADDR if dump => Ok((RTM_NEWADDR, self.addresses(family))),
            RTM_GETROUTE if dump => Ok((RTM_NEWROUTE, self.routes(family))),
            RTM_GETROUTE => match self.route_to(request.body) {
                Some(route) => Ok((RTM_NEWROUTE, vec![route])),
                None => Err(Errno::ENETUNREACH),
            },
            // Changing anything is for the engine.
            kind if kind >= RTM_NEWLINK && kind % 4 != 2 => Err(Errno::EPERM),
            _ => Err(Errno::EOPNOTSUPP),
        };
        let message = |kind: u16, flags: u16, body: &[u8]| {
            let head: [u8; HEADER] = Layout::new()
                .u32(0, (HEADER + body.len()) as u32)
                .u16(4, kind)
                .u16(6, flags)
                .u32(8, request.sequence)
                .u32(12, port)
                .done();
            let mut bytes = [&head[..], body].concat();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let error = |errno: i32| {
            let head: [u8; HEADER] = Layout::new()
                .u32(0, (HEADER + request.body.len()) as u32)
                .u16(4, request.kind)
                .u16(6, request.flags)
                .u32(8, request.sequence)
                .done();
            message(
                NLMSG_ERROR,
                0,
                &[&(-errno).to_le_bytes()[..], &head].concat(),
            )
        };
        let mut datagrams: Vec<Vec<u8>> = vec![Vec::new()];
        let mut add = |bytes: Vec<u8>| match datagrams.last_mut() {
            Some(last) if last.len() + bytes.len() <= DATAGRAM => last.extend(bytes),
            _ => datagrams.push(bytes),
        };
        match messages {
            Ok((_, bodies)) if bodies.is_empty() && !dump => add(error(Errno::ENODEV.0)),
            Ok((kind, bodies)) => {
                let flags = if dump { NLM_F_MULTI } else { 0 };
                bodies
                    .iter()
                    .for_each(|body| add(message(kind, flags, body)));
                if dump {
                    add(message(NLMSG_DONE, NLM_F_MULTI, &[0; 4]));
                } else if request.flags & NLM_F_ACK != 0 {
                    add(error(0));
                }
            }
            Err(errno) => add(error(errno.0)),
        }
        let mut queue = self.queue.borrow_mut();
        queue.extend(datagrams.into_iter().filter(|d| !d.is_empty()));
        queue.truncate(MAX_QUEUED);
        drop(queue);
        self.wait.wake();
    }

    /// All interfaces, or the one asked for by number or name.
    fn links(&self, request: &Request<'_>, dump: bool) -> Vec<Vec<u8>> {
        const IFLA_IFNAME: u16 = 3;
        let index = get_u32(request.body, 4);
        let name = attribute(request.body.get(16..).unwrap_or_default(), IFLA_IFNAME);
        let name = name.map(|n| n.split(|b| *b == 0).next().unwrap_or_default());
        let wanted = |i: &&Rc<Interface>| match (dump, name) {
            (true, _) => true,
            (false, Some(name)) if index == 0 => i.name.as_bytes() == name,
            _ => i.index == index,
        };
        self.ns
            .interfaces()
            .iter()
            .filter(wanted)
            .map(|i| link(i))
            .collect()
    }

    fn addresses(&self, family: u32) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for interface in self.ns.interfaces() {
            for (ip, prefix) in &interface.addresses {
                if family != AF_UNSPEC && family != family_of(*ip) {
                    continue;
                }
                let scope = if ip.is_loopback() { 254 } else { 0 };
                // Permanent.
                let mut body = vec![family_of(*ip) as u8, *prefix, 0x80, scope];
                body.extend(interface.index.to_le_bytes());
                put(&mut body, 1, &octets(*ip));
                if ip.is_ipv4() {
                    put(&mut body, 2, &octets(*ip));
                    if let Some(broadcast) = broadcast(&interface, *ip, *prefix) {
                        put(&mut body, 4, &broadcast);
                    }
                    put(&mut body, 3, &[interface.name.as_bytes(), &[0]].concat());
                }
                put(&mut body, 8, &0x80u32.to_le_bytes());
                let forever = u32::MAX.to_le_bytes();
                put(&mut body, 6, &[forever, forever, [0; 4], [0; 4]].concat());
                all.push(body);
            }
        }
        all
    }

    fn routes(&self, family: u32) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let wanted = |ip: &IpAddr| family == AF_UNSPEC || family == family_of(*ip);
        let interfaces = self.ns.interfaces();
        for gateway in self.ns.0.gateway.borrow().iter().filter(|ip| wanted(ip)) {
            let through = interfaces.iter().find(|i| {
                i.addresses
                    .iter()
                    .any(|(own, prefix)| contains(*own, *prefix, *gateway))
            });
            if let Some(interface) = through {
                all.push(route(*gateway, 0, Some(*gateway), interface, None));
            }
        }
        for interface in interfaces.iter().filter(|i| !i.is_loopback()) {
            for (ip, prefix) in interface.addresses.iter().filter(|(ip, _)| wanted(ip)) {
                all.push(route(
                    network(*ip, *prefix),
                    *prefix,
                    None,
                    interface,
                    Some(*ip),
                ));
            }
        }
        all
    }

    /// The route to one address (`ip route get`).
    fn route_to(&self, body: &[u8]) -> Option<Vec<u8>> {
        let to = match attribute(body.get(12..)?, 1)? {
            [a, b, c, d] => IpAddr::from([*a, *b, *c, *d]),
            bytes => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        };
        let interfaces = self.ns.interfaces();
        let host = if to.is_ipv4() { 32 } else { 128 };
        if let Some(own) = self.ns.interface_of(to) {
            return Some(route(to, host, None, &own, Some(to)));
        }
        let via = |ip: IpAddr| {
            interfaces.iter().find_map(|i| {
                let own = i
                    .addresses
                    .iter()
                    .find(|(own, len)| contains(*own, *len, ip))?;
                Some((i.clone(), own.0))
            })
        };
        if let Some((interface, own)) = via(to) {
            return Some(route(to, host, None, &interface, Some(own)));
        }
        let gateways = self.ns.0.gateway.borrow();
        let gateway = *gateways.iter().find(|g| g.is_ipv4() == to.is_ipv4())?;
        let (interface, own) = via(gateway)?;
        Some(route(to, host, Some(gateway), &interface, Some(own)))
    }
}

fn link(interface: &Interface) -> Vec<u8> {
    let kind: u16 = if interface.is_loopback() { 772 } else { 1 };
    let mut body = vec![0, 0];
    body.extend(kind.to_le_bytes());
    body.extend(interface.index.to_le_bytes());
    body.extend(interface.flags().to_le_bytes());
    body.extend([0; 4]);
    put(&mut body, 3, &[interface.name.as_bytes(), &[0]].concat());
    put(&mut body, 13, &1000u32.to_le_bytes());
    // Operational state: unknown for the loopback, else up.
    put(
        &mut body,
        16,
        &[if interface.is_loopback() { 0 } else { 6 }],
    );
    put(&mut body, 17, &[0]);
    put(&mut body, 4, &interface.mtu.to_le_bytes());
    put(&mut body, 27, &[0; 4]);
    put(&mut body, 1, &interface.mac);
    put(
        &mut body,
        2,
        &if interface.is_loopback() {
            [0; 6]
        } else {
            [0xff; 6]
        },
    );
    put(&mut body, 6, b"noqueue\0");
    let [rx_bytes, rx_packets, tx_bytes, tx_packets] = interface.traffic();
    let stats: [u8; 192] = Layout::new()
        .u64(0, rx_packets)
        .u64(8, tx_packets)
        .u64(16, rx_bytes)
        .u64(24, tx_bytes)
        .done();
    put(&mut body, 23, &stats);
    body
}

fn route(
    to: IpAddr,
    prefix: u8,
    gateway: Option<IpAddr>,
    interface: &Interface,
    source: Option<IpAddr>,
) -> Vec<u8> {
    // Main table; made at boot or by the kernel; universal or link scope; unicast.
    let (protocol, scope) = if gateway.is_some() { (3, 0) } else { (2, 253) };
    let mut body = vec![family_of(to) as u8, prefix, 0, 0, 254, protocol, scope, 1];
    body.extend([0; 4]);
    put(&mut body, 15, &254u32.to_le_bytes());
    if prefix > 0 {
        put(&mut body, 1, &octets(to));
    }
    if let Some(gateway) = gateway {
        put(&mut body, 5, &octets(gateway));
    }
    if let Some(source) = source {
        put(&mut body, 7, &octets(source));
    }
    put(&mut body, 4, &interface.index.to_le_bytes());
    body
}

/// Adds an attribute: length, type, value, padded.
fn put(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_le_bytes());
    body.extend(kind.to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Finds an attribute.
fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    while bytes.len() >= 4 {
        let len = usize::from(get_u16(bytes, 0));
        let value = bytes.get(4..len)?;
        if get_u16(bytes, 2) & 0x3fff == kind {
            return Some(value);
        }
        bytes = bytes.get(len.next_multiple_of(4)..)?;
    }
    None
}

fn family_of(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The address with the bits after the prefix cleared.
pub(super) fn network(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(prefix.min(32)))
                .unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(prefix.min(128)))
                .unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    }
}

/// The broadcast address of an IPv4 network that has one.
pub(super) fn broadcast(interface: &Interface, ip: IpAddr, prefix: u8) -> Option<[u8; 4]> {
    match ip {
        IpAddr::V4(ip) if !interface.is_loopback() && prefix < 31 => {
            let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            Some((ip.to_bits() | hosts).to_be_bytes())
        }
        _ => None,
    }
}

impl Protocol for Netlink {
    fn bind(&self, cx: &Cx, addr: &Addr) -> Result<(), Errno> {
        let Addr::Netlink(port, _) = addr else {
            return Err(Errno::EINVAL);
        };
        match *port {
            0 => _ = self.port(cx),
            port => self.port.set(port),
        }
        Ok(())
    }

    fn connect(&self, _: &Cx, addr: &Addr) -> Result<(), Errno> {
        match addr {
            Addr::Netlink(0, _) | Addr::Unspec => Ok(()),
            _ => Err(Errno::EPERM),
        }
    }

    fn send(&self, cx: &Cx, data: &[u8], _: Option<&Addr>, _: Attached) -> Result<usize, Errno> {
        let port = self.port(cx);
        let mut rest = data;
        while rest.len() >= HEADER {
            let len = get_u32(rest, 0) as usize;
            let Some(body) = rest.get(HEADER..len) else {
                break;
            };
            let request = Request {
                kind: get_u16(rest, 4),
                flags: get_u16(rest, 6),
                sequence: get_u32(rest, 8),
                body,
            };
            if request.flags & NLM_F_REQUEST != 0 {
                self.answer(&request, port);
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(data.len())
    }

    fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        let mut queue = self.queue.borrow_mut();
        let first = queue.front().ok_or(Errno::EAGAIN)?;
        let (n, len) = (first.len().min(buf.len()), first.len());
        buf[..n].copy_from_slice(&first[..n]);
        if !peek {
            queue.pop_front();
        }
        Ok(Received {
            n,
            len,
            from: Some(Addr::Netlink(0, 0)),
            ..Received::default()
        })
    }

    fn shutdown(&self, _: bool, _: bool) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn local(&self) -> Addr {
        Addr::Netlink(self.port.get(), 0)
    }

    fn peer(&self) -> Result<Addr, Errno> {
        Ok(Addr::Netlink(0, 0))
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.wait);
        if self.queue.borrow().is_empty() {
            OUT
        } else {
            IN | OUT
        }
    }

    fn readable(&self) -> usize {
        self.queue.borrow().front().map_or(0, Vec::len)
    }
}
