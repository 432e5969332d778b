//! An inode of the union.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use bottleship_abi::mode::S_IFDIR;

use super::Shared;
use super::readdir::Listing;
use crate::{Attachment, Errno, InodeRef, Result, same_inode};

/// An inode of the union. One exists for every name that was looked up, for as long as the overlay
/// does; names of one upper inode share it.
pub(super) struct Node {
    pub shared: Rc<Shared>,
    pub this: Weak<Node>,
    pub kind: u32,
    /// Stays the same when the file is copied up.
    pub ino: u64,
    pub state: RefCell<State>,
    /// Of a directory: the entries that were looked up.
    pub children: RefCell<BTreeMap<Rc<[u8]>, Rc<Node>>>,
    /// Of a directory that was read: the merged entries and their positions.
    pub listing: RefCell<Option<Listing>>,
    /// No name is left.
    pub removed: Cell<bool>,
    /// Of a FIFO or socket: what is open behind it, whichever layer it is in.
    pub attachment: Attachment,
}

pub(super) struct State {
    /// Where it is in the union, for copying up.
    pub name: Rc<[u8]>,
    pub parent: Weak<Node>,
    pub upper: Option<InodeRef>,
    /// Directories merged from the lower layers, topmost first; or one file of a lower layer.
    pub lowers: Vec<InodeRef>,
}

impl Node {
    pub fn new(
        shared: &Rc<Shared>,
        name: &[u8],
        parent: Weak<Node>,
        upper: Option<InodeRef>,
        lowers: Vec<InodeRef>,
    ) -> Result<Rc<Node>> {
        let numbered = lowers.first().or(upper.as_ref());
        let attr = numbered.ok_or(Errno::EINVAL)?.attr()?;
        Ok(Rc::new_cyclic(|this| Node {
            shared: shared.clone(),
            this: this.clone(),
            kind: attr.kind(),
            ino: attr.ino,
            state: RefCell::new(State {
                name: name.into(),
                parent,
                upper,
                lowers,
            }),
            children: RefCell::default(),
            listing: RefCell::default(),
            removed: Cell::new(false),
            attachment: Attachment::default(),
        }))
    }

    pub fn is_dir(&self) -> bool {
        self.kind == S_IFDIR
    }

    pub fn upper(&self) -> Option<InodeRef> {
        self.state.borrow().upper.clone()
    }

    /// The inode that is seen: the upper one, else the topmost lower one.
    pub fn real(&self) -> Result<InodeRef> {
        let state = self.state.borrow();
        let real = state.upper.as_ref().or(state.lowers.first());
        real.cloned().ok_or(Errno::ESTALE)
    }

    /// Whether a lower layer contributes to this directory.
    pub fn has_lower(&self) -> bool {
        !self.state.borrow().lowers.is_empty()
    }

    /// The node of this overlay behind an inode.
    pub fn same_fs(&self, inode: &InodeRef) -> Result<Rc<Node>> {
        let node = inode.as_any().downcast_ref::<Node>().ok_or(Errno::EXDEV)?;
        match Rc::ptr_eq(&node.shared, &self.shared) {
            true => node.this.upgrade().ok_or(Errno::ESTALE),
            false => Err(Errno::EXDEV),
        }
    }

    /// Adds a child that is known to be there now.
    pub fn add_child(&self, name: &[u8], child: Rc<Node>) {
        if let Some(listing) = self.listing.borrow_mut().as_mut() {
            listing.add(name);
        }
        self.children.borrow_mut().insert(name.into(), child);
    }

    /// Takes a child that is gone out.
    pub fn remove_child(&self, name: &[u8]) {
        if let Some(listing) = self.listing.borrow_mut().as_mut() {
            listing.remove(name);
        }
        let child = self.children.borrow_mut().remove(name);
        if let Some(child) = child
            && !child.has_another_name()
        {
            child.removed.set(true);
        }
    }

    /// Whether the node has a name left after one was removed. A lower file is one node per
    /// name, so only upper files can be.
    fn has_another_name(&self) -> bool {
        match self.upper() {
            Some(upper) => !self.is_dir() && upper.attr().is_ok_and(|a| a.nlink > 0),
            None => false,
        }
    }

    /// Whether two nodes are the same file.
    pub fn same(&self, other: &Node) -> bool {
        match (self.upper(), other.upper()) {
            (Some(a), Some(b)) => same_inode(&a, &b),
            _ => std::ptr::eq(self, other),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A tree may be deeper than the stack: take it apart level by level.
        let mut rest: Vec<Rc<Node>> = std::mem::take(self.children.get_mut())
            .into_values()
            .collect();
        while let Some(node) = rest.pop() {
            if let Some(mut node) = Rc::into_inner(node) {
                rest.extend(std::mem::take(node.children.get_mut()).into_values());
            }
        }
    }
}
