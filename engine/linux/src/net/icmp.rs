//! Echo requests: `ping`, over datagram and raw sockets.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use bottleship_abi::Errno;

use super::addr::Addr;
use super::netns::NetNs;
use super::route::Protocol as Transport;
use super::socket::{Attached, Protocol, Received};
use super::tcp::inet;
use super::udp::Queue;
use crate::kernel::file::{IN, OUT};
use crate::kernel::wait::{PollTable, WaitQueue};
use crate::syscall::Cx;

/// An ICMP socket. A raw one sees IPv4 headers, a datagram one has its identifier set by the kernel.
pub struct Icmp {
    ns: NetNs,
    v6: bool,
    raw: bool,
    id: Cell<u16>,
    peer: Cell<Option<IpAddr>>,
    queue: Queue,
    wait: WaitQueue,
}

impl Icmp {
    pub fn new(ns: &NetNs, v6: bool, raw: bool) -> Rc<Icmp> {
        Rc::new(Icmp {
            ns: ns.clone(),
            v6,
            raw,
            id: Cell::new(0),
            peer: Cell::new(None),
            queue: Queue::default(),
            wait: WaitQueue::new(),
        })
    }

    /// The identifier; one that is free by all likelihood when none was bound.
    fn id(&self) -> u16 {
        if self.id.get() == 0 {
            let number = self.ns.0.last_abstract.get().wrapping_add(1);
            self.ns.0.last_abstract.set(number);
            self.id.set((number as u16).max(1));
        }
        self.id.get()
    }
}

impl Protocol for Icmp {
    fn bind(&self, _: &Cx, addr: &Addr) -> Result<(), Errno> {
        let addr = inet(addr)?;
        if !addr.ip().is_unspecified() && !self.ns.is_local(addr.ip()) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        self.id.set(addr.port());
        Ok(())
    }

    fn connect(&self, _: &Cx, addr: &Addr) -> Result<(), Errno> {
        if *addr == Addr::Unspec {
            self.peer.set(None);
            return Ok(());
        }
        let to = inet(addr)?;
        self.ns
            .route(Transport::Udp, SocketAddr::new(to.ip(), 0), None)?;
        self.peer.set(Some(to.ip()));
        Ok(())
    }

    fn send(&self, _: &Cx, data: &[u8], to: Option<&Addr>, _: Attached) -> Result<usize, Errno> {
        let to = match to {
            Some(addr) => inet(addr)?.ip(),
            None => self.peer.get().ok_or(Errno::EDESTADDRREQ)?,
        };
        if to.is_ipv6() != self.v6 {
            return Err(Errno::EAFNOSUPPORT);
        }
        if data.len() > 65_507 {
            return Err(Errno::EMSGSIZE);
        }
        let (request, reply) = if self.v6 { (128, 129) } else { (8, 0) };
        if data.len() < 8 || (!self.raw && data[0] != request) {
            return Err(Errno::EINVAL);
        }
        let route = match self.ns.route(Transport::Udp, SocketAddr::new(to, 0), None) {
            Ok(route) => route,
            // Nobody answers, and no one says so: as with an address that is not in use.
            Err(Errno::EHOSTUNREACH) => return Ok(data.len()),
            Err(errno) => return Err(errno),
        };
        if let Some((out, back)) = &route.interfaces {
            out.count(back, data.len());
            back.count(out, data.len());
        }
        if data[0] != request {
            return Ok(data.len());
        }
        let mut answer = data.to_vec();
        answer[0] = reply;
        if !self.raw {
            answer[4..6].copy_from_slice(&self.id().to_be_bytes());
        }
        answer[2..4].fill(0);
        let sum = checksum(&answer);
        answer[2..4].copy_from_slice(&sum.to_be_bytes());
        if self.raw
            && let (IpAddr::V4(from), IpAddr::V4(own)) = (to, route.source)
        {
            answer = [&ip_header(answer.len(), from, own)[..], &answer].concat();
        }
        self.queue.push(answer, SocketAddr::new(to, 0));
        self.wait.wake();
        Ok(data.len())
    }

    fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        self.queue.recv(buf, peek)
    }

    fn shutdown(&self, _: bool, _: bool) -> Result<(), Errno> {
        match self.peer.get() {
            Some(_) => Ok(()),
            None => Err(Errno::ENOTCONN),
        }
    }

    fn local(&self) -> Addr {
        let ip: IpAddr = match self.v6 {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        };
        let id = if self.raw { 0 } else { self.id() };
        Addr::Inet(SocketAddr::new(ip, id))
    }

    fn peer(&self) -> Result<Addr, Errno> {
        let peer = self.peer.get().ok_or(Errno::ENOTCONN)?;
        Ok(Addr::Inet(SocketAddr::new(peer, 0)))
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.wait);
        if self.queue.is_empty() { OUT } else { IN | OUT }
    }

    fn readable(&self) -> usize {
        self.queue.first_len()
    }
}

/// The header in front of what a raw socket reads.
fn ip_header(len: usize, from: Ipv4Addr, to: Ipv4Addr) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&((20 + len) as u16).to_be_bytes());
    header[8] = 64;
    header[9] = 1;
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
