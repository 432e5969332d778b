//! The cache of translated code.

use bottleship_page::Watch;
use std::cell::Cell;
use std::rc::Rc;

/// A translated basic block.
#[repr(C)]
pub struct Block {
    pub start: u64,
}

struct Shared {
    watch: Rc<Watch>,
    translations: Cell<u64>,
}

/// Translated code, by page: shared by forks, and by all processes that map the same file at the same address. A
/// handle: `Clone` shares it. One per kernel.
#[derive(Clone)]
pub struct CodeCache(Rc<Shared>);

impl CodeCache {
    /// An empty cache.
    pub fn new() -> CodeCache {
        CodeCache(Rc::new(Shared {
            watch: Rc::default(),
            translations: Cell::new(0),
        }))
    }

    pub(crate) fn writes(&self) -> u64 {
        self.0.watch.count()
    }

    pub(crate) fn translations(&self) -> u64 {
        self.0.translations.get()
    }
}

impl Default for CodeCache {
    fn default() -> CodeCache {
        CodeCache::new()
    }
}
