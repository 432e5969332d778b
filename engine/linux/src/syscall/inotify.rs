//! `inotify`.

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::fs::*;
use bottleship_vfs::{Access, permission};

use super::{Args, At, Cx, SysResult};
use crate::kernel::file::OpenFile;
use crate::kernel::inotify::{Inotify, InotifyFile, file_id};

pub(super) fn inotify_init(cx: &Cx, _: &Args) -> SysResult {
    make(cx, 0)
}

pub(super) fn inotify_init1(cx: &Cx, a: &Args) -> SysResult {
    make(cx, a[0] as u32)
}

fn make(cx: &Cx, flags: u32) -> SysResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.install(
        OpenFile::anon(InotifyFile(Rc::new(Inotify::default())), flags & O_NONBLOCK),
        flags,
    )
}

pub(super) fn inotify_add_watch(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let instance = &file.downcast::<InotifyFile>().ok_or(Errno::EINVAL)?.0;
    let mask = a[2] as u32;
    if mask & 0xfff == 0 {
        return Err(Errno::EINVAL.into());
    }
    let follow = if mask & IN_DONT_FOLLOW != 0 {
        AT_SYMLINK_NOFOLLOW
    } else {
        0
    };
    let path = At::from(cx, AT_FDCWD, &cx.read_path(a[1])?, follow)?;
    let attr = path.attr()?;
    if mask & IN_ONLYDIR != 0 && !attr.is_dir() {
        return Err(Errno::ENOTDIR.into());
    }
    permission(&attr, &cx.creds(), Access::READ)?;
    Ok(cx.k.watches.add(instance, file_id(&path)?, mask)? as u64)
}

pub(super) fn inotify_rm_watch(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let instance = &file.downcast::<InotifyFile>().ok_or(Errno::EINVAL)?.0;
    cx.k.watches.remove(instance, a[1] as i32)?;
    Ok(0)
}
