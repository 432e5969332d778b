//! A file system in memory: container layers, volumes, `/tmp`.

mod contents;
mod dir;
mod inode;
mod node;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::{Clock, CreatePerm, Errno, FileSystem, InodeRef, NewNode, Quota, Result, Statfs};

pub use contents::Backing;
pub use node::Node;

const TMPFS_MAGIC: u64 = 0x0102_1994;
/// What is charged and reported per piece of a file.
pub(crate) const BLOCK: u64 = 4096;

/// A file system in memory. Holes cost nothing, small files only their bytes.
pub struct Tmpfs {
    shared: Rc<Shared>,
    root: Rc<Node>,
}

/// What the inodes of one tmpfs share.
pub(crate) struct Shared {
    clock: Clock,
    quota: Quota,
    dev: u64,
    generation: Cell<u64>,
    sealed: Cell<bool>,
    options: RefCell<String>,
}

impl Shared {
    /// Fails on a sealed file system; otherwise counts a change and returns its time.
    fn change(&self) -> Result<crate::Time> {
        if self.sealed.get() {
            return Err(Errno::EROFS);
        }
        self.generation.set(self.generation.get() + 1);
        Ok(self.clock.now())
    }
}

impl Tmpfs {
    /// An empty file system whose root is a directory with mode 0755 of root. Fails when the quota
    /// has no inode left.
    pub fn new(clock: &Clock, quota: Quota) -> Result<Rc<Tmpfs>> {
        Tmpfs::with_root(
            clock,
            quota,
            CreatePerm {
                mode: 0o755,
                uid: 0,
                gid: 0,
            },
        )
    }

    /// An empty file system whose root has this owner and mode.
    pub fn with_root(clock: &Clock, quota: Quota, perm: CreatePerm) -> Result<Rc<Tmpfs>> {
        let shared = Rc::new(Shared {
            clock: clock.clone(),
            quota,
            dev: clock.new_dev(),
            generation: Cell::new(0),
            sealed: Cell::new(false),
            options: RefCell::default(),
        });
        let root = Node::new(&shared, NewNode::Dir, perm)?;
        Ok(Rc::new(Tmpfs { shared, root }))
    }

    /// The root directory.
    pub fn root_node(&self) -> &Rc<Node> {
        &self.root
    }

    /// Counts every change: two equal values mean nothing changed in between.
    pub fn generation(&self) -> u64 {
        self.shared.generation.get()
    }

    /// Makes the file system read-only for good (`EROFS`), as image layers are.
    pub fn seal(&self) {
        self.shared.sealed.set(true);
    }

    /// Whether [`Tmpfs::seal`] was called.
    pub fn is_sealed(&self) -> bool {
        self.shared.sealed.get()
    }

    /// The limit that files are charged to.
    pub fn quota(&self) -> &Quota {
        &self.shared.quota
    }

    /// Sets what `/proc/mounts` shows as the super block's options.
    pub fn set_options(&self, options: &str) {
        *self.shared.options.borrow_mut() = options.to_owned();
    }
}

impl FileSystem for Tmpfs {
    fn root(&self) -> InodeRef {
        self.root.clone()
    }

    fn statfs(&self) -> Result<Statfs> {
        let quota = &self.shared.quota;
        let blocks = |bytes: u64| if bytes == u64::MAX { 0 } else { bytes / BLOCK };
        let limit = |n: u64| if n == u64::MAX { 0 } else { n };
        let free_inodes = quota.inodes().saturating_sub(quota.used_inodes());
        Ok(Statfs {
            magic: TMPFS_MAGIC,
            block_size: BLOCK,
            blocks: blocks(quota.bytes()),
            free_blocks: match quota.bytes() {
                u64::MAX => 0,
                _ => blocks(quota.free_bytes()),
            },
            files: limit(quota.inodes()),
            free_files: match quota.inodes() {
                u64::MAX => 0,
                _ => free_inodes,
            },
            name_max: crate::NAME_MAX as u64,
        })
    }

    fn kind(&self) -> &'static str {
        "tmpfs"
    }

    fn dev(&self) -> u64 {
        self.shared.dev
    }

    fn options(&self) -> String {
        self.shared.options.borrow().clone()
    }
}
