//! UDP.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};

use bottleship_abi::Errno;
use bottleship_abi::poll::{POLLERR, POLLHUP, POLLRDHUP};

use super::addr::Addr;
use super::netns::NetNs;
use super::ports::Port;
use super::route::Protocol as Transport;
use super::socket::{Attached, Protocol, Received, Reuse};
use super::tcp::{inet, may_bind};
use super::uplink::{Answers, Uplink, UplinkPort};
use crate::kernel::file::{IN, OUT};
use crate::kernel::wait::{PollTable, WaitQueue};
use crate::syscall::Cx;

/// Bytes that wait in a socket at most (`net.core.rmem_default`), each datagram counting some more.
const QUEUE_BYTES: usize = 212_992;
/// What a datagram costs besides its bytes.
const OVERHEAD: usize = 256;
/// The longest datagram's contents.
const MAX_DATAGRAM: usize = 65_507;

/// Datagrams waiting to be read. What does not fit is dropped.
#[derive(Default)]
pub(super) struct Queue {
    datagrams: RefCell<VecDeque<(Vec<u8>, SocketAddr)>>,
    bytes: Cell<usize>,
}

impl Queue {
    pub fn push(&self, data: Vec<u8>, from: SocketAddr) {
        let bytes = self.bytes.get() + data.len() + OVERHEAD;
        if bytes <= QUEUE_BYTES {
            self.bytes.set(bytes);
            self.datagrams.borrow_mut().push_back((data, from));
        }
    }

    /// The first datagram, as much of it as fits.
    pub fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        let mut datagrams = self.datagrams.borrow_mut();
        let (data, from) = datagrams.front().ok_or(Errno::EAGAIN)?;
        let (n, len) = (data.len().min(buf.len()), data.len());
        buf[..n].copy_from_slice(&data[..n]);
        let received = Received {
            n,
            len,
            from: Some(Addr::Inet(*from)),
            ttl: Some(64),
            ..Received::default()
        };
        if !peek {
            datagrams.pop_front();
            self.bytes.set(self.bytes.get() - len - OVERHEAD);
        }
        Ok(received)
    }

    pub fn is_empty(&self) -> bool {
        self.datagrams.borrow().is_empty()
    }

    pub fn first_len(&self) -> usize {
        self.datagrams
            .borrow()
            .front()
            .map_or(0, |(data, _)| data.len())
    }

    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }
}

/// A UDP socket as sockets of the guest see it.
pub struct Udp(Rc<UdpState>);

/// A UDP socket.
pub struct UdpState {
    ns: NetNs,
    v6: bool,
    port: RefCell<Option<Port<UdpState>>>,
    local: Cell<Option<SocketAddr>>,
    peer: Cell<Option<SocketAddr>>,
    reuse: Reuse,
    error: Cell<Option<Errno>>,
    shut: Cell<(bool, bool)>,
    queue: Queue,
    wait: WaitQueue,
    /// The port outside of the machine, once something was sent there, and the one for names.
    outside: RefCell<Option<Box<dyn UplinkPort>>>,
    names: RefCell<Option<Box<dyn UplinkPort>>>,
}

impl Udp {
    pub fn new(ns: &NetNs, v6: bool) -> Rc<Udp> {
        Rc::new(Udp(UdpState::new(ns, v6)))
    }
}

impl UdpState {
    pub(super) fn new(ns: &NetNs, v6: bool) -> Rc<UdpState> {
        Rc::new(UdpState {
            ns: ns.clone(),
            v6,
            port: RefCell::default(),
            local: Cell::new(None),
            peer: Cell::new(None),
            reuse: Reuse::default(),
            error: Cell::new(None),
            shut: Cell::new((false, false)),
            queue: Queue::default(),
            wait: WaitQueue::new(),
            outside: RefCell::default(),
            names: RefCell::default(),
        })
    }

    /// Sends out of the machine.
    fn send_outside(
        self: &Rc<UdpState>,
        uplink: &dyn Uplink,
        data: &[u8],
        to: SocketAddr,
    ) -> Result<usize, Errno> {
        self.send_by(&self.outside, uplink, data, to, None)
    }

    fn send_by(
        self: &Rc<UdpState>,
        port: &RefCell<Option<Box<dyn UplinkPort>>>,
        uplink: &dyn Uplink,
        data: &[u8],
        to: SocketAddr,
        shown: Option<SocketAddr>,
    ) -> Result<usize, Errno> {
        let mut port = port.borrow_mut();
        if port.is_none() {
            let socket = Rc::downgrade(self);
            *port = uplink.open_port(to.is_ipv6(), Answers { socket, shown });
        }
        let port = port.as_ref().ok_or(Errno::ENOBUFS)?;
        port.send(data.to_vec(), to);
        Ok(data.len())
    }

    /// A datagram from outside. Who is connected hears only the one it is connected to.
    pub(super) fn deliver_outside(&self, data: Vec<u8>, from: SocketAddr) {
        if self.peer.get().is_none_or(|peer| peer == from) {
            self.deliver(data, from);
        }
    }

    pub(super) fn poll_recv(
        &self,
        context: &mut Context,
        buf: &mut [u8],
    ) -> Poll<(usize, Option<SocketAddr>)> {
        match self.queue.recv(buf, false) {
            Ok(received) => Poll::Ready((
                received.n,
                match received.from {
                    Some(Addr::Inet(from)) => Some(from),
                    _ => None,
                },
            )),
            Err(_) => {
                self.wait.add_waker(context.waker());
                Poll::Pending
            }
        }
    }

    fn any(&self) -> IpAddr {
        match self.v6 {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    pub(super) fn bind(self: &Rc<UdpState>, addr: SocketAddr) -> Result<(), Errno> {
        if self.local.get().is_some() {
            return Err(Errno::EINVAL);
        }
        if !addr.ip().is_unspecified() && !self.ns.is_local(addr.ip()) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let v6 = self.v6 && addr.is_ipv6();
        let port = self.ns.0.udp.bind(addr, v6, &self.reuse, self, |_| false)?;
        self.local.set(Some(port.addr()));
        *self.port.borrow_mut() = Some(port);
        Ok(())
    }

    fn bound(self: &Rc<UdpState>) -> Result<SocketAddr, Errno> {
        match self.local.get() {
            Some(addr) => Ok(addr),
            None => {
                self.bind(SocketAddr::new(self.any(), 0))?;
                Ok(self.local())
            }
        }
    }

    pub(super) fn send(self: &Rc<UdpState>, data: &[u8], to: SocketAddr) -> Result<usize, Errno> {
        if self.shut.get().1 {
            return Err(Errno::EPIPE);
        }
        if data.len() > MAX_DATAGRAM {
            return Err(Errno::EMSGSIZE);
        }
        if to.port() == 0 {
            return Err(Errno::EINVAL);
        }
        let local = self.bound()?;
        let route = self.ns.route(Transport::Udp, to, Some(local.ip()));
        if route.is_err()
            && let Some(uplink) = self.ns.uplink(to)
        {
            return self.send_outside(&*uplink, data, to);
        }
        let route = route?;
        let from = SocketAddr::new(route.source, local.port());
        if let Some((out, back)) = &route.interfaces {
            out.count(back, data.len());
        }
        if route.to.port() == 53
            && super::dns::is_server(route.to.ip())
            && let Some(hook) = self.ns.0.resolver.borrow().clone()
        {
            if super::dns::is_outside(data, &hook)
                && let Some((uplink, server)) = self.ns.name_server()
            {
                return self.send_by(&self.names, &*uplink, data, server, Some(to));
            }
            if let Some(answer) = super::dns::answer(data, &hook, Some(super::dns::UDP_MAX)) {
                self.deliver(answer, to);
            }
            return Ok(data.len());
        }
        let wants = |s: &UdpState| s.peer.get().is_none_or(|peer| peer == from);
        match route.ns.0.udp.find(route.to, wants) {
            Some(receiver) => receiver.deliver(data.to_vec(), from),
            // Who is connected learns that the port is closed.
            None if self.peer.get() == Some(to) => {
                self.error.set(Some(Errno::ECONNREFUSED));
                self.wait.wake();
            }
            None => {}
        }
        Ok(data.len())
    }

    fn deliver(&self, data: Vec<u8>, from: SocketAddr) {
        if !self.shut.get().0 {
            self.queue.push(data, from);
            self.wait.wake();
        }
    }

    pub fn local(&self) -> SocketAddr {
        self.local.get().unwrap_or(SocketAddr::new(self.any(), 0))
    }

    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    pub fn queued(&self) -> usize {
        self.queue.bytes()
    }
}

impl Protocol for Udp {
    fn bind(&self, cx: &Cx, addr: &Addr) -> Result<(), Errno> {
        let addr = inet(addr)?;
        if addr.is_ipv6() && !self.0.v6 {
            return Err(Errno::EAFNOSUPPORT);
        }
        may_bind(cx, addr)?;
        self.0.bind(addr)
    }

    fn connect(&self, _: &Cx, addr: &Addr) -> Result<(), Errno> {
        let to = match addr {
            Addr::Unspec => {
                self.0.peer.set(None);
                return Ok(());
            }
            addr => inet(addr)?,
        };
        if to.is_ipv6() && !self.0.v6 {
            return Err(Errno::EAFNOSUPPORT);
        }
        let bound = self.0.bound()?;
        let route = match self.0.ns.route(Transport::Udp, to, Some(bound.ip())) {
            Err(Errno::ENETUNREACH) if self.0.ns.uplink(to).is_some() => {
                if let Some(source) = self.0.ns.source_outside(to.is_ipv6()) {
                    let local = SocketAddr::new(source, bound.port());
                    self.0.local.set(Some(local));
                }
                self.0.peer.set(Some(to));
                return Ok(());
            }
            route => route?,
        };
        if bound.ip().is_unspecified() && self.0.ns.is_local(route.source) {
            self.0
                .local
                .set(Some(SocketAddr::new(route.source, bound.port())));
        }
        let to = if to.ip().is_unspecified() {
            SocketAddr::new(route.to.ip(), to.port())
        } else {
            to
        };
        self.0.peer.set(Some(to));
        Ok(())
    }

    fn send(&self, _: &Cx, data: &[u8], to: Option<&Addr>, _: Attached) -> Result<usize, Errno> {
        if let Some(errno) = self.0.error.take() {
            return Err(errno);
        }
        let to = match to {
            Some(addr) => inet(addr)?,
            None => self.0.peer.get().ok_or(Errno::EDESTADDRREQ)?,
        };
        if to.is_ipv6() && !self.0.v6 {
            return Err(Errno::EAFNOSUPPORT);
        }
        self.0.send(data, to)
    }

    fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        if let Some(errno) = self.0.error.take() {
            return Err(errno);
        }
        match self.0.queue.recv(buf, peek) {
            Err(Errno::EAGAIN) if self.0.shut.get().0 => Ok(Received::default()),
            other => other,
        }
    }

    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno> {
        if self.0.peer.get().is_none() {
            return Err(Errno::ENOTCONN);
        }
        let (r, w) = self.0.shut.get();
        self.0.shut.set((r || read, w || write));
        self.0.wait.wake();
        Ok(())
    }

    fn local(&self) -> Addr {
        Addr::Inet(self.0.local())
    }

    fn peer(&self) -> Result<Addr, Errno> {
        self.0.peer.get().map(Addr::Inet).ok_or(Errno::ENOTCONN)
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.0.wait);
        let mut ready = OUT;
        if !self.0.queue.is_empty() {
            ready |= IN;
        }
        if self.0.error.get().is_some() {
            ready |= POLLERR;
        }
        match self.0.shut.get() {
            (true, true) => ready |= IN | POLLRDHUP | POLLHUP,
            (true, false) => ready |= IN | POLLRDHUP,
            _ => {}
        }
        ready
    }

    fn take_error(&self) -> Option<Errno> {
        self.0.error.take()
    }

    fn readable(&self) -> usize {
        self.0.queue.first_len()
    }

    fn reuse(&self) -> Option<&Reuse> {
        Some(&self.0.reuse)
    }
}
