//! Unpacking a plain archive into a tree: `docker cp`, `ADD`, `docker import`.

use std::io::Read;
use std::rc::Rc;

use bottleship_vfs::InodeRef;
use bottleship_vfs::tmpfs::{self, Backing};

use super::reader::Reader;
use super::scope::components;
use super::source::{Reading, Seeking, at_once};
use super::unpack::{Rules, unpack};
use super::{LayerError, Limits};
use crate::store::ReadAt;

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
    tar: impl Read,
    root: &InodeRef,
    at: &[u8],
    limits: &Limits,
    options: &ExtractOptions,
) -> Result<u64, LayerError> {
    let rules = rules(at, options)?;
    let reader = Reader::new(Reading(tar), limits);
    Ok(at_once(unpack(reader, root, &rules))?.size)
}

/// As [`extract`]; where the tar lies outside of memory, the files' contents stay there until they
/// are mapped or written.
pub fn extract_from(
    tar: &Rc<dyn ReadAt>,
    root: &InodeRef,
    at: &[u8],
    limits: &Limits,
    options: &ExtractOptions,
) -> Result<u64, LayerError> {
    let lazy = tar.is_outside() && root.as_any().is::<tmpfs::Node>();
    let rules = Rules {
        backing: lazy.then(|| tar.clone() as Rc<dyn Backing>),
        ..rules(at, options)?
    };
    let reader = Reader::new(Seeking::new(tar.clone(), lazy), limits);
    Ok(at_once(unpack(reader, root, &rules))?.size)
}

fn rules<'a>(at: &'a [u8], options: &ExtractOptions) -> Result<Rules<'a>, LayerError> {
    Ok(Rules {
        base: components(at).map_err(|reason| LayerError::entry(at, reason))?,
        layer: false,
        keep_kinds: options.no_overwrite_dir_non_dir,
        owner: options.owner,
        backing: None,
    })
}
