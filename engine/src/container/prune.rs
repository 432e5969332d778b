//! `docker container prune`.

use super::remove;
use crate::api::filters::Filters;
use crate::api::types::ContainersPruneReport;
use crate::api::{ApiError, prune_until};
use crate::engine::Engine;
use crate::events::attributes;

/// Removes containers that do not run.
pub async fn prune(engine: &Engine, filters: &Filters) -> Result<ContainersPruneReport, ApiError> {
    let until = prune_until(filters, engine.now())?;
    let mut report = ContainersPruneReport::default();
    for container in engine.containers().all() {
        let included = {
            let record = container.record();
            !record.state.running
                && !record.state.removal_in_progress
                && until.is_none_or(|until| record.created <= until)
                && filters.matches_labels(|key| {
                    record.config.labels.as_ref()?.get(key).map(String::as_str)
                })
        };
        if !included {
            continue;
        }
        let id = container.id();
        let size = engine
            .ports()
            .snapshots
            .usage(&id)
            .await
            .map_or(0, |usage| usage.size);
        // Someone may have started it meanwhile.
        if remove::remove(engine, &container, &id, false, false)
            .await
            .is_ok()
        {
            report.space_reclaimed += size;
            report.containers_deleted.get_or_insert_default().push(id);
        }
    }
    engine.events().emit(
        "container",
        "prune",
        "",
        attributes([("reclaimed", report.space_reclaimed.to_string())]),
    );
    Ok(report)
}
