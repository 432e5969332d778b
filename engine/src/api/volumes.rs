//! `/volumes/…`.

use http::{Method, StatusCode};

use super::filters::Filters;
use super::message::{ApiVersion, Call, Response};
use super::types::{VolumeCreateRequest, VolumeList};
use super::{ApiError, ApiResult};

const LIST_FILTERS: &[&str] = &["dangling", "driver", "label", "name"];
const PRUNE_FILTERS: &[&str] = &["all", "label", "label!"];

/// Routes `/volumes/…`, without the prefix.
pub async fn route(call: Call, method: &Method, path: &[&str]) -> ApiResult {
    match (method.as_str(), path) {
        ("GET", []) => list(call).await,
        ("POST", ["create"]) => create(call).await,
        ("POST", ["prune"]) => prune(call).await,
        ("GET", [name]) => inspect(call, name).await,
        ("DELETE", [name]) => remove(call, name).await,
        ("PUT", [_]) => Err(ApiError::unavailable(super::NOT_A_SWARM)),
        _ => Err(ApiError::not_found("page not found")),
    }
}

async fn list(call: Call) -> ApiResult {
    let filters = Filters::from_query(&call.query, LIST_FILTERS)?;
    let volumes = call.engine.volumes().list(&call.engine, &filters)?;
    Ok(Response::json(
        StatusCode::OK,
        &VolumeList {
            volumes,
            warnings: None,
        },
    ))
}

async fn create(mut call: Call) -> ApiResult {
    let request: VolumeCreateRequest = call.json_or_default().await?;
    let volume = call.engine.volumes().create(&call.engine, request).await?;
    Ok(Response::json(StatusCode::CREATED, &volume))
}

async fn inspect(call: Call, name: &str) -> ApiResult {
    let volume = call.engine.volumes().get(name)?;
    let wire = volume.borrow().wire(&call.engine.config().root_dir);
    Ok(Response::json(StatusCode::OK, &wire))
}

async fn remove(call: Call, name: &str) -> ApiResult {
    call.engine
        .volumes()
        .remove(&call.engine, name, call.query.bool("force"))
        .await?;
    Ok(Response::no_content())
}

async fn prune(call: Call) -> ApiResult {
    let filters = Filters::from_query(&call.query, PRUNE_FILTERS)?;
    // Named volumes were pruned, too, before API 1.42.
    let all = call.version < ApiVersion(42);
    let report = call
        .engine
        .volumes()
        .prune(&call.engine, &filters, all)
        .await?;
    Ok(Response::json(StatusCode::OK, &report))
}
