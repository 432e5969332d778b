//! Reading and writing.

use std::rc::Rc;

use bottleship_abi::fs::{O_APPEND, SEEK_END, SEEK_SET};
use bottleship_abi::{Errno, Signal, get_u64};
use bottleship_vfs::AllocateMode;
use bottleship_x86::Access;

use super::{Args, Cx, Restart, Stop, SysResult};
use crate::kernel::file::OpenFile;
use crate::kernel::pipe::PipeEnd;
use crate::kernel::task::Resume;
use crate::net::Socket;

/// One transfer moves at most this much (`MAX_RW_COUNT`).
const MAX: u64 = 0x7fff_f000;
/// Bytes that pass through the kernel at a time.
const CHUNK: usize = 128 * 1024;
/// `UIO_MAXIOV`.
const MAX_IOV: u64 = 1024;

/// A range of guest memory.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub addr: u64,
    pub len: u64,
}

/// Borrows the kernel's buffer, or makes one when it is in use.
fn with_buffer<R>(cx: &Cx, len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = cx.k.scratch.take();
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let result = f(&mut buffer[..len]);
    cx.k.scratch.replace(buffer);
    result
}

pub(super) fn iovec(cx: &Cx, at: u64, count: u64) -> Result<Vec<Span>, Errno> {
    if count > MAX_IOV {
        return Err(Errno::EINVAL);
    }
    let bytes = cx.read_vec(at, count as usize * 16)?;
    let mut left = MAX;
    let mut spans = Vec::with_capacity(count as usize);
    for entry in bytes.chunks_exact(16) {
        let len = get_u64(entry, 8);
        if len > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        let len = len.min(left);
        left -= len;
        spans.push(Span {
            addr: get_u64(entry, 0),
            len,
        });
    }
    Ok(spans)
}

/// Waits for data; 0 when the file's own time limit is over.
fn wait_to_read(cx: &Cx, file: &Rc<OpenFile>) -> SysResult {
    let Some(timeout) = file.file.read_timeout() else {
        return Err(cx.wait_file(file));
    };
    let deadline = cx.deadline(Some(timeout));
    if deadline.is_some_and(|at| at <= cx.now()) {
        return Ok(0);
    }
    cx.wait_file(file);
    Err(cx.park_until(deadline, Restart::Sys))
}

/// Reads into `spans`, at `pos` or at the description's offset.
pub(super) fn read_spans(
    cx: &Cx,
    file: &Rc<OpenFile>,
    spans: &[Span],
    pos: Option<u64>,
) -> SysResult {
    if file.downcast::<Socket>().is_some() && pos.is_none() {
        return super::message::read(cx, file, spans);
    }
    let mut done = 0u64;
    for span in spans.iter().filter(|span| span.len > 0) {
        let mut at = 0;
        while at < span.len {
            let want = (span.len - at).min(CHUNK as u64);
            let want = match cx
                .t
                .mm()?
                .accessible(span.addr.wrapping_add(at), want, Access::Write)
            {
                Ok(n) => n as usize,
                Err(error) if done == 0 => return Err(error.into()),
                Err(_) => return Ok(done),
            };
            let result = with_buffer(cx, want, |buf| {
                let n = match pos {
                    None => file.read(cx, buf)?,
                    Some(_) if !file.readable() => return Err(Errno::EBADF),
                    Some(pos) => file.file.read(cx, pos.saturating_add(done), buf)?,
                };
                cx.write_mem(span.addr.wrapping_add(at), &buf[..n])?;
                Ok(n)
            });
            match result {
                Ok(n) => {
                    done += n as u64;
                    at += n as u64;
                    // Short: the end, or all that a stream has now.
                    if n < want {
                        return Ok(done);
                    }
                    // A stream with data may have no more; asking would block.
                    if !file.file.is_seekable() && at < span.len {
                        continue;
                    }
                }
                Err(_) if done > 0 => return Ok(done),
                Err(Errno::EAGAIN) if !file.nonblocking() => return wait_to_read(cx, file),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    if done == 0 && spans.iter().all(|span| span.len == 0) {
        let n = match pos {
            None => file.read(cx, &mut [])?,
            Some(_) if !file.readable() => return Err(Errno::EBADF.into()),
            Some(_) => 0,
        };
        return Ok(n as u64);
    }
    Ok(done)
}

/// Writes `spans`, at `pos` or at the description's offset.
pub(super) fn write_spans(
    cx: &Cx,
    file: &Rc<OpenFile>,
    spans: &[Span],
    pos: Option<u64>,
) -> SysResult {
    if file.downcast::<Socket>().is_some() && pos.is_none() {
        return super::message::write(cx, file, spans);
    }
    let mut done = match cx.t.resume.take() {
        Some(Resume::Partial(done)) => done,
        _ => 0,
    };
    let mut skip = done;
    for span in spans {
        if skip >= span.len && span.len > 0 {
            skip -= span.len;
            continue;
        }
        let mut at = std::mem::take(&mut skip);
        loop {
            let want = (span.len - at).min(CHUNK as u64);
            let want = match cx
                .t
                .mm()?
                .accessible(span.addr.wrapping_add(at), want, Access::Read)
            {
                Ok(n) => n as usize,
                Err(error) if done == 0 => return Err(error.into()),
                Err(_) => return Ok(done),
            };
            let result = with_buffer(cx, want, |buf| {
                cx.read_mem(span.addr.wrapping_add(at), buf)?;
                match pos {
                    None => file.write(cx, buf),
                    Some(_) if !file.writable() => Err(Errno::EBADF),
                    Some(pos) => file.file.write(cx, pos.saturating_add(done), buf),
                }
            });
            match result {
                Ok(n) => {
                    done += n as u64;
                    at += n as u64;
                    if n < want && (file.file.is_seekable() || file.nonblocking()) {
                        return Ok(done);
                    }
                }
                Err(Errno::EAGAIN) if !file.nonblocking() => {
                    if done > 0 {
                        cx.t.resume.replace(Some(Resume::Partial(done)));
                    }
                    return Err(cx.wait_file(file));
                }
                Err(_) if done > 0 => return Ok(done),
                Err(Errno::EPIPE) => {
                    cx.raise(Signal::SIGPIPE);
                    return Err(Errno::EPIPE.into());
                }
                Err(errno) => return Err(errno.into()),
            }
            if at >= span.len {
                break;
            }
        }
    }
    Ok(done)
}

pub(super) fn read(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    read_spans(
        cx,
        &file,
        &[Span {
            addr: a[1],
            len: a[2].min(MAX),
        }],
        None,
    )
}

pub(super) fn write(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    write_spans(
        cx,
        &file,
        &[Span {
            addr: a[1],
            len: a[2].min(MAX),
        }],
        None,
    )
}

fn position(file: &OpenFile, pos: u64) -> Result<u64, Errno> {
    if (pos as i64) < 0 {
        return Err(Errno::EINVAL);
    }
    if !file.file.is_seekable() {
        return Err(Errno::ESPIPE);
    }
    Ok(pos)
}

/// Where `pwrite` writes: the end of an append-only description, as Linux does.
fn write_position(file: &OpenFile, pos: u64) -> Result<u64, Errno> {
    let pos = position(file, pos)?;
    match file.file.inode() {
        Some(inode) if file.flags.get() & O_APPEND != 0 => Ok(inode.attr()?.size),
        _ => Ok(pos),
    }
}

pub(super) fn pread64(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let pos = position(&file, a[3])?;
    read_spans(
        cx,
        &file,
        &[Span {
            addr: a[1],
            len: a[2].min(MAX),
        }],
        Some(pos),
    )
}

pub(super) fn pwrite64(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let pos = write_position(&file, a[3])?;
    write_spans(
        cx,
        &file,
        &[Span {
            addr: a[1],
            len: a[2].min(MAX),
        }],
        Some(pos),
    )
}

pub(super) fn readv(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    read_spans(cx, &file, &iovec(cx, a[1], a[2])?, None)
}

pub(super) fn writev(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    write_spans(cx, &file, &iovec(cx, a[1], a[2])?, None)
}

pub(super) fn preadv(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let pos = if a[3] == u64::MAX {
        None
    } else {
        Some(position(&file, a[3])?)
    };
    read_spans(cx, &file, &iovec(cx, a[1], a[2])?, pos)
}

pub(super) fn pwritev(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let pos = if a[3] == u64::MAX {
        None
    } else {
        Some(write_position(&file, a[3])?)
    };
    write_spans(cx, &file, &iovec(cx, a[1], a[2])?, pos)
}

/// A source or a sink of a copy within the kernel: an offset of its own, or the description's.
struct End {
    file: Rc<OpenFile>,
    /// Where the caller keeps the offset, and its value.
    offset: Option<(u64, u64)>,
}

impl End {
    fn new(cx: &Cx, fd: u64, offset: u64) -> Result<End, Errno> {
        let file = cx.io_file(fd)?;
        let offset = if offset == 0 {
            None
        } else {
            if !file.file.is_seekable() {
                return Err(Errno::ESPIPE);
            }
            Some((offset, cx.read_u64(offset)?))
        };
        Ok(End { file, offset })
    }

    fn read(&mut self, cx: &Cx, buf: &mut [u8]) -> Result<usize, Errno> {
        match &mut self.offset {
            None => self.file.read(cx, buf),
            Some(_) if !self.file.readable() => Err(Errno::EBADF),
            Some((_, pos)) => {
                let n = self.file.file.read(cx, *pos, buf)?;
                *pos += n as u64;
                Ok(n)
            }
        }
    }

    fn write(&mut self, cx: &Cx, data: &[u8]) -> Result<usize, Errno> {
        match &mut self.offset {
            None => self.file.write(cx, data),
            Some(_) if !self.file.writable() => Err(Errno::EBADF),
            Some((_, pos)) => {
                let n = self.file.file.write(cx, *pos, data)?;
                *pos += n as u64;
                Ok(n)
            }
        }
    }

    /// Takes back what was read but not written.
    fn unread(&mut self, n: usize) {
        match &mut self.offset {
            Some((_, pos)) => *pos -= n as u64,
            None => self
                .file
                .pos
                .set(self.file.pos.get().saturating_sub(n as u64)),
        }
    }

    fn finish(&self, cx: &Cx) -> Result<(), Errno> {
        match self.offset {
            Some((at, pos)) => cx.write_mem(at, &pos.to_le_bytes()),
            None => Ok(()),
        }
    }
}

/// Copies from a seekable source (or a pipe, chunk by chunk that the sink has room for).
fn copy(cx: &Cx, mut from: End, mut to: End, len: u64) -> SysResult {
    let mut done = match cx.t.resume.take() {
        Some(Resume::Partial(done)) => done,
        _ => 0,
    };
    let mut stop: Option<Stop> = None;
    let mut buf = vec![0; CHUNK.min(len.max(1) as usize)];
    while done < len {
        let mut want = (len - done).min(buf.len() as u64) as usize;
        if let Some(sink) = to.file.downcast::<PipeEnd>() {
            // What a pipe can't take must not be taken from another one.
            let room = sink.pipe.capacity() - sink.pipe.available().min(sink.pipe.capacity());
            if room == 0 && sink.pipe.readers.get() > 0 {
                stop = Some(if to.file.nonblocking() {
                    Errno::EAGAIN.into()
                } else {
                    cx.wait_file(&to.file)
                });
                break;
            }
            want = want.min(room.max(1));
        }
        let n = match from.read(cx, &mut buf[..want]) {
            Ok(0) => break,
            Ok(n) => n,
            Err(Errno::EAGAIN) if !from.file.nonblocking() => {
                stop = Some(cx.wait_file(&from.file));
                break;
            }
            Err(errno) => {
                stop = Some(errno.into());
                break;
            }
        };
        let mut written = 0;
        while written < n {
            match to.write(cx, &buf[written..n]) {
                Ok(m) => written += m,
                Err(Errno::EAGAIN) if !to.file.nonblocking() => {
                    stop = Some(cx.wait_file(&to.file));
                    break;
                }
                Err(errno) => {
                    if errno == Errno::EPIPE {
                        cx.raise(Signal::SIGPIPE);
                    }
                    stop = Some(errno.into());
                    break;
                }
            }
        }
        done += written as u64;
        if written < n {
            from.unread(n - written);
        }
        if stop.is_some() || (n < want && !from.file.file.is_seekable()) {
            break;
        }
    }
    from.finish(cx)?;
    to.finish(cx)?;
    match stop {
        Some(Stop::Park(restart)) if done == 0 || to.file.downcast::<PipeEnd>().is_none() => {
            if done > 0 {
                cx.t.resume.replace(Some(Resume::Partial(done)));
            }
            Err(Stop::Park(restart))
        }
        Some(stop) if done == 0 => Err(stop),
        _ => Ok(done),
    }
}

pub(super) fn sendfile(cx: &Cx, a: &Args) -> SysResult {
    let from = End::new(cx, a[1], a[2])?;
    if !from.file.file.is_seekable() {
        return Err(Errno::EINVAL.into());
    }
    copy(cx, from, End::new(cx, a[0], 0)?, a[3].min(MAX))
}

pub(super) fn copy_file_range(cx: &Cx, a: &Args) -> SysResult {
    if a[5] != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (from, to) = (End::new(cx, a[0], a[1])?, End::new(cx, a[2], a[3])?);
    for end in [&from, &to] {
        let attr = end.file.inode()?.attr()?;
        if attr.is_dir() {
            return Err(Errno::EISDIR.into());
        }
        if !attr.is_file() {
            return Err(Errno::EINVAL.into());
        }
    }
    if to.file.flags.get() & O_APPEND != 0 {
        return Err(Errno::EBADF.into());
    }
    copy(cx, from, to, a[4].min(MAX))
}

pub(super) fn splice(cx: &Cx, a: &Args) -> SysResult {
    let (from, to) = (End::new(cx, a[0], a[1])?, End::new(cx, a[2], a[3])?);
    if from.file.downcast::<PipeEnd>().is_none() && to.file.downcast::<PipeEnd>().is_none() {
        return Err(Errno::EINVAL.into());
    }
    let nonblocking = a[5] & 2 != 0;
    match copy(cx, from, to, a[4].min(MAX)) {
        Err(Stop::Park(_)) if nonblocking => Err(Errno::EAGAIN.into()),
        result => result,
    }
}

pub(super) fn ftruncate(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    if (a[1] as i64) < 0 || !file.writable() {
        return Err(Errno::EINVAL.into());
    }
    limit_size(cx, a[1])?;
    let path = file.path.as_ref().ok_or(Errno::EINVAL)?;
    path.ftruncate(a[1], &cx.creds())?;
    cx.k.file_truncated(path, a[1]);
    cx.k.watches.notify(path, bottleship_abi::fs::IN_MODIFY);
    Ok(0)
}

pub(super) fn limit_size(cx: &Cx, size: u64) -> Result<(), Errno> {
    if size > cx.t.process.limit(bottleship_abi::process::RLIMIT_FSIZE) {
        cx.raise(Signal::SIGXFSZ);
        return Err(Errno::EFBIG);
    }
    Ok(())
}

pub(super) fn fallocate(cx: &Cx, a: &Args) -> SysResult {
    use bottleship_abi::fs::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE};
    let file = cx.io_file(a[0])?;
    let (mode, offset, len) = (a[1] as u32, a[2], a[3]);
    if (offset as i64) < 0 || (len as i64) <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let end = offset
        .checked_add(len)
        .filter(|&end| end <= i64::MAX as u64)
        .ok_or(Errno::EFBIG)?;
    if !file.writable() {
        return Err(Errno::EBADF.into());
    }
    let Some(inode) = file.file.inode() else {
        return Err(Errno::ESPIPE.into());
    };
    let attr = inode.attr()?;
    if attr.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    if !attr.is_file() {
        return Err(Errno::ENODEV.into());
    }
    let keep_size = mode & FALLOC_FL_KEEP_SIZE != 0;
    let how = match mode & !FALLOC_FL_KEEP_SIZE {
        0 => AllocateMode::Allocate { keep_size },
        FALLOC_FL_PUNCH_HOLE if keep_size => AllocateMode::PunchHole,
        FALLOC_FL_ZERO_RANGE => AllocateMode::ZeroRange { keep_size },
        _ => return Err(Errno::EOPNOTSUPP.into()),
    };
    if !keep_size {
        limit_size(cx, end)?;
    }
    inode.allocate(how, offset, len)?;
    Ok(0)
}

pub(super) fn sync(_: &Cx, _: &Args) -> SysResult {
    Ok(0)
}

pub(super) fn fsync(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    if file.file.inode().is_none() {
        Err(Errno::EINVAL.into())
    } else {
        Ok(0)
    }
}

pub(super) fn syncfs(cx: &Cx, a: &Args) -> SysResult {
    cx.io_file(a[0])?;
    Ok(0)
}

pub(super) fn fadvise64(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    if file.downcast::<PipeEnd>().is_some() {
        return Err(Errno::ESPIPE.into());
    }
    if a[3] > 5 {
        Err(Errno::EINVAL.into())
    } else {
        Ok(0)
    }
}

pub(super) fn readahead(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    if file.readable() {
        Ok(0)
    } else {
        Err(Errno::EBADF.into())
    }
}

/// Whence values that make sense for a range's start, for `fcntl` locks.
pub(super) fn lock_base(file: &OpenFile, whence: u16) -> Result<u64, Errno> {
    match u32::from(whence) {
        SEEK_SET => Ok(0),
        1 => Ok(file.pos.get()),
        SEEK_END => Ok(file.inode()?.attr()?.size),
        _ => Err(Errno::EINVAL),
    }
}
