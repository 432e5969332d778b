//! Snapshots in memory: layers as sealed trees, containers as overlays on them.
//!
//! A layer's tree is made when it is first needed, from its blob; what is kept
//! is the blob and a line about the layer. A container's changes are kept when
//! they are synced.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::BufReader;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_oci::{Algorithm, ChainId, DiffId, Digest};
use bottleship_vfs::overlay::{Overlay, Upper};
use bottleship_vfs::{Clock, Errno, FileSystem, InodeRef, Quota, Tmpfs};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::stored_tree::StoredTree;
use super::trees;
use crate::content::{CHUNK, ContentStore, Cursor};
use crate::image::blob;
use crate::layer::{
    Applied, Compression, Decompressor, LayerError, Limits, apply, apply_known, changes, pack_diff,
};
use crate::snapshot::{
    Change, LayerInfo, RootFs, SnapshotError, Snapshotter, Usage, fill_init_layer,
};
use crate::store::{Op, ReadAt, Store};

const LAYERS: &str = "layers";
const SNAPSHOTS: &str = "snapshots";
const UPPERS: &str = "snapshot-trees";

/// An active snapshot, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredSnapshot {
    parent: Option<String>,
}

struct Layer {
    info: LayerInfo,
    tree: RefCell<Option<InodeRef>>,
}

struct Active {
    parent: Option<ChainId>,
    upper: StoredTree,
    overlay: Rc<Overlay>,
    lowers: Vec<InodeRef>,
}

impl Active {
    fn upper(&self) -> InodeRef {
        self.upper.tree().root()
    }
}

/// A [`Snapshotter`] in memory over content and store.
pub struct EmulatedSnapshots {
    content: Rc<dyn ContentStore>,
    store: Rc<dyn Store>,
    clock: Clock,
    /// Of layers.
    layer_disk: Quota,
    /// Of containers' changes.
    disk: Quota,
    limits: Limits,
    /// Below every image: what dockerd's init layer provides.
    init: InodeRef,
    layers: RefCell<BTreeMap<ChainId, Rc<Layer>>>,
    active: RefCell<BTreeMap<String, Rc<Active>>>,
    /// Snapshots of a former engine that were not opened yet, with their parents.
    dormant: RefCell<BTreeMap<String, Option<ChainId>>>,
    loaded: Cell<bool>,
}

fn vfs_error(what: &str) -> impl FnOnce(Errno) -> SnapshotError {
    let what = what.to_owned();
    move |errno| SnapshotError::Layer(format!("{what}: {errno}"))
}

impl From<LayerError> for SnapshotError {
    fn from(error: LayerError) -> Self {
        SnapshotError::Layer(error.to_string())
    }
}

impl EmulatedSnapshots {
    /// Snapshots, layers on the one disk and containers' changes on the other. Layers of more than
    /// `limits` are refused.
    pub fn new(
        content: Rc<dyn ContentStore>,
        store: Rc<dyn Store>,
        clock: Clock,
        (layer_disk, disk): (Quota, Quota),
        limits: Limits,
    ) -> Result<Self, SnapshotError> {
        let init = init_layer(&clock).map_err(vfs_error("making the init layer"))?;
        Ok(EmulatedSnapshots {
            content,
            store,
            clock,
            layer_disk,
            disk,
            limits,
            init,
            layers: RefCell::default(),
            active: RefCell::default(),
            dormant: RefCell::default(),
            loaded: Cell::new(false),
        })
    }

    async fn load(&self) -> Result<(), SnapshotError> {
        if self.loaded.get() {
            return Ok(());
        }
        let layers = self.store.load(LAYERS).await?;
        let snapshots = self.store.load(SNAPSHOTS).await?;
        if self.loaded.replace(true) {
            return Ok(());
        }
        for (chain, json) in layers {
            let Some(info) = LayerInfo::decode(&chain, &json) else {
                continue;
            };
            let layer = Layer {
                info,
                tree: RefCell::default(),
            };
            self.layers
                .borrow_mut()
                .insert(layer.info.chain_id.clone(), Rc::new(layer));
        }
        for (key, json) in snapshots {
            let Ok(stored) = serde_json::from_slice::<StoredSnapshot>(&json) else {
                continue;
            };
            let parent = stored.parent.and_then(|parent| parent.parse().ok());
            self.dormant.borrow_mut().insert(key, parent);
        }
        Ok(())
    }

    fn find_layer(&self, chain: &ChainId) -> Result<Rc<Layer>, SnapshotError> {
        self.layers
            .borrow()
            .get(chain)
            .cloned()
            .ok_or_else(|| SnapshotError::NoLayer(chain.clone()))
    }

    /// The trees of a layer and those below, topmost first.
    async fn trees(&self, top: Option<&ChainId>) -> Result<Vec<InodeRef>, SnapshotError> {
        let mut trees = Vec::new();
        let mut next = top.cloned();
        while let Some(chain) = next {
            let layer = self.find_layer(&chain)?;
            trees.push(self.tree(&layer).await?);
            next = layer.info.parent.clone();
        }
        Ok(trees)
    }

    /// A layer's tree, unpacked when it is first asked for: from its uncompressed tar if that is kept,
    /// else from its blob.
    async fn tree(&self, layer: &Layer) -> Result<InodeRef, SnapshotError> {
        let known = layer.tree.borrow().clone();
        if let Some(tree) = known {
            return Ok(tree);
        }
        let info = &layer.info;
        let tar = match info.blob == info.diff_id.0 {
            true => None,
            false => self.content.open(&info.diff_id.0).await.ok(),
        };
        let (tree, _) = match tar {
            Some(tar) => self.unpack_plain(&tar, info.diff_id.clone())?,
            None => self.unpack(&info.blob).await?,
        };
        Ok(layer.tree.borrow_mut().get_or_insert(tree).clone())
    }

    /// Unpacks a blob. A compressed one is kept uncompressed as well, where that takes no memory:
    /// then its files need not be held.
    async fn unpack(&self, blob: &Digest) -> Result<(InodeRef, Applied), SnapshotError> {
        let source = self.content.open(blob).await?;
        let plain = blob::compression(&*source)? == Compression::None;
        if plain && blob.algorithm() == Algorithm::Sha256 {
            // Its digest was checked when it was stored.
            return self.unpack_plain(&source, DiffId(blob.clone()));
        }
        let source = BufReader::with_capacity(CHUNK, Cursor::new(source));
        let mut tar = Decompressor::new(source)?;
        if !self.content.is_outside() {
            let tree = self.new_tree()?;
            let applied = apply(tar, &tree.root(), &self.limits)?;
            tree.seal();
            return Ok((tree.root(), applied));
        }
        let mut writer = self.content.writer();
        loop {
            let chunk = blob::read_chunk(&mut tar).map_err(LayerError::from_read)?;
            if chunk.is_empty() {
                break;
            }
            if writer.written() + chunk.len() as u64 > self.limits.archive_bytes {
                return Err(LayerError::Limit {
                    what: "size of the unpacked archive",
                    limit: self.limits.archive_bytes,
                }
                .into());
            }
            writer.write(chunk).await?;
        }
        let diff_id = DiffId(writer.seal().await?);
        let tar = self.content.open(&diff_id.0).await?;
        let unpacked = self.unpack_plain(&tar, diff_id.clone());
        if unpacked.is_err() {
            self.drop_tar(&diff_id).await?;
        }
        unpacked
    }

    fn unpack_plain(
        &self,
        tar: &Rc<dyn ReadAt>,
        diff_id: DiffId,
    ) -> Result<(InodeRef, Applied), SnapshotError> {
        let tree = self.new_tree()?;
        let applied = apply_known(tar, diff_id, &tree.root(), &self.limits)?;
        tree.seal();
        Ok((tree.root(), applied))
    }

    fn new_tree(&self) -> Result<Rc<Tmpfs>, SnapshotError> {
        Tmpfs::new(&self.clock, self.layer_disk.clone()).map_err(vfs_error("making a layer"))
    }

    /// Forgets a layer's uncompressed tar, unless a layer needs it.
    async fn drop_tar(&self, diff_id: &DiffId) -> Result<(), SnapshotError> {
        let used = self
            .layers
            .borrow()
            .values()
            .any(|l| l.info.diff_id == *diff_id || l.info.blob == diff_id.0);
        if !used {
            self.content.delete(&diff_id.0).await?;
        }
        Ok(())
    }

    async fn add(
        &self,
        parent: Option<&ChainId>,
        blob: &Digest,
        expected: Option<&DiffId>,
    ) -> Result<LayerInfo, SnapshotError> {
        self.load().await?;
        if let Some(parent) = parent {
            self.find_layer(parent)?;
        }
        let (tree, applied) = self.unpack(blob).await?;
        if expected.is_some_and(|expected| *expected != applied.diff_id) {
            if applied.diff_id.0 != *blob {
                self.drop_tar(&applied.diff_id).await?;
            }
            let got = applied.diff_id;
            return Err(SnapshotError::WrongDiff { got });
        }
        let chain_id = ChainId::child(parent, &applied.diff_id);
        if let Ok(known) = self.find_layer(&chain_id) {
            known.tree.borrow_mut().get_or_insert(tree);
            return Ok(known.info.clone());
        }
        let info = LayerInfo {
            chain_id,
            diff_id: applied.diff_id,
            parent: parent.cloned(),
            blob: blob.clone(),
            size: applied.size,
        };
        self.store_layer(&info).await?;
        self.add_layer(info.clone(), tree);
        Ok(info)
    }

    async fn open(&self, key: &str) -> Result<Rc<Active>, SnapshotError> {
        self.load().await?;
        if let Some(active) = self.active.borrow().get(key) {
            return Ok(active.clone());
        }
        let parent = self
            .dormant
            .borrow()
            .get(key)
            .cloned()
            .ok_or_else(|| SnapshotError::NotFound(key.into()))?;
        let tree = self.new_upper()?;
        let upper = StoredTree::load(&*self.store, UPPERS, key, tree).await?;
        let active = self.activate(parent, upper).await?;
        let mut opened = self.active.borrow_mut();
        let active = opened.entry(key.into()).or_insert(active).clone();
        self.dormant.borrow_mut().remove(key);
        Ok(active)
    }

    fn new_upper(&self) -> Result<Rc<Tmpfs>, SnapshotError> {
        Tmpfs::new(&self.clock, self.disk.clone()).map_err(vfs_error("making a container's layer"))
    }

    async fn activate(
        &self,
        parent: Option<ChainId>,
        upper: StoredTree,
    ) -> Result<Rc<Active>, SnapshotError> {
        let mut lowers = self.trees(parent.as_ref()).await?;
        lowers.push(self.init.clone());
        let top = Some(Upper::new(upper.tree()));
        let overlay =
            Overlay::new(&self.clock, lowers.clone(), top).map_err(vfs_error("joining layers"))?;
        Ok(Rc::new(Active {
            parent,
            upper,
            overlay,
            lowers,
        }))
    }

    fn add_layer(&self, info: LayerInfo, tree: InodeRef) {
        let layer = Layer {
            info,
            tree: RefCell::new(Some(tree)),
        };
        self.layers
            .borrow_mut()
            .insert(layer.info.chain_id.clone(), Rc::new(layer));
    }

    async fn store_layer(&self, info: &LayerInfo) -> Result<(), SnapshotError> {
        Ok(self
            .store
            .commit(vec![Op::Put {
                bucket: LAYERS,
                key: info.chain_id.as_str().into(),
                value: info.encode(),
            }])
            .await?)
    }
}

/// What every container finds where its image has nothing.
fn init_layer(clock: &Clock) -> Result<InodeRef, Errno> {
    let tree = Tmpfs::new(clock, Quota::unlimited())?;
    fill_init_layer(&tree.root())?;
    tree.seal();
    Ok(tree.root())
}

#[async_trait(?Send)]
impl Snapshotter for EmulatedSnapshots {
    fn driver(&self) -> &'static str {
        "overlay2"
    }

    async fn prepare(&self, key: &str, parent: Option<&ChainId>) -> Result<RootFs, SnapshotError> {
        self.load().await?;
        let taken =
            self.active.borrow().contains_key(key) || self.dormant.borrow().contains_key(key);
        if taken {
            return Err(SnapshotError::Exists(key.into()));
        }
        let upper = StoredTree::new(UPPERS, key, self.new_upper()?);
        let active = self.activate(parent.cloned(), upper).await?;
        self.active.borrow_mut().insert(key.into(), active.clone());
        Ok(rootfs(&active))
    }

    async fn view(&self, layer: Option<&ChainId>) -> Result<InodeRef, SnapshotError> {
        self.load().await?;
        let mut lowers = self.trees(layer).await?;
        if lowers.is_empty() {
            let empty = Tmpfs::new(&self.clock, self.disk.clone())
                .map_err(vfs_error("making an empty tree"))?;
            lowers.push(empty.root());
        }
        let overlay =
            Overlay::new(&self.clock, lowers, None).map_err(vfs_error("joining layers"))?;
        Ok(overlay.root())
    }

    async fn layer_tree(&self, layer: &ChainId) -> Result<InodeRef, SnapshotError> {
        self.load().await?;
        let layer = self.find_layer(layer)?;
        self.tree(&layer).await
    }

    async fn rootfs(&self, key: &str) -> Result<RootFs, SnapshotError> {
        Ok(rootfs(&*self.open(key).await?))
    }

    async fn apply(
        &self,
        parent: Option<&ChainId>,
        blob: &Digest,
    ) -> Result<LayerInfo, SnapshotError> {
        self.add(parent, blob, None).await
    }

    async fn apply_checked(
        &self,
        parent: Option<&ChainId>,
        blob: &Digest,
        diff_id: &DiffId,
    ) -> Result<LayerInfo, SnapshotError> {
        self.add(parent, blob, Some(diff_id)).await
    }

    async fn commit(&self, key: &str) -> Result<Option<LayerInfo>, SnapshotError> {
        let active = self.open(key).await?;
        let mut packed = pack_diff(&active.upper())?;
        if packed.entries == 0 {
            return Ok(None);
        }
        let mut writer = self.content.writer();
        while let Some(piece) = packed.next_piece()? {
            writer.write(piece).await?;
        }
        let blob = writer.seal().await?;
        self.apply(active.parent.as_ref(), &blob).await.map(Some)
    }

    async fn diff(&self, key: &str) -> Result<Bytes, SnapshotError> {
        let active = self.open(key).await?;
        let mut tar = Vec::new();
        pack_diff(&active.upper())?.write_to(&mut tar)?;
        Ok(tar.into())
    }

    async fn changes(&self, key: &str) -> Result<Vec<Change>, SnapshotError> {
        let active = self.open(key).await?;
        let lower = Overlay::new(&self.clock, active.lowers.clone(), None)
            .map_err(vfs_error("joining layers"))?;
        Ok(changes(&active.upper(), &lower.root())?)
    }

    async fn usage(&self, key: &str) -> Result<Usage, SnapshotError> {
        Ok(trees::usage(&self.open(key).await?.upper()))
    }

    async fn sync(&self, key: &str) -> Result<(), SnapshotError> {
        let active = self.open(key).await?;
        let mut ops = Vec::new();
        if !active.upper.is_stored() {
            let meta = StoredSnapshot {
                parent: active.parent.as_ref().map(|parent| parent.as_str().into()),
            };
            let value = serde_json::to_vec(&meta).unwrap_or_default().into();
            ops.push(Op::Put {
                bucket: SNAPSHOTS,
                key: key.into(),
                value,
            });
        }
        Ok(active.upper.sync(&*self.store, ops).await?)
    }

    async fn remove(&self, key: &str) -> Result<(), SnapshotError> {
        self.load().await?;
        let active = self.active.borrow_mut().remove(key);
        let dormant = self.dormant.borrow_mut().remove(key);
        let mut ops = match &active {
            Some(active) => active.upper.removal(),
            None if dormant.is_some() => StoredTree::removal_of(&*self.store, UPPERS, key).await?,
            None => Vec::new(),
        };
        if ops.is_empty() {
            return Ok(());
        }
        ops.push(Op::Delete {
            bucket: SNAPSHOTS,
            key: key.into(),
        });
        Ok(self.store.commit(ops).await?)
    }

    async fn layer(&self, layer: &ChainId) -> Result<Option<LayerInfo>, SnapshotError> {
        self.load().await?;
        Ok(self
            .layers
            .borrow()
            .get(layer)
            .map(|layer| layer.info.clone()))
    }

    async fn layers(&self) -> Result<Vec<LayerInfo>, SnapshotError> {
        self.load().await?;
        Ok(self
            .layers
            .borrow()
            .values()
            .map(|layer| layer.info.clone())
            .collect())
    }

    async fn remove_layer(&self, layer: &ChainId) -> Result<(), SnapshotError> {
        self.load().await?;
        self.find_layer(layer)?;
        let is_parent = |parent: &Option<ChainId>| parent.as_ref() == Some(layer);
        let used = self
            .layers
            .borrow()
            .values()
            .any(|other| is_parent(&other.info.parent))
            || self
                .active
                .borrow()
                .values()
                .any(|active| is_parent(&active.parent))
            || self.dormant.borrow().values().any(is_parent);
        if used {
            return Err(SnapshotError::InUse(layer.clone()));
        }
        self.store
            .commit(vec![Op::Delete {
                bucket: LAYERS,
                key: layer.as_str().into(),
            }])
            .await?;
        self.layers.borrow_mut().remove(layer);
        Ok(())
    }
}

fn rootfs(active: &Active) -> RootFs {
    RootFs {
        tree: active.overlay.root(),
        fs: active.overlay.clone(),
        overlay: None,
    }
}
