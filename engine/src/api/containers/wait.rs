use http::StatusCode;

use super::find;
use crate::api::message::{Body, Call, Response, go_json};
use crate::api::types::{WaitExitError, WaitResponse};
use crate::api::{ApiError, ApiResult};
use crate::container::wait::Condition;

/// The headers go out at once: clients wait for them before they start the
/// container.
pub async fn wait(call: Call, id: &str) -> ApiResult {
    let text = call.query.get("condition");
    let condition = Condition::parse(text)
        .ok_or_else(|| ApiError::invalid(format!("invalid condition: {text:?}")))?;
    let container = find(&call, id)?;
    let exit = container.wait(condition);
    let body = async move {
        let exit = exit.await;
        let error = exit.error.map(|message| WaitExitError { message });
        Ok(go_json(&WaitResponse {
            error,
            status_code: exit.code,
        })
        .into())
    };
    let mut response = Response::status(StatusCode::OK).content_type("application/json");
    response.body = Body::stream(futures::stream::once(body));
    Ok(response)
}
