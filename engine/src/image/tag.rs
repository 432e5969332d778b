//! Names for images.

use bottleship_oci::config::RawConfig;
use bottleship_oci::{ImageId, Reference};

use super::state::Batch;
use super::{Image, Images, lookup};
use crate::api::ApiError;
use crate::api::types::Timestamp;

impl Images {
    /// `docker tag SOURCE REPOSITORY[:TAG]`.
    pub async fn tag(
        &self,
        source: &str,
        repository: &str,
        tag: &str,
    ) -> Result<Reference, ApiError> {
        let image = self.find(source)?;
        let reference = target(repository, tag)?;
        self.tag_image(&image.id(), &reference).await?;
        Ok(reference)
    }

    /// Gives an image a name, taking it from another image if that had it.
    pub async fn tag_image(&self, id: &ImageId, reference: &Reference) -> Result<(), ApiError> {
        let image = self
            .get(id)
            .ok_or_else(|| ApiError::not_found(format!("No such image: {id}")))?;
        let tagged = Image {
            last_tag_time: self.now(),
            ..(*image).clone()
        };
        self.commit_batch(
            Batch::default()
                .image(tagged)
                .reference(reference.clone(), id.clone()),
        )
        .await?;
        self.emit("tag", id.as_str(), &reference.familiar());
        Ok(())
    }

    /// Makes an image exist, with its tags, all at once. Its layers must exist already. For images
    /// made here (`local`), `parent` is the image of the step before.
    pub async fn register(
        &self,
        config: RawConfig,
        parent: Option<ImageId>,
        tags: &[Reference],
        local: bool,
    ) -> Result<ImageId, ApiError> {
        let tagged = (!tags.is_empty()).then(|| self.now());
        let batch = self.registration(config.clone(), parent, tags, local, tagged);
        self.commit_batch(batch).await?;
        let id = config.id();
        for tag in tags {
            self.emit("tag", id.as_str(), &tag.familiar());
        }
        Ok(id)
    }

    /// The batch that makes an image exist. What is known of an image that exists already stays; `tagged` is when
    /// somebody named it, which pulling and loading are not.
    pub(super) fn registration(
        &self,
        config: RawConfig,
        parent: Option<ImageId>,
        tags: &[Reference],
        local: bool,
        tagged: Option<Timestamp>,
    ) -> Batch {
        let id = config.id();
        let old = self.get(&id);
        let last_tag_time = tagged.or_else(|| old.as_ref().map(|i| i.last_tag_time));
        let parent = parent
            .or_else(|| old.as_ref().and_then(|i| i.parent.clone()))
            .filter(|p| *p != id);
        let local = local || old.is_some_and(|i| i.local);
        let image = Image {
            config,
            parent,
            last_tag_time: last_tag_time.unwrap_or(Timestamp::ZERO),
            local,
        };
        tags.iter()
            .fold(Batch::default().image(image), |batch, tag| {
                batch.reference(tag.clone(), id.clone())
            })
    }
}

/// The reference that `repo` and `tag` of a request mean.
pub fn target(repository: &str, tag: &str) -> Result<Reference, ApiError> {
    let reference = lookup::parse(repository)?;
    if reference.digest().is_some() {
        return Err(ApiError::invalid(
            "refusing to create a tag with a digest reference",
        ));
    }
    if tag.is_empty() {
        return Ok(reference.with_default_tag());
    }
    reference
        .with_tag(tag)
        .map_err(|e| ApiError::invalid(e.to_string()))
}
