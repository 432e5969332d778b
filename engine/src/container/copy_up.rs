//! Filling a new volume with what the image has where it is mounted.

use bottleship_abi::mode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK};
use bottleship_vfs::{Attr, CreatePerm, Errno, InodeRef, NewNode, SetAttr};

use super::record::Record;
use crate::api::ApiError;
use crate::dirs::FileTree;
use crate::engine::Engine;

/// Fills the container's empty volumes.
pub async fn fill_volumes(engine: &Engine, record: &Record) -> Result<(), ApiError> {
    if record.copy_up.is_empty() {
        return Ok(());
    }
    let rootfs = engine.ports().snapshots.rootfs(&record.id).await?;
    for point in record
        .mounts
        .iter()
        .filter(|m| m.r#type == "volume" && record.copy_up.contains(&m.destination))
    {
        let volume = engine.ports().volumes.open(&point.name).await?;
        let failed = |errno: Errno| {
            ApiError::system(format!("failed to populate volume {}: {errno}", point.name))
        };
        let Some(source) = super::archive::resolve_in(&rootfs.fs, &point.destination) else {
            continue;
        };
        if source.attr().is_ok_and(|attr| attr.is_dir()) && is_empty(&volume).map_err(failed)? {
            copy_dir(&source, &volume.root).map_err(failed)?;
            engine.ports().volumes.sync(&point.name).await?;
        }
    }
    Ok(())
}

fn is_empty(tree: &FileTree) -> Result<bool, Errno> {
    let mut empty = true;
    tree.root.readdir(0, &mut |_| {
        empty = false;
        false
    })?;
    Ok(empty)
}

/// Copies a directory's attributes and content into an empty one.
pub fn copy_dir(from: &InodeRef, to: &InodeRef) -> Result<(), Errno> {
    let mut pending = vec![(from.clone(), to.clone())];
    let mut done = Vec::new();
    while let Some((from, to)) = pending.pop() {
        let mut names = Vec::new();
        from.readdir(0, &mut |entry| {
            names.push(entry.name.to_vec());
            true
        })?;
        for name in names {
            let source = from.lookup(&name)?;
            let attr = source.attr()?;
            let copy = to.create(&name, node(&source, &attr, &mut Vec::new())?, perm(&attr))?;
            match attr.kind() {
                S_IFDIR => {
                    pending.push((source, copy));
                    continue;
                }
                S_IFREG => copy_content(&source, &copy, attr.size)?,
                _ => {}
            }
            copy_attributes(&source, &copy, &attr)?;
        }
        done.push((from, to));
    }
    // Children first: making them touched their directory.
    for (from, to) in done.iter().rev() {
        copy_attributes(from, to, &from.attr()?)?;
    }
    Ok(())
}

fn perm(attr: &Attr) -> CreatePerm {
    CreatePerm {
        mode: attr.mode & 0o7777,
        uid: attr.uid,
        gid: attr.gid,
    }
}

fn node<'a>(source: &InodeRef, attr: &Attr, target: &'a mut Vec<u8>) -> Result<NewNode<'a>, Errno> {
    Ok(match attr.kind() {
        S_IFDIR => NewNode::Dir,
        S_IFLNK => {
            *target = source.readlink()?;
            NewNode::Symlink(target)
        }
        S_IFIFO => NewNode::Fifo,
        S_IFSOCK => NewNode::Socket,
        S_IFCHR => NewNode::CharDev(attr.rdev),
        S_IFBLK => NewNode::BlockDev(attr.rdev),
        _ => NewNode::File,
    })
}

fn copy_content(from: &InodeRef, to: &InodeRef, size: u64) -> Result<(), Errno> {
    let mut buffer = vec![0; 64 * 1024];
    let mut offset = 0;
    while offset < size {
        let count = from.read_at(offset, &mut buffer)?;
        let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
            break;
        };
        let mut written = 0;
        while let Some(rest) = data.get(written..).filter(|rest| !rest.is_empty()) {
            written += to.write_at(offset + written as u64, rest)?;
        }
        offset += count as u64;
    }
    Ok(())
}

fn copy_attributes(from: &InodeRef, to: &InodeRef, attr: &Attr) -> Result<(), Errno> {
    for name in from.list_xattr().unwrap_or_default() {
        if !name.starts_with(b"trusted.overlay.") {
            let value = from.get_xattr(&name)?;
            to.set_xattr(&name, &value, bottleship_vfs::XattrFlags::empty())?;
        }
    }
    let mode = (attr.kind() != S_IFLNK).then_some(attr.mode & 0o7777);
    let times = SetAttr {
        mode,
        uid: Some(attr.uid),
        gid: Some(attr.gid),
        atime: Some(attr.atime),
        mtime: Some(attr.mtime),
        size: None,
    };
    to.set_attr(&times)
}
