//! The image of a solve: the plan's config with layers and times.

use bottleship_dockerfile::convert::Plan;
use bottleship_dockerfile::image::{History, Image};
use bottleship_oci::config::RawConfig;
use bottleship_oci::{DiffId, ImageId};

use super::{Made, Result, Solve};
use crate::api::ApiError;

/// Gives the rows of history their layers, from the last on: a row whose step changed nothing has none.
fn align(image: &mut Image, layers: &[Option<DiffId>]) {
    let mut rest = layers.iter().rev();
    for row in image.history.iter_mut().rev().filter(|r| !r.empty_layer) {
        match rest.next() {
            Some(Some(_)) => {}
            Some(None) | None => row.empty_layer = true,
        }
    }
    // A base whose history is shorter than its layers.
    let unknown = rest.filter(|layer| layer.is_some()).count();
    let rows = std::iter::repeat_with(History::default).take(unknown);
    image.history.splice(0..0, rows);
    image.rootfs.diff_ids = layers.iter().flatten().map(DiffId::to_string).collect();
}

impl Solve<'_> {
    /// Makes the image exist and tells its id.
    pub(super) async fn export(&self, plan: &Plan, result: Option<&Made>) -> Result<ImageId> {
        let digest = format!("sha256:{}", super::cache::hash(["exporting to image"]));
        let vertex = self.progress.start(&digest, "exporting to image").await?;
        let layers = result.map(Made::layers).unwrap_or_default();
        let mut image = plan.image.clone();
        align(&mut image, layers);
        let now = bottleship_oci::time::format(self.ports.clock.now().nanos());
        // Rows of the base have their times.
        for row in image.history.iter_mut().filter(|r| r.created.is_none()) {
            row.created = Some(now.clone());
        }
        image.created = Some(image.created.unwrap_or(now));
        vertex.part("exporting layers", 0).await?;
        let json = serde_json::to_vec(&image).map_err(|e| ApiError::system(e.to_string()))?;
        let raw = RawConfig::parse(json.into()).map_err(|e| ApiError::system(e.to_string()))?;
        let id = self
            .ports
            .images
            .register(raw, None, &self.request.tags)
            .await?;
        vertex.part(&format!("writing image {id}"), 0).await?;
        for tag in &self.request.tags {
            vertex.part(&format!("naming to {tag}"), 0).await?;
        }
        vertex.done(false).await?;
        self.progress.image_id(id.as_str()).await?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_changed_nothing_has_no_layer() {
        let row = |empty_layer| History {
            empty_layer,
            ..History::default()
        };
        let mut image = Image {
            history: vec![row(false), row(true), row(false), row(false)],
            ..Image::default()
        };
        let layer = |n: char| -> DiffId {
            let digest = format!("sha256:{}", n.to_string().repeat(64));
            digest.parse().expect("a digest")
        };
        align(&mut image, &[Some(layer('a')), None, Some(layer('b'))]);
        let empty: Vec<bool> = image.history.iter().map(|r| r.empty_layer).collect();
        assert_eq!(empty, [false, true, true, false]);
        assert_eq!(image.rootfs.diff_ids.len(), 2);
    }
}
