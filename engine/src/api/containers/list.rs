use http::StatusCode;

use crate::api::ApiResult;
use crate::api::filters::Filters;
use crate::api::message::{Call, Response};
use crate::container::{list as rows, prune as pruning};

pub async fn list(call: Call) -> ApiResult {
    let rows = rows::list(&call.engine, &call.query).await?;
    Ok(Response::json(StatusCode::OK, &rows))
}

pub async fn prune(call: Call) -> ApiResult {
    let filters = Filters::from_query(&call.query, &["label", "label!", "until"])?;
    let report = pruning::prune(&call.engine, &filters).await?;
    Ok(Response::json(StatusCode::OK, &report))
}
