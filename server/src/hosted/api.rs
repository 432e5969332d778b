//! The API of hosted sessions over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bottleship_engine::api::types::Timestamp;
use bottleship_engine::layer::{ArchiveOptions, archive};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admission::{Refusal, is_welcome};
use super::session::{Session, on_engine};
use super::{Hosted, preview, socket};
use crate::daemon::thread::{self, ResponseBody};
use crate::site;

/// Bytes of an archive of a visitor's files.
const DOWNLOAD: usize = 64 << 20;
/// Bytes of a request's body; it has none that matters.
const BODY: usize = 16 << 10;

/// The site in `dir`, with hosted sessions.
pub fn router(hosted: Arc<Hosted>, dir: &FilePath) -> Router {
    let api = Router::new()
        .route("/api/sessions", post(open))
        .route("/api/sessions/{id}", get(show).delete(close))
        .route("/api/sessions/{id}/terminal", get(socket::connect))
        .route("/api/sessions/{id}/files", get(files))
        .route("/api/sessions/{id}/image", get(image))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .layer(axum::extract::DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(protect));
    let previews = Router::new()
        .route("/preview/{key}/{port}", any(show_port_root))
        .route("/preview/{key}/{port}/", any(show_port_root))
        .route("/preview/{key}/{port}/{*path}", any(show_port));
    api.merge(previews)
        .with_state(hosted)
        .fallback_service(site::router(dir))
}

/// Answers of the API are for who asked, now.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let values = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in values {
        response.headers_mut().insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn message(status: StatusCode, text: &str) -> Response {
    answer(status, &json!({ "message": text }))
}

fn unwelcome() -> Response {
    message(
        StatusCode::FORBIDDEN,
        "pages of other origins may not use this",
    )
}

/// The visitor's address; behind a proxy, the one it added.
fn address(headers: &HeaderMap, peer: SocketAddr, behind_proxy: bool) -> IpAddr {
    let told = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .next_back()
        .and_then(|last| last.trim().parse().ok());
    match (behind_proxy, told) {
        (true, Some(told)) => told,
        _ => peer.ip(),
    }
}

fn facts(session: &Session) -> Value {
    let left = session.left();
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        + left;
    let expires = Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap_or(0));
    json!({
        "id": session.id,
        "expires_at": expires,
        "seconds_left": left.as_secs(),
        "preview": format!("/preview/{}/", session.preview),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    invitation: Option<String>,
    ticket: Option<String>,
}

async fn open(
    State(hosted): State<Arc<Hosted>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_welcome(&headers, &hosted.config) {
        return unwelcome();
    }
    let asked: Asked = match body.is_empty() {
        true => Asked::default(),
        false => match serde_json::from_slice(&body) {
            Ok(asked) => asked,
            Err(_) => {
                return message(
                    StatusCode::BAD_REQUEST,
                    "the body is not the JSON it should be",
                );
            }
        },
    };
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let invitation = bearer.or(asked.invitation.as_deref());
    let from = address(&headers, peer, hosted.config.access.behind_proxy);
    let permit = hosted.admission.ask(
        from,
        invitation,
        asked.ticket.as_deref(),
        hosted.has_room(),
        Instant::now(),
    );
    let permit = match permit {
        Ok(permit) => permit,
        Err(refusal) => {
            hosted.counters.refused.fetch_add(1, Ordering::Relaxed);
            return refused(&refusal);
        }
    };
    match hosted.open(permit).await {
        Ok(session) => answer(StatusCode::CREATED, &facts(&session)),
        // The operator's log says what it was.
        Err(_) => message(
            StatusCode::SERVICE_UNAVAILABLE,
            "a session could not be made: the server's operator can see why. The Docker host in this tab works without",
        ),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let (status, body, seconds) = match refusal {
        Refusal::Invitation => (
            StatusCode::UNAUTHORIZED,
            json!({ "message": "an invitation is needed: send it as `Authorization: Bearer INVITATION`" }),
            None,
        ),
        Refusal::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            json!({ "message": "this address has as many sessions as it may: end one of them first" }),
            Some(30),
        ),
        Refusal::TooFast(seconds) => (
            StatusCode::TOO_MANY_REQUESTS,
            json!({ "message": format!("this address starts sessions too fast: try again in {seconds} seconds") }),
            Some(*seconds),
        ),
        Refusal::Full {
            queue,
            position,
            ticket,
        } => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({
                "message": format!("all sessions are in use: you are number {position} of {queue} who wait"),
                "queue": queue,
                "position": position,
                "ticket": ticket,
            }),
            Some(5),
        ),
        Refusal::Draining => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({ "message": "the server is about to stop" }),
            Some(60),
        ),
    };
    let mut response = answer(status, &body);
    if let Some(seconds) = seconds {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The answer where a session isn't: why it ended, if it was one.
pub fn gone(hosted: &Hosted, id: &str) -> Response {
    match hosted.reason(id) {
        Some(reason) => answer(
            StatusCode::GONE,
            &json!({ "message": format!("the session has ended: {reason}"), "reason": reason }),
        ),
        None => message(StatusCode::NOT_FOUND, "no such session"),
    }
}

async fn show(
    State(hosted): State<Arc<Hosted>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_welcome(&headers, &hosted.config) {
        return unwelcome();
    }
    match hosted.find(&id) {
        Some(session) => answer(StatusCode::OK, &facts(&session)),
        None => gone(&hosted, &id),
    }
}

async fn close(
    State(hosted): State<Arc<Hosted>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_welcome(&headers, &hosted.config) {
        return unwelcome();
    }
    match hosted.find(&id) {
        Some(session) => {
            hosted.end(session, "it was ended by its visitor").await;
            StatusCode::NO_CONTENT.into_response()
        }
        None => gone(&hosted, &id),
    }
}

#[derive(Deserialize)]
struct FilePathQuery {
    #[serde(default)]
    path: String,
}

/// Everything below a path of the session's host, as a tar.
async fn files(
    State(hosted): State<Arc<Hosted>>,
    Path(id): Path<String>,
    Query(FilePathQuery { path }): Query<FilePathQuery>,
    headers: HeaderMap,
) -> Response {
    if !is_welcome(&headers, &hosted.config) {
        return unwelcome();
    }
    let Some(session) = hosted.find(&id) else {
        return gone(&hosted, &id);
    };
    let path = match path.as_str() {
        "" => "/root".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        _ => return message(StatusCode::BAD_REQUEST, "the path is not absolute"),
    };
    let packed = async {
        let engine = session.engine()?;
        on_engine(&engine, move |engine| {
            Box::pin(async move {
                let tree = engine
                    .ports()
                    .host
                    .open(&path)
                    .await
                    .map_err(|e| e.to_string())?;
                let tree = tree.ok_or_else(|| "no such file or directory".to_owned())?;
                let name = path
                    .rsplit('/')
                    .find(|part| !part.is_empty())
                    .unwrap_or(".");
                let options = ArchiveOptions {
                    name: name.as_bytes().to_vec(),
                    exclude: Vec::new(),
                };
                let mut tar = Bounded(Vec::new());
                archive(&tree.root, &options, &mut tar).map_err(|e| e.to_string())?;
                Ok::<_, String>(tar.0)
            })
        })
        .await
    };
    match packed.await {
        Ok(Ok(tar)) => {
            let mut response = Response::new(Body::from(tar));
            attach(&mut response, "application/x-tar", "files.tar");
            response
        }
        Ok(Err(error)) => message(StatusCode::NOT_FOUND, &error),
        Err(error) => message(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// A visitor's archive, up to a size.
struct Bounded(Vec<u8>);

impl std::io::Write for &mut Bounded {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + data.len() > DOWNLOAD {
            return Err(std::io::Error::other(format!(
                "more than {DOWNLOAD} bytes: fetch a part of it"
            )));
        }
        self.0.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn attach(response: &mut Response, kind: &'static str, name: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
}

#[derive(Deserialize)]
struct ImageQuery {
    name: String,
}

/// An image of the session's, as `docker save` writes it.
async fn image(
    State(hosted): State<Arc<Hosted>>,
    Path(id): Path<String>,
    Query(ImageQuery { name }): Query<ImageQuery>,
    headers: HeaderMap,
) -> Response {
    if !is_welcome(&headers, &hosted.config) {
        return unwelcome();
    }
    let Some(session) = hosted.find(&id) else {
        return gone(&hosted, &id);
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if name.is_empty() || name.len() > 300 || !name.chars().all(is_plain) {
        return message(StatusCode::BAD_REQUEST, "not the name of an image");
    }
    let saved = async {
        let (_, body) = tokio::sync::mpsc::channel(1);
        session
            .engine()?
            .request(thread::Request {
                method: Method::GET,
                target: format!("/images/get?names={name}"),
                headers: HeaderMap::new(),
                body,
            })
            .await
    };
    match saved.await {
        Ok(saved) => {
            let body = match saved.body {
                ResponseBody::Bytes(bytes) => Body::from(bytes),
                ResponseBody::Stream(chunks) | ResponseBody::Upgrade(chunks, _) => {
                    Body::from_stream(thread::stream(chunks))
                }
            };
            let mut response = Response::new(body);
            *response.status_mut() = saved.status;
            attach(&mut response, "application/x-tar", "image.tar");
            response
        }
        Err(error) => message(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

async fn ready(State(hosted): State<Arc<Hosted>>) -> Response {
    match hosted.admission.is_draining() {
        false => "ready\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
    }
}

async fn metrics(State(hosted): State<Arc<Hosted>>) -> Response {
    let mut response = Response::new(Body::from(hosted.metrics()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4"),
    );
    response
}

async fn show_port_root(
    state: State<Arc<Hosted>>,
    Path((key, port)): Path<(String, u16)>,
    request: Request,
) -> Response {
    show_port(state, Path((key, port, String::new())), request).await
}

async fn show_port(
    State(hosted): State<Arc<Hosted>>,
    Path((key, port, path)): Path<(String, u16, String)>,
    request: Request,
) -> Response {
    match hosted.find_preview(&key) {
        Some(session) => {
            // The path as it came: what the router decoded is not what the visitor asked for.
            let raw = request.uri().path().to_owned();
            let prefix = format!("/preview/{key}/{port}/");
            let path = raw.strip_prefix(&prefix).map_or(path, str::to_owned);
            preview::pass(&session, port, &path, request).await
        }
        None => message(StatusCode::NOT_FOUND, "no such session"),
    }
}

/// How long a client may take for one frame.
pub const SLOWEST: Duration = Duration::from_secs(30);
