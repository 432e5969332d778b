//! The static site: precompressed files, the registry of offered images, and the headers that keep pages apart.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::oembed;

/// What a page of ours may do: run its own scripts and wasm, talk to its own origin. Styles are written by the
/// terminal at run time. Previews are frames of origins of their own, names under
/// localhost on the same port.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; \
     manifest-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'; \
     require-trusted-types-for 'script'; frame-src 'self' http://*.localhost:*";

const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=()",
    ),
];

/// Where previews of published ports are shown.
pub enum Previews {
    /// An origin with `{port}` in it.
    Pattern(String),
    /// Other ports of the same address, each for one preview at a time; may be none.
    Ports(Vec<u16>),
}

impl Previews {
    /// What the page reads to know them.
    fn json(&self) -> String {
        match self {
            Previews::Pattern(pattern) => serde_json::json!({ "pattern": pattern }),
            Previews::Ports(ports) => serde_json::json!({ "ports": ports }),
        }
        .to_string()
    }

    /// What a page may frame to show them (CSP, `frame-src`).
    fn sources(&self) -> String {
        match self {
            Previews::Pattern(pattern) => {
                let (scheme, rest) = pattern.split_once("://").unwrap_or(("https", pattern));
                let host = rest.split('/').next().unwrap_or_default();
                let (label, domain) = host.split_once('.').unwrap_or((host, "invalid"));
                debug_assert!(label.contains("{port}"));
                format!(" {scheme}://*.{domain}")
            }
            // The page may be opened by any name of this machine.
            Previews::Ports(ports) => ports
                .iter()
                .flat_map(|port| {
                    ["127.0.0.1", "localhost"].map(|host| format!(" http://{host}:{port}"))
                })
                .collect(),
        }
    }
}

/// The site in `dir`, previews where the browser finds them by itself.
pub fn router(dir: &Path) -> Router {
    with_previews(dir, &Previews::Ports(Vec::new()))
}

/// The site in `dir`, and where it shows previews.
pub fn with_previews(dir: &Path, previews: &Previews) -> Router {
    with_routes(dir, previews, Router::new())
}

/// The site in `dir` where `routes` does not answer.
pub fn with_routes(dir: &Path, previews: &Previews, routes: Router) -> Router {
    let json = previews.json();
    let policy = format!("{CONTENT_SECURITY_POLICY}{}", previews.sources());
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/previews.json",
            get(async || ([(header::CONTENT_TYPE, "application/json")], json)),
        )
        .route("/v2/", get(registry_root))
        .merge(oembed::router(dir))
        .merge(routes)
        .fallback_service(files(dir))
        .layer(middleware::from_fn(cache_and_types))
        .layer(middleware::from_fn(oembed::discovery));
    with_headers(router, &policy)
}

/// An origin for a preview: what sets one up, and nothing else.
pub fn preview(dir: &Path) -> Router {
    let router = Router::new()
        .nest_service("/preview", files(&dir.join("preview")))
        .route_service("/preview-sw.js", ServeFile::new(dir.join("preview-sw.js")))
        .fallback(no_line)
        .layer(middleware::from_fn(cache_and_types));
    with_headers(router, CONTENT_SECURITY_POLICY)
}

/// What did not go through the preview's service worker: a WebSocket, which browsers hand to none, or a page that was
/// opened before there was one.
async fn no_line() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_IMPLEMENTED,
        "This is the address of a preview. Open it from the page that runs the Docker host.\n\
         A preview carries requests and answers, but no WebSocket.\n",
    )
}

fn files(dir: &Path) -> ServeDir {
    ServeDir::new(dir).precompressed_br().precompressed_gzip()
}

fn with_headers(mut router: Router, policy: &str) -> Router {
    let policy = HeaderValue::from_str(policy)
        .unwrap_or_else(|_| HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    router = router.layer(SetResponseHeaderLayer::if_not_present(
        header::CONTENT_SECURITY_POLICY,
        policy,
    ));
    for (name, value) in HEADERS {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        router = router.layer(SetResponseHeaderLayer::if_not_present(name, value));
    }
    router
}

/// The registry's version check (distribution-spec, end-1).
async fn registry_root() -> Response {
    let mut response = Response::new(Body::from("{}"));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        HeaderName::from_static("docker-distribution-api-version"),
        HeaderValue::from_static("registry/2.0"),
    );
    response
}

/// Files named by their content never change; everything else is asked for again, cheaply.
async fn cache_and_types(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if path.contains("%00") {
        // No file has such a name, and the system's refusal of it would be told as an error of the server's.
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut response = next.run(request).await;
    let cache = if is_content_addressed(&path) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let success = response.status().is_success();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if success && path.starts_with("/v2/") && path.contains("/manifests/") {
        // Indexes are told by their body (OCI image-spec, "mediaType"); these are all plain manifests.
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/vnd.oci.image.manifest.v1+json"),
        );
    }
    response
}

/// `/v2/<name>/blobs/sha256:…` and `/assets/<name>-<hash>.<ext>`.
fn is_content_addressed(path: &str) -> bool {
    (path.starts_with("/v2/") && path.contains("sha256:")) || path.starts_with("/assets/")
}
