//! `mmap`, `munmap`, `mprotect`, `mremap`, `brk`, `madvise`.

use bottleship_abi::Errno;
use bottleship_abi::mm::*;
use bottleship_vfs::{InodeRef, same_inode};

use super::vma::{Area, Backing, cut, insert, prot_of};
use super::{MAX_AREAS, MIN_ADDR, MMAP_BASE, Mm, PAGE, TASK_SIZE, page_up};

/// What `mmap` is asked for.
pub struct MapRequest {
    pub addr: u64,
    pub len: u64,
    pub prot: u32,
    pub max_prot: u32,
    /// `MAP_*`.
    pub flags: u32,
    pub backing: Backing,
}

impl Mm {
    /// Maps; the address.
    pub fn map(&self, request: MapRequest) -> Result<u64, Errno> {
        let MapRequest {
            addr,
            len,
            prot,
            max_prot,
            flags,
            backing,
        } = request;
        let len = page_up(len).filter(|&len| len != 0 && len <= TASK_SIZE);
        let len = len.ok_or(if request.len == 0 {
            Errno::EINVAL
        } else {
            Errno::ENOMEM
        })?;
        if self.areas.borrow().len() >= MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        let start = if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0 {
            if addr % PAGE != 0 {
                return Err(Errno::EINVAL);
            }
            if addr.checked_add(len).is_none_or(|end| end > TASK_SIZE) {
                return Err(Errno::ENOMEM);
            }
            if addr < MIN_ADDR {
                return Err(Errno::EPERM);
            }
            if flags & MAP_FIXED_NOREPLACE != 0 && self.overlaps(addr, addr + len) {
                return Err(Errno::EEXIST);
            }
            addr
        } else {
            self.place(addr & !(PAGE - 1), len, flags)?
        };
        let replaced = self.covered(start, start + len);
        if self
            .total
            .get()
            .saturating_sub(replaced)
            .saturating_add(len)
            > self.as_limit.get()
        {
            return Err(Errno::ENOMEM);
        }
        if replaced > 0 {
            self.unmap(start, len)?;
        }
        let area = Area {
            start,
            end: start + len,
            prot,
            max_prot,
            shared: flags & MAP_TYPE != MAP_PRIVATE,
            grows_down: flags & MAP_GROWSDOWN != 0,
            backing,
        };
        insert(&mut self.areas.borrow_mut(), area);
        self.total.set(self.total.get() + len);
        Ok(start)
    }

    fn overlaps(&self, start: u64, end: u64) -> bool {
        self.areas
            .borrow()
            .range(..end)
            .next_back()
            .is_some_and(|(_, area)| area.end > start)
    }

    fn covered(&self, start: u64, end: u64) -> u64 {
        let areas = self.areas.borrow();
        let mut sum = 0;
        for (_, area) in areas.range(..end).rev() {
            if area.end <= start {
                break;
            }
            sum += area.end.min(end) - area.start.max(start);
        }
        sum
    }

    /// A free place: the hint if it is free, else the highest gap below the mapping base.
    fn place(&self, hint: u64, len: u64, flags: u32) -> Result<u64, Errno> {
        let fits = |start: u64| {
            start >= MIN_ADDR
                && start.checked_add(len).is_some_and(|end| end <= TASK_SIZE)
                && !self.overlaps(start, start + len)
        };
        if hint != 0 && fits(hint) {
            return Ok(hint);
        }
        let top = if flags & MAP_32BIT != 0 {
            0x8000_0000
        } else {
            MMAP_BASE
        };
        let areas = self.areas.borrow();
        let mut end = top;
        for (_, area) in areas.range(..top).rev() {
            if area.end < end && end - area.end >= len {
                return Ok(end - len);
            }
            end = end.min(area.start);
        }
        if end >= len && end - len >= MIN_ADDR {
            Ok(end - len)
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// `munmap`.
    pub fn unmap(&self, start: u64, len: u64) -> Result<(), Errno> {
        let len = page_up(len).filter(|&len| len != 0).ok_or(Errno::EINVAL)?;
        let end = start
            .checked_add(len)
            .filter(|&end| end <= TASK_SIZE)
            .ok_or(Errno::EINVAL)?;
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let mut areas = self.areas.borrow_mut();
        cut(&mut areas, start, end);
        let starts: Vec<u64> = areas.range(start..end).map(|(&start, _)| start).collect();
        let mut removed = 0;
        for start in starts {
            if let Some(area) = areas.remove(&start) {
                removed += area.len();
            }
        }
        drop(areas);
        self.total.set(self.total.get() - removed);
        if removed > 0 {
            self.drop_pages(start, end);
        }
        Ok(())
    }

    /// A file was cut off at `size`: its pages beyond are unmapped, so that touching them is a `SIGBUS`.
    pub fn file_truncated(&self, file: &InodeRef, size: u64) {
        let keep = size.div_ceil(PAGE) * PAGE;
        for area in self.areas.borrow().values() {
            let Backing::File { inode, offset, .. } = &area.backing else {
                continue;
            };
            if same_inode(inode, file) && offset + area.len() > keep {
                let start = area.start + keep.saturating_sub(*offset);
                self.space.borrow_mut().unmap(start / PAGE..area.end / PAGE);
            }
        }
    }

    /// Forgets the pages of a range, and gives back what only this memory used.
    fn drop_pages(&self, start: u64, end: u64) {
        self.account();
        let mut space = self.space.borrow_mut();
        let pages = start / PAGE..end / PAGE;
        let own = space
            .pages(pages.clone())
            .filter(|(_, mapping)| mapping.cow && mapping.page.ref_count() == 1)
            .count();
        space.unmap(pages);
        drop(space);
        self.uncharge(own as u64 * PAGE);
    }

    /// `mprotect`.
    pub fn protect(&self, start: u64, len: u64, prot: u32) -> Result<(), Errno> {
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let len = page_up(len).ok_or(Errno::ENOMEM)?;
        if len == 0 {
            return Ok(());
        }
        let end = start
            .checked_add(len)
            .filter(|&end| end <= TASK_SIZE)
            .ok_or(Errno::ENOMEM)?;
        if self.covered(start, end) != len {
            return Err(Errno::ENOMEM);
        }
        let mut areas = self.areas.borrow_mut();
        cut(&mut areas, start, end);
        let starts: Vec<u64> = areas.range(start..end).map(|(&start, _)| start).collect();
        if starts
            .iter()
            .filter_map(|start| areas.get(start))
            .any(|area| prot & !area.max_prot != 0)
        {
            return Err(Errno::EACCES);
        }
        for start in starts {
            if let Some(mut area) = areas.remove(&start) {
                area.prot = prot;
                insert(&mut areas, area);
            }
        }
        drop(areas);
        self.space
            .borrow_mut()
            .protect(start / PAGE..end / PAGE, prot_of(prot));
        Ok(())
    }

    /// `mremap`.
    pub fn remap(
        &self,
        old: u64,
        old_len: u64,
        new_len: u64,
        flags: u32,
        target: u64,
    ) -> Result<u64, Errno> {
        let old_len = page_up(old_len).ok_or(Errno::EINVAL)?;
        let new_len = page_up(new_len)
            .filter(|&len| len != 0)
            .ok_or(Errno::EINVAL)?;
        if !old.is_multiple_of(PAGE)
            || flags & !(MREMAP_MAYMOVE | MREMAP_FIXED) != 0
            || old_len == 0
        {
            return Err(Errno::EINVAL);
        }
        let area = self
            .area_at(old)
            .filter(|area| old + old_len <= area.end)
            .ok_or(Errno::EFAULT)?;
        if flags & MREMAP_FIXED != 0 {
            let overlap =
                target < old.saturating_add(old_len) && old < target.saturating_add(new_len);
            if !target.is_multiple_of(PAGE) || flags & MREMAP_MAYMOVE == 0 || overlap {
                return Err(Errno::EINVAL);
            }
            return self.relocate(&area, old, old_len, new_len, Some(target));
        }
        if new_len <= old_len {
            if new_len < old_len {
                self.unmap(old + new_len, old_len - new_len)?;
            }
            return Ok(old);
        }
        let grown = old.checked_add(new_len).ok_or(Errno::EINVAL)?;
        if old + old_len == area.end && grown <= TASK_SIZE && !self.overlaps(area.end, grown) {
            let more = new_len - old_len;
            if self.total.get().saturating_add(more) > self.as_limit.get() {
                return Err(Errno::ENOMEM);
            }
            if let Some(found) = self.areas.borrow_mut().get_mut(&area.start) {
                found.end = grown;
            }
            self.total.set(self.total.get() + more);
            return Ok(old);
        }
        if flags & MREMAP_MAYMOVE == 0 {
            return Err(Errno::ENOMEM);
        }
        self.relocate(&area, old, old_len, new_len, None)
    }

    fn relocate(
        &self,
        area: &Area,
        old: u64,
        old_len: u64,
        new_len: u64,
        to: Option<u64>,
    ) -> Result<u64, Errno> {
        let mut backing = area.backing.clone();
        if let Backing::File { offset, .. } = &mut backing {
            *offset += old - area.start;
        }
        let kind = if area.shared { MAP_SHARED } else { MAP_PRIVATE };
        let new = self.map(MapRequest {
            addr: to.unwrap_or(0),
            len: new_len,
            prot: area.prot,
            max_prot: area.max_prot,
            flags: kind | if to.is_some() { MAP_FIXED } else { 0 },
            backing,
        })?;
        let moved = old_len.min(new_len);
        self.space
            .borrow_mut()
            .relocate(old / PAGE..(old + moved) / PAGE, new / PAGE);
        self.unmap(old, old_len)?;
        Ok(new)
    }

    /// `brk`: the end of the heap after it.
    pub fn set_brk(&self, wanted: u64, data_limit: u64) -> u64 {
        let (start, now) = self.brk.get();
        if wanted < start || wanted >= MMAP_BASE || wanted - start > data_limit {
            return now;
        }
        let (Some(old_end), Some(new_end)) = (page_up(now), page_up(wanted)) else {
            return now;
        };
        if new_end > old_end {
            if self.overlaps(old_end, new_end) {
                return now;
            }
            let request = MapRequest {
                addr: old_end,
                len: new_end - old_end,
                prot: PROT_READ | PROT_WRITE,
                max_prot: PROT_READ | PROT_WRITE | PROT_EXEC,
                flags: MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
                backing: Backing::Anonymous,
            };
            if self.map(request).is_err() {
                return now;
            }
        } else if new_end < old_end && self.unmap(new_end, old_end - new_end).is_err() {
            return now;
        }
        self.brk.set((start, wanted));
        wanted
    }

    /// `madvise`.
    pub fn advise(&self, start: u64, len: u64, advice: u32) -> Result<(), Errno> {
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let len = page_up(len).ok_or(Errno::EINVAL)?;
        let end = start
            .checked_add(len)
            .filter(|&end| end <= TASK_SIZE)
            .ok_or(Errno::EINVAL)?;
        match advice {
            MADV_DONTNEED | MADV_FREE if len > 0 => {
                self.drop_pages(start, end);
                if self.covered(start, end) == len {
                    Ok(())
                } else {
                    Err(Errno::ENOMEM)
                }
            }
            0..=25 | 100 | 101 => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The area that holds `addr`.
    pub fn area_at(&self, addr: u64) -> Option<Area> {
        let areas = self.areas.borrow();
        areas
            .range(..=addr)
            .next_back()
            .map(|(_, area)| area)
            .filter(|area| addr < area.end)
            .cloned()
    }

    /// All areas, ascending.
    pub fn areas(&self) -> Vec<Area> {
        self.areas.borrow().values().cloned().collect()
    }
}
