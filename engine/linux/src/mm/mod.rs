//! A process's memory: areas (VMAs), demand paging, charging, and access from system calls.
//!
//! The page table is the processor's ([`AddressSpace`]); what belongs where, and who pays for it, is known here.

mod fault;
mod map;
mod user;
mod vma;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_vfs::Path;
use bottleship_x86::{AddressSpace, CodeCache};

use crate::kernel::cgroup::Cgroup;

pub use fault::MemoryFault;
pub use map::MapRequest;
pub use vma::{Area, Backing};

/// Bytes in a page.
pub const PAGE: u64 = 4096;
/// One more than the highest address of a process.
pub const TASK_SIZE: u64 = 0x7fff_ffff_f000;
/// Where the stack ends.
pub const STACK_TOP: u64 = TASK_SIZE;
/// Mappings without an address are placed below this, downwards.
pub const MMAP_BASE: u64 = 0x7fff_f7ff_f000;
/// Where position-independent programs go.
pub const PIE_BASE: u64 = 0x5555_5555_4000;
/// `vm.mmap_min_addr`.
pub const MIN_ADDR: u64 = 65536;
/// `vm.max_map_count`.
pub const MAX_AREAS: usize = 65530;

/// The memory of a process; threads (and a `vfork` child) share it.
pub struct Mm {
    pub space: RefCell<AddressSpace>,
    areas: RefCell<BTreeMap<u64, Area>>,
    /// Start and current end of the heap.
    pub brk: Cell<(u64, u64)>,
    /// Where the arguments and the environment are, for `/proc/PID/cmdline` and `environ`.
    pub args: Cell<(u64, u64)>,
    pub env: Cell<(u64, u64)>,
    pub auxv: RefCell<Vec<u8>>,
    pub exe: RefCell<Option<Path>>,
    cgroup: Cgroup,
    /// Bytes charged to the cgroup.
    charged: Cell<u64>,
    copies_seen: Cell<u64>,
    peak: Cell<u64>,
    /// Bytes of all areas.
    total: Cell<u64>,
    pub faults: Cell<u64>,
    /// The group whose limit a system call ran into: someone in it has to go.
    pub starved: RefCell<Option<Cgroup>>,
    /// `RLIMIT_STACK` and `RLIMIT_AS` as last set, in bytes.
    pub stack_limit: Cell<u64>,
    pub as_limit: Cell<u64>,
}

impl Mm {
    /// Empty memory, charged to `cgroup`.
    pub fn new(cache: &CodeCache, cgroup: Cgroup) -> Rc<Mm> {
        Rc::new(Mm {
            space: RefCell::new(AddressSpace::new(cache)),
            areas: RefCell::default(),
            brk: Cell::new((0, 0)),
            args: Cell::new((0, 0)),
            env: Cell::new((0, 0)),
            auxv: RefCell::default(),
            exe: RefCell::default(),
            cgroup,
            charged: Cell::new(0),
            copies_seen: Cell::new(0),
            peak: Cell::new(0),
            total: Cell::new(0),
            faults: Cell::new(0),
            starved: RefCell::default(),
            stack_limit: Cell::new(8 << 20),
            as_limit: Cell::new(u64::MAX),
        })
    }

    /// The copy that `fork` makes: pages are shared until one side writes to them.
    pub fn fork(&self, cgroup: Cgroup) -> Rc<Mm> {
        let space = self.space.borrow_mut().fork();
        Rc::new(Mm {
            space: RefCell::new(space),
            areas: RefCell::new(self.areas.borrow().clone()),
            brk: self.brk.clone(),
            args: self.args.clone(),
            env: self.env.clone(),
            auxv: self.auxv.clone(),
            exe: self.exe.clone(),
            cgroup,
            charged: Cell::new(0),
            copies_seen: Cell::new(0),
            peak: Cell::new(0),
            total: self.total.clone(),
            faults: Cell::new(0),
            starved: RefCell::default(),
            stack_limit: self.stack_limit.clone(),
            as_limit: self.as_limit.clone(),
        })
    }

    /// Pages mapped now.
    pub fn resident_pages(&self) -> u64 {
        self.space.borrow().resident() as u64
    }

    /// The most pages there were, as far as seen.
    pub fn peak_pages(&self) -> u64 {
        self.peak.get().max(self.resident_pages())
    }

    /// Bytes of all areas.
    pub fn total_bytes(&self) -> u64 {
        self.total.get()
    }

    /// Charges copies that the processor made since the last call.
    pub fn account(&self) {
        let space = self.space.borrow();
        let copies = space.cow_copies();
        self.peak.set(self.peak.get().max(space.resident() as u64));
        let new = copies - self.copies_seen.replace(copies);
        if new > 0 {
            self.charged.set(self.charged.get() + new * PAGE);
            self.cgroup.charge_anyway(new * PAGE);
        }
    }

    /// Bytes that this memory alone is charged for.
    pub fn charged(&self) -> u64 {
        self.charged.get()
    }

    fn uncharge(&self, bytes: u64) {
        let bytes = bytes.min(self.charged.get());
        self.charged.set(self.charged.get() - bytes);
        self.cgroup.uncharge(bytes);
    }
}

impl Drop for Mm {
    fn drop(&mut self) {
        self.cgroup.uncharge(self.charged.get());
    }
}

/// Rounds up to a page; `None` on overflow.
pub fn page_up(bytes: u64) -> Option<u64> {
    Some(bytes.checked_add(PAGE - 1)? & !(PAGE - 1))
}

/// Rounds down to a page.
pub fn page_down(bytes: u64) -> u64 {
    bytes & !(PAGE - 1)
}
