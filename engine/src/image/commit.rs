//! `docker commit`: a container's changes as an image.

use bottleship_oci::config::{ContainerConfig, RawConfig};
use bottleship_oci::{History, ImageConfig, ImageId, Reference};

use super::{Images, apply_changes, merge_config};
use crate::api::ApiError;
use crate::snapshot::LayerInfo;

/// A container to be made an image. Its changes are a layer already
/// ([`crate::snapshot::Snapshotter::commit`]).
pub struct Commit {
    /// The container.
    pub container: String,
    /// The image it was made of; `None` for nothing.
    pub parent: Option<ImageId>,
    /// What the request gives for the new image; the container's configuration if it gives none.
    pub config: Option<ContainerConfig>,
    /// What the container runs with.
    pub container_config: ContainerConfig,
    /// `None` when nothing changed.
    pub layer: Option<LayerInfo>,
    /// Who.
    pub author: String,
    /// A message.
    pub comment: String,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// The new image's name.
    pub tag: Option<Reference>,
}

impl Images {
    /// Makes the image, with its name, and returns its id.
    pub async fn commit(&self, commit: Commit) -> Result<ImageId, ApiError> {
        let mut config = commit
            .config
            .unwrap_or_else(|| commit.container_config.clone());
        apply_changes(&mut config, &commit.changes)?;
        merge_config(&mut config, &commit.container_config);
        let parent = match &commit.parent {
            None => None,
            Some(id) => Some(
                self.get(id)
                    .ok_or_else(|| ApiError::not_found(format!("No such image: {id}")))?,
            ),
        };
        let base = parent.as_ref().map(|p| &p.config.config);
        let created = self.now().to_string();
        let mut rootfs = base.map(|b| b.rootfs.clone()).unwrap_or_default();
        rootfs
            .diff_ids
            .extend(commit.layer.iter().map(|l| l.diff_id.clone()));
        let mut history = base.map(|b| b.history.clone()).unwrap_or_default();
        history.push(History {
            created: Some(created.clone()),
            author: commit.author.clone(),
            created_by: commit
                .container_config
                .cmd
                .clone()
                .unwrap_or_default()
                .join(" "),
            comment: commit.comment.clone(),
            empty_layer: commit.layer.is_none(),
        });
        let platform = base.map_or_else(|| self.settings().platform.clone(), |b| b.platform());
        let image = ImageConfig {
            architecture: platform.architecture,
            author: commit.author,
            comment: commit.comment,
            config: Some(config),
            container: commit.container,
            container_config: Some(commit.container_config),
            created: Some(created),
            docker_version: self.settings().docker_version.clone(),
            history,
            os: platform.os,
            os_version: base.map(|b| b.os_version.clone()).unwrap_or_default(),
            rootfs,
            variant: platform.variant.unwrap_or_default(),
        };
        let tags: Vec<Reference> = commit.tag.into_iter().collect();
        self.register(RawConfig::new(image), commit.parent, &tags, true)
            .await
    }
}
