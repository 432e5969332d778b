//! BuildKit's cache: what a step made, by everything that goes into it. Times of files don't, nor do proxies.
//!
//! It is filled only by builds here; an image that was pulled or loaded is never taken for a step.

use std::rc::Rc;

use bottleship_oci::{ChainId, DiffId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::ApiError;
use crate::build::report::{CacheOutcome, MissReason};
use crate::snapshot::Snapshotter;
use crate::store::{Op, Store};

/// Results by key.
const RESULTS: &str = "buildcache";
/// What went into a step when it was last built, by what it is known by.
const INPUTS: &str = "buildcache-inputs";

/// Everything a step's result depends on, in parts that can be told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The operation.
    pub operation: String,
    /// The keys of the trees it starts from.
    pub base: String,
    /// The content of the files it uses.
    pub files: String,
    /// Its build arguments and environment.
    pub environment: String,
}

/// The hash of some parts; where one ends and the next begins counts.
pub fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

impl Inputs {
    /// The key of the result.
    pub fn key(&self) -> String {
        hash([
            self.operation.as_str(),
            &self.base,
            &self.files,
            &self.environment,
        ])
    }
}

/// A result: the layers a step adds to its base; none where nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    layer: Option<DiffId>,
    chain: Option<ChainId>,
    /// When, RFC 3339.
    time: String,
}

/// The cache of an engine.
pub struct Cache {
    store: Rc<dyn Store>,
    snapshots: Rc<dyn Snapshotter>,
}

/// What the cache knows of a step.
pub enum Found {
    /// The layer it made, if it changed anything, and when.
    Hit(Option<DiffId>, String),
    /// Why it has to be done.
    Miss(CacheOutcome),
}

impl Cache {
    /// The cache in a store.
    pub fn new(store: &Rc<dyn Store>, snapshots: &Rc<dyn Snapshotter>) -> Self {
        Cache {
            store: store.clone(),
            snapshots: snapshots.clone(),
        }
    }

    /// Looks a step up. By its `identity` it is known from build to build; `base_is_new` says that a step before it was done anew.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn find(
        &self,
        identity: &str,
        inputs: &Inputs,
        disabled: bool,
        base_is_new: bool,
    ) -> Result<Found, ApiError> {
        let miss = |reason, detail: &str| {
            let detail = detail.to_owned();
            Ok(Found::Miss(CacheOutcome::Miss { reason, detail }))
        };
        if disabled {
            return miss(MissReason::Disabled, "the cache is not used (--no-cache)");
        }
        let stored = self.store.get(RESULTS, &inputs.key()).await?;
        let stored = stored.and_then(|json| serde_json::from_slice::<Stored>(&json).ok());
        if let Some(stored) = stored {
            // The layer may be gone with the last image that had it.
            let there = match &stored.chain {
                None => true,
                Some(chain) => self.snapshots.layer(chain).await?.is_some(),
            };
            if there {
                return Ok(Found::Hit(stored.layer, stored.time));
            }
        }
        if base_is_new {
            return miss(
                MissReason::EarlierStep,
                "an earlier step was done anew, so this one has another base",
            );
        }
        let before = self.store.get(INPUTS, &hash([identity])).await?;
        let before = before.and_then(|json| serde_json::from_slice::<Inputs>(&json).ok());
        match before {
            None => miss(
                MissReason::Instruction,
                "this instruction was not built here before",
            ),
            Some(before) if before.base != inputs.base => miss(
                MissReason::NewBase,
                "what it starts from is not the same as last time",
            ),
            Some(before) if before.files != inputs.files => miss(
                MissReason::Files,
                "the content of the files it uses changed",
            ),
            Some(before) if before.environment != inputs.environment => miss(
                MissReason::BuildArgument,
                "a build argument or the environment changed",
            ),
            Some(_) => miss(
                MissReason::Instruction,
                "its settings changed, or its result was removed",
            ),
        }
    }

    /// Remembers the layer a step made, on top of which chain, and when.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn put(
        &self,
        identity: &str,
        inputs: &Inputs,
        (layer, chain): (Option<DiffId>, Option<ChainId>),
        time: String,
    ) -> Result<(), ApiError> {
        let stored = Stored {
            chain: layer.as_ref().and(chain),
            layer,
            time,
        };
        let json = |e: serde_json::Error| ApiError::system(e.to_string());
        let ops = vec![
            Op::Put {
                bucket: RESULTS,
                key: inputs.key(),
                value: serde_json::to_vec(&stored).map_err(json)?.into(),
            },
            Op::Put {
                bucket: INPUTS,
                key: hash([identity]),
                value: serde_json::to_vec(inputs).map_err(json)?.into(),
            },
        ];
        Ok(self.store.commit(ops).await?)
    }
}

/// Forgets every result. Returns their keys; layers that nothing uses any more are the caller's.
///
/// # Errors
/// The storage failed.
pub async fn clear(store: &dyn Store) -> Result<Vec<String>, ApiError> {
    let mut ops = Vec::new();
    let mut keys = Vec::new();
    for (key, _) in store.list(RESULTS).await? {
        keys.push(key.clone());
        ops.push(Op::Delete {
            bucket: RESULTS,
            key,
        });
    }
    for (key, _) in store.list(INPUTS).await? {
        ops.push(Op::Delete {
            bucket: INPUTS,
            key,
        });
    }
    store.commit(ops).await?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_between_parts_counts() {
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
    }
}
