//! What repositories have, in memory and in the store.

use std::collections::BTreeMap;

use bottleship_oci::Digest;
use serde::{Deserialize, Serialize};

use super::{Registry, RegistryError};
use crate::store::Op;

/// Where a registry keeps what its repositories have.
#[derive(Clone, Copy)]
pub(super) struct Buckets {
    blobs: &'static str,
    manifests: &'static str,
    tags: &'static str,
}

pub(super) const OWN: Buckets = Buckets {
    blobs: "registry-blob",
    manifests: "registry-manifest",
    tags: "registry-tag",
};

pub(super) const HUB: Buckets = Buckets {
    blobs: "hub-blob",
    manifests: "hub-manifest",
    tags: "hub-tag",
};

#[derive(Default)]
pub(super) struct State {
    pub repositories: BTreeMap<String, Repository>,
}

#[derive(Default)]
pub(super) struct Repository {
    /// Blobs and their sizes in bytes.
    pub blobs: BTreeMap<Digest, u64>,
    pub manifests: BTreeMap<Digest, Link>,
    pub tags: BTreeMap<String, Digest>,
}

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub media_type: String,
    pub size: u64,
    /// The manifest it is about.
    pub subject: Option<Digest>,
    pub artifact_type: Option<String>,
    pub annotations: Option<BTreeMap<String, String>>,
}

/// One change of what a repository has.
pub(super) enum Change<'a> {
    Blob(&'a str, &'a Digest, u64),
    Manifest(&'a str, &'a Digest, &'a Link),
    Tag(&'a str, &'a str, &'a Digest),
    NoBlob(&'a str, &'a Digest),
    NoManifest(&'a str, &'a Digest),
    NoTag(&'a str, &'a str),
}

impl Registry {
    /// Reads what an earlier registry left in the store. Entries that do not read back are left out.
    pub(super) async fn load_state(&self) -> Result<(), RegistryError> {
        let mut state = State::default();
        let mut repository = |key: &str, at: char| -> Option<(String, String)> {
            let (name, rest) = key.split_once(at)?;
            state.repositories.entry(name.into()).or_default();
            Some((name.into(), rest.into()))
        };
        let mut blobs = Vec::new();
        for (key, value) in self.store.load(self.buckets.blobs).await? {
            let size = std::str::from_utf8(&value)
                .ok()
                .and_then(|s| s.parse::<u64>().ok());
            if let (Some((name, digest)), Some(size)) = (repository(&key, '@'), size)
                && let Ok(digest) = digest.parse()
            {
                blobs.push((name, digest, size));
            }
        }
        let mut manifests = Vec::new();
        for (key, value) in self.store.load(self.buckets.manifests).await? {
            if let (Some((name, digest)), Ok(link)) = (
                repository(&key, '@'),
                serde_json::from_slice::<Link>(&value),
            ) && let Ok(digest) = digest.parse()
            {
                manifests.push((name, digest, link));
            }
        }
        let mut tags = Vec::new();
        for (key, value) in self.store.load(self.buckets.tags).await? {
            let digest = std::str::from_utf8(&value)
                .ok()
                .and_then(|s| s.parse::<Digest>().ok());
            if let (Some((name, tag)), Some(digest)) = (repository(&key, ':'), digest) {
                tags.push((name, tag, digest));
            }
        }
        for (name, digest, size) in blobs {
            state
                .repositories
                .entry(name)
                .or_default()
                .blobs
                .insert(digest, size);
        }
        for (name, digest, link) in manifests {
            state
                .repositories
                .entry(name)
                .or_default()
                .manifests
                .insert(digest, link);
        }
        for (name, tag, digest) in tags {
            state
                .repositories
                .entry(name)
                .or_default()
                .tags
                .insert(tag, digest);
        }
        *self.state.borrow_mut() = state;
        Ok(())
    }

    /// Makes changes durable, then visible, all at once.
    pub(super) async fn change(&self, changes: &[Change<'_>]) -> Result<(), RegistryError> {
        let put = |bucket, key: String, value: Vec<u8>| Op::Put {
            bucket,
            key,
            value: value.into(),
        };
        let delete = |bucket, key: String| Op::Delete { bucket, key };
        let Buckets {
            blobs,
            manifests,
            tags,
        } = self.buckets;
        let ops = changes.iter().map(|change| match change {
            Change::Blob(name, digest, size) => {
                put(blobs, format!("{name}@{digest}"), size.to_string().into())
            }
            Change::Manifest(name, digest, link) => put(
                manifests,
                format!("{name}@{digest}"),
                serde_json::to_vec(link).unwrap_or_default(),
            ),
            Change::Tag(name, tag, digest) => {
                put(tags, format!("{name}:{tag}"), digest.to_string().into())
            }
            Change::NoBlob(name, digest) => delete(blobs, format!("{name}@{digest}")),
            Change::NoManifest(name, digest) => delete(manifests, format!("{name}@{digest}")),
            Change::NoTag(name, tag) => delete(tags, format!("{name}:{tag}")),
        });
        self.store.commit(ops.collect()).await?;
        for digest in self.note(changes) {
            if !self.has_content(&digest) {
                self.content.delete(&digest).await?;
            }
        }
        Ok(())
    }

    /// Makes what was stored visible, and returns the content that a repository no longer has.
    fn note(&self, changes: &[Change<'_>]) -> Vec<Digest> {
        let mut state = self.state.borrow_mut();
        for change in changes {
            match change {
                Change::Blob(name, digest, size) => {
                    state.at(name).blobs.insert((*digest).clone(), *size);
                }
                Change::Manifest(name, digest, link) => {
                    state
                        .at(name)
                        .manifests
                        .insert((*digest).clone(), (*link).clone());
                }
                Change::Tag(name, tag, digest) => {
                    state.at(name).tags.insert((*tag).into(), (*digest).clone());
                }
                Change::NoBlob(name, digest) => drop(state.at(name).blobs.remove(digest)),
                Change::NoManifest(name, digest) => drop(state.at(name).manifests.remove(digest)),
                Change::NoTag(name, tag) => drop(state.at(name).tags.remove(*tag)),
            }
        }
        state
            .repositories
            .retain(|_, r| !(r.blobs.is_empty() && r.manifests.is_empty() && r.tags.is_empty()));
        changes
            .iter()
            .filter_map(|change| match change {
                Change::NoBlob(_, digest) | Change::NoManifest(_, digest) => {
                    Some((*digest).clone())
                }
                _ => None,
            })
            .collect()
    }

    /// Whether some repository has this content.
    pub fn has_content(&self, digest: &Digest) -> bool {
        let state = self.state.borrow();
        state
            .repositories
            .values()
            .any(|r| r.blobs.contains_key(digest) || r.manifests.contains_key(digest))
    }

    /// Bytes of all blobs, shared ones once.
    pub(super) fn total(&self) -> u64 {
        let state = self.state.borrow();
        let blobs: BTreeMap<&Digest, u64> = state
            .repositories
            .values()
            .flat_map(|r| r.blobs.iter().map(|(d, s)| (d, *s)))
            .collect();
        blobs.values().sum()
    }
}

impl State {
    fn at(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.into()).or_default()
    }
}
