//! Copying a lower file to the upper layer before its first change.

use std::rc::Rc;

use bottleship_abi::mode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG};

use super::PRIVATE_XATTRS;
use super::node::Node;
use crate::{Attr, CreatePerm, Errno, InodeRef, NewNode, Result, SetAttr, XattrFlags, tmpfs};

impl Node {
    /// The upper inode, after copying the file and the directories above it up.
    pub fn copy_up(&self) -> Result<InodeRef> {
        self.copy_up_to(u64::MAX)
    }

    /// [`Node::copy_up`], with only the first `size` bytes of a file: the rest is about to go.
    pub fn copy_up_to(&self, size: u64) -> Result<InodeRef> {
        if let Some(upper) = self.upper() {
            return Ok(upper);
        }
        if !self.shared.writable {
            return Err(Errno::EROFS);
        }
        if self.removed.get() {
            return self.copy_up_removed(size);
        }
        let mut chain = vec![self.this.upgrade().ok_or(Errno::ESTALE)?];
        let mut above = loop {
            let parent = chain[chain.len() - 1].state.borrow().parent.upgrade();
            let parent = parent.ok_or(Errno::ESTALE)?;
            match parent.upper() {
                Some(upper) => break upper,
                None => chain.push(parent),
            }
        };
        while let Some(node) = chain.pop() {
            above = node.copy_up_into(&above, size)?;
        }
        Ok(above)
    }

    /// A file without a name that someone still has open.
    fn copy_up_removed(&self, size: u64) -> Result<InodeRef> {
        if self.kind != S_IFREG {
            return Err(Errno::ENOENT);
        }
        // Any upper directory serves to make a nameless file; the root always has one.
        let mut at = self.state.borrow().parent.upgrade();
        while let Some(node) = at {
            if let Some(dir) = node.upper()
                && !node.removed.get()
            {
                let lower = self.real()?;
                let attr = lower.attr()?;
                let copy = dir.create_anonymous(perm(&attr))?;
                fill(&lower, &attr, &copy, size)?;
                self.state.borrow_mut().upper = Some(copy.clone());
                return Ok(copy);
            }
            at = node.state.borrow().parent.upgrade();
        }
        Err(Errno::ESTALE)
    }

    fn copy_up_into(self: &Rc<Node>, dir: &InodeRef, size: u64) -> Result<InodeRef> {
        let lower = self.real()?;
        let (attr, dir_attr) = (lower.attr()?, dir.attr()?);
        let name = self.state.borrow().name.clone();
        let copy = match attr.kind() {
            S_IFREG => {
                let copy = dir.create_anonymous(perm(&attr))?;
                fill(&lower, &attr, &copy, size)?;
                dir.link(&name, &copy)?;
                copy
            }
            kind => {
                let target = if kind == S_IFLNK {
                    lower.readlink()?
                } else {
                    Vec::new()
                };
                let new = match kind {
                    S_IFDIR => NewNode::Dir,
                    S_IFLNK => NewNode::Symlink(&target),
                    S_IFIFO => NewNode::Fifo,
                    S_IFCHR => NewNode::CharDev(attr.rdev),
                    S_IFBLK => NewNode::BlockDev(attr.rdev),
                    _ => NewNode::Socket,
                };
                let copy = dir.create(&name, new, perm(&attr))?;
                if let Err(e) = copy_attributes(&lower, &attr, &copy) {
                    let undo = if kind == S_IFDIR {
                        dir.rmdir(&name)
                    } else {
                        dir.unlink(&name)
                    };
                    return Err(undo.err().unwrap_or(e));
                }
                copy
            }
        };
        // The directory's contents did not change as far as anyone can see.
        dir.set_attr(&SetAttr {
            atime: Some(dir_attr.atime),
            mtime: Some(dir_attr.mtime),
            ..SetAttr::default()
        })?;
        let mut state = self.state.borrow_mut();
        state.upper = Some(copy.clone());
        if !self.is_dir() {
            state.lowers.clear();
        }
        Ok(copy)
    }
}

fn perm(attr: &Attr) -> CreatePerm {
    CreatePerm {
        mode: attr.mode & 0o7777,
        uid: attr.uid,
        gid: attr.gid,
    }
}

/// Contents, attributes and times of a regular file.
fn fill(lower: &InodeRef, attr: &Attr, copy: &InodeRef, size: u64) -> Result<()> {
    let size = size.min(attr.size);
    let from = lower.as_any().downcast_ref::<tmpfs::Node>();
    let to = copy.as_any().downcast_ref::<tmpfs::Node>();
    match (from, to) {
        (Some(from), Some(to)) => to.reflink_from(from, size)?,
        _ => copy_data(lower, copy, size)?,
    }
    copy_attributes(lower, attr, copy)
}

fn copy_data(lower: &InodeRef, copy: &InodeRef, size: u64) -> Result<()> {
    let mut buf = vec![0; 65_536];
    let mut at = 0;
    while at < size {
        let want = buf
            .len()
            .min(usize::try_from(size - at).unwrap_or(usize::MAX));
        let n = lower.read_at(at, &mut buf[..want])?;
        if n == 0 {
            break;
        }
        if copy.write_at(at, &buf[..n])? < n {
            return Err(Errno::ENOSPC);
        }
        at += n as u64;
    }
    Ok(())
}

fn copy_attributes(lower: &InodeRef, attr: &Attr, copy: &InodeRef) -> Result<()> {
    for name in lower.list_xattr()? {
        if !name.starts_with(PRIVATE_XATTRS) {
            copy.set_xattr(&name, &lower.get_xattr(&name)?, XattrFlags::empty())?;
        }
    }
    copy.set_attr(&SetAttr {
        atime: Some(attr.atime),
        mtime: Some(attr.mtime),
        ..SetAttr::default()
    })
}
