//! `stat` and `statfs`.

use bottleship_abi::Errno;
use bottleship_abi::fs::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, Stat, Statfs};
use bottleship_vfs::{Attr, Mount};

use super::{Args, At, Cx, SysResult};
use crate::kernel::file::OpenFile;

/// Attributes in the form that guests see.
pub fn stat_of(attr: &Attr) -> Stat {
    Stat {
        dev: attr.dev,
        ino: attr.ino,
        nlink: u64::from(attr.nlink),
        mode: attr.mode,
        uid: attr.uid,
        gid: attr.gid,
        rdev: attr.rdev,
        size: attr.size,
        blksize: 4096,
        blocks: attr.blocks,
        atime: (attr.atime.sec, attr.atime.nsec),
        mtime: (attr.mtime.sec, attr.mtime.nsec),
        ctime: (attr.ctime.sec, attr.ctime.nsec),
    }
}

fn stat_file(file: &OpenFile) -> Result<Stat, Errno> {
    match (&file.path, file.file.inode()) {
        (Some(path), _) => Ok(stat_of(&path.attr()?)),
        (None, Some(inode)) => Ok(stat_of(&inode.attr()?)),
        (None, None) => Ok(file.file.stat()),
    }
}

/// Attributes and mount of what an `*at` call names.
fn find(cx: &Cx, dirfd: i32, path: &[u8], flags: u32) -> Result<(Stat, u64), Errno> {
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 && dirfd != AT_FDCWD {
        let file = cx.file(dirfd as u64)?;
        return Ok((
            stat_file(&file)?,
            file.path.as_ref().map_or(0, |path| path.mount.id()),
        ));
    }
    let found = At::from(cx, dirfd, path, flags)?;
    Ok((stat_of(&found.attr()?), found.mount.id()))
}

pub(super) fn stat(cx: &Cx, a: &Args) -> SysResult {
    let (stat, _) = find(cx, AT_FDCWD, &cx.read_path(a[0])?, 0)?;
    cx.write_mem(a[1], &stat.to_bytes())?;
    Ok(0)
}

pub(super) fn lstat(cx: &Cx, a: &Args) -> SysResult {
    let (stat, _) = find(cx, AT_FDCWD, &cx.read_path(a[0])?, AT_SYMLINK_NOFOLLOW)?;
    cx.write_mem(a[1], &stat.to_bytes())?;
    Ok(0)
}

pub(super) fn fstat(cx: &Cx, a: &Args) -> SysResult {
    let stat = stat_file(&*cx.file(a[0])?)?;
    cx.write_mem(a[1], &stat.to_bytes())?;
    Ok(0)
}

pub(super) fn newfstatat(cx: &Cx, a: &Args) -> SysResult {
    let (stat, _) = find(cx, a[0] as i32, &cx.read_path(a[1])?, a[3] as u32)?;
    cx.write_mem(a[2], &stat.to_bytes())?;
    Ok(0)
}

pub(super) fn statx(cx: &Cx, a: &Args) -> SysResult {
    let path = if a[1] == 0 {
        Vec::new()
    } else {
        cx.read_path(a[1])?
    };
    let flags = a[2] as u32 | if a[1] == 0 { AT_EMPTY_PATH } else { 0 };
    if a[3] as u32 & 0x8000_0000 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (stat, mount) = find(cx, a[0] as i32, &path, flags)?;
    cx.write_mem(a[4], &stat.to_statx(mount))?;
    Ok(0)
}

fn statfs_of(mount: &Mount) -> Result<[u8; 120], Errno> {
    let found = mount.fs().statfs()?;
    Ok(Statfs {
        kind: found.magic,
        bsize: found.block_size,
        blocks: found.blocks,
        bfree: found.free_blocks,
        bavail: found.free_blocks,
        files: found.files,
        ffree: found.free_files,
        fsid: mount.fs().dev(),
        namelen: found.name_max,
        // ST_VALID, and the mount's flags that have the same values.
        flags: 0x20 | (mount.flags().bits() & 0xf) | 0x1000,
    }
    .to_bytes())
}

pub(super) fn statfs(cx: &Cx, a: &Args) -> SysResult {
    let path = At::from(cx, AT_FDCWD, &cx.read_path(a[0])?, 0)?;
    cx.write_mem(a[1], &statfs_of(&path.mount)?)?;
    Ok(0)
}

pub(super) fn fstatfs(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.file(a[0])?;
    let bytes = match &file.path {
        Some(path) => statfs_of(&path.mount)?,
        // Pipes and their like: PIPEFS_MAGIC.
        None => Statfs {
            kind: 0x5049_5045,
            bsize: 4096,
            namelen: 255,
            ..Statfs::default()
        }
        .to_bytes(),
    };
    cx.write_mem(a[1], &bytes)?;
    Ok(0)
}
