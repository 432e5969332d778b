//! Keeping a tree across restarts: a tar archive that loses nothing.
//!
//! Besides what tar has, it holds whiteouts as the devices they are, all extended attributes, times
//! to the nanosecond, sockets, and files with holes as their pieces, in PAX records of our own
//! (`BOTTLESHIP.*`). It is written and read here only, but what is read is checked all the same.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use bottleship_abi::mode::S_IFSOCK;
use bottleship_vfs::{CreatePerm, Errno, InodeRef, NewNode, SetAttr, Time, XattrFlags};

use super::archive::{copy_range, header, kind_of};
use super::header::Kind;
use super::reader::{Entry, Reader};
use super::scope::{components, directory, missing};
use super::unpack::device;
use super::walk::{Found, walk};
use super::writer::Writer;
use super::{LayerError, Limits};

/// Nanoseconds of the modification time.
const NSEC: &[u8] = b"BOTTLESHIP.nsec";
/// The file is a socket.
const SOCKET: &[u8] = b"BOTTLESHIP.socket";
/// The length of a file with holes; its contents here are the pieces that are not.
const LENGTH: &[u8] = b"BOTTLESHIP.length";
/// Where those pieces are: `start end start end …`, in decimal.
const PIECES: &[u8] = b"BOTTLESHIP.pieces";
/// More pieces than this are written with the holes between them.
const MAX_PIECES: usize = 10_000;

/// Writes a tree.
pub fn save_tree(root: &InodeRef, out: impl Write) -> Result<(), LayerError> {
    let mut writer = Writer::new(out);
    let mut seen: HashMap<u64, Vec<u8>> = HashMap::new();
    walk(root, &mut |found| {
        save_entry(&mut writer, &mut seen, found)?;
        Ok(true)
    })?;
    writer.finish()?.flush()?;
    Ok(())
}

fn save_entry<W: Write>(
    writer: &mut Writer<W>,
    seen: &mut HashMap<u64, Vec<u8>>,
    found: &Found<'_>,
) -> Result<(), LayerError> {
    let attr = &found.attr;
    let failed = |errno| LayerError::file(found.path)(errno);
    let kind = kind_of(attr).unwrap_or(Kind::Fifo);
    let name = [b"./", found.path].concat();
    let mut header = header(attr, name, kind);
    let mut record = |key: &[u8], value: String| {
        header.records.insert(key.to_vec(), value.into_bytes());
    };
    if attr.mtime.nsec != 0 {
        record(NSEC, attr.mtime.nsec.to_string());
    }
    if attr.kind() == S_IFSOCK {
        record(SOCKET, "1".to_owned());
    }
    if attr.nlink > 1 && !attr.is_dir() {
        if let Some(first) = seen.get(&attr.ino) {
            header.kind = Kind::HardLink;
            header.link = first.clone();
            header.size = 0;
            header.records.clear();
            return Ok(writer.header(&header)?);
        }
        seen.insert(attr.ino, header.name.clone());
    }
    for name in found.inode.list_xattr().map_err(failed)? {
        let value = found.inode.get_xattr(&name).map_err(failed)?;
        header
            .records
            .insert([b"SCHILY.xattr.", &*name].concat(), value);
    }
    if kind == Kind::Symlink {
        header.link = found.inode.readlink().map_err(failed)?;
    }
    if kind != Kind::File {
        return Ok(writer.header(&header)?);
    }
    let pieces = pieces(found).map_err(failed)?;
    let whole = pieces == [(0, attr.size)] || (pieces.is_empty() && attr.size == 0);
    if !whole {
        let text: Vec<_> = pieces
            .iter()
            .map(|(from, to)| format!("{from} {to}"))
            .collect();
        header.size = pieces.iter().map(|(from, to)| to - from).sum();
        let mut record = |key: &[u8], value: String| {
            header.records.insert(key.to_vec(), value.into_bytes());
        };
        record(LENGTH, attr.size.to_string());
        record(PIECES, text.join(" "));
    }
    writer.header(&header)?;
    for (from, to) in &pieces {
        copy_range(writer, found, *from, *to)?;
    }
    Ok(writer.end_data(header.size)?)
}

/// The parts of a file that are not holes.
fn pieces(found: &Found<'_>) -> Result<Vec<(u64, u64)>, Errno> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while pieces.len() < MAX_PIECES {
        let from = match found.inode.seek(at, false) {
            Ok(from) => from,
            Err(Errno::ENXIO) => return Ok(pieces),
            Err(e) => return Err(e),
        };
        at = found.inode.seek(from, true)?;
        pieces.push((from, at));
    }
    if let Some(last) = pieces.last_mut() {
        last.1 = found.attr.size;
    }
    Ok(pieces)
}

/// Reads what [`save_tree`] wrote into an empty directory.
pub fn load_tree(tar: impl BufRead, dest: &InodeRef, limits: &Limits) -> Result<(), LayerError> {
    let mut reader = Reader::new(tar, limits);
    let mut times = Vec::new();
    while let Some(entry) = reader.next()? {
        let inode = load_entry(&mut reader, &entry, dest)?;
        if let Some(inode) = inode {
            let nsec = number(&entry, NSEC)?.unwrap_or(0);
            let sec = entry.mtime.sec;
            let nsec = u32::try_from(nsec).ok().filter(|n| *n < 1_000_000_000);
            let nsec = nsec.ok_or(LayerError::entry(&entry.name, "bad nanoseconds"))?;
            times.push((inode, Time { sec, nsec }));
        }
    }
    for (inode, mtime) in times {
        let set = SetAttr {
            mtime: Some(mtime),
            ..SetAttr::default()
        };
        inode.set_attr(&set).map_err(LayerError::file(b"."))?;
    }
    Ok(())
}

/// Makes one entry. Hard links give nothing: their inode came before.
fn load_entry<R: BufRead>(
    reader: &mut Reader<'_, R>,
    entry: &Entry,
    dest: &InodeRef,
) -> Result<Option<InodeRef>, LayerError> {
    let bad = |reason| LayerError::entry(&entry.name, reason);
    let failed = |errno| LayerError::file(&entry.name)(errno);
    let parts = components(&entry.name).map_err(bad)?;
    let inode = match parts.split_last() {
        None => {
            let set = SetAttr {
                mode: Some(entry.mode),
                uid: Some(entry.uid),
                gid: Some(entry.gid),
                ..SetAttr::default()
            };
            dest.set_attr(&set).map_err(failed)?;
            dest.clone()
        }
        Some((name, above)) => {
            let dir = directory(dest, above, &mut missing).map_err(failed)?;
            if entry.kind == Kind::HardLink {
                let parts = components(&entry.link).map_err(bad)?;
                let (target, above) = parts.split_last().ok_or(bad("hard link to the root"))?;
                let target = directory(dest, above, &mut missing)
                    .and_then(|dir| dir.lookup(target))
                    .map_err(failed)?;
                dir.link(name, &target).map_err(failed)?;
                return Ok(None);
            }
            let rdev = device(entry.dev.0, entry.dev.1);
            let node = match entry.kind {
                Kind::File | Kind::HardLink => NewNode::File,
                Kind::Dir => NewNode::Dir,
                Kind::Symlink => NewNode::Symlink(&entry.link),
                Kind::Fifo if entry.own.contains_key(SOCKET) => NewNode::Socket,
                Kind::Fifo => NewNode::Fifo,
                Kind::CharDev => NewNode::CharDev(rdev),
                Kind::BlockDev => NewNode::BlockDev(rdev),
            };
            let perm = CreatePerm {
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
            };
            dir.create(name, node, perm).map_err(failed)?
        }
    };
    for (name, value) in &entry.xattrs {
        inode
            .set_xattr(name, value, XattrFlags::empty())
            .map_err(failed)?;
    }
    if entry.kind == Kind::File {
        load_contents(reader, entry, &inode)?;
    }
    Ok(Some(inode))
}

fn load_contents<R: BufRead>(
    reader: &mut Reader<'_, R>,
    entry: &Entry,
    inode: &InodeRef,
) -> Result<(), LayerError> {
    let bad = |reason| LayerError::entry(&entry.name, reason);
    let failed = |errno| LayerError::file(&entry.name)(errno);
    let mut pieces = match entry.own.get(PIECES) {
        Some(text) => parse_pieces(text).ok_or(bad("bad list of pieces"))?,
        None => vec![(0, entry.size)],
    }
    .into_iter();
    let length = number(entry, LENGTH)?.unwrap_or(entry.size);
    let (mut at, mut end) = (0, 0);
    reader.contents(|_, mut bytes| {
        while !bytes.is_empty() {
            if at == end {
                (at, end) = pieces.next().ok_or(bad("more contents than pieces"))?;
                continue;
            }
            let n = bytes
                .len()
                .min(usize::try_from(end - at).unwrap_or(usize::MAX));
            if inode.write_at(at, &bytes[..n]).map_err(failed)? < n {
                return Err(failed(Errno::ENOSPC));
            }
            at += n as u64;
            bytes = &bytes[n..];
        }
        Ok(())
    })?;
    let set = SetAttr {
        size: Some(length),
        ..SetAttr::default()
    };
    inode.set_attr(&set).map_err(failed)
}

/// Pieces in order, none empty or overlapping.
fn parse_pieces(text: &[u8]) -> Option<Vec<(u64, u64)>> {
    let text = std::str::from_utf8(text).ok()?;
    let numbers: Vec<u64> = text
        .split_terminator(' ')
        .map(|n| n.parse().ok())
        .collect::<Option<_>>()?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    let ascending = numbers.is_sorted() && pairs.iter().all(|[from, to]| from < to);
    (rest.is_empty() && ascending).then(|| pairs.iter().map(|[from, to]| (*from, *to)).collect())
}

fn number(entry: &Entry, key: &[u8]) -> Result<Option<u64>, LayerError> {
    let Some(text) = entry.own.get(key) else {
        return Ok(None);
    };
    let value = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
    value
        .map(Some)
        .ok_or(LayerError::entry(&entry.name, "bad number in a record"))
}
