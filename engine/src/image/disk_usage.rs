//! The images' part of `docker system df`.

use super::list::ListOptions;
use super::{ImageUser, Images};
use crate::api::ApiError;
use crate::api::filters::Filters;
use crate::api::types::ImageSummary;

impl Images {
    /// Bytes of all images' layers, shared ones once; and the images with their shared bytes and
    /// containers.
    pub async fn disk_usage(
        &self,
        users: &[ImageUser],
    ) -> Result<(i64, Vec<ImageSummary>), ApiError> {
        let sizes = self.layer_sizes().await?;
        let used = self.shared_layers();
        let total: u64 = used.keys().filter_map(|chain| sizes.get(chain)).sum();
        let options = ListOptions {
            all: false,
            shared_size: true,
            containers: true,
        };
        let images = self.list(options, &Filters::default(), users).await?;
        Ok((i64::try_from(total).unwrap_or(i64::MAX), images))
    }
}
