//! Mounts.

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::fs::*;
use bottleship_vfs::{CapSet, CreatePerm, FileSystem, MountFlags, Path, Quota, Tmpfs};

use super::{Args, At, Cx, SysResult};

fn string(cx: &Cx, at: u64) -> Result<Vec<u8>, Errno> {
    if at == 0 {
        Ok(Vec::new())
    } else {
        cx.read_path(at)
    }
}

fn at(cx: &Cx, path: u64) -> Result<Path, Errno> {
    At::from(cx, AT_FDCWD, &cx.read_path(path)?, 0)
}

pub(super) fn mount(cx: &Cx, a: &Args) -> SysResult {
    let source = string(cx, a[0])?;
    let target = at(cx, a[1])?;
    let kind = string(cx, a[2])?;
    let flags = a[3];
    let data = string(cx, a[4])?;
    cx.need(CapSet::SYS_ADMIN)?;
    let ns = cx.t.ns();
    let mounts = ns.mounts();
    let kept = MountFlags::from_bits_truncate(flags);
    if flags & MS_REMOUNT != 0 {
        mounts.remount(&target, kept)?;
    } else if flags & MS_BIND != 0 {
        let what = At::from(cx, AT_FDCWD, &source, 0)?;
        mounts.bind(&what, &target, flags & MS_REC != 0)?;
    } else if flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE) != 0 {
        // Every mount here is private.
        if !target.is_mount_root() || flags & MS_SHARED != 0 {
            return Err(Errno::EINVAL.into());
        }
    } else if flags & MS_MOVE != 0 {
        mounts.move_mount(&At::from(cx, AT_FDCWD, &source, 0)?, &target)?;
    } else {
        let fs = filesystem(cx, &kind, &data)?;
        mounts.mount(&target, fs, &String::from_utf8_lossy(&source), kept)?;
    }
    Ok(0)
}

fn filesystem(cx: &Cx, kind: &[u8], data: &[u8]) -> Result<Rc<dyn FileSystem>, Errno> {
    let kind = std::str::from_utf8(kind).map_err(|_| Errno::ENODEV)?;
    if kind != "tmpfs" {
        return crate::fs::make(cx.k, &cx.t.ns(), kind);
    }
    let mut perm = CreatePerm {
        mode: 0o1777,
        uid: 0,
        gid: 0,
    };
    let (mut bytes, mut inodes) = (cx.k.config.memory_limit / 2, 1 << 20);
    let text = std::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
    for option in text.split(',').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "size" => bytes = size(value, cx.k.config.memory_limit)?,
            "nr_inodes" => inodes = size(value, 1 << 20)?,
            "mode" => {
                perm.mode = u32::from_str_radix(value, 8).map_err(|_| Errno::EINVAL)? & 0o7777
            }
            "uid" => perm.uid = value.parse().map_err(|_| Errno::EINVAL)?,
            "gid" => perm.gid = value.parse().map_err(|_| Errno::EINVAL)?,
            "rw" | "huge" | "mpol" | "inode64" | "noswap" => {}
            _ => return Err(Errno::EINVAL),
        }
    }
    let fs = Tmpfs::with_root(&cx.k.clock, Quota::new(bytes, inodes), perm)?;
    fs.set_options(text);
    Ok(fs)
}

/// `64m`, `50%`, `65536`.
fn size(text: &str, whole: u64) -> Result<u64, Errno> {
    let (digits, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let number: u64 = digits.parse().map_err(|_| Errno::EINVAL)?;
    let factor = match unit {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        "%" => return Ok(whole / 100 * number.min(100)),
        _ => return Err(Errno::EINVAL),
    };
    number.checked_mul(factor).ok_or(Errno::EINVAL)
}

pub(super) fn umount2(cx: &Cx, a: &Args) -> SysResult {
    let flags = a[1] as u32;
    let follow = if flags & 8 != 0 {
        AT_SYMLINK_NOFOLLOW
    } else {
        0
    };
    let target = At::from(cx, AT_FDCWD, &cx.read_path(a[0])?, follow)?;
    cx.need(CapSet::SYS_ADMIN)?;
    let ns = cx.t.ns();
    ns.mounts().umount(target, flags & (MNT_DETACH | 1) != 0)?;
    Ok(0)
}

pub(super) fn pivot_root(cx: &Cx, a: &Args) -> SysResult {
    let (new_root, put_old) = (at(cx, a[0])?, at(cx, a[1])?);
    cx.need(CapSet::SYS_ADMIN)?;
    let ns = cx.t.ns();
    let old_root = ns.mounts().root();
    ns.mounts().pivot_root(&new_root, &put_old)?;
    for task in cx.k.tasks.borrow().values() {
        let fs = task.fs();
        for place in [&fs.root, &fs.cwd] {
            if *place.borrow() == old_root {
                place.replace(new_root.clone());
            }
        }
    }
    Ok(0)
}
