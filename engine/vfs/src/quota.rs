//! Limits on the bytes and inodes that file systems hold.

use std::cell::Cell;
use std::rc::Rc;

use crate::{Errno, Result};

/// A shared limit: several file systems can draw on one disk, and a limit can sit inside another
/// (a container's storage within the host's disk). Exceeding any of them is `ENOSPC`.
#[derive(Clone)]
pub struct Quota(Rc<Limits>);

struct Limits {
    bytes: u64,
    inodes: u64,
    used_bytes: Cell<u64>,
    used_inodes: Cell<u64>,
    parent: Option<Quota>,
}

impl Quota {
    /// A disk of so many bytes and inodes.
    pub fn new(bytes: u64, inodes: u64) -> Quota {
        Quota::build(bytes, inodes, None)
    }

    /// No limit of its own.
    pub fn unlimited() -> Quota {
        Quota::new(u64::MAX, u64::MAX)
    }

    /// A limit within this one: what is taken counts against both.
    pub fn within(&self, bytes: u64, inodes: u64) -> Quota {
        Quota::build(bytes, inodes, Some(self.clone()))
    }

    fn build(bytes: u64, inodes: u64, parent: Option<Quota>) -> Quota {
        Quota(Rc::new(Limits {
            bytes,
            inodes,
            used_bytes: Cell::new(0),
            used_inodes: Cell::new(0),
            parent,
        }))
    }

    /// The byte limit.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// The inode limit.
    pub fn inodes(&self) -> u64 {
        self.0.inodes
    }

    /// Bytes taken.
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.get()
    }

    /// Inodes taken.
    pub fn used_inodes(&self) -> u64 {
        self.0.used_inodes.get()
    }

    /// Bytes that can still be taken, here and in every enclosing limit.
    pub fn free_bytes(&self) -> u64 {
        let own = self.0.bytes.saturating_sub(self.used_bytes());
        match &self.0.parent {
            Some(parent) => own.min(parent.free_bytes()),
            None => own,
        }
    }

    pub(crate) fn take_bytes(&self, n: u64) -> Result<()> {
        take(&self.0.used_bytes, self.0.bytes, n)?;
        if let Some(parent) = &self.0.parent
            && let Err(e) = parent.take_bytes(n)
        {
            give(&self.0.used_bytes, n);
            return Err(e);
        }
        Ok(())
    }

    pub(crate) fn give_bytes(&self, n: u64) {
        give(&self.0.used_bytes, n);
        if let Some(parent) = &self.0.parent {
            parent.give_bytes(n);
        }
    }

    pub(crate) fn take_inode(&self) -> Result<()> {
        take(&self.0.used_inodes, self.0.inodes, 1)?;
        if let Some(parent) = &self.0.parent
            && let Err(e) = parent.take_inode()
        {
            give(&self.0.used_inodes, 1);
            return Err(e);
        }
        Ok(())
    }

    pub(crate) fn give_inode(&self) {
        give(&self.0.used_inodes, 1);
        if let Some(parent) = &self.0.parent {
            parent.give_inode();
        }
    }
}

fn take(used: &Cell<u64>, limit: u64, n: u64) -> Result<()> {
    match used.get().checked_add(n) {
        Some(sum) if sum <= limit => {
            used.set(sum);
            Ok(())
        }
        _ => Err(Errno::ENOSPC),
    }
}

fn give(used: &Cell<u64>, n: u64) {
    used.set(used.get().saturating_sub(n));
}
