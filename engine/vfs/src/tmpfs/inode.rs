//! [`Inode`] for tmpfs.

use std::any::Any;
use std::rc::Rc;

use bottleship_page::Page;

use super::contents::Backing;
use super::node::Body;
use super::{BLOCK, Node};
use crate::inode::*;
use crate::{Attachment, Errno, Result, Time};

/// Limits of ext4-like attribute storage: a value, and all names and values of an inode.
const XATTR_VALUE_MAX: usize = 65_536;
const XATTR_TOTAL_MAX: usize = 65_536;

/// What a directory's size and blocks read as: those of a small ext4 directory, which is what the
/// files of a Docker host usually lie on.
const DIR_SIZE: u64 = 4096;

impl Inode for Node {
    fn attr(&self) -> Result<Attr> {
        let m = self.meta.get();
        let (size, blocks) = match &self.body {
            Body::File(contents) => {
                let contents = contents.borrow();
                (contents.size(), contents.blocks())
            }
            Body::Dir(_) => (DIR_SIZE, DIR_SIZE / 512),
            Body::Symlink(target) => (target.len() as u64, 0),
            Body::Special(_) => (0, 0),
        };
        Ok(Attr {
            ino: self.ino,
            dev: self.shared.dev,
            mode: self.kind | m.perm,
            nlink: m.nlink,
            uid: m.uid,
            gid: m.gid,
            rdev: self.rdev,
            size,
            blocks,
            atime: m.atime,
            mtime: m.mtime,
            ctime: m.ctime,
        })
    }

    fn set_attr(&self, set: &SetAttr) -> Result<()> {
        let now = self.shared.change()?;
        if let Some(size) = set.size {
            let mut contents = self.file()?.borrow_mut();
            contents.truncate(&self.shared.quota, size)?;
        }
        self.update(|m| {
            m.perm = set.mode.map_or(m.perm, |mode| mode & 0o7777);
            m.uid = set.uid.unwrap_or(m.uid);
            m.gid = set.gid.unwrap_or(m.gid);
            m.atime = set.atime.unwrap_or(m.atime);
            m.mtime = match (set.mtime, set.size) {
                (Some(time), _) => time,
                (None, Some(_)) => now,
                (None, None) => m.mtime,
            };
            m.ctime = now;
        });
        Ok(())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.file()?.borrow().read(offset, buf)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<usize> {
        let contents = self.file()?;
        let now = self.shared.change()?;
        let n = contents
            .borrow_mut()
            .write(&self.shared.quota, offset, data)?;
        self.update(|m| {
            m.mtime = now;
            m.ctime = now;
        });
        Ok(n)
    }

    fn page(&self, index: u64) -> Result<Page> {
        match &self.body {
            Body::File(contents) => contents.borrow_mut().page(index),
            _ => Err(Errno::ENODEV),
        }
    }

    fn page_for_write(&self, index: u64) -> Result<Page> {
        let Body::File(contents) = &self.body else {
            return Err(Errno::ENODEV);
        };
        let now = self.shared.change()?;
        let page = contents
            .borrow_mut()
            .page_for_write(&self.shared.quota, index)?;
        self.update(|m| {
            m.mtime = now;
            m.ctime = now;
        });
        Ok(page)
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        let dir = self.dir()?.borrow();
        let node = dir.get(name).ok_or(Errno::ENOENT)?;
        Ok(node.clone())
    }

    fn create(&self, name: &[u8], new: NewNode, perm: CreatePerm) -> Result<InodeRef> {
        let mut dir = self.live_dir()?.borrow_mut();
        if dir.get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let now = self.shared.change()?;
        let node = Node::new(&self.shared, new, perm)?;
        self.dir_changed(now, i32::from(node.is_dir()));
        dir.insert(name, node.clone());
        Ok(node)
    }

    fn create_anonymous(&self, perm: CreatePerm) -> Result<InodeRef> {
        self.dir()?;
        let node = Node::new(&self.shared, NewNode::File, perm)?;
        node.update(|m| m.nlink = 0);
        Ok(node)
    }

    fn link(&self, name: &[u8], target: &InodeRef) -> Result<()> {
        let node = self.same_fs(target)?;
        if node.is_dir() {
            return Err(Errno::EPERM);
        }
        let mut dir = self.live_dir()?.borrow_mut();
        if dir.get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let now = self.shared.change()?;
        node.add_name(now)?;
        dir.insert(name, node);
        self.dir_changed(now, 0);
        Ok(())
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        let mut dir = self.dir()?.borrow_mut();
        if dir.get(name).ok_or(Errno::ENOENT)?.is_dir() {
            return Err(Errno::EISDIR);
        }
        let now = self.shared.change()?;
        if let Some(node) = dir.remove(name) {
            node.drop_name(now);
        }
        self.dir_changed(now, 0);
        Ok(())
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        let mut dir = self.dir()?.borrow_mut();
        if !dir
            .get(name)
            .ok_or(Errno::ENOENT)?
            .dir()?
            .borrow()
            .is_empty()
        {
            return Err(Errno::ENOTEMPTY);
        }
        let now = self.shared.change()?;
        if let Some(node) = dir.remove(name) {
            node.drop_name(now);
        }
        self.dir_changed(now, -1);
        Ok(())
    }

    fn rename(&self, old: &[u8], new_dir: &InodeRef, new: &[u8], flags: RenameFlags) -> Result<()> {
        let target_dir = self.same_fs(new_dir)?;
        let node = self.get(old)?.ok_or(Errno::ENOENT)?;
        let victim = target_dir.get(new)?;
        if flags.contains(RenameFlags::EXCHANGE) {
            let other = victim.ok_or(Errno::ENOENT)?;
            return self.exchange(old, node, &target_dir, new, other);
        }
        target_dir.live_dir()?;
        if let Some(victim) = &victim {
            if flags.contains(RenameFlags::NOREPLACE) {
                return Err(Errno::EEXIST);
            }
            if Rc::ptr_eq(&node, victim) {
                return Ok(());
            }
            match (node.is_dir(), victim.is_dir()) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                (true, true) if !victim.dir()?.borrow().is_empty() => {
                    return Err(Errno::ENOTEMPTY);
                }
                _ => {}
            }
        }
        let now = self.shared.change()?;
        let hole = match flags.contains(RenameFlags::WHITEOUT) {
            true => Some(Node::new(
                &self.shared,
                NewNode::CharDev(0),
                CreatePerm::default(),
            )?),
            false => None,
        };
        self.dir()?.borrow_mut().remove(old);
        if let Some(hole) = hole {
            self.dir()?.borrow_mut().insert(old, hole);
        }
        target_dir.dir()?.borrow_mut().insert(new, node.clone());
        let subdir = i32::from(node.is_dir());
        self.dir_changed(now, -subdir);
        target_dir.dir_changed(now, subdir);
        if let Some(victim) = victim {
            if victim.is_dir() {
                target_dir.dir_changed(now, -1);
            }
            victim.drop_name(now);
        }
        node.update(|m| m.ctime = now);
        Ok(())
    }

    fn readdir(&self, cookie: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        let dir = self.dir()?;
        let mut position = cookie;
        loop {
            // In batches, so that the directory is not borrowed while `emit` runs.
            let batch = dir.borrow().after(position, 64);
            if batch.is_empty() {
                return Ok(());
            }
            for (cookie, name, node) in batch {
                let more = emit(DirEntry {
                    ino: node.ino,
                    kind: node.kind,
                    name: &name,
                    cookie,
                });
                if !more {
                    return Ok(());
                }
                position = cookie;
            }
        }
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match &self.body {
            Body::Symlink(target) => Ok(target.to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let xattrs = self.xattrs.borrow();
        xattrs.get(name).map(|v| v.to_vec()).ok_or(Errno::ENODATA)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        if value.len() > XATTR_VALUE_MAX {
            return Err(Errno::E2BIG);
        }
        let mut xattrs = self.xattrs.borrow_mut();
        let exists = xattrs.contains_key(name);
        if exists && flags.contains(XattrFlags::CREATE) {
            return Err(Errno::EEXIST);
        }
        if !exists && flags.contains(XattrFlags::REPLACE) {
            return Err(Errno::ENODATA);
        }
        let others = xattrs.iter().filter(|(n, _)| ***n != *name);
        let total: usize = others.map(|(n, v)| n.len() + v.len()).sum();
        if total + name.len() + value.len() > XATTR_TOTAL_MAX {
            return Err(Errno::ENOSPC);
        }
        let now = self.shared.change()?;
        xattrs.insert(name.into(), value.into());
        self.update(|m| m.ctime = now);
        Ok(())
    }

    fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        Ok(self.xattrs.borrow().keys().map(|n| n.to_vec()).collect())
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        let mut xattrs = self.xattrs.borrow_mut();
        if !xattrs.contains_key(name) {
            return Err(Errno::ENODATA);
        }
        let now = self.shared.change()?;
        xattrs.remove(name);
        self.update(|m| m.ctime = now);
        Ok(())
    }

    fn allocate(&self, mode: AllocateMode, offset: u64, len: u64) -> Result<()> {
        let Body::File(contents) = &self.body else {
            return Err(if self.is_dir() {
                Errno::EISDIR
            } else {
                Errno::ENODEV
            });
        };
        let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
        if end > super::contents::MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let now = self.shared.change()?;
        let quota = &self.shared.quota;
        let mut contents = contents.borrow_mut();
        let grow = match mode {
            AllocateMode::PunchHole => {
                contents.clear(quota, offset, end)?;
                false
            }
            AllocateMode::ZeroRange { keep_size } => {
                contents.clear(quota, offset, end)?;
                !keep_size
            }
            AllocateMode::Allocate { keep_size } => {
                let blocks = len.div_ceil(BLOCK).saturating_mul(BLOCK);
                if blocks
                    > quota
                        .free_bytes()
                        .saturating_add(contents.charged() * BLOCK)
                {
                    return Err(Errno::ENOSPC);
                }
                contents.reserve(quota, offset, end)?;
                !keep_size
            }
        };
        if grow && end > contents.size() {
            contents.truncate(quota, end)?;
        }
        self.update(|m| {
            m.mtime = now;
            m.ctime = now;
        });
        Ok(())
    }

    fn seek(&self, offset: u64, hole: bool) -> Result<u64> {
        self.file()?.borrow().seek(offset, hole)
    }

    fn accessed(&self) {
        let (m, now) = (self.meta.get(), self.shared.clock.now());
        let day = Time::from_secs(m.atime.sec.saturating_add(86_400));
        let stale = m.atime <= m.mtime || m.atime <= m.ctime || day <= now;
        if stale && !self.shared.sealed.get() {
            self.update(|m| m.atime = now);
        }
    }

    fn attachment(&self) -> Option<&Attachment> {
        match &self.body {
            Body::Special(attachment) => Some(attachment),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Node {
    fn get(&self, name: &[u8]) -> Result<Option<Rc<Node>>> {
        Ok(self.dir()?.borrow().get(name).cloned())
    }

    /// The tmpfs node behind an inode, when it is one of the same file system.
    fn same_fs(&self, inode: &InodeRef) -> Result<Rc<Node>> {
        let node = inode.as_any().downcast_ref::<Node>().ok_or(Errno::EXDEV)?;
        if !Rc::ptr_eq(&node.shared, &self.shared) {
            return Err(Errno::EXDEV);
        }
        node.this.upgrade().ok_or(Errno::ESTALE)
    }

    fn exchange(
        &self,
        old: &[u8],
        node: Rc<Node>,
        target_dir: &Rc<Node>,
        new: &[u8],
        other: Rc<Node>,
    ) -> Result<()> {
        let now = self.shared.change()?;
        let moved = i32::from(node.is_dir()) - i32::from(other.is_dir());
        self.dir()?.borrow_mut().insert(old, other.clone());
        target_dir.dir()?.borrow_mut().insert(new, node.clone());
        self.dir_changed(now, -moved);
        target_dir.dir_changed(now, moved);
        node.update(|m| m.ctime = now);
        other.update(|m| m.ctime = now);
        Ok(())
    }

    /// Makes an empty regular file's contents `len` bytes of a source, from `start` on. They stay
    /// where they are until they are mapped or written. Times are left alone.
    ///
    /// # Errors
    /// The file is not empty, or the quota is used up.
    pub fn back(&self, source: Rc<dyn Backing>, start: u64, len: u64) -> Result<()> {
        self.shared.change()?;
        let mut contents = self.file()?.borrow_mut();
        contents.back(&self.shared.quota, source, start, len)?;
        self.version.set(self.shared.generation.get());
        Ok(())
    }

    /// Makes this regular file's contents the first `size` bytes of another tmpfs file, sharing
    /// its pages until one of them writes. Times are left alone.
    pub fn reflink_from(&self, source: &Node, size: u64) -> Result<()> {
        self.shared.change()?;
        let copy = {
            let mut from = source.file()?.borrow_mut();
            from.reflink(&self.shared.quota, size)?
        };
        let mut to = self.file()?.borrow_mut();
        let before = to.charged();
        *to = copy;
        self.version.set(self.shared.generation.get());
        self.shared.quota.give_bytes(before * BLOCK);
        Ok(())
    }
}
