//! The engine's images, as builds use them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bottleship_oci::config::RawConfig;
use bottleship_oci::{ImageId, Platform, Reference};

use super::output::Output;
use super::ports::{BuildImages, StoredImage};
use crate::api::types::AuthConfig;
use crate::api::{ApiError, ErrorKind};
use crate::image::{Image, Images, Progress, Pull};
use crate::pipe::{CAPACITY, pipe};

/// Images of an engine, with what the client knows of registries.
pub struct EngineImages {
    /// The images.
    pub images: Images,
    /// Accounts by registry, `X-Registry-Config`.
    pub accounts: BTreeMap<String, AuthConfig>,
    /// `--platform`.
    pub platform: Option<Platform>,
}

fn stored(image: &Image) -> StoredImage {
    StoredImage {
        config: image.config.clone(),
        parent: image.parent.clone(),
        local: image.local,
    }
}

impl EngineImages {
    fn account(&self, domain: &str) -> AuthConfig {
        let keys = match domain {
            "docker.io" => ["https://index.docker.io/v1/", "docker.io"],
            domain => [domain, domain],
        };
        let found = keys.iter().find_map(|key| self.accounts.get(*key));
        found.cloned().unwrap_or_default()
    }
}

#[async_trait(?Send)]
impl BuildImages for EngineImages {
    fn find(&self, name: &str) -> Result<Option<StoredImage>, ApiError> {
        match self.images.find(name) {
            Ok(image) => Ok(Some(stored(&image))),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn pull(&self, name: &str, output: &Output) -> Result<StoredImage, ApiError> {
        let reference = Reference::parse(name).map_err(|e| ApiError::invalid(e.to_string()))?;
        let auth = self.account(reference.domain());
        let pull = Pull {
            reference: reference.with_default_tag(),
            all_tags: false,
            platform: self.platform.clone(),
            auth,
        };
        let (writer, mut reader) = pipe(CAPACITY);
        let pulled = async {
            // Dropping the progress ends the copying below.
            let progress = Progress::new(writer);
            self.images.pull(pull, &progress).await
        };
        let copied = async {
            while let Some(Ok(lines)) = reader.read().await {
                output.raw(lines).await?;
            }
            Ok(())
        };
        let (pulled, copied) = futures::join!(pulled, copied);
        pulled.and(copied)?;
        Ok(stored(&*self.images.find(name)?))
    }

    fn children(&self, parent: Option<&ImageId>) -> Vec<StoredImage> {
        let Some(parent) = parent else {
            let all = self.images.all();
            let roots = all.iter().filter(|image| image.parent.is_none());
            return roots.map(|image| stored(image)).collect();
        };
        let children = self.images.children(parent);
        let children = children.iter().filter_map(|id| self.images.get(id));
        children.map(|image| stored(&image)).collect()
    }

    async fn register(
        &self,
        config: RawConfig,
        parent: Option<ImageId>,
        tags: &[Reference],
    ) -> Result<ImageId, ApiError> {
        self.images.register(config, parent, tags, true).await
    }

    async fn tag(&self, id: &ImageId, reference: &Reference) -> Result<(), ApiError> {
        self.images.tag_image(id, reference).await
    }
}
