//! Page faults.

use bottleship_abi::Errno;
use bottleship_page::Page;
use bottleship_x86::{Access, Prot};

use super::vma::{Area, Backing};
use super::{MIN_ADDR, Mm, PAGE, page_down};
use crate::kernel::cgroup::Cgroup;

/// Why an address can't be accessed.
pub enum MemoryFault {
    /// Nothing is mapped there (`SEGV_MAPERR`).
    Unmapped,
    /// What is mapped there forbids it (`SEGV_ACCERR`).
    Forbidden,
    /// The file has no such page, or can't have it (`SIGBUS`).
    Bus,
    /// This group's memory limit is in the way.
    NoMemory(Cgroup),
}

/// File pages around a faulting one that are mapped with it.
const AROUND: u64 = 16;
/// How far system calls may go beyond a memory limit before they fail, so that what is to be killed can be.
const SLACK: u64 = 1 << 20;
/// Bytes left free below a growing stack.
const STACK_GUARD: u64 = 256 * PAGE;

impl Mm {
    /// Makes the page at `addr` accessible. `must`: in a system call, which charges beyond the limit rather than fail.
    pub fn fault(&self, addr: u64, access: Access, must: bool) -> Result<(), MemoryFault> {
        self.faults.set(self.faults.get() + 1);
        let area = self.area_for(addr).ok_or(MemoryFault::Unmapped)?;
        if !area.prot().allows(access) {
            return Err(MemoryFault::Forbidden);
        }
        let vpn = addr / PAGE;
        match &area.backing {
            Backing::Anonymous => {
                if self.space.borrow().get(vpn).is_some() {
                    self.space.borrow_mut().protect(vpn..vpn + 1, area.prot());
                    return Ok(());
                }
                self.charge(must)?;
                self.space
                    .borrow_mut()
                    .map(vpn, Page::zeroed(), area.prot(), true);
                Ok(())
            }
            Backing::File { inode, offset, .. } => {
                if area.shared {
                    let writable = area.max_prot & bottleship_abi::mm::PROT_WRITE != 0;
                    let index = (offset + (page_down(addr) - area.start)) / PAGE;
                    let page = if writable {
                        inode.page_for_write(index)
                    } else {
                        inode.page(index)
                    };
                    let page = page.map_err(|_| MemoryFault::Bus)?;
                    if !writable && self.is_beyond(inode.as_ref(), index) {
                        return Err(MemoryFault::Bus);
                    }
                    self.space.borrow_mut().map(vpn, page, area.prot(), false);
                    return Ok(());
                }
                self.map_private(&area, addr)
            }
        }
    }

    fn is_beyond(&self, inode: &dyn bottleship_vfs::Inode, index: u64) -> bool {
        inode
            .attr()
            .map_or(true, |attr| index >= attr.size.div_ceil(PAGE))
    }

    /// Maps the page of a private file mapping, and those around it that cost nothing.
    fn map_private(&self, area: &Area, addr: u64) -> Result<(), MemoryFault> {
        let Backing::File { inode, offset, .. } = &area.backing else {
            return Err(MemoryFault::Unmapped);
        };
        let size = inode.attr().map_err(|_| MemoryFault::Bus)?.size;
        let pages = size.div_ceil(PAGE);
        let vpn = addr / PAGE;
        let (first, end) = (area.start / PAGE, area.end / PAGE);
        let index = |vpn: u64| offset / PAGE + (vpn - first);
        if index(vpn) >= pages {
            return Err(MemoryFault::Bus);
        }
        let mut space = self.space.borrow_mut();
        if let Some(mapping) = space.get(vpn) {
            if mapping.prot == area.prot() {
                return Err(MemoryFault::Forbidden);
            }
            space.protect(vpn..vpn + 1, area.prot());
            return Ok(());
        }
        // Pages that may be written to are mapped one by one: who writes to the file first is then seen by the rest.
        let around = if area.prot & bottleship_abi::mm::PROT_WRITE == 0 {
            AROUND
        } else {
            1
        };
        let from = first.max(vpn & !(around - 1));
        let to = end.min((vpn & !(around - 1)) + around);
        let prot: Prot = area.prot();
        for near in from..to {
            if index(near) >= pages || (near != vpn && space.get(near).is_some()) {
                continue;
            }
            match inode.page(index(near)) {
                Ok(page) => space.map(near, page, prot, true),
                Err(_) if near == vpn => return Err(MemoryFault::Bus),
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn charge(&self, must: bool) -> Result<(), MemoryFault> {
        match self.cgroup.charge(PAGE) {
            Ok(()) => {}
            Err(group) if must && group.excess() < SLACK => self.cgroup.charge_anyway(PAGE),
            Err(group) => return Err(MemoryFault::NoMemory(group)),
        }
        self.charged.set(self.charged.get() + PAGE);
        Ok(())
    }

    /// The area that holds `addr`; a stack is extended down to it.
    fn area_for(&self, addr: u64) -> Option<Area> {
        let mut areas = self.areas.borrow_mut();
        let below = areas
            .range(..=addr)
            .next_back()
            .map(|(_, area)| (area.end, area));
        let below_end = match below {
            Some((end, area)) if addr < end => return Some(area.clone()),
            Some((end, _)) => end,
            None => MIN_ADDR,
        };
        let (_, above) = areas.range(addr..).next()?;
        let start = page_down(addr);
        if !above.grows_down
            || above.end - start > self.stack_limit.get()
            || start < below_end.saturating_add(STACK_GUARD)
        {
            return None;
        }
        let mut area = above.clone();
        areas.remove(&area.start);
        self.total.set(self.total.get() + (area.start - start));
        area.start = start;
        areas.insert(start, area.clone());
        Some(area)
    }

    /// Like [`Mm::fault`], for system calls.
    pub(super) fn fault_for_user(&self, addr: u64, access: Access) -> Result<(), Errno> {
        self.fault(addr, access, true).map_err(|fault| {
            if let MemoryFault::NoMemory(group) = fault {
                self.starved.replace(Some(group));
            }
            Errno::EFAULT
        })
    }
}
