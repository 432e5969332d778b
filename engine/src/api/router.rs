//! From method and path to handler.

use bottleship_oci::document::printable_lines;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, PRAGMA, SERVER};
use http::{Method, StatusCode};

use super::error::{ApiError, ErrorKind};
use super::message::{ApiVersion, Body, Call, Request, Response};
use super::query::{Query, decode};
use super::types::ErrorResponse;
use super::{ApiResult, build, containers, exec, images, info, networks, system, volumes};
use crate::engine::Engine;

/// Answers a request.
pub async fn handle(engine: Engine, request: Request) -> Response {
    let head = request.method == Method::HEAD;
    let builder = engine.config().builder_version;
    let mut response = match dispatch(engine, request).await {
        Ok(response) => response,
        Err(error) => error_response(&error),
    };
    if head {
        response.body = Body::Empty;
    }
    common_headers(response, builder)
}

/// An error as the API reports it.
pub fn error_response(error: &ApiError) -> Response {
    if error.kind == ErrorKind::NotModified {
        return Response::status(StatusCode::NOT_MODIFIED);
    }
    Response::json(
        error.kind.status(),
        &ErrorResponse {
            message: printable_lines(&error.message),
        },
    )
}

fn common_headers(response: Response, builder: &'static str) -> Response {
    let api_version = HeaderValue::from_str(&ApiVersion::MAX.to_string());
    let ping = [
        (
            "api-version",
            api_version.unwrap_or(HeaderValue::from_static("1.51")),
        ),
        ("builder-version", HeaderValue::from_static(builder)),
        ("docker-experimental", HeaderValue::from_static("false")),
        ("ostype", HeaderValue::from_static("linux")),
        ("swarm", HeaderValue::from_static("inactive")),
    ];
    let mut response = response.header(SERVER, HeaderValue::from_static(system::SERVER_HEADER));
    for (name, value) in ping {
        // Only /_ping has the last two; the others are on every answer.
        let of_ping = matches!(name, "swarm" | "builder-version");
        if !of_ping || response.headers.contains_key(PRAGMA) {
            response = response.header(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Adds what marks an answer to a ping.
pub(super) fn ping_headers(response: Response) -> Response {
    response
        .header(
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-store, must-revalidate"),
        )
        .header(PRAGMA, HeaderValue::from_static("no-cache"))
}

async fn dispatch(engine: Engine, request: Request) -> ApiResult {
    let Request {
        method,
        target,
        headers,
        body,
    } = request;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let segments: Vec<String> = path
        .split('/')
        .filter(|s| !s.is_empty())
        .map(|s| decode(s, false))
        .collect();
    let mut segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let version = match segments.first().and_then(|first| version_prefix(first)) {
        Some(text) => {
            segments.remove(0);
            check_version(text)?
        }
        None => ApiVersion::MAX,
    };
    engine.loaded().await?;
    let call = Call {
        engine,
        version,
        query: Query::parse(query),
        headers,
        body,
    };
    route(call, &method, &segments).await
}

/// `1.43` of `v1.43`.
fn version_prefix(segment: &str) -> Option<&str> {
    let version = segment.strip_prefix('v')?;
    version
        .bytes()
        .all(|b| b.is_ascii_digit() || b == b'.')
        .then_some(version)
        .filter(|v| !v.is_empty())
}

fn check_version(text: &str) -> Result<ApiVersion, ApiError> {
    let parse = || -> Option<(u32, u32)> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let (major, minor) =
        parse().ok_or_else(|| ApiError::invalid(format!("invalid API version {text:?}")))?;
    if major < 1 || (major == 1 && minor < ApiVersion::MIN.0) {
        return Err(ApiError::invalid(format!(
            "client version {text} is too old. Minimum supported API version is {}, please upgrade your client to a newer version",
            ApiVersion::MIN
        )));
    }
    if major > 1 || minor > ApiVersion::MAX.0 {
        return Err(ApiError::invalid(format!(
            "client version {text} is too new. Maximum supported API version is {}",
            ApiVersion::MAX
        )));
    }
    Ok(ApiVersion(minor))
}

async fn route(call: Call, method: &Method, path: &[&str]) -> ApiResult {
    match (method.as_str(), path) {
        ("GET" | "HEAD", ["_ping"]) => system::ping(call).await,
        ("GET", ["version"]) => system::version(call).await,
        ("GET", ["events"]) => system::events(call).await,
        ("GET", ["info"]) => info::info(call).await,
        ("GET", ["system", "df"]) => info::disk_usage(call).await,
        ("POST", ["build"]) => build::build(call).await,
        ("POST", ["build", "prune"]) => build::prune(call).await,
        (_, ["containers", rest @ ..]) => containers::route(call, method, rest).await,
        (_, ["images", rest @ ..]) => images::route(call, method, rest).await,
        ("POST", ["auth"]) => images::login(call).await,
        ("POST", ["commit"]) => images::commit(call).await,
        ("GET", ["distribution", name @ .., "json"]) => images::distribution(call, name).await,
        (_, ["exec", rest @ ..]) => exec::route(call, method, rest).await,
        (_, ["volumes", rest @ ..]) => volumes::route(call, method, rest).await,
        (_, ["networks", rest @ ..]) => networks::route(call, method, rest).await,
        ("GET", ["plugins"]) => Ok(Response::json(StatusCode::OK, &Vec::<String>::new())),
        (_, ["plugins", name, ..]) => {
            Err(ApiError::not_found(format!("plugin {name:?} not found")))
        }
        ("POST", ["swarm", "init" | "join"]) => Err(ApiError::not_implemented(
            "swarm mode is not supported here",
        )),
        ("POST", ["swarm", "leave"]) => {
            Err(ApiError::unavailable("This node is not part of a swarm"))
        }
        (
            _,
            [
                "swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs",
                ..,
            ],
        ) => Err(ApiError::unavailable(super::NOT_A_SWARM)),
        ("POST", ["session" | "grpc"]) => Err(ApiError::not_implemented(
            "BuildKit sessions are not supported here: use DOCKER_BUILDKIT=0",
        )),
        _ => Err(ApiError::not_found("page not found")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_out_of_range_are_refused_in_dockers_words() {
        assert_eq!(check_version("1.41"), Ok(ApiVersion(41)));
        let message = |text| check_version(text).map_err(|e| e.message);
        assert_eq!(
            message("1.12"),
            Err("client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version".into())
        );
        assert_eq!(
            message("1.99"),
            Err("client version 1.99 is too new. Maximum supported API version is 1.51".into())
        );
        assert!(check_version("1").is_err() && check_version("1.2.3").is_err());
    }
}
