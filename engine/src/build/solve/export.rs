//! The image of a solve: the plan's config with layers and times.

use bottleship_dockerfile::convert::Plan;
use bottleship_dockerfile::image::{History, Image};
use bottleship_oci::config::RawConfig;
use bottleship_oci::{DiffId, ImageId};

use super::{Made, Result, Solve};
use crate::api::ApiError;

/// Gives the rows of history their layers and times, from the last on: a row whose step changed nothing has no layer.
/// Other rows of this build have the time of its first layer, so that a build that is all taken from the cache
/// makes the same image again.
fn align(image: &mut Image, layers: &[Option<DiffId>], times: &[Option<String>], now: &str) {
    let mut rest = layers.iter().zip(times).rev();
    for row in image.history.iter_mut().rev().filter(|r| !r.empty_layer) {
        match rest.next() {
            Some((layer, time)) => {
                row.empty_layer = layer.is_none();
                row.created = row.created.take().or_else(|| time.clone());
            }
            None => row.empty_layer = true,
        }
    }
    // A base whose history is shorter than its layers.
    let unknown = rest.filter(|(layer, _)| layer.is_some()).count();
    let rows = std::iter::repeat_with(History::default).take(unknown);
    image.history.splice(0..0, rows);
    image.rootfs.diff_ids = layers.iter().flatten().map(DiffId::to_string).collect();
    let of_base = || image.history.iter().rev().find_map(|r| r.created.clone());
    let first = times.iter().flatten().next().cloned();
    let time = first.or_else(of_base).unwrap_or_else(|| now.to_owned());
    for row in image.history.iter_mut().filter(|r| r.created.is_none()) {
        row.created = Some(time.clone());
    }
    let last = image.history.last().and_then(|r| r.created.clone());
    image.created = image.created.take().or(last).or(Some(time));
}

impl Solve<'_> {
    /// Makes the image exist and tells its id.
    pub(super) async fn export(&self, plan: &Plan, result: Option<&Made>) -> Result<ImageId> {
        let digest = format!("sha256:{}", super::cache::hash(["exporting to image"]));
        let vertex = self.progress.start(&digest, "exporting to image").await?;
        let layers = result.map(Made::layers).unwrap_or_default();
        let times = result.map(|m| m.times.as_slice()).unwrap_or_default();
        let mut image = plan.image.clone();
        let now = bottleship_oci::time::format(self.ports.clock.now().nanos());
        align(&mut image, layers, times, &now);
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
        let layers = [Some(layer('a')), None, Some(layer('b'))];
        let times = [None, Some("2".to_owned()), Some("3".to_owned())];
        align(&mut image, &layers, &times, "4");
        let empty: Vec<bool> = image.history.iter().map(|r| r.empty_layer).collect();
        assert_eq!(empty, [false, true, true, false]);
        assert_eq!(image.rootfs.diff_ids.len(), 2);
        let created: Vec<_> = image.history.iter().flat_map(|r| &r.created).collect();
        assert_eq!(created, ["2", "2", "2", "3"]);
        assert_eq!(image.created.as_deref(), Some("3"));
    }
}
