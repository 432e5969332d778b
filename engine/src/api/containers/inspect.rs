use http::StatusCode;

use super::find;
use crate::api::ApiResult;
use crate::api::message::{Call, Response};
use crate::api::types::FilesystemChange;
use crate::container::inspect as facts;
use crate::snapshot::ChangeKind;

pub async fn inspect(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    let document = facts::inspect(
        &call.engine,
        &container,
        call.query.bool("size"),
        call.version,
    )
    .await?;
    Ok(Response::json(StatusCode::OK, &document))
}

pub async fn changes(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    let mut changes = call
        .engine
        .ports()
        .snapshots
        .changes(&container.id())
        .await?;
    // A mount point is made when the container starts, as in the image.
    changes.sort();
    let rows: Vec<FilesystemChange> = changes
        .into_iter()
        .map(|change| FilesystemChange {
            kind: match change.kind {
                ChangeKind::Modified => 0,
                ChangeKind::Added => 1,
                ChangeKind::Deleted => 2,
            },
            path: String::from_utf8_lossy(&change.path).into_owned(),
        })
        .collect();
    let rows = Some(rows).filter(|rows| !rows.is_empty());
    Ok(Response::json(StatusCode::OK, &rows))
}
