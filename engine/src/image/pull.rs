//! `docker pull`.

use std::collections::BTreeSet;

use bottleship_oci::config::RawConfig;
use bottleship_oci::document::{MAX_DOCUMENT, printable};
use bottleship_oci::manifest::MAX_INDEX_DEPTH;
use bottleship_oci::{
    ChainId, Descriptor, Digest, Document, DocumentError, ImageId, Manifest, Platform, Reference,
    media_type,
};
use bytes::Bytes;
use futures::channel::oneshot;
use futures::{StreamExt, TryStreamExt};

use super::remote::{Remote, RemoteError};
use super::state::Source;
use super::{Images, Progress};
use crate::api::ApiError;
use crate::api::types::AuthConfig;

/// Layers fetched at the same time (dockerd's `max-concurrent-downloads`).
const CONCURRENT: usize = 3;
/// Times a layer is tried (dockerd's `max-download-attempts`).
const ATTEMPTS: usize = 5;
/// Label of images that stand in for others; says what they are.
const STAND_IN: &str = "io.bottleship.stand-in";

/// What to pull.
pub struct Pull {
    /// The image; without tag and digest it means `latest`, or all tags.
    pub reference: Reference,
    /// All tags of the repository.
    pub all_tags: bool,
    /// A platform other than the engine's.
    pub platform: Option<Platform>,
    /// Who asks.
    pub auth: AuthConfig,
}

/// A manifest found at an endpoint.
struct Found {
    remote: Remote,
    manifest: Manifest,
    /// Of what was asked for, so of the index if there is one.
    digest: Digest,
}

impl Images {
    /// Pulls, reporting as Docker does. Until the first message the error is the answer's status.
    pub async fn pull(&self, pull: Pull, progress: &Progress) -> Result<(), ApiError> {
        let platform = pull
            .platform
            .clone()
            .unwrap_or_else(|| self.settings().platform.clone());
        let auth = &pull.auth;
        if !pull.all_tags {
            let reference = pull.reference.with_default_tag();
            let updated = self.pull_one(&reference, auth, &platform, progress).await?;
            return status(progress, &reference.familiar(), updated).await;
        }
        let repository = pull.reference.name_only();
        let mut last =
            ApiError::not_found(format!("no tags found for {}", repository.familiar_name()));
        for remote in Remote::endpoints(self, repository.domain(), repository.path(), auth.clone())?
        {
            match remote.tags(repository.path()).await {
                Ok(tags) => {
                    let mut updated = false;
                    for tag in tags {
                        let reference = repository
                            .with_tag(&tag)
                            .map_err(|e| ApiError::system(e.to_string()))?;
                        updated |= self.pull_one(&reference, auth, &platform, progress).await?;
                    }
                    return status(progress, &repository.familiar(), updated).await;
                }
                Err(error) => last = error.of_pull(&repository),
            }
        }
        Err(last)
    }

    /// Pulls one tag or digest; whether that changed anything.
    async fn pull_one(
        &self,
        reference: &Reference,
        auth: &AuthConfig,
        platform: &Platform,
        progress: &Progress,
    ) -> Result<bool, ApiError> {
        let found = self.find_manifest(reference, auth, platform).await?;
        let key = reference
            .digest()
            .map_or_else(|| reference.manifest_key(), |_| reference.familiar());
        progress
            .message(&key, format!("Pulling from {}", reference.path()))
            .await?;
        let id = found.manifest.image_id();
        let mut batch = Default::default();
        let mut note = None;
        let _pin = match self.get(&id) {
            Some(image) => self.pin(image.chains(), Vec::new()),
            None => {
                let config = self.fetch_config(&found, reference.path()).await?;
                let chains = ChainId::chain(&config.config.rootfs.diff_ids);
                let blobs = found
                    .manifest
                    .layers
                    .iter()
                    .map(|l| l.digest.clone())
                    .collect();
                let pin = self.pin(chains.clone(), blobs);
                self.fetch_layers(&found, reference, &config, &chains, progress)
                    .await?;
                note = stand_in(&config);
                batch = self.registration(config, None, &[], false, None);
                pin
            }
        };
        let by_digest = reference.with_digest(found.digest.clone());
        let mut updated = self.named(&by_digest).as_ref() != Some(&id);
        batch = batch.reference(by_digest, id.clone());
        if reference.digest().is_none() {
            updated = self.named(reference).as_ref() != Some(&id);
            batch = batch.reference(reference.clone(), id.clone());
        }
        for (diff_id, layer) in self
            .diff_ids(&id, &batch)
            .into_iter()
            .zip(&found.manifest.layers)
        {
            batch = batch.source(
                diff_id.clone(),
                self.known_at(&diff_id, layer, &reference.name()),
            );
        }
        self.commit_batch(batch).await?;
        self.emit("pull", &reference.familiar(), &reference.familiar_name());
        if let Some(note) = note {
            progress.status(note).await?;
        }
        progress.status(format!("Digest: {}", found.digest)).await?;
        Ok(updated)
    }

    /// What is known of where a layer is, with one more repository.
    pub(super) fn known_at(
        &self,
        diff_id: &bottleship_oci::DiffId,
        blob: &Descriptor,
        repository: &str,
    ) -> Source {
        let known = self.source(diff_id).filter(|s| s.digest == blob.digest);
        let mut source = known.unwrap_or_else(|| Source {
            digest: blob.digest.clone(),
            size: blob.size,
            media_type: blob.media_type.clone(),
            repositories: BTreeSet::new(),
        });
        source.repositories.insert(repository.to_string());
        source
    }

    /// Asks one endpoint after the other. If none has it, one that has the repository is believed, else one that can be
    /// reached.
    async fn find_manifest(
        &self,
        reference: &Reference,
        auth: &AuthConfig,
        platform: &Platform,
    ) -> Result<Found, ApiError> {
        let mut errors = Vec::new();
        for remote in Remote::endpoints(self, reference.domain(), reference.path(), auth.clone())? {
            match select(&remote, reference, platform).await {
                Ok((manifest, digest)) => {
                    return Ok(Found {
                        remote,
                        manifest,
                        digest,
                    });
                }
                Err(Failure::Remote(error)) => errors.push(error),
                Err(Failure::Refused(error)) => return Err(error),
            }
        }
        let knows = |e: &&RemoteError| matches!(e, RemoteError::Code(code, _) if code == "MANIFEST_UNKNOWN");
        let reachable = |e: &&RemoteError| !matches!(e, RemoteError::Unreachable(_));
        let error = (errors.iter().rev().find(knows))
            .or_else(|| errors.iter().rev().find(reachable))
            .or(errors.last())
            .ok_or_else(|| ApiError::system("no registry to pull from"))?;
        Err(error.of_pull(reference))
    }

    async fn fetch_config(&self, found: &Found, path: &str) -> Result<RawConfig, ApiError> {
        let descriptor = &found.manifest.config;
        if !media_type::is_config(&descriptor.media_type) {
            return Err(refuse(DocumentError::Unsupported(
                descriptor.media_type.clone(),
            )));
        }
        let bytes = found
            .remote
            .small_blob(path, &descriptor.digest, MAX_DOCUMENT)
            .await;
        let bytes = bytes.map_err(|e| ApiError::system(e.text()))?;
        if !descriptor.verifies(&bytes) {
            return Err(ApiError::system(format!(
                "image config verification failed for digest {}",
                descriptor.digest
            )));
        }
        let config = RawConfig::parse(bytes).map_err(refuse)?;
        config
            .config
            .check_layers(found.manifest.layers.len())
            .map_err(refuse)?;
        let os = config.config.platform().os;
        if !os.eq_ignore_ascii_case("linux") {
            return Err(ApiError::system(format!(
                "image operating system {os:?} cannot be used on this platform: operating system is not supported"
            )));
        }
        for layer in &found.manifest.layers {
            media_type::layer_compression(&layer.media_type).map_err(refuse)?;
            if layer.size > self.settings().max_blob {
                return Err(ApiError::invalid(format!(
                    "layer {} is {} bytes, which exceeds the limit of {}",
                    layer.digest,
                    layer.size,
                    self.settings().max_blob
                )));
            }
        }
        Ok(config)
    }

    /// Downloads what is missing, three layers at once, and applies it from the bottom up.
    async fn fetch_layers(
        &self,
        found: &Found,
        reference: &Reference,
        config: &RawConfig,
        chains: &[ChainId],
        progress: &Progress,
    ) -> Result<(), ApiError> {
        let layers = &found.manifest.layers;
        let mut present = 0;
        for (chain, layer) in chains.iter().zip(layers) {
            if self.ports().snapshots.layer(chain).await?.is_none() {
                break;
            }
            progress
                .message(layer.digest.short(), "Already exists")
                .await?;
            present += 1;
        }
        let missing = &layers[present..];
        for layer in missing {
            progress
                .step(layer.digest.short(), "Pulling fs layer")
                .await?;
        }
        for layer in missing.iter().skip(CONCURRENT) {
            progress.step(layer.digest.short(), "Waiting").await?;
        }
        let (senders, receivers): (Vec<_>, Vec<_>) =
            missing.iter().map(|_| oneshot::channel::<()>()).unzip();
        let downloads = futures::stream::iter(missing.iter().zip(senders).map(Ok::<_, ApiError>));
        let path = reference.path();
        let download = downloads.try_for_each_concurrent(CONCURRENT, |(layer, done)| async move {
            self.download_layer(&found.remote, path, layer, progress)
                .await?;
            let _ = done.send(());
            Ok(())
        });
        let extract = async {
            let mut parent = chains.get(present.wrapping_sub(1)).cloned();
            for (i, (layer, done)) in missing.iter().zip(receivers).enumerate() {
                if done.await.is_err() {
                    return Ok(()); // the download failed, and says why
                }
                let id = layer.digest.short();
                progress
                    .at(
                        id,
                        "Extracting",
                        layer.size.min(super::progress::STEP),
                        layer.size,
                    )
                    .await?;
                let applied = self
                    .ports()
                    .snapshots
                    .apply(parent.as_ref(), &layer.digest)
                    .await;
                let applied = applied
                    .map_err(|e| ApiError::system(format!("failed to register layer: {e}")))?;
                if config.config.rootfs.diff_ids.get(present + i) != Some(&applied.diff_id) {
                    self.release(&[applied.chain_id]).await?;
                    return Err(ApiError::system(
                        "layers from manifest don't match image configuration",
                    ));
                }
                progress
                    .at(id, "Extracting", layer.size, layer.size)
                    .await?;
                progress.step(id, "Pull complete").await?;
                parent = Some(applied.chain_id);
            }
            Ok(())
        };
        futures::try_join!(download, extract).map(|_| ())
    }

    /// Downloads one blob into the content store, going on where a broken transfer stopped.
    async fn download_layer(
        &self,
        remote: &Remote,
        path: &str,
        layer: &Descriptor,
        progress: &Progress,
    ) -> Result<(), ApiError> {
        let id = layer.digest.short();
        if self.ports().content.info(&layer.digest).await.is_ok() {
            return progress.step(id, "Download complete").await;
        }
        let mut writer = self.ports().content.writer();
        let mut failure = String::new();
        for _ in 0..ATTEMPTS {
            let from = writer.written();
            let (mut response, partial) = match remote.blob(path, &layer.digest, from).await {
                Ok(answer) => answer,
                Err(error @ RemoteError::Unreachable(_)) => {
                    failure = error.text();
                    continue;
                }
                Err(error) => return Err(ApiError::system(error.text())),
            };
            if from > 0 && !partial {
                writer = self.ports().content.writer();
            }
            let mut reported = 0;
            loop {
                match response.body.next().await {
                    Some(Ok(chunk)) => {
                        if writer.written() + chunk.len() as u64 > layer.size {
                            return Err(ApiError::system(format!(
                                "the registry sends more than the {} bytes of layer {}",
                                layer.size, layer.digest
                            )));
                        }
                        writer.write(chunk).await?;
                        let written = writer.written();
                        if written >= reported + super::progress::STEP || reported == 0 {
                            reported = written;
                            progress.at(id, "Downloading", written, layer.size).await?;
                        }
                    }
                    Some(Err(error)) => {
                        failure = error.to_string();
                        break;
                    }
                    None => {
                        failure = "unexpected EOF".into();
                        break;
                    }
                }
            }
            if writer.written() == layer.size {
                progress.step(id, "Verifying Checksum").await?;
                writer
                    .commit(&layer.digest, Some(layer.size))
                    .await
                    .map_err(|_| {
                        ApiError::system(format!(
                            "filesystem layer verification failed for digest {}",
                            layer.digest
                        ))
                    })?;
                return progress.step(id, "Download complete").await;
            }
        }
        Err(ApiError::system(failure))
    }

    fn diff_ids(&self, id: &ImageId, batch: &super::state::Batch) -> Vec<bottleship_oci::DiffId> {
        let image = self
            .get(id)
            .map(|i| i.config.config.rootfs.diff_ids.clone());
        image.or_else(|| batch.diff_ids(id)).unwrap_or_default()
    }
}

enum Failure {
    /// Perhaps another endpoint has it.
    Remote(RemoteError),
    /// It is there and not acceptable.
    Refused(ApiError),
}

fn refuse(error: DocumentError) -> ApiError {
    ApiError::invalid(error.to_string())
}

/// The manifest for a platform, following indexes; and the digest of what was asked for.
async fn select(
    remote: &Remote,
    reference: &Reference,
    platform: &Platform,
) -> Result<(Manifest, Digest), Failure> {
    let refuse = |e| Failure::Refused(refuse(e));
    let mut key = reference.manifest_key();
    let mut expected: Option<Descriptor> = None;
    let mut asked: Option<Digest> = None;
    for _ in 0..=MAX_INDEX_DEPTH {
        let fetched = remote
            .manifest(reference.path(), &key)
            .await
            .map_err(Failure::Remote)?;
        let digest = match &expected {
            Some(descriptor) if descriptor.verifies(&fetched.bytes) => descriptor.digest.clone(),
            Some(descriptor) => return Err(unverified(&descriptor.digest)),
            None => named_digest(reference, &fetched.bytes)?,
        };
        let asked = asked.get_or_insert(digest).clone();
        let declared = fetched.content_type.as_deref();
        match Document::parse(fetched.bytes, declared).map_err(refuse)? {
            Document::Manifest(manifest) => return Ok((manifest, asked)),
            Document::Index(index) => {
                let child = index.select(platform).cloned().ok_or_else(|| {
                    let text =
                        format!("no matching manifest for {platform} in the manifest list entries");
                    Failure::Refused(ApiError::not_found(text))
                })?;
                key = child.digest.to_string();
                expected = Some(child);
            }
        }
    }
    Err(Failure::Refused(ApiError::invalid(format!(
        "invalid index: nested deeper than {MAX_INDEX_DEPTH}"
    ))))
}

/// The digest asked for, if the bytes have it; else the bytes' own.
fn named_digest(reference: &Reference, bytes: &Bytes) -> Result<Digest, Failure> {
    match reference.digest() {
        Some(digest) if !digest.verifies(bytes) => Err(unverified(digest)),
        Some(digest) => Ok(digest.clone()),
        None => Ok(Digest::of(bytes)),
    }
}

fn unverified(digest: &Digest) -> Failure {
    Failure::Refused(ApiError::system(format!(
        "manifest verification failed for digest {digest}"
    )))
}

async fn status(progress: &Progress, name: &str, updated: bool) -> Result<(), ApiError> {
    let text = if updated {
        "Downloaded newer image"
    } else {
        "Image is up to date"
    };
    progress.status(format!("Status: {text} for {name}")).await
}

/// What an image says it only stands in for.
fn stand_in(config: &RawConfig) -> Option<String> {
    let labels = config.config.config.as_ref()?.labels.as_ref()?;
    labels
        .get(STAND_IN)
        .filter(|s| !s.is_empty())
        .map(|s| format!("Note: {}", printable(s)))
}
