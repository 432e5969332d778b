//! The translation look-aside buffers: guest address → host pointer, without asking the page table.
//!
//! An entry in the read TLB is readable, one in the write TLB is writable, unshared (or a shared mapping) and holds no
//! translated code; so the fast path checks nothing but the tag. `addr - tag <= 4096 - size`, unsigned, says at once
//! that the page is the right one and that the access doesn't cross its end.

use crate::code::Block;
use bottleship_page::PAGE_SIZE;

/// Entries of each TLB.
pub const ENTRIES: usize = 512;
/// Entries of the jump cache.
pub const JUMPS: usize = 4096;

/// A translated page. `repr(C)` and at a fixed place, so that emitted code can check it inline.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entry {
    /// The page's guest address; for an empty entry, one that no address which falls on this entry is near.
    pub tag: u64,
    /// What to add to a guest address to get the host's.
    pub addend: usize,
}

/// Both TLBs and the cache of jump targets.
#[repr(C)]
pub struct Tlb {
    pub read: [Entry; ENTRIES],
    pub write: [Entry; ENTRIES],
    /// Blocks by a hash of their start; valid for this address space as it is now.
    pub jumps: [*const Block; JUMPS],
}

const fn empty(index: usize) -> Entry {
    Entry {
        tag: ((index ^ 1) as u64) << 12,
        addend: 0,
    }
}

impl Tlb {
    pub fn new() -> Tlb {
        let mut entries = [empty(0); ENTRIES];
        for (i, entry) in entries.iter_mut().enumerate() {
            *entry = empty(i);
        }
        Tlb {
            read: entries,
            write: entries,
            jumps: [std::ptr::null(); JUMPS],
        }
    }

    /// The entry that an address falls on.
    #[inline(always)]
    pub fn index(addr: u64) -> usize {
        (addr >> 12) as usize % ENTRIES
    }

    /// The slot of the jump cache that a guest address falls on.
    #[inline(always)]
    pub fn jump(rip: u64) -> usize {
        (rip ^ (rip >> 12)) as usize % JUMPS
    }

    pub fn fill_read(&mut self, addr: u64, page: *mut u8) {
        self.read[Tlb::index(addr)] = entry(addr, page);
    }

    pub fn fill_write(&mut self, addr: u64, page: *mut u8) {
        self.write[Tlb::index(addr)] = entry(addr, page);
    }

    pub fn forget(&mut self, vpn: u64) {
        let i = vpn as usize % ENTRIES;
        self.read[i] = empty(i);
        self.write[i] = empty(i);
    }

    pub fn forget_writes(&mut self) {
        for (i, entry) in self.write.iter_mut().enumerate() {
            *entry = empty(i);
        }
    }

    pub fn forget_jumps(&mut self) {
        self.jumps.fill(std::ptr::null());
    }
}

fn entry(addr: u64, page: *mut u8) -> Entry {
    let tag = addr & !(PAGE_SIZE as u64 - 1);
    Entry {
        tag,
        addend: (page as usize).wrapping_sub(tag as usize),
    }
}
