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
use bottleship_oci::{ChainId, Digest};
use bottleship_vfs::overlay::{Overlay, Upper};
use bottleship_vfs::{Clock, Errno, FileSystem, InodeRef, Quota, Tmpfs};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::trees;
use crate::content::ContentStore;
use crate::layer::{Archived, Decompressor, LayerError, Limits, apply, changes, diff};
use crate::snapshot::{
    Change, LayerInfo, RootFs, SnapshotError, Snapshotter, Usage, fill_init_layer,
};
use crate::store::{Op, Store};

const LAYERS: &str = "layers";
const SNAPSHOTS: &str = "snapshots";
const UPPERS: &str = "snapshot-data";

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
    upper: Rc<Tmpfs>,
    overlay: Rc<Overlay>,
    lowers: Vec<InodeRef>,
    /// The generation of the upper tree that is stored; `None` when nothing is.
    stored: Cell<Option<u64>>,
}

/// A [`Snapshotter`] in memory over content and store.
pub struct EmulatedSnapshots {
    content: Rc<dyn ContentStore>,
    store: Rc<dyn Store>,
    clock: Clock,
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
    /// Snapshots on a disk. Layers of more than `limits` are refused.
    pub fn new(
        content: Rc<dyn ContentStore>,
        store: Rc<dyn Store>,
        clock: Clock,
        disk: Quota,
        limits: Limits,
    ) -> Result<Self, SnapshotError> {
        let init = init_layer(&clock).map_err(vfs_error("making the init layer"))?;
        Ok(EmulatedSnapshots {
            content,
            store,
            clock,
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

    /// A layer's tree, unpacked when it is first asked for.
    async fn tree(&self, layer: &Layer) -> Result<InodeRef, SnapshotError> {
        let known = layer.tree.borrow().clone();
        if let Some(tree) = known {
            return Ok(tree);
        }
        let (tree, _) = self.unpack(&layer.info.blob).await?;
        Ok(layer.tree.borrow_mut().get_or_insert(tree).clone())
    }

    async fn unpack(
        &self,
        blob: &Digest,
    ) -> Result<(InodeRef, crate::layer::Applied), SnapshotError> {
        let bytes = self.content.read(blob).await?;
        let tree =
            Tmpfs::new(&self.clock, self.disk.clone()).map_err(vfs_error("making a layer"))?;
        let plain = Decompressor::new(&bytes[..])?;
        let applied = apply(BufReader::new(plain), &tree.root(), &self.limits)?;
        tree.seal();
        Ok((tree.root(), applied))
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
        let upper = self.store.get(UPPERS, key).await?;
        let active = self.activate(parent, upper).await?;
        let mut opened = self.active.borrow_mut();
        let active = opened.entry(key.into()).or_insert(active).clone();
        self.dormant.borrow_mut().remove(key);
        Ok(active)
    }

    async fn activate(
        &self,
        parent: Option<ChainId>,
        stored: Option<Bytes>,
    ) -> Result<Rc<Active>, SnapshotError> {
        let mut lowers = self.trees(parent.as_ref()).await?;
        lowers.push(self.init.clone());
        let upper = Tmpfs::new(&self.clock, self.disk.clone())
            .map_err(vfs_error("making a container's layer"))?;
        if let Some(bytes) = &stored {
            trees::load(bytes, &upper)?;
        }
        let overlay = Overlay::new(&self.clock, lowers.clone(), Some(Upper::new(&upper)))
            .map_err(vfs_error("joining layers"))?;
        let generation = upper.generation();
        Ok(Rc::new(Active {
            parent,
            upper,
            overlay,
            lowers,
            stored: Cell::new(stored.map(|_| generation)),
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
        let active = self.activate(parent.cloned(), None).await?;
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
        self.load().await?;
        if let Some(parent) = parent {
            self.find_layer(parent)?;
        }
        let (tree, applied) = self.unpack(blob).await?;
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

    async fn commit(&self, key: &str) -> Result<Option<LayerInfo>, SnapshotError> {
        let active = self.open(key).await?;
        let mut tar = Vec::new();
        let Archived { entries, .. } = diff(&active.upper.root(), &mut tar)?;
        if entries == 0 {
            return Ok(None);
        }
        let blob = self.content.put(tar.into()).await?;
        self.apply(active.parent.as_ref(), &blob).await.map(Some)
    }

    async fn diff(&self, key: &str) -> Result<Bytes, SnapshotError> {
        let active = self.open(key).await?;
        let mut tar = Vec::new();
        diff(&active.upper.root(), &mut tar)?;
        Ok(tar.into())
    }

    async fn changes(&self, key: &str) -> Result<Vec<Change>, SnapshotError> {
        let active = self.open(key).await?;
        let lower = Overlay::new(&self.clock, active.lowers.clone(), None)
            .map_err(vfs_error("joining layers"))?;
        Ok(changes(&active.upper.root(), &lower.root())?)
    }

    async fn usage(&self, key: &str) -> Result<Usage, SnapshotError> {
        Ok(trees::usage(&self.open(key).await?.upper.root()))
    }

    async fn sync(&self, key: &str) -> Result<(), SnapshotError> {
        let active = self.open(key).await?;
        let generation = active.upper.generation();
        if active.stored.get() == Some(generation) {
            return Ok(());
        }
        let meta = StoredSnapshot {
            parent: active.parent.as_ref().map(|parent| parent.as_str().into()),
        };
        let value = serde_json::to_vec(&meta).unwrap_or_default().into();
        let mut ops = vec![Op::Put {
            bucket: SNAPSHOTS,
            key: key.into(),
            value,
        }];
        // A fresh snapshot has nothing but its root.
        if trees::usage(&active.upper.root()).inodes > 0 || active.stored.get().is_some() {
            ops.push(Op::Put {
                bucket: UPPERS,
                key: key.into(),
                value: trees::save(&active.upper.root())?,
            });
        }
        self.store.commit(ops).await?;
        active.stored.set(Some(generation));
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), SnapshotError> {
        self.load().await?;
        let active = self.active.borrow_mut().remove(key);
        let dormant = self.dormant.borrow_mut().remove(key);
        let is_stored =
            active.is_some_and(|active| active.stored.get().is_some()) || dormant.is_some();
        if is_stored {
            let delete = |bucket| Op::Delete {
                bucket,
                key: key.into(),
            };
            self.store
                .commit(vec![delete(SNAPSHOTS), delete(UPPERS)])
                .await?;
        }
        Ok(())
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
