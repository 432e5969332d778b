//! File trees in memory, kept in the store.

use std::io::BufReader;
use std::rc::Rc;

use bottleship_abi::mode::{S_IFDIR, S_IFLNK, S_IFREG};
use bottleship_vfs::{FileSystem, InodeRef, Tmpfs};
use bytes::Bytes;

use crate::layer::{Limits, load_tree, save_tree};
use crate::snapshot::Usage;
use crate::store::StoreError;

/// Bytes of a stored tree at most.
const MAX_TREE: u64 = 4 << 30;

/// A tree as bytes.
pub fn save(tree: &InodeRef) -> Result<Bytes, StoreError> {
    let mut tar = Vec::new();
    save_tree(tree, &mut tar).map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(tar.into())
}

/// Fills an empty tree with what was saved.
pub fn load(bytes: &[u8], tree: &Rc<Tmpfs>) -> Result<(), StoreError> {
    let limits = Limits {
        archive_bytes: MAX_TREE,
        ..Limits::default()
    };
    load_tree(BufReader::new(bytes), &tree.root(), &limits)
        .map_err(|error| StoreError::Failed(error.to_string()))
}

/// Bytes of files and links, hard links once, and inodes.
pub fn usage(root: &InodeRef) -> Usage {
    let mut usage = Usage::default();
    let mut linked = std::collections::BTreeSet::new();
    let mut pending = vec![root.clone()];
    while let Some(dir) = pending.pop() {
        let mut names = Vec::new();
        // A directory that cannot be read counts as empty.
        let _ = dir.readdir(0, &mut |entry| {
            names.push(entry.name.to_vec());
            true
        });
        for inode in names.iter().filter_map(|name| dir.lookup(name).ok()) {
            let Ok(attr) = inode.attr() else { continue };
            if attr.nlink > 1 && !attr.is_dir() && !linked.insert(attr.ino) {
                continue;
            }
            usage.inodes += 1;
            match attr.kind() {
                S_IFDIR => pending.push(inode),
                S_IFREG | S_IFLNK => usage.size += attr.size,
                _ => {}
            }
        }
    }
    usage
}
