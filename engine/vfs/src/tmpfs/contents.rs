//! The bytes of a regular file: pages where there is data, nothing where there are holes.

use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_page::{PAGE_SIZE, Page};

use super::BLOCK;
use crate::{Errno, Quota, Result};

/// The largest file (`s_maxbytes`).
pub(crate) const MAX_SIZE: u64 = i64::MAX as u64;

/// Bytes kept elsewhere, such as a file of the host, that never change.
pub trait Backing {
    /// Reads at an offset in bytes; short only at the end.
    ///
    /// # Errors
    /// They cannot be read any more.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize>;
}

/// The bytes a file starts with, while they are not in pages.
#[derive(Clone)]
struct Backed {
    source: Rc<dyn Backing>,
    /// Where they start in the source.
    start: u64,
    /// How many there are.
    len: u64,
}

impl Backed {
    /// Pages, the last one perhaps in part.
    fn pages(&self) -> u64 {
        self.len.div_ceil(BLOCK)
    }

    /// Fills `out` with what is at an offset of the file, zeros past the end.
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let n = out
            .len()
            .min(usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < n {
            let at = self.start + offset + done as u64;
            match self.source.read_at(at, &mut out[done..n]) {
                Ok(0) | Err(_) => return Err(Errno::EIO),
                Ok(count) => done += count,
            }
        }
        out[n..].fill(0);
        Ok(())
    }
}

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
/// little memory. What is neither there nor backed is a hole. Bytes past `size` are zero
/// everywhere.
#[derive(Default)]
pub(crate) struct Contents {
    size: u64,
    backed: Option<Backed>,
    pages: BTreeMap<u64, Slot>,
    tail_at: u64,
    tail: Vec<u8>,
    /// A page was handed out to be written to.
    mapped: bool,
}

impl Contents {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Pages charged.
    pub fn charged(&self) -> u64 {
        let backed = self.backed_pages();
        let beyond = match backed {
            0 => self.pages.len() as u64,
            _ => self.pages.range(backed..).count() as u64,
        };
        let tail = !self.tail.is_empty() && self.tail_at >= backed;
        backed + beyond + u64::from(tail)
    }

    fn backed_pages(&self) -> u64 {
        self.backed.as_ref().map_or(0, Backed::pages)
    }

    /// Makes an empty file's contents `len` bytes of a source.
    pub fn back(
        &mut self,
        quota: &Quota,
        source: Rc<dyn Backing>,
        start: u64,
        len: u64,
    ) -> Result<()> {
        if self.size > 0 || len > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let backed = Backed { source, start, len };
        quota.take_bytes(backed.pages() * BLOCK)?;
        self.size = len;
        self.backed = (len > 0).then_some(backed);
        Ok(())
    }

    /// Brings a backed page in, so that it can change or be mapped.
    fn load(&mut self, index: u64) -> Result<()> {
        let Some(backed) = self.backed.as_ref().filter(|b| index < b.pages()) else {
            return Ok(());
        };
        if self.pages.contains_key(&index) || self.is_tail(index) {
            return Ok(());
        }
        let mut bytes = [0; PAGE_SIZE];
        backed.read(index * BLOCK, &mut bytes)?;
        let page = Page::from_slice(&bytes);
        self.pages.insert(index, Slot::owned(page));
        Ok(())
    }

    fn is_tail(&self, index: u64) -> bool {
        !self.tail.is_empty() && index == self.tail_at
    }

    /// Blocks of 512 bytes.
    pub fn blocks(&self) -> u64 {
        self.charged() * (BLOCK / 512)
    }

    pub fn read(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if offset >= self.size {
            return Ok(0);
        }
        let n = buf
            .len()
            .min(usize::try_from(self.size - offset).unwrap_or(usize::MAX));
        if let Some(backed) = &self.backed
            && self.pages.is_empty()
            && self.tail.is_empty()
        {
            backed.read(offset, &mut buf[..n])?;
            return Ok(n);
        }
        for (index, within, range) in pieces(offset, n) {
            self.read_piece(index, within, &mut buf[range])?;
        }
        Ok(n)
    }

    fn read_piece(&self, index: u64, within: usize, out: &mut [u8]) -> Result<()> {
        if let Some(slot) = self.pages.get(&index) {
            slot.page.read(within, out);
        } else if index == self.tail_at && within < self.tail.len() {
            let n = out.len().min(self.tail.len() - within);
            out[..n].copy_from_slice(&self.tail[within..within + n]);
            out[n..].fill(0);
        } else if let Some(backed) = self.backed.as_ref().filter(|b| index < b.pages()) {
            backed.read(index * BLOCK + within as u64, out)?;
        } else {
            out.fill(0);
        }
        Ok(())
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
        if data.len() == PAGE_SIZE && index < self.backed_pages() && !self.is_tail(index) {
            // Charged already, and nothing of what was there stays.
            self.pages
                .insert(index, Slot::owned(Page::from_slice(data)));
            return Ok(());
        }
        self.load(index)?;
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
    pub fn page(&mut self, index: u64) -> Result<Page> {
        if self.is_tail(index) {
            self.promote_tail();
        }
        self.load(index)?;
        Ok(match self.pages.get_mut(&index) {
            Some(slot) => {
                slot.unshare();
                slot.page.clone()
            }
            None => Page::zeroed(),
        })
    }

    /// The page for a mapping that writes; a hole is filled. Only within the file.
    pub fn page_for_write(&mut self, quota: &Quota, index: u64) -> Result<Page> {
        if index >= self.size.div_ceil(BLOCK) {
            return Err(Errno::ENXIO);
        }
        self.fill(quota, index)?;
        self.mapped = true;
        self.page(index)
    }

    pub fn is_mapped(&self) -> bool {
        self.mapped
    }

    fn fill(&mut self, quota: &Quota, index: u64) -> Result<()> {
        let present =
            self.pages.contains_key(&index) || self.is_tail(index) || index < self.backed_pages();
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
            self.clear(quota, size, MAX_SIZE)?;
        }
        self.size = size;
        Ok(())
    }

    /// Makes `from..to` a hole; the edges within a page are zeroed.
    pub fn clear(&mut self, quota: &Quota, from: u64, to: u64) -> Result<()> {
        if from >= to {
            return Ok(());
        }
        let before = self.charged();
        self.clip_backing(from, to)?;
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
        Ok(())
    }

    /// Leaves only what is before `from` backed. What is past `to` is brought in, and so is a page
    /// of which only a part goes.
    fn clip_backing(&mut self, from: u64, to: u64) -> Result<()> {
        let Some(len) = self
            .backed
            .as_ref()
            .map(|b| b.len)
            .filter(|len| from < *len)
        else {
            return Ok(());
        };
        if !from.is_multiple_of(BLOCK) {
            self.load(from / BLOCK)?;
        }
        for index in to / BLOCK..len.div_ceil(BLOCK) {
            self.load(index)?;
        }
        let kept = from / BLOCK * BLOCK;
        match &mut self.backed {
            Some(backed) if kept > 0 => backed.len = kept,
            backed => *backed = None,
        }
        Ok(())
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
            let is_data = self.pages.contains_key(&index)
                || tail == Some(index)
                || index < self.backed_pages();
            if is_data != hole {
                return Ok(at);
            }
            index = if hole {
                (index + 1).max(self.backed_pages())
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
            backed: self.backed.clone(),
            pages: self.pages.clone(),
            tail_at: self.tail_at,
            tail: self.tail.clone(),
            mapped: false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Backing for Vec<u8> {
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            let from = usize::try_from(offset).unwrap().min(self.len());
            let n = buf.len().min(self.len() - from);
            buf[..n].copy_from_slice(&self[from..from + n]);
            Ok(n)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        Truncate(u64),
        Clear(u64, u64),
        Map(u64),
        Copy(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = || 0..20_000u64;
        prop_oneof![
            (at(), proptest::collection::vec(1..255u8, 1..9000))
                .prop_map(|(o, d)| Step::Write(o, d)),
            at().prop_map(Step::Truncate),
            (at(), at()).prop_map(|(a, b)| Step::Clear(a, b)),
            (0..6u64).prop_map(Step::Map),
            at().prop_map(Step::Copy),
        ]
    }

    proptest! {
        /// A backed file reads, and is charged, as one whose bytes were written.
        #[test]
        fn backed_contents_are_as_written_ones(len in 1..20_000usize, steps in proptest::collection::vec(step(), 0..12)) {
            let bytes: Vec<u8> = (0..len + 512).map(|i| (i % 251) as u8 + 1).collect();
            let (quota, free) = (Quota::new(1 << 30, 10), Quota::new(1 << 30, 10));
            let (mut backed, mut written) = (Contents::default(), Contents::default());
            written.write(&free, 0, &bytes[512..]).unwrap();
            backed.back(&quota, Rc::new(bytes), 512, len as u64).unwrap();
            for step in steps {
                for (file, quota) in [(&mut backed, &quota), (&mut written, &free)] {
                    match &step {
                        Step::Write(at, data) => drop(file.write(quota, *at, data).unwrap()),
                        Step::Truncate(size) => file.truncate(quota, *size).unwrap(),
                        Step::Clear(from, to) => file.clear(quota, *from, *to).unwrap(),
                        Step::Map(index) => drop(file.page(*index).unwrap()),
                        Step::Copy(size) => {
                            let copy = file.reflink(quota, *size).unwrap();
                            quota.give_bytes(file.charged() * BLOCK);
                            *file = copy;
                        }
                    }
                }
                prop_assert_eq!(backed.size(), written.size());
                prop_assert_eq!(backed.charged(), written.charged());
                prop_assert_eq!(quota.free_bytes(), free.free_bytes());
                let read = |file: &Contents| {
                    let mut buf = vec![7; 40_000];
                    let n = file.read(3, &mut buf).unwrap();
                    buf.truncate(n);
                    buf
                };
                prop_assert!(read(&backed) == read(&written));
                for at in [0, 5000, 12_000] {
                    prop_assert_eq!(backed.seek(at, true), written.seek(at, true));
                    prop_assert_eq!(backed.seek(at, false), written.seek(at, false));
                }
            }
        }
    }
}
