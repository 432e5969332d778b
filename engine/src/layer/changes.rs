//! `docker diff`: how a container's tree differs from its image (moby's `changes.go`).

use bottleship_abi::mode::S_IFDIR;
use bottleship_vfs::overlay::{is_opaque, is_whiteout};
use bottleship_vfs::{Attr, Errno, InodeRef};

use super::LayerError;
use super::walk::sorted_names;
use crate::snapshot::{Change, ChangeKind};

/// A directory being compared.
struct Level {
    path: Vec<u8>,
    upper: InodeRef,
    /// The directory in its place below.
    lower: Option<InodeRef>,
    /// Names left to compare, last first.
    names: Vec<Vec<u8>>,
    /// Hides what is below.
    opaque: bool,
    /// Already among the changes.
    listed: bool,
    /// Where in the changes those inside the directory start.
    start: usize,
}

/// Compares an upper directory with the tree below it. Parents come before what is in them, names
/// in order. A directory is listed when its owner or mode changed, or anything in it; nothing below
/// what was removed or replaced is.
pub fn changes(upper: &InodeRef, lower: &InodeRef) -> Result<Vec<Change>, LayerError> {
    let mut changes = Vec::new();
    let mut stack = vec![level(Vec::new(), upper, Some(lower.clone()), true, 0)?];
    while let Some(at) = stack.last_mut() {
        let Some(name) = at.names.pop() else {
            let done = stack.pop();
            if let Some(done) = done
                && !done.listed
                && changes.len() > done.start
            {
                let change = change(&done.path, ChangeKind::Modified);
                changes.insert(done.start, change);
            }
            continue;
        };
        let path = [&*at.path, b"/", &name].concat();
        let failed = |errno| LayerError::file(&path)(errno);
        let new = found(at.upper.lookup(&name)).map_err(failed)?;
        let whiteout = match &new {
            Some(inode) => is_whiteout(inode).map_err(failed)?,
            None => at.opaque,
        };
        let old = match &at.lower {
            Some(lower) => found(lower.lookup(&name)).map_err(failed)?,
            None => None,
        };
        let (new, old) = match (new, old) {
            (_, Some(_)) if whiteout => {
                changes.push(change(&path, ChangeKind::Deleted));
                continue;
            }
            (Some(new), old) if !whiteout => (new, old),
            _ => continue,
        };
        let attr = new.attr().map_err(failed)?;
        let start = changes.len();
        let listed = match &old {
            None => Some(ChangeKind::Added),
            Some(old) => {
                let differs = different(&old.attr().map_err(failed)?, &attr)
                    || capability(old) != capability(&new);
                differs.then_some(ChangeKind::Modified)
            }
        };
        changes.extend(listed.map(|kind| change(&path, kind)));
        if attr.is_dir() {
            let old_dir = match old {
                Some(old) => old.attr().map_err(failed)?.is_dir().then_some(old),
                None => None,
            };
            stack.push(level(path, &new, old_dir, listed.is_some(), start)?);
        }
    }
    Ok(changes)
}

fn level(
    path: Vec<u8>,
    upper: &InodeRef,
    lower: Option<InodeRef>,
    listed: bool,
    start: usize,
) -> Result<Level, LayerError> {
    let opaque = is_opaque(upper);
    let mut names = sorted_names(upper, &path)?;
    if let Some(lower) = lower.as_ref().filter(|_| opaque) {
        names.extend(sorted_names(lower, &path)?);
        names.sort_unstable_by(|a, b| b.cmp(a));
        names.dedup();
    }
    Ok(Level {
        path,
        upper: upper.clone(),
        lower,
        names,
        opaque,
        listed,
        start,
    })
}

fn change(path: &[u8], kind: ChangeKind) -> Change {
    let path = path.to_vec();
    Change { path, kind }
}

fn found(result: Result<InodeRef, Errno>) -> Result<Option<InodeRef>, Errno> {
    match result {
        Ok(inode) => Ok(Some(inode)),
        Err(Errno::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

fn capability(inode: &InodeRef) -> Option<Vec<u8>> {
    inode.get_xattr(b"security.capability").ok()
}

/// Size and time of a directory say nothing; fractions of seconds may have been lost on the way.
fn different(old: &Attr, new: &Attr) -> bool {
    let same_time = old.mtime.sec == new.mtime.sec
        && (old.mtime.nsec == new.mtime.nsec || old.mtime.nsec == 0 || new.mtime.nsec == 0);
    old.mode != new.mode
        || old.uid != new.uid
        || old.gid != new.gid
        || old.rdev != new.rdev
        || (old.kind() != S_IFDIR && (!same_time || old.size != new.size))
}
