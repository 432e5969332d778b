//! `docker image inspect`.

use bottleship_oci::config::ContainerConfig as OciConfig;
use bottleship_oci::{ChainId, ImageId};

use super::Images;
use crate::api::ApiError;
use crate::api::types::{
    ContainerConfig, GraphDriverData, ImageInspect, ImageMetadata, RootFsInspect,
};
use crate::graph_driver;

impl Images {
    /// Everything about one image; `root` is the engine's directory, which the answer names.
    pub async fn inspect(&self, name: &str, root: &str) -> Result<ImageInspect, ApiError> {
        let image = self.find(name).map_err(|e| match e.kind {
            crate::api::ErrorKind::NotFound => e.context(format!("no such image: {name}")),
            _ => e,
        })?;
        let id = image.id();
        let (repo_tags, repo_digests) = self.names(&id);
        let config = &image.config.config;
        let layers: Vec<String> = config
            .rootfs
            .diff_ids
            .iter()
            .map(|d| d.to_string())
            .collect();
        let driver = self.ports().snapshots.driver();
        let mut chain: Vec<String> = ChainId::chain(&config.rootfs.diff_ids)
            .iter()
            .rev()
            .map(ChainId::to_string)
            .collect();
        let graph_driver = if chain.is_empty() {
            GraphDriverData {
                name: driver.into(),
                data: None,
            }
        } else {
            let top = chain.remove(0);
            let lower = graph_driver::below(root, &chain);
            graph_driver::describe(driver, root, &top, lower)
        };
        let or = |text: &str, default: &str| {
            if text.is_empty() {
                default.into()
            } else {
                text.to_string()
            }
        };
        Ok(ImageInspect {
            id: id.to_string(),
            repo_tags,
            repo_digests,
            parent: image
                .parent
                .as_ref()
                .map(ImageId::to_string)
                .unwrap_or_default(),
            comment: comment(config),
            created: config
                .created_at()
                .map(crate::api::types::Timestamp::from_nanos),
            docker_version: config.docker_version.clone(),
            author: config.author.clone(),
            config: config.config.as_ref().map(api_config).transpose()?,
            architecture: or(&config.architecture, "amd64"),
            variant: config.variant.clone(),
            os: or(&config.os, "linux"),
            os_version: config.os_version.clone(),
            size: i64::try_from(self.size(&image).await?).unwrap_or(i64::MAX),
            graph_driver,
            root_fs: RootFsInspect {
                r#type: config.rootfs.kind.clone(),
                layers: (!layers.is_empty()).then_some(layers),
            },
            metadata: ImageMetadata {
                last_tag_time: image.last_tag_time,
            },
        })
    }
}

/// Docker takes the last step's comment for an image without one of its own.
fn comment(config: &bottleship_oci::ImageConfig) -> String {
    if config.comment.is_empty() {
        config
            .history
            .last()
            .map(|h| h.comment.clone())
            .unwrap_or_default()
    } else {
        config.comment.clone()
    }
}

/// The same document in the API's type.
pub(super) fn api_config(config: &OciConfig) -> Result<ContainerConfig, ApiError> {
    let value = serde_json::to_value(config).map_err(|e| ApiError::system(e.to_string()))?;
    serde_json::from_value(value).map_err(|e| ApiError::system(e.to_string()))
}

/// The API's document in the image configuration's type.
pub fn oci_config(config: &ContainerConfig) -> Result<OciConfig, ApiError> {
    let value = serde_json::to_value(config).map_err(|e| ApiError::system(e.to_string()))?;
    serde_json::from_value(value).map_err(|e| ApiError::system(e.to_string()))
}
