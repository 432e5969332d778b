//! `/networks/…`.

use http::{Method, StatusCode};

use super::filters::Filters;
use super::message::{Call, Response};
use super::types::{
    NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest, NetworkInspect,
};
use super::{ApiError, ApiResult};
use crate::networking::{attach_container, detach_container};

const LIST_FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];
const PRUNE_FILTERS: &[&str] = &["label", "label!", "until"];

/// Routes `/networks/…`, without the prefix.
pub async fn route(call: Call, method: &Method, path: &[&str]) -> ApiResult {
    match (method.as_str(), path) {
        ("GET", []) => list(call).await,
        ("POST", ["create"]) => create(call).await,
        ("POST", ["prune"]) => prune(call).await,
        ("GET", [id]) => inspect(call, id).await,
        ("DELETE", [id]) => remove(call, id).await,
        ("POST", [id, "connect"]) => connect(call, id).await,
        ("POST", [id, "disconnect"]) => disconnect(call, id).await,
        _ => Err(ApiError::not_found("page not found")),
    }
}

async fn list(call: Call) -> ApiResult {
    let filters = Filters::from_query(&call.query, LIST_FILTERS)?;
    let used = call.engine.containers().network_names();
    let found = call
        .engine
        .networks()
        .list(&filters, |name| used.contains(name))?;
    let rows: Vec<NetworkInspect> = found
        .iter()
        .map(|network| network.borrow().wire(false))
        .collect();
    Ok(Response::json(StatusCode::OK, &rows))
}

async fn create(mut call: Call) -> ApiResult {
    let request: NetworkCreateRequest = call.json().await?;
    let created = call.engine.networks().create(&call.engine, request).await?;
    Ok(Response::json(StatusCode::CREATED, &created))
}

async fn inspect(call: Call, id: &str) -> ApiResult {
    let scope = call.query.get("scope");
    if !matches!(scope, "" | "local") {
        return Err(ApiError::not_found(format!("network {id} not found")));
    }
    let network = call.engine.networks().find(id)?;
    let wire = network.borrow().wire(true);
    Ok(Response::json(StatusCode::OK, &wire))
}

async fn remove(call: Call, id: &str) -> ApiResult {
    call.engine.networks().remove(&call.engine, id).await?;
    Ok(Response::no_content())
}

async fn prune(call: Call) -> ApiResult {
    let filters = Filters::from_query(&call.query, PRUNE_FILTERS)?;
    let report = call.engine.networks().prune(&call.engine, &filters).await?;
    Ok(Response::json(StatusCode::OK, &report))
}

async fn connect(mut call: Call, id: &str) -> ApiResult {
    let request: NetworkConnectRequest = call.json().await?;
    // The network is looked for first.
    call.engine.networks().find(id)?;
    let container = call.engine.containers().find(&request.container)?;
    attach_container(
        &call.engine,
        id,
        &container,
        request.endpoint_config.unwrap_or_default(),
    )
    .await?;
    Ok(Response::status(StatusCode::OK))
}

async fn disconnect(mut call: Call, id: &str) -> ApiResult {
    let request: NetworkDisconnectRequest = call.json().await?;
    let container = match call.engine.containers().find(&request.container) {
        Ok(container) => container,
        // By force, also the endpoint of a container that is gone; there is none here.
        Err(_) if request.force => {
            call.engine.networks().find(id)?;
            return Err(ApiError::not_found(format!(
                "endpoint {} not found",
                request.container
            )));
        }
        Err(missing) => return Err(missing),
    };
    call.engine.networks().find(id)?;
    detach_container(&call.engine, id, &container).await?;
    Ok(Response::status(StatusCode::OK))
}
