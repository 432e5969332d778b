//! `docker image prune`.

use super::list::parse_until;
use super::{ImageUser, Images};
use crate::api::ApiError;
use crate::api::filters::Filters;
use crate::api::types::{ImagesPruneReport, StringMap};

const FILTERS: [&str; 4] = ["dangling", "label", "label!", "until"];

impl Images {
    /// Removes images without names, or with `dangling=false` all that no container uses.
    pub async fn prune(
        &self,
        filters: &Filters,
        users: &[ImageUser],
    ) -> Result<ImagesPruneReport, ApiError> {
        if let Some(name) = filters.names().find(|name| !FILTERS.contains(name)) {
            return Err(ApiError::invalid(format!("invalid filter '{name}'")));
        }
        let dangling_only = filters.bool("dangling")?.unwrap_or(true);
        let until = match filters.get("until") {
            [] => None,
            [one] => Some(parse_until(one, self.now())?),
            _ => return Err(ApiError::invalid("more than one until filter specified")),
        };
        let sizes = self.layer_sizes().await?;
        let mut report = ImagesPruneReport::default();
        let mut gone = Vec::new();
        for image in self.all() {
            let id = image.id();
            let references = self.references(&id);
            let step = !self.children(&id).is_empty();
            let too_new =
                until.is_some_and(|until| image.created().is_zero() || image.created() > until);
            let labels = image.labels();
            let labelled = filters.matches_labels(|key| labels?.get(key).map(String::as_str));
            if (step && (dangling_only || references.is_empty())) || too_new || !labelled {
                continue;
            }
            if references.is_empty() {
                gone.extend(self.try_remove(id.hex(), users).await?);
            } else if !dangling_only || references.iter().all(|r| r.tag().is_none()) {
                for reference in references {
                    gone.extend(self.try_remove(&reference.to_string(), users).await?);
                }
            }
        }
        for record in &gone {
            if let Ok(chain) = record.deleted.parse() {
                report.space_reclaimed += sizes.get(&chain).copied().unwrap_or(0);
            }
        }
        report.images_deleted = (!gone.is_empty()).then_some(gone);
        let reclaimed = StringMap::from([("reclaimed".into(), report.space_reclaimed.to_string())]);
        (self.ports().events)("prune", "", reclaimed);
        Ok(report)
    }

    /// Removes unless something stands in the way.
    async fn try_remove(
        &self,
        name: &str,
        users: &[ImageUser],
    ) -> Result<Vec<crate::api::types::ImageDelete>, ApiError> {
        use crate::api::ErrorKind::{Conflict, NotFound};
        match self.remove(name, false, true, users).await {
            Err(error) if matches!(error.kind, Conflict | NotFound) => Ok(Vec::new()),
            other => other,
        }
    }
}
