//! `fcntl`, `flock`, `ioctl`.

use std::rc::Rc;

use bottleship_abi::fs::*;
use bottleship_abi::process::RLIMIT_NOFILE;
use bottleship_abi::tty::{FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX};
use bottleship_abi::{Errno, Layout, get_u16, get_u64};

use super::{Args, Cx, Restart, SysResult};
use crate::kernel::file::OpenFile;
use crate::kernel::inotify::file_id;
use crate::kernel::lock::{Lock, Owner, description};
use crate::kernel::pipe::PipeEnd;

/// Flags that `F_SETFL` changes.
const SETTABLE: u32 = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

pub(super) fn fcntl(cx: &Cx, a: &Args) -> SysResult {
    let (fd, command, arg) = (a[0] as i32, a[1] as u32, a[2]);
    let files = cx.files();
    let file = files.get(fd)?;
    let allowed = matches!(
        command,
        F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL
    );
    if file.flags.get() & O_PATH != 0 && !allowed {
        return Err(Errno::EBADF.into());
    }
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let limit = cx.t.process.limit(RLIMIT_NOFILE);
            if arg >= limit || arg as i32 as i64 != arg as i64 {
                return Err(Errno::EINVAL.into());
            }
            Ok(files.add(file, command == F_DUPFD_CLOEXEC, arg as usize, limit)? as u64)
        }
        F_GETFD => Ok(u64::from(files.cloexec(fd)?)),
        F_SETFD => {
            files.set_cloexec(fd, arg as u32 & FD_CLOEXEC != 0)?;
            Ok(0)
        }
        F_GETFL => Ok(u64::from(file.flags.get() & !O_CLOEXEC)),
        F_SETFL => {
            let kept = file.flags.get() & !SETTABLE;
            file.flags.set(kept | arg as u32 & SETTABLE);
            Ok(0)
        }
        F_SETOWN => {
            file.owner.set(arg as i32);
            Ok(0)
        }
        F_GETOWN => Ok(file.owner.get() as u64),
        F_SETSIG | F_GETSIG => Ok(0),
        F_GETLEASE => Ok(u64::from(F_UNLCK)),
        F_SETLEASE => Err(Errno::EINVAL.into()),
        F_GETPIPE_SZ => Ok(file
            .downcast::<PipeEnd>()
            .ok_or(Errno::EBADF)?
            .pipe
            .capacity() as u64),
        F_SETPIPE_SZ => Ok(file
            .downcast::<PipeEnd>()
            .ok_or(Errno::EBADF)?
            .pipe
            .set_capacity(arg as u32 as usize)? as u64),
        F_ADD_SEALS | F_GET_SEALS => Err(Errno::EINVAL.into()),
        F_GETLK | F_OFD_GETLK => get_lock(cx, &file, arg, command == F_OFD_GETLK),
        F_SETLK | F_SETLKW | F_OFD_SETLK | F_OFD_SETLKW => {
            let ofd = matches!(command, F_OFD_SETLK | F_OFD_SETLKW);
            set_lock(
                cx,
                &file,
                arg,
                ofd,
                matches!(command, F_SETLKW | F_OFD_SETLKW),
            )
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// `struct flock` and the lock that it describes.
fn wanted(cx: &Cx, file: &Rc<OpenFile>, at: u64, ofd: bool) -> Result<(u16, Lock), Errno> {
    let raw: [u8; 32] = cx.read_array(at)?;
    let kind = get_u16(&raw, 0);
    let base = super::io::lock_base(file, get_u16(&raw, 2))?;
    let (start, len) = (get_u64(&raw, 8) as i64, get_u64(&raw, 16) as i64);
    let start = (base as i64)
        .checked_add(start)
        .filter(|&s| s >= 0)
        .ok_or(Errno::EINVAL)?;
    let (start, end) = match len {
        0 => (start as u64, u64::MAX),
        len if len > 0 => (start as u64, (start as u64).saturating_add(len as u64)),
        len => {
            let first = start
                .checked_add(len)
                .filter(|&s| s >= 0)
                .ok_or(Errno::EINVAL)?;
            (first as u64, start as u64)
        }
    };
    let path = file.path.as_ref().ok_or(Errno::EBADF)?;
    let owner = if ofd {
        description(file)
    } else {
        Owner::Process(cx.t.process.pid)
    };
    Ok((
        kind,
        Lock {
            file: file_id(path)?,
            flock: false,
            owner,
            exclusive: kind == F_WRLCK,
            start,
            end,
        },
    ))
}

fn get_lock(cx: &Cx, file: &Rc<OpenFile>, at: u64, ofd: bool) -> SysResult {
    let (kind, lock) = wanted(cx, file, at, ofd)?;
    if kind > F_UNLCK {
        return Err(Errno::EINVAL.into());
    }
    match cx.k.locks.conflict(&lock) {
        None => cx.write_mem(at, &F_UNLCK.to_le_bytes())?,
        Some(held) => {
            let len = if held.end == u64::MAX {
                0
            } else {
                held.end - held.start
            };
            let pid = match held.owner {
                Owner::Process(pid) => {
                    let process = cx.k.host_ns().pid.process(pid);
                    process.map_or(0, |process| process.pid_in(cx.t.pid_ns()))
                }
                Owner::Description(_) => u32::MAX,
            };
            let raw: [u8; 28] = Layout::new()
                .u16(0, if held.exclusive { F_WRLCK } else { F_RDLCK })
                .u64(8, held.start)
                .u64(16, len)
                .u32(24, pid)
                .done();
            cx.write_mem(at, &raw)?;
        }
    }
    Ok(0)
}

fn set_lock(cx: &Cx, file: &Rc<OpenFile>, at: u64, ofd: bool, wait: bool) -> SysResult {
    let (kind, lock) = wanted(cx, file, at, ofd)?;
    match kind {
        F_UNLCK => {
            cx.k.locks.release(lock);
            return Ok(0);
        }
        F_RDLCK if !file.readable() => return Err(Errno::EBADF.into()),
        F_WRLCK if !file.writable() => return Err(Errno::EBADF.into()),
        F_RDLCK | F_WRLCK => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    if ofd {
        release_at_close(cx, file);
    }
    match cx.k.locks.take(lock) {
        Err(Errno::EAGAIN) if wait => Err(cx.wait_on(&cx.k.locks.wait, Restart::Sys)),
        result => result.map(|()| 0).map_err(Into::into),
    }
}

fn release_at_close(cx: &Cx, file: &Rc<OpenFile>) {
    let kernel = Rc::downgrade(cx.k);
    let mut on_close = file.on_close.borrow_mut();
    if on_close.len() < 8 {
        on_close.push(Box::new(move |file| {
            if let Some(kernel) = kernel.upgrade() {
                kernel.locks.release_description(file);
            }
        }));
    }
}

pub(super) fn flock(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let operation = a[1] as u32;
    let path = file.path.as_ref().ok_or(Errno::EBADF)?;
    let lock = Lock {
        file: file_id(path)?,
        flock: true,
        owner: description(&file),
        exclusive: operation & LOCK_EX != 0,
        start: 0,
        end: u64::MAX,
    };
    match operation & !LOCK_NB {
        LOCK_UN => {
            cx.k.locks.release(lock);
            Ok(0)
        }
        LOCK_SH | LOCK_EX => {
            release_at_close(cx, &file);
            match cx.k.locks.take(lock) {
                Err(Errno::EAGAIN) if operation & LOCK_NB == 0 => {
                    Err(cx.wait_on(&cx.k.locks.wait, Restart::Sys))
                }
                result => result.map(|()| 0).map_err(Into::into),
            }
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn ioctl(cx: &Cx, a: &Args) -> SysResult {
    let (fd, request, arg) = (a[0], a[1] as u32, a[2]);
    let file = cx.io_file(fd)?;
    match request {
        FIOCLEX | FIONCLEX => cx.files().set_cloexec(fd as i32, request == FIOCLEX)?,
        FIONBIO => {
            let on = cx.read_u32(arg)? != 0;
            let kept = file.flags.get() & !O_NONBLOCK;
            file.flags.set(kept | if on { O_NONBLOCK } else { 0 });
        }
        FIOASYNC => {
            cx.read_u32(arg)?;
        }
        _ => return file.file.ioctl(cx, request, arg),
    }
    Ok(0)
}
