//! `docker import`: a file system's archive as an image of one layer.

use bottleship_oci::config::{ContainerConfig, RawConfig};
use bottleship_oci::{History, ImageConfig, ImageId, Platform, Reference, RootFs};
use futures::StreamExt;

use super::{Images, Progress, apply_changes, remote};
use crate::api::{ApiError, Body};

/// What to import.
pub struct Import {
    /// The archive, perhaps compressed.
    pub archive: Body,
    /// Where it came from: `-` or an address.
    pub source: String,
    /// The new image's name.
    pub tag: Option<Reference>,
    /// A message; empty for `Imported from SOURCE`.
    pub message: String,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// Its platform, if not the engine's.
    pub platform: Option<Platform>,
}

impl Images {
    /// The archive at an address.
    pub async fn download(&self, url: &str, progress: &Progress) -> Result<Body, ApiError> {
        let url = if url.contains("://") {
            url.to_string()
        } else {
            format!("http://{url}")
        };
        let found = remote::download(&*self.ports().fetch, &url).await;
        let found = found.map_err(|e| ApiError::system(e.text()))?;
        progress.status(format!("Downloading from {url}")).await?;
        Ok(Body::Stream(found.body))
    }

    /// Makes the image and reports its id.
    pub async fn import(&self, import: Import, progress: &Progress) -> Result<ImageId, ApiError> {
        let mut config = ContainerConfig::default();
        apply_changes(&mut config, &import.changes)?;
        let limit = self.settings().max_blob;
        let mut writer = self.ports().content.writer();
        let mut archive = import.archive.into_stream();
        while let Some(chunk) = archive.next().await {
            let chunk = chunk?;
            if writer.written() + chunk.len() as u64 > limit {
                return Err(ApiError::invalid(format!(
                    "request body exceeds the limit of {limit} bytes"
                )));
            }
            writer.write(chunk).await?;
        }
        let blob = writer.seal().await?;
        let pin = self.pin(Vec::new(), vec![blob.clone()]);
        let layer = match self.ports().snapshots.apply(None, &blob).await {
            Ok(layer) => layer,
            Err(error) => {
                drop(pin);
                self.drop_unused(vec![blob]).await?;
                return Err(error.into());
            }
        };
        let _layer = self.pin(vec![layer.chain_id.clone()], Vec::new());
        let message = if import.message.is_empty() {
            format!("Imported from {}", import.source)
        } else {
            import.message
        };
        let created = self.now().to_string();
        let platform = import
            .platform
            .unwrap_or_else(|| self.settings().platform.clone());
        let history = History {
            created: Some(created.clone()),
            comment: message.clone(),
            ..Default::default()
        };
        let image = ImageConfig {
            architecture: platform.architecture,
            comment: message,
            config: Some(config),
            container_config: Some(ContainerConfig::default()),
            created: Some(created),
            docker_version: self.settings().docker_version.clone(),
            history: vec![history],
            os: platform.os,
            rootfs: RootFs {
                diff_ids: vec![layer.diff_id],
                ..Default::default()
            },
            variant: platform.variant.unwrap_or_default(),
            ..Default::default()
        };
        let tags: Vec<Reference> = import.tag.into_iter().collect();
        let id = self
            .register(RawConfig::new(image), None, &tags, false)
            .await?;
        self.emit("import", id.as_str(), id.as_str());
        progress.status(id.to_string()).await?;
        Ok(id)
    }
}
