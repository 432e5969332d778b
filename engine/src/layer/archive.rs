//! Packing a tree as Docker does (moby's `go-archive`): what a layer is made of, `docker export`,
//! `docker cp`.

use std::collections::{HashMap, VecDeque};
use std::io::Write;

use bottleship_abi::mode::*;
use bottleship_oci::{Algorithm, DiffId, Digester};
use bottleship_vfs::overlay::{is_opaque, is_whiteout};
use bottleship_vfs::{Attr, InodeRef};
use bytes::Bytes;

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
    pack_diff(upper)?.write_to(out)
}

/// Packs a tree, or a single file under [`ArchiveOptions::name`].
pub fn archive(
    root: &InodeRef,
    options: &ArchiveOptions,
    out: impl Write,
) -> Result<Archived, LayerError> {
    pack(root, options)?.write_to(out)
}

/// As [`diff`], to be read piece by piece.
pub fn pack_diff(upper: &InodeRef) -> Result<Packed, LayerError> {
    let mut packer = Packer::new();
    walk(upper, &mut |found| match found.path.is_empty() {
        true => Ok(true),
        false => packer.layer_entry(found),
    })?;
    packer.finish()
}

/// As [`archive`], to be read piece by piece.
pub fn pack(root: &InodeRef, options: &ArchiveOptions) -> Result<Packed, LayerError> {
    let mut packer = Packer::new();
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

/// Bytes of a file in one piece at most.
const PIECE: usize = 256 << 10;

/// An archive whose headers are made, and whose files are read when it is.
pub struct Packed {
    pieces: VecDeque<Piece>,
    /// Bytes of the files and symbolic links, hard links once.
    pub size: u64,
    /// Entries; 0 when nothing was there.
    pub entries: u64,
}

enum Piece {
    /// Headers and padding.
    Bytes(Vec<u8>),
    /// What is left of a file.
    File {
        inode: InodeRef,
        path: Vec<u8>,
        at: u64,
        end: u64,
    },
}

impl Packed {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// A file cannot be read, or became shorter since its header was made.
    pub fn next_piece(&mut self) -> Result<Option<Bytes>, LayerError> {
        loop {
            let (inode, path, at, end) = match self.pieces.front_mut() {
                None => return Ok(None),
                Some(Piece::File {
                    inode,
                    path,
                    at,
                    end,
                }) if *at < *end => (inode, path, at, *end),
                Some(_) => match self.pieces.pop_front() {
                    Some(Piece::Bytes(bytes)) => return Ok(Some(bytes.into())),
                    _ => continue,
                },
            };
            let want = PIECE.min(usize::try_from(end - *at).unwrap_or(PIECE));
            let mut buf = vec![0; want];
            let n = inode
                .read_at(*at, &mut buf)
                .map_err(LayerError::file(path))?;
            if n == 0 {
                return Err(LayerError::entry(
                    path,
                    "file became shorter while it was read",
                ));
            }
            buf.truncate(n);
            *at += n as u64;
            return Ok(Some(buf.into()));
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// As [`Packed::next_piece`], and what `out` says.
    pub fn write_to(mut self, mut out: impl Write) -> Result<Archived, LayerError> {
        let mut digester = Digester::new(Algorithm::Sha256);
        let mut archive_bytes = 0;
        while let Some(piece) = self.next_piece()? {
            digester.update(&piece);
            archive_bytes += piece.len() as u64;
            out.write_all(&piece)?;
        }
        out.flush()?;
        Ok(Archived {
            diff_id: DiffId(digester.finish()),
            archive_bytes,
            size: self.size,
            entries: self.entries,
        })
    }
}

struct Packer {
    writer: Writer<Vec<u8>>,
    pieces: VecDeque<Piece>,
    /// Inodes with several names, by number: the name of the first.
    seen: HashMap<u64, Vec<u8>>,
    size: u64,
    entries: u64,
}

impl Packer {
    fn new() -> Packer {
        Packer {
            writer: Writer::new(Vec::new()),
            pieces: VecDeque::new(),
            seen: HashMap::new(),
            size: 0,
            entries: 0,
        }
    }

    fn finish(mut self) -> Result<Packed, LayerError> {
        self.pieces.push_back(Piece::Bytes(self.writer.finish()?));
        Ok(Packed {
            pieces: self.pieces,
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
        let end = found.attr.size;
        if end > 0 {
            let headers = self.writer.take();
            self.pieces.push_back(Piece::Bytes(headers));
            self.pieces.push_back(Piece::File {
                inode: found.inode.clone(),
                path: found.path.to_vec(),
                at: 0,
                end,
            });
        }
        Ok(self.writer.end_data(end)?)
    }
}

/// The tar type of a file; sockets have none.
fn kind_of(attr: &Attr) -> Option<Kind> {
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
fn header(attr: &Attr, mut name: Vec<u8>, kind: Kind) -> Header {
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
