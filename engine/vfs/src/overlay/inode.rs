//! [`Inode`] for the union.

use std::any::Any;

use bottleship_page::Page;

use super::PRIVATE_XATTRS;
use super::node::Node;
use crate::inode::*;
use crate::{Attachment, Errno, Result};

impl Inode for Node {
    fn attr(&self) -> Result<Attr> {
        let mut attr = self.real()?.attr()?;
        attr.ino = self.ino;
        attr.dev = self.shared.dev;
        if self.is_dir() && self.has_lower() {
            // Subdirectories are not counted over the layers; 1 tells programs so.
            attr.nlink = 1;
        }
        if self.removed.get() && self.upper().is_none() {
            attr.nlink = if self.is_dir() {
                0
            } else {
                attr.nlink.saturating_sub(1)
            };
        }
        Ok(attr)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<()> {
        let size = set.size.unwrap_or(u64::MAX);
        if set.size.is_some() && !self.real()?.attr()?.is_file() {
            return Err(self.not_a_file());
        }
        self.copy_up_to(size)?.set_attr(set)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.real()?.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<usize> {
        if self.is_dir() {
            return Err(Errno::EISDIR);
        }
        self.copy_up()?.write_at(offset, data)
    }

    fn page(&self, index: u64) -> Result<Page> {
        self.real()?.page(index)
    }

    fn page_for_write(&self, index: u64) -> Result<Page> {
        self.copy_up()?.page_for_write(index)
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        Ok(self.child(name)?)
    }

    fn create(&self, name: &[u8], new: NewNode, perm: CreatePerm) -> Result<InodeRef> {
        Ok(self.make(name, new, perm)?)
    }

    fn create_anonymous(&self, perm: CreatePerm) -> Result<InodeRef> {
        let upper = self.upper_dir()?.create_anonymous(perm)?;
        let parent = self.this.clone();
        let node = Node::new(&self.shared, b"", parent, Some(upper), Vec::new())?;
        Ok(node)
    }

    fn link(&self, name: &[u8], target: &InodeRef) -> Result<()> {
        self.make_link(name, &self.same_fs(target)?)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.remove_file(name)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.remove_dir(name)
    }

    fn rename(&self, old: &[u8], new_dir: &InodeRef, new: &[u8], flags: RenameFlags) -> Result<()> {
        self.move_entry(old, &self.same_fs(new_dir)?, new, flags)
    }

    fn readdir(&self, cookie: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        match self.is_dir() {
            true => self.read_merged(cookie, emit),
            false => Err(Errno::ENOTDIR),
        }
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        self.real()?.readlink()
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        not_private(name)?;
        self.real()?.get_xattr(name)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        not_private(name)?;
        self.copy_up()?.set_xattr(name, value, flags)
    }

    fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        let mut names = self.real()?.list_xattr()?;
        names.retain(|name| !name.starts_with(PRIVATE_XATTRS));
        Ok(names)
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        not_private(name)?;
        self.real()?.get_xattr(name)?;
        self.copy_up()?.remove_xattr(name)
    }

    fn allocate(&self, mode: AllocateMode, offset: u64, len: u64) -> Result<()> {
        if !self.real()?.attr()?.is_file() {
            return self.real()?.allocate(mode, offset, len);
        }
        self.copy_up()?.allocate(mode, offset, len)
    }

    fn seek(&self, offset: u64, hole: bool) -> Result<u64> {
        self.real()?.seek(offset, hole)
    }

    fn opened_for_write(&self) -> Result<()> {
        self.copy_up().map(|_| ())
    }

    fn accessed(&self) {
        if let Some(upper) = self.upper() {
            upper.accessed();
        }
    }

    fn attachment(&self) -> Option<&Attachment> {
        let special = self.kind != bottleship_abi::mode::S_IFREG && !self.is_dir();
        special.then_some(&self.attachment)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn not_private(name: &[u8]) -> Result<()> {
    match name.starts_with(PRIVATE_XATTRS) {
        true => Err(Errno::EOPNOTSUPP),
        false => Ok(()),
    }
}
