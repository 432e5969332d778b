//! Images: what is stored, what it is called, and every operation on it.
//!
//! Docker's classic image store: an image is named by the digest of its configuration, its layers
//! are [`crate::snapshot`]s named by their chain, and tags and digests are references to images.
//! Content and layers are made durable first, then one [`Store::commit`] makes an image with its
//! references exist; a crash in between leaves content that [`Images::collect`] removes.

pub(crate) mod blob;
mod changes;
mod commit;
mod disk_usage;
mod distribution;
mod history;
#[cfg(test)]
mod hub_tests;
mod import;
mod inspect;
mod list;
mod load;
mod login;
mod lookup;
mod progress;
mod prune;
mod pull;
mod push;
mod remote;
#[cfg(test)]
mod remote_tests;
mod remove;
mod save;
mod search;
mod source;
mod state;
mod tag;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transfer_tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bottleship_oci::config::RawConfig;
use bottleship_oci::{ChainId, Digest, ImageId, Platform, Reference};

use crate::api::ApiError;
use crate::api::types::{StringMap, Timestamp};
use crate::clock::{Clock, Entropy};
use crate::content::ContentStore;
use crate::fetch::Fetch;
use crate::snapshot::Snapshotter;
use crate::store::Store;

pub use changes::{apply_changes, merge_config};
pub use commit::Commit;
pub use import::Import;
pub use inspect::oci_config;
pub use list::ListOptions;
pub use progress::Progress;
pub use pull::Pull;
pub use push::Push;
pub use search::Search;
pub use tag::target;

use state::State;

/// What is told about images: action, image id, attributes.
pub type EventSink = Rc<dyn Fn(&str, &str, StringMap)>;

/// What images need from outside.
#[derive(Clone)]
pub struct ImagePorts {
    /// Blobs by digest.
    pub content: Rc<dyn ContentStore>,
    /// Layers.
    pub snapshots: Rc<dyn Snapshotter>,
    /// Durable state.
    pub store: Rc<dyn Store>,
    /// HTTP to registries.
    pub fetch: Rc<dyn Fetch>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Randomness.
    pub entropy: Rc<dyn Entropy>,
    /// Who is told what happened.
    pub events: EventSink,
}

/// What the operator decides about images.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The platform pulled and loaded by default.
    pub platform: Platform,
    /// Registries (`host[:port]`) that may be spoken to over plain HTTP, besides loopback addresses.
    pub insecure_registries: Vec<String>,
    /// Base addresses asked before Docker Hub.
    pub mirrors: Vec<String>,
    /// Bytes of one layer, archive or blob at most.
    pub max_blob: u64,
    /// Docker's version noted in configurations written here.
    pub docker_version: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            platform: Platform::linux_amd64(),
            insecure_registries: Vec::new(),
            mirrors: Vec::new(),
            max_blob: 1 << 30,
            docker_version: "28.2.2".into(),
        }
    }
}

/// A container, as far as images are concerned.
#[derive(Clone, Debug)]
pub struct ImageUser {
    /// Its id, 64 hexadecimal digits.
    pub container: String,
    /// The image it was made of.
    pub image: ImageId,
    /// Whether it runs (paused included).
    pub running: bool,
}

/// A stored image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its configuration, verbatim and typed.
    pub config: RawConfig,
    /// The image it was built on here.
    pub parent: Option<ImageId>,
    /// When it got its last tag here; Go's zero time for never.
    pub last_tag_time: Timestamp,
    /// Made here, by a build or commit: only such images count for the build cache.
    pub local: bool,
}

impl Image {
    /// Its id.
    pub fn id(&self) -> ImageId {
        self.config.id()
    }

    /// Chains of its layers, bottom first.
    pub fn chains(&self) -> Vec<ChainId> {
        ChainId::chain(&self.config.config.rootfs.diff_ids)
    }

    /// The chain of all its layers; `None` for an image without layers.
    pub fn top(&self) -> Option<ChainId> {
        self.config.config.chain_id()
    }

    /// When it was created; Go's zero time if it does not say.
    pub fn created(&self) -> Timestamp {
        self.config
            .config
            .created_at()
            .map_or(Timestamp::ZERO, Timestamp::from_nanos)
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        self.config.config.config.as_ref()?.labels.as_ref()
    }
}

struct Inner {
    ports: ImagePorts,
    settings: Settings,
    state: RefCell<State>,
    /// Registries inside this engine, by `host[:port]`.
    local: RefCell<BTreeMap<String, Rc<dyn Fetch>>>,
    /// Layers and blobs of operations under way, which nothing may remove.
    pins: Rc<RefCell<Pins>>,
    /// Who else keeps blobs of the content store.
    keepers: RefCell<Vec<Keeper>>,
}

type Keeper = Rc<dyn Fn(&Digest) -> bool>;

#[derive(Default)]
struct Pins {
    layers: BTreeMap<ChainId, usize>,
    blobs: BTreeMap<Digest, usize>,
}

/// The images of an engine. Clones are handles of the same images.
#[derive(Clone)]
pub struct Images(Rc<Inner>);

impl Images {
    /// No images yet; see [`Images::load_state`].
    pub fn new(ports: ImagePorts, settings: Settings) -> Images {
        Images(Rc::new(Inner {
            ports,
            settings,
            state: RefCell::default(),
            local: RefCell::default(),
            pins: Rc::default(),
            keepers: RefCell::default(),
        }))
    }

    /// Keeps blobs that someone else has in the same content store, such as a registry.
    pub fn keep_blobs(&self, keeper: Keeper) {
        self.0.keepers.borrow_mut().push(keeper);
    }

    /// Serves a registry inside this engine under a name such as `localhost:5000`.
    pub fn attach_registry(&self, domain: &str, registry: Rc<dyn Fetch>) {
        self.0.local.borrow_mut().insert(domain.into(), registry);
    }

    fn ports(&self) -> &ImagePorts {
        &self.0.ports
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn now(&self) -> Timestamp {
        self.0.ports.clock.now()
    }

    /// Tells that something happened to an image.
    fn emit(&self, action: &str, id: &str, name: &str) {
        let mut attributes = StringMap::new();
        if let Some(image) = id.parse().ok().and_then(|id| self.get(&id))
            && let Some(labels) = image.labels()
        {
            attributes.extend(labels.clone());
        }
        attributes.insert("name".into(), name.into());
        (self.0.ports.events)(action, id, attributes);
    }

    /// Keeps layers and blobs from being removed while the guard lives.
    fn pin(&self, layers: Vec<ChainId>, blobs: Vec<Digest>) -> PinGuard {
        let mut pins = self.0.pins.borrow_mut();
        for layer in &layers {
            *pins.layers.entry(layer.clone()).or_default() += 1;
        }
        for blob in &blobs {
            *pins.blobs.entry(blob.clone()).or_default() += 1;
        }
        PinGuard {
            pins: self.0.pins.clone(),
            layers,
            blobs,
        }
    }

    fn is_pinned_layer(&self, layer: &ChainId) -> bool {
        self.0.pins.borrow().layers.contains_key(layer)
    }

    fn is_pinned_blob(&self, blob: &Digest) -> bool {
        self.0.pins.borrow().blobs.contains_key(blob)
            || self.0.keepers.borrow().iter().any(|keeps| keeps(blob))
    }

    /// Removes layers of no image and blobs of no layer, as a crash may leave them. For the time
    /// between loading state and the first request. `layers` are those that others use: containers,
    /// the build cache.
    pub async fn collect(&self, layers: &BTreeSet<ChainId>) -> Result<(), ApiError> {
        let mut used: BTreeSet<ChainId> = layers.clone();
        for image in self.all() {
            used.extend(image.chains());
        }
        let snapshots = &self.ports().snapshots;
        // Children first; a layer something is built on says so and stays for the next round.
        loop {
            let mut removed = false;
            for layer in snapshots.layers().await? {
                let kept = used.contains(&layer.chain_id) || self.is_pinned_layer(&layer.chain_id);
                removed |= !kept && snapshots.remove_layer(&layer.chain_id).await.is_ok();
            }
            if !removed {
                break;
            }
        }
        let layers = snapshots.layers().await?;
        let kept: BTreeSet<&Digest> = layers
            .iter()
            .flat_map(|l| [&l.blob, &l.diff_id.0])
            .collect();
        for info in self.ports().content.list().await? {
            if !kept.contains(&info.digest) && !self.is_pinned_blob(&info.digest) {
                self.ports().content.delete(&info.digest).await?;
            }
        }
        Ok(())
    }

    /// Removes layers, topmost first, that no image uses any more; returns those that went.
    async fn release(&self, chains: &[ChainId]) -> Result<Vec<ChainId>, ApiError> {
        let mut removed = Vec::new();
        let snapshots = &self.ports().snapshots;
        for chain in chains.iter().rev() {
            if self.is_pinned_layer(chain) || self.all().iter().any(|i| i.chains().contains(chain))
            {
                break;
            }
            let Some(info) = snapshots.layer(chain).await? else {
                continue;
            };
            // A container's snapshot, or a build's, holds it.
            if snapshots.remove_layer(chain).await.is_err() {
                break;
            }
            removed.push(chain.clone());
            let mut unused = vec![info.blob];
            if self.ports().content.is_outside() && info.diff_id.0 != unused[0] {
                unused.push(info.diff_id.0);
            }
            self.drop_unused(unused).await?;
        }
        Ok(removed)
    }

    /// Bytes of an image's layers.
    pub async fn size(&self, image: &Image) -> Result<u64, ApiError> {
        let mut size = 0;
        for chain in image.chains() {
            if let Some(layer) = self.ports().snapshots.layer(&chain).await? {
                size += layer.size;
            }
        }
        Ok(size)
    }

    /// The familiar names of an image: tags, then digests.
    pub fn names(&self, id: &ImageId) -> (Vec<String>, Vec<String>) {
        let references = self.references(id);
        let (digests, tags): (Vec<&Reference>, Vec<&Reference>) =
            references.iter().partition(|r| r.digest().is_some());
        let familiar = |list: Vec<&Reference>| list.into_iter().map(Reference::familiar).collect();
        (familiar(tags), familiar(digests))
    }
}

struct PinGuard {
    pins: Rc<RefCell<Pins>>,
    layers: Vec<ChainId>,
    blobs: Vec<Digest>,
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        fn unpin<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
            match counts.get_mut(key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(counts.remove(key)),
            }
        }
        let mut pins = self.pins.borrow_mut();
        for layer in &self.layers {
            unpin(&mut pins.layers, layer);
        }
        for blob in &self.blobs {
            unpin(&mut pins.blobs, blob);
        }
    }
}
