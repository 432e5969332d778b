//! `docker push`.

use std::cell::RefCell;
use std::rc::Rc;

use bottleship_oci::reference::DEFAULT_DOMAIN;
use bottleship_oci::{
    Algorithm, ChainId, Descriptor, DiffId, Digest, Digester, Manifest, Reference, media_type,
};
use bytes::Bytes;
use futures::TryStreamExt;
use serde_json::json;

use super::remote::{Remote, RemoteError};
use super::state::Batch;
use super::{Image, Images, Progress, blob};
use crate::api::ApiError;
use crate::api::types::{AuthConfig, JsonMessage};
use crate::content;
use crate::store::{Pieces, ReadAt};

/// Layers sent at the same time (dockerd's `max-concurrent-uploads`).
const CONCURRENT: usize = 5;

/// What to push.
pub struct Push {
    /// The image's name; without a tag it means all tags of the repository.
    pub reference: Reference,
    /// Who asks.
    pub auth: AuthConfig,
}

/// A layer on its way.
struct Layer {
    chain: ChainId,
    diff_id: DiffId,
}

impl Images {
    /// Pushes, reporting as Docker does. The first message always goes out, so errors are messages.
    pub async fn push(&self, push: Push, progress: &Progress) -> Result<(), ApiError> {
        let reference = &push.reference;
        let repository = reference.name_only();
        progress
            .status(format!(
                "The push refers to repository [{}]",
                repository.name()
            ))
            .await?;
        let mut tagged: Vec<_> = match reference.tag() {
            Some(_) => self
                .named(reference)
                .map(|id| (reference.clone(), id))
                .into_iter()
                .collect(),
            None => self.references_by_name(&repository),
        };
        tagged.retain(|(r, _)| r.tag().is_some());
        if tagged.is_empty() {
            let name = repository.familiar_name();
            return Err(ApiError::not_found(match reference.tag() {
                Some(DEFAULT) | None => {
                    format!("An image does not exist locally with the tag: {name}")
                }
                Some(_) => format!("tag does not exist: {}", reference.familiar()),
            }));
        }
        let remote = Remote::push_endpoint(self, repository.domain(), push.auth.clone())?;
        for (tag, id) in tagged {
            let image = self
                .get(&id)
                .ok_or_else(|| ApiError::not_found(format!("No such image: {id}")))?;
            let anonymous = is_anonymous(&push.auth);
            self.push_tag(&remote, &tag, &image, anonymous, progress)
                .await?;
            self.emit("push", &tag.familiar(), &tag.familiar_name());
        }
        Ok(())
    }

    async fn push_tag(
        &self,
        remote: &Remote,
        tag: &Reference,
        image: &Rc<Image>,
        anonymous: bool,
        progress: &Progress,
    ) -> Result<(), ApiError> {
        let diff_ids = &image.config.config.rootfs.diff_ids;
        let layers = image.chains().into_iter().zip(diff_ids.clone());
        let layers: Vec<Layer> = layers
            .map(|(chain, diff_id)| Layer { chain, diff_id })
            .collect();
        let _pin = self.pin(image.chains(), Vec::new());
        for layer in layers.iter().rev() {
            progress.step(layer.diff_id.short(), "Preparing").await?;
        }
        // Docker Hub takes nothing from strangers.
        if anonymous && tag.domain() == DEFAULT_DOMAIN && !remote.mirror {
            return Err(ApiError::forbidden(RemoteError::Denied.text()));
        }
        let count = layers.len();
        for layer in layers.iter().take(count.saturating_sub(CONCURRENT)) {
            progress.step(layer.diff_id.short(), "Waiting").await?;
        }
        let sent: RefCell<Vec<Option<Descriptor>>> = RefCell::new(vec![None; count]);
        let jobs = layers.iter().enumerate().rev().map(Ok::<_, ApiError>);
        futures::stream::iter(jobs)
            .try_for_each_concurrent(CONCURRENT, |(i, layer)| {
                let sent = &sent;
                async move {
                    let descriptor = self.push_layer(remote, tag, layer, progress).await?;
                    if let Some(slot) = sent.borrow_mut().get_mut(i) {
                        *slot = Some(descriptor);
                    }
                    Ok(())
                }
            })
            .await?;
        let sent: Vec<Descriptor> = sent.into_inner().into_iter().flatten().collect();

        let config = Descriptor::of(media_type::DOCKER_CONFIG, &image.config.raw);
        self.send_blob(remote, tag.path(), &config.digest, image.config.raw.clone())
            .await?;
        let manifest: Bytes = Manifest::docker_bytes(&config, &sent).into();
        let digest = Digest::of(&manifest);
        let size = manifest.len();
        let key = tag.manifest_key();
        let put = remote
            .put_manifest(tag.path(), &key, media_type::DOCKER_MANIFEST, manifest)
            .await;
        put.map_err(of_push)?;

        let mut batch = Batch::default().reference(tag.with_digest(digest.clone()), image.id());
        for (layer, blob) in layers.iter().zip(&sent) {
            let known = self.known_at(&layer.diff_id, blob, &tag.name());
            batch = batch.source(layer.diff_id.clone(), known);
        }
        self.commit_batch(batch).await?;
        progress
            .status(format!("{key}: digest: {digest} size: {size}"))
            .await?;
        let aux = json!({"Tag": key, "Digest": digest.as_str(), "Size": size});
        let aux = JsonMessage {
            progress_detail: Some(Default::default()),
            ..JsonMessage::aux(aux)
        };
        progress.send(aux).await
    }

    /// Sends one layer unless the repository has it or can take it from a neighbour.
    async fn push_layer(
        &self,
        remote: &Remote,
        tag: &Reference,
        layer: &Layer,
        progress: &Progress,
    ) -> Result<Descriptor, ApiError> {
        let id = layer.diff_id.short();
        let path = tag.path();
        let mut mount = None;
        if let Some(known) = self.source(&layer.diff_id) {
            let descriptor = Descriptor::new(
                docker_type(&known.media_type),
                known.digest.clone(),
                known.size,
            );
            if remote
                .has_blob(path, &known.digest)
                .await
                .map_err(of_push)?
            {
                progress.step(id, "Layer already exists").await?;
                return Ok(descriptor);
            }
            let prefix = format!("{}/", tag.domain());
            let neighbour = known
                .repositories
                .iter()
                .find_map(|r| r.strip_prefix(&prefix).filter(|p| *p != path));
            mount = neighbour.map(|from| (descriptor, from.to_string()));
        }
        let from = mount.as_ref().map(|(d, from)| (&d.digest, from.as_str()));
        let Some(location) = remote.start_upload(path, from).await.map_err(of_push)? else {
            // Only a mount ends an upload at its start.
            let (descriptor, from) =
                mount.ok_or_else(|| ApiError::system("the registry ended an upload at once"))?;
            progress.step(id, &format!("Mounted from {from}")).await?;
            return Ok(descriptor);
        };
        let (descriptor, blob) = self.compressed(layer).await?;
        progress
            .at(
                id,
                "Pushing",
                descriptor.size.min(super::progress::STEP),
                descriptor.size,
            )
            .await?;
        if remote
            .has_blob(path, &descriptor.digest)
            .await
            .map_err(of_push)?
        {
            progress.step(id, "Layer already exists").await?;
            return Ok(descriptor);
        }
        remote
            .upload(path, &location, &descriptor.digest, &*blob)
            .await
            .map_err(of_push)?;
        progress
            .at(id, "Pushing", descriptor.size, descriptor.size)
            .await?;
        progress.step(id, "Pushed").await?;
        Ok(descriptor)
    }

    /// A layer's blob as it goes over the wire: the one it was pulled as, if that is still there.
    async fn compressed(&self, layer: &Layer) -> Result<(Descriptor, Rc<dyn ReadAt>), ApiError> {
        let content = &*self.ports().content;
        if let Some(known) = self.source(&layer.diff_id)
            && let Ok(blob) = content.open(&known.digest).await
        {
            return Ok((
                Descriptor::new(docker_type(&known.media_type), known.digest, known.size),
                blob,
            ));
        }
        let tar = self.layer_tar(&layer.chain, &layer.diff_id).await?;
        let blob = blob::compress(content, tar).await?;
        let mut digester = Digester::new(Algorithm::Sha256);
        let mut reader = content::Cursor::new(blob.clone());
        std::io::copy(&mut reader, &mut digester).map_err(content::unreadable)?;
        let descriptor = Descriptor::new(
            media_type::DOCKER_LAYER_GZIP,
            digester.finish(),
            blob.size(),
        );
        Ok((descriptor, blob))
    }

    async fn send_blob(
        &self,
        remote: &Remote,
        path: &str,
        digest: &Digest,
        bytes: Bytes,
    ) -> Result<(), ApiError> {
        if remote.has_blob(path, digest).await.map_err(of_push)? {
            return Ok(());
        }
        match remote.start_upload(path, None).await.map_err(of_push)? {
            Some(location) => remote
                .upload(path, &location, digest, &Pieces::from(bytes))
                .await
                .map_err(of_push),
            None => Ok(()),
        }
    }
}

const DEFAULT: &str = bottleship_oci::reference::DEFAULT_TAG;

/// Docker pushes schema 2 manifests, with Docker's names of the layers' types.
fn docker_type(name: &str) -> &str {
    match name {
        media_type::OCI_LAYER_GZIP => media_type::DOCKER_LAYER_GZIP,
        media_type::OCI_LAYER_ZSTD => media_type::DOCKER_LAYER_ZSTD,
        media_type::OCI_LAYER => media_type::DOCKER_LAYER,
        other => other,
    }
}

fn is_anonymous(auth: &AuthConfig) -> bool {
    [
        &auth.username,
        &auth.auth,
        &auth.identitytoken,
        &auth.registrytoken,
    ]
    .iter()
    .all(|s| s.is_empty())
}

fn of_push(error: RemoteError) -> ApiError {
    match error {
        RemoteError::Denied => ApiError::forbidden(error.text()),
        error => ApiError::system(error.text()),
    }
}
