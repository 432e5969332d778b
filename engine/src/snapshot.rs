//! Snapshots of file systems, in containerd's sense: a committed snapshot is a
//! layer on top of its parents, named by its chain id; an active one is a
//! writable view of a committed one, named by a key.

use std::rc::Rc;

use async_trait::async_trait;
use bottleship_oci::{ChainId, DiffId, Digest};
use bottleship_vfs::{CreatePerm, Errno, FileSystem, InodeRef, NewNode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::content::ContentError;
use crate::store::StoreError;

/// A mounted snapshot.
#[derive(Clone)]
pub struct RootFs {
    /// The merged tree's root, for the engine's own reading and writing.
    pub tree: InodeRef,
    /// The file system it is.
    pub fs: Rc<dyn FileSystem>,
    /// The directories a kernel would mount, where there is a kernel.
    pub overlay: Option<OverlayDirs>,
}

/// Arguments of an overlay mount, as host paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverlayDirs {
    /// Topmost first.
    pub lower: Vec<String>,
    /// Where changes go; `None` for a view.
    pub upper: Option<String>,
    /// The kernel's scratch directory.
    pub work: Option<String>,
    /// Where it is mounted.
    pub merged: String,
}

/// A committed layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// Name of this layer on its parents.
    pub chain_id: ChainId,
    /// Digest of the layer's uncompressed tar.
    pub diff_id: DiffId,
    /// The layer below.
    pub parent: Option<ChainId>,
    /// The content the layer was made from (compressed or not).
    pub blob: Digest,
    /// Bytes of this layer's files, without its parents'.
    pub size: u64,
}

/// A layer, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredLayer {
    diff_id: String,
    parent: Option<String>,
    blob: String,
    size: u64,
}

impl LayerInfo {
    /// As it is stored, under its chain id.
    pub fn encode(&self) -> Bytes {
        let stored = StoredLayer {
            diff_id: self.diff_id.as_str().into(),
            parent: self.parent.as_ref().map(|parent| parent.as_str().into()),
            blob: self.blob.as_str().into(),
            size: self.size,
        };
        serde_json::to_vec(&stored).unwrap_or_default().into()
    }

    /// What [`LayerInfo::encode`] made; `None` when it is something else.
    pub fn decode(chain: &str, json: &[u8]) -> Option<LayerInfo> {
        let stored: StoredLayer = serde_json::from_slice(json).ok()?;
        Some(LayerInfo {
            chain_id: chain.parse().ok()?,
            diff_id: stored.diff_id.parse().ok()?,
            parent: match stored.parent {
                Some(parent) => Some(parent.parse().ok()?),
                None => None,
            },
            blob: stored.blob.parse().ok()?,
            size: stored.size,
        })
    }
}

/// Makes in an empty directory what dockerd provides where an image does not:
/// mount points, and files that it mounts over. It is the layer below every
/// image.
///
/// # Errors
/// What the file system says.
pub fn fill_init_layer(root: &InodeRef) -> Result<(), Errno> {
    let perm = CreatePerm {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    root.create(b".dockerenv", NewNode::File, perm)?;
    let dev = root.create(b"dev", NewNode::Dir, perm)?;
    dev.create(b"console", NewNode::File, perm)?;
    dev.create(b"pts", NewNode::Dir, perm)?;
    dev.create(b"shm", NewNode::Dir, perm)?;
    let etc = root.create(b"etc", NewNode::Dir, perm)?;
    for name in ["hostname", "hosts", "resolv.conf"] {
        etc.create(name.as_bytes(), NewNode::File, perm)?;
    }
    etc.create(
        b"mtab",
        NewNode::Symlink(b"/proc/mounts"),
        CreatePerm {
            mode: 0o777,
            ..perm
        },
    )?;
    root.create(b"proc", NewNode::Dir, perm)?;
    root.create(b"sys", NewNode::Dir, perm)?;
    Ok(())
}

/// How a path differs between a snapshot and its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// `C`
    Modified,
    /// `A`
    Added,
    /// `D`
    Deleted,
}

/// One changed path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Absolute path within the snapshot.
    pub path: Vec<u8>,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What a snapshot holds beyond its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of files and symbolic links, hard links once.
    pub size: u64,
    /// Inodes.
    pub inodes: u64,
}

/// Why a snapshot could not be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// No snapshot of that key.
    #[error("snapshot {0} does not exist")]
    NotFound(String),
    /// No layer of that chain id.
    #[error("layer {0} does not exist")]
    NoLayer(ChainId),
    /// The key is taken.
    #[error("snapshot {0} already exists")]
    Exists(String),
    /// Something is built on it.
    #[error("layer {0} is in use")]
    InUse(ChainId),
    /// The layer's uncompressed tar is not the one that was expected.
    #[error("unexpected diffID {got}")]
    WrongDiff {
        /// The one it is.
        got: DiffId,
    },
    /// The layer's tar is bad, in the words of the layer package.
    #[error("{0}")]
    Layer(String),
    /// The blob is missing or broken.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The storage below failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Layers and the containers' writable file systems on them.
#[async_trait(?Send)]
pub trait Snapshotter {
    /// Docker's name of the storage driver, `overlay2`.
    fn driver(&self) -> &'static str;

    /// Makes a writable snapshot on a layer (or on nothing). O(1).
    async fn prepare(&self, key: &str, parent: Option<&ChainId>) -> Result<RootFs, SnapshotError>;

    /// A read-only tree of a layer, without a key.
    async fn view(&self, layer: Option<&ChainId>) -> Result<InodeRef, SnapshotError>;

    /// A layer's own tree, without what is below it, in the kernel's overlayfs format. Nothing in it may be changed.
    async fn layer_tree(&self, layer: &ChainId) -> Result<InodeRef, SnapshotError>;

    /// The tree of an active snapshot.
    async fn rootfs(&self, key: &str) -> Result<RootFs, SnapshotError>;

    /// Makes a layer from a blob of the content store (a tar, plain or
    /// compressed) and returns what it is; fine when it is there already.
    async fn apply(
        &self,
        parent: Option<&ChainId>,
        blob: &Digest,
    ) -> Result<LayerInfo, SnapshotError>;

    /// As [`Snapshotter::apply`], of a blob whose diffID is known: with another one nothing is kept.
    async fn apply_checked(
        &self,
        parent: Option<&ChainId>,
        blob: &Digest,
        diff_id: &DiffId,
    ) -> Result<LayerInfo, SnapshotError> {
        let info = self.apply(parent, blob).await?;
        if info.diff_id == *diff_id {
            return Ok(info);
        }
        // One that was there before is in use, or goes with what it belongs to.
        let _ = self.remove_layer(&info.chain_id).await;
        Err(SnapshotError::WrongDiff { got: info.diff_id })
    }

    /// Makes what changed in an active snapshot a layer on the snapshot's
    /// parent, and writes its tar to the content store. The snapshot stays.
    /// `None` when nothing changed.
    async fn commit(&self, key: &str) -> Result<Option<LayerInfo>, SnapshotError>;

    /// What changed in an active snapshot, as a layer's uncompressed tar, all of it in memory.
    async fn diff(&self, key: &str) -> Result<Bytes, SnapshotError>;

    /// What changed in an active snapshot, parents before children.
    async fn changes(&self, key: &str) -> Result<Vec<Change>, SnapshotError>;

    /// What an active snapshot holds beyond its parent.
    async fn usage(&self, key: &str) -> Result<Usage, SnapshotError>;

    /// Makes an active snapshot's changes durable.
    async fn sync(&self, key: &str) -> Result<(), SnapshotError>;

    /// Removes an active snapshot; fine when it is not there.
    async fn remove(&self, key: &str) -> Result<(), SnapshotError>;

    /// A layer, if it is there.
    async fn layer(&self, layer: &ChainId) -> Result<Option<LayerInfo>, SnapshotError>;

    /// Every layer.
    async fn layers(&self) -> Result<Vec<LayerInfo>, SnapshotError>;

    /// Removes a layer nothing is built on. The blob is the caller's.
    async fn remove_layer(&self, layer: &ChainId) -> Result<(), SnapshotError>;
}
