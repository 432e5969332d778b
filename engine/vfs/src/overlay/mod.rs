//! A union of directories: read-only lower layers and one writable upper layer.
//!
//! What the upper layer holds is the kernel's overlayfs format: a whiteout is a character device
//! 0:0, a directory that hides what is below it has the attribute `trusted.overlay.opaque` = `y`.
//! So one piece of code turns either into a layer. Behaviour follows the kernel with
//! `redirect_dir=off,index=off,metacopy=off`, which is how Docker mounts it.

mod change;
mod copy_up;
mod inode;
mod lookup;
mod node;
mod readdir;
mod rename;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use bottleship_abi::mode::S_IFCHR;

use crate::{Clock, Errno, FileSystem, InodeRef, Result, Statfs, Tmpfs};

use node::Node;

const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
/// The attribute of a directory that hides the lower layers.
pub const OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// Attributes that are the overlay's own.
pub const PRIVATE_XATTRS: &[u8] = b"trusted.overlay.";
/// A name for what is being put together in an upper directory. It holds a slash, which no name
/// that comes through a path can.
const WORK: &[u8] = b"/work";

/// A writable layer.
#[derive(Clone)]
pub struct Upper {
    /// Its file system.
    pub fs: Rc<dyn FileSystem>,
    /// The directory in it that is the layer.
    pub dir: InodeRef,
}

impl Upper {
    /// A tmpfs as the layer.
    pub fn new(tmpfs: &Rc<Tmpfs>) -> Upper {
        Upper {
            fs: tmpfs.clone(),
            dir: tmpfs.root(),
        }
    }
}

/// A union file system. While it is in use its layers must not be changed but through it.
pub struct Overlay {
    shared: Rc<Shared>,
    root: Rc<Node>,
    top: Option<Rc<dyn FileSystem>>,
    options: RefCell<String>,
}

/// What all inodes of one overlay share.
struct Shared {
    dev: u64,
    writable: bool,
    /// Upper inodes with several names, by inode number: one node for all of them.
    links: RefCell<BTreeMap<u64, Weak<Node>>>,
}

impl Overlay {
    /// Joins `lowers` (the topmost first) and `upper`. Without an upper layer the union is
    /// read-only. All must be directories, and there must be at least one.
    pub fn new(clock: &Clock, lowers: Vec<InodeRef>, upper: Option<Upper>) -> Result<Rc<Overlay>> {
        let (top, upper) = match upper {
            Some(Upper { fs, dir }) => (Some(fs), Some(dir)),
            None => (None, None),
        };
        for layer in upper.iter().chain(&lowers) {
            if !layer.attr()?.is_dir() {
                return Err(Errno::ENOTDIR);
            }
        }
        let shared = Rc::new(Shared {
            dev: clock.new_dev(),
            writable: upper.is_some(),
            links: RefCell::default(),
        });
        let root = Node::new(&shared, b"/", Weak::new(), upper, lowers)?;
        Ok(Rc::new(Overlay {
            shared,
            root,
            top,
            options: RefCell::default(),
        }))
    }

    /// Sets what `/proc/mounts` shows as the super block's options.
    pub fn set_options(&self, options: &str) {
        *self.options.borrow_mut() = options.to_owned();
    }
}

impl FileSystem for Overlay {
    fn root(&self) -> InodeRef {
        self.root.clone()
    }

    fn statfs(&self) -> Result<Statfs> {
        let below = match &self.top {
            Some(fs) => fs.statfs()?,
            None => Statfs {
                block_size: 4096,
                name_max: crate::NAME_MAX as u64,
                ..Statfs::default()
            },
        };
        Ok(Statfs {
            magic: OVERLAYFS_SUPER_MAGIC,
            ..below
        })
    }

    fn kind(&self) -> &'static str {
        "overlay"
    }

    fn dev(&self) -> u64 {
        self.shared.dev
    }

    fn options(&self) -> String {
        self.options.borrow().clone()
    }
}

/// Whether an inode of a layer is a whiteout.
pub fn is_whiteout(inode: &InodeRef) -> Result<bool> {
    let attr = inode.attr()?;
    Ok(attr.kind() == S_IFCHR && attr.rdev == 0)
}

/// Whether a directory of a layer hides what lower layers have in its place.
pub fn is_opaque(dir: &InodeRef) -> bool {
    dir.get_xattr(OPAQUE).is_ok_and(|value| value == b"y")
}
