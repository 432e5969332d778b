//! What all sockets have in common, and the descriptor they are behind.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

use bottleship_abi::fs::{O_NONBLOCK, O_RDWR, Stat};
use bottleship_abi::socket::{SOCK_NONBLOCK, SOCK_STREAM};
use bottleship_abi::tty::FIONREAD;
use bottleship_abi::{Errno, mode};

use super::NetNs;
use super::addr::Addr;
use crate::kernel::file::{File, OpenFile};
use crate::kernel::wait::PollTable;
use crate::syscall::{Cx, SysResult};

/// Who sent something (`struct ucred`): process number in the host's namespace, user, group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ucred {
    pub pid: u32,
    pub uid: u32,
    pub gid: u32,
}

/// What travels with bytes.
#[derive(Clone, Default)]
pub struct Attached {
    /// Descriptors (`SCM_RIGHTS`).
    pub files: Vec<Rc<OpenFile>>,
    /// The sender, when someone wants to know (`SO_PASSCRED`).
    pub sender: Option<Ucred>,
}

impl Attached {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.sender.is_none()
    }
}

/// What `recvmsg` got.
#[derive(Default)]
pub struct Received {
    /// Bytes put into the buffer.
    pub n: usize,
    /// Bytes that the message has.
    pub len: usize,
    /// From whom, for datagrams.
    pub from: Option<Addr>,
    pub attached: Attached,
    /// Time to live of the packet.
    pub ttl: Option<u8>,
}

/// A family's part of a socket. Nothing here blocks: what cannot proceed answers `EAGAIN`, and
/// [`Protocol::poll`] says when to try again.
pub trait Protocol {
    fn bind(&self, cx: &Cx, addr: &Addr) -> Result<(), Errno>;
    /// `EINPROGRESS` while it is under way; the call is then made again until it answers something
    /// else.
    fn connect(&self, cx: &Cx, addr: &Addr) -> Result<(), Errno>;
    fn listen(&self, _backlog: usize) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn accept(&self) -> Result<Rc<dyn Protocol>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn send(
        &self,
        cx: &Cx,
        data: &[u8],
        to: Option<&Addr>,
        attached: Attached,
    ) -> Result<usize, Errno>;
    fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno>;
    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno>;
    fn local(&self) -> Addr;
    fn peer(&self) -> Result<Addr, Errno>;
    fn poll(&self, table: &mut PollTable) -> u32;
    /// Takes the pending error (`SO_ERROR`).
    fn take_error(&self) -> Option<Errno> {
        None
    }
    fn is_listening(&self) -> bool {
        false
    }
    /// Bytes that the next read can get.
    fn readable(&self) -> usize {
        0
    }
    /// Bytes sent that the other side has not read.
    fn unsent(&self) -> usize {
        0
    }
    fn peer_creds(&self) -> Option<Ucred> {
        None
    }
    /// The other end wants to know who sends.
    fn wants_sender(&self) -> bool {
        false
    }
    fn set_pass_creds(&self, _on: bool) {}
    fn pass_creds(&self) -> bool {
        false
    }
    /// Options of the address' reuse, and of IPv6 alone.
    fn reuse(&self) -> Option<&Reuse> {
        None
    }
    /// Whether to close with a reset (`SO_LINGER` of 0 s).
    fn set_reset_on_close(&self, _on: bool) {}
}

/// How a bound address may be shared.
#[derive(Default)]
pub struct Reuse {
    pub addr: Cell<bool>,
    pub port: Cell<bool>,
    pub v6_only: Cell<bool>,
}

/// A socket.
pub struct Socket {
    pub family: u32,
    pub kind: u32,
    pub protocol: u32,
    pub ns: NetNs,
    pub inner: Rc<dyn Protocol>,
    pub options: Options,
    ino: u64,
}

/// Options that are kept, and for the most part change nothing.
#[derive(Default)]
pub struct Options {
    pub keepalive: Cell<bool>,
    pub broadcast: Cell<bool>,
    pub oob_inline: Cell<bool>,
    pub no_delay: Cell<bool>,
    pub priority: Cell<u32>,
    pub mark: Cell<u32>,
    pub send_buffer: Cell<Option<u32>>,
    pub receive_buffer: Cell<Option<u32>>,
    pub low_water: Cell<u32>,
    pub linger: Cell<(u32, u32)>,
    /// Nanoseconds that a call waits at most.
    pub receive_timeout: Cell<Option<u64>>,
    pub send_timeout: Cell<Option<u64>>,
    pub receive_ttl: Cell<bool>,
    pub ttl: Cell<Option<u32>>,
}

impl Socket {
    pub fn new(
        cx: &Cx,
        ns: &NetNs,
        family: u32,
        kind: u32,
        protocol: u32,
        inner: Rc<dyn Protocol>,
    ) -> Socket {
        Socket {
            family,
            kind,
            protocol,
            ns: ns.clone(),
            inner,
            options: Options::default(),
            ino: cx.k.new_anon_ino(),
        }
    }

    /// A descriptor's worth of it; `flags` as `socket(2)` takes them.
    pub fn open(self, flags: u32) -> Rc<OpenFile> {
        let nonblocking = if flags & SOCK_NONBLOCK != 0 {
            O_NONBLOCK
        } else {
            0
        };
        OpenFile::anon(self, O_RDWR | nonblocking)
    }

    /// Whether messages have no borders.
    pub fn is_stream(&self) -> bool {
        self.kind == SOCK_STREAM
    }

    /// What is attached to a message of the caller's without asking.
    pub fn own_attachment(&self, cx: &Cx) -> Attached {
        let sender = self.inner.wants_sender().then(|| ucred(cx));
        Attached {
            sender,
            ..Attached::default()
        }
    }
}

/// The caller, as a receiver learns of it.
pub fn ucred(cx: &Cx) -> Ucred {
    let creds = cx.creds();
    Ucred {
        pid: cx.t.process.pid_in(&cx.k.host_ns().pid),
        uid: creds.uid,
        gid: creds.gid,
    }
}

impl File for Socket {
    fn read(&self, _: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        Ok(self.inner.recv(buf, false)?.n)
    }

    fn write(&self, cx: &Cx, _: u64, data: &[u8]) -> Result<usize, Errno> {
        self.inner.send(cx, data, None, self.own_attachment(cx))
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        self.inner.poll(table)
    }

    fn ioctl(&self, cx: &Cx, request: u32, arg: u64) -> SysResult {
        let number = match request {
            FIONREAD if self.inner.is_listening() => return Err(Errno::EINVAL.into()),
            FIONREAD => self.inner.readable(),
            bottleship_abi::socket::SIOCOUTQ => self.inner.unsent(),
            _ => return super::ioctl::ioctl(cx, &self.ns, request, arg),
        };
        cx.write_mem(arg, &(number as u32).to_le_bytes())?;
        Ok(0)
    }

    fn stat(&self) -> Stat {
        Stat {
            dev: 8,
            ino: self.ino,
            nlink: 1,
            mode: mode::S_IFSOCK | 0o777,
            blksize: 4096,
            ..Stat::default()
        }
    }

    fn link_name(&self) -> Vec<u8> {
        format!("socket:[{}]", self.ino).into_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
