//! An inode of a tmpfs: its fields, making and freeing one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use bottleship_abi::mode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK};

use super::contents::Contents;
use super::dir::Dir;
use super::{BLOCK, Shared};
use crate::{Attachment, CreatePerm, Errno, NewNode, Result, Time};

/// The most names an inode can have (ext4's limit).
const LINK_MAX: u32 = 65_000;

/// An inode of a [`super::Tmpfs`].
pub struct Node {
    pub(super) shared: Rc<Shared>,
    pub(super) this: Weak<Node>,
    pub(super) ino: u64,
    pub(super) kind: u32,
    pub(super) rdev: u64,
    pub(super) meta: Cell<Meta>,
    pub(super) body: Body,
    pub(super) xattrs: RefCell<Xattrs>,
    /// The file system's generation at the last change.
    pub(super) version: Cell<u64>,
}

/// Extended attributes by name.
pub(super) type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// The attributes that change.
#[derive(Clone, Copy)]
pub(super) struct Meta {
    pub perm: u32,
    pub uid: u32,
    pub gid: u32,
    /// Names, or for a directory 2 + subdirectories.
    pub nlink: u32,
    pub atime: Time,
    pub mtime: Time,
    pub ctime: Time,
}

pub(super) enum Body {
    File(RefCell<Contents>),
    Dir(RefCell<Dir>),
    Symlink(Box<[u8]>),
    Special(Attachment),
}

impl Node {
    pub(super) fn new(shared: &Rc<Shared>, new: NewNode, perm: CreatePerm) -> Result<Rc<Node>> {
        let now = shared.change()?;
        let (kind, rdev, body) = match new {
            NewNode::File => (S_IFREG, 0, Body::File(RefCell::default())),
            NewNode::Dir => (S_IFDIR, 0, Body::Dir(RefCell::default())),
            NewNode::Symlink(target) => (S_IFLNK, 0, Body::Symlink(target.into())),
            NewNode::Fifo => (S_IFIFO, 0, Body::Special(Attachment::default())),
            NewNode::Socket => (S_IFSOCK, 0, Body::Special(Attachment::default())),
            NewNode::CharDev(dev) => (S_IFCHR, dev, Body::Special(Attachment::default())),
            NewNode::BlockDev(dev) => (S_IFBLK, dev, Body::Special(Attachment::default())),
        };
        shared.quota.take_inode()?;
        let ino = shared.clock.new_ino();
        Ok(Rc::new_cyclic(|this| Node {
            shared: shared.clone(),
            this: this.clone(),
            ino,
            kind,
            rdev,
            meta: Cell::new(Meta {
                perm: if kind == S_IFLNK {
                    0o777
                } else {
                    perm.mode & 0o7777
                },
                uid: perm.uid,
                gid: perm.gid,
                nlink: if kind == S_IFDIR { 2 } else { 1 },
                atime: now,
                mtime: now,
                ctime: now,
            }),
            body,
            xattrs: RefCell::default(),
            version: Cell::new(shared.generation.get()),
        }))
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.body, Body::Dir(_))
    }

    pub(super) fn dir(&self) -> Result<&RefCell<Dir>> {
        match &self.body {
            Body::Dir(dir) => Ok(dir),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The entries of a directory that is still part of the tree, for adding one.
    pub(super) fn live_dir(&self) -> Result<&RefCell<Dir>> {
        let dir = self.dir()?;
        match dir.borrow().removed {
            true => Err(Errno::ENOENT),
            false => Ok(dir),
        }
    }

    pub(super) fn file(&self) -> Result<&RefCell<Contents>> {
        match &self.body {
            Body::File(contents) => Ok(contents),
            Body::Dir(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Meta)) {
        let mut meta = self.meta.get();
        change(&mut meta);
        self.meta.set(meta);
        self.version.set(self.shared.generation.get());
    }

    /// [`super::Tmpfs::generation`] at the last change of the inode: its attributes, contents or
    /// entries.
    pub fn version(&self) -> u64 {
        self.version.get()
    }

    /// Whether a page of the file was handed out to be written to: its contents may have changed
    /// since without a change being counted.
    pub fn is_mapped(&self) -> bool {
        matches!(&self.body, Body::File(contents) if contents.borrow().is_mapped())
    }

    /// Stamps a directory whose entries changed; `subdirs` is by how many directories.
    pub(super) fn dir_changed(&self, now: Time, subdirs: i32) {
        self.update(|m| {
            m.mtime = now;
            m.ctime = now;
            m.nlink = m.nlink.saturating_add_signed(subdirs);
        });
    }

    /// Counts a new name. Each name beyond the first is charged as an inode, as in Linux's tmpfs.
    pub(super) fn add_name(&self, now: Time) -> Result<()> {
        let nlink = self.meta.get().nlink;
        if nlink >= LINK_MAX {
            return Err(Errno::EMLINK);
        }
        if nlink > 0 {
            self.shared.quota.take_inode()?;
        }
        self.update(|m| {
            m.nlink += 1;
            m.ctime = now;
        });
        Ok(())
    }

    /// Counts a name that went away; a directory is dead from then on.
    pub(super) fn drop_name(&self, now: Time) {
        if let Body::Dir(dir) = &self.body {
            dir.borrow_mut().removed = true;
        } else if self.meta.get().nlink > 1 {
            self.shared.quota.give_inode();
        }
        let dir = self.is_dir();
        self.update(|m| {
            m.nlink = if dir { 0 } else { m.nlink.saturating_sub(1) };
            m.ctime = now;
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.quota.give_inode();
        // Names beyond the first, when a whole tree goes: its directories held them.
        match &self.body {
            Body::File(contents) => {
                let charged = contents.borrow().charged();
                self.shared.quota.give_bytes(charged * BLOCK);
            }
            Body::Dir(dir) => {
                // A tree may be deeper than the stack: take it apart level by level.
                let mut rest: Vec<Rc<Node>> = dir.borrow_mut().drain().collect();
                while let Some(node) = rest.pop() {
                    if !node.is_dir() && node.meta.get().nlink > 1 {
                        node.drop_name(Time::default());
                    }
                    if let Some(node) = Rc::into_inner(node)
                        && let Body::Dir(dir) = &node.body
                    {
                        rest.extend(dir.borrow_mut().drain());
                    }
                }
            }
            _ => {}
        }
    }
}
