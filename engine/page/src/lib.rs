//! A reference-counted 4 KiB page of guest memory with a stable address.
//!
//! It is the one thing that file systems (`bottleship-vfs`) and the processor (`bottleship-x86`) share, so that a
//! file's pages are mapped into processes without copying. Cloning a [`Page`] shares its bytes; whoever writes decides
//! about copy on write (see [`Page::make_unique`]).
//!
//! A page from which code was translated is *watched*: writing to it through [`Page::write`] forgets the watch, raises
//! the page's version and tells the [`Watch`], so that stale translations are never run.
#![allow(unsafe_code)] // The bytes are shared and mutable; this module is where that is kept sound.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::fmt;
use std::rc::Rc;

/// The size of a page in bytes.
pub const PAGE_SIZE: usize = 4096;

/// Counts the writes to the pages that it watches. A code cache owns one.
#[derive(Debug, Default)]
pub struct Watch(Cell<u64>);

impl Watch {
    /// How many watched pages were written to so far.
    pub fn count(&self) -> u64 {
        self.0.get()
    }

    /// Counts one more, as if a watched page had been written to.
    pub fn bump(&self) {
        self.0.set(self.0.get().wrapping_add(1));
    }
}

#[repr(C, align(16))]
struct Inner {
    bytes: UnsafeCell<[u8; PAGE_SIZE]>,
    version: Cell<u32>,
    watched: Cell<bool>,
    watch: RefCell<Option<Rc<Watch>>>,
}

/// A shared page of 4096 bytes. `Clone` shares the bytes.
#[derive(Clone)]
pub struct Page(Rc<Inner>);

impl Page {
    fn new(bytes: [u8; PAGE_SIZE]) -> Page {
        Page(Rc::new(Inner {
            bytes: UnsafeCell::new(bytes),
            version: Cell::new(0),
            watched: Cell::new(false),
            watch: RefCell::new(None),
        }))
    }

    /// A page of zeros.
    pub fn zeroed() -> Page {
        Page::new([0; PAGE_SIZE])
    }

    /// A page that starts with `data` (at most 4096 bytes of it) and is zero after it.
    pub fn from_slice(data: &[u8]) -> Page {
        let page = Page::zeroed();
        page.write(0, data);
        page
    }

    /// How many handles share this page.
    pub fn ref_count(&self) -> usize {
        Rc::strong_count(&self.0)
    }

    /// Whether both handles share the same bytes.
    pub fn ptr_eq(&self, other: &Page) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Copies bytes from `offset` on into `buf`; returns how many lie within the page.
    pub fn read(&self, offset: usize, buf: &mut [u8]) -> usize {
        let n = PAGE_SIZE.saturating_sub(offset).min(buf.len());
        if n > 0 {
            // SAFETY: offset + n <= PAGE_SIZE; no reference to the bytes ever leaves this module, and `buf`, being
            // a live exclusive reference, cannot overlap them.
            unsafe {
                std::ptr::copy_nonoverlapping(self.as_ptr().add(offset), buf.as_mut_ptr(), n)
            };
        }
        n
    }

    /// Copies `data` into the page from `offset` on; returns how many bytes fitted. All who share the page see it.
    pub fn write(&self, offset: usize, data: &[u8]) -> usize {
        let n = PAGE_SIZE.saturating_sub(offset).min(data.len());
        if n > 0 {
            self.touch();
            // SAFETY: as in `read`; `data` cannot overlap the bytes, as no reference to them ever leaves this module.
            unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.as_ptr().add(offset), n) };
        }
        n
    }

    /// Sets `len` bytes from `offset` on to zero (as far as they lie within the page).
    pub fn zero(&self, offset: usize, len: usize) {
        let n = PAGE_SIZE.saturating_sub(offset).min(len);
        if n > 0 {
            self.touch();
            // SAFETY: offset + n <= PAGE_SIZE, and no reference to the bytes exists.
            unsafe { std::ptr::write_bytes(self.as_ptr().add(offset), 0, n) };
        }
    }

    /// The byte at `offset`, or 0 beyond the page.
    pub fn byte(&self, offset: usize) -> u8 {
        let mut byte = [0];
        self.read(offset, &mut byte);
        byte[0]
    }

    /// A copy of all bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; PAGE_SIZE];
        self.read(0, &mut bytes);
        bytes
    }

    /// A new page, shared with no one, with the same bytes.
    pub fn duplicate(&self) -> Page {
        // SAFETY: the pointer is valid for PAGE_SIZE bytes, and nothing writes them during this copy.
        Page::new(unsafe { *self.0.bytes.get() })
    }

    /// Makes `page` the only handle to its bytes, by copying them if others share them. Returns whether it copied.
    pub fn make_unique(page: &mut Page) -> bool {
        let shared = page.ref_count() > 1;
        if shared {
            *page = page.duplicate();
        }
        shared
    }

    /// The address of the first byte; valid as long as a handle lives. For the processor's fast path alone, which
    /// must not write through it while the page [is watched](Page::is_watched).
    pub fn as_ptr(&self) -> *mut u8 {
        self.0.bytes.get().cast()
    }

    /// How often the page was written to while watched.
    pub fn version(&self) -> u32 {
        self.0.version.get()
    }

    /// Whether code was translated from this page and not written over since.
    pub fn is_watched(&self) -> bool {
        self.0.watched.get()
    }

    /// Asks that the next write tells `watch`. Another cache's watch is told at once, as it is replaced.
    pub fn watch(&self, watch: &Rc<Watch>) {
        if let Some(old) = self.0.watch.borrow().as_ref()
            && Rc::ptr_eq(old, watch)
        {
            return;
        }
        self.touch();
        *self.0.watch.borrow_mut() = Some(watch.clone());
        self.0.watched.set(true);
    }

    /// Notes that the bytes are about to change: ends the watch, if there is one.
    pub fn touch(&self) {
        if self.0.watched.replace(false) {
            self.0.version.set(self.0.version.get().wrapping_add(1));
            if let Some(watch) = self.0.watch.borrow_mut().take() {
                watch.bump();
            }
        }
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({:p} ×{})", self.as_ptr(), self.ref_count())
    }
}

impl Default for Page {
    fn default() -> Page {
        Page::zeroed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_and_make_unique_copies() {
        let a = Page::from_slice(b"hello");
        let mut b = a.clone();
        assert_eq!(a.ref_count(), 2);
        assert!(a.ptr_eq(&b));
        b.write(0, b"J");
        assert_eq!(a.byte(0), b'J');
        assert!(Page::make_unique(&mut b));
        assert!(!Page::make_unique(&mut b));
        b.write(0, b"C");
        assert_eq!((a.byte(0), b.byte(0), b.byte(1)), (b'J', b'C', b'e'));
    }

    #[test]
    fn reads_and_writes_stop_at_the_end() {
        let page = Page::zeroed();
        assert_eq!(page.write(4094, b"abc"), 2);
        assert_eq!(page.write(4096, b"abc"), 0);
        assert_eq!(page.write(usize::MAX, b"abc"), 0);
        let mut buf = [9; 4];
        assert_eq!(page.read(4093, &mut buf), 3);
        assert_eq!(buf, [0, b'a', b'b', 9]);
        page.zero(4095, usize::MAX);
        assert_eq!(page.byte(4095), 0);
        assert_eq!(page.byte(4094), b'a');
    }

    #[test]
    fn a_write_ends_the_watch_and_tells_it() {
        let (page, watch, other) = (
            Page::zeroed(),
            Rc::new(Watch::default()),
            Rc::new(Watch::default()),
        );
        page.write(0, b"x");
        assert_eq!(page.version(), 0);
        page.watch(&watch);
        page.watch(&watch);
        assert!(page.is_watched());
        assert_eq!(watch.count(), 0);
        page.watch(&other);
        assert_eq!((watch.count(), other.count(), page.version()), (1, 0, 1));
        page.write(0, b"y");
        page.write(0, b"z");
        assert!(!page.is_watched());
        assert_eq!((watch.count(), other.count(), page.version()), (1, 1, 2));
    }
}
