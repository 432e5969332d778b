//! TCP.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::{Rc, Weak};

use bottleship_abi::Errno;
use bottleship_abi::poll::{POLLERR, POLLHUP, POLLRDHUP};
use bottleship_abi::socket::SOMAXCONN;
use bottleship_vfs::CapSet;

use super::addr::Addr;
use super::host::HostStream;
use super::netns::{Interface, NetNs};
use super::ports::Port;
use super::route::{Protocol as Transport, Route};
use super::socket::{Attached, Protocol, Received, Reuse};
use super::stream::{End, Flavor, pair};
use super::uplink::{Outgoing, Uplink};
use crate::kernel::file::{IN, OUT};
use crate::kernel::wait::{PollTable, WaitQueue};
use crate::syscall::Cx;

/// Connections that wait for a place in a full listen queue.
const MAX_WAITING: usize = 1024;

/// A TCP socket as sockets of the guest see it.
pub struct Tcp(pub Rc<TcpState>);

/// A TCP socket.
pub struct TcpState {
    ns: NetNs,
    v6: bool,
    state: RefCell<State>,
    port: RefCell<Option<Port<TcpState>>>,
    local: Cell<Option<SocketAddr>>,
    reuse: Reuse,
    error: Cell<Option<Errno>>,
    reset_on_close: Cell<bool>,
    wait: WaitQueue,
}

enum State {
    Closed,
    Listening(Listener),
    /// Waits for a place in the listener's queue.
    Connecting {
        to: SocketAddr,
    },
    Connected {
        end: Rc<End>,
        peer: SocketAddr,
        /// `connect` has not yet said so.
        fresh: bool,
        interfaces: Option<(Rc<Interface>, Rc<Interface>)>,
    },
}

#[derive(Default)]
struct Listener {
    backlog: usize,
    queue: VecDeque<Rc<TcpState>>,
    waiting: VecDeque<Weak<TcpState>>,
}

impl Tcp {
    pub fn new(ns: &NetNs, v6: bool) -> Rc<Tcp> {
        Rc::new(Tcp(TcpState::new(ns, v6)))
    }
}

impl TcpState {
    pub fn new(ns: &NetNs, v6: bool) -> Rc<TcpState> {
        Rc::new(TcpState {
            ns: ns.clone(),
            v6,
            state: RefCell::new(State::Closed),
            port: RefCell::default(),
            local: Cell::new(None),
            reuse: Reuse::default(),
            error: Cell::new(None),
            reset_on_close: Cell::new(false),
            wait: WaitQueue::new(),
        })
    }

    fn any(&self) -> IpAddr {
        match self.v6 {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    /// Binds; port 0 takes a free one.
    pub fn bind(self: &Rc<TcpState>, addr: SocketAddr) -> Result<(), Errno> {
        if self.local.get().is_some() {
            return Err(Errno::EINVAL);
        }
        if !addr.ip().is_unspecified() && !self.ns.is_local(addr.ip()) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let listens = |s: &TcpState| matches!(*s.state.borrow(), State::Listening(_));
        let v6 = self.v6 && addr.is_ipv6();
        let port = self.ns.0.tcp.bind(addr, v6, &self.reuse, self, listens)?;
        self.local.set(Some(port.addr()));
        *self.port.borrow_mut() = Some(port);
        Ok(())
    }

    /// Listens, binding any free port if it is not bound.
    pub fn listen(self: &Rc<TcpState>, backlog: usize) -> Result<(), Errno> {
        if self.local.get().is_none() {
            self.bind(SocketAddr::new(self.any(), 0))?;
        }
        // Linux keeps one more than asked for.
        let backlog = backlog.min(SOMAXCONN) + 1;
        let mut state = self.state.borrow_mut();
        match &mut *state {
            State::Listening(listener) => listener.backlog = backlog,
            State::Closed => {
                *state = State::Listening(Listener {
                    backlog,
                    ..Listener::default()
                });
            }
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    pub fn accept(&self) -> Result<Rc<TcpState>, Errno> {
        let mut state = self.state.borrow_mut();
        let State::Listening(listener) = &mut *state else {
            return Err(Errno::EINVAL);
        };
        let accepted = listener.queue.pop_front().ok_or(Errno::EAGAIN)?;
        let mut next = None;
        while next.is_none()
            && let Some(waiting) = listener.waiting.pop_front()
        {
            next = waiting.upgrade();
        }
        drop(state);
        if let Some(client) = next {
            client.retry();
        }
        Ok(accepted)
    }

    /// Connects: `EINPROGRESS` the first time, then `EALREADY` until it is done.
    pub fn connect(self: &Rc<TcpState>, to: SocketAddr) -> Result<(), Errno> {
        if let State::Connected { fresh, .. } = &mut *self.state.borrow_mut() {
            return match std::mem::take(fresh) {
                true => Ok(()),
                false => Err(Errno::EISCONN),
            };
        }
        if let Some(errno) = self.error.take() {
            return Err(errno);
        }
        match &*self.state.borrow() {
            State::Connecting { .. } => return Err(Errno::EALREADY),
            State::Listening(_) => return Err(Errno::EISCONN),
            _ => {}
        }
        self.try_connect(to)?;
        Err(Errno::EINPROGRESS)
    }

    /// Connects as far as it goes now. Only what is known at once is an error; what the other side
    /// answers is left in `error`.
    fn try_connect(self: &Rc<TcpState>, to: SocketAddr) -> Result<(), Errno> {
        let bound = self.local.get().map(|a| a.ip());
        let route = self.ns.route(Transport::Tcp, to, bound);
        if route.is_err()
            && let Some(uplink) = self.ns.uplink(to)
        {
            return self.connect_outside(&*uplink, to);
        }
        let route = route?;
        if self.local.get().is_none() {
            self.bind(SocketAddr::new(self.any(), 0))?;
        }
        if route.to.port() == 53
            && super::dns::is_server(route.to.ip())
            && let Some(hook) = self.ns.0.resolver.borrow().clone()
        {
            let (end, server) = pair(Flavor::Tcp);
            super::dns::serve_stream(server, hook);
            self.established(end, to, &route);
            return Ok(());
        }
        let accepts = |s: &TcpState| matches!(*s.state.borrow(), State::Listening(_));
        let Some(listener) = route.ns.0.tcp.find(route.to, accepts) else {
            self.error.set(Some(Errno::ECONNREFUSED));
            *self.state.borrow_mut() = State::Closed;
            self.wait.wake();
            return Ok(());
        };
        let mut state = listener.state.borrow_mut();
        let State::Listening(queue) = &mut *state else {
            return Ok(());
        };
        if queue.queue.len() >= queue.backlog {
            queue.waiting.retain(|w| w.strong_count() > 0);
            if queue.waiting.len() >= MAX_WAITING {
                return Err(Errno::ETIMEDOUT);
            }
            queue.waiting.push_back(Rc::downgrade(self));
            *self.state.borrow_mut() = State::Connecting { to };
            return Ok(());
        }
        let (client, server) = pair(Flavor::Tcp);
        let port = self.local.get().map_or(0, |a| a.port());
        let accepted = TcpState::new(&route.ns, listener.v6);
        accepted.local.set(Some(route.to));
        *accepted.state.borrow_mut() = State::Connected {
            end: Rc::new(server),
            peer: SocketAddr::new(route.source, port),
            fresh: false,
            interfaces: route.interfaces.clone().map(|(a, b)| (b, a)),
        };
        route.ns.remember(&accepted);
        queue.queue.push_back(accepted);
        drop(state);
        listener.wait.wake();
        self.established(client, to, &route);
        Ok(())
    }

    /// Connects to an address that is not in the machine.
    fn connect_outside(
        self: &Rc<TcpState>,
        uplink: &dyn Uplink,
        to: SocketAddr,
    ) -> Result<(), Errno> {
        if self.local.get().is_none() {
            self.bind(SocketAddr::new(self.any(), 0))?;
        }
        *self.state.borrow_mut() = State::Connecting { to };
        uplink.connect(to, Outgoing(Rc::downgrade(self)));
        Ok(())
    }

    /// The connection outside is made: the machine's end of it.
    pub(super) fn established_outside(self: &Rc<TcpState>) -> Option<HostStream> {
        let to = match &*self.state.borrow() {
            State::Connecting { to } => *to,
            _ => return None,
        };
        let (client, server) = pair(Flavor::Tcp);
        let route = Route {
            ns: self.ns.clone(),
            to,
            source: self.ns.source_outside(to.is_ipv6()).unwrap_or(to.ip()),
            interfaces: None,
        };
        let far = TcpState::new(&self.ns, self.v6);
        far.local.set(Some(to));
        *far.state.borrow_mut() = State::Connected {
            end: Rc::new(server),
            peer: self.local(),
            fresh: false,
            interfaces: None,
        };
        self.established(client, to, &route);
        Some(HostStream::of_tcp(far))
    }

    /// The connection that is being made cannot be.
    pub(super) fn fail(&self, errno: Errno) {
        if matches!(*self.state.borrow(), State::Connecting { .. }) {
            self.error.set(Some(errno));
            *self.state.borrow_mut() = State::Closed;
            self.wait.wake();
        }
    }

    fn established(self: &Rc<TcpState>, end: End, peer: SocketAddr, route: &Route) {
        let port = self.local.get().map_or(0, |a| a.port());
        let source = if self.ns.is_local(route.source) {
            route.source
        } else {
            peer.ip()
        };
        self.local.set(Some(SocketAddr::new(source, port)));
        *self.state.borrow_mut() = State::Connected {
            end: Rc::new(end),
            peer,
            fresh: true,
            interfaces: route.interfaces.clone(),
        };
        self.ns.remember(self);
        self.wait.wake();
    }

    /// Tries again when the listener has a place.
    fn retry(self: &Rc<TcpState>) {
        let to = match &*self.state.borrow() {
            State::Connecting { to } => *to,
            _ => return,
        };
        if let Err(errno) = self.try_connect(to) {
            self.error.set(Some(errno));
            *self.state.borrow_mut() = State::Closed;
            self.wait.wake();
        }
    }

    pub fn end(&self) -> Option<Rc<End>> {
        match &*self.state.borrow() {
            State::Connected { end, .. } => Some(end.clone()),
            _ => None,
        }
    }

    pub fn send(&self, data: &[u8]) -> Result<usize, Errno> {
        let Some(end) = self.end() else {
            return Err(self.unconnected(Errno::EPIPE));
        };
        let n = end.send(data, Attached::default())?;
        if let State::Connected {
            interfaces: Some((from, to)),
            ..
        } = &*self.state.borrow()
        {
            from.count(to, n);
        }
        Ok(n)
    }

    pub fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        match self.end() {
            Some(end) => end.recv(buf, peek),
            None => Err(self.unconnected(Errno::ENOTCONN)),
        }
    }

    fn unconnected(&self, otherwise: Errno) -> Errno {
        match &*self.state.borrow() {
            State::Connecting { .. } => Errno::EAGAIN,
            _ => self.error.take().unwrap_or(otherwise),
        }
    }

    pub fn local(&self) -> SocketAddr {
        self.local.get().unwrap_or(SocketAddr::new(self.any(), 0))
    }

    pub fn peer(&self) -> Option<SocketAddr> {
        match &*self.state.borrow() {
            State::Connected { peer, .. } => Some(*peer),
            _ => None,
        }
    }

    pub fn wait(&self) -> &WaitQueue {
        &self.wait
    }

    pub fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.wait);
        let failed = if self.error.get().is_some() {
            IN | OUT | POLLERR | POLLHUP | POLLRDHUP
        } else {
            0
        };
        failed
            | match &*self.state.borrow() {
                State::Listening(listener) if listener.queue.is_empty() => 0,
                State::Listening(_) => IN,
                State::Connected { end, .. } => end.poll(table),
                State::Connecting { .. } => 0,
                State::Closed => OUT | POLLHUP,
            }
    }

    /// The state as `/proc/net/tcp` numbers it, and the bytes queued both ways.
    pub fn proc_state(&self) -> (u8, usize, usize) {
        match &*self.state.borrow() {
            State::Closed => (7, 0, 0),
            State::Listening(listener) => (10, 0, listener.queue.len()),
            State::Connecting { .. } => (2, 0, 0),
            State::Connected { end, .. } => (1, end.unread_by_peer(), end.readable()),
        }
    }
}

impl NetNs {
    /// Lists a connection for `/proc/net/tcp`.
    fn remember(&self, socket: &Rc<TcpState>) {
        let mut all = self.0.established.borrow_mut();
        if all.len() >= 64 && all.len() == all.capacity() {
            all.retain(|s| s.strong_count() > 0);
        }
        all.push(Rc::downgrade(socket));
    }
}

impl Drop for TcpState {
    fn drop(&mut self) {
        match self.state.get_mut() {
            State::Connected { end, .. } if self.reset_on_close.get() => end.reset(),
            // Those who wait to be accepted, or for a place, are turned away.
            State::Listening(listener) => {
                for accepted in listener.queue.drain(..) {
                    if let Some(end) = accepted.end() {
                        end.reset();
                    }
                }
                for waiting in listener.waiting.drain(..).filter_map(|w| w.upgrade()) {
                    waiting.error.set(Some(Errno::ECONNREFUSED));
                    *waiting.state.borrow_mut() = State::Closed;
                    waiting.wait.wake();
                }
            }
            _ => {}
        }
    }
}

/// An IP address, for a socket of either family.
pub(super) fn inet(addr: &Addr) -> Result<SocketAddr, Errno> {
    match addr {
        Addr::Inet(addr) => Ok(*addr),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// Ports below 1024 are for those who may.
pub(super) fn may_bind(cx: &Cx, addr: SocketAddr) -> Result<(), Errno> {
    // Docker sets `net.ipv4.ip_unprivileged_port_start` to 0 in containers; the host keeps 1024.
    let host = cx.t.ns().net.is_host();
    match (1..1024).contains(&addr.port()) && host && !cx.capable(CapSet::NET_BIND_SERVICE) {
        true => Err(Errno::EACCES),
        false => Ok(()),
    }
}

impl Protocol for Tcp {
    fn bind(&self, cx: &Cx, addr: &Addr) -> Result<(), Errno> {
        let addr = inet(addr)?;
        if addr.is_ipv6() && !self.0.v6 {
            return Err(Errno::EAFNOSUPPORT);
        }
        may_bind(cx, addr)?;
        self.0.bind(addr)
    }

    fn connect(&self, _: &Cx, addr: &Addr) -> Result<(), Errno> {
        let addr = inet(addr)?;
        if addr.is_ipv6() && !self.0.v6 {
            return Err(Errno::EAFNOSUPPORT);
        }
        self.0.connect(addr)
    }

    fn listen(&self, backlog: usize) -> Result<(), Errno> {
        self.0.listen(backlog)
    }

    fn accept(&self) -> Result<Rc<dyn Protocol>, Errno> {
        Ok(Rc::new(Tcp(self.0.accept()?)))
    }

    fn send(&self, _: &Cx, data: &[u8], _: Option<&Addr>, _: Attached) -> Result<usize, Errno> {
        self.0.send(data)
    }

    fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        self.0.recv(buf, peek)
    }

    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno> {
        if let Some(end) = self.0.end() {
            end.shutdown(read, write);
            return Ok(());
        }
        let mut state = self.0.state.borrow_mut();
        match *state {
            State::Listening(_) if read => {
                let old = std::mem::replace(&mut *state, State::Closed);
                drop(state);
                drop(old);
                self.0.wait.wake();
                Ok(())
            }
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn local(&self) -> Addr {
        Addr::Inet(self.0.local())
    }

    fn peer(&self) -> Result<Addr, Errno> {
        self.0.peer().map(Addr::Inet).ok_or(Errno::ENOTCONN)
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        self.0.poll(table)
    }

    fn take_error(&self) -> Option<Errno> {
        self.0.error.take().or_else(|| self.0.end()?.take_error())
    }

    fn is_listening(&self) -> bool {
        matches!(*self.0.state.borrow(), State::Listening(_))
    }

    fn readable(&self) -> usize {
        self.0.end().map_or(0, |end| end.readable())
    }

    fn unsent(&self) -> usize {
        self.0.end().map_or(0, |end| end.unread_by_peer())
    }

    fn reuse(&self) -> Option<&Reuse> {
        Some(&self.0.reuse)
    }

    fn set_reset_on_close(&self, on: bool) {
        self.0.reset_on_close.set(on);
    }
}
