//! Directory entries in use: what gives an inode its place in a tree.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::{InodeRef, Result, same_inode};

/// A name in a directory that someone holds: a working directory, an open file, a mount point.
/// The same place is the same `Rc` for as long as it is held. File systems are asked on every
/// lookup, so entries are never stale.
pub struct Dentry {
    inode: InodeRef,
    name: RefCell<Rc<[u8]>>,
    parent: RefCell<Option<Rc<Dentry>>>,
    children: RefCell<BTreeMap<Rc<[u8]>, Weak<Dentry>>>,
    mounts: Cell<u32>,
    deleted: Cell<bool>,
}

impl Dentry {
    /// The entry of a file system's root.
    pub(crate) fn root(inode: InodeRef) -> Rc<Dentry> {
        Dentry::new(inode, Rc::from(*b"/"), None)
    }

    /// An entry without a place, as of a file made with `O_TMPFILE`, a pipe or a socket; `name` is
    /// what `/proc/self/fd` shows.
    pub fn anonymous(inode: InodeRef, name: &[u8]) -> Rc<Dentry> {
        let dentry = Dentry::new(inode, name.into(), None);
        dentry.deleted.set(true);
        dentry
    }

    fn new(inode: InodeRef, name: Rc<[u8]>, parent: Option<Rc<Dentry>>) -> Rc<Dentry> {
        Rc::new(Dentry {
            inode,
            name: RefCell::new(name),
            parent: RefCell::new(parent),
            children: RefCell::default(),
            mounts: Cell::new(0),
            deleted: Cell::new(false),
        })
    }

    /// The inode.
    pub fn inode(&self) -> &InodeRef {
        &self.inode
    }

    /// The name in the parent directory.
    pub fn name(&self) -> Rc<[u8]> {
        self.name.borrow().clone()
    }

    /// The directory it is in; `None` at a file system's root.
    pub fn parent(&self) -> Option<Rc<Dentry>> {
        self.parent.borrow().clone()
    }

    /// Whether the name was removed.
    pub fn is_deleted(&self) -> bool {
        self.deleted.get()
    }

    /// Whether something is mounted here, in any namespace.
    pub fn is_mount_point(&self) -> bool {
        self.mounts.get() > 0
    }

    pub(crate) fn count_mount(&self, by: i32) {
        self.mounts.set(self.mounts.get().saturating_add_signed(by));
    }

    /// Looks a name up in this directory.
    pub(crate) fn lookup(self: &Rc<Dentry>, name: &[u8]) -> Result<Rc<Dentry>> {
        let cached = self.cached(name);
        if let Some(dentry) = &cached
            && dentry.is_mount_point()
        {
            return Ok(dentry.clone());
        }
        let inode = self.inode.lookup(name)?;
        match cached {
            Some(dentry) if same_inode(&dentry.inode, &inode) => Ok(dentry),
            _ => Ok(self.place(name, inode)),
        }
    }

    /// The entry for an inode that was just looked up or made under this name.
    pub(crate) fn place(self: &Rc<Dentry>, name: &[u8], inode: InodeRef) -> Rc<Dentry> {
        let name: Rc<[u8]> = name.into();
        let dentry = Dentry::new(inode, name.clone(), Some(self.clone()));
        let weak = Rc::downgrade(&dentry);
        self.children.borrow_mut().insert(name, weak);
        dentry
    }

    fn cached(&self, name: &[u8]) -> Option<Rc<Dentry>> {
        self.children.borrow().get(name)?.upgrade()
    }

    /// Follows the removal of a name.
    pub(crate) fn removed(&self, name: &[u8]) {
        if let Some(dentry) = self.cached(name) {
            dentry.deleted.set(true);
        }
        self.children.borrow_mut().remove(name);
    }

    /// Follows a rename; `exchange` when both names stay.
    pub(crate) fn renamed(
        self: &Rc<Dentry>,
        old: &[u8],
        to: &Rc<Dentry>,
        new: &[u8],
        exchange: bool,
    ) {
        let (moved, other) = (self.cached(old), to.cached(new));
        self.children.borrow_mut().remove(old);
        to.children.borrow_mut().remove(new);
        if let Some(dentry) = moved {
            dentry.move_to(to, new);
        }
        match other {
            Some(dentry) if exchange => dentry.move_to(self, old),
            Some(dentry) => dentry.deleted.set(true),
            None => {}
        }
    }

    fn move_to(self: Rc<Dentry>, parent: &Rc<Dentry>, name: &[u8]) {
        let name: Rc<[u8]> = name.into();
        let weak = Rc::downgrade(&self);
        parent.children.borrow_mut().insert(name.clone(), weak);
        *self.name.borrow_mut() = name;
        let before = self.parent.borrow_mut().replace(parent.clone());
        drop(before);
    }

    /// Whether `self` is `other` or lies above it.
    pub(crate) fn is_above(self: &Rc<Dentry>, other: &Rc<Dentry>) -> bool {
        let mut at = Some(other.clone());
        while let Some(dentry) = at {
            if Rc::ptr_eq(self, &dentry) {
                return true;
            }
            at = dentry.parent();
        }
        false
    }

    fn forget_in_parent(&self) {
        if let Some(parent) = self.parent.borrow().as_ref() {
            let name = self.name.borrow();
            let mut siblings = parent.children.borrow_mut();
            if siblings.get(&*name).is_some_and(|w| w.strong_count() == 0) {
                siblings.remove(&*name);
            }
        }
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        self.forget_in_parent();
        // Parents may go with it; a chain of them may be deeper than the stack.
        let mut next = self.parent.take();
        while let Some(mut dentry) = next.and_then(Rc::into_inner) {
            dentry.forget_in_parent();
            next = dentry.parent.get_mut().take();
        }
    }
}
