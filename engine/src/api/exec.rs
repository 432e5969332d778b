//! `/containers/{id}/exec` and `/exec/…`.

use std::rc::Rc;

use http::{Method, StatusCode};

use super::containers::{resize_size, stream_type};
use super::message::{Call, Response};
use super::types::{ExecCreateRequest, ExecStartRequest, IdResponse};
use super::{ApiError, ApiResult};
use crate::container::attach::{AttachOptions, attach, parse_detach_keys};
use crate::container::exec::{self, Exec};

/// Routes `/exec/…`, without the prefix.
pub async fn route(call: Call, method: &Method, path: &[&str]) -> ApiResult {
    match (method.as_str(), path) {
        ("POST", [id, "start"]) => start(call, id).await,
        ("POST", [id, "resize"]) => resize(call, id).await,
        ("GET", [id, "json"]) => Ok(Response::json(
            StatusCode::OK,
            &call.engine.containers().exec(id)?.inspect(),
        )),
        _ => Err(ApiError::not_found("page not found")),
    }
}

pub async fn create(mut call: Call, id: &str) -> ApiResult {
    let request: ExecCreateRequest = call.json().await?;
    if !request.detach_keys.is_empty() {
        parse_detach_keys(&request.detach_keys).map_err(|_| {
            ApiError::invalid(format!(
                "Invalid escape keys ({}) provided",
                request.detach_keys
            ))
        })?;
    }
    let container = call.engine.containers().find(id)?;
    let id = exec::create(&call.engine, &container, id, request).await?;
    Ok(Response::json(StatusCode::CREATED, &IdResponse { id }))
}

async fn start(mut call: Call, id: &str) -> ApiResult {
    let request: ExecStartRequest = call.json_or_default().await?;
    let exec = call.engine.containers().exec(id)?;
    let size = request.console_size.filter(|_| request.tty);
    if request.detach {
        drop(exec.start(&call.engine, size).await?);
        return Ok(Response::status(StatusCode::OK));
    }
    exec.container(&call.engine)?;
    let tty = exec.request.tty;
    // Who starts it says how the output comes, whatever who created it said.
    let framed = !request.tty;
    let keys = parse_detach_keys(&exec.request.detach_keys)?;
    let options = AttachOptions {
        stdin: exec.request.attach_stdin,
        stdout: exec.request.attach_stdout,
        stderr: exec.request.attach_stderr,
        tty,
        framed,
        close_stdin: true,
        detach_keys: if tty { keys } else { Vec::new() },
    };
    let duplex = attach(&call.engine, &exec.streams, options);
    if let Err(error) = exec.start(&call.engine, size).await {
        report(&exec, &error).await;
    }
    Ok(Response::hijack(
        call.wants_upgrade(),
        stream_type(!framed, call.version),
        duplex,
    ))
}

/// The connection is the client's already: the error is output, as in dockerd.
async fn report(exec: &Rc<Exec>, error: &ApiError) {
    let text = format!("{}\r\n", error.message);
    exec.streams.say(text.into()).await;
    exec.streams.end();
}

async fn resize(call: Call, id: &str) -> ApiResult {
    let (rows, columns) = resize_size(&call)?;
    let exec = call.engine.containers().exec(id)?;
    let process = exec.process.borrow().clone();
    let process =
        process.ok_or_else(|| ApiError::conflict(format!("exec process {id} is not running")))?;
    process.resize(rows, columns).await?;
    Ok(Response::status(StatusCode::OK))
}
