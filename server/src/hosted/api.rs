//! The API of hosted sessions over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Path, RawPathParams, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bottleship_engine::api::types::Timestamp;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admission::{Refusal, is_welcome};
use super::session::Session;
use super::{Hosted, docker, downloads, exec, preview, socket};
use crate::site;

/// Bytes of the body of a request that is read as a whole.
const BODY: usize = 16 << 10;

/// The site in `dir`, with hosted sessions.
pub fn router(hosted: Arc<Hosted>, dir: &FilePath) -> Router {
    let api = Router::new()
        .route("/api/sessions", get(offer).post(open))
        // A site without sessions has a file of that name.
        .route("/hosted.json", get(offer))
        .route("/api/sessions/{id}", get(show).delete(close))
        .route("/api/sessions/{id}/terminal", get(socket::connect))
        .route("/api/sessions/{id}/files", get(downloads::files))
        .route("/api/sessions/{id}/image", get(downloads::image))
        .route("/api/sessions/{id}/exec", post(exec::run))
        .route("/api/sessions/{id}/docker/{*path}", any(docker::pass))
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

/// An answer in the Engine API's form.
pub fn message(status: StatusCode, text: &str) -> Response {
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

/// The session that a request names, for a page that may use it.
pub struct Visited(pub Arc<Session>);

impl FromRequestParts<Arc<Hosted>> for Visited {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        hosted: &Arc<Hosted>,
    ) -> Result<Visited, Response> {
        // Before anything is done or switched: a page of elsewhere gets nothing.
        if !is_welcome(&parts.headers, &hosted.config) {
            return Err(unwelcome());
        }
        let named = RawPathParams::from_request_parts(parts, hosted)
            .await
            .map_err(IntoResponse::into_response)?;
        let id = named
            .iter()
            .find_map(|(name, value)| (name == "id").then_some(value))
            .unwrap_or_default();
        hosted.find(id).map(Visited).ok_or_else(|| gone(hosted, id))
    }
}

/// What there is, for a page that may offer it.
async fn offer(State(hosted): State<Arc<Hosted>>) -> Response {
    let (used, queue) = hosted.admission.counts();
    let body = json!({
        "sessions": hosted.config.server.sessions,
        "used": used,
        "queue": queue,
        "invitation": !hosted.config.access.invitation.is_empty(),
    });
    answer(StatusCode::OK, &body)
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

async fn show(Visited(session): Visited) -> Response {
    answer(StatusCode::OK, &facts(&session))
}

async fn close(State(hosted): State<Arc<Hosted>>, Visited(session): Visited) -> Response {
    hosted.end(session, "it was ended by its visitor").await;
    StatusCode::NO_CONTENT.into_response()
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
