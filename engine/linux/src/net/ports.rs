//! Who is bound to which port.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};

use bottleship_abi::Errno;

use super::socket::Reuse;

/// Ports given out when none is asked for (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// The ports of one protocol in one namespace.
pub struct Ports<T> {
    bound: RefCell<BTreeMap<u16, Vec<Bound<T>>>>,
    next: Cell<u16>,
    ids: Cell<u64>,
}

struct Bound<T> {
    id: u64,
    ip: IpAddr,
    v6: bool,
    v6_only: bool,
    reuse_addr: bool,
    reuse_port: bool,
    socket: Weak<T>,
}

impl<T> Default for Ports<T> {
    fn default() -> Self {
        Ports {
            bound: RefCell::default(),
            next: Cell::new(*EPHEMERAL.start()),
            ids: Cell::new(0),
        }
    }
}

/// A bound port. Dropping it frees the port.
pub struct Port<T> {
    ports: Weak<Ports<T>>,
    addr: SocketAddr,
    id: u64,
}

impl<T> Port<T> {
    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl<T> Drop for Port<T> {
    fn drop(&mut self) {
        if let Some(ports) = self.ports.upgrade() {
            let mut bound = ports.bound.borrow_mut();
            if let Some(list) = bound.get_mut(&self.addr.port()) {
                list.retain(|b| b.id != self.id);
                if list.is_empty() {
                    bound.remove(&self.addr.port());
                }
            }
        }
    }
}

impl<T> Ports<T> {
    /// Binds an address, or with port 0 the next free port. `listens` tells which sockets nothing
    /// can share an address with.
    pub fn bind(
        self: &Rc<Self>,
        addr: SocketAddr,
        v6: bool,
        reuse: &Reuse,
        socket: &Rc<T>,
        listens: impl Fn(&T) -> bool,
    ) -> Result<Port<T>, Errno> {
        let mut entry = Bound {
            id: self.ids.get() + 1,
            ip: addr.ip(),
            v6,
            v6_only: reuse.v6_only.get(),
            reuse_addr: reuse.addr.get(),
            reuse_port: reuse.port.get(),
            socket: Rc::downgrade(socket),
        };
        self.ids.set(entry.id);
        let mut bound = self.bound.borrow_mut();
        let free = |port: u16, entry: &Bound<T>| {
            let others = bound.get(&port).into_iter().flatten();
            others.filter(|b| b.socket.strong_count() > 0).all(|b| {
                let shared = (b.reuse_port && entry.reuse_port)
                    || (b.reuse_addr
                        && entry.reuse_addr
                        && !b.socket.upgrade().is_some_and(|s| listens(&s)));
                shared || !overlap(b, entry)
            })
        };
        let port = match addr.port() {
            0 => {
                // Sharing is for those who name the port.
                let asked = std::mem::take(&mut entry.reuse_addr);
                let span = EPHEMERAL.end() - EPHEMERAL.start() + 1;
                let first = self.next.get() - EPHEMERAL.start();
                let port = (0..span)
                    .map(|i| EPHEMERAL.start() + (first + i) % span)
                    .find(|port| free(*port, &entry))
                    .ok_or(Errno::EADDRINUSE)?;
                let after = port + 1;
                self.next.set(if EPHEMERAL.contains(&after) {
                    after
                } else {
                    *EPHEMERAL.start()
                });
                entry.reuse_addr = asked;
                port
            }
            port if free(port, &entry) => port,
            _ => return Err(Errno::EADDRINUSE),
        };
        let id = entry.id;
        bound.entry(port).or_default().push(entry);
        Ok(Port {
            ports: Rc::downgrade(self),
            addr: SocketAddr::new(addr.ip(), port),
            id,
        })
    }

    /// The socket that gets what is sent to an address: one bound to just that, else to any; of
    /// several that share it, the last bound for which `wants` is true.
    pub fn find(&self, to: SocketAddr, wants: impl Fn(&T) -> bool) -> Option<Rc<T>> {
        let bound = self.bound.borrow();
        let list = bound.get(&to.port())?;
        let pick = |exact: bool| {
            list.iter().rev().find_map(|b| {
                let hit = match exact {
                    true => b.ip == to.ip(),
                    false => takes_any(b, to.ip()),
                };
                let socket = hit.then(|| b.socket.upgrade()).flatten()?;
                wants(&socket).then_some(socket)
            })
        };
        pick(true).or_else(|| pick(false))
    }

    /// Whether a socket has the port at this address.
    pub fn has(&self, addr: SocketAddr) -> bool {
        let bound = self.bound.borrow();
        bound.get(&addr.port()).into_iter().flatten().any(|b| {
            let any = b.ip.is_unspecified() || addr.ip().is_unspecified();
            b.socket.strong_count() > 0 && (any || b.ip == addr.ip())
        })
    }

    /// All bound sockets, by port.
    pub fn all(&self) -> Vec<Rc<T>> {
        let bound = self.bound.borrow();
        bound
            .values()
            .flatten()
            .filter_map(|b| b.socket.upgrade())
            .collect()
    }
}

/// Whether a socket bound to any address takes what is for this one.
fn takes_any<T>(b: &Bound<T>, ip: IpAddr) -> bool {
    b.ip.is_unspecified() && (b.v6 || ip.is_ipv4()) && !(b.v6_only && ip.is_ipv4())
}

fn overlap<T>(a: &Bound<T>, b: &Bound<T>) -> bool {
    let any = |x: &Bound<T>, y: &Bound<T>| {
        let families =
            (x.v6 && !x.v6_only) || x.v6 == y.v6 || (y.ip.is_unspecified() && y.v6 && !y.v6_only);
        x.ip.is_unspecified() && families && (x.v6 || y.ip.is_ipv4() || y.ip.is_unspecified())
    };
    a.ip == b.ip && a.v6 == b.v6
        || any(a, b)
        || any(b, a)
        || (a.ip == b.ip && !a.ip.is_unspecified())
}
