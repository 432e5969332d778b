//! Sockets: making, naming, connecting.

use std::ops::Deref;
use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::socket::*;

use super::{Args, Cx, Restart, Stop, SysResult};
use crate::kernel::file::OpenFile;
use crate::kernel::wait::PollTable;
use crate::net::{self, Addr, Socket};

/// A descriptor's socket.
pub(super) struct SocketFile(pub Rc<OpenFile>);

impl SocketFile {
    /// `ENOTSOCK` for other descriptors.
    pub fn get(cx: &Cx, fd: u64) -> Result<SocketFile, Errno> {
        let file = cx.io_file(fd)?;
        match file.downcast::<Socket>() {
            Some(_) => Ok(SocketFile(file)),
            None => Err(Errno::ENOTSOCK),
        }
    }

    /// Waits for a change, no longer than `timeout` (ns); then the call fails with `late`.
    pub fn wait(&self, cx: &Cx, timeout: Option<u64>, late: Errno) -> Stop {
        let deadline = cx.deadline(timeout);
        if deadline.is_some_and(|at| at <= cx.now()) {
            return late.into();
        }
        self.0.file.poll(&mut PollTable::for_task(cx.t));
        cx.park_until(deadline, Restart::Sys)
    }
}

impl Deref for SocketFile {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        self.0.downcast().expect("checked by `get`")
    }
}

pub(super) fn read_addr(cx: &Cx, at: u64, len: u64) -> Result<Addr, Errno> {
    let len = len as u32 as usize;
    if len > 128 {
        return Err(Errno::EINVAL);
    }
    Addr::parse(&cx.read_vec(at, len)?)
}

/// An address for `bind` and `connect`: long enough for the socket's family.
fn own_addr(cx: &Cx, socket: &Socket, at: u64, len: u64) -> Result<Addr, Errno> {
    let addr = read_addr(cx, at, len)?;
    let least = match socket.family {
        AF_INET => 16,
        AF_INET6 => 24,
        _ => 0,
    };
    match addr != Addr::Unspec && (len as u32) < least {
        true => Err(Errno::EINVAL),
        false => Ok(addr),
    }
}

/// Writes as much of an address as the caller has room for, and its whole length.
pub(super) fn write_addr(
    cx: &Cx,
    addr: &Addr,
    family: u32,
    at: u64,
    len_at: u64,
) -> Result<(), Errno> {
    if at == 0 {
        return Ok(());
    }
    let room = cx.read_u32(len_at)? as i32;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let bytes = addr.encode(family);
    cx.write_mem(at, &bytes[..bytes.len().min(room)])?;
    cx.write_mem(len_at, &(bytes.len() as u32).to_le_bytes())
}

pub(super) fn socket(cx: &Cx, a: &Args) -> SysResult {
    let file = net::socket(cx, a[0] as u32, a[1] as u32, a[2] as u32)?;
    cx.install(file, a[1] as u32)
}

pub(super) fn socketpair(cx: &Cx, a: &Args) -> SysResult {
    let [first, second] = net::socketpair(cx, a[0] as u32, a[1] as u32, a[2] as u32)?;
    let first = cx.install(first, a[1] as u32)?;
    let second = match cx.install(second, a[1] as u32) {
        Ok(fd) => fd,
        Err(stop) => {
            drop(cx.files().take(first as i32));
            return Err(stop);
        }
    };
    let fds = [(first as u32).to_le_bytes(), (second as u32).to_le_bytes()].concat();
    cx.write_mem(a[3], &fds)?;
    Ok(0)
}

pub(super) fn bind(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    let addr = own_addr(cx, &socket, a[1], a[2])?;
    socket.inner.bind(cx, &addr)?;
    Ok(0)
}

pub(super) fn listen(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    // A negative number is a large one, as Linux compares without a sign.
    socket.inner.listen(a[1] as u32 as usize)?;
    Ok(0)
}

pub(super) fn connect(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    let addr = own_addr(cx, &socket, a[1], a[2])?;
    let nonblocking = socket.0.nonblocking();
    let mut result = socket.inner.connect(cx, &addr);
    if result == Err(Errno::EINPROGRESS) && !nonblocking {
        result = socket.inner.connect(cx, &addr);
    }
    match result {
        Ok(()) => Ok(0),
        Err(Errno::EALREADY | Errno::EAGAIN) if !nonblocking => {
            let timeout = socket.options.send_timeout.get();
            Err(socket.wait(cx, timeout, Errno::EINPROGRESS))
        }
        Err(errno) => Err(errno.into()),
    }
}

pub(super) fn accept(cx: &Cx, a: &Args) -> SysResult {
    accept4(cx, &[a[0], a[1], a[2], 0, 0, 0])
}

pub(super) fn accept4(cx: &Cx, a: &Args) -> SysResult {
    let flags = a[3] as u32;
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let socket = SocketFile::get(cx, a[0])?;
    let inner = match socket.inner.accept() {
        Ok(inner) => inner,
        Err(Errno::EAGAIN) if !socket.0.nonblocking() => {
            let timeout = socket.options.receive_timeout.get();
            return Err(socket.wait(cx, timeout, Errno::EAGAIN));
        }
        Err(errno) => return Err(errno.into()),
    };
    let peer = inner.peer().unwrap_or(Addr::Unspec);
    let (family, kind, protocol) = (socket.family, socket.kind, socket.protocol);
    let accepted = Socket::new(cx, &socket.ns, family, kind, protocol, inner);
    let fd = cx.install(accepted.open(flags), flags)?;
    if let Err(errno) = write_addr(cx, &peer, family, a[1], a[2]) {
        drop(cx.files().take(fd as i32));
        return Err(errno.into());
    }
    Ok(fd)
}

pub(super) fn shutdown(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    let (read, write) = match a[1] as u32 {
        SHUT_RD => (true, false),
        SHUT_WR => (false, true),
        SHUT_RDWR => (true, true),
        _ => return Err(Errno::EINVAL.into()),
    };
    socket.inner.shutdown(read, write)?;
    Ok(0)
}

pub(super) fn getsockname(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    write_addr(cx, &socket.inner.local(), socket.family, a[1], a[2])?;
    Ok(0)
}

pub(super) fn getpeername(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    write_addr(cx, &socket.inner.peer()?, socket.family, a[1], a[2])?;
    Ok(0)
}

pub(super) fn setsockopt(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    let len = a[4] as u32 as i32;
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?.min(4096);
    let value = cx.read_vec(a[3], len)?;
    net::options::set(cx, &socket, a[1] as u32, a[2] as u32, &value)?;
    Ok(0)
}

pub(super) fn getsockopt(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    let room = cx.read_u32(a[4])? as i32;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let value = net::options::get(cx, &socket, a[1] as u32, a[2] as u32)?;
    let n = value.len().min(room);
    cx.write_mem(a[3], &value[..n])?;
    cx.write_mem(a[4], &(n as u32).to_le_bytes())?;
    Ok(0)
}
