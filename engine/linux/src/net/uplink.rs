//! The way out of the machine, where the embedder has one: its own sockets.

use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use bottleship_abi::Errno;

use super::NetNs;
use super::host::HostStream;
use super::tcp::TcpState;
use super::udp::UdpState;
use crate::kernel::Kernel;

/// What carries connections and datagrams out of the machine, and answers back.
pub trait Uplink {
    /// Opens a connection; the answer goes to `connection`, later as well.
    fn connect(&self, to: SocketAddr, connection: Outgoing);

    /// Opens a port for a guest's datagrams, whose answers go to `answers`. It closes when it is
    /// dropped. `None` when no more can be had.
    fn open_port(&self, v6: bool, answers: Answers) -> Option<Box<dyn UplinkPort>>;

    /// Who is asked for names that the guests' name server does not know.
    fn name_server(&self) -> Option<SocketAddr>;
}

/// A port for datagrams.
pub trait UplinkPort {
    /// Sends one; it may get lost.
    fn send(&self, data: Vec<u8>, to: SocketAddr);
}

/// A guest's connection that is being made.
pub struct Outgoing(pub(super) Weak<TcpState>);

impl Outgoing {
    /// It is made: the machine's end of it. `None` when the guest gave up.
    pub fn established(self) -> Option<HostStream> {
        self.0.upgrade()?.established_outside()
    }

    /// It failed.
    pub fn failed(self, errno: Errno) {
        if let Some(socket) = self.0.upgrade() {
            socket.fail(errno);
        }
    }

    /// Whether the guest still waits for it.
    pub fn is_wanted(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// Where datagrams from outside go: a guest's socket.
pub struct Answers {
    pub(super) socket: Weak<UdpState>,
    /// Who they are shown to be from, if not from whom they are.
    pub(super) shown: Option<SocketAddr>,
}

impl Answers {
    /// Hands one over; false when the socket is gone.
    pub fn deliver(&self, data: Vec<u8>, from: SocketAddr) -> bool {
        let socket = self.socket.upgrade();
        let Some(socket) = socket else { return false };
        socket.deliver_outside(data, self.shown.unwrap_or(from));
        true
    }
}

/// A port of the machine's for datagrams to and from guests.
pub struct HostUdp(Rc<UdpState>);

impl Kernel {
    /// Gives guests a way out.
    pub fn set_uplink(&self, uplink: Rc<dyn Uplink>) {
        *self.0.network.0.uplink.borrow_mut() = Some(uplink);
    }

    /// A port for datagrams, as a process in `ns` would open it.
    pub fn open_udp(&self, ns: &NetNs, v6: bool) -> HostUdp {
        HostUdp(UdpState::new(ns, v6))
    }
}

impl NetNs {
    /// The way out for an address that is nowhere in the machine.
    pub(super) fn uplink(&self, to: SocketAddr) -> Option<Rc<dyn Uplink>> {
        let uplink = self.0.fabric.uplink.borrow().clone()?;
        self.leads_out(to).then_some(uplink)
    }

    /// Who answers for names that are not the guests' own.
    pub(super) fn name_server(&self) -> Option<(Rc<dyn Uplink>, SocketAddr)> {
        let uplink = self.0.fabric.uplink.borrow().clone()?;
        let server = uplink.name_server()?;
        Some((uplink, server))
    }
}

impl HostUdp {
    /// Takes an address, to be sent to there.
    pub fn bind(&self, at: SocketAddr) -> Result<(), Errno> {
        self.0.bind(at)
    }

    /// Sends a datagram.
    pub fn send(&self, data: &[u8], to: SocketAddr) -> Result<usize, Errno> {
        self.0.send(data, to)
    }

    /// The next datagram, as much of it as fits, and whom it is from.
    pub fn poll_recv(
        &self,
        context: &mut Context,
        buf: &mut [u8],
    ) -> Poll<(usize, Option<SocketAddr>)> {
        self.0.poll_recv(context, buf)
    }

    /// As [`HostUdp::poll_recv`], waiting for one.
    pub async fn recv(&self, buf: &mut [u8]) -> (usize, Option<SocketAddr>) {
        std::future::poll_fn(|context| self.poll_recv(context, buf)).await
    }
}
