//! Extended attributes.

use bottleship_abi::Errno;
use bottleship_abi::fs::{AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use bottleship_vfs::{Path, XattrFlags};

use super::{Args, At, Cx, SysResult};

/// `XATTR_SIZE_MAX`.
const MAX_VALUE: u64 = 65536;
/// `XATTR_NAME_MAX`.
const MAX_NAME: usize = 255;

fn by_path(cx: &Cx, path: u64) -> Result<Path, Errno> {
    At::from(cx, AT_FDCWD, &cx.read_path(path)?, 0)
}

fn by_link(cx: &Cx, path: u64) -> Result<Path, Errno> {
    At::from(cx, AT_FDCWD, &cx.read_path(path)?, AT_SYMLINK_NOFOLLOW)
}

fn by_fd(cx: &Cx, fd: u64) -> Result<Path, Errno> {
    cx.io_file(fd)?.path.clone().ok_or(Errno::EOPNOTSUPP)
}

type Find = fn(&Cx, u64) -> Result<Path, Errno>;

fn name(cx: &Cx, at: u64) -> Result<Vec<u8>, Errno> {
    let name = cx.t.mm()?.read_cstr(at, MAX_NAME).map_err(|e| {
        if e == Errno::ENAMETOOLONG {
            Errno::ERANGE
        } else {
            e
        }
    })?;
    if name.is_empty() {
        Err(Errno::ERANGE)
    } else {
        Ok(name)
    }
}

fn set(cx: &Cx, a: &Args, find: Find) -> SysResult {
    let flags = XattrFlags::from_bits(a[4] as u32).ok_or(Errno::EINVAL)?;
    let name = name(cx, a[1])?;
    if a[3] > MAX_VALUE {
        return Err(Errno::E2BIG.into());
    }
    let value = cx.read_vec(a[2], a[3] as usize)?;
    find(cx, a[0])?.set_xattr(&name, &value, flags, &cx.creds())?;
    Ok(0)
}

fn give(cx: &Cx, at: u64, room: u64, value: &[u8]) -> SysResult {
    if room != 0 {
        if value.len() as u64 > room {
            return Err(Errno::ERANGE.into());
        }
        cx.write_mem(at, value)?;
    }
    Ok(value.len() as u64)
}

fn get(cx: &Cx, a: &Args, find: Find) -> SysResult {
    let name = name(cx, a[1])?;
    let value = find(cx, a[0])?.get_xattr(&name, &cx.creds())?;
    give(cx, a[2], a[3], &value)
}

fn list(cx: &Cx, a: &Args, find: Find) -> SysResult {
    let mut all = Vec::new();
    for name in find(cx, a[0])?.list_xattr(&cx.creds())? {
        all.extend(name);
        all.push(0);
    }
    give(cx, a[1], a[2], &all)
}

fn remove(cx: &Cx, a: &Args, find: Find) -> SysResult {
    let name = name(cx, a[1])?;
    find(cx, a[0])?.remove_xattr(&name, &cx.creds())?;
    Ok(0)
}

macro_rules! three {
    ($op:ident: $path:ident, $link:ident, $fd:ident) => {
        pub(super) fn $path(cx: &Cx, a: &Args) -> SysResult {
            $op(cx, a, by_path)
        }
        pub(super) fn $link(cx: &Cx, a: &Args) -> SysResult {
            $op(cx, a, by_link)
        }
        pub(super) fn $fd(cx: &Cx, a: &Args) -> SysResult {
            $op(cx, a, by_fd)
        }
    };
}

three!(set: setxattr, lsetxattr, fsetxattr);
three!(get: getxattr, lgetxattr, fgetxattr);
three!(list: listxattr, llistxattr, flistxattr);
three!(remove: removexattr, lremovexattr, fremovexattr);
