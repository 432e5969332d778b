//! Snapshots on the kernel's overlayfs: a layer is a directory in its on-disk format, a container's changes an upper
//! directory, and what the engine reads and writes is the mounted union.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_engine::content::{CHUNK, ContentStore, Cursor};
use bottleship_engine::dirs::FileTree;
use bottleship_engine::layer::{Decompressor, Limits, apply, changes, diff, pack_diff, usage};
use bottleship_engine::snapshot::{
    Change, LayerInfo, OverlayDirs, RootFs, SnapshotError, Snapshotter, Usage, fill_init_layer,
};
use bottleship_engine::store::{Op, ReadAt, Store};
use bottleship_oci::{ChainId, Digest};
use bottleship_vfs::overlay::Overlay;
use bottleship_vfs::{Clock, FileSystem, InodeRef};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::os::{self, OverlayMount};
use super::spec::Walls;
use crate::host::{HostFiles, HostKind};

const LAYERS: &str = "layers";
const SNAPSHOTS: &str = "snapshots";
/// The directory of the engine's own host, beside those of containers.
const HOST: &str = "host";
/// Directory beside the layers in which files named by blobs say what layers they are.
const BLOBS: &str = ".blobs";

/// An active snapshot, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredSnapshot {
    parent: Option<String>,
}

/// Where layers and snapshots are.
#[derive(Clone, Debug)]
pub struct Places {
    /// Directory of layers that are made here.
    pub layers: PathBuf,
    /// Directory of layers that others made, which are only read.
    pub shared: Option<PathBuf>,
    /// Directory of containers' changes.
    pub snapshots: PathBuf,
    /// Directory where layers appear with mapped owners.
    pub mapped: PathBuf,
}

struct Active {
    parent: Option<ChainId>,
    lowers: Vec<InodeRef>,
    upper: InodeRef,
    merged: FileTree,
    dirs: OverlayDirs,
}

/// A [`Snapshotter`] of directories and mounts.
pub struct KernelSnapshots {
    content: Rc<dyn ContentStore>,
    store: Rc<dyn Store>,
    clock: Clock,
    limits: Limits,
    places: Places,
    walls: Walls,
    /// Layers' own files, with their owners as in the image.
    files: HostFiles,
    /// Containers' files, with owners of the containers' range.
    container_files: HostFiles,
    layers: RefCell<BTreeMap<ChainId, LayerInfo>>,
    active: RefCell<BTreeMap<String, Rc<Active>>>,
    dormant: RefCell<BTreeMap<String, Option<ChainId>>>,
    loaded: Cell<bool>,
}

fn io(what: &Path) -> impl FnOnce(std::io::Error) -> SnapshotError {
    let what = what.display().to_string();
    move |error| SnapshotError::Layer(format!("{what}: {error}"))
}

fn sys(what: &Path) -> impl FnOnce(rustix::io::Errno) -> SnapshotError {
    let failed = io(what);
    move |error| failed(error.into())
}

fn vfs(what: &str) -> impl FnOnce(bottleship_vfs::Errno) -> SnapshotError {
    let what = what.to_owned();
    move |errno| SnapshotError::Layer(format!("{what}: {errno}"))
}

fn broken(error: bottleship_engine::layer::LayerError) -> SnapshotError {
    SnapshotError::Layer(error.to_string())
}

/// A digest without its algorithm.
fn hex_of(digest: &str) -> &str {
    digest.rsplit(':').next().unwrap_or(digest)
}

/// A name that a directory can have: keys are ids, with a suffix at most.
fn name_of(key: &str) -> Result<String, SnapshotError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    match !key.is_empty() && key.len() < 200 && key.chars().all(is_plain) && !key.starts_with('.') {
        true => Ok(key.replace(':', "-")),
        false => Err(SnapshotError::NotFound(key.into())),
    }
}

/// Fails where a file system can't be below or above an overlay, and says why.
///
/// # Errors
/// What the kernel says to a trial.
pub fn try_overlay(dir: &Path) -> anyhow::Result<()> {
    let trial = dir.join(".overlay-trial");
    let _ = fs::remove_dir_all(&trial);
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir_all(trial.join(name))?;
    }
    let (lower, upper) = (trial.join("lower"), trial.join("upper"));
    let (work, merged) = (trial.join("work"), trial.join("merged"));
    let overlay = OverlayMount {
        lower: vec![&lower],
        upper: &upper,
        work: &work,
        nodev: true,
    };
    let mounted = os::mount_overlay(&overlay, &merged);
    os::detach(&merged);
    let _ = fs::remove_dir_all(&trial);
    mounted
}

impl KernelSnapshots {
    /// Snapshots in these places. Layers of more than `limits` are refused.
    ///
    /// # Errors
    /// When the directories can't be made.
    pub fn new(
        content: Rc<dyn ContentStore>,
        store: Rc<dyn Store>,
        clock: Clock,
        limits: Limits,
        places: Places,
        walls: Walls,
    ) -> anyhow::Result<KernelSnapshots> {
        for dir in [&places.layers, &places.snapshots, &places.mapped] {
            fs::create_dir_all(dir)?;
        }
        let files = HostFiles::of(HostKind {
            devices: true,
            base: 0,
        });
        let container_files = HostFiles::of(HostKind {
            devices: !walls.strangers,
            base: walls.base(),
        });
        let snapshots = KernelSnapshots {
            content,
            store,
            clock,
            limits,
            places,
            walls,
            files,
            container_files,
            layers: RefCell::default(),
            active: RefCell::default(),
            dormant: RefCell::default(),
            loaded: Cell::new(false),
        };
        snapshots.make_init_layer()?;
        Ok(snapshots)
    }

    fn make_init_layer(&self) -> anyhow::Result<()> {
        let dir = self.dir_of("init");
        if dir.exists() {
            return Ok(());
        }
        let temporary = self.temporary()?;
        let tree = self.files.tree(&temporary)?;
        fill_init_layer(&tree.root)?;
        // Another engine may have been quicker.
        if fs::rename(&temporary, &dir).is_err() {
            let _ = fs::remove_dir_all(&temporary);
        }
        Ok(())
    }

    /// A fresh directory beside the layers.
    fn temporary(&self) -> std::io::Result<PathBuf> {
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).map_err(std::io::Error::other)?;
        let name = format!(".new-{:016x}", u64::from_le_bytes(unique));
        let dir = self.places.layers.join(name);
        fs::create_dir(&dir)?;
        Ok(dir)
    }

    /// Where a layer is, or would be made.
    fn dir_of(&self, name: &str) -> PathBuf {
        let shared = self.places.shared.as_ref().map(|dir| dir.join(name));
        shared
            .filter(|dir| dir.exists())
            .unwrap_or_else(|| self.places.layers.join(name))
    }

    fn layer_dir(&self, chain: &ChainId) -> PathBuf {
        self.dir_of(hex_of(chain.as_str()))
    }

    /// What a blob was when it was unpacked before, if that layer is still there. Names are digests of what was
    /// verified, so it does not matter who unpacked it.
    fn remembered(&self, parent: Option<&ChainId>, blob: &Digest) -> Option<LayerInfo> {
        let name = Path::new(BLOBS).join(hex_of(blob.as_str()));
        let places = self.places.shared.iter().chain([&self.places.layers]);
        let text = places
            .filter_map(|dir| fs::read_to_string(dir.join(&name)).ok())
            .next()?;
        let (diff_id, size) = text.trim().split_once(' ')?;
        let diff_id = diff_id.parse().ok()?;
        let info = LayerInfo {
            chain_id: ChainId::child(parent, &diff_id),
            diff_id,
            parent: parent.cloned(),
            blob: blob.clone(),
            size: size.parse().ok()?,
        };
        self.layer_dir(&info.chain_id).exists().then_some(info)
    }

    /// Notes what a blob is, so that it need not be unpacked to know. To forget it costs time only.
    fn remember(&self, info: &LayerInfo) {
        let dir = self.places.layers.join(BLOBS);
        let text = format!("{} {}", info.diff_id.as_str(), info.size);
        let written = fs::create_dir_all(&dir)
            .and_then(|()| fs::write(dir.join(hex_of(info.blob.as_str())), text));
        if let Err(error) = written {
            eprintln!("bottleship: {}: {error}", dir.display());
        }
    }

    fn snapshot_dir(&self, key: &str) -> Result<PathBuf, SnapshotError> {
        Ok(self.places.snapshots.join(name_of(key)?))
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
            if let Some(info) = LayerInfo::decode(&chain, &json) {
                self.layers.borrow_mut().insert(info.chain_id.clone(), info);
            }
        }
        for (key, json) in snapshots {
            if let Ok(stored) = serde_json::from_slice::<StoredSnapshot>(&json) {
                let parent = stored.parent.and_then(|parent| parent.parse().ok());
                self.dormant.borrow_mut().insert(key, parent);
            }
        }
        self.remove_strays();
        Ok(())
    }

    /// Removes containers' directories that nothing stored speaks of: a crash came between.
    fn remove_strays(&self) {
        let known: Vec<String> = self
            .dormant
            .borrow()
            .keys()
            .filter_map(|key| name_of(key).ok())
            .collect();
        let entries = fs::read_dir(&self.places.snapshots).into_iter().flatten();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != HOST && !known.contains(&name) {
                os::detach(&entry.path().join("merged"));
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn info(&self, chain: &ChainId) -> Result<LayerInfo, SnapshotError> {
        let found = self.layers.borrow().get(chain).cloned();
        found.ok_or_else(|| SnapshotError::NoLayer(chain.clone()))
    }

    /// Makes a layer's directory from its blob, unless it is there.
    async fn unpack(
        &self,
        parent: Option<&ChainId>,
        blob: &Digest,
        known: Option<&ChainId>,
    ) -> Result<LayerInfo, SnapshotError> {
        if let Some(chain) = known
            && self.layer_dir(chain).exists()
        {
            return self.info(chain);
        }
        if known.is_none()
            && let Some(info) = self.remembered(parent, blob)
        {
            return Ok(info);
        }
        let source = self.content.open(blob).await?;
        let temporary = self.temporary().map_err(io(&self.places.layers))?;
        let unpacked = self.unpack_into(&temporary, parent, blob, source);
        let info = match unpacked {
            Ok(info) => info,
            Err(error) => {
                let _ = fs::remove_dir_all(&temporary);
                return Err(error);
            }
        };
        let dir = self.layer_dir(&info.chain_id);
        if let Err(error) = fs::rename(&temporary, &dir) {
            let _ = fs::remove_dir_all(&temporary);
            if !dir.exists() {
                return Err(io(&dir)(error));
            }
        }
        self.remember(&info);
        Ok(info)
    }

    fn unpack_into(
        &self,
        dir: &Path,
        parent: Option<&ChainId>,
        blob: &Digest,
        source: Rc<dyn ReadAt>,
    ) -> Result<LayerInfo, SnapshotError> {
        let tree = self.files.tree(dir).map_err(sys(dir))?;
        let source = BufReader::with_capacity(CHUNK, Cursor::new(source));
        let plain = Decompressor::new(source).map_err(broken)?;
        let applied = apply(plain, &tree.root, &self.limits).map_err(broken)?;
        // What is acknowledged is durable: all of the layer, before its name.
        let fd = rustix::fs::open(
            dir,
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .map_err(sys(dir))?;
        rustix::fs::syncfs(fd).map_err(sys(dir))?;
        Ok(LayerInfo {
            chain_id: ChainId::child(parent, &applied.diff_id),
            diff_id: applied.diff_id,
            parent: parent.cloned(),
            blob: blob.clone(),
            size: applied.size,
        })
    }

    /// The directories of a layer and those below it, topmost first, the one below all images last.
    async fn dirs(&self, top: Option<&ChainId>) -> Result<Vec<PathBuf>, SnapshotError> {
        let mut dirs = Vec::new();
        let mut next = top.cloned();
        while let Some(chain) = next {
            let info = self.info(&chain)?;
            self.unpack(info.parent.as_ref(), &info.blob, Some(&chain))
                .await?;
            dirs.push(self.layer_dir(&chain));
            next = info.parent;
        }
        Ok(dirs)
    }

    fn trees(&self, dirs: &[PathBuf]) -> Result<Vec<InodeRef>, SnapshotError> {
        let tree = |dir: &PathBuf| Ok(self.files.tree(dir).map_err(sys(dir))?.root);
        dirs.iter().map(tree).collect()
    }

    /// Where a layer appears with owners that containers can have.
    fn mapped(&self, dir: &Path) -> Result<PathBuf, SnapshotError> {
        let Some(users) = &self.walls.users else {
            return Ok(dir.to_owned());
        };
        let at = self.places.mapped.join(dir.file_name().unwrap_or_default());
        if !at.exists() {
            fs::create_dir(&at).map_err(io(&at))?;
            os::bind_mapped(dir, &at, users.as_fd()).map_err(io(&at))?;
        }
        Ok(at)
    }

    async fn activate(
        &self,
        key: &str,
        parent: Option<ChainId>,
    ) -> Result<Rc<Active>, SnapshotError> {
        let mut layers = self.dirs(parent.as_ref()).await?;
        layers.push(self.dir_of("init"));
        self.mount(key, parent, &layers)
    }

    /// A writable root on directories that are no image's layers: a session's own host.
    ///
    /// # Errors
    /// When it can't be mounted.
    pub fn host_root(&self, layers: &[PathBuf]) -> Result<RootFs, SnapshotError> {
        Ok(rootfs(&*self.mount(HOST, None, layers)?))
    }

    fn mount(
        &self,
        key: &str,
        parent: Option<ChainId>,
        layers: &[PathBuf],
    ) -> Result<Rc<Active>, SnapshotError> {
        let dir = self.snapshot_dir(key)?;
        let (upper, work, merged) = (dir.join("upper"), dir.join("work"), dir.join("merged"));
        for part in [&upper, &work, &merged] {
            if !part.exists() {
                fs::create_dir_all(part).map_err(io(part))?;
                let root = self.walls.users.as_ref().map(|users| users.base);
                std::os::unix::fs::chown(part, root, root).map_err(io(part))?;
            }
        }
        let mapped = layers
            .iter()
            .map(|dir| self.mapped(dir))
            .collect::<Result<Vec<_>, _>>()?;
        let overlay = OverlayMount {
            lower: mapped.iter().map(PathBuf::as_path).collect(),
            upper: &upper,
            work: &work,
            nodev: self.walls.strangers,
        };
        os::detach(&merged);
        os::mount_overlay(&overlay, &merged)
            .map_err(|error| SnapshotError::Layer(format!("{error:#}")))?;
        let text = |path: &Path| path.display().to_string();
        // An upper directory holds whiteouts, which are devices.
        let kind = HostKind {
            devices: true,
            base: self.walls.base(),
        };
        Ok(Rc::new(Active {
            parent,
            lowers: self.trees(layers)?,
            upper: HostFiles::of(kind).tree(&upper).map_err(sys(&upper))?.root,
            merged: self.container_files.tree(&merged).map_err(sys(&merged))?,
            dirs: OverlayDirs {
                lower: mapped.iter().map(|path| text(path)).collect(),
                upper: Some(text(&upper)),
                work: Some(text(&work)),
                merged: text(&merged),
            },
        }))
    }

    async fn open(&self, key: &str) -> Result<Rc<Active>, SnapshotError> {
        self.load().await?;
        if let Some(active) = self.active.borrow().get(key) {
            return Ok(active.clone());
        }
        let parent = self.dormant.borrow().get(key).cloned();
        let parent = parent.ok_or_else(|| SnapshotError::NotFound(key.into()))?;
        let active = self.activate(key, parent).await?;
        self.active.borrow_mut().insert(key.into(), active.clone());
        self.dormant.borrow_mut().remove(key);
        Ok(active)
    }
}

fn rootfs(active: &Active) -> RootFs {
    RootFs {
        tree: active.merged.root.clone(),
        fs: Rc::new(active.merged.clone()),
        overlay: Some(active.dirs.clone()),
    }
}

#[async_trait(?Send)]
impl Snapshotter for KernelSnapshots {
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
        let active = self.activate(key, parent.cloned()).await?;
        let meta = StoredSnapshot {
            parent: parent.map(|parent| parent.as_str().into()),
        };
        let value = serde_json::to_vec(&meta).unwrap_or_default().into();
        let put = Op::Put {
            bucket: SNAPSHOTS,
            key: key.into(),
            value,
        };
        self.store.commit(vec![put]).await?;
        self.active.borrow_mut().insert(key.into(), active.clone());
        Ok(rootfs(&active))
    }

    async fn view(&self, layer: Option<&ChainId>) -> Result<InodeRef, SnapshotError> {
        self.load().await?;
        let mut lowers = self.trees(&self.dirs(layer).await?)?;
        if lowers.is_empty() {
            let empty = self.places.layers.join("empty");
            fs::create_dir_all(&empty).map_err(io(&empty))?;
            lowers = self.trees(&[empty])?;
        }
        let overlay = Overlay::new(&self.clock, lowers, None).map_err(vfs("joining layers"))?;
        Ok(overlay.root())
    }

    async fn layer_tree(&self, layer: &ChainId) -> Result<InodeRef, SnapshotError> {
        self.load().await?;
        let info = self.info(layer)?;
        self.unpack(info.parent.as_ref(), &info.blob, Some(layer))
            .await?;
        let dir = self.layer_dir(layer);
        Ok(self.files.tree(&dir).map_err(sys(&dir))?.root)
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
            self.info(parent)?;
        }
        let info = self.unpack(parent, blob, None).await?;
        if let Ok(known) = self.info(&info.chain_id) {
            return Ok(known);
        }
        let put = Op::Put {
            bucket: LAYERS,
            key: info.chain_id.as_str().into(),
            value: info.encode(),
        };
        self.store.commit(vec![put]).await?;
        self.layers
            .borrow_mut()
            .insert(info.chain_id.clone(), info.clone());
        Ok(info)
    }

    async fn commit(&self, key: &str) -> Result<Option<LayerInfo>, SnapshotError> {
        let active = self.open(key).await?;
        let mut packed = pack_diff(&active.upper).map_err(broken)?;
        if packed.entries == 0 {
            return Ok(None);
        }
        let mut writer = self.content.writer();
        while let Some(piece) = packed.next_piece().map_err(broken)? {
            writer.write(piece).await?;
        }
        let blob = writer.seal().await?;
        self.apply(active.parent.as_ref(), &blob).await.map(Some)
    }

    async fn diff(&self, key: &str) -> Result<Bytes, SnapshotError> {
        let active = self.open(key).await?;
        let mut tar = Vec::new();
        diff(&active.upper, &mut tar).map_err(broken)?;
        Ok(tar.into())
    }

    async fn changes(&self, key: &str) -> Result<Vec<Change>, SnapshotError> {
        let active = self.open(key).await?;
        let lower = Overlay::new(&self.clock, active.lowers.clone(), None)
            .map_err(vfs("joining layers"))?;
        changes(&active.upper, &lower.root()).map_err(broken)
    }

    async fn usage(&self, key: &str) -> Result<Usage, SnapshotError> {
        usage(&self.open(key).await?.upper).map_err(broken)
    }

    async fn sync(&self, _key: &str) -> Result<(), SnapshotError> {
        // Files are the kernel's; it writes them by itself.
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), SnapshotError> {
        self.load().await?;
        let active = self.active.borrow_mut().remove(key);
        let dormant = self.dormant.borrow_mut().remove(key);
        if active.is_none() && dormant.is_none() {
            return Ok(());
        }
        let delete = Op::Delete {
            bucket: SNAPSHOTS,
            key: key.into(),
        };
        self.store.commit(vec![delete]).await?;
        let dir = self.snapshot_dir(key)?;
        drop(active);
        os::detach(&dir.join("merged"));
        // Big trees take a while, and nobody waits for the space.
        std::thread::spawn(move || fs::remove_dir_all(&dir));
        Ok(())
    }

    async fn layer(&self, layer: &ChainId) -> Result<Option<LayerInfo>, SnapshotError> {
        self.load().await?;
        Ok(self.layers.borrow().get(layer).cloned())
    }

    async fn layers(&self) -> Result<Vec<LayerInfo>, SnapshotError> {
        self.load().await?;
        Ok(self.layers.borrow().values().cloned().collect())
    }

    async fn remove_layer(&self, layer: &ChainId) -> Result<(), SnapshotError> {
        self.load().await?;
        self.info(layer)?;
        let is_parent = |parent: &Option<ChainId>| parent.as_ref() == Some(layer);
        let is_below_layer = self
            .layers
            .borrow()
            .values()
            .any(|other| is_parent(&other.parent));
        let used = is_below_layer
            || self.active.borrow().values().any(|a| is_parent(&a.parent))
            || self.dormant.borrow().values().any(is_parent);
        if used {
            return Err(SnapshotError::InUse(layer.clone()));
        }
        let delete = Op::Delete {
            bucket: LAYERS,
            key: layer.as_str().into(),
        };
        self.store.commit(vec![delete]).await?;
        self.layers.borrow_mut().remove(layer);
        // Others' layers stay.
        let dir = self.places.layers.join(hex_of(layer.as_str()));
        os::detach(&self.places.mapped.join(dir.file_name().unwrap_or_default()));
        // First out of sight, so that half a layer is never taken for one.
        if let Ok(temporary) = self.temporary()
            && fs::rename(&dir, &temporary).is_ok()
        {
            let _ = fs::remove_dir_all(&temporary);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bottleship_engine::emulated::EmulatedSnapshots;
    use bottleship_engine::emulated::StoredContent;
    use bottleship_engine::store::MemoryStore;
    use bottleship_vfs::{
        CreatePerm, Errno, NewNode, Quota, RenameFlags, SetAttr, Time, XattrFlags,
    };
    use futures::executor::block_on;

    use super::*;

    const PERM: CreatePerm = CreatePerm {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };

    /// A layer with something of everything to change.
    fn base_layer() -> Bytes {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind: tar::EntryType, mode: u32, owner: u64, data: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(owner);
            header.set_gid(owner);
            header.set_mtime(1_700_000_000);
            header.set_size(data.len() as u64);
            tar.append_data(&mut header, path, data).expect("an entry");
        };
        for dir in ["etc", "gone", "opaque", "opaque/below", "kept", "moved"] {
            add(dir, tar::EntryType::Directory, 0o755, 0, b"");
        }
        add(
            "etc/passwd",
            tar::EntryType::Regular,
            0o644,
            0,
            b"root:x:0:0::/:\n",
        );
        add("gone/file", tar::EntryType::Regular, 0o600, 7, b"x");
        add("opaque/below/file", tar::EntryType::Regular, 0o644, 0, b"y");
        add(
            "kept/setuid",
            tar::EntryType::Regular,
            0o4755,
            1000,
            b"#!/bin/sh\n",
        );
        add("moved/file", tar::EntryType::Regular, 0o644, 33, &[7; 9000]);
        tar.into_inner().expect("a tar").into()
    }

    fn write(inode: &InodeRef, data: &[u8]) -> Result<(), Errno> {
        assert_eq!(inode.write_at(0, data)?, data.len());
        Ok(())
    }

    /// What containers do to files, by the inodes of a mounted root.
    fn change(root: &InodeRef) -> Result<(), Errno> {
        let etc = root.lookup(b"etc")?;
        write(&etc.lookup(b"passwd")?, b"ROOT")?;
        let new = etc.create(
            b"new",
            NewNode::File,
            CreatePerm {
                mode: 0o640,
                uid: 5,
                gid: 6,
            },
        )?;
        write(&new, b"fresh")?;
        new.set_xattr(b"user.note", b"hello", XattrFlags::empty())?;
        etc.link(b"other-name", &new)?;
        etc.create(b"link", NewNode::Symlink(b"/etc/new"), PERM)?;
        etc.create(b"fifo", NewNode::Fifo, PERM)?;
        etc.create(b"null", NewNode::CharDev(0x103), PERM)?;
        let gone = root.lookup(b"gone")?;
        gone.unlink(b"file")?;
        root.rmdir(b"gone")?;
        let opaque = root.lookup(b"opaque")?;
        let below = opaque.lookup(b"below")?;
        below.unlink(b"file")?;
        opaque.rmdir(b"below")?;
        write(
            &opaque
                .create(b"below", NewNode::Dir, PERM)?
                .create(b"fresh", NewNode::File, PERM)?,
            b"z",
        )?;
        root.lookup(b"kept")?
            .lookup(b"setuid")?
            .set_attr(&SetAttr {
                uid: Some(12),
                ..SetAttr::default()
            })?;
        let moved = root.lookup(b"moved")?;
        moved.rename(b"file", root, b"here", RenameFlags::empty())?;
        // The two clocks differ; the times of what changed are not what is compared.
        let at = Time {
            sec: 1_750_000_000,
            nsec: 500,
        };
        let stamp = |inode: &InodeRef| {
            inode.set_attr(&SetAttr {
                atime: Some(at),
                mtime: Some(at),
                ..SetAttr::default()
            })
        };
        for name in [&b"passwd"[..], b"new", b"link", b"fifo", b"null"] {
            stamp(&etc.lookup(name)?)?;
        }
        stamp(&opaque.lookup(b"below")?.lookup(b"fresh")?)?;
        stamp(&opaque.lookup(b"below")?)?;
        for dir in [&b"etc"[..], b"opaque", b"moved"] {
            stamp(&root.lookup(dir)?)?;
        }
        Ok(())
    }

    /// A tar in words, for a failure that tells what differs.
    fn listing(tar: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(tar);
        let entries = archive.entries().expect("a tar");
        entries
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let extended: Vec<String> = entry
                    .pax_extensions()
                    .ok()
                    .flatten()
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|pair| format!("{:?}={:?}", pair.key(), pair.value()))
                    .collect();
                format!("{:?} {:?} {extended:?}", entry.path(), entry.header())
            })
            .collect()
    }

    #[test]
    fn layers_are_the_same_bytes_as_emulated_ones() {
        let dir = tempfile::tempdir().expect("a directory");
        if !rustix::process::geteuid().is_root() || try_overlay(dir.path()).is_err() {
            println!("skipped: overlayfs can't be mounted here (root, and a file system it takes)");
            return;
        }
        let place = |name: &str| dir.path().join(name);
        let (store, clock) = (Rc::new(MemoryStore::default()), Clock::new());
        let content = Rc::new(StoredContent::new(store.clone()));
        let emulated = EmulatedSnapshots::new(
            content.clone(),
            Rc::new(MemoryStore::default()),
            clock.clone(),
            (Quota::unlimited(), Quota::unlimited()),
            Limits::default(),
        )
        .expect("emulated snapshots");
        let kernel = KernelSnapshots::new(
            content.clone(),
            store,
            clock,
            Limits::default(),
            Places {
                layers: place("layers"),
                shared: None,
                snapshots: place("snapshots"),
                mapped: place("mapped"),
            },
            Walls::default(),
        )
        .expect("snapshots of the kernel");
        let made = block_on(async {
            let blob = content.put(base_layer()).await.expect("a blob");
            let mut made = Vec::new();
            for snapshots in [&emulated as &dyn Snapshotter, &kernel] {
                let layer = snapshots.apply(None, &blob).await.expect("a layer");
                let root = snapshots
                    .prepare("c", Some(&layer.chain_id))
                    .await
                    .expect("a root");
                change(&root.tree).expect("changes");
                if let Some(upper) = root.overlay.and_then(|dirs| dirs.upper) {
                    // A whiteout has the time it was made at, by the emulator's clock 1970.
                    let zero = rustix::fs::Timespec {
                        tv_sec: 0,
                        tv_nsec: 0,
                    };
                    let times = rustix::fs::Timestamps {
                        last_access: zero,
                        last_modification: zero,
                    };
                    for name in ["gone", "moved/file"] {
                        let path = Path::new(&upper).join(name);
                        rustix::fs::utimensat(
                            rustix::fs::CWD,
                            path,
                            &times,
                            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
                        )
                        .expect("a whiteout");
                    }
                }
                let tar = snapshots.diff("c").await.expect("a diff");
                let changes = snapshots.changes("c").await.expect("changes");
                let usage = snapshots.usage("c").await.expect("a size");
                let layer = snapshots.commit("c").await.expect("a commit");
                made.push((tar, changes, usage.size, layer.map(|layer| layer.diff_id)));
                snapshots.remove("c").await.expect("removed");
            }
            made
        });
        let [emulated, kernel] = made.try_into().expect("two");
        assert_eq!(emulated.1, kernel.1);
        assert_eq!(emulated.2, kernel.2);
        assert_eq!(listing(&emulated.0), listing(&kernel.0));
        assert_eq!(emulated.3, kernel.3);
        assert!(emulated.0 == kernel.0, "the tars differ");
        assert!(emulated.0.len() > 4096);
    }
}
