//! `docker history`.

use super::Images;
use crate::api::ApiError;
use crate::api::types::{ImageHistory, Timestamp};

impl Images {
    /// The steps that made an image, newest first.
    pub async fn history(&self, name: &str) -> Result<Vec<ImageHistory>, ApiError> {
        let image = self.find(name)?;
        let chains = image.chains();
        let sizes = self.layer_sizes().await?;
        let mut layers = chains.iter();
        let mut rows = Vec::new();
        for step in &image.config.config.history {
            let size = if step.empty_layer {
                0
            } else {
                let chain = layers.next();
                let chain = chain.ok_or_else(|| {
                    ApiError::system("too many non-empty layers in History section")
                })?;
                sizes.get(chain).copied().unwrap_or(0)
            };
            let created = step
                .created
                .as_deref()
                .and_then(Timestamp::parse)
                .unwrap_or(Timestamp::ZERO);
            rows.push(ImageHistory {
                comment: step.comment.clone(),
                created: created.seconds(),
                created_by: step.created_by.clone(),
                id: "<missing>".into(),
                size: i64::try_from(size).unwrap_or(i64::MAX),
                tags: None,
            });
        }
        rows.reverse();
        // The images of earlier steps are known only where they were made here.
        let mut id = Some(image.id());
        for row in &mut rows {
            let Some(step) = id else { break };
            row.id = step.to_string();
            let (tags, _) = self.names(&step);
            row.tags = (!tags.is_empty()).then_some(tags);
            id = self
                .get(&step)
                .and_then(|i| i.parent.clone())
                .filter(|p| self.get(p).is_some());
        }
        Ok(rows)
    }
}
