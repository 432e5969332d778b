//! Unpacking a layer.

use std::io::BufRead;

use bottleship_oci::DiffId;
use bottleship_vfs::InodeRef;

use super::unpack::{Rules, unpack};
use super::walk::usage;
use super::{LayerError, Limits};

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
pub fn apply(tar: impl BufRead, dest: &InodeRef, limits: &Limits) -> Result<Applied, LayerError> {
    let rules = Rules {
        base: Vec::new(),
        layer: true,
        keep_kinds: false,
        owner: None,
    };
    let unpacked = unpack(tar, dest, limits, &rules)?;
    Ok(Applied {
        diff_id: unpacked.diff_id,
        size: usage(dest)?.size,
        archive_bytes: unpacked.archive_bytes,
        entries: unpacked.entries,
    })
}
