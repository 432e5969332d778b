//! What a registry says about an image, without pulling it.

use bottleship_oci::document::MAX_DOCUMENT;
use bottleship_oci::{Digest, Document, ImageConfig, Platform, Reference};

use super::Images;
use super::remote::Remote;
use crate::api::ApiError;
use crate::api::types::{AuthConfig, DistributionInspect, WireDescriptor, WirePlatform};

impl Images {
    /// The descriptor and platforms of an image in its registry.
    pub async fn distribution(
        &self,
        reference: Reference,
        auth: AuthConfig,
    ) -> Result<DistributionInspect, ApiError> {
        let mut last = ApiError::system("no registry to ask");
        for remote in Remote::endpoints(self, reference.domain(), reference.path(), auth)? {
            let fetched = match remote
                .manifest(reference.path(), &reference.manifest_key())
                .await
            {
                Ok(fetched) => fetched,
                Err(error) => {
                    last = error.of_pull(&reference);
                    continue;
                }
            };
            let bad = |e: bottleship_oci::DocumentError| ApiError::invalid(e.to_string());
            let digest = Digest::of(&fetched.bytes);
            if reference.digest().is_some_and(|wanted| *wanted != digest) {
                return Err(ApiError::system(format!(
                    "manifest verification failed for digest {digest}"
                )));
            }
            let document =
                Document::parse(fetched.bytes, fetched.content_type.as_deref()).map_err(bad)?;
            let descriptor = WireDescriptor {
                media_type: document.media_type().into(),
                digest: digest.to_string(),
                size: document.raw().len() as i64,
            };
            let platforms = match &document {
                Document::Index(index) => index
                    .manifests
                    .iter()
                    .filter_map(|d| d.platform.clone())
                    .collect(),
                Document::Manifest(manifest) => {
                    let config = &manifest.config.digest;
                    let bytes = remote
                        .small_blob(reference.path(), config, MAX_DOCUMENT)
                        .await;
                    let bytes = bytes.map_err(|e| e.of_pull(&reference))?;
                    vec![ImageConfig::parse(&bytes).map_err(bad)?.platform()]
                }
            };
            return Ok(DistributionInspect {
                descriptor,
                platforms: platforms.into_iter().map(wire).collect(),
            });
        }
        Err(last)
    }
}

fn wire(platform: Platform) -> WirePlatform {
    WirePlatform {
        architecture: platform.architecture,
        os: platform.os,
        variant: platform.variant.unwrap_or_default(),
    }
}
