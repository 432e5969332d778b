//! Finding an entry in the layers.

use std::rc::{Rc, Weak};

use super::node::Node;
use super::{is_opaque, is_whiteout};
use crate::{Errno, InodeRef, Result};

impl Node {
    /// The entry of a directory, from the layers when it was not looked up before.
    pub fn child(&self, name: &[u8]) -> Result<Rc<Node>> {
        if !self.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        if let Some(node) = self.children.borrow().get(name) {
            return Ok(node.clone());
        }
        let (upper, lowers) = self.layers_of(name)?;
        if let Some(known) = self.known_link(upper.as_ref())? {
            self.children
                .borrow_mut()
                .insert(name.into(), known.clone());
            return Ok(known);
        }
        let node = Node::new(&self.shared, name, self.this.clone(), upper, lowers)?;
        node.register_link()?;
        self.children.borrow_mut().insert(name.into(), node.clone());
        Ok(node)
    }

    /// [`Node::child`], with `None` for what is not there.
    pub fn find(&self, name: &[u8]) -> Result<Option<Rc<Node>>> {
        match self.child(name) {
            Ok(node) => Ok(Some(node)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What the layers have under a name: the upper inode, and the lower ones that show.
    fn layers_of(&self, name: &[u8]) -> Result<(Option<InodeRef>, Vec<InodeRef>)> {
        let (dir, below) = {
            let state = self.state.borrow();
            (state.upper.clone(), state.lowers.clone())
        };
        let upper = match dir {
            Some(dir) => find_in(&dir, name)?,
            None => None,
        };
        if let Some(inode) = &upper {
            if is_whiteout(inode)? {
                return Err(Errno::ENOENT);
            }
            if !inode.attr()?.is_dir() || is_opaque(inode) {
                return Ok((upper, Vec::new()));
            }
        }
        let mut lowers = Vec::new();
        for layer in &below {
            let Some(inode) = find_in(layer, name)? else {
                continue;
            };
            let dir = inode.attr()?.is_dir();
            let first = upper.is_none() && lowers.is_empty();
            if is_whiteout(&inode)? || (!dir && !first) {
                break;
            }
            let last = !dir || is_opaque(&inode);
            lowers.push(inode);
            if last {
                break;
            }
        }
        match upper.is_none() && lowers.is_empty() {
            true => Err(Errno::ENOENT),
            false => Ok((upper, lowers)),
        }
    }

    /// Whether removing the name from the upper layer would uncover something.
    pub fn lower_has(&self, name: &[u8]) -> Result<bool> {
        let below = self.state.borrow().lowers.clone();
        for layer in &below {
            if let Some(inode) = find_in(layer, name)? {
                return Ok(!is_whiteout(&inode)?);
            }
        }
        Ok(false)
    }

    /// The node of an upper file that was met under another name.
    fn known_link(&self, upper: Option<&InodeRef>) -> Result<Option<Rc<Node>>> {
        let Some(upper) = upper else {
            return Ok(None);
        };
        let ino = upper.attr()?.ino;
        Ok(self.shared.links.borrow().get(&ino).and_then(Weak::upgrade))
    }

    /// Remembers an upper file with several names.
    pub fn register_link(&self) -> Result<()> {
        if let Some(upper) = self.upper()
            && !self.is_dir()
        {
            let attr = upper.attr()?;
            if attr.nlink > 1 {
                let mut links = self.shared.links.borrow_mut();
                links.insert(attr.ino, self.this.clone());
            }
        }
        Ok(())
    }
}

/// Looks a name up in a directory of a layer.
pub(super) fn find_in(dir: &InodeRef, name: &[u8]) -> Result<Option<InodeRef>> {
    match dir.lookup(name) {
        Ok(inode) => Ok(Some(inode)),
        Err(Errno::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}
