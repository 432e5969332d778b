//! Removing trees.

use bottleship_vfs::{Errno, InodeRef};

/// Removes an entry and all below it.
pub fn remove_all(dir: &InodeRef, name: &[u8]) -> Result<(), Errno> {
    let inode = dir.lookup(name)?;
    if !inode.attr()?.is_dir() {
        return dir.unlink(name);
    }
    // Directories being emptied, each with its name in the one before.
    let mut stack = vec![(dir.clone(), name.to_vec(), inode)];
    while let Some((parent, name, dir)) = stack.last().cloned() {
        let mut next = None;
        dir.readdir(0, &mut |entry| {
            next = Some(entry.name.to_vec());
            false
        })?;
        let Some(child) = next else {
            parent.rmdir(&name)?;
            stack.pop();
            continue;
        };
        let inode = dir.lookup(&child)?;
        match inode.attr()?.is_dir() {
            true => stack.push((dir, child, inode)),
            false => dir.unlink(&child)?,
        }
    }
    Ok(())
}
