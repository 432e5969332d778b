//! Descriptor tables.

use std::cell::RefCell;
use std::rc::Rc;

use bottleship_abi::Errno;

use super::file::OpenFile;

/// A descriptor's slot.
#[derive(Clone)]
pub struct Slot {
    /// The description.
    pub file: Rc<OpenFile>,
    /// `FD_CLOEXEC`.
    pub cloexec: bool,
}

/// The descriptors of a process; threads share one.
#[derive(Default)]
pub struct FdTable {
    slots: RefCell<Vec<Option<Slot>>>,
}

impl FdTable {
    /// An empty table.
    pub fn new() -> FdTable {
        FdTable::default()
    }

    /// What `fd` refers to.
    pub fn get(&self, fd: i32) -> Result<Rc<OpenFile>, Errno> {
        let slots = self.slots.borrow();
        let slot = usize::try_from(fd)
            .ok()
            .and_then(|fd| slots.get(fd)?.as_ref());
        slot.map(|slot| slot.file.clone()).ok_or(Errno::EBADF)
    }

    /// The close-on-exec flag of `fd`.
    pub fn cloexec(&self, fd: i32) -> Result<bool, Errno> {
        let slots = self.slots.borrow();
        let slot = usize::try_from(fd)
            .ok()
            .and_then(|fd| slots.get(fd)?.as_ref());
        slot.map(|slot| slot.cloexec).ok_or(Errno::EBADF)
    }

    /// Sets the close-on-exec flag of `fd`.
    pub fn set_cloexec(&self, fd: i32, cloexec: bool) -> Result<(), Errno> {
        let mut slots = self.slots.borrow_mut();
        let slot = usize::try_from(fd)
            .ok()
            .and_then(|fd| slots.get_mut(fd)?.as_mut())
            .ok_or(Errno::EBADF)?;
        slot.cloexec = cloexec;
        Ok(())
    }

    /// The lowest free descriptor from `lowest` on, below `limit` (`RLIMIT_NOFILE`).
    pub fn add(
        &self,
        file: Rc<OpenFile>,
        cloexec: bool,
        lowest: usize,
        limit: u64,
    ) -> Result<i32, Errno> {
        let mut slots = self.slots.borrow_mut();
        let free = (lowest..slots.len()).find(|&fd| slots[fd].is_none());
        let fd = free.unwrap_or(slots.len().max(lowest));
        if fd as u64 >= limit || fd > MAX_FD {
            return Err(Errno::EMFILE);
        }
        if fd >= slots.len() {
            slots.resize(fd + 1, None);
        }
        slots[fd] = Some(Slot { file, cloexec });
        Ok(fd as i32)
    }

    /// Puts `file` at `fd`, and gives back what was there.
    pub fn set(
        &self,
        fd: i32,
        file: Rc<OpenFile>,
        cloexec: bool,
        limit: u64,
    ) -> Result<Option<Slot>, Errno> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if fd as u64 >= limit || fd > MAX_FD {
            return Err(Errno::EBADF);
        }
        let mut slots = self.slots.borrow_mut();
        if fd >= slots.len() {
            slots.resize(fd + 1, None);
        }
        Ok(slots[fd].replace(Slot { file, cloexec }))
    }

    /// Takes `fd` out. The caller drops it after the table's borrow ended, as closing may look at tables.
    pub fn take(&self, fd: i32) -> Result<Slot, Errno> {
        let mut slots = self.slots.borrow_mut();
        usize::try_from(fd)
            .ok()
            .and_then(|fd| slots.get_mut(fd)?.take())
            .ok_or(Errno::EBADF)
    }

    /// A copy for `fork`.
    pub fn fork(&self) -> FdTable {
        FdTable {
            slots: RefCell::new(self.slots.borrow().clone()),
        }
    }

    /// Takes everything out that `exec` closes.
    pub fn take_cloexec(&self) -> Vec<Slot> {
        let mut slots = self.slots.borrow_mut();
        slots
            .iter_mut()
            .filter(|slot| slot.as_ref().is_some_and(|slot| slot.cloexec))
            .filter_map(Option::take)
            .collect()
    }

    /// Takes everything out.
    pub fn take_all(&self) -> Vec<Slot> {
        self.slots.take().into_iter().flatten().collect()
    }

    /// The open descriptors, ascending.
    pub fn list(&self) -> Vec<i32> {
        let slots = self.slots.borrow();
        (0..slots.len())
            .filter(|&fd| slots[fd].is_some())
            .map(|fd| fd as i32)
            .collect()
    }

    /// One more than the highest slot ever used.
    pub fn size(&self) -> usize {
        self.slots.borrow().len()
    }
}

/// No table grows beyond it, whatever the limit says: descriptors take the kernel's memory, not the guest's.
const MAX_FD: usize = 1 << 16;
