//! Areas: ranges of addresses with the same protection and backing.

use std::collections::BTreeMap;

use bottleship_abi::mm::{PROT_EXEC, PROT_READ, PROT_WRITE};
use bottleship_vfs::{InodeRef, Path, same_inode};
use bottleship_x86::Prot;

/// What an area's pages come from.
#[derive(Clone)]
pub enum Backing {
    /// Zeros.
    Anonymous,
    /// A file.
    File {
        inode: InodeRef,
        /// The byte of the file at the area's start.
        offset: u64,
        /// How it was opened; `None` for shared anonymous memory.
        path: Option<Path>,
    },
}

/// A range of addresses, page-aligned.
#[derive(Clone)]
pub struct Area {
    pub start: u64,
    pub end: u64,
    /// `PROT_*`.
    pub prot: u32,
    /// What `mprotect` may set at most.
    pub max_prot: u32,
    pub shared: bool,
    pub grows_down: bool,
    pub backing: Backing,
}

impl Area {
    /// The processor's form of the protection.
    pub fn prot(&self) -> Prot {
        prot_of(self.prot)
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// The part from `at` on, which is cut off.
    pub fn split(&mut self, at: u64) -> Area {
        let mut rest = self.clone();
        rest.start = at;
        if let Backing::File { offset, .. } = &mut rest.backing {
            *offset += at - self.start;
        }
        // Only the lowest part of a stack grows.
        rest.grows_down = false;
        self.end = at;
        rest
    }

    fn continues(&self, next: &Area) -> bool {
        let backed = match (&self.backing, &next.backing) {
            (Backing::Anonymous, Backing::Anonymous) => true,
            (
                Backing::File {
                    inode: a,
                    offset: x,
                    ..
                },
                Backing::File {
                    inode: b,
                    offset: y,
                    ..
                },
            ) => same_inode(a, b) && x + self.len() == *y,
            _ => false,
        };
        backed
            && self.end == next.start
            && self.prot == next.prot
            && self.max_prot == next.max_prot
            && self.shared == next.shared
            && !next.grows_down
    }
}

/// `PROT_*` as the processor has it.
pub fn prot_of(prot: u32) -> Prot {
    Prot {
        r: prot & PROT_READ != 0,
        w: prot & PROT_WRITE != 0,
        x: prot & PROT_EXEC != 0,
    }
}

/// Makes area boundaries at `start` and `end`, so that a range can be taken out or changed.
pub fn cut(areas: &mut BTreeMap<u64, Area>, start: u64, end: u64) {
    for at in [start, end] {
        let rest = match areas.range_mut(..at).next_back() {
            Some((_, area)) if area.end > at => area.split(at),
            _ => continue,
        };
        areas.insert(at, rest);
    }
}

/// Adds an area, joining it with its neighbours where they continue each other.
pub fn insert(areas: &mut BTreeMap<u64, Area>, mut area: Area) {
    if let Some(next) = areas.get(&area.end)
        && area.continues(next)
    {
        let end = next.end;
        areas.remove(&area.end);
        area.end = end;
    }
    if let Some((_, before)) = areas.range_mut(..area.start).next_back()
        && before.continues(&area)
    {
        before.end = area.end;
        return;
    }
    areas.insert(area.start, area);
}
