//! The bytes of a regular file: pages where there is data, nothing where there are holes.

use std::collections::BTreeMap;

use bottleship_page::{PAGE_SIZE, Page};

use super::BLOCK;
use crate::{Errno, Quota, Result};

/// The largest file (`s_maxbytes`).
pub(crate) const MAX_SIZE: u64 = i64::MAX as u64;

/// One page of a file.
#[derive(Clone)]
struct Slot {
    page: Page,
    /// Shared with another file: copy before handing it out or writing.
    cow: bool,
}

/// File contents. Each page in use is charged to the quota.
///
/// One page, usually the last, may be shorter than a page (`tail`), so that small files take
/// little memory. What is neither in `pages` nor in the tail is a hole. Bytes past `size` are
/// zero everywhere.
#[derive(Default)]
pub(crate) struct Contents {
    size: u64,
    pages: BTreeMap<u64, Slot>,
    tail_at: u64,
    tail: Vec<u8>,
}

impl Contents {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Pages charged.
    pub fn charged(&self) -> u64 {
        self.pages.len() as u64 + u64::from(!self.tail.is_empty())
    }

    /// Blocks of 512 bytes.
    pub fn blocks(&self) -> u64 {
        self.charged() * (BLOCK / 512)
    }

    pub fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        if offset >= self.size {
            return 0;
        }
        let n = buf
            .len()
            .min(usize::try_from(self.size - offset).unwrap_or(usize::MAX));
        for (index, within, range) in pieces(offset, n) {
            self.read_piece(index, within, &mut buf[range]);
        }
        n
    }

    fn read_piece(&self, index: u64, within: usize, out: &mut [u8]) {
        if let Some(slot) = self.pages.get(&index) {
            slot.page.read(within, out);
        } else if index == self.tail_at && within < self.tail.len() {
            let n = out.len().min(self.tail.len() - within);
            out[..n].copy_from_slice(&self.tail[within..within + n]);
            out[n..].fill(0);
        } else {
            out.fill(0);
        }
    }

    /// Writes; short when the disk fills up on the way.
    pub fn write(&mut self, quota: &Quota, offset: u64, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        if offset >= MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let room = usize::try_from(MAX_SIZE - offset).unwrap_or(usize::MAX);
        let data = &data[..data.len().min(room)];
        let mut done = 0;
        for (index, within, range) in pieces(offset, data.len()) {
            let piece = &data[range];
            match self.write_piece(quota, index, within, piece) {
                Ok(()) => done += piece.len(),
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        self.size = self.size.max(offset + done as u64);
        Ok(done)
    }

    fn write_piece(&mut self, quota: &Quota, index: u64, within: usize, data: &[u8]) -> Result<()> {
        let end = within + data.len();
        if let Some(slot) = self.pages.get_mut(&index) {
            if data.len() == PAGE_SIZE && slot.cow {
                *slot = Slot::owned(Page::from_slice(data));
                return Ok(());
            }
            slot.unshare();
            slot.page.write(within, data);
            return Ok(());
        }
        let is_tail = !self.tail.is_empty() && index == self.tail_at;
        if !is_tail {
            quota.take_bytes(BLOCK)?;
            if data.len() == PAGE_SIZE || (!self.tail.is_empty() && index < self.tail_at) {
                let page = Page::zeroed();
                page.write(within, data);
                self.pages.insert(index, Slot::owned(page));
                return Ok(());
            }
            self.promote_tail();
            self.tail_at = index;
        }
        if self.tail.len() < end {
            self.tail.resize(end, 0);
        }
        self.tail[within..end].copy_from_slice(data);
        if end == PAGE_SIZE {
            self.promote_tail();
        }
        Ok(())
    }

    /// Turns the tail into a page; the charge stays the same.
    fn promote_tail(&mut self) {
        if !self.tail.is_empty() {
            let page = Page::from_slice(&self.tail);
            self.pages.insert(self.tail_at, Slot::owned(page));
            self.tail = Vec::new();
        }
    }

    /// The page for a mapping; a hole is a page of zeros that is not kept.
    pub fn page(&mut self, index: u64) -> Page {
        if !self.tail.is_empty() && index == self.tail_at {
            self.promote_tail();
        }
        match self.pages.get_mut(&index) {
            Some(slot) => {
                slot.unshare();
                slot.page.clone()
            }
            None => Page::zeroed(),
        }
    }

    /// The page for a mapping that writes; a hole is filled. Only within the file.
    pub fn page_for_write(&mut self, quota: &Quota, index: u64) -> Result<Page> {
        if index >= self.size.div_ceil(BLOCK) {
            return Err(Errno::ENXIO);
        }
        self.fill(quota, index)?;
        Ok(self.page(index))
    }

    fn fill(&mut self, quota: &Quota, index: u64) -> Result<()> {
        let present =
            self.pages.contains_key(&index) || (!self.tail.is_empty() && index == self.tail_at);
        if !present {
            quota.take_bytes(BLOCK)?;
            self.pages.insert(index, Slot::owned(Page::zeroed()));
        }
        Ok(())
    }

    pub fn truncate(&mut self, quota: &Quota, size: u64) -> Result<()> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        if size < self.size {
            self.clear(quota, size, MAX_SIZE);
        }
        self.size = size;
        Ok(())
    }

    /// Makes `from..to` a hole; the edges within a page are zeroed.
    pub fn clear(&mut self, quota: &Quota, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let before = self.charged();
        let (first_whole, end_whole) = (from.div_ceil(BLOCK), to / BLOCK);
        if first_whole < end_whole {
            let mut rest = self.pages.split_off(&first_whole);
            let mut kept = rest.split_off(&end_whole);
            self.pages.append(&mut kept);
            if (first_whole..end_whole).contains(&self.tail_at) {
                self.tail = Vec::new();
            }
        }
        // The partial pages at both ends; the same page when the range lies within one.
        let (first, last) = (from / BLOCK, to / BLOCK);
        if first < first_whole {
            let end = if first == last {
                (to % BLOCK) as usize
            } else {
                PAGE_SIZE
            };
            self.zero_piece(first, (from % BLOCK) as usize, end);
        }
        if last >= first_whole && !to.is_multiple_of(BLOCK) {
            self.zero_piece(last, 0, (to % BLOCK) as usize);
        }
        quota.give_bytes((before - self.charged()) * BLOCK);
    }

    fn zero_piece(&mut self, index: u64, from: usize, to: usize) {
        const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        if let Some(slot) = self.pages.get_mut(&index) {
            slot.unshare();
            slot.page.write(from, &ZEROS[..to - from]);
        } else if index == self.tail_at && from < self.tail.len() {
            if to >= self.tail.len() && from > 0 {
                self.tail.truncate(from);
            } else {
                let to = to.min(self.tail.len());
                self.tail[from..to].fill(0);
            }
        }
    }

    /// Fills the holes of a range, so that writes there cannot run out of space.
    pub fn reserve(&mut self, quota: &Quota, from: u64, to: u64) -> Result<()> {
        for index in from / BLOCK..to.div_ceil(BLOCK) {
            self.fill(quota, index)?;
        }
        Ok(())
    }

    /// The next data or hole at or after `offset`.
    pub fn seek(&self, offset: u64, hole: bool) -> Result<u64> {
        if offset >= self.size {
            return Err(Errno::ENXIO);
        }
        let mut index = offset / BLOCK;
        loop {
            let at = (index * BLOCK).max(offset);
            if at >= self.size {
                return if hole {
                    Ok(self.size)
                } else {
                    Err(Errno::ENXIO)
                };
            }
            let tail = (!self.tail.is_empty()).then_some(self.tail_at);
            let is_data = self.pages.contains_key(&index) || tail == Some(index);
            if is_data != hole {
                return Ok(at);
            }
            index = if hole {
                index + 1
            } else {
                let page = self.pages.range(index + 1..).next().map(|(i, _)| *i);
                let tail = tail.filter(|t| *t > index);
                match [page, tail].into_iter().flatten().min() {
                    Some(next) => next,
                    None => return Err(Errno::ENXIO),
                }
            };
        }
    }

    /// A copy of the first `size` bytes that shares pages until either side writes.
    pub fn reflink(&mut self, quota: &Quota, size: u64) -> Result<Contents> {
        let size = size.min(self.size);
        quota.take_bytes(self.charged() * BLOCK)?;
        for slot in self.pages.values_mut() {
            slot.cow = true;
        }
        let mut copy = Contents {
            size: self.size,
            pages: self.pages.clone(),
            tail_at: self.tail_at,
            tail: self.tail.clone(),
        };
        copy.truncate(quota, size)?;
        Ok(copy)
    }
}

impl Slot {
    fn owned(page: Page) -> Slot {
        Slot { page, cow: false }
    }

    fn unshare(&mut self) {
        if self.cow {
            *self = Slot::owned(self.page.duplicate());
        }
    }
}

/// Splits a range of a file at page boundaries: page index, offset within it, range of the buffer.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let within = (at % BLOCK) as usize;
        let n = (len - done).min(PAGE_SIZE - within);
        let range = done..done + n;
        done += n;
        Some((at / BLOCK, within, range))
    })
}
