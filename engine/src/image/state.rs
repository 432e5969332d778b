//! The images and references in memory, and their form in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bottleship_oci::config::RawConfig;
use bottleship_oci::{DiffId, Digest, ImageId, Reference};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Image, Images};
use crate::api::ApiError;
use crate::api::types::Timestamp;
use crate::store::Op;

const CONFIGS: &str = "image-config";
const RECORDS: &str = "image";
const REFERENCES: &str = "image-reference";
const SOURCES: &str = "layer-source";

#[derive(Default)]
pub(super) struct State {
    images: BTreeMap<ImageId, Rc<Image>>,
    /// By the reference's whole text, so in Docker's (lexical) order.
    references: BTreeMap<String, (Reference, ImageId)>,
    sources: BTreeMap<DiffId, Source>,
}

/// Where a layer is known to be, compressed: what lets a push skip or mount it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub digest: Digest,
    pub size: u64,
    pub media_type: String,
    /// `registry/repository` names.
    pub repositories: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    parent: Option<ImageId>,
    last_tag_time: Timestamp,
    local: bool,
}

/// Changes of images and references that become true together.
#[derive(Default)]
pub(super) struct Batch {
    put_images: Vec<Image>,
    delete_images: Vec<ImageId>,
    put_references: Vec<(Reference, ImageId)>,
    delete_references: Vec<Reference>,
    put_sources: Vec<(DiffId, Source)>,
}

impl Batch {
    pub fn image(mut self, image: Image) -> Self {
        self.put_images.push(image);
        self
    }

    pub fn without_image(mut self, id: ImageId) -> Self {
        self.delete_images.push(id);
        self
    }

    pub fn reference(mut self, reference: Reference, id: ImageId) -> Self {
        self.put_references.push((reference, id));
        self
    }

    pub fn without_reference(mut self, reference: Reference) -> Self {
        self.delete_references.push(reference);
        self
    }

    /// The layers of an image that the batch adds.
    pub fn diff_ids(&self, id: &ImageId) -> Option<Vec<DiffId>> {
        let image = self.put_images.iter().find(|i| i.id() == *id)?;
        Some(image.config.config.rootfs.diff_ids.clone())
    }

    pub fn source(mut self, diff_id: DiffId, source: Source) -> Self {
        self.put_sources.push((diff_id, source));
        self
    }
}

impl Images {
    /// Reads what an earlier engine left in the store. Entries that do not read back are left out.
    pub async fn load_state(&self) -> Result<(), ApiError> {
        let store = &self.ports().store;
        let configs: BTreeMap<String, Bytes> = store.load(CONFIGS).await?.into_iter().collect();
        let mut state = State::default();
        for (key, value) in store.load(RECORDS).await? {
            let record: Option<Record> = serde_json::from_slice(&value).ok();
            let config = configs
                .get(&key)
                .and_then(|raw| RawConfig::parse(raw.clone()).ok());
            if let (Some(record), Some(config)) = (record, config)
                && config.id().as_str() == key
            {
                let Record {
                    parent,
                    last_tag_time,
                    local,
                } = record;
                state.images.insert(
                    config.id(),
                    Rc::new(Image {
                        config,
                        parent,
                        last_tag_time,
                        local,
                    }),
                );
            }
        }
        for (key, value) in store.load(REFERENCES).await? {
            let id = std::str::from_utf8(&value)
                .ok()
                .and_then(|id| id.parse::<ImageId>().ok());
            if let (Ok(reference), Some(id)) = (Reference::parse(&key), id)
                && state.images.contains_key(&id)
            {
                state.references.insert(key, (reference, id));
            }
        }
        for (key, value) in store.load(SOURCES).await? {
            if let (Ok(diff_id), Ok(source)) = (key.parse(), serde_json::from_slice(&value)) {
                state.sources.insert(diff_id, source);
            }
        }
        *self.0.state.borrow_mut() = state;
        Ok(())
    }

    /// Makes changes durable, then visible.
    pub(super) async fn commit_batch(&self, batch: Batch) -> Result<(), ApiError> {
        let put = |bucket, key: &str, value: Bytes| Op::Put {
            bucket,
            key: key.into(),
            value,
        };
        let delete = |bucket, key: &str| Op::Delete {
            bucket,
            key: key.into(),
        };
        let mut ops = Vec::new();
        for image in &batch.put_images {
            let id = image.id();
            let Image {
                parent,
                last_tag_time,
                local,
                ..
            } = image.clone();
            ops.push(put(CONFIGS, id.as_str(), image.config.raw.clone()));
            ops.push(put(
                RECORDS,
                id.as_str(),
                json(&Record {
                    parent,
                    last_tag_time,
                    local,
                })?,
            ));
        }
        for id in &batch.delete_images {
            ops.push(delete(CONFIGS, id.as_str()));
            ops.push(delete(RECORDS, id.as_str()));
        }
        for reference in &batch.delete_references {
            ops.push(delete(REFERENCES, &reference.to_string()));
        }
        for (reference, id) in &batch.put_references {
            ops.push(put(
                REFERENCES,
                &reference.to_string(),
                id.to_string().into(),
            ));
        }
        for (diff_id, source) in &batch.put_sources {
            ops.push(put(SOURCES, diff_id.as_str(), json(source)?));
        }
        self.ports().store.commit(ops).await?;

        let mut state = self.0.state.borrow_mut();
        for image in batch.put_images {
            state.images.insert(image.id(), Rc::new(image));
        }
        for id in batch.delete_images {
            state.images.remove(&id);
        }
        for reference in batch.delete_references {
            state.references.remove(&reference.to_string());
        }
        for (reference, id) in batch.put_references {
            state
                .references
                .insert(reference.to_string(), (reference, id));
        }
        state.sources.extend(batch.put_sources);
        Ok(())
    }

    /// An image by its id.
    pub fn get(&self, id: &ImageId) -> Option<Rc<Image>> {
        self.0.state.borrow().images.get(id).cloned()
    }

    /// Every image, by id.
    pub fn all(&self) -> Vec<Rc<Image>> {
        self.0.state.borrow().images.values().cloned().collect()
    }

    /// The tags and digests of an image, sorted.
    pub fn references(&self, id: &ImageId) -> Vec<Reference> {
        let state = self.0.state.borrow();
        state
            .references
            .values()
            .filter(|(_, i)| i == id)
            .map(|(r, _)| r.clone())
            .collect()
    }

    /// The tags and digests of a repository, sorted.
    pub(super) fn references_by_name(&self, name: &Reference) -> Vec<(Reference, ImageId)> {
        let state = self.0.state.borrow();
        state
            .references
            .values()
            .filter(|(r, _)| r.same_repository(name))
            .cloned()
            .collect()
    }

    /// The image a reference names. A digest beats a tag; no tag means `latest`.
    pub fn named(&self, reference: &Reference) -> Option<ImageId> {
        let key = match reference.digest() {
            Some(digest) => reference.with_digest(digest.clone()),
            None => reference.clone().with_default_tag(),
        };
        self.0
            .state
            .borrow()
            .references
            .get(&key.to_string())
            .map(|(_, id)| id.clone())
    }

    /// Images built on this one.
    pub fn children(&self, id: &ImageId) -> Vec<ImageId> {
        let state = self.0.state.borrow();
        let children = state
            .images
            .iter()
            .filter(|(_, i)| i.parent.as_ref() == Some(id));
        children.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn source(&self, diff_id: &DiffId) -> Option<Source> {
        self.0.state.borrow().sources.get(diff_id).cloned()
    }
}

fn json<T: Serialize>(value: &T) -> Result<Bytes, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|e| ApiError::system(e.to_string()))?;
    Ok(bytes.into())
}
