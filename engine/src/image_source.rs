//! What containers need to know of images.

use async_trait::async_trait;
use bottleship_oci::ChainId;

use crate::api::ApiError;
use crate::api::types::ContainerConfig;

/// An image a container can be made from.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseImage {
    /// `sha256:…`
    pub id: String,
    /// What it says about running it.
    pub config: ContainerConfig,
    /// Its top layer; `None` for an image without layers.
    pub layer: Option<ChainId>,
    /// Bytes of all its layers.
    pub size: u64,
}

/// The engine's images, as far as containers use them.
#[async_trait(?Send)]
pub trait ImageSource {
    /// An image by reference or id; 404 `No such image: …` otherwise.
    async fn resolve(&self, reference: &str) -> Result<BaseImage, ApiError>;

    /// How many images there are.
    fn count(&self) -> i64;
}
