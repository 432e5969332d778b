//! An engine's images with a registry, all in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_oci::config::{ContainerConfig, RawConfig};
use bottleship_oci::save::{Piece, SavedImage, write};
use bottleship_oci::{ChainId, DiffId, Digest, History, ImageConfig, Reference};
use bottleship_vfs::InodeRef;
use bytes::Bytes;
use futures::executor::block_on;

use super::{ImagePorts, Images, Progress, Settings, blob};
use crate::api::types::{JsonMessage, Timestamp};
use crate::clock::{ManualClock, SeededEntropy};
use crate::content::{ContentStore, read_exact, unreadable};
use crate::emulated::StoredContent;
use crate::fetch::{Fetch, NoFetch};
use crate::pipe::pipe;
use crate::registry::{Authorizer, Limits, Open, Registry};
use crate::snapshot::{Change, LayerInfo, RootFs, SnapshotError, Snapshotter, Usage};
use crate::store::{MemoryStore, Store};

/// Layers that are only remembered, never unpacked.
pub(super) struct FakeSnapshots {
    content: Rc<dyn ContentStore>,
    layers: RefCell<BTreeMap<ChainId, LayerInfo>>,
}

fn unused<T>() -> Result<T, SnapshotError> {
    Err(SnapshotError::NotFound(
        "none of these layers can be mounted".into(),
    ))
}

#[async_trait(?Send)]
impl Snapshotter for FakeSnapshots {
    fn driver(&self) -> &'static str {
        "overlay2"
    }
    async fn prepare(&self, _: &str, _: Option<&ChainId>) -> Result<RootFs, SnapshotError> {
        unused()
    }
    async fn view(&self, _: Option<&ChainId>) -> Result<InodeRef, SnapshotError> {
        unused()
    }
    async fn layer_tree(&self, _: &ChainId) -> Result<InodeRef, SnapshotError> {
        unused()
    }
    async fn rootfs(&self, _: &str) -> Result<RootFs, SnapshotError> {
        unused()
    }
    async fn apply(
        &self,
        parent: Option<&ChainId>,
        digest: &Digest,
    ) -> Result<LayerInfo, SnapshotError> {
        let blob = self.content.open(digest).await?;
        let tar = blob::plain(&*self.content, blob, 1 << 20).await;
        let tar = tar.map_err(|e| SnapshotError::Layer(e.to_string()))?;
        let mut bytes = vec![0; tar.size() as usize];
        read_exact(&*tar, 0, &mut bytes).map_err(unreadable)?;
        let tar = bytes;
        let diff_id = DiffId(Digest::of(&tar));
        let chain_id = ChainId::child(parent, &diff_id);
        let (parent, blob, size) = (parent.cloned(), digest.clone(), tar.len() as u64);
        let info = LayerInfo {
            chain_id: chain_id.clone(),
            diff_id,
            parent,
            blob,
            size,
        };
        Ok(self
            .layers
            .borrow_mut()
            .entry(chain_id)
            .or_insert(info)
            .clone())
    }
    async fn commit(&self, _: &str) -> Result<Option<LayerInfo>, SnapshotError> {
        unused()
    }
    async fn diff(&self, _: &str) -> Result<Bytes, SnapshotError> {
        unused()
    }
    async fn changes(&self, _: &str) -> Result<Vec<Change>, SnapshotError> {
        unused()
    }
    async fn usage(&self, _: &str) -> Result<Usage, SnapshotError> {
        unused()
    }
    async fn sync(&self, _: &str) -> Result<(), SnapshotError> {
        unused()
    }
    async fn remove(&self, _: &str) -> Result<(), SnapshotError> {
        unused()
    }
    async fn layer(&self, layer: &ChainId) -> Result<Option<LayerInfo>, SnapshotError> {
        Ok(self.layers.borrow().get(layer).cloned())
    }
    async fn layers(&self) -> Result<Vec<LayerInfo>, SnapshotError> {
        Ok(self.layers.borrow().values().cloned().collect())
    }
    async fn remove_layer(&self, layer: &ChainId) -> Result<(), SnapshotError> {
        let mut layers = self.layers.borrow_mut();
        if layers.values().any(|l| l.parent.as_ref() == Some(layer)) {
            return Err(SnapshotError::InUse(layer.clone()));
        }
        layers.remove(layer);
        Ok(())
    }
}

/// A whole world of images.
pub(super) struct World {
    pub images: Images,
    pub store: Rc<MemoryStore>,
    pub content: Rc<dyn ContentStore>,
    pub snapshots: Rc<FakeSnapshots>,
    pub registry: Rc<Registry>,
    pub clock: Rc<ManualClock>,
    pub events: Rc<RefCell<Vec<String>>>,
}

impl World {
    pub fn new() -> World {
        World::with(
            Rc::new(MemoryStore::default()),
            None,
            Rc::new(NoFetch),
            Rc::new(Open),
            Settings::default(),
        )
    }

    /// The same machine after a crash: the store is left, and the layers.
    pub fn again(&self) -> World {
        let snapshots = Some(self.snapshots.clone());
        World::with(
            self.store.clone(),
            snapshots,
            Rc::new(NoFetch),
            Rc::new(Open),
            Settings::default(),
        )
    }

    pub fn with(
        store: Rc<MemoryStore>,
        snapshots: Option<Rc<FakeSnapshots>>,
        fetch: Rc<dyn Fetch>,
        auth: Rc<dyn Authorizer>,
        settings: Settings,
    ) -> World {
        let content: Rc<dyn ContentStore> =
            Rc::new(StoredContent::new(store.clone() as Rc<dyn Store>));
        let snapshots = snapshots.unwrap_or_else(|| {
            Rc::new(FakeSnapshots {
                content: content.clone(),
                layers: RefCell::default(),
            })
        });
        let clock = Rc::new(ManualClock::new(Timestamp::from_unix(1_800_000_000, 0)));
        let entropy = Rc::new(SeededEntropy::new([7; 32]));
        let events: Rc<RefCell<Vec<String>>> = Rc::default();
        let sink = events.clone();
        let ports = ImagePorts {
            content: content.clone(),
            snapshots: snapshots.clone(),
            store: store.clone(),
            fetch,
            clock: clock.clone(),
            entropy: entropy.clone(),
            events: Rc::new(move |action, id, _| sink.borrow_mut().push(format!("{action} {id}"))),
        };
        let images = Images::new(ports, settings);
        // Another store, so that what the registry has cannot come from the images' own content.
        let theirs: Rc<dyn Store> = Rc::new(MemoryStore::default());
        let blobs = Rc::new(StoredContent::new(theirs.clone()));
        let registry = Registry::new(
            blobs,
            theirs,
            clock.clone(),
            entropy,
            auth,
            Limits::default(),
        );
        let registry = Rc::new(registry);
        images.attach_registry("127.0.0.1:5000", registry.clone());
        block_on(images.load_state()).unwrap_or_else(|e| panic!("{e}"));
        World {
            images,
            store,
            content,
            snapshots,
            registry,
            clock,
            events,
        }
    }

    /// Loads an image of these layers under these names.
    pub fn load(&self, layers: &[&'static [u8]], tags: &[&str]) -> RawConfig {
        let config = config(layers);
        self.load_archive(archive(&config, layers, tags));
        config
    }

    pub fn load_archive(&self, bytes: Bytes) -> Vec<String> {
        let (messages, result) =
            self.run(async |images, progress| images.load(bytes, true, progress).await);
        result.unwrap_or_else(|e| panic!("{e}"));
        messages
    }

    /// Runs an operation and returns its messages as the docker client prints them without a
    /// terminal: byte counts left out.
    pub fn run<T>(&self, f: impl AsyncFnOnce(&Images, &Progress) -> T) -> (Vec<String>, T) {
        let (writer, mut reader) = pipe(1 << 20);
        let progress = Progress::new(writer);
        let result = block_on(f(&self.images, &progress));
        drop(progress);
        let all = block_on(reader.read_to_end(1 << 20)).unwrap_or_default();
        let lines = String::from_utf8_lossy(&all);
        let messages = lines.lines().filter_map(|line| {
            let message: JsonMessage =
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            let counts = message.progress_detail.is_some_and(|p| p.total > 0);
            let text = format!("{}{}", message.status, message.stream.trim_end());
            let id = if message.id.is_empty() {
                String::new()
            } else {
                format!("{}: ", message.id)
            };
            (!counts && message.aux.is_none()).then(|| format!("{id}{text}"))
        });
        (messages.collect(), result)
    }
}

pub(super) fn config(layers: &[&[u8]]) -> RawConfig {
    let mut config = ImageConfig {
        architecture: "amd64".into(),
        os: "linux".into(),
        created: Some("2023-05-18T22:34:17Z".into()),
        config: Some(ContainerConfig {
            cmd: Some(vec!["sh".into()]),
            ..Default::default()
        }),
        ..Default::default()
    };
    for layer in layers {
        config.rootfs.diff_ids.push(DiffId(Digest::of(layer)));
        config.history.push(History {
            created_by: "ADD".into(),
            ..Default::default()
        });
    }
    config.history.push(History {
        created_by: "CMD".into(),
        empty_layer: true,
        ..Default::default()
    });
    RawConfig::new(config)
}

pub(super) fn archive(config: &RawConfig, layers: &[&'static [u8]], tags: &[&str]) -> Bytes {
    let image = SavedImage {
        config: config.clone(),
        layers: layers.iter().map(|l| l.len() as u64).collect(),
        tags: tags.iter().map(|t| reference(t)).collect(),
        parent: None,
    };
    let diff_ids = &config.config.rootfs.diff_ids;
    let bytes = |piece: Piece| match piece {
        Piece::Bytes(bytes) => bytes,
        Piece::Layer(diff_id) => {
            let at = diff_ids.iter().position(|d| *d == diff_id);
            Bytes::from_static(layers[at.unwrap_or_else(|| panic!("{diff_id}"))])
        }
    };
    let pieces: Vec<Bytes> = write(&[image]).into_iter().map(bytes).collect();
    pieces.concat().into()
}

pub(super) fn reference(name: &str) -> Reference {
    Reference::parse(name).unwrap_or_else(|e| panic!("{name}: {e}"))
}
