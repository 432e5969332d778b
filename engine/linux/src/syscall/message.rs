//! Sending and receiving over sockets.

use std::rc::Rc;

use bottleship_abi::fs::O_PATH;
use bottleship_abi::socket::*;
use bottleship_abi::{Errno, Layout, Signal, get_u32, get_u64};

use super::io::{Span, iovec};
use super::socket::{SocketFile, read_addr, write_addr};
use super::{Args, Cx, Stop, SysResult};
use crate::kernel::file::OpenFile;
use crate::kernel::task::Resume;
use crate::net::socket::{Attached, Received};
use crate::net::{Addr, UnixAddr};

/// One call moves at most this much.
const MAX: u64 = 0x7fff_f000;
/// Bytes that pass through the kernel at a time; larger than any datagram.
const CHUNK: usize = 256 << 10;
/// Bytes of control messages.
const CONTROL_MAX: u64 = 20_480;

/// `struct msghdr`.
struct Header {
    name: u64,
    name_len: u32,
    spans: Vec<Span>,
    control: u64,
    control_len: u64,
}

const HEADER: usize = 56;

fn read_header(cx: &Cx, at: u64) -> Result<Header, Errno> {
    let raw: [u8; HEADER] = cx.read_array(at)?;
    Ok(Header {
        name: get_u64(&raw, 0),
        name_len: get_u32(&raw, 8),
        spans: iovec(cx, get_u64(&raw, 16), get_u64(&raw, 24))?,
        control: get_u64(&raw, 32),
        control_len: get_u64(&raw, 40),
    })
}

/// The bytes of `spans` from `skip` on, up to `max` of them.
fn gather(cx: &Cx, spans: &[Span], mut skip: u64, max: usize) -> Result<Vec<u8>, Errno> {
    let mut data = Vec::new();
    for span in spans {
        if skip >= span.len {
            skip -= span.len;
            continue;
        }
        let len = (span.len - skip).min((max - data.len()) as u64) as usize;
        data.extend(cx.read_vec(span.addr.wrapping_add(skip), len)?);
        skip = 0;
        if data.len() == max {
            break;
        }
    }
    Ok(data)
}

/// Spreads bytes over `spans` from `skip` on.
fn scatter(cx: &Cx, spans: &[Span], mut skip: u64, mut data: &[u8]) -> Result<(), Errno> {
    for span in spans {
        if skip >= span.len {
            skip -= span.len;
            continue;
        }
        let len = data.len().min((span.len - skip) as usize);
        cx.write_mem(span.addr.wrapping_add(skip), &data[..len])?;
        data = &data[len..];
        skip = 0;
    }
    Ok(())
}

fn send(
    cx: &Cx,
    socket: &SocketFile,
    spans: &[Span],
    to: Option<&Addr>,
    files: Vec<Rc<OpenFile>>,
    flags: u32,
) -> SysResult {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let wait = flags & MSG_DONTWAIT == 0 && !socket.0.nonblocking();
    let total: u64 = spans.iter().map(|span| span.len).sum();
    let mut done = 0;
    // A deadline shares the place where a part sent is remembered: with a time limit, what was sent
    // is told at once.
    let timeout = socket.options.send_timeout.get();
    if timeout.is_none()
        && let Some(Resume::Partial(sent)) = cx.t.resume.take()
    {
        done = sent;
    }
    if !socket.is_stream() && total > CHUNK as u64 {
        return Err(Errno::EMSGSIZE.into());
    }
    loop {
        let data = gather(cx, spans, done, CHUNK)?;
        let mut attached = socket.own_attachment(cx);
        if done == 0 {
            attached.files = files.clone();
        }
        match socket.inner.send(cx, &data, to, attached) {
            Ok(n) => {
                done += n as u64;
                if done >= total || !socket.is_stream() {
                    return Ok(done);
                }
            }
            Err(Errno::EAGAIN) if wait && (done == 0 || timeout.is_none()) => {
                let stop = socket.wait(cx, timeout, Errno::EAGAIN);
                if done > 0 {
                    cx.t.resume.replace(Some(Resume::Partial(done)));
                }
                return Err(stop);
            }
            Err(_) if done > 0 => return Ok(done),
            Err(Errno::EPIPE) => {
                if flags & MSG_NOSIGNAL == 0
                    && (socket.is_stream() || socket.kind == SOCK_SEQPACKET)
                {
                    cx.raise(Signal::SIGPIPE);
                }
                return Err(Errno::EPIPE.into());
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What was received; the bytes are in the caller's memory.
struct Got {
    /// To be returned.
    n: u64,
    received: Received,
    truncated: bool,
}

fn receive(cx: &Cx, socket: &SocketFile, spans: &[Span], flags: u32) -> Result<Got, Stop> {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EINVAL.into());
    }
    let wait = flags & MSG_DONTWAIT == 0 && !socket.0.nonblocking();
    let peek = flags & MSG_PEEK != 0;
    let total: u64 = spans.iter().map(|span| span.len).sum();
    let mut all = flags & MSG_WAITALL != 0 && socket.is_stream() && !peek;
    let timeout = socket.options.receive_timeout.get();
    let mut done = 0;
    if timeout.is_none()
        && let Some(Resume::Partial(got)) = cx.t.resume.take()
    {
        done = got;
    }
    let mut buf = vec![0; CHUNK.min((total - done.min(total)) as usize)];
    loop {
        let want = buf.len().min((total - done.min(total)) as usize);
        match socket.inner.recv(&mut buf[..want], peek) {
            Ok(received) => {
                scatter(cx, spans, done, &buf[..received.n])?;
                done += received.n as u64;
                // What is attached belongs to these bytes alone.
                all &= received.n > 0 && received.attached.is_empty();
                if all && done < total {
                    continue;
                }
                let truncated = !socket.is_stream() && received.len > received.n;
                let n = match truncated && flags & MSG_TRUNC != 0 {
                    true => received.len as u64,
                    false => done,
                };
                return Ok(Got {
                    n,
                    received,
                    truncated,
                });
            }
            Err(Errno::EAGAIN) if wait && (done == 0 || timeout.is_none()) => {
                let stop = socket.wait(cx, timeout, Errno::EAGAIN);
                if done > 0 {
                    cx.t.resume.replace(Some(Resume::Partial(done)));
                }
                return Err(stop);
            }
            Err(_) if done > 0 => {
                return Ok(Got {
                    n: done,
                    received: Received::default(),
                    truncated: false,
                });
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn one_span(addr: u64, len: u64) -> [Span; 1] {
    let len = len.min(MAX);
    [Span { addr, len }]
}

pub(super) fn sendto(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    let to = match a[4] {
        0 => None,
        at => Some(read_addr(cx, at, a[5])?),
    };
    let to = to.filter(|_| !(socket.is_stream() && socket.family != AF_UNIX));
    send(
        cx,
        &socket,
        &one_span(a[1], a[2]),
        to.as_ref(),
        Vec::new(),
        a[3] as u32,
    )
}

pub(super) fn recvfrom(cx: &Cx, a: &Args) -> SysResult {
    let socket = SocketFile::get(cx, a[0])?;
    let got = receive(cx, &socket, &one_span(a[1], a[2]), a[3] as u32)?;
    if a[4] != 0 {
        match sender_of(&got.received) {
            Some(from) => write_addr(cx, from, socket.family, a[4], a[5])?,
            None => cx.write_mem(a[5], &0u32.to_le_bytes())?,
        }
    }
    Ok(got.n)
}

/// Where a message comes from, unless that has no name.
fn sender_of(received: &Received) -> Option<&Addr> {
    let unnamed = Addr::Unix(UnixAddr::Unnamed);
    received.from.as_ref().filter(|from| **from != unnamed)
}

pub(super) fn sendmsg(cx: &Cx, a: &Args) -> SysResult {
    send_message(cx, a[0], a[1], a[2] as u32)
}

fn send_message(cx: &Cx, fd: u64, at: u64, flags: u32) -> SysResult {
    let socket = SocketFile::get(cx, fd)?;
    let header = read_header(cx, at)?;
    let to = match header.name {
        0 => None,
        _ if header.name_len == 0 => None,
        name => Some(read_addr(cx, name, header.name_len.into())?),
    };
    let to = to.filter(|_| !(socket.is_stream() && socket.family != AF_UNIX));
    let files = read_control(cx, &header, socket.family)?;
    send(cx, &socket, &header.spans, to.as_ref(), files, flags)
}

/// The descriptors in the control messages.
fn read_control(cx: &Cx, header: &Header, family: u32) -> Result<Vec<Rc<OpenFile>>, Errno> {
    let mut files = Vec::new();
    if header.control == 0 || header.control_len == 0 {
        return Ok(files);
    }
    if header.control_len > CONTROL_MAX {
        return Err(Errno::ENOBUFS);
    }
    let bytes = cx.read_vec(header.control, header.control_len as usize)?;
    let mut rest = &bytes[..];
    while rest.len() >= 16 {
        let len = usize::try_from(get_u64(rest, 0)).unwrap_or(usize::MAX);
        let data = rest.get(16..len).ok_or(Errno::EINVAL)?;
        match (get_u32(rest, 8), get_u32(rest, 12)) {
            (SOL_SOCKET, SCM_RIGHTS) if family == AF_UNIX => {
                if files.len() + data.len() / 4 > SCM_MAX_FD {
                    return Err(Errno::EINVAL);
                }
                for fd in data.chunks_exact(4) {
                    let file = cx.file(u64::from(get_u32(fd, 0)))?;
                    if file.flags.get() & O_PATH != 0 && file.path.is_none() {
                        return Err(Errno::EBADF);
                    }
                    files.push(file);
                }
            }
            // The kernel fills in who sends.
            (SOL_SOCKET, SCM_CREDENTIALS) if family == AF_UNIX => {}
            (SOL_SOCKET, _) => return Err(Errno::EINVAL),
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(files)
}

pub(super) fn recvmsg(cx: &Cx, a: &Args) -> SysResult {
    receive_message(cx, a[0], a[1], a[2] as u32)
}

fn receive_message(cx: &Cx, fd: u64, at: u64, flags: u32) -> SysResult {
    let socket = SocketFile::get(cx, fd)?;
    let header = read_header(cx, at)?;
    let got = receive(cx, &socket, &header.spans, flags)?;
    let mut out_flags = if got.truncated { MSG_TRUNC } else { 0 };
    let name = match sender_of(&got.received) {
        Some(from) => from.encode(socket.family),
        None => Vec::new(),
    };
    if header.name != 0 {
        let n = name.len().min(header.name_len as usize);
        cx.write_mem(header.name, &name[..n])?;
    }
    cx.write_mem(at + 8, &(name.len() as u32).to_le_bytes())?;
    let (control, cut) = write_control(cx, &socket, &header, &got.received, flags)?;
    if cut {
        out_flags |= MSG_CTRUNC;
    }
    cx.write_mem(at + 40, &control.to_le_bytes())?;
    cx.write_mem(at + 48, &out_flags.to_le_bytes())?;
    Ok(got.n)
}

/// Writes the control messages: their length, and whether some did not fit.
fn write_control(
    cx: &Cx,
    socket: &SocketFile,
    header: &Header,
    received: &Received,
    flags: u32,
) -> Result<(u64, bool), Errno> {
    let Attached { files, sender } = &received.attached;
    let mut control = Control {
        start: header.control,
        room: if header.control == 0 {
            0
        } else {
            header.control_len
        },
        at: 0,
        cut: false,
    };
    if socket.inner.pass_creds() {
        let sender = sender.unwrap_or_default();
        let process = cx.k.host_ns().pid.process(sender.pid);
        let pid = process.map_or(0, |p| p.pid_in(cx.t.pid_ns()));
        let data = [
            pid.to_le_bytes(),
            sender.uid.to_le_bytes(),
            sender.gid.to_le_bytes(),
        ]
        .concat();
        control.put(cx, SOL_SOCKET, SCM_CREDENTIALS, &data)?;
    }
    if let Some(ttl) = received.ttl.filter(|_| socket.options.receive_ttl.get()) {
        let (level, kind) = match socket.family {
            AF_INET6 => (IPPROTO_IPV6, IPV6_HOPLIMIT),
            _ => (SOL_IP, IP_TTL),
        };
        control.put(cx, level, kind, &u32::from(ttl).to_le_bytes())?;
    }
    if !files.is_empty() {
        // As many as there is room for; the others are closed.
        let fit = (control.room.saturating_sub(control.at + 16) / 4) as usize;
        let cloexec = if flags & MSG_CMSG_CLOEXEC != 0 {
            SOCK_CLOEXEC
        } else {
            0
        };
        let mut data = Vec::new();
        for file in files.iter().take(fit) {
            match cx.install(file.clone(), cloexec) {
                Ok(fd) => data.extend((fd as u32).to_le_bytes()),
                Err(_) => break,
            }
        }
        control.cut |= data.len() / 4 < files.len();
        if !data.is_empty() {
            control.put(cx, SOL_SOCKET, SCM_RIGHTS, &data)?;
        }
    }
    Ok((control.at, control.cut))
}

/// Control messages being written.
struct Control {
    start: u64,
    room: u64,
    at: u64,
    cut: bool,
}

impl Control {
    fn put(&mut self, cx: &Cx, level: u32, kind: u32, data: &[u8]) -> Result<(), Errno> {
        let len = 16 + data.len() as u64;
        if self.at + len > self.room {
            self.cut = true;
            return Ok(());
        }
        let head: [u8; 16] = Layout::new().u64(0, len).u32(8, level).u32(12, kind).done();
        cx.write_mem(
            self.start.wrapping_add(self.at),
            &[&head[..], data].concat(),
        )?;
        self.at = (self.at + len.next_multiple_of(8)).min(self.room);
        Ok(())
    }
}

/// `struct mmsghdr`: a message header and a length.
const MANY: u64 = 64;

pub(super) fn sendmmsg(cx: &Cx, a: &Args) -> SysResult {
    many(cx, a, |at, flags| send_message(cx, a[0], at, flags))
}

pub(super) fn recvmmsg(cx: &Cx, a: &Args) -> SysResult {
    many(cx, a, |at, flags| receive_message(cx, a[0], at, flags))
}

/// Several messages: waits for the first alone.
fn many(cx: &Cx, a: &Args, one: impl Fn(u64, u32) -> SysResult) -> SysResult {
    let flags = a[3] as u32 & !MSG_WAITFORONE;
    for i in 0..a[2].min(1024) {
        let at = a[1].wrapping_add(i * MANY);
        let flags = if i == 0 { flags } else { flags | MSG_DONTWAIT };
        match one(at, flags) {
            Ok(n) => cx.write_mem(at.wrapping_add(56), &(n as u32).to_le_bytes())?,
            Err(stop) if i == 0 => return Err(stop),
            Err(_) => return Ok(i),
        }
    }
    Ok(a[2].min(1024))
}

/// `read(2)` and `readv(2)` of a socket: one message, or what a stream has.
pub(super) fn read(cx: &Cx, file: &Rc<OpenFile>, spans: &[Span]) -> SysResult {
    let socket = SocketFile(file.clone());
    if spans.iter().all(|span| span.len == 0) {
        return Ok(0);
    }
    Ok(receive(cx, &socket, spans, 0)?.n)
}

/// `write(2)` and `writev(2)` of a socket.
pub(super) fn write(cx: &Cx, file: &Rc<OpenFile>, spans: &[Span]) -> SysResult {
    send(cx, &SocketFile(file.clone()), spans, None, Vec::new(), 0)
}
