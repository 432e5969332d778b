//! Images as containers see them.

use async_trait::async_trait;

use super::Images;
use super::inspect::api_config;
use crate::api::ApiError;
use crate::image_source::{BaseImage, ImageSource};

#[async_trait(?Send)]
impl ImageSource for Images {
    async fn resolve(&self, reference: &str) -> Result<BaseImage, ApiError> {
        let image = self.find(reference)?;
        let config = image.config.config.config.clone().unwrap_or_default();
        Ok(BaseImage {
            id: image.id().to_string(),
            config: api_config(&config)?,
            layer: image.top(),
            size: self.size(&image).await?,
        })
    }

    fn count(&self) -> i64 {
        i64::try_from(self.all().len()).unwrap_or(i64::MAX)
    }
}
