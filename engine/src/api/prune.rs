//! What all prunes share.

use super::error::ApiError;
use super::filters::Filters;
use super::system::parse_time;
use super::types::Timestamp;

/// The `until` filter of a prune: only what is older goes.
pub fn prune_until(filters: &Filters, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    match filters.get("until") {
        [] => Ok(None),
        [until] => parse_time(until, now).map_err(|_| {
            let text = format!("failed to parse value as time or duration: {until:?}");
            ApiError::invalid(text)
        }),
        _ => Err(ApiError::invalid("more than one until filter specified")),
    }
}
