//! Unpacking a layer.

use std::io::Read;
use std::rc::Rc;

use bottleship_oci::DiffId;
use bottleship_vfs::InodeRef;
use bottleship_vfs::tmpfs::Backing;

use super::reader::Reader;
use super::source::{Reading, Seeking, at_once};
use super::unpack::{Rules, Unpacked, unpack};
use super::walk::usage;
use super::{LayerError, Limits};
use crate::store::ReadAt;

/// What a layer was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The digest of the uncompressed archive, all of it.
    pub diff_id: DiffId,
    /// Bytes of the layer's files and symbolic links, as Docker counts a layer's size.
    pub size: u64,
    /// Bytes of the uncompressed archive.
    pub archive_bytes: u64,
    /// Entries of the archive.
    pub entries: u64,
}

/// Unpacks a layer's uncompressed tar into an empty directory, with whiteouts as overlayfs keeps
/// them. When it fails, the directory holds a part of the layer and is to be thrown away.
pub fn apply(tar: impl Read, dest: &InodeRef, limits: &Limits) -> Result<Applied, LayerError> {
    let reader = Reader::hashing(Reading(tar), limits);
    applied(dest, at_once(unpack(reader, dest, &rules()))?)
}

/// As [`apply`], of a tar whose digest is known already. Where the tar lies outside of memory, the
/// files' contents stay there: only headers are read.
pub fn apply_known(
    tar: &Rc<dyn ReadAt>,
    diff_id: DiffId,
    dest: &InodeRef,
    limits: &Limits,
) -> Result<Applied, LayerError> {
    let lazy = tar.is_outside();
    let rules = Rules {
        backing: lazy.then(|| tar.clone() as Rc<dyn Backing>),
        ..rules()
    };
    let reader = Reader::new(Seeking::new(tar.clone(), lazy), limits);
    let applied = applied(dest, at_once(unpack(reader, dest, &rules))?)?;
    Ok(Applied { diff_id, ..applied })
}

fn rules() -> Rules<'static> {
    Rules {
        base: Vec::new(),
        layer: true,
        keep_kinds: false,
        owner: None,
        backing: None,
    }
}

fn applied(dest: &InodeRef, unpacked: Unpacked) -> Result<Applied, LayerError> {
    Ok(Applied {
        diff_id: unpacked.diff_id,
        size: usage(dest)?.size,
        archive_bytes: unpacked.archive_bytes,
        entries: unpacked.entries,
    })
}
