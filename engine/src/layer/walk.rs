//! Walking a tree in the order of names, parents first, as `filepath.Walk` does.

use std::collections::HashSet;

use bottleship_vfs::{Attr, InodeRef};

use super::LayerError;
use crate::snapshot::Usage;

/// What is found on a walk.
pub struct Found<'a> {
    /// The path from the root, without a slash in front; empty for the root itself.
    pub path: &'a [u8],
    /// What is there.
    pub inode: &'a InodeRef,
    /// Its attributes.
    pub attr: Attr,
}

/// Visits the root and, where `visit` says true of a directory, what is in it.
pub fn walk(
    root: &InodeRef,
    visit: &mut dyn FnMut(&Found<'_>) -> Result<bool, LayerError>,
) -> Result<(), LayerError> {
    let attr = root.attr().map_err(LayerError::file(b"/"))?;
    let found = Found {
        path: b"",
        inode: root,
        attr,
    };
    if !visit(&found)? || !attr.is_dir() {
        return Ok(());
    }
    // Directories under way, with the names not yet visited (last first) and the length of the path.
    let mut path = Vec::new();
    let mut stack = vec![(root.clone(), sorted_names(root, b"/")?, 0)];
    while let Some((dir, names, len)) = stack.last_mut() {
        path.truncate(*len);
        let Some(name) = names.pop() else {
            stack.pop();
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        let inode = dir.lookup(&name).map_err(LayerError::file(&path))?;
        let attr = inode.attr().map_err(LayerError::file(&path))?;
        let found = Found {
            path: &path,
            inode: &inode,
            attr,
        };
        if visit(&found)? && attr.is_dir() {
            let names = sorted_names(&inode, &path)?;
            stack.push((inode, names, path.len()));
        }
    }
    Ok(())
}

/// The names in a directory, in descending order.
pub(super) fn sorted_names(dir: &InodeRef, path: &[u8]) -> Result<Vec<Vec<u8>>, LayerError> {
    let mut names = Vec::new();
    let read = dir.readdir(0, &mut |entry| {
        names.push(entry.name.to_vec());
        true
    });
    read.map_err(LayerError::file(path))?;
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

/// What a tree holds, the root not counted: bytes of files and symbolic links, hard links once, as
/// Docker counts the sizes of layers and containers.
pub fn usage(root: &InodeRef) -> Result<Usage, LayerError> {
    let mut usage = Usage::default();
    let mut seen = HashSet::new();
    walk(root, &mut |found| {
        let attr = &found.attr;
        let again = !attr.is_dir() && attr.nlink > 1 && !seen.insert(attr.ino);
        if !found.path.is_empty() && !again {
            usage.inodes += 1;
            usage.size += if attr.is_dir() { 0 } else { attr.size };
        }
        Ok(true)
    })?;
    Ok(usage)
}
