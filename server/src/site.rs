//! The static site: precompressed files, the registry of offered images, and the headers that keep pages apart.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http::header::{self, HeaderName, HeaderValue};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// What a page of ours may do: run its own scripts and wasm, talk to its own origin. Styles are written by the
/// terminal at run time. Previews are frames of origins of their own, names under
/// localhost on the same port.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; \
     manifest-src 'self'; frame-src 'self' http://*.localhost:*; base-uri 'none'; form-action 'none'; object-src 'none'; \
     require-trusted-types-for 'script'";

const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=()",
    ),
];

/// The site in `dir`.
pub fn router(dir: &Path) -> Router {
    let files = ServeDir::new(dir).precompressed_br().precompressed_gzip();
    let mut router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/v2/", get(registry_root))
        .fallback_service(files)
        .layer(middleware::from_fn(cache_and_types));
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
