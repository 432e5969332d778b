use http::StatusCode;

use crate::api::message::{Call, Response};
use crate::api::types::CreateRequest;
use crate::api::{ApiError, ApiResult};
use crate::container::create as make;

pub async fn create(mut call: Call) -> ApiResult {
    let request: CreateRequest = call.json().await?;
    let platform = call.query.get("platform");
    if !matches!(platform, "" | "linux" | "linux/amd64" | "linux/x86_64") {
        let image = &request.config.image;
        let message = format!(
            "image with reference {image} was found but does not provide the specified platform ({platform})"
        );
        return Err(ApiError::not_found(message));
    }
    let created = make::create(&call.engine, call.query.get("name"), request).await?;
    Ok(Response::json(StatusCode::CREATED, &created))
}
