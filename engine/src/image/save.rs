//! `docker save`.

use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_oci::save::{Piece, SavedImage, write};
use bottleship_oci::{AnyReference, ChainId, DiffId, Digester, ImageId, Reference};
use futures::StreamExt;

use super::Images;
use super::blob;
use crate::api::{ApiError, Body};
use crate::content;
use crate::store::ReadAt;

impl Images {
    /// An archive of images. A repository's name saves all its tags.
    pub async fn save(&self, names: &[&str]) -> Result<Body, ApiError> {
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
        let mut tars: BTreeMap<DiffId, Rc<dyn ReadAt>> = BTreeMap::new();
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
                let tar = match tars.get(diff_id) {
                    Some(tar) => tar.clone(),
                    None => self.layer_tar(chain, diff_id).await?,
                };
                layers.push(tar.size());
                tars.insert(diff_id.clone(), tar);
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
        let pieces = futures::stream::iter(write(&images)).flat_map(move |piece| match piece {
            Piece::Bytes(bytes) => futures::stream::once(async { Ok(bytes) }).boxed_local(),
            Piece::Layer(diff_id) => match tars.get(&diff_id) {
                Some(tar) => content::stream(tar.clone(), 0, tar.size()).boxed_local(),
                None => futures::stream::empty().boxed_local(),
            },
        });
        Ok(Body::stream(pieces))
    }

    /// A layer's uncompressed tar.
    pub(super) async fn layer_tar(
        &self,
        chain: &ChainId,
        diff_id: &DiffId,
    ) -> Result<Rc<dyn ReadAt>, ApiError> {
        let missing = || ApiError::system(format!("layer {chain} does not exist"));
        let info = self
            .ports()
            .snapshots
            .layer(chain)
            .await?
            .ok_or_else(missing)?;
        let content = &*self.ports().content;
        if let Ok(tar) = content.open(&diff_id.0).await {
            return Ok(tar);
        }
        let stored = content.open(&info.blob).await?;
        let tar = blob::plain(content, stored, self.settings().max_blob).await;
        let tar = tar.map_err(|e| ApiError::invalid(e.to_string()))?;
        // Content is checked when it is stored; what was compressed is checked here.
        let mut digester = Digester::new(diff_id.0.algorithm());
        let mut reader = content::Cursor::new(tar.clone());
        std::io::copy(&mut reader, &mut digester).map_err(content::unreadable)?;
        if digester.finish() != diff_id.0 {
            return Err(ApiError::system(format!(
                "layer {diff_id} is damaged in the content store"
            )));
        }
        Ok(tar)
    }
}
