use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use super::find;
use crate::api::message::{Call, Response};
use crate::api::types::ContainerPathStat;
use crate::api::{ApiError, ApiResult};
use crate::container::archive;

const TAR: &str = "application/x-tar";

fn path(call: &Call) -> Result<String, ApiError> {
    match call.query.get("path") {
        "" => Err(ApiError::invalid("bad parameter: path cannot be empty")),
        path => Ok(path.to_owned()),
    }
}

fn with_stat(response: Response, stat: &ContainerPathStat) -> Response {
    let json = serde_json::to_vec(stat).unwrap_or_default();
    let name = HeaderName::from_static("x-docker-container-path-stat");
    match HeaderValue::from_str(&STANDARD.encode(json)) {
        Ok(value) => response.header(name, value),
        Err(_) => response,
    }
}

pub async fn stat(call: Call, id: &str) -> ApiResult {
    let path = path(&call)?;
    let container = find(&call, id)?;
    let stat = archive::stat(&call.engine, &container, id, &path).await?;
    Ok(with_stat(Response::status(StatusCode::OK), &stat))
}

pub async fn get(call: Call, id: &str) -> ApiResult {
    let path = path(&call)?;
    let container = find(&call, id)?;
    let (stat, tar) = archive::get(&call.engine, &container, id, &path).await?;
    Ok(with_stat(Response::with(TAR, tar), &stat))
}

pub async fn put(mut call: Call, id: &str) -> ApiResult {
    let path = path(&call)?;
    let container = find(&call, id)?;
    let options = archive::PutOptions {
        no_overwrite_dir_non_dir: call.query.bool("noOverwriteDirNonDir"),
        copy_uid_gid: call.query.bool("copyUIDGID"),
    };
    let tar = std::mem::take(&mut call.body);
    archive::put(&call.engine, &container, id, &path, tar, options).await?;
    Ok(Response::status(StatusCode::OK))
}

pub async fn export(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    let tar = archive::export(&call.engine, &container).await?;
    container.emit(&call.engine, "export", &[]);
    Ok(Response::with("application/octet-stream", tar))
}
