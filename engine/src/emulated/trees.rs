//! What file trees in memory hold.

use bottleship_abi::mode::{S_IFDIR, S_IFLNK, S_IFREG};
use bottleship_vfs::InodeRef;

use crate::snapshot::Usage;

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
