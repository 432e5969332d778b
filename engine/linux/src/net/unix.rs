//! UNIX domain sockets.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use bottleship_abi::Errno;
use bottleship_abi::fs::AT_FDCWD;
use bottleship_abi::mode::{S_IFMT, S_IFSOCK};
use bottleship_abi::poll::{POLLHUP, POLLRDHUP};
use bottleship_abi::socket::{SOCK_DGRAM, SOCK_SEQPACKET, SOMAXCONN};
use bottleship_vfs::{Access, InodeRef, NewNode, ResolveFlags, permission};

use super::NetNs;
use super::addr::{Addr, UnixAddr};
use super::socket::{Attached, Protocol, Received, Ucred, ucred};
use super::stream::{End, Flavor, pair as connection};
use crate::kernel::file::{IN, OUT};
use crate::kernel::wait::{PollTable, WaitQueue};
use crate::syscall::Cx;

/// Datagrams that wait in a socket at most (`net.unix.max_dgram_qlen` is 10 on a bare Linux; Debian
/// and Docker hosts have 512).
const MAX_DATAGRAMS: usize = 512;
/// The longest datagram.
const MAX_DATAGRAM: usize = 208 << 10;

/// A UNIX socket as sockets of the guest see it.
pub struct Unix(pub Rc<UnixState>);

/// A UNIX socket.
pub struct UnixState {
    kind: u32,
    ns: NetNs,
    name: RefCell<UnixAddr>,
    state: RefCell<State>,
    datagrams: RefCell<VecDeque<Datagram>>,
    /// Where datagrams go when no address is given.
    target: RefCell<Option<Weak<UnixState>>>,
    shut: Cell<(bool, bool)>,
    pass_creds: Cell<bool>,
    owner: Cell<Ucred>,
    error: Cell<Option<Errno>>,
    wait: WaitQueue,
    /// Those who wait for room in `datagrams`, or for a place to be accepted.
    room: WaitQueue,
    /// The inode it is bound to, which knows it for as long as both live.
    inode: RefCell<Option<InodeRef>>,
}

struct Datagram {
    data: Vec<u8>,
    from: UnixAddr,
    attached: Attached,
}

enum State {
    Idle,
    Listening {
        backlog: usize,
        queue: VecDeque<Rc<UnixState>>,
    },
    Connected {
        end: Rc<End>,
        peer: UnixAddr,
        creds: Ucred,
        other: Weak<UnixState>,
    },
}

impl Unix {
    pub fn new(ns: &NetNs, kind: u32) -> Rc<Unix> {
        Rc::new(Unix(UnixState::new(ns, kind)))
    }
}

/// Both ends of `socketpair(2)`.
pub fn pair(cx: &Cx, ns: &NetNs, kind: u32) -> [Rc<dyn Protocol>; 2] {
    let (a, b) = (UnixState::new(ns, kind), UnixState::new(ns, kind));
    let me = ucred(cx);
    if kind == SOCK_DGRAM {
        *a.target.borrow_mut() = Some(Rc::downgrade(&b));
        *b.target.borrow_mut() = Some(Rc::downgrade(&a));
        a.owner.set(me);
        b.owner.set(me);
    } else {
        join(&a, &b, me, me);
    }
    [Rc::new(Unix(a)), Rc::new(Unix(b))]
}

/// Connects two sockets; each learns who the other is.
fn join(a: &Rc<UnixState>, b: &Rc<UnixState>, creds_a: Ucred, creds_b: Ucred) {
    let flavor = if a.kind == SOCK_SEQPACKET {
        Flavor::UnixPackets
    } else {
        Flavor::Unix
    };
    let (end_a, end_b) = connection(flavor);
    let connected = |end, peer: &Rc<UnixState>, creds| State::Connected {
        end: Rc::new(end),
        peer: peer.name.borrow().clone(),
        creds,
        other: Rc::downgrade(peer),
    };
    *a.state.borrow_mut() = connected(end_a, b, creds_b);
    *b.state.borrow_mut() = connected(end_b, a, creds_a);
    a.wait.wake();
    b.wait.wake();
}

impl UnixState {
    pub fn new(ns: &NetNs, kind: u32) -> Rc<UnixState> {
        let state = Rc::new(UnixState {
            kind,
            ns: ns.clone(),
            name: RefCell::default(),
            state: RefCell::new(State::Idle),
            datagrams: RefCell::default(),
            target: RefCell::default(),
            shut: Cell::new((false, false)),
            pass_creds: Cell::new(false),
            owner: Cell::default(),
            error: Cell::new(None),
            wait: WaitQueue::new(),
            room: WaitQueue::new(),
            inode: RefCell::default(),
        });
        let mut all = ns.0.unix_sockets.borrow_mut();
        if all.len() >= 64 && all.len() == all.capacity() {
            all.retain(|s| s.strong_count() > 0);
        }
        all.push(Rc::downgrade(&state));
        state
    }

    /// Takes a name in the namespace.
    fn bind_abstract(self: &Rc<UnixState>, name: Vec<u8>) -> Result<(), Errno> {
        let mut names = self.ns.0.abstract_names.borrow_mut();
        if names.get(&name).is_some_and(|s| s.strong_count() > 0) {
            return Err(Errno::EADDRINUSE);
        }
        names.insert(name.clone(), Rc::downgrade(self));
        *self.name.borrow_mut() = UnixAddr::Abstract(name);
        Ok(())
    }

    /// A name of five hexadecimal digits, as Linux gives to who asks for none.
    fn bind_automatically(self: &Rc<UnixState>) -> Result<(), Errno> {
        for _ in 0..1 << 20 {
            let number = (self.ns.0.last_abstract.get() + 1) & 0xf_ffff;
            self.ns.0.last_abstract.set(number);
            if self
                .bind_abstract(format!("{number:05x}").into_bytes())
                .is_ok()
            {
                return Ok(());
            }
        }
        Err(Errno::ENOSPC)
    }

    /// Hangs the socket behind an inode.
    pub fn bind_inode(self: &Rc<UnixState>, inode: &InodeRef, path: Vec<u8>) -> Result<(), Errno> {
        inode.attachment().ok_or(Errno::EINVAL)?.set(self);
        *self.inode.borrow_mut() = Some(inode.clone());
        *self.name.borrow_mut() = UnixAddr::Path(path);
        Ok(())
    }

    pub fn listen(&self, backlog: usize, creds: Ucred) -> Result<(), Errno> {
        if self.kind == SOCK_DGRAM {
            return Err(Errno::EOPNOTSUPP);
        }
        if *self.name.borrow() == UnixAddr::Unnamed {
            return Err(Errno::EINVAL);
        }
        self.owner.set(creds);
        let limit = backlog.min(SOMAXCONN) + 1;
        let mut state = self.state.borrow_mut();
        match &mut *state {
            State::Listening { backlog, .. } => *backlog = limit,
            State::Idle => {
                *state = State::Listening {
                    backlog: limit,
                    queue: VecDeque::new(),
                };
            }
            State::Connected { .. } => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    pub fn accept(&self) -> Result<Rc<UnixState>, Errno> {
        let mut state = self.state.borrow_mut();
        let State::Listening { queue, .. } = &mut *state else {
            return Err(Errno::EINVAL);
        };
        let accepted = queue.pop_front().ok_or(Errno::EAGAIN)?;
        drop(state);
        self.room.wake();
        Ok(accepted)
    }

    /// Connects to a listening socket; `EAGAIN` when its queue is full.
    fn connect_to(
        self: &Rc<UnixState>,
        listener: &Rc<UnixState>,
        creds: Ucred,
    ) -> Result<(), Errno> {
        if listener.kind != self.kind {
            return Err(Errno::EPROTOTYPE);
        }
        let accepted = {
            let mut state = listener.state.borrow_mut();
            let State::Listening { backlog, queue } = &mut *state else {
                return Err(Errno::ECONNREFUSED);
            };
            if queue.len() >= *backlog {
                return Err(Errno::EAGAIN);
            }
            let accepted = UnixState::new(&listener.ns, self.kind);
            *accepted.name.borrow_mut() = listener.name.borrow().clone();
            queue.push_back(accepted.clone());
            accepted
        };
        join(self, &accepted, creds, listener.owner.get());
        listener.wait.wake();
        Ok(())
    }

    pub fn end(&self) -> Option<Rc<End>> {
        match &*self.state.borrow() {
            State::Connected { end, .. } => Some(end.clone()),
            _ => None,
        }
    }

    /// The socket at a name.
    fn find(&self, cx: &Cx, name: &UnixAddr) -> Result<Rc<UnixState>, Errno> {
        match name {
            UnixAddr::Unnamed => Err(Errno::EINVAL),
            UnixAddr::Abstract(name) => {
                let names = self.ns.0.abstract_names.borrow();
                names
                    .get(name)
                    .and_then(Weak::upgrade)
                    .ok_or(Errno::ECONNREFUSED)
            }
            UnixAddr::Path(path) => cx.walk(AT_FDCWD, path, |walk| {
                let found = walk.resolve(path, ResolveFlags::FOLLOW)?;
                let attr = found.attr()?;
                permission(&attr, walk.creds, Access::WRITE)?;
                if attr.mode & S_IFMT != S_IFSOCK {
                    return Err(Errno::ECONNREFUSED);
                }
                let bound = found
                    .inode()
                    .attachment()
                    .and_then(|a| a.get::<UnixState>());
                bound.ok_or(Errno::ECONNREFUSED)
            }),
        }
    }

    fn send_datagram(
        self: &Rc<UnixState>,
        to: &Rc<UnixState>,
        data: &[u8],
        attached: Attached,
    ) -> Result<usize, Errno> {
        if to.kind != SOCK_DGRAM {
            return Err(Errno::EPROTOTYPE);
        }
        if data.len() > MAX_DATAGRAM {
            return Err(Errno::EMSGSIZE);
        }
        // A connected socket takes datagrams from its peer alone.
        let target = to.target.borrow().as_ref().and_then(Weak::upgrade);
        if target.is_some_and(|t| !Rc::ptr_eq(&t, self)) {
            return Err(Errno::EPERM);
        }
        if to.shut.get().0 {
            return Err(Errno::EPIPE);
        }
        let mut datagrams = to.datagrams.borrow_mut();
        let bytes: usize = datagrams.iter().map(|d| d.data.len()).sum();
        if datagrams.len() >= MAX_DATAGRAMS || bytes + data.len() > 4 * MAX_DATAGRAM {
            return Err(Errno::EAGAIN);
        }
        datagrams.push_back(Datagram {
            data: data.to_vec(),
            from: self.name.borrow().clone(),
            attached,
        });
        drop(datagrams);
        to.wait.wake();
        Ok(data.len())
    }

    fn target(&self) -> Result<Rc<UnixState>, Errno> {
        match &*self.target.borrow() {
            Some(target) => target.upgrade().ok_or(Errno::ECONNREFUSED),
            None => Err(Errno::ENOTCONN),
        }
    }

    pub fn wait(&self) -> &WaitQueue {
        &self.wait
    }

    /// Reference count, type, state and name for `/proc/net/unix`.
    pub fn proc_line(&self) -> (u32, bool, u8, UnixAddr) {
        let state = self.state.borrow();
        let listening = matches!(*state, State::Listening { .. });
        let number = if matches!(*state, State::Connected { .. }) {
            3
        } else {
            1
        };
        (self.kind, listening, number, self.name.borrow().clone())
    }
}

impl Drop for UnixState {
    fn drop(&mut self) {
        if let UnixAddr::Abstract(name) = self.name.get_mut() {
            let mut names = self.ns.0.abstract_names.borrow_mut();
            if names.get(name).is_some_and(|s| s.strong_count() == 0) {
                names.remove(name);
            }
        }
        if let State::Listening { queue, .. } = self.state.get_mut() {
            for accepted in queue.drain(..) {
                if let Some(end) = accepted.end() {
                    end.reset();
                }
            }
        }
        self.room.wake();
    }
}

impl Protocol for Unix {
    fn bind(&self, cx: &Cx, addr: &Addr) -> Result<(), Errno> {
        let Addr::Unix(name) = addr else {
            return Err(Errno::EINVAL);
        };
        let bound = *self.0.name.borrow() != UnixAddr::Unnamed;
        self.0.owner.set(ucred(cx));
        match name {
            UnixAddr::Path(path) => {
                let mode = 0o777 & !cx.t.fs().umask.get();
                cx.walk(AT_FDCWD, path, |walk| {
                    let made = walk.mknod(path, NewNode::Socket, mode);
                    let made = match made {
                        Err(Errno::EEXIST) => return Err(Errno::EADDRINUSE),
                        made => made?,
                    };
                    // Linux makes the file before it looks whether the socket has a name.
                    if bound {
                        walk.unlink(path)?;
                        return Err(Errno::EINVAL);
                    }
                    self.0.bind_inode(made.inode(), path.clone())
                })
            }
            _ if bound => Err(Errno::EINVAL),
            UnixAddr::Unnamed => self.0.bind_automatically(),
            UnixAddr::Abstract(name) => self.0.bind_abstract(name.clone()),
        }
    }

    fn connect(&self, cx: &Cx, addr: &Addr) -> Result<(), Errno> {
        let name = match addr {
            Addr::Unspec if self.0.kind == SOCK_DGRAM => {
                *self.0.target.borrow_mut() = None;
                return Ok(());
            }
            Addr::Unix(name) => name,
            _ => return Err(Errno::EINVAL),
        };
        if matches!(*self.0.state.borrow(), State::Connected { .. }) {
            return Err(Errno::EISCONN);
        }
        if matches!(*self.0.state.borrow(), State::Listening { .. }) {
            return Err(Errno::EINVAL);
        }
        let found = self.0.find(cx, name)?;
        if self.0.kind == SOCK_DGRAM {
            if found.kind != SOCK_DGRAM {
                return Err(Errno::EPROTOTYPE);
            }
            *self.0.target.borrow_mut() = Some(Rc::downgrade(&found));
            return Ok(());
        }
        let result = self.0.connect_to(&found, ucred(cx));
        if result == Err(Errno::EAGAIN) {
            found.room.add_task(cx.t);
        }
        result
    }

    fn listen(&self, backlog: usize) -> Result<(), Errno> {
        self.0.listen(backlog, self.0.owner.get())
    }

    fn accept(&self) -> Result<Rc<dyn Protocol>, Errno> {
        Ok(Rc::new(Unix(self.0.accept()?)))
    }

    fn send(
        &self,
        cx: &Cx,
        data: &[u8],
        to: Option<&Addr>,
        attached: Attached,
    ) -> Result<usize, Errno> {
        if self.0.shut.get().1 {
            return Err(Errno::EPIPE);
        }
        if self.0.kind != SOCK_DGRAM {
            if to.is_some() {
                let connected = self.0.end().is_some();
                return Err(if connected {
                    Errno::EISCONN
                } else {
                    Errno::EOPNOTSUPP
                });
            }
            let end = self.0.end().ok_or(Errno::ENOTCONN)?;
            return end.send(data, attached);
        }
        let target = match to {
            Some(Addr::Unix(name)) => self.0.find(cx, name)?,
            Some(_) => return Err(Errno::EINVAL),
            None => self.0.target()?,
        };
        let result = self.0.send_datagram(&target, data, attached);
        if result == Err(Errno::EAGAIN) {
            target.room.add_task(cx.t);
        }
        result
    }

    fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        if self.0.kind != SOCK_DGRAM {
            let Some(end) = self.0.end() else {
                let listening = matches!(*self.0.state.borrow(), State::Listening { .. });
                return Err(if listening {
                    Errno::EINVAL
                } else {
                    Errno::ENOTCONN
                });
            };
            return end.recv(buf, peek);
        }
        let mut datagrams = self.0.datagrams.borrow_mut();
        let Some(first) = datagrams.front() else {
            return match self.0.shut.get().0 {
                true => Ok(Received::default()),
                false => Err(Errno::EAGAIN),
            };
        };
        let (n, len) = (first.data.len().min(buf.len()), first.data.len());
        buf[..n].copy_from_slice(&first.data[..n]);
        let received = Received {
            n,
            len,
            from: Some(Addr::Unix(first.from.clone())),
            attached: first.attached.clone(),
            ttl: None,
        };
        if !peek {
            datagrams.pop_front();
            drop(datagrams);
            self.0.room.wake();
        }
        Ok(received)
    }

    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno> {
        if let Some(end) = self.0.end() {
            end.shutdown(read, write);
            return Ok(());
        }
        if self.0.kind != SOCK_DGRAM {
            return Err(Errno::ENOTCONN);
        }
        let (r, w) = self.0.shut.get();
        self.0.shut.set((r || read, w || write));
        self.0.wait.wake();
        Ok(())
    }

    fn local(&self) -> Addr {
        Addr::Unix(self.0.name.borrow().clone())
    }

    fn peer(&self) -> Result<Addr, Errno> {
        if self.0.kind == SOCK_DGRAM {
            let target = self.0.target()?;
            let name = target.name.borrow().clone();
            return Ok(Addr::Unix(name));
        }
        match &*self.0.state.borrow() {
            State::Connected { peer, .. } => Ok(Addr::Unix(peer.clone())),
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.0.wait);
        if self.0.kind == SOCK_DGRAM {
            let mut ready = if self.0.datagrams.borrow().is_empty() {
                0
            } else {
                IN
            };
            match self.0.target() {
                Ok(target) => {
                    table.add(&target.room);
                    if target.datagrams.borrow().len() < MAX_DATAGRAMS {
                        ready |= OUT;
                    }
                }
                Err(_) => ready |= OUT,
            }
            if self.0.shut.get().0 {
                ready |= IN | POLLRDHUP;
            }
            return ready;
        }
        match &*self.0.state.borrow() {
            State::Connected { end, .. } => end.poll(table),
            State::Listening { queue, .. } if queue.is_empty() => 0,
            State::Listening { .. } => IN,
            State::Idle => OUT | POLLHUP,
        }
    }

    fn take_error(&self) -> Option<Errno> {
        self.0.error.take().or_else(|| self.0.end()?.take_error())
    }

    fn is_listening(&self) -> bool {
        matches!(*self.0.state.borrow(), State::Listening { .. })
    }

    fn readable(&self) -> usize {
        match self.0.end() {
            Some(end) => end.readable(),
            None => self
                .0
                .datagrams
                .borrow()
                .front()
                .map_or(0, |d| d.data.len()),
        }
    }

    fn unsent(&self) -> usize {
        self.0.end().map_or(0, |end| end.unread_by_peer())
    }

    fn peer_creds(&self) -> Option<Ucred> {
        match &*self.0.state.borrow() {
            State::Connected { creds, .. } => Some(*creds),
            _ if self.0.kind == SOCK_DGRAM => Some(self.0.owner.get()),
            _ => None,
        }
    }

    fn wants_sender(&self) -> bool {
        let other = match &*self.0.state.borrow() {
            State::Connected { other, .. } => other.upgrade(),
            _ => None,
        };
        let target = self.0.target().ok();
        let wants = |s: &Rc<UnixState>| s.pass_creds.get();
        // The receiver of an addressed datagram is not known yet: its sender goes along.
        other
            .or(target)
            .as_ref()
            .map_or(self.0.kind == SOCK_DGRAM, wants)
            || self.0.pass_creds.get()
    }

    fn set_pass_creds(&self, on: bool) {
        self.0.pass_creds.set(on);
    }

    fn pass_creds(&self) -> bool {
        self.0.pass_creds.get()
    }
}
