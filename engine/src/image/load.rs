//! `docker load`.

use bottleship_oci::archive::{self, ArchiveError, ArchivedImage};
use bottleship_oci::members::Members;
use bottleship_oci::{ChainId, Digest, ImageConfig, ImageId, Reference};
use bytes::Bytes;

use super::state::Batch;
use super::{Images, Progress, blob};
use crate::api::ApiError;

impl Images {
    /// Loads the images of an archive (compressed or not), reporting each. An image exists with its
    /// names only once all of its layers do.
    pub async fn load(
        &self,
        bytes: Bytes,
        quiet: bool,
        progress: &Progress,
    ) -> Result<(), ApiError> {
        let tar = blob::decompress(bytes, self.settings().max_blob)?;
        let members = Members::from_tar(tar).map_err(|e| ApiError::system(e.to_string()))?;
        let images =
            archive::read(&members, &self.settings().platform).map_err(|e| self.refusal(e))?;
        let mut ids = String::new();
        let mut named = false;
        let mut parents = Vec::new();
        for image in images {
            if !image
                .config
                .config
                .platform()
                .runs_on(&self.settings().platform)
            {
                let theirs = image.config.config.platform();
                if !theirs.os.eq_ignore_ascii_case("linux") {
                    return Err(ApiError::invalid(format!(
                        "cannot load {} image on linux",
                        theirs.os
                    )));
                }
            }
            let chains = ChainId::chain(&image.config.config.rootfs.diff_ids);
            let blobs = image.layers.iter().map(|l| Digest::of(l)).collect();
            let _pin = self.pin(chains.clone(), blobs);
            let quiet_progress = if quiet {
                Progress::none()
            } else {
                progress.clone()
            };
            self.load_layers(&image, &chains, &quiet_progress).await?;
            let id = image.config.id();
            for tag in &image.tags {
                self.announce_rename(tag, &id, progress).await?;
            }
            let batch = self.registration(image.config.clone(), None, &image.tags, false, None);
            self.commit_batch(batch).await?;
            for tag in &image.tags {
                progress
                    .stream(format!("Loaded image: {}\n", tag.familiar()))
                    .await?;
            }
            self.emit("load", id.as_str(), id.as_str());
            ids.push_str(&format!("Loaded image ID: {id}\n"));
            named = !image.tags.is_empty();
            parents.push((id, image.parent));
        }
        for (id, parent) in parents {
            if let Some(parent) = parent {
                self.set_parent(&id, parent).await?;
            }
        }
        if !named && !ids.is_empty() {
            progress.stream(ids).await?;
        }
        Ok(())
    }

    async fn load_layers(
        &self,
        image: &ArchivedImage,
        chains: &[ChainId],
        progress: &Progress,
    ) -> Result<(), ApiError> {
        let diff_ids = &image.config.config.rootfs.diff_ids;
        let snapshots = &self.ports().snapshots;
        let mut parent: Option<&ChainId> = None;
        for (i, ((chain, diff_id), bytes)) in
            chains.iter().zip(diff_ids).zip(&image.layers).enumerate()
        {
            if snapshots.layer(chain).await?.is_none() {
                let size = bytes.len() as u64;
                progress
                    .at(
                        diff_id.short(),
                        "Loading layer",
                        size.min(super::progress::STEP),
                        size,
                    )
                    .await?;
                // Checked before anything is kept: the parent's chain would not show a swapped layer.
                let tar = blob::decompress(bytes.clone(), self.settings().max_blob)?;
                let got = Digest::of(&tar);
                drop(tar);
                if got != diff_id.0 {
                    return Err(ApiError::system(format!(
                        "invalid diffID for layer {i}: expected \"{diff_id}\", got \"{got}\""
                    )));
                }
                let stored = self.ports().content.put(bytes.clone()).await?;
                if let Err(error) = snapshots.apply(parent, &stored).await {
                    self.ports().content.delete(&stored).await?;
                    return Err(error.into());
                }
                progress
                    .at(diff_id.short(), "Loading layer", size, size)
                    .await?;
            }
            parent = Some(chain);
        }
        Ok(())
    }

    async fn announce_rename(
        &self,
        tag: &Reference,
        id: &ImageId,
        progress: &Progress,
    ) -> Result<(), ApiError> {
        match self.named(tag).filter(|old| old != id) {
            Some(old) => {
                let text = format!(
                    "The image {} already exists, renaming the old one with ID {old} to empty string\n",
                    tag.familiar()
                );
                progress.stream(text).await
            }
            None => Ok(()),
        }
    }

    async fn set_parent(&self, id: &ImageId, parent: ImageId) -> Result<(), ApiError> {
        let (Some(image), Some(base)) = (self.get(id), self.get(&parent)) else {
            return Ok(());
        };
        if !is_step(&base.config.config, &image.config.config) {
            return Err(ApiError::system(format!(
                "image {parent} is not a valid parent for {id}"
            )));
        }
        let mut image = (*image).clone();
        image.parent = Some(parent);
        self.commit_batch(Batch::default().image(image)).await
    }

    /// Docker's words for an archive that cannot be loaded.
    fn refusal(&self, error: ArchiveError) -> ApiError {
        let ArchiveError::NoManifest = error else {
            return ApiError::invalid(error.to_string());
        };
        let mut random = [0; 4];
        self.ports().entropy.fill(&mut random);
        ApiError::system(format!(
            "open /var/lib/docker/tmp/docker-import-{}/repositories: no such file or directory",
            u32::from_le_bytes(random)
        ))
    }
}

/// Whether `child`'s history is `parent`'s and one more step.
fn is_step(parent: &ImageConfig, child: &ImageConfig) -> bool {
    match (parent.history.as_slice(), child.history.as_slice()) {
        ([], []) => true,
        (old, [start @ .., _]) => old == start,
        _ => false,
    }
}
