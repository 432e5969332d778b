//! The cache of translated code.
//!
//! Translations belong to a page and the address that it is mapped at, so every process that maps the same page there
//! shares them: forks, and whoever executes the same file. Blocks link directly only to blocks of their own page; from
//! page to page the way leads through the address space's jump cache, which is dropped when its executable mappings
//! change. So a change of mappings concerns one process, and only a change of a page's bytes ends translations; that
//! is noticed through the page's watch. What the cache gave out is valid until the count of its [`Watch`] changes.
#![allow(unsafe_code)] // Blocks are pinned allocations with a header in front of their ops.

use crate::ops::{Code, Op};
use bottleship_page::{Page, Watch};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

/// The header of a translated basic block; its ops follow it in memory. Pinned, and never moved or changed but for its
/// cells, so that emitted code can refer to it. What going from block to block needs comes first, as most blocks are
/// short and few of those that a shell needs are in the processor's cache.
#[repr(C, align(16))]
pub struct Block {
    /// How often the block was entered through the dispatcher's links (wrapping); a JIT picks by it.
    pub hot: Cell<u32>,
    /// Guest instructions.
    pub count: u16,
    /// 1 if its one instruction extends into the next page.
    page_crossing: u16,
    /// The blocks at `next`, once known and in the same page.
    pub links: [Cell<*const Block>; 2],
    /// The guest address of the first instruction.
    pub start: u64,
    /// Where a terminator that links goes: [not taken, taken].
    pub next: [u64; 2],
    /// For a JIT: the function that stands for this block, or 0.
    pub jit: Cell<u32>,
    pub ops: u32,
}

const HEADER: usize = size_of::<Block>() / size_of::<Op>();
/// Origins in the room of one op.
const ORIGINS: usize = size_of::<Op>() / size_of::<u16>();
const _: () = assert!(size_of::<Block>().is_multiple_of(size_of::<Op>()));

impl Block {
    /// The first op.
    #[inline(always)]
    pub fn ops(this: *const Block) -> *const Op {
        // Stays within the block's allocation, as a header is never without ops; wrapping, so as to need no proof here.
        this.wrapping_add(1).cast()
    }

    /// Whether the block's code is all in one page.
    pub fn single_page(&self) -> bool {
        self.page_crossing == 0
    }

    /// The guest address of the instruction that an op belongs to.
    ///
    /// # Safety
    /// The block is live, and `op` points to one of its ops.
    pub unsafe fn origin(this: *const Block, op: *const Op) -> u64 {
        // SAFETY: the origins follow the ops in the same allocation, one for each.
        unsafe {
            let first = Block::ops(this);
            let index = op.offset_from(first) as usize;
            let origins = first.add((*this).ops as usize).cast::<u16>();
            ((*this).start & !0xfff) | u64::from(*origins.add(index))
        }
    }
}

/// A block's memory: header, ops, and for each op the offset in the page of its instruction, 16 bits each.
pub struct Owned {
    memory: Box<[Op]>,
    /// The page after this one, if the block's only instruction extends into it, and its version.
    beyond: Option<(Page, u32)>,
}

/// What the translator makes.
pub struct Draft {
    pub start: u64,
    pub next: [u64; 2],
    pub count: u16,
    pub ops: Vec<Op>,
    /// For each op the offset of its instruction in the page.
    pub origins: Vec<u16>,
}

impl Owned {
    /// `beyond` is the second page of an instruction that crosses into it.
    pub fn new(draft: Draft, beyond: Option<(Page, u32)>) -> Owned {
        let n = draft.ops.len();
        for op in &draft.ops {
            let largest = op.d.max(op.s).max(op.base).max(op.index).max(op.scale);
            assert!(largest < 32, "a register number of {op:?} is out of range");
        }
        let mut memory =
            vec![Op::new(Code::Raise); HEADER + n + n.div_ceil(ORIGINS)].into_boxed_slice();
        memory[HEADER..HEADER + n].copy_from_slice(&draft.ops);
        let origins = memory[HEADER + n..].as_mut_ptr().cast::<u16>();
        for (i, &origin) in draft.origins.iter().enumerate().take(n) {
            // SAFETY: there are n.div_ceil(ORIGINS) ops after the others, room for n numbers of 16 bits.
            unsafe { origins.add(i).write(origin) };
        }
        let header = Block {
            start: draft.start,
            next: draft.next,
            links: [Cell::new(std::ptr::null()), Cell::new(std::ptr::null())],
            hot: Cell::new(0),
            jit: Cell::new(0),
            count: draft.count,
            ops: draft.ops.len() as u32,
            page_crossing: u16::from(beyond.is_some()),
        };
        // SAFETY: the first HEADER ops are as large and as aligned as a Block, which has no drop glue.
        unsafe { memory.as_mut_ptr().cast::<Block>().write(header) };
        Owned { memory, beyond }
    }

    pub fn block(&self) -> *const Block {
        self.memory.as_ptr().cast()
    }
}

/// The translations of one page at one address.
struct CodePage {
    /// Keeps the page's address from being used for another.
    _page: Page,
    version: u32,
    /// By the offset of their first instruction.
    blocks: HashMap<u16, Owned, Quick>,
}

/// What a page with translations counts for, in ops, besides those: the cache may be the last to hold it.
const PAGE_COST: usize = 128;

impl CodePage {
    fn size(&self) -> usize {
        self.blocks.values().map(|b| b.memory.len()).sum::<usize>() + PAGE_COST
    }
}

/// A hash of addresses, which are no one's choice (a page's) or cheap to run out of (offsets in one).
#[derive(Default)]
struct Mix(u64);

type Quick = BuildHasherDefault<Mix>;

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u64(u64::from(b)));
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

struct Shared {
    watch: Rc<Watch>,
    translations: Cell<u64>,
    pages: RefCell<HashMap<(usize, u64), CodePage, Quick>>,
    ops: Cell<usize>,
    cap: usize,
}

/// Translated code: shared by forks, and by all processes that map the same file at the same address. A handle:
/// `Clone` shares it. One per kernel.
#[derive(Clone)]
pub struct CodeCache(Rc<Shared>);

impl CodeCache {
    /// The default limit: this many micro-ops, of about 20 bytes each.
    pub const DEFAULT_CAP: usize = 1_500_000;

    /// An empty cache.
    pub fn new() -> CodeCache {
        CodeCache::with_cap(CodeCache::DEFAULT_CAP)
    }

    /// An empty cache that starts anew when it would hold more than `cap` micro-ops.
    pub fn with_cap(cap: usize) -> CodeCache {
        CodeCache(Rc::new(Shared {
            watch: Rc::default(),
            translations: Cell::new(0),
            pages: RefCell::default(),
            ops: Cell::new(0),
            cap,
        }))
    }

    /// How much it holds, in micro-ops.
    pub fn len(&self) -> usize {
        self.0.ops.get()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes whenever blocks given out earlier may have become stale.
    pub(crate) fn writes(&self) -> u64 {
        self.0.watch.count()
    }

    /// Changes whenever a page got its first translation, and so must leave all write TLBs.
    pub(crate) fn translations(&self) -> u64 {
        self.0.translations.get()
    }

    /// The block at `addr`, in `page`, if it is there and not stale. `beyond` gives the page after it.
    pub(crate) fn find(
        &self,
        page: &Page,
        addr: u64,
        beyond: impl Fn() -> Option<Page>,
    ) -> Option<*const Block> {
        let pages = self.0.pages.borrow();
        let code = pages.get(&key(page, addr))?;
        let owned = code.blocks.get(&(addr as u16 & 0xfff))?;
        let fresh = code.version == page.version()
            && page.is_watched()
            && owned.beyond.as_ref().is_none_or(|(expected, version)| {
                beyond().is_some_and(|p| {
                    p.ptr_eq(expected) && p.version() == *version && p.is_watched()
                })
            });
        fresh.then(|| owned.block())
    }

    /// Drops the translations of a page that is about to be written to, and with them the cache's hold on it. The
    /// caller drops its jump cache; others notice by the count of writes.
    pub(crate) fn forget(&self, page: &Page, addr: u64) {
        page.touch();
        if let Some(stale) = self.0.pages.borrow_mut().remove(&key(page, addr)) {
            self.0
                .ops
                .set(self.0.ops.get().saturating_sub(stale.size()));
            self.0.watch.bump();
        }
    }

    /// Adds a block translated from `page` (and `beyond`). The caller must then call [`Inner::sync`]
    /// (crate::mem::Inner::sync), as pages may have become code, and others' blocks may have been dropped.
    pub(crate) fn add(&self, page: &Page, beyond: Option<&Page>, draft: Draft) -> *const Block {
        let shared = &*self.0;
        let start = draft.start;
        for page in [Some(page), beyond].into_iter().flatten() {
            if !page.is_watched() {
                shared.translations.set(shared.translations.get() + 1);
            }
            page.watch(&shared.watch);
        }
        let owned = Owned::new(draft, beyond.map(|p| (p.clone(), p.version())));
        let (block, size) = (owned.block(), owned.memory.len());
        let mut pages = shared.pages.borrow_mut();
        if shared.ops.get() + size + PAGE_COST > shared.cap {
            pages.clear();
            shared.ops.set(0);
            shared.watch.bump();
        }
        let key = key(page, start);
        if pages
            .get(&key)
            .is_some_and(|code| code.version != page.version())
            && let Some(stale) = pages.remove(&key)
        {
            shared
                .ops
                .set(shared.ops.get().saturating_sub(stale.size()));
        }
        if !pages.contains_key(&key) {
            shared.ops.set(shared.ops.get() + PAGE_COST);
        }
        let code = pages.entry(key).or_insert_with(|| CodePage {
            _page: page.clone(),
            version: page.version(),
            blocks: HashMap::default(),
        });
        let offset = start as u16 & 0xfff;
        shared.ops.set(shared.ops.get() + size);
        if let Some(old) = code.blocks.insert(offset, owned) {
            // Only a block into the next page is ever replaced; nothing links to it, and it left the jump caches
            // when that page changed, or wasn't valid for this address space.
            shared
                .ops
                .set(shared.ops.get().saturating_sub(old.memory.len()));
            shared.watch.bump();
        }
        block
    }
}

fn key(page: &Page, addr: u64) -> (usize, u64) {
    (page.as_ptr() as usize, addr >> 12)
}

impl Default for CodeCache {
    fn default() -> CodeCache {
        CodeCache::new()
    }
}
