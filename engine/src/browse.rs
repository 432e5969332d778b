//! Looking into layers, images and containers: a directory at a time, a file at a time, no more than asked for.
//!
//! Paths are taken literally: no symbolic link is followed and `..` is nothing, so a name leads only to what is shown
//! under it.

use std::collections::BTreeSet;

use bottleship_abi::mode::S_IFLNK;
use bottleship_oci::{ChainId, DiffId};
use bottleship_vfs::overlay::{is_opaque, is_whiteout};
use bottleship_vfs::{Errno, InodeRef, Time};

use crate::api::ApiError;
use crate::engine::Engine;
use crate::snapshot::{ChangeKind, LayerInfo};

/// Entries of one listing at most.
pub const MAX_ENTRIES: usize = 10_000;
/// Bytes of a file that are read at once at most.
pub const MAX_BYTES: usize = 16 << 20;

/// What is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// A layer alone, by its diff id or chain id: what it adds, and its whiteouts.
    Layer(&'a str),
    /// An image by name or id: its layers joined.
    Image(&'a str),
    /// A container by name or id: its image's layers and its own changes joined, without volumes.
    Container(&'a str),
}

/// A directory's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// Type (`S_IFMT`) and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Last change of the contents.
    pub mtime: Time,
    /// Where a symbolic link points.
    pub target: Option<Vec<u8>>,
    /// In a layer: it stands for a file that is removed from the layers below.
    pub whiteout: bool,
    /// In a layer: a directory that hides what the layers below have in its place.
    pub opaque: bool,
    /// The topmost layer that has it; `None` for what is a container's own.
    pub layer: Option<DiffId>,
}

/// A directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its entries, by name.
    pub entries: Vec<Entry>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

/// The beginning of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its first bytes.
    pub data: Vec<u8>,
    /// How many it has.
    pub size: u64,
}

/// What is shown, and where it comes from.
struct Tree {
    root: InodeRef,
    /// The layers in it, topmost first.
    layers: Vec<(DiffId, InodeRef)>,
    /// Paths that a container added or changed.
    own: BTreeSet<Vec<u8>>,
}

/// The entries of a directory, at most `max` of them (and [`MAX_ENTRIES`]).
///
/// # Errors
/// There is no such layer, image, container or directory.
pub async fn list(
    engine: &Engine,
    of: Of<'_>,
    path: &str,
    max: usize,
) -> Result<Listing, ApiError> {
    let tree = open(engine, of).await?;
    let at = failed(path);
    let dir = lookup(&tree.root, path).map_err(&at)?;
    if !dir.attr().map_err(&at)?.is_dir() {
        return Err(at(Errno::ENOTDIR));
    }
    let max = max.min(MAX_ENTRIES);
    let mut names = BTreeSet::new();
    let mut more = false;
    dir.readdir(0, &mut |entry| {
        more = names.len() >= max;
        !more && names.insert(entry.name.to_vec())
    })
    .map_err(&at)?;
    let sources: Vec<(&DiffId, InodeRef)> = tree
        .layers
        .iter()
        .filter_map(|(id, root)| Some((id, lookup(root, path).ok()?)))
        .collect();
    // What is shown comes from the topmost layer that has the name: a whiteout above it would have hidden it.
    let below: String = parts(path).flat_map(|part| ["/", part]).collect();
    let mut entries = Vec::with_capacity(names.len());
    for name in names {
        let full = [below.as_bytes(), b"/", &name].concat();
        let source = sources.iter().find(|(_, dir)| dir.lookup(&name).is_ok());
        let layer = source
            .filter(|_| !tree.own.contains(&full))
            .map(|(id, _)| (*id).clone());
        let inode = dir.lookup(&name).map_err(&at)?;
        entries.push(entry(&inode, name, layer).map_err(&at)?);
    }
    Ok(Listing { entries, more })
}

/// The beginning of a regular file, at most `max` bytes (and [`MAX_BYTES`]).
///
/// # Errors
/// There is no such layer, image, container or file, or it is not a regular file.
pub async fn read(
    engine: &Engine,
    of: Of<'_>,
    path: &str,
    max: usize,
) -> Result<Content, ApiError> {
    let tree = open(engine, of).await?;
    let at = failed(path);
    let file = lookup(&tree.root, path).map_err(&at)?;
    let attr = file.attr().map_err(&at)?;
    if attr.is_dir() {
        return Err(at(Errno::EISDIR));
    }
    if !attr.is_file() {
        return Err(ApiError::invalid(format!("{path}: not a regular file")));
    }
    let wanted = usize::try_from(attr.size).unwrap_or(usize::MAX);
    let mut data = vec![0; wanted.min(max).min(MAX_BYTES)];
    let mut read = 0;
    while let Some(rest) = data.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(read as u64, rest).map_err(&at)? {
            0 => break,
            count => read += count,
        }
    }
    data.truncate(read);
    Ok(Content {
        data,
        size: attr.size,
    })
}

fn failed(path: &str) -> impl Fn(Errno) -> ApiError {
    move |errno| {
        let message = format!("{path}: {}", errno.strerror());
        match errno {
            Errno::ENOENT => ApiError::not_found(message),
            _ => ApiError::invalid(message),
        }
    }
}

async fn open(engine: &Engine, of: Of<'_>) -> Result<Tree, ApiError> {
    engine.loaded().await?;
    let snapshots = &engine.ports().snapshots;
    match of {
        Of::Layer(name) => {
            let all = snapshots.layers().await?;
            let found = all
                .into_iter()
                .find(|layer| layer.diff_id.as_str() == name || layer.chain_id.as_str() == name);
            let Some(LayerInfo {
                chain_id, diff_id, ..
            }) = found
            else {
                return Err(ApiError::not_found(format!("No such layer: {name}")));
            };
            let root = snapshots.layer_tree(&chain_id).await?;
            let layers = vec![(diff_id, root.clone())];
            let own = BTreeSet::new();
            Ok(Tree { root, layers, own })
        }
        Of::Image(name) => {
            let image = engine.images().find(name)?;
            let top = image.top();
            Ok(Tree {
                root: snapshots.view(top.as_ref()).await?,
                layers: layers(engine, top).await?,
                own: BTreeSet::new(),
            })
        }
        Of::Container(name) => {
            let container = engine.containers().find(name)?;
            let (id, layer) = {
                let record = container.record();
                (record.id.clone(), record.layer.clone())
            };
            let top = layer.and_then(|layer| layer.parse().ok());
            let changes = snapshots.changes(&id).await?.into_iter();
            Ok(Tree {
                root: snapshots.rootfs(&id).await?.tree,
                layers: layers(engine, top).await?,
                own: changes
                    .filter(|change| change.kind != ChangeKind::Deleted)
                    .map(|change| change.path)
                    .collect(),
            })
        }
    }
}

/// A layer and those below it, topmost first.
async fn layers(
    engine: &Engine,
    top: Option<ChainId>,
) -> Result<Vec<(DiffId, InodeRef)>, ApiError> {
    let snapshots = &engine.ports().snapshots;
    let mut layers = Vec::new();
    let mut next = top;
    while let Some(chain) = next {
        let Some(info) = snapshots.layer(&chain).await? else {
            break;
        };
        layers.push((info.diff_id, snapshots.layer_tree(&chain).await?));
        next = info.parent;
    }
    Ok(layers)
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// What a path leads to without following links.
fn lookup(root: &InodeRef, path: &str) -> Result<InodeRef, Errno> {
    let mut at = root.clone();
    for name in parts(path) {
        if matches!(name, "." | "..") {
            return Err(Errno::EINVAL);
        }
        at = at.lookup(name.as_bytes())?;
    }
    Ok(at)
}

fn entry(inode: &InodeRef, name: Vec<u8>, layer: Option<DiffId>) -> Result<Entry, Errno> {
    let attr = inode.attr()?;
    Ok(Entry {
        name,
        mode: attr.mode,
        uid: attr.uid,
        gid: attr.gid,
        size: attr.size,
        mtime: attr.mtime,
        target: match attr.kind() {
            S_IFLNK => Some(inode.readlink()?),
            _ => None,
        },
        whiteout: is_whiteout(inode)?,
        opaque: attr.is_dir() && is_opaque(inode),
        layer,
    })
}
