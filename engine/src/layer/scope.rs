//! Names of archive entries, resolved so that nothing leads out of the tree.

use std::collections::VecDeque;

use bottleship_vfs::overlay::is_whiteout;
use bottleship_vfs::{Errno, InodeRef, NAME_MAX};

/// Makes what is missing on the way: the directory it is missing in, and its name.
type Make<'a> = dyn FnMut(&InodeRef, &[u8]) -> Result<InodeRef, Errno> + 'a;

/// Symbolic links followed while resolving one name.
const MAX_LINKS: u32 = 40;

/// The components of an entry's name, `.` and `..` taken out as `filepath.Clean` does. The error
/// says why the name is refused.
pub(super) fn components(name: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut parts = Vec::new();
    for part in name.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop().ok_or("name leads out of the archive's root")?;
            }
            _ if part.contains(&0) => return Err("name holds a NUL"),
            _ if part.len() > NAME_MAX => return Err("name has a component over 255 bytes"),
            _ => parts.push(part),
        }
    }
    Ok(parts)
}

/// Finds the directory that `parts` lead to from `root`. Symbolic links on the way are followed
/// within the tree: `/` is `root`, and `..` does not go above it. What is missing, or hidden by a
/// whiteout, is handed to `make`.
pub(super) fn directory(
    root: &InodeRef,
    parts: &[&[u8]],
    make: &mut Make<'_>,
) -> Result<InodeRef, Errno> {
    let mut stack = vec![root.clone()];
    let mut todo: VecDeque<Vec<u8>> = parts.iter().map(|p| p.to_vec()).collect();
    let mut links = 0;
    while let Some(part) = todo.pop_front() {
        let dir = stack.last().unwrap_or(root).clone();
        match &*part {
            b"" | b"." => continue,
            b".." => {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            _ => {}
        }
        let inode = match dir.lookup(&part) {
            Ok(inode) if !is_whiteout(&inode)? => inode,
            Ok(_) | Err(Errno::ENOENT) => make(&dir, &part)?,
            Err(e) => return Err(e),
        };
        let attr = inode.attr()?;
        if attr.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::ELOOP);
            }
            let target = inode.readlink()?;
            if target.starts_with(b"/") {
                stack.truncate(1);
            }
            for part in target.rsplit(|b| *b == b'/') {
                todo.push_front(part.to_vec());
            }
        } else if attr.is_dir() {
            stack.push(inode);
        } else {
            return Err(Errno::ENOTDIR);
        }
    }
    Ok(stack.pop().unwrap_or_else(|| root.clone()))
}

/// For [`directory`] where everything must exist.
pub(super) fn missing(_: &InodeRef, _: &[u8]) -> Result<InodeRef, Errno> {
    Err(Errno::ENOENT)
}
