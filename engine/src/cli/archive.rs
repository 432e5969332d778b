//! Tar archives of the host's files (build contexts, `docker cp`), and their way back.

use super::host::{FileInfo, FileKind};
use super::prelude::*;
use crate::layer::{BLOCK, Header, Kind, RawHeader, Writer, field};
use crate::pipe::PipeWriter;
use bottleship_dockerfile::ignore::Matcher;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::LocalBoxStream;
use std::collections::HashMap;

/// Directories nested deeper are refused.
const MAX_DEPTH: usize = 256;
/// The most an extended header may hold.
const MAX_EXTENDED: u64 = 1 << 20;
/// How much of a file is read at a time.
const CHUNK: usize = 64 * 1024;

/// What to archive, and how entries are named.
pub struct Source<'a> {
    /// The directory entries are relative to.
    pub root: String,
    /// The path below it to archive; `.` for all of it.
    pub base: String,
    /// The name `base` gets in the archive, when another.
    pub rename: String,
    /// Whether `base` itself has an entry.
    pub include_base: bool,
    /// What a `.dockerignore` leaves out.
    pub ignore: Option<&'a Matcher>,
    /// Everything belongs to root.
    pub own_by_root: bool,
    /// Files to add, or to put in place of the tree's.
    pub extra: Vec<(String, Vec<u8>)>,
}

/// Counts and hands on what was written.
pub struct Out<'w> {
    writer: &'w mut PipeWriter,
    /// Bytes so far.
    pub sent: u64,
}

impl<'w> Out<'w> {
    /// Into a body.
    pub fn new(writer: &'w mut PipeWriter) -> Out<'w> {
        Out { writer, sent: 0 }
    }

    /// `false` when nobody wants more.
    async fn write(&mut self, data: Vec<u8>) -> bool {
        self.sent += data.len() as u64;
        self.writer.write(Bytes::from(data)).await.is_ok()
    }
}

fn header(name: &str, kind: Kind, info: Option<&FileInfo>, root: bool) -> Header {
    let owner = |n: u32| if root { 0 } else { n };
    Header {
        name: name.as_bytes().to_vec(),
        kind,
        mode: info.map_or(0o600, |i| i.mode & 0o7777),
        uid: owner(info.map_or(0, |i| i.uid)),
        gid: owner(info.map_or(0, |i| i.gid)),
        size: 0,
        mtime: info.map_or(0, |i| i.mtime),
        link: Vec::new(),
        dev: info.map_or((0, 0), |i| i.device),
        records: Default::default(),
    }
}

fn encode(h: &Header) -> Result<Vec<u8>, Failure> {
    let mut w = Writer::new(Vec::new());
    w.header(h).map_err(|e| Failure::new(e.to_string()))?;
    // Without its end marker.
    let mut bytes = w.finish().map_err(|e| Failure::new(e.to_string()))?;
    bytes.truncate(bytes.len() - 2 * BLOCK);
    Ok(bytes)
}

fn pad(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

impl Cli<'_> {
    /// Writes the archive; ends early when nobody wants it.
    pub async fn archive(&self, source: &Source<'_>, out: &mut Out<'_>) -> Result<(), Failure> {
        let start = join(&source.root, &source.base);
        let info = self
            .host
            .stat(&start, false)
            .await
            .map_err(|e| Failure::new(format!("lstat {start}: {e}")))?;
        let name = if source.rename.is_empty() {
            source.base.clone()
        } else {
            source.rename.clone()
        };
        let mut links: HashMap<(u64, u64), String> = HashMap::new();
        // Depth first, names in order, without recursion: the tree may be deep.
        let mut stack = vec![(start, name, info, 0usize, true)];
        while let Some((path, name, info, depth, top)) = stack.pop() {
            if depth > MAX_DEPTH {
                return Err(Failure::new(format!(
                    "{path}: nested deeper than {MAX_DEPTH} directories"
                )));
            }
            let relative = name.trim_start_matches("./");
            let skipped = !top && source.ignore.is_some_and(|m| m.matches(relative));
            if info.is_dir()
                && skipped
                && !source.ignore.is_some_and(|m| m.may_exclude_under(relative))
            {
                continue;
            }
            let replaced = source.extra.iter().any(|(n, _)| n == relative);
            if !skipped
                && !replaced
                && (!top || source.include_base)
                && !self
                    .entry(&path, &name, &info, source, &mut links, out)
                    .await?
            {
                return Ok(());
            }
            if !info.is_dir() {
                continue;
            }
            let mut names = self
                .host
                .read_dir(&path)
                .await
                .map_err(|e| Failure::new(format!("open {path}: {e}")))?;
            names.sort_unstable();
            for n in names.into_iter().rev() {
                let child = join(&path, &n);
                let below = if name == "." && !source.include_base {
                    n.clone()
                } else {
                    format!("{}/{n}", name.trim_end_matches('/'))
                };
                match self.host.stat(&child, false).await {
                    Ok(i) => stack.push((child, below, i, depth + 1, false)),
                    // It was removed meanwhile.
                    Err(e) if e.not_found() => {}
                    Err(e) => return Err(Failure::new(format!("lstat {child}: {e}"))),
                }
            }
        }
        self.archive_files(&source.extra, out).await
    }

    /// Writes files that are at hand, and the end of the archive.
    pub async fn archive_files(
        &self,
        files: &[(String, Vec<u8>)],
        out: &mut Out<'_>,
    ) -> Result<(), Failure> {
        for (name, data) in files {
            let mut h = header(name, Kind::File, None, true);
            h.size = data.len() as u64;
            let mut bytes = encode(&h)?;
            bytes.extend_from_slice(data);
            bytes.resize(bytes.len() + pad(h.size), 0);
            if !out.write(bytes).await {
                return Ok(());
            }
        }
        out.write(vec![0; 2 * BLOCK]).await;
        Ok(())
    }

    async fn entry(
        &self,
        path: &str,
        name: &str,
        info: &FileInfo,
        source: &Source<'_>,
        links: &mut HashMap<(u64, u64), String>,
        out: &mut Out<'_>,
    ) -> Result<bool, Failure> {
        let root = source.own_by_root;
        let kind = match info.kind {
            FileKind::File => Kind::File,
            FileKind::Dir => Kind::Dir,
            FileKind::Symlink => Kind::Symlink,
            FileKind::Fifo => Kind::Fifo,
            FileKind::CharDevice => Kind::CharDev,
            FileKind::BlockDevice => Kind::BlockDev,
            FileKind::Socket => return Ok(true),
        };
        let shown = if kind == Kind::Dir {
            format!("{}/", name.trim_end_matches('/'))
        } else {
            name.to_string()
        };
        let mut h = header(&shown, kind, Some(info), root);
        match kind {
            Kind::Symlink => {
                h.link = self
                    .host
                    .read_link(path)
                    .await
                    .map_err(|e| Failure::new(format!("readlink {path}: {e}")))?
                    .into_bytes();
            }
            Kind::File => {
                if info.links > 1
                    && let Some(first) = links.get(&info.inode)
                {
                    h.kind = Kind::HardLink;
                    h.link = first.clone().into_bytes();
                } else {
                    links.insert(info.inode, shown.clone());
                    h.size = info.size;
                }
            }
            _ => {}
        }
        if h.kind != Kind::File {
            return Ok(out.write(encode(&h)?).await);
        }
        let file = self
            .host
            .open(path)
            .await
            .map_err(|e| Failure::new(format!("open {path}: {e}")))?;
        let mut bytes = encode(&h)?;
        let mut left = h.size;
        while left > 0 {
            let want = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
            let part = file
                .read(want)
                .await
                .map_err(|e| Failure::new(format!("read {path}: {e}")))?;
            if part.is_empty() {
                return Err(Failure::new(format!(
                    "{path}: file became shorter while it was read"
                )));
            }
            left = left.saturating_sub(part.len() as u64);
            bytes.extend_from_slice(&part);
            if bytes.len() >= CHUNK && !out.write(std::mem::take(&mut bytes)).await {
                return Ok(false);
            }
        }
        bytes.resize(bytes.len() + pad(h.size), 0);
        Ok(out.write(bytes).await)
    }
}

/// Joins a directory and a name; `.` is the directory.
pub fn join(dir: &str, name: &str) -> String {
    match name {
        "." | "" => dir.to_string(),
        n => format!("{}/{n}", dir.trim_end_matches('/')),
    }
}

/// An entry of an archive that is being read.
pub struct Entry {
    pub name: String,
    pub flag: u8,
    pub mode: u32,
    pub size: u64,
    pub mtime: i64,
    pub link: String,
}

/// Reads a tar archive from a body, entry by entry.
pub struct Reader {
    stream: LocalBoxStream<'static, Result<Bytes, crate::pipe::BodyError>>,
    buffer: Vec<u8>,
    at: usize,
    /// Contents and padding left of the current entry.
    left: u64,
    padding: u64,
}

impl Reader {
    /// Of a response's body.
    pub fn new(response: Response) -> Reader {
        Reader {
            stream: response.body.into_stream(),
            buffer: Vec::new(),
            at: 0,
            left: 0,
            padding: 0,
        }
    }

    /// At most `max` bytes; empty at the end.
    async fn take(&mut self, max: usize) -> Result<Vec<u8>, Failure> {
        while self.at == self.buffer.len() {
            match self.stream.next().await {
                Some(Ok(chunk)) => {
                    self.buffer = chunk.to_vec();
                    self.at = 0;
                }
                Some(Err(e)) => return Err(Failure::new(e.to_string())),
                None => return Ok(Vec::new()),
            }
        }
        let n = max.min(self.buffer.len() - self.at);
        let part = self.buffer[self.at..self.at + n].to_vec();
        self.at += n;
        Ok(part)
    }

    async fn exactly(&mut self, n: usize) -> Result<Option<Vec<u8>>, Failure> {
        let mut all = Vec::with_capacity(n.min(CHUNK));
        while all.len() < n {
            let part = self.take(n - all.len()).await?;
            if part.is_empty() {
                return if all.is_empty() {
                    Ok(None)
                } else {
                    Err(Failure::new("unexpected EOF"))
                };
            }
            all.extend_from_slice(&part);
        }
        Ok(Some(all))
    }

    /// The next part of the current entry's contents; empty at their end.
    pub async fn contents(&mut self) -> Result<Vec<u8>, Failure> {
        if self.left == 0 {
            return Ok(Vec::new());
        }
        let part = self
            .take(CHUNK.min(usize::try_from(self.left).unwrap_or(CHUNK)))
            .await?;
        if part.is_empty() {
            return Err(Failure::new("unexpected EOF"));
        }
        self.left -= part.len() as u64;
        Ok(part)
    }

    /// The next entry; what is left of the last one is skipped.
    pub async fn next(&mut self) -> Result<Option<Entry>, Failure> {
        let bad = |e: &str| Failure::new(format!("archive/tar: invalid tar header: {e}"));
        let (mut path, mut link, mut long_size) = (None, None, None);
        loop {
            while !self.contents().await?.is_empty() {}
            if self.padding > 0 {
                let n = self.padding as usize;
                self.padding = 0;
                self.exactly(n).await?;
            }
            let Some(block) = self.exactly(BLOCK).await? else {
                return Ok(None);
            };
            if block.iter().all(|b| *b == 0) {
                // Whatever follows the end marker is read, so that the sender is not cut off.
                while !self.take(CHUNK).await?.is_empty() {}
                return Ok(None);
            }
            let block: [u8; BLOCK] = block.try_into().map_err(|_| bad("short block"))?;
            let raw = RawHeader::new(&block).map_err(bad)?;
            let number = |r: std::ops::Range<usize>| raw.number(r).map_err(bad);
            let size = match long_size.take() {
                Some(s) => s,
                None => u64::try_from(number(field::SIZE)?).map_err(|_| bad("negative size"))?,
            };
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            let flag = raw.flag();
            match flag {
                b'x' | b'g' | b'L' | b'K' => {
                    if size > MAX_EXTENDED {
                        return Err(bad("extended header is too large"));
                    }
                    let data = self.exactly(size as usize).await?.unwrap_or_default();
                    self.padding = pad(size) as u64;
                    let gnu = text(data.split(|b| *b == 0).next().unwrap_or(&[]));
                    match flag {
                        b'L' => path = Some(gnu),
                        b'K' => link = Some(gnu),
                        b'x' => {
                            for (key, value) in records(&data) {
                                match key {
                                    b"path" => path = Some(text(value)),
                                    b"linkpath" => link = Some(text(value)),
                                    b"size" => long_size = text(value).parse().ok(),
                                    _ => {}
                                }
                            }
                        }
                        _ => {}
                    }
                }
                _ => {
                    let entry = Entry {
                        name: path.unwrap_or_else(|| text(&raw.name())),
                        flag,
                        mode: number(field::MODE)? as u32 & 0o7777,
                        size: if matches!(flag, b'0' | 0 | b'7') {
                            size
                        } else {
                            0
                        },
                        mtime: number(field::MTIME)?,
                        link: link.unwrap_or_else(|| text(&raw.link())),
                    };
                    self.left = entry.size;
                    self.padding = pad(entry.size) as u64;
                    return Ok(Some(entry));
                }
            }
        }
    }
}

/// `LENGTH KEY=VALUE\n` records.
fn records(mut data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut out = Vec::new();
    while let Some(blank) = data.iter().position(|b| *b == b' ') {
        let length = std::str::from_utf8(&data[..blank])
            .ok()
            .and_then(|s| s.parse::<usize>().ok());
        let Some(record) = length
            .filter(|n| *n > blank + 1)
            .and_then(|n| data.get(blank + 1..n - 1))
        else {
            break;
        };
        data = &data[length.unwrap_or(0)..];
        if let Some(eq) = record.iter().position(|b| *b == b'=') {
            out.push((&record[..eq], &record[eq + 1..]));
        }
    }
    out
}
