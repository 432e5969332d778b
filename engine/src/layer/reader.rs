//! Reading a tar archive, entry by entry.
//!
//! The reader is strict where readers are known to differ: a size in an extended header always
//! wins, entries without contents may not claim any, and a header that is not right ends the
//! reading instead of being searched past.

use std::collections::BTreeMap;

use bottleship_oci::{Algorithm, DiffId, Digest, Digester};
use bottleship_vfs::Time;
use bytes::Bytes;

use super::error::TRUNCATED;
use super::header::{BLOCK, Block, Kind, RawHeader, field, malformed};
use super::source::Source;
use super::{LayerError, Limits};

/// An entry of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub name: Vec<u8>,
    pub kind: Kind,
    /// Permission bits (07777).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: Time,
    /// Target of a link.
    pub link: Vec<u8>,
    pub dev: (u32, u32),
    pub xattrs: Records,
}

/// Names and values.
pub(crate) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Records of extended headers that apply to the next entry.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<Time>,
    xattrs: Records,
}

/// A tar archive being read, and hashed if that is asked for.
pub(crate) struct Reader<'a, R> {
    source: R,
    /// What was read and not used yet.
    buffer: Bytes,
    digester: Option<Digester>,
    limits: &'a Limits,
    /// Bytes read.
    offset: u64,
    /// Bytes of the current entry that are left, and of the padding after it.
    left: u64,
    padding: u64,
    entries: u64,
    ended: bool,
}

impl<'a, R: Source> Reader<'a, R> {
    /// Hashes all there is.
    pub fn hashing(source: R, limits: &'a Limits) -> Reader<'a, R> {
        let digester = Some(Digester::new(Algorithm::Sha256));
        Reader {
            digester,
            ..Reader::new(source, limits)
        }
    }

    pub fn new(source: R, limits: &'a Limits) -> Reader<'a, R> {
        Reader {
            source,
            buffer: Bytes::new(),
            digester: None,
            limits,
            offset: 0,
            left: 0,
            padding: 0,
            entries: 0,
            ended: false,
        }
    }

    /// The next entry; the rest of the last one's contents is skipped.
    pub async fn next(&mut self) -> Result<Option<Entry>, LayerError> {
        let mut extended = Extended::default();
        let mut pending = false;
        loop {
            self.skip_contents().await?;
            let at = self.offset;
            let Some(block) = self.block().await? else {
                return match pending {
                    true => Err(malformed(at)("extended header without an entry")),
                    false => Ok(None),
                };
            };
            let raw = RawHeader::new(&block).map_err(malformed(at))?;
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(limit("number of archive entries", self.limits.entries));
            }
            let size = raw.number(field::SIZE).map_err(malformed(at))?;
            let size = u64::try_from(size).map_err(|_| malformed(at)("negative size"))?;
            match raw.flag() {
                b'x' => {
                    let records = self.extended(size).await?;
                    pax(&records, &mut extended).map_err(malformed(at))?;
                    pending = true;
                }
                // What holds for the whole archive is for whoever made it; nobody unpacks by it.
                b'g' => {
                    let records = self.extended(size).await?;
                    pax(&records, &mut Extended::default()).map_err(malformed(at))?;
                }
                b'L' => {
                    extended.path =
                        Some(long_name(self.extended(size).await?).map_err(malformed(at))?);
                    pending = true;
                }
                b'K' => {
                    extended.link =
                        Some(long_name(self.extended(size).await?).map_err(malformed(at))?);
                    pending = true;
                }
                _ => return self.entry(&raw, size, extended, at).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        raw: &RawHeader<'_>,
        size: u64,
        extended: Extended,
        at: u64,
    ) -> Result<Entry, LayerError> {
        let name = extended.path.unwrap_or_else(|| raw.name());
        let bad = |reason| LayerError::entry(&name, reason);
        let size = extended.size.unwrap_or(size);
        let kind = match raw.flag() {
            0 if name.ends_with(b"/") => Kind::Dir,
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDev,
            b'4' => Kind::BlockDev,
            b'5' => Kind::Dir,
            b'6' => Kind::Fifo,
            b'S' => {
                return Err(LayerError::Unsupported(
                    "tar entry type: sparse file".into(),
                ));
            }
            flag => {
                let text = format!("tar entry type {:?}", char::from(flag));
                return Err(LayerError::Unsupported(text));
            }
        };
        if kind == Kind::File && name.ends_with(b"/") {
            return Err(bad("a file's name ends in a slash"));
        }
        let has_contents = kind == Kind::File;
        if !has_contents && kind != Kind::HardLink && size != 0 {
            return Err(bad("only files have contents"));
        }
        let contents = if has_contents { size } else { 0 };
        if self.offset.saturating_add(contents) > self.limits.archive_bytes {
            return Err(limit(
                "size of the unpacked archive",
                self.limits.archive_bytes,
            ));
        }
        let number = |at_field| raw.number(at_field).map_err(malformed(at));
        let id = |pax: Option<u64>, own: i64, what| {
            let id = pax.map_or(u64::try_from(own), Ok);
            let id = id.ok().and_then(|id| u32::try_from(id).ok());
            id.filter(|id| *id <= self.limits.max_id).ok_or(bad(what))
        };
        let mtime = match extended.mtime {
            Some(time) => time,
            None => Time::from_secs(number(field::MTIME)?),
        };
        let device = matches!(kind, Kind::CharDev | Kind::BlockDev);
        let dev = |at_field| match device {
            true => u32::try_from(number(at_field)?).map_err(|_| bad("bad device number")),
            false => Ok(0),
        };
        let entry = Entry {
            kind,
            mode: (number(field::MODE)? & 0o7777) as u32,
            uid: id(extended.uid, number(field::UID)?, "user id out of range")?,
            gid: id(extended.gid, number(field::GID)?, "group id out of range")?,
            size: contents,
            mtime: bounded(mtime),
            link: extended.link.unwrap_or_else(|| raw.link()),
            dev: (dev(field::DEV_MAJOR)?, dev(field::DEV_MINOR)?),
            xattrs: extended.xattrs,
            name: name.clone(),
        };
        if entry.name.is_empty() {
            return Err(malformed(at)("entry without a name"));
        }
        for text in [&entry.name, &entry.link] {
            if text.len() as u64 > self.limits.path_bytes {
                return Err(limit(
                    "length of a path in the archive",
                    self.limits.path_bytes,
                ));
            }
        }
        self.left = contents;
        self.padding = padding(contents);
        Ok(entry)
    }

    /// Hands the current entry's contents to `sink`, piece by piece.
    pub async fn contents(
        &mut self,
        mut sink: impl FnMut(u64, &[u8]) -> Result<(), LayerError>,
    ) -> Result<(), LayerError> {
        let size = self.left;
        while self.left > 0 {
            let offset = size - self.left;
            let piece = self.content().await?;
            sink(offset, &piece)?;
        }
        Ok(())
    }

    /// The next piece of the current entry's contents; empty at their end.
    pub async fn content(&mut self) -> Result<Bytes, LayerError> {
        if self.left == 0 {
            return Ok(Bytes::new());
        }
        let piece = self.piece(self.left).await?;
        self.left -= piece.len() as u64;
        Ok(piece)
    }

    /// Where in the archive the current entry's contents go on.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// Reads on to the end of the source, and gives the digest of all of it, if it was hashed, and
    /// its length.
    pub async fn finish(mut self) -> Result<(DiffId, u64), LayerError> {
        while !self.some(u64::MAX).await?.is_empty() {}
        let digest = self
            .digester
            .map_or_else(|| Digest::of(b""), Digester::finish);
        Ok((DiffId(digest), self.offset))
    }

    /// The next block; `None` at the end of the archive: two blocks of zeros, or, as Go and GNU tar
    /// have it, nothing more.
    async fn block(&mut self) -> Result<Option<Block>, LayerError> {
        if self.ended {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        if !self.read_block(&mut block).await? {
            self.ended = true;
            return Ok(None);
        }
        if block.iter().any(|b| *b != 0) {
            return Ok(Some(block));
        }
        let at = self.offset;
        self.ended = true;
        match self.read_block(&mut block).await? && block.iter().any(|b| *b != 0) {
            true => Err(malformed(at)("a single block of zeros")),
            false => Ok(None),
        }
    }

    /// Fills a block; false when there is nothing more at all.
    async fn read_block(&mut self, block: &mut Block) -> Result<bool, LayerError> {
        let mut filled = 0;
        while filled < BLOCK {
            let bytes = self.some((BLOCK - filled) as u64).await?;
            let n = bytes.len();
            block[filled..filled + n].copy_from_slice(&bytes);
            if n == 0 {
                return match filled {
                    0 => Ok(false),
                    _ => Err(self.truncated()),
                };
            }
            filled += n;
        }
        Ok(true)
    }

    /// The contents of an extended header.
    async fn extended(&mut self, size: u64) -> Result<Vec<u8>, LayerError> {
        if size > self.limits.extended_bytes {
            return Err(limit(
                "size of an extended tar header",
                self.limits.extended_bytes,
            ));
        }
        let mut data = Vec::with_capacity(size as usize);
        while (data.len() as u64) < size {
            let left = size - data.len() as u64;
            data.extend_from_slice(&self.piece(left).await?);
        }
        self.padding = padding(size);
        Ok(data)
    }

    async fn skip_contents(&mut self) -> Result<(), LayerError> {
        let (mut skip, mut padding) = (self.left, self.padding);
        (self.left, self.padding) = (0, 0);
        if self.digester.is_none() && skip > self.buffer.len() as u64 {
            let beyond = skip - self.buffer.len() as u64;
            let skipped = self
                .source
                .skip(beyond)
                .await
                .map_err(super::compression::error)?;
            if skipped > 0 {
                self.offset += self.buffer.len() as u64 + skipped;
                skip -= self.buffer.len() as u64 + skipped;
                self.buffer.clear();
            }
        }
        while skip > 0 {
            skip -= self.piece(skip).await?.len() as u64;
        }
        // An archive may end with the last file's contents, without padding: `docker build -f - DIR` sends such.
        while padding > 0 {
            match self.some(padding).await?.len() as u64 {
                0 => break,
                n => padding -= n,
            }
        }
        Ok(())
    }

    /// At least one byte, or the archive is cut off.
    async fn piece(&mut self, max: u64) -> Result<Bytes, LayerError> {
        let bytes = self.some(max).await?;
        match bytes.is_empty() {
            true => Err(self.truncated()),
            false => Ok(bytes),
        }
    }

    /// Up to `max` bytes; none at the end of the source.
    async fn some(&mut self, max: u64) -> Result<Bytes, LayerError> {
        if self.buffer.is_empty() {
            let read = self.source.chunk().await;
            self.buffer = read.map_err(super::compression::error)?;
        }
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let bytes = self.buffer.split_to(self.buffer.len().min(max));
        self.offset += bytes.len() as u64;
        if self.offset > self.limits.archive_bytes {
            return Err(limit(
                "size of the unpacked archive",
                self.limits.archive_bytes,
            ));
        }
        if let Some(digester) = &mut self.digester {
            digester.update(&bytes);
        }
        Ok(bytes)
    }

    fn truncated(&self) -> LayerError {
        malformed(self.offset)(TRUNCATED)
    }
}

pub(super) fn limit(what: &'static str, limit: u64) -> LayerError {
    LayerError::Limit { what, limit }
}

/// Bytes up to the next block.
pub(super) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// Times outside of 1970–2262 become 1970, as Docker sets them.
fn bounded(time: Time) -> Time {
    const MAX: i64 = i64::MAX / 1_000_000_000;
    match (0..=MAX).contains(&time.sec) {
        true => time,
        false => Time::default(),
    }
}

/// A GNU long name: up to its NULs.
fn long_name(mut data: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    if end == 0 || data[end..].iter().any(|b| *b != 0) {
        return Err("broken GNU long name");
    }
    data.truncate(end);
    Ok(data)
}

/// PAX records: `LENGTH KEY=VALUE\n` each.
fn pax(mut data: &[u8], into: &mut Extended) -> Result<(), &'static str> {
    const BROKEN: &str = "broken PAX record";
    while !data.is_empty() {
        let blank = data
            .iter()
            .take(20)
            .position(|b| *b == b' ')
            .ok_or(BROKEN)?;
        let len = usize::try_from(decimal(&data[..blank]).ok_or(BROKEN)?).map_err(|_| BROKEN)?;
        if len <= blank + 1 || len > data.len() || data[len - 1] != b'\n' {
            return Err(BROKEN);
        }
        let record = &data[blank + 1..len - 1];
        let equals = record.iter().position(|b| *b == b'=').ok_or(BROKEN)?;
        pax_record(&record[..equals], &record[equals + 1..], into)?;
        data = &data[len..];
    }
    Ok(())
}

fn pax_record(key: &[u8], value: &[u8], into: &mut Extended) -> Result<(), &'static str> {
    let text = || match value.contains(&0) {
        true => Err("NUL in a PAX record"),
        false => Ok((!value.is_empty()).then(|| value.to_vec())),
    };
    let number = || match value.is_empty() {
        true => Ok(None),
        false => decimal(value).map(Some).ok_or("PAX record is not a number"),
    };
    match key {
        b"" => return Err("PAX record without a key"),
        b"path" => into.path = text()?,
        b"linkpath" => into.link = text()?,
        b"size" => into.size = number()?,
        b"uid" => into.uid = number()?,
        b"gid" => into.gid = number()?,
        b"mtime" => {
            into.mtime = match value.is_empty() {
                true => None,
                false => Some(pax_time(value).ok_or("PAX time does not parse")?),
            };
        }
        _ if key.starts_with(b"GNU.sparse.") => return Err("sparse files are not supported"),
        _ => {
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                into.xattrs.insert(name.to_vec(), value.to_vec());
            }
        }
    }
    Ok(())
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, b| match b {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

/// Seconds, perhaps negative, perhaps with a fraction of which nine digits count.
fn pax_time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = text.iter().position(|b| *b == b'.').unwrap_or(text.len());
    let sec = i64::try_from(decimal(&text[..point])?).ok()?;
    let fraction = text.get(point + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |i: usize| fraction.get(i).map_or(0, |b| u32::from(b - b'0'));
    let nsec = (0..9).fold(0, |value, i| value * 10 + digit(i));
    Some(match (negative, nsec) {
        (false, nsec) => Time { sec, nsec },
        (true, 0) => Time::from_secs(-sec),
        (true, nsec) => Time {
            sec: (-sec).checked_sub(1)?,
            nsec: 1_000_000_000 - nsec,
        },
    })
}
