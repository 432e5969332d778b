//! `docker images`.

use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_oci::{ChainId, ImageId};

use super::{Image, ImageUser, Images};
use crate::api::ApiError;
use crate::api::filters::Filters;
use crate::api::types::{ImageSummary, Timestamp};
use crate::units::parse_duration;

const FILTERS: [&str; 6] = ["dangling", "label", "before", "since", "reference", "until"];

/// What `docker images` asks for besides filters.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListOptions {
    /// Images that only are steps of others, too.
    pub all: bool,
    /// Count the bytes shared with other images.
    pub shared_size: bool,
    /// Count the containers of each.
    pub containers: bool,
}

/// Familiar tags and familiar digests.
type Names = (Vec<String>, Vec<String>);

impl Images {
    /// The images, newest first.
    pub async fn list(
        &self,
        options: ListOptions,
        filters: &Filters,
        users: &[ImageUser],
    ) -> Result<Vec<ImageSummary>, ApiError> {
        if let Some(name) = filters.names().find(|name| !FILTERS.contains(name)) {
            return Err(ApiError::invalid(format!("invalid filter '{name}'")));
        }
        let dangling = filters.bool("dangling")?;
        let (after, before) = self.time_bounds(filters)?;
        let sizes = self.layer_sizes().await?;
        let shared = options.shared_size.then(|| self.shared_layers());
        let mut rows = Vec::new();
        for image in self.all() {
            let created = image.created();
            let too_new = before.is_some_and(|limit| created.is_zero() || created >= limit);
            let too_old = after.is_some_and(|limit| created <= limit);
            let labels = image.labels();
            let label = |key: &str| labels?.get(key).map(String::as_str);
            if too_new || too_old || !filters.matches_labels(label) {
                continue;
            }
            let Some((repo_tags, repo_digests)) =
                self.shown_names(&image, options.all, dangling, filters)?
            else {
                continue;
            };
            let chains = image.chains();
            let bytes = |chains: &mut dyn Iterator<Item = &ChainId>| -> i64 {
                chains
                    .map(|c| sizes.get(c).copied().unwrap_or(0) as i64)
                    .sum()
            };
            let id = image.id();
            let row = ImageSummary {
                containers: if options.containers {
                    count(users, &id)
                } else {
                    -1
                },
                created: created.seconds(),
                id: id.to_string(),
                labels: labels.cloned(),
                parent_id: image
                    .parent
                    .as_ref()
                    .map(ImageId::to_string)
                    .unwrap_or_default(),
                repo_digests,
                repo_tags,
                shared_size: match &shared {
                    Some(counts) => bytes(
                        &mut chains
                            .iter()
                            .filter(|c| counts.get(*c).is_some_and(|n| *n > 1)),
                    ),
                    None => -1,
                },
                size: bytes(&mut chains.iter()),
            };
            rows.push((created, row));
        }
        // By the whole time: images of one second keep their order, too.
        rows.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Tags and digests to be shown for an image; `None` if it is not to be shown.
    fn shown_names(
        &self,
        image: &Rc<Image>,
        all: bool,
        dangling: Option<bool>,
        filters: &Filters,
    ) -> Result<Option<Names>, ApiError> {
        let id = image.id();
        let step = !self.children(&id).is_empty();
        if dangling == Some(true) && step {
            return Ok(None);
        }
        let patterns = filters.get("reference");
        let (mut tags, mut digests) = (Vec::new(), Vec::new());
        for reference in self.references(&id) {
            let mut matches = patterns.is_empty();
            for pattern in patterns {
                matches |= reference
                    .familiar_match(pattern)
                    .map_err(|e| ApiError::invalid(e.to_string()))?;
            }
            if matches {
                let list = if reference.digest().is_some() {
                    &mut digests
                } else {
                    &mut tags
                };
                list.push(reference.familiar());
            }
        }
        let shown = if tags.is_empty() && digests.is_empty() {
            (all || !step) && dangling != Some(false) && patterns.is_empty()
        } else {
            dangling != Some(true) || tags.is_empty()
        };
        Ok(shown.then_some((tags, digests)))
    }

    /// Created after, created before: from `since`, `before` and `until`.
    fn time_bounds(
        &self,
        filters: &Filters,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
        let mut before: Option<Timestamp> = None;
        for name in filters.get("before") {
            let created = self.find(name)?.created();
            before = Some(before.map_or(created, |b| b.min(created)));
        }
        for text in filters.get("until") {
            let time = parse_until(text, self.now())?;
            before = Some(before.map_or(time, |b| b.min(time)));
        }
        let mut after: Option<Timestamp> = None;
        for name in filters.get("since") {
            let created = self.find(name)?.created();
            after = Some(after.map_or(created, |a| a.max(created)));
        }
        Ok((after, before))
    }

    /// Bytes of every layer.
    pub(super) async fn layer_sizes(&self) -> Result<BTreeMap<ChainId, u64>, ApiError> {
        let layers = self.ports().snapshots.layers().await?;
        Ok(layers.into_iter().map(|l| (l.chain_id, l.size)).collect())
    }

    /// How many images have each layer.
    pub(super) fn shared_layers(&self) -> BTreeMap<ChainId, usize> {
        let mut counts = BTreeMap::new();
        for chain in self.all().iter().flat_map(|i| i.chains()) {
            *counts.entry(chain).or_default() += 1;
        }
        counts
    }
}

fn count(users: &[ImageUser], id: &ImageId) -> i64 {
    users.iter().filter(|u| u.image == *id).count() as i64
}

/// A time of `until`: seconds since 1970, RFC 3339 (perhaps only its beginning), or a duration ago.
pub(super) fn parse_until(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    if let Some(ago) = parse_duration(text) {
        return Ok(Timestamp::from_nanos(now.nanos() - i128::from(ago)));
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if let Ok(seconds) = seconds.parse::<i64>() {
        let digits = format!("{fraction:0<9}");
        if let Some(Ok(nanos)) = digits.get(..9).map(str::parse::<u32>) {
            return Ok(Timestamp::from_unix(seconds, nanos));
        }
    }
    let ends = ["", "Z", ":00Z", ":00:00Z", "T00:00:00Z", "-01T00:00:00Z"];
    let full = ends
        .iter()
        .find_map(|end| Timestamp::parse(&format!("{text}{end}")));
    full.ok_or_else(|| {
        ApiError::invalid(format!(
            "failed to parse value as time or duration: {text:?}"
        ))
    })
}
