//! `docker save`.

use std::collections::BTreeMap;

use bottleship_oci::save::{SavedImage, write};
use bottleship_oci::{AnyReference, ImageId, Reference};
use bytes::Bytes;

use super::Images;
use super::blob;
use crate::api::ApiError;

impl Images {
    /// An archive of images, as pieces to be sent one after the other. A repository's name saves
    /// all its tags.
    pub async fn save(&self, names: &[&str]) -> Result<Vec<Bytes>, ApiError> {
        let mut order: Vec<ImageId> = Vec::new();
        let mut tags: BTreeMap<ImageId, Vec<Reference>> = BTreeMap::new();
        let mut add = |id: ImageId, reference: Option<Reference>| {
            if !order.contains(&id) {
                order.push(id.clone());
            }
            let list = tags.entry(id).or_default();
            if let Some(reference) = reference.filter(|r| r.digest().is_none() && !list.contains(r))
            {
                list.push(reference);
            }
        };
        for name in names {
            let any = AnyReference::parse(name).map_err(|e| ApiError::invalid(e.to_string()))?;
            let missing = || ApiError::not_found(format!("No such image: {name}"));
            match any {
                AnyReference::Digest(digest) => {
                    let id = ImageId(digest);
                    self.get(&id).ok_or_else(missing)?;
                    add(id, None);
                }
                AnyReference::Named(reference) if reference.is_name_only() => {
                    let tagged = self.references_by_name(&reference);
                    if tagged.is_empty() {
                        add(self.find_by_id(name).ok_or_else(missing)?.id(), None);
                    }
                    for (reference, id) in tagged {
                        add(id, Some(reference));
                    }
                }
                AnyReference::Named(reference) => {
                    match self.named(&reference) {
                        Some(id) => add(id, Some(reference)),
                        // `sha256:abc` parses as a name with a tag.
                        None => add(
                            self.find_by_id(name)
                                .ok_or_else(|| ApiError::not_found("reference does not exist"))?
                                .id(),
                            None,
                        ),
                    }
                }
            }
        }
        let mut images = Vec::new();
        for id in &order {
            let image = self
                .get(id)
                .ok_or_else(|| ApiError::not_found(format!("No such image: {id}")))?;
            if image.config.config.rootfs.diff_ids.is_empty() {
                return Err(ApiError::system("empty export - not implemented"));
            }
            let mut layers = Vec::new();
            for (chain, diff_id) in image
                .chains()
                .iter()
                .zip(&image.config.config.rootfs.diff_ids)
            {
                layers.push(self.layer_tar(chain, diff_id).await?);
            }
            images.push(SavedImage {
                config: image.config.clone(),
                layers,
                tags: tags.remove(id).unwrap_or_default(),
                parent: image.parent.clone().filter(|p| order.contains(p)),
            });
        }
        for image in &images {
            let id = image.config.id();
            self.emit("save", id.as_str(), id.as_str());
        }
        Ok(write(&images))
    }

    /// A layer's uncompressed tar, checked against its diffID.
    pub(super) async fn layer_tar(
        &self,
        chain: &bottleship_oci::ChainId,
        diff_id: &bottleship_oci::DiffId,
    ) -> Result<Bytes, ApiError> {
        let missing = || ApiError::system(format!("layer {chain} does not exist"));
        let info = self
            .ports()
            .snapshots
            .layer(chain)
            .await?
            .ok_or_else(missing)?;
        let stored = self.ports().content.read(&info.blob).await?;
        let tar = blob::decompress(stored, self.settings().max_blob)?;
        if !diff_id.0.verifies(&tar) {
            return Err(ApiError::system(format!(
                "layer {diff_id} is damaged in the content store"
            )));
        }
        Ok(tar)
    }
}
