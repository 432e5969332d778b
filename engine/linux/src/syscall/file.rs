//! Opening and closing, duplicating, directories' entries.

use std::rc::Rc;

use bottleship_abi::fs::*;
use bottleship_abi::mode::*;
use bottleship_abi::process::RLIMIT_NOFILE;
use bottleship_abi::{Errno, get_u64};
use bottleship_vfs::{CapSet, OpenFlags, Path, ResolveFlags};

use super::{Args, Cx, Restart, Stop, SysResult};
use crate::kernel::fd_table::Slot;
use crate::kernel::file::OpenFile;
use crate::kernel::inode_file::InodeFile;
use crate::kernel::inotify::file_id;
use crate::kernel::pipe::{Pipe, PipeEnd};
use crate::kernel::task::Resume;

/// Flags that live on in the description.
const KEPT: u32 = O_ACCMODE
    | O_APPEND
    | O_NONBLOCK
    | O_DIRECT
    | O_LARGEFILE
    | O_NOATIME
    | O_SYNC
    | O_PATH
    | O_DIRECTORY;

/// `open(2)` in all its forms.
pub fn open_file(
    cx: &Cx,
    dirfd: i32,
    path: &[u8],
    flags: u32,
    mode: u32,
    resolve: ResolveFlags,
) -> Result<Rc<OpenFile>, Stop> {
    let flags = if flags & O_PATH != 0 {
        flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    } else {
        flags
    };
    if flags & O_TMPFILE == O_TMPFILE && flags & O_ACCMODE == O_RDONLY {
        return Err(Errno::EINVAL.into());
    }
    let mode = mode & 0o7777 & !cx.t.fs().umask.get();
    let open = OpenFlags::from_bits_truncate(flags);
    let opened = cx.walk(dirfd, path, |walk| walk.open(path, open, mode, resolve))?;
    if opened.created {
        cx.k.watches.notify(&opened.path, IN_CREATE);
    } else if flags & O_TRUNC != 0 {
        cx.k.file_truncated(&opened.path, 0);
        cx.k.watches.notify(&opened.path, IN_MODIFY);
    }
    open_path(cx, opened.path, flags)
}

/// Opens what a walk found.
pub fn open_path(cx: &Cx, path: Path, flags: u32) -> Result<Rc<OpenFile>, Stop> {
    if let Some(described) = path
        .inode()
        .as_any()
        .downcast_ref::<crate::fs::proc::Described>()
    {
        return reopen(described, flags);
    }
    let attr = path.attr()?;
    let kept = flags & KEPT | O_LARGEFILE;
    if flags & O_PATH != 0 {
        return Ok(OpenFile::new(
            Box::new(InodeFile::new(path.clone())),
            flags & KEPT,
            Some(path),
        ));
    }
    let file = match attr.mode & S_IFMT {
        S_IFCHR | S_IFBLK => {
            let opened = crate::fs::dev::open(cx, &path, attr.mode & S_IFMT, attr.rdev, flags)?;
            match opened {
                crate::fs::dev::Device::File(file) => OpenFile::new(file, kept, Some(path)),
                crate::fs::dev::Device::Open(file) => return Ok(file),
            }
        }
        S_IFIFO => OpenFile::new(Box::new(open_fifo(cx, &path, flags)?), kept, Some(path)),
        S_IFSOCK => return Err(Errno::ENXIO.into()),
        S_IFLNK => return Err(Errno::ELOOP.into()),
        _ => match crate::fs::open_special(cx, &path, flags)? {
            Some(file) => OpenFile::new(file, kept, Some(path)),
            None => OpenFile::new(Box::new(InodeFile::new(path.clone())), kept, Some(path)),
        },
    };
    if !cx.k.watches.is_empty() {
        if let Some(path) = &file.path {
            cx.k.watches.notify(path, IN_OPEN);
        }
        let kernel = Rc::downgrade(cx.k);
        file.on_close.borrow_mut().push(Box::new(move |file| {
            if let (Some(kernel), Some(path)) = (kernel.upgrade(), &file.path) {
                let mask = if file.writable() {
                    IN_CLOSE_WRITE
                } else {
                    IN_CLOSE_NOWRITE
                };
                kernel.watches.notify(path, mask);
            }
        }));
    }
    Ok(file)
}

/// Opens `/proc/self/fd/N` of something that has no path.
fn reopen(described: &crate::fs::proc::Described, flags: u32) -> Result<Rc<OpenFile>, Stop> {
    let file = &described.0;
    let kept = flags & KEPT;
    let (reads, writes) = match flags & O_ACCMODE {
        O_RDONLY => (true, false),
        O_WRONLY => (false, true),
        _ => (true, true),
    };
    if let Some(end) = file.downcast::<PipeEnd>() {
        return Ok(OpenFile::anon(
            PipeEnd::open(&end.pipe, reads, writes, None),
            kept,
        ));
    }
    if let Some(slave) = file.downcast::<crate::kernel::tty::SlaveFile>() {
        return Ok(OpenFile::anon(
            crate::kernel::tty::SlaveFile::new(slave.tty.clone(), None),
            kept,
        ));
    }
    if file.downcast::<crate::fs::dev::Null>().is_some() {
        return Ok(OpenFile::anon(crate::fs::dev::Null, kept));
    }
    Err(Errno::ENXIO.into())
}

/// Opens a FIFO: each side waits for the other, unless `O_NONBLOCK` or `O_RDWR`.
fn open_fifo(cx: &Cx, path: &Path, flags: u32) -> Result<PipeEnd, Stop> {
    let inode = path.inode();
    let (reads, writes) = match flags & O_ACCMODE {
        O_RDONLY => (true, false),
        O_WRONLY => (false, true),
        _ => (true, true),
    };
    if let Some(Resume::Fifo(waiting)) = cx.t.resume.take()
        && let Ok(waiting) = waiting.downcast::<(PipeEnd, (u64, u64))>()
    {
        let (end, before) = *waiting;
        return wait_for_other_end(cx, end, before, reads);
    }
    let attached = inode.attachment().ok_or(Errno::ENXIO)?;
    let pipe: Rc<Pipe> = match attached.get() {
        Some(pipe) => pipe,
        None => {
            let pipe = cx.k.new_pipe();
            attached.set(&pipe);
            pipe
        }
    };
    let before = pipe.opened.get();
    if writes && !reads && flags & O_NONBLOCK != 0 && pipe.readers.get() == 0 {
        return Err(Errno::ENXIO.into());
    }
    let end = PipeEnd::open(&pipe, reads, writes, Some(inode.clone()));
    if (reads && writes) || flags & O_NONBLOCK != 0 {
        return Ok(end);
    }
    let other = if reads {
        pipe.writers.get()
    } else {
        pipe.readers.get()
    };
    if other > 0 {
        Ok(end)
    } else {
        wait_for_other_end(cx, end, before, reads)
    }
}

fn wait_for_other_end(
    cx: &Cx,
    end: PipeEnd,
    before: (u64, u64),
    reads: bool,
) -> Result<PipeEnd, Stop> {
    let (now, pipe) = (end.pipe.opened.get(), end.pipe.clone());
    let (present, came) = if reads {
        (pipe.writers.get() > 0, now.1 != before.1)
    } else {
        (pipe.readers.get() > 0, now.0 != before.0)
    };
    if present || came {
        return Ok(end);
    }
    cx.t.resume
        .replace(Some(Resume::Fifo(Box::new((end, before)))));
    Err(cx.wait_on(&pipe.wait, Restart::Sys))
}

pub(super) fn open(cx: &Cx, a: &Args) -> SysResult {
    openat_with(
        cx,
        AT_FDCWD,
        a[0],
        a[1] as u32,
        a[2] as u32,
        ResolveFlags::empty(),
    )
}

pub(super) fn creat(cx: &Cx, a: &Args) -> SysResult {
    openat_with(
        cx,
        AT_FDCWD,
        a[0],
        O_CREAT | O_WRONLY | O_TRUNC,
        a[1] as u32,
        ResolveFlags::empty(),
    )
}

pub(super) fn openat(cx: &Cx, a: &Args) -> SysResult {
    openat_with(
        cx,
        a[0] as i32,
        a[1],
        a[2] as u32,
        a[3] as u32,
        ResolveFlags::empty(),
    )
}

pub(super) fn openat2(cx: &Cx, a: &Args) -> SysResult {
    if a[3] < 24 {
        return Err(Errno::EINVAL.into());
    }
    let how: [u8; 24] = cx.read_array(a[2])?;
    let (flags, mode, resolve) = (get_u64(&how, 0), get_u64(&how, 8), get_u64(&how, 16));
    if flags >> 32 != 0
        || mode & !0o7777 != 0
        || (mode != 0 && flags as u32 & (O_CREAT | 0o20000000) == 0)
    {
        return Err(Errno::EINVAL.into());
    }
    let mut resolving = ResolveFlags::empty();
    for (bit, flag) in [
        (RESOLVE_NO_XDEV, ResolveFlags::NO_XDEV),
        (RESOLVE_NO_MAGICLINKS, ResolveFlags::NO_MAGICLINKS),
        (RESOLVE_NO_SYMLINKS, ResolveFlags::NO_SYMLINKS),
        (RESOLVE_BENEATH, ResolveFlags::BENEATH),
    ] {
        if resolve & bit != 0 {
            resolving |= flag;
        }
    }
    if resolve & !0x1f != 0 {
        return Err(Errno::EINVAL.into());
    }
    if resolve & RESOLVE_IN_ROOT != 0 {
        let path = cx.read_path(a[1])?;
        let dir = super::At::from(cx, a[0] as i32, b"", AT_EMPTY_PATH)?;
        let creds = cx.creds();
        let walk = bottleship_vfs::Walk {
            root: &dir,
            cwd: &dir,
            creds: &creds,
        };
        let mode = mode as u32 & !cx.t.fs().umask.get();
        let opened = walk.open(
            &path,
            OpenFlags::from_bits_truncate(flags as u32),
            mode,
            resolving,
        )?;
        let file = open_path(cx, opened.path, flags as u32)?;
        return cx.install(file, flags as u32);
    }
    openat_with(cx, a[0] as i32, a[1], flags as u32, mode as u32, resolving)
}

fn openat_with(
    cx: &Cx,
    dirfd: i32,
    path: u64,
    flags: u32,
    mode: u32,
    resolve: ResolveFlags,
) -> SysResult {
    let path = cx.read_path(path)?;
    let file = open_file(cx, dirfd, &path, flags, mode, resolve)?;
    cx.install(file, flags)
}

/// What closing a descriptor means besides dropping it: record locks go.
fn closed(cx: &Cx, slot: Slot) {
    if let Some(path) = &slot.file.path
        && let Ok(id) = file_id(path)
        && cx.k.locks.any(id)
    {
        cx.k.locks.release_file(id, cx.t.process.pid);
    }
}

pub(super) fn close(cx: &Cx, a: &Args) -> SysResult {
    let slot = cx.files().take(a[0] as i32)?;
    closed(cx, slot);
    Ok(0)
}

pub(super) fn close_range(cx: &Cx, a: &Args) -> SysResult {
    let (first, last, flags) = (a[0] as u32, a[1] as u32, a[2] as u32);
    if first > last || flags & !6 != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & 2 != 0 {
        let files = cx.files();
        cx.t.files.replace(Rc::new(files.fork()));
    }
    let files = cx.files();
    for fd in files
        .list()
        .into_iter()
        .filter(|&fd| (first..=last).contains(&(fd as u32)))
    {
        if flags & 4 != 0 {
            files.set_cloexec(fd, true)?;
        } else {
            closed(cx, files.take(fd)?);
        }
    }
    Ok(0)
}

pub(super) fn dup(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.file(a[0])?;
    cx.install(file, 0)
}

pub(super) fn dup2(cx: &Cx, a: &Args) -> SysResult {
    if a[0] as i32 == a[1] as i32 {
        cx.file(a[0])?;
        return Ok(a[1]);
    }
    dup_to(cx, a[0], a[1], 0)
}

pub(super) fn dup3(cx: &Cx, a: &Args) -> SysResult {
    if a[0] as i32 == a[1] as i32 || a[2] as u32 & !O_CLOEXEC != 0 {
        return Err(Errno::EINVAL.into());
    }
    dup_to(cx, a[0], a[1], a[2] as u32)
}

fn dup_to(cx: &Cx, old: u64, new: u64, flags: u32) -> SysResult {
    let file = cx.file(old)?;
    let limit = cx.t.process.limit(RLIMIT_NOFILE);
    if let Some(slot) = cx
        .files()
        .set(new as i32, file, flags & O_CLOEXEC != 0, limit)?
    {
        closed(cx, slot);
    }
    Ok(u64::from(new as u32))
}

pub(super) fn pipe(cx: &Cx, a: &Args) -> SysResult {
    make_pipe(cx, a[0], 0)
}

pub(super) fn pipe2(cx: &Cx, a: &Args) -> SysResult {
    make_pipe(cx, a[0], a[1] as u32)
}

fn make_pipe(cx: &Cx, at: u64, flags: u32) -> SysResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (reader, writer) = PipeEnd::pair(&cx.k.new_pipe(), flags & (O_NONBLOCK | O_DIRECT));
    let read_fd = cx.install(reader, flags)? as u32;
    let write_fd = match cx.install(writer, flags) {
        Ok(fd) => fd as u32,
        Err(stop) => {
            cx.files().take(read_fd as i32)?;
            return Err(stop);
        }
    };
    let mut both = [0; 8];
    both[..4].copy_from_slice(&read_fd.to_le_bytes());
    both[4..].copy_from_slice(&write_fd.to_le_bytes());
    if let Err(error) = cx.write_mem(at, &both) {
        cx.files().take(read_fd as i32)?;
        cx.files().take(write_fd as i32)?;
        return Err(error.into());
    }
    Ok(0)
}

pub(super) fn getdents64(cx: &Cx, a: &Args) -> SysResult {
    entries(cx, a, |name, ino, cookie, kind| {
        let len = (19 + name.len() + 1).next_multiple_of(8);
        let mut record = vec![0; len];
        record[..8].copy_from_slice(&ino.to_le_bytes());
        record[8..16].copy_from_slice(&cookie.to_le_bytes());
        record[16..18].copy_from_slice(&(len as u16).to_le_bytes());
        record[18] = kind;
        record[19..19 + name.len()].copy_from_slice(name);
        record
    })
}

pub(super) fn getdents(cx: &Cx, a: &Args) -> SysResult {
    entries(cx, a, |name, ino, cookie, kind| {
        let len = (18 + name.len() + 2).next_multiple_of(8);
        let mut record = vec![0; len];
        record[..8].copy_from_slice(&ino.to_le_bytes());
        record[8..16].copy_from_slice(&cookie.to_le_bytes());
        record[16..18].copy_from_slice(&(len as u16).to_le_bytes());
        record[18..18 + name.len()].copy_from_slice(name);
        record[len - 1] = kind;
        record
    })
}

fn entries(cx: &Cx, a: &Args, record: impl Fn(&[u8], u64, u64, u8) -> Vec<u8>) -> SysResult {
    let file = cx.io_file(a[0])?;
    let path = file.path.as_ref().ok_or(Errno::ENOTDIR)?;
    let room = a[2].min(1 << 20) as usize;
    let mut out = Vec::new();
    let mut pos = file.pos.get();
    let mut too_small = false;
    path.readdir(&cx.root(), pos, &mut |entry| {
        let bytes = record(entry.name, entry.ino, entry.cookie, d_type(entry.kind));
        if out.len() + bytes.len() > room {
            too_small = out.is_empty();
            return false;
        }
        out.extend(bytes);
        pos = entry.cookie;
        true
    })?;
    if too_small {
        return Err(Errno::EINVAL.into());
    }
    cx.write_mem(a[1], &out)?;
    file.pos.set(pos);
    Ok(out.len() as u64)
}

pub(super) fn lseek(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    if !file.file.is_seekable() {
        return Err(Errno::ESPIPE.into());
    }
    let offset = a[1] as i64;
    let base = match a[2] as u32 {
        SEEK_SET => 0,
        SEEK_CUR => file.pos.get(),
        SEEK_END => file.inode()?.attr()?.size,
        whence @ (SEEK_DATA | SEEK_HOLE) => {
            let at = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            let found = file.inode()?.seek(at, whence == SEEK_HOLE)?;
            file.pos.set(found);
            return Ok(found);
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    let new = (base as i64)
        .checked_add(offset)
        .filter(|&new| new >= 0)
        .ok_or(Errno::EINVAL)?;
    file.pos.set(new as u64);
    Ok(new as u64)
}

pub(super) fn memfd_create(cx: &Cx, a: &Args) -> SysResult {
    let flags = a[1] as u32;
    if flags & !(MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x18) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let name = cx.t.mm()?.read_cstr(a[0], 249).map_err(|e| {
        if e == Errno::ENAMETOOLONG {
            Errno::EINVAL
        } else {
            e
        }
    })?;
    let path =
        cx.k.anonymous_file(&[b"memfd:", name.as_slice()].concat())?;
    let file = OpenFile::new(
        Box::new(InodeFile::new(path.clone())),
        O_RDWR | O_LARGEFILE,
        Some(path),
    );
    cx.install(
        file,
        if flags & MFD_CLOEXEC != 0 {
            O_CLOEXEC
        } else {
            0
        },
    )
}

pub(super) fn name_to_handle_at(_: &Cx, _: &Args) -> SysResult {
    Err(Errno::EOPNOTSUPP.into())
}

pub(super) fn vhangup(cx: &Cx, _: &Args) -> SysResult {
    cx.need(CapSet::SYS_TTY_CONFIG)?;
    let tty = cx.t.process.group.borrow().session.tty.borrow().clone();
    if let Some(tty) = tty {
        tty.hang_up();
    }
    Ok(0)
}
