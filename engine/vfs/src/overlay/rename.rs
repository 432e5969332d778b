//! Renaming in the union.

use std::rc::Rc;

use super::change::clear_whiteouts;
use super::lookup::find_in;
use super::node::Node;
use super::{OPAQUE, is_opaque, is_whiteout};
use crate::{Errno, RenameFlags, Result, XattrFlags};

impl Node {
    pub(super) fn move_entry(
        &self,
        old: &[u8],
        to: &Rc<Node>,
        new: &[u8],
        flags: RenameFlags,
    ) -> Result<()> {
        if flags.contains(RenameFlags::WHITEOUT) {
            return Err(Errno::EINVAL);
        }
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        let node = self.child(old)?;
        let target = to.find(new)?;
        if let Some(target) = &target {
            if flags.contains(RenameFlags::NOREPLACE) {
                return Err(Errno::EEXIST);
            }
            if node.same(target) {
                return Ok(());
            }
            match (node.is_dir(), target.is_dir()) {
                _ if exchange => {}
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                _ => {}
            }
        } else if exchange {
            return Err(Errno::ENOENT);
        }
        node.check_movable()?;
        if exchange && let Some(target) = &target {
            target.check_movable()?;
        }
        // The kernel looks at this last, too.
        if let Some(target) = &target
            && !exchange
            && target.is_dir()
            && !target.is_empty_dir()?
        {
            // A directory of the upper layer alone is left to the upper file system, which is asked only when
            // what moves has been made ready (fs/overlayfs/dir.c, ovl_rename).
            if !target.has_lower() {
                node.hide_lower_in(to)?;
            }
            return Err(Errno::ENOTEMPTY);
        }
        let (from_dir, to_dir) = (self.upper_dir()?, to.upper_dir()?);
        node.copy_up()?;
        node.hide_lower_in(to)?;
        if exchange {
            let target = target.ok_or(Errno::ENOENT)?;
            target.copy_up()?;
            target.hide_lower_in(self)?;
            from_dir.rename(old, &to_dir, new, RenameFlags::EXCHANGE)?;
            self.put_child(old, &target);
            to.put_child(new, &node);
            return Ok(());
        }
        let uncovers = self.lower_has(old)?;
        match find_in(&to_dir, new)? {
            Some(inode) if is_whiteout(&inode)? => {
                // The whiteout changes places with what moves, and stays where it is needed.
                from_dir.rename(old, &to_dir, new, RenameFlags::EXCHANGE)?;
                if !uncovers {
                    from_dir.unlink(old)?;
                }
            }
            there => {
                if let Some(inode) = there
                    && inode.attr()?.is_dir()
                {
                    clear_whiteouts(&inode)?;
                }
                let how = match uncovers {
                    true => RenameFlags::WHITEOUT,
                    false => RenameFlags::empty(),
                };
                from_dir.rename(old, &to_dir, new, how)?;
            }
        }
        if target.is_some() {
            to.remove_child(new);
        }
        self.take_child(old);
        to.put_child(new, &node);
        Ok(())
    }

    /// A directory that lower layers contribute to cannot move (`redirect_dir=off`); programs then
    /// copy it.
    fn check_movable(&self) -> Result<()> {
        match self.is_dir() && self.has_lower() {
            true => Err(Errno::EXDEV),
            false => Ok(()),
        }
    }

    /// Keeps what lower layers have at the new place from showing through a moved directory.
    fn hide_lower_in(&self, dir: &Node) -> Result<()> {
        let upper = self.upper().ok_or(Errno::ESTALE)?;
        if self.is_dir() && dir.has_lower() && !is_opaque(&upper) {
            upper.set_xattr(OPAQUE, b"y", XattrFlags::empty())?;
        }
        Ok(())
    }

    /// Takes a child out that moved away.
    fn take_child(&self, name: &[u8]) {
        if let Some(listing) = self.listing.borrow_mut().as_mut() {
            listing.remove(name);
        }
        self.children.borrow_mut().remove(name);
    }

    /// Puts a child that came from elsewhere in place.
    fn put_child(&self, name: &[u8], child: &Rc<Node>) {
        {
            let mut state = child.state.borrow_mut();
            state.name = name.into();
            state.parent = self.this.clone();
        }
        self.add_child(name, child.clone());
    }
}
