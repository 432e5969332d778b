//! COPY and ADD: finding the sources in a tree, and putting them where they belong in another.

use std::io::BufReader;

use bottleship_dockerfile::ignore;
use bottleship_vfs::{CreatePerm, InodeRef};

use super::hash;
use super::transfer::{Options, Transfer};
use super::tree::{self, Found, TreeError, at};
use crate::layer::{Decompressor, ExtractOptions, LayerError, Limits, extract};

/// Why files could not be found or copied.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The path leads out of the source tree.
    #[error("forbidden path outside the build context: {0} ()")]
    Outside(String),
    /// There is no such file.
    #[error("stat {0}: file does not exist")]
    Missing(String),
    /// The pattern is none.
    #[error("{0}")]
    Pattern(String),
    /// The file system refused.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The archive is bad.
    #[error("Error processing tar file: {0}")]
    Archive(#[from] LayerError),
}

/// A source that was found.
#[derive(Clone)]
pub struct Selected {
    /// The path as the instruction (or the pattern's match) names it.
    pub name: String,
    /// The file.
    pub found: Found,
}

impl Selected {
    /// Its hash, `file:…` or `dir:…`.
    ///
    /// # Errors
    /// It can't be read.
    pub fn hash(&self) -> Result<String, TreeError> {
        hash::source(&self.found.path, &self.found.inode, &self.found.attr)
    }
}

/// Finds what `source`, a path or pattern, means in the tree.
///
/// # Errors
/// See [`PlaceError`].
pub fn select(root: &InodeRef, source: &str) -> Result<Vec<Selected>, PlaceError> {
    let source = source.strip_prefix('/').unwrap_or(source);
    let source = source.strip_prefix("./").unwrap_or(source);
    if has_wildcard(source) {
        return select_pattern(root, source);
    }
    Ok(vec![select_path(root, source)?])
}

fn select_path(root: &InodeRef, source: &str) -> Result<Selected, PlaceError> {
    if leaves_root(source) {
        return Err(PlaceError::Outside(source.to_owned()));
    }
    let found = tree::lookup(root, source, true)?;
    Ok(Selected {
        name: source.to_owned(),
        found: found.ok_or_else(|| PlaceError::Missing(source.to_owned()))?,
    })
}

fn select_pattern(root: &InodeRef, pattern: &str) -> Result<Vec<Selected>, PlaceError> {
    let mut out = Vec::new();
    let pattern = bottleship_dockerfile::path::clean(pattern);
    for (path, _, _) in tree::walk(root).map_err(at(&pattern))? {
        let matched = ignore::file_match(&pattern, &path);
        if matched.map_err(|e| PlaceError::Pattern(e.message))? {
            out.push(select_path(root, &path)?);
        }
    }
    Ok(out)
}

fn leaves_root(path: &str) -> bool {
    let mut depth = 0i64;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Whether a source is a pattern.
pub fn has_wildcard(name: &str) -> bool {
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

/// Where and how a source is put.
pub struct Placement<'a> {
    /// The tree it is put into.
    pub root: &'a InodeRef,
    /// Absolute destination; a trailing `/` says it is a directory.
    pub dest: &'a str,
    /// Unpack it if it is an archive.
    pub unpack: bool,
    /// Owner of what is unpacked, instead of the archive's.
    pub unpack_owner: Option<(u32, u32)>,
    /// Limits of archives.
    pub limits: &'a Limits,
    /// Owners, modes, times, exclusions.
    pub options: &'a Options,
}

impl Placement<'_> {
    /// Copies a source: of a directory what is in it, of a file the file.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn put(&self, source: &Selected) -> Result<(), PlaceError> {
        let found = &source.found;
        let mut transfer = Transfer::new(self.options);
        if found.attr.is_dir() {
            let (dest, _) = tree::mkdir_all(self.root, self.dest, self.parent_perm())?;
            transfer.contents(&found.inode, &dest)?;
            transfer.done()?;
            return Ok(());
        }
        if self.unpack && self.unpacked(source)? {
            return Ok(());
        }
        let there = tree::lookup(self.root, self.dest, true)?;
        let into = self.dest.ends_with('/') || there.is_some_and(|f| f.attr.is_dir());
        let (dir, name) = if into {
            let name = bottleship_dockerfile::path::base(&source.name);
            (self.dest, name)
        } else {
            self.dest.rsplit_once('/').unwrap_or(("", self.dest))
        };
        let (dir, _) = tree::mkdir_all(self.root, dir, self.parent_perm())?;
        transfer.node(&found.inode, &dir, name.as_bytes(), self.dest)?;
        transfer.done()?;
        Ok(())
    }

    fn parent_perm(&self) -> CreatePerm {
        let (uid, gid) = self.options.owner.unwrap_or((0, 0));
        CreatePerm {
            mode: 0o755,
            uid,
            gid,
        }
    }

    /// Unpacks a source that is an archive; false when it is none.
    fn unpacked(&self, source: &Selected) -> Result<bool, PlaceError> {
        let found = &source.found;
        if !found.attr.is_file() || !is_archive(found) {
            return Ok(false);
        }
        tree::mkdir_all(self.root, self.dest, self.parent_perm())?;
        let reader = BufReader::new(InodeReader::new(found.inode.clone()));
        let tar = Decompressor::new(reader)?;
        let options = ExtractOptions {
            owner: self.unpack_owner,
            ..ExtractOptions::default()
        };
        extract(
            BufReader::new(tar),
            self.root,
            self.dest.as_bytes(),
            self.limits,
            &options,
        )?;
        Ok(true)
    }
}

/// Whether a file starts with a tar header, compressed or not.
fn is_archive(found: &Found) -> bool {
    use std::io::Read;
    let reader = BufReader::new(InodeReader::new(found.inode.clone()));
    let Ok(tar) = Decompressor::new(reader) else {
        return false;
    };
    let mut block = Vec::new();
    if tar.take(512).read_to_end(&mut block).is_err() || block.len() < 512 {
        return false;
    }
    // The checksum is of the header with its own field blank.
    let field: Vec<u8> = block[148..156]
        .iter()
        .copied()
        .filter(|b| (b'0'..=b'7').contains(b))
        .collect();
    let stated = std::str::from_utf8(&field)
        .ok()
        .and_then(|text| u32::from_str_radix(text, 8).ok());
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(i, b)| {
            if (148..156).contains(&i) {
                u32::from(b' ')
            } else {
                u32::from(*b)
            }
        })
        .sum();
    stated == Some(sum)
}

/// A file of a tree as a reader.
pub(super) struct InodeReader {
    inode: InodeRef,
    offset: u64,
}

impl InodeReader {
    pub(super) fn new(inode: InodeRef) -> Self {
        InodeReader { inode, offset: 0 }
    }
}

impl std::io::Read for InodeReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self
            .inode
            .read_at(self.offset, buffer)
            .map_err(|e| std::io::Error::other(e.strerror()))?;
        self.offset += count as u64;
        Ok(count)
    }
}
