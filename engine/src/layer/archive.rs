//! Packing a tree as Docker does (moby's `go-archive`): what a layer is made of, `docker export`,
//! `docker cp`.

use std::collections::HashMap;
use std::io::{self, Write};

use bottleship_abi::mode::*;
use bottleship_oci::{Algorithm, DiffId, Digester};
use bottleship_vfs::overlay::{is_opaque, is_whiteout};
use bottleship_vfs::{Attr, InodeRef};

use super::LayerError;
use super::header::Kind;
use super::reader::Records;
use super::unpack::{OPAQUE_NAME, WHITEOUT, split_device};
use super::walk::{Found, walk};
use super::writer::{Header, Writer};

const CAPABILITY: &[u8] = b"security.capability";

/// How to pack a plain tree.
#[derive(Clone, Debug, Default)]
pub struct ArchiveOptions {
    /// The root's name in the archive, without a slash at the end. Empty leaves the root out and
    /// packs what is in it; `.` packs the root as `./` and what is in it without a prefix,
    /// `./` what is in it with that prefix, too.
    pub name: Vec<u8>,
    /// Paths (from the root, no slash in front) that are left out with all below them.
    pub exclude: Vec<Vec<u8>>,
}

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// The digest of the archive.
    pub diff_id: DiffId,
    /// Bytes of the archive.
    pub archive_bytes: u64,
    /// Bytes of the files and symbolic links, hard links once.
    pub size: u64,
    /// Entries; 0 when nothing was there.
    pub entries: u64,
}

/// Packs an upper directory of an overlay, the kernel's or ours, as a layer.
pub fn diff(upper: &InodeRef, out: impl Write) -> Result<Archived, LayerError> {
    let mut packer = Packer::new(out);
    walk(upper, &mut |found| match found.path.is_empty() {
        true => Ok(true),
        false => packer.layer_entry(found),
    })?;
    packer.finish()
}

/// Packs a tree, or a single file under [`ArchiveOptions::name`].
pub fn archive(
    root: &InodeRef,
    options: &ArchiveOptions,
    out: impl Write,
) -> Result<Archived, LayerError> {
    let mut packer = Packer::new(out);
    walk(root, &mut |found| {
        if options.exclude.iter().any(|path| path == found.path) {
            return Ok(false);
        }
        let name = match (&*options.name, found.path) {
            (b"./", b"") => b".".to_vec(),
            (b"./", path) => [b"./", path].concat(),
            (name, b"") => name.to_vec(),
            (b"" | b".", path) => path.to_vec(),
            (name, path) => [name, b"/", path].concat(),
        };
        if !name.is_empty() {
            packer.entry(found, name)?;
        }
        Ok(true)
    })?;
    packer.finish()
}

struct Packer<W: Write> {
    writer: Writer<Hashing<W>>,
    /// Inodes with several names, by number: the name of the first.
    seen: HashMap<u64, Vec<u8>>,
    size: u64,
    entries: u64,
}

impl<W: Write> Packer<W> {
    fn new(out: W) -> Packer<W> {
        Packer {
            writer: Writer::new(Hashing {
                out,
                digester: Digester::new(Algorithm::Sha256),
                bytes: 0,
            }),
            seen: HashMap::new(),
            size: 0,
            entries: 0,
        }
    }

    fn finish(self) -> Result<Archived, LayerError> {
        let mut hashing = self.writer.finish()?;
        hashing.out.flush()?;
        Ok(Archived {
            diff_id: DiffId(hashing.digester.finish()),
            archive_bytes: hashing.bytes,
            size: self.size,
            entries: self.entries,
        })
    }

    /// An entry of an upper directory: whiteouts and opaque directories become `.wh.` files.
    fn layer_entry(&mut self, found: &Found<'_>) -> Result<bool, LayerError> {
        let failed = LayerError::file(found.path);
        if is_whiteout(found.inode).map_err(failed)? {
            let slash = found.path.iter().rposition(|b| *b == b'/');
            let (dir, name) = found.path.split_at(slash.map_or(0, |at| at + 1));
            let name = [dir, WHITEOUT, name].concat();
            let mtime = found.attr.mtime.sec;
            self.put(&marker(name, 0o600, mtime, &found.attr))?;
            return Ok(false);
        }
        self.entry(found, found.path.to_vec())?;
        if found.attr.is_dir() && is_opaque(found.inode) {
            let name = [found.path, b"/", OPAQUE_NAME].concat();
            self.put(&marker(name, found.attr.mode & 0o777, 0, &found.attr))?;
        }
        Ok(true)
    }

    fn entry(&mut self, found: &Found<'_>, name: Vec<u8>) -> Result<(), LayerError> {
        let attr = &found.attr;
        // Sockets mean nothing without who listens, and tar has no type for them.
        let Some(kind) = kind_of(attr) else {
            return Ok(());
        };
        let mut header = header(attr, name, kind);
        if kind == Kind::Symlink {
            header.link = found
                .inode
                .readlink()
                .map_err(LayerError::file(found.path))?;
        }
        if let Ok(value) = found.inode.get_xattr(CAPABILITY) {
            let key = [b"SCHILY.xattr.".as_slice(), CAPABILITY].concat();
            header.records.insert(key, value);
        }
        if !attr.is_dir() && attr.nlink > 1 {
            if let Some(first) = self.seen.get(&attr.ino) {
                header.kind = Kind::HardLink;
                header.link = first.clone();
                header.size = 0;
                return self.put(&header);
            }
            self.seen.insert(attr.ino, header.name.clone());
        }
        self.put(&header)?;
        if !attr.is_dir() {
            self.size += attr.size;
        }
        if kind == Kind::File {
            self.contents(found)?;
        }
        Ok(())
    }

    fn put(&mut self, header: &Header) -> Result<(), LayerError> {
        self.entries += 1;
        Ok(self.writer.header(header)?)
    }

    fn contents(&mut self, found: &Found<'_>) -> Result<(), LayerError> {
        let size = found.attr.size;
        copy_range(&mut self.writer, found, 0, size)?;
        Ok(self.writer.end_data(size)?)
    }
}

/// Copies a range of a file's bytes to the archive.
pub(super) fn copy_range<W: Write>(
    writer: &mut Writer<W>,
    found: &Found<'_>,
    from: u64,
    to: u64,
) -> Result<(), LayerError> {
    let mut buf = vec![0; (to - from).min(64 << 10) as usize];
    let mut at = from;
    while at < to {
        let want = buf
            .len()
            .min(usize::try_from(to - at).unwrap_or(usize::MAX));
        let read = found.inode.read_at(at, &mut buf[..want]);
        let n = read.map_err(LayerError::file(found.path))?;
        if n == 0 {
            return Err(LayerError::entry(
                found.path,
                "file became shorter while it was read",
            ));
        }
        writer.data(&buf[..n])?;
        at += n as u64;
    }
    Ok(())
}

/// The tar type of a file; sockets have none.
pub(super) fn kind_of(attr: &Attr) -> Option<Kind> {
    Some(match attr.kind() {
        S_IFREG => Kind::File,
        S_IFDIR => Kind::Dir,
        S_IFLNK => Kind::Symlink,
        S_IFIFO => Kind::Fifo,
        S_IFCHR => Kind::CharDev,
        S_IFBLK => Kind::BlockDev,
        _ => return None,
    })
}

/// The header of a file: whole seconds, no names of users, directories with a slash.
pub(super) fn header(attr: &Attr, mut name: Vec<u8>, kind: Kind) -> Header {
    if kind == Kind::Dir && !name.ends_with(b"/") {
        name.push(b'/');
    }
    let device = matches!(kind, Kind::CharDev | Kind::BlockDev);
    Header {
        name,
        kind,
        mode: attr.mode & 0o7777,
        uid: attr.uid,
        gid: attr.gid,
        size: if kind == Kind::File { attr.size } else { 0 },
        mtime: attr.mtime.sec,
        link: Vec::new(),
        dev: if device {
            split_device(attr.rdev)
        } else {
            (0, 0)
        },
        records: Records::new(),
    }
}

/// An empty file that marks something.
fn marker(name: Vec<u8>, mode: u32, mtime: i64, attr: &Attr) -> Header {
    Header {
        name,
        kind: Kind::File,
        mode,
        uid: attr.uid,
        gid: attr.gid,
        size: 0,
        mtime,
        link: Vec::new(),
        dev: (0, 0),
        records: Records::new(),
    }
}

/// Hashes and counts what is written.
struct Hashing<W> {
    out: W,
    digester: Digester,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.digester.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
