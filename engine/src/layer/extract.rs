//! Unpacking a plain archive into a tree: `docker cp`, `ADD`, `docker import`.

use std::io::BufRead;

use bottleship_vfs::InodeRef;

use super::scope::components;
use super::unpack::{Rules, unpack};
use super::{LayerError, Limits};

/// How to unpack a plain archive.
#[derive(Clone, Debug, Default)]
pub struct ExtractOptions {
    /// Refuse to replace a directory with something else, and the other way around
    /// (`noOverwriteDirNonDir`).
    pub no_overwrite_dir_non_dir: bool,
    /// User and group of everything, instead of what the archive says.
    pub owner: Option<(u32, u32)>,
}

/// Unpacks an uncompressed tar into the directory `at` of the tree at `root`. Links on the way are
/// followed within the tree, missing directories are made. Returns the bytes of the files.
pub fn extract(
    tar: impl BufRead,
    root: &InodeRef,
    at: &[u8],
    limits: &Limits,
    options: &ExtractOptions,
) -> Result<u64, LayerError> {
    let rules = Rules {
        base: components(at).map_err(|reason| LayerError::entry(at, reason))?,
        layer: false,
        keep_kinds: options.no_overwrite_dir_non_dir,
        owner: options.owner,
    };
    Ok(unpack(tar, root, limits, &rules)?.size)
}
