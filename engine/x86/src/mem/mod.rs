//! A guest's memory: which page is where, with what protection, and the TLBs that make access fast.
//!
//! Only a page table: areas, files and limits are the kernel's. A page that isn't there stops the guest with a
//! [`Fault`]; the kernel maps one and runs on. Copy on write is done here: a page mapped with `cow` is copied when it
//! is written to while someone else holds it, and written in place otherwise.

mod access;
mod fast;
mod tlb;

pub(crate) use fast::{Memory, canonical};
pub(crate) use tlb::Tlb;

use crate::code::CodeCache;
use crate::exit::{Access, Exit, Fault};
use bottleship_page::{PAGE_SIZE, Page};
use std::collections::BTreeMap;
use std::ops::Range;

const CHUNK_BITS: u32 = 5;
const CHUNK: usize = 1 << CHUNK_BITS;
/// One more than the last page number that a guest may use (47-bit addresses).
pub const VPN_END: u64 = 1 << 35;

/// What may be done with a page. As on x86, what may be written or executed may also be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Prot {
    pub r: bool,
    pub w: bool,
    pub x: bool,
}

impl Prot {
    pub const NONE: Prot = Prot {
        r: false,
        w: false,
        x: false,
    };
    pub const R: Prot = Prot {
        r: true,
        w: false,
        x: false,
    };
    pub const RW: Prot = Prot {
        r: true,
        w: true,
        x: false,
    };
    pub const RX: Prot = Prot {
        r: true,
        w: false,
        x: true,
    };
    pub const RWX: Prot = Prot {
        r: true,
        w: true,
        x: true,
    };

    /// Whether `access` is allowed.
    pub fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => self.r || self.w || self.x,
            Access::Write => self.w,
            Access::Exec => self.x,
        }
    }
}

/// A mapped page.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub page: Page,
    pub prot: Prot,
    /// Private: written to only once no one else holds it. False for shared mappings.
    pub cow: bool,
}

type Chunk = [Option<Mapping>; CHUNK];

/// Why an access by the guest failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Fault(Fault),
    /// The instruction raises this.
    Exit(Exit),
    /// The instruction has to be carried out alone: it writes to a page with translated code, or is part of a run
    /// that can't be done at once.
    Alone,
    /// A string instruction did part of its work, and is to be carried out again.
    Again,
}

#[repr(C)]
pub(crate) struct Inner {
    pub tlb: Tlb,
    /// Set when an access failed.
    pub stop: Option<Stop>,
    /// Writes to pages with translated code go through, and end the translation.
    pub code_writes: bool,
    table: BTreeMap<u64, Box<Chunk>>,
    resident: usize,
    copies: u64,
    pub cache: CodeCache,
    seen_writes: u64,
    seen_translations: u64,
}

/// The memory of one process, 16 KiB of TLB and 4096 pointers of jump cache included. Threads share it.
pub struct AddressSpace(pub(crate) Box<Inner>);

impl AddressSpace {
    /// Empty memory, whose code is translated into `cache`.
    pub fn new(cache: &CodeCache) -> AddressSpace {
        AddressSpace(Box::new(Inner {
            tlb: Tlb::new(),
            stop: None,
            code_writes: false,
            table: BTreeMap::new(),
            resident: 0,
            copies: 0,
            cache: cache.clone(),
            seen_writes: cache.writes(),
            seen_translations: cache.translations(),
        }))
    }

    /// Maps `page` at page number `vpn` (address / 4096), in place of what was there. Private mappings (files and
    /// anonymous memory alike) pass `cow`; shared ones don't.
    ///
    /// # Panics
    /// If `vpn` is not below [`VPN_END`].
    pub fn map(&mut self, vpn: u64, page: Page, prot: Prot, cow: bool) {
        assert!(vpn < VPN_END, "page number {vpn:#x} is beyond user space");
        let mem = &mut *self.0;
        let chunk = mem
            .table
            .entry(vpn >> CHUNK_BITS)
            .or_insert_with(|| Box::new([const { None }; CHUNK]));
        let old = chunk[vpn as usize % CHUNK].replace(Mapping { page, prot, cow });
        // Where nothing was, no jump cache has a block of.
        let code = old.as_ref().is_some_and(|m| prot.x || m.prot.x);
        mem.resident += usize::from(old.is_none());
        mem.forget(vpn, code);
    }

    /// Removes all pages of a range of page numbers.
    pub fn unmap(&mut self, pages: Range<u64>) {
        let mem = &mut *self.0;
        let mut code = false;
        let mut emptied = Vec::new();
        if pages.start >= pages.end {
            return;
        }
        for (&number, chunk) in mem
            .table
            .range_mut(pages.start >> CHUNK_BITS..=(pages.end - 1) >> CHUNK_BITS)
        {
            let first = number << CHUNK_BITS;
            for (i, slot) in chunk.iter_mut().enumerate() {
                let vpn = first + i as u64;
                if pages.contains(&vpn)
                    && let Some(old) = slot.take()
                {
                    code |= old.prot.x;
                    mem.resident -= 1;
                    mem.tlb.forget(vpn);
                }
            }
            if chunk.iter().all(Option::is_none) {
                emptied.push(number);
            }
        }
        for number in emptied {
            mem.table.remove(&number);
        }
        if code {
            mem.tlb.forget_jumps();
        }
    }

    /// Changes the protection of the pages that are mapped in a range of page numbers.
    pub fn protect(&mut self, pages: Range<u64>, prot: Prot) {
        let mem = &mut *self.0;
        let mut code = false;
        if pages.start >= pages.end {
            return;
        }
        for (&number, chunk) in mem
            .table
            .range_mut(pages.start >> CHUNK_BITS..=(pages.end - 1) >> CHUNK_BITS)
        {
            for (i, slot) in chunk.iter_mut().enumerate() {
                let vpn = (number << CHUNK_BITS) + i as u64;
                if let (Some(mapping), true) = (slot, pages.contains(&vpn)) {
                    code |= mapping.prot.x || prot.x;
                    mapping.prot = prot;
                    mem.tlb.forget(vpn);
                }
            }
        }
        if code {
            mem.tlb.forget_jumps();
        }
    }

    /// Moves the pages of a range to another place (`mremap`), which must not overlap it.
    pub fn relocate(&mut self, pages: Range<u64>, to: u64) {
        let moved: Vec<(u64, Mapping)> = self
            .pages(pages.clone())
            .map(|(vpn, m)| (vpn, m.clone()))
            .collect();
        self.unmap(pages.clone());
        for (vpn, m) in moved {
            self.map(vpn - pages.start + to, m.page, m.prot, m.cow);
        }
    }

    /// What is mapped at a page number.
    pub fn get(&self, vpn: u64) -> Option<&Mapping> {
        self.0.get(vpn)
    }

    /// The mapped pages in a range of page numbers, in order.
    pub fn pages(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &Mapping)> {
        let chunks = range.start >> CHUNK_BITS
            ..range
                .end
                .div_ceil(CHUNK as u64)
                .max(range.start >> CHUNK_BITS);
        self.0
            .table
            .range(chunks)
            .flat_map(move |(&number, chunk)| {
                let range = range.clone();
                (number << CHUNK_BITS..)
                    .zip(chunk.iter())
                    .filter_map(move |(vpn, slot)| {
                        Some((vpn, slot.as_ref().filter(|_| range.contains(&vpn))?))
                    })
            })
    }

    /// The copy that `fork` makes: private pages are shared until one side writes to them.
    pub fn fork(&mut self) -> AddressSpace {
        let mem = &mut *self.0;
        mem.tlb.forget_writes();
        AddressSpace(Box::new(Inner {
            tlb: Tlb::new(),
            stop: None,
            code_writes: false,
            table: mem.table.clone(),
            resident: mem.resident,
            copies: 0,
            cache: mem.cache.clone(),
            seen_writes: mem.cache.writes(),
            seen_translations: mem.cache.translations(),
        }))
    }

    /// How many pages are mapped.
    pub fn resident(&self) -> usize {
        self.0.resident
    }

    /// How many pages were copied because they were written to while shared.
    pub fn cow_copies(&self) -> u64 {
        self.0.copies
    }

    /// The cache that this memory's code is translated into.
    pub fn code_cache(&self) -> &CodeCache {
        &self.0.cache
    }
}

impl Inner {
    pub fn get(&self, vpn: u64) -> Option<&Mapping> {
        self.table.get(&(vpn >> CHUNK_BITS))?[vpn as usize % CHUNK].as_ref()
    }

    fn get_mut(&mut self, vpn: u64) -> Option<&mut Mapping> {
        self.table.get_mut(&(vpn >> CHUNK_BITS))?[vpn as usize % CHUNK].as_mut()
    }

    fn forget(&mut self, vpn: u64, code: bool) {
        self.tlb.forget(vpn);
        if code {
            self.tlb.forget_jumps();
        }
    }

    /// Catches up with what other processes and the kernel did to shared pages. Called before the guest runs.
    pub fn sync(&mut self) {
        let (writes, translations) = (self.cache.writes(), self.cache.translations());
        if self.seen_writes != writes {
            self.seen_writes = writes;
            self.tlb.forget_jumps();
        }
        if self.seen_translations != translations {
            self.seen_translations = translations;
            self.tlb.forget_writes();
        }
    }

    /// The mapping at `addr`, if it allows `access`.
    pub fn lookup(&self, addr: u64, access: Access) -> Result<&Mapping, Fault> {
        match self.get(addr >> 12) {
            Some(m) if m.prot.allows(access) => Ok(m),
            found => Err(Fault {
                addr,
                access,
                present: found.is_some(),
            }),
        }
    }

    /// The page at `addr`, ready to be written to: without translations, and copied first if it is private and someone
    /// else holds it.
    fn writable(&mut self, addr: u64) -> Result<Page, Fault> {
        let vpn = addr >> 12;
        let m = self.lookup(addr, Access::Write)?;
        if m.page.is_watched() {
            let page = m.page.clone();
            self.cache.forget(&page, addr);
            self.tlb.forget_jumps();
        }
        let Some(m) = self.get_mut(vpn) else {
            return Err(Fault {
                addr,
                access: Access::Write,
                present: false,
            });
        };
        let copied = m.cow && Page::make_unique(&mut m.page);
        let (page, code) = (m.page.clone(), m.prot.x);
        if copied {
            self.copies += 1;
            self.forget(vpn, code);
        }
        Ok(page)
    }

    /// Copies from guest memory; the fault is that of the first byte that can't be read.
    pub fn read(&self, mut addr: u64, mut buf: &mut [u8]) -> Result<(), Fault> {
        while !buf.is_empty() {
            let m = self.lookup(addr, Access::Read)?;
            let n = m.page.read(addr as usize % PAGE_SIZE, buf);
            buf = &mut buf[n..];
            addr = addr.wrapping_add(n as u64);
        }
        Ok(())
    }

    /// Copies into guest memory; what precedes the fault has been written.
    pub fn write(&mut self, mut addr: u64, mut data: &[u8]) -> Result<(), Fault> {
        while !data.is_empty() {
            let page = self.writable(addr)?;
            let n = page.write(addr as usize % PAGE_SIZE, data);
            data = &data[n..];
            addr = addr.wrapping_add(n as u64);
        }
        Ok(())
    }
}
