//! Making and removing entries.

use std::rc::Rc;

use super::lookup::find_in;
use super::node::Node;
use super::{OPAQUE, WORK, is_whiteout};
use crate::{CreatePerm, Errno, InodeRef, NewNode, RenameFlags, Result, SetAttr, XattrFlags};

impl Node {
    /// The upper side of a directory in which something is about to change.
    pub(super) fn upper_dir(&self) -> Result<InodeRef> {
        if !self.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        if self.removed.get() {
            return Err(Errno::ENOENT);
        }
        self.copy_up()
    }

    pub(super) fn make(&self, name: &[u8], new: NewNode, perm: CreatePerm) -> Result<Rc<Node>> {
        if self.find(name)?.is_some() {
            return Err(Errno::EEXIST);
        }
        let dir = self.upper_dir()?;
        let whiteout = find_in(&dir, name)?.is_some();
        let at = if whiteout { WORK } else { name };
        let inode = dir.create(at, new, perm)?;
        let finish = || {
            if whiteout {
                // What the whiteout hid must not show through the new directory.
                if new == NewNode::Dir {
                    inode.set_xattr(OPAQUE, b"y", XattrFlags::empty())?;
                }
                dir.rename(WORK, &dir, name, RenameFlags::EXCHANGE)?;
                dir.unlink(WORK)?;
            }
            Node::new(
                &self.shared,
                name,
                self.this.clone(),
                Some(inode.clone()),
                Vec::new(),
            )
        };
        match finish() {
            Ok(node) => {
                self.add_child(name, node.clone());
                Ok(node)
            }
            Err(e) => {
                let undo = if new == NewNode::Dir {
                    dir.rmdir(at)
                } else {
                    dir.unlink(at)
                };
                Err(undo.err().unwrap_or(e))
            }
        }
    }

    pub(super) fn make_link(&self, name: &[u8], target: &Rc<Node>) -> Result<()> {
        if target.is_dir() {
            return Err(Errno::EPERM);
        }
        if self.find(name)?.is_some() {
            return Err(Errno::EEXIST);
        }
        let dir = self.upper_dir()?;
        let inode = target.copy_up()?;
        match find_in(&dir, name)? {
            None => dir.link(name, &inode)?,
            Some(_) => {
                dir.link(WORK, &inode)?;
                if let Err(e) = dir.rename(WORK, &dir, name, RenameFlags::empty()) {
                    dir.unlink(WORK)?;
                    return Err(e);
                }
            }
        }
        target.register_link()?;
        target.removed.set(false);
        self.add_child(name, target.clone());
        Ok(())
    }

    pub(super) fn remove_file(&self, name: &[u8]) -> Result<()> {
        if self.child(name)?.is_dir() {
            return Err(Errno::EISDIR);
        }
        let dir = self.upper_dir()?;
        match self.lower_has(name)? {
            true => put_whiteout(&dir, name)?,
            false => dir.unlink(name)?,
        }
        self.remove_child(name);
        Ok(())
    }

    pub(super) fn remove_dir(&self, name: &[u8]) -> Result<()> {
        let child = self.child(name)?;
        if !child.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        if !child.is_empty_dir()? {
            return Err(Errno::ENOTEMPTY);
        }
        let dir = self.upper_dir()?;
        if let Some(upper) = child.upper() {
            clear_whiteouts(&upper)?;
        }
        match self.lower_has(name)? {
            true => put_whiteout(&dir, name)?,
            false => dir.rmdir(name)?,
        }
        self.remove_child(name);
        Ok(())
    }
}

/// Puts a whiteout in the place of what an upper directory has under the name, if anything; a
/// directory there is empty.
fn put_whiteout(dir: &InodeRef, name: &[u8]) -> Result<()> {
    let old = find_in(dir, name)?;
    let at = if old.is_some() { WORK } else { name };
    dir.create(at, NewNode::CharDev(0), CreatePerm::default())?;
    let Some(old) = old else {
        return Ok(());
    };
    dir.rename(WORK, dir, name, RenameFlags::EXCHANGE)?;
    match old.attr()?.is_dir() {
        true => dir.rmdir(WORK),
        false => dir.unlink(WORK),
    }
}

/// Removes what is left in an upper directory whose union is empty.
pub(super) fn clear_whiteouts(dir: &InodeRef) -> Result<()> {
    let mut names = Vec::new();
    dir.readdir(0, &mut |entry| {
        names.push(entry.name.to_vec());
        true
    })?;
    let before = dir.attr()?;
    for name in &names {
        if !is_whiteout(&dir.lookup(name)?)? {
            return Err(Errno::ENOTEMPTY);
        }
        dir.unlink(name)?;
    }
    dir.set_attr(&SetAttr {
        mtime: Some(before.mtime),
        ..SetAttr::default()
    })
}
