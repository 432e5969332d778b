//! Names: making, removing, linking, renaming; owners and modes; working directory and root.

use bottleship_abi::fs::*;
use bottleship_abi::mode::*;
use bottleship_abi::{Errno, get_u64};
use bottleship_vfs::{
    Access, CapSet, Creds, NewNode, Path, RenameFlags, ResolveFlags, Time, TimeUpdate, Walk,
    permission,
};

use super::{Args, Cx, SysResult};

/// Finding what an `*at` call is about.
pub(crate) struct At;

impl At {
    /// The file that `dirfd`, `path` and `AT_*` flags name.
    pub fn from(cx: &Cx, dirfd: i32, path: &[u8], flags: u32) -> Result<Path, Errno> {
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            if dirfd == AT_FDCWD {
                return Ok(cx.t.fs().cwd.borrow().clone());
            }
            return cx.file(dirfd as u64)?.path.clone().ok_or(Errno::EBADF);
        }
        let follow = if flags & AT_SYMLINK_NOFOLLOW != 0 {
            ResolveFlags::empty()
        } else {
            ResolveFlags::FOLLOW
        };
        cx.walk(dirfd, path, |walk| walk.resolve(path, follow))
    }

    fn read(cx: &Cx, dirfd: u64, path: u64, flags: u32) -> Result<Path, Errno> {
        At::from(cx, dirfd as i32, &cx.read_path(path)?, flags)
    }
}

const CWD: u64 = AT_FDCWD as u64;

/// Tells watchers about a new or removed name.
fn tell_entry(cx: &Cx, dirfd: u64, path: &[u8], mask: u32) {
    if cx.k.watches.is_empty() {
        return;
    }
    let parent = cx.walk(dirfd as i32, path, |walk| walk.resolve_parent(path));
    if let Ok(parent) = parent
        && let bottleship_vfs::Last::Name(name) = &parent.last
    {
        cx.k.watches.notify_entry(&parent.dir, name, mask, 0);
    }
}

pub(super) fn mkdir(cx: &Cx, a: &Args) -> SysResult {
    make_dir(cx, CWD, a[0], a[1])
}

pub(super) fn mkdirat(cx: &Cx, a: &Args) -> SysResult {
    make_dir(cx, a[0], a[1], a[2])
}

fn make_dir(cx: &Cx, dirfd: u64, path: u64, mode: u64) -> SysResult {
    let path = cx.read_path(path)?;
    let mode = mode as u32 & 0o1777 & !cx.t.fs().umask.get();
    let made = cx.walk(dirfd as i32, &path, |walk| walk.mkdir(&path, mode))?;
    cx.k.watches.notify(&made, IN_CREATE);
    Ok(0)
}

pub(super) fn mknod(cx: &Cx, a: &Args) -> SysResult {
    make_node(cx, CWD, a[0], a[1], a[2])
}

pub(super) fn mknodat(cx: &Cx, a: &Args) -> SysResult {
    make_node(cx, a[0], a[1], a[2], a[3])
}

fn make_node(cx: &Cx, dirfd: u64, path: u64, mode: u64, dev: u64) -> SysResult {
    let path = cx.read_path(path)?;
    let mode = mode as u32;
    let node = match mode & S_IFMT {
        0 | S_IFREG => NewNode::File,
        S_IFIFO => NewNode::Fifo,
        S_IFSOCK => NewNode::Socket,
        S_IFCHR => NewNode::CharDev(dev),
        S_IFBLK => NewNode::BlockDev(dev),
        S_IFDIR => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    let perm = mode & 0o7777 & !cx.t.fs().umask.get();
    let made = cx.walk(dirfd as i32, &path, |walk| walk.mknod(&path, node, perm))?;
    cx.k.watches.notify(&made, IN_CREATE);
    Ok(0)
}

pub(super) fn rmdir(cx: &Cx, a: &Args) -> SysResult {
    remove(cx, CWD, a[0], true)
}

pub(super) fn unlink(cx: &Cx, a: &Args) -> SysResult {
    remove(cx, CWD, a[0], false)
}

pub(super) fn unlinkat(cx: &Cx, a: &Args) -> SysResult {
    if a[2] as u32 & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL.into());
    }
    remove(cx, a[0], a[1], a[2] as u32 & AT_REMOVEDIR != 0)
}

fn remove(cx: &Cx, dirfd: u64, path: u64, dir: bool) -> SysResult {
    let path = cx.read_path(path)?;
    let watched = !cx.k.watches.is_empty();
    let victim = if watched {
        At::from(cx, dirfd as i32, &path, AT_SYMLINK_NOFOLLOW).ok()
    } else {
        None
    };
    let id = victim
        .as_ref()
        .and_then(|victim| crate::kernel::inotify::file_id(victim).ok());
    drop(victim);
    cx.walk(dirfd as i32, &path, |walk| {
        if dir {
            walk.rmdir(&path)
        } else {
            walk.unlink(&path)
        }
    })?;
    if let Some(id) = id {
        cx.k.watches.notify_self(id, IN_DELETE_SELF);
        tell_entry(cx, dirfd, &path, IN_DELETE | if dir { IN_ISDIR } else { 0 });
    }
    Ok(0)
}

pub(super) fn symlink(cx: &Cx, a: &Args) -> SysResult {
    make_symlink(cx, a[0], CWD, a[1])
}

pub(super) fn symlinkat(cx: &Cx, a: &Args) -> SysResult {
    make_symlink(cx, a[0], a[1], a[2])
}

fn make_symlink(cx: &Cx, target: u64, dirfd: u64, path: u64) -> SysResult {
    let (target, path) = (cx.read_path(target)?, cx.read_path(path)?);
    let made = cx.walk(dirfd as i32, &path, |walk| walk.symlink(&target, &path))?;
    cx.k.watches.notify(&made, IN_CREATE);
    Ok(0)
}

pub(super) fn link(cx: &Cx, a: &Args) -> SysResult {
    make_link(cx, CWD, a[0], CWD, a[1], 0)
}

pub(super) fn linkat(cx: &Cx, a: &Args) -> SysResult {
    make_link(cx, a[0], a[1], a[2], a[3], a[4] as u32)
}

fn make_link(cx: &Cx, old_fd: u64, old: u64, new_fd: u64, new: u64, flags: u32) -> SysResult {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 {
        0
    } else {
        AT_SYMLINK_NOFOLLOW
    };
    let file = At::read(cx, old_fd, old, follow | flags & AT_EMPTY_PATH)?;
    let new = cx.read_path(new)?;
    cx.walk(new_fd as i32, &new, |walk| walk.link(&file, &new))?;
    tell_entry(cx, new_fd, &new, IN_CREATE);
    Ok(0)
}

pub(super) fn rename(cx: &Cx, a: &Args) -> SysResult {
    rename_with(cx, CWD, a[0], CWD, a[1], 0)
}

pub(super) fn renameat(cx: &Cx, a: &Args) -> SysResult {
    rename_with(cx, a[0], a[1], a[2], a[3], 0)
}

pub(super) fn renameat2(cx: &Cx, a: &Args) -> SysResult {
    rename_with(cx, a[0], a[1], a[2], a[3], a[4] as u32)
}

fn rename_with(cx: &Cx, old_fd: u64, old: u64, new_fd: u64, new: u64, flags: u32) -> SysResult {
    let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let (old, new) = (cx.read_path(old)?, cx.read_path(new)?);
    cx.walk(old_fd as i32, &old, |from| {
        cx.walk(new_fd as i32, &new, |to| {
            from.rename(
                &old,
                &Walk {
                    root: to.root,
                    cwd: to.cwd,
                    creds: to.creds,
                },
                &new,
                flags,
            )
        })
    })?;
    if !cx.k.watches.is_empty() {
        tell_entry(cx, old_fd, &old, IN_MOVED_FROM);
        tell_entry(cx, new_fd, &new, IN_MOVED_TO);
        if let Ok(moved) = At::from(cx, new_fd as i32, &new, AT_SYMLINK_NOFOLLOW)
            && let Ok(id) = crate::kernel::inotify::file_id(&moved)
        {
            cx.k.watches.notify_self(id, IN_MOVE_SELF);
        }
    }
    Ok(0)
}

pub(super) fn readlink(cx: &Cx, a: &Args) -> SysResult {
    read_link(cx, CWD, a[0], a[1], a[2])
}

pub(super) fn readlinkat(cx: &Cx, a: &Args) -> SysResult {
    read_link(cx, a[0], a[1], a[2], a[3])
}

fn read_link(cx: &Cx, dirfd: u64, path: u64, buf: u64, len: u64) -> SysResult {
    if len as i64 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = cx.read_path(path)?;
    let found = At::from(cx, dirfd as i32, &path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    if !found.attr()?.is_symlink() {
        return Err(if path.is_empty() {
            Errno::ENOENT
        } else {
            Errno::EINVAL
        }
        .into());
    }
    let target = found.inode().readlink()?;
    let n = target.len().min(len as usize);
    cx.write_mem(buf, &target[..n])?;
    Ok(n as u64)
}

pub(super) fn chmod(cx: &Cx, a: &Args) -> SysResult {
    set_mode(cx, &At::read(cx, CWD, a[0], 0)?, a[1])
}

pub(super) fn fchmod(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    set_mode(cx, file.path.as_ref().ok_or(Errno::EINVAL)?, a[1])
}

pub(super) fn fchmodat(cx: &Cx, a: &Args) -> SysResult {
    set_mode(cx, &At::read(cx, a[0], a[1], 0)?, a[2])
}

pub(super) fn fchmodat2(cx: &Cx, a: &Args) -> SysResult {
    set_mode(cx, &At::read(cx, a[0], a[1], a[3] as u32)?, a[2])
}

fn set_mode(cx: &Cx, path: &Path, mode: u64) -> SysResult {
    path.chmod(mode as u32 & 0o7777, &cx.creds())?;
    cx.k.watches.notify(path, IN_ATTRIB);
    Ok(0)
}

pub(super) fn chown(cx: &Cx, a: &Args) -> SysResult {
    set_owner(cx, &At::read(cx, CWD, a[0], 0)?, a[1], a[2])
}

pub(super) fn lchown(cx: &Cx, a: &Args) -> SysResult {
    set_owner(
        cx,
        &At::read(cx, CWD, a[0], AT_SYMLINK_NOFOLLOW)?,
        a[1],
        a[2],
    )
}

pub(super) fn fchown(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    match &file.path {
        Some(path) => set_owner(cx, path, a[1], a[2]),
        None => Ok(0),
    }
}

pub(super) fn fchownat(cx: &Cx, a: &Args) -> SysResult {
    set_owner(cx, &At::read(cx, a[0], a[1], a[4] as u32)?, a[2], a[3])
}

fn set_owner(cx: &Cx, path: &Path, uid: u64, gid: u64) -> SysResult {
    let id = |id: u64| Some(id as u32).filter(|&id| id != u32::MAX);
    path.chown(id(uid), id(gid), &cx.creds())?;
    cx.k.watches.notify(path, IN_ATTRIB);
    Ok(0)
}

pub(super) fn truncate(cx: &Cx, a: &Args) -> SysResult {
    let path = At::read(cx, CWD, a[0], 0)?;
    if (a[1] as i64) < 0 {
        return Err(Errno::EINVAL.into());
    }
    super::io::limit_size(cx, a[1])?;
    path.truncate(a[1], &cx.creds())?;
    cx.k.file_truncated(&path, a[1]);
    cx.k.watches.notify(&path, IN_MODIFY);
    Ok(0)
}

pub(super) fn access(cx: &Cx, a: &Args) -> SysResult {
    check_access(cx, CWD, a[0], a[1], 0)
}

pub(super) fn faccessat(cx: &Cx, a: &Args) -> SysResult {
    check_access(cx, a[0], a[1], a[2], 0)
}

pub(super) fn faccessat2(cx: &Cx, a: &Args) -> SysResult {
    check_access(cx, a[0], a[1], a[2], a[3] as u32)
}

fn check_access(cx: &Cx, dirfd: u64, path: u64, mode: u64, flags: u32) -> SysResult {
    let access = Access::from_bits(mode as u32).ok_or(Errno::EINVAL)?;
    let path = cx.read_path(path)?;
    let mut creds = (*cx.creds()).clone();
    if flags & AT_EACCESS == 0 {
        creds.fsuid = creds.uid;
        creds.fsgid = creds.gid;
        creds.caps.effective = if creds.uid == 0 {
            creds.caps.permitted
        } else {
            CapSet::empty()
        };
    }
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        let found = At::from(cx, dirfd as i32, &path, flags)?;
        permission(&found.attr()?, &creds, access)?;
        return Ok(0);
    }
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    cx.walk_as(dirfd as i32, &path, &creds, |walk| {
        walk.access(&path, access, follow)
    })?;
    Ok(0)
}

pub(super) fn umask(cx: &Cx, a: &Args) -> SysResult {
    Ok(u64::from(cx.t.fs().umask.replace(a[0] as u32 & 0o777)))
}

pub(super) fn getcwd(cx: &Cx, a: &Args) -> SysResult {
    let fs = cx.t.fs();
    let (cwd, root) = (fs.cwd.borrow().clone(), fs.root.borrow().clone());
    let mut path = cwd.getcwd(&root)?;
    path.push(0);
    if path.len() as u64 > a[1] {
        return Err(Errno::ERANGE.into());
    }
    cx.write_mem(a[0], &path)?;
    Ok(path.len() as u64)
}

fn enterable(path: Path, creds: &Creds) -> Result<Path, Errno> {
    let attr = path.attr()?;
    if !attr.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    permission(&attr, creds, Access::EXEC)?;
    Ok(path)
}

pub(super) fn chdir(cx: &Cx, a: &Args) -> SysResult {
    let path = enterable(At::read(cx, CWD, a[0], 0)?, &cx.creds())?;
    cx.t.fs().cwd.replace(path);
    Ok(0)
}

pub(super) fn fchdir(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.file(a[0])?;
    let path = enterable(file.path.clone().ok_or(Errno::ENOTDIR)?, &cx.creds())?;
    cx.t.fs().cwd.replace(path);
    Ok(0)
}

pub(super) fn chroot(cx: &Cx, a: &Args) -> SysResult {
    let path = enterable(At::read(cx, CWD, a[0], 0)?, &cx.creds())?;
    cx.need(CapSet::SYS_CHROOT)?;
    cx.t.fs().root.replace(path);
    Ok(0)
}

pub(super) fn utimensat(cx: &Cx, a: &Args) -> SysResult {
    let path = if a[1] == 0 {
        cx.file(a[0])?.path.clone().ok_or(Errno::EINVAL)?
    } else {
        At::read(cx, a[0], a[1], a[3] as u32)?
    };
    let times = match a[2] {
        0 => [TimeUpdate::Now; 2],
        at => {
            let raw: [u8; 32] = cx.read_array(at)?;
            [update(&raw[..16], 1)?, update(&raw[16..], 1)?]
        }
    };
    set_times(cx, &path, times)
}

pub(super) fn utimes(cx: &Cx, a: &Args) -> SysResult {
    futimesat(cx, &[CWD, a[0], a[1], 0, 0, 0])
}

pub(super) fn futimesat(cx: &Cx, a: &Args) -> SysResult {
    let path = At::read(cx, a[0], a[1], 0)?;
    let times = match a[2] {
        0 => [TimeUpdate::Now; 2],
        at => {
            let raw: [u8; 32] = cx.read_array(at)?;
            [update(&raw[..16], 1000)?, update(&raw[16..], 1000)?]
        }
    };
    set_times(cx, &path, times)
}

pub(super) fn utime(cx: &Cx, a: &Args) -> SysResult {
    let path = At::read(cx, CWD, a[0], 0)?;
    let times = match a[1] {
        0 => [TimeUpdate::Now; 2],
        at => {
            let raw: [u8; 16] = cx.read_array(at)?;
            [0, 8].map(|offset| TimeUpdate::Set(Time::from_secs(get_u64(&raw, offset) as i64)))
        }
    };
    set_times(cx, &path, times)
}

fn set_times(cx: &Cx, path: &Path, [atime, mtime]: [TimeUpdate; 2]) -> SysResult {
    path.utimes(atime, mtime, cx.k.clock.now(), &cx.creds())?;
    cx.k.watches.notify(path, IN_ATTRIB);
    Ok(0)
}

/// A `timespec` (`scale` 1) or `timeval` (`scale` 1000) as an update.
fn update(raw: &[u8], scale: u64) -> Result<TimeUpdate, Errno> {
    let (sec, part) = (get_u64(raw, 0) as i64, get_u64(raw, 8));
    match part {
        UTIME_NOW if scale == 1 => Ok(TimeUpdate::Now),
        UTIME_OMIT if scale == 1 => Ok(TimeUpdate::Omit),
        part if part.checked_mul(scale).is_some_and(|ns| ns < 1_000_000_000) => {
            Ok(TimeUpdate::Set(Time {
                sec,
                nsec: (part * scale) as u32,
            }))
        }
        _ => Err(Errno::EINVAL),
    }
}
