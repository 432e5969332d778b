//! `/containers/…`.

mod attach;
mod create;
mod files;
mod inspect;
mod lifecycle;
mod list;
mod logs;
mod stats;
mod wait;

use http::Method;

use super::message::Call;
use super::{ApiError, ApiResult};
use crate::container::Container;

/// Routes `/containers/…`, without the prefix.
pub async fn route(call: Call, method: &Method, path: &[&str]) -> ApiResult {
    match (method.as_str(), path) {
        ("GET", ["json"]) => list::list(call).await,
        ("POST", ["create"]) => create::create(call).await,
        ("POST", ["prune"]) => list::prune(call).await,
        ("GET", [id, "json"]) => inspect::inspect(call, id).await,
        ("GET", [id, "top"]) => stats::top(call, id).await,
        ("GET", [id, "stats"]) => stats::stats(call, id).await,
        ("GET", [id, "logs"]) => logs::logs(call, id).await,
        ("GET", [id, "changes"]) => inspect::changes(call, id).await,
        ("GET", [id, "export"]) => files::export(call, id).await,
        ("HEAD", [id, "archive"]) => files::stat(call, id).await,
        ("GET", [id, "archive"]) => files::get(call, id).await,
        ("PUT", [id, "archive"]) => files::put(call, id).await,
        ("GET", [id, "attach", "ws"]) => attach::websocket(call, id).await,
        ("POST", [id, "attach"]) => attach::attach(call, id).await,
        ("POST", [id, "start"]) => lifecycle::start(call, id).await,
        ("POST", [id, "stop"]) => lifecycle::stop(call, id).await,
        ("POST", [id, "restart"]) => lifecycle::restart(call, id).await,
        ("POST", [id, "kill"]) => lifecycle::kill(call, id).await,
        ("POST", [id, "pause"]) => lifecycle::pause(call, id).await,
        ("POST", [id, "unpause"]) => lifecycle::unpause(call, id).await,
        ("POST", [id, "rename"]) => lifecycle::rename(call, id).await,
        ("POST", [id, "update"]) => lifecycle::update(call, id).await,
        ("POST", [id, "resize"]) => lifecycle::resize(call, id).await,
        ("POST", [id, "wait"]) => wait::wait(call, id).await,
        ("POST", [id, "exec"]) => super::exec::create(call, id).await,
        ("DELETE", [id]) => lifecycle::remove(call, id).await,
        ("DELETE", [id, alias]) if call.query.bool("link") => {
            lifecycle::remove_link(call, id, alias).await
        }
        (_, [_, "checkpoints", ..]) => Err(ApiError::not_implemented(
            "checkpoints are not supported here",
        )),
        _ => Err(ApiError::not_found("page not found")),
    }
}

fn find(call: &Call, reference: &str) -> Result<Container, ApiError> {
    call.engine.containers().find(reference)
}

pub use attach::stream_type;
pub use lifecycle::size as resize_size;
