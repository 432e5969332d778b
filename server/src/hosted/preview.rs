//! What a session's containers serve, passed on to the visitor's browser: never with the site's origin, never with
//! what could reach beyond the frame it is shown in.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::session::Session;
use crate::oci::proxy;

/// A container answers within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page from a session has an origin that is nobody's, whatever address it is loaded from.
const SANDBOX: &str = "sandbox allow-scripts allow-forms";

/// What concerns one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What would reach beyond the frame, or speak for the site.
const STRIPPED: [&str; 14] = [
    "set-cookie",
    "set-cookie2",
    "service-worker-allowed",
    "clear-site-data",
    "strict-transport-security",
    "public-key-pins",
    "content-security-policy",
    "content-security-policy-report-only",
    "report-to",
    "reporting-endpoints",
    "nel",
    "alt-svc",
    "refresh",
    "access-control-allow-credentials",
];

/// What of a visitor's request a container must not see.
const PRIVATE: [&str; 6] = [
    "cookie",
    "authorization",
    "proxy-authorization",
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
];

fn failed(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    protect(response.headers_mut());
    response
}

fn strip(headers: &mut HeaderMap, names: &[&str]) {
    for name in names {
        headers.remove(*name);
    }
}

/// Takes away what a session may not say, and says what the browser has to know.
fn protect(headers: &mut HeaderMap) {
    strip(headers, &STRIPPED);
    let values = [
        (header::CONTENT_SECURITY_POLICY, SANDBOX),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            // To the page's own parts it is another origin; who knows the address may have them.
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    for (name, value) in values {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Passes a request on to a port of the session's, and the answer back.
pub async fn pass(session: &Session, port: u16, path: &str, mut request: Request) -> Response {
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(stream) = proxy::connect(&session.network, target).await else {
        return failed(
            StatusCode::BAD_GATEWAY,
            &format!(
                "nothing listens on port {port} of this session: publish one with docker run -p {port}:PORT"
            ),
        );
    };
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    let kept: Vec<(HeaderName, HeaderValue)> = [header::UPGRADE, header::CONNECTION]
        .into_iter()
        .filter_map(|name| Some((name.clone(), request.headers().get(&name)?.clone())))
        .collect();
    let visitor = is_upgrade.then(|| hyper::upgrade::on(&mut request));
    let query = request.uri().query().map(|query| format!("?{query}"));
    let uri = format!("/{path}{}", query.unwrap_or_default());
    let Ok(uri) = uri.parse::<Uri>() else {
        return failed(StatusCode::BAD_REQUEST, "not a path");
    };
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_11;
    let headers = request.headers_mut();
    strip(headers, &HOP_BY_HOP);
    strip(headers, &PRIVATE);
    if let Ok(host) = HeaderValue::from_str(&format!("localhost:{port}")) {
        headers.insert(header::HOST, host);
    }
    if is_upgrade {
        headers.extend(kept);
    }
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let Ok((mut sender, connection)) = handshake else {
        return failed(StatusCode::BAD_GATEWAY, "the port does not speak HTTP");
    };
    let mut ended = session.ended.subscribe();
    tokio::spawn(async move {
        tokio::select! {
            _ = connection.with_upgrades() => {}
            _ = ended.wait_for(Option::is_some) => {}
        }
    });
    let mut response = match tokio::time::timeout(PATIENCE, sender.send_request(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => return failed(StatusCode::BAD_GATEWAY, "the answer is not HTTP"),
        Err(_) => return failed(StatusCode::GATEWAY_TIMEOUT, "no answer within a minute"),
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let server = hyper::upgrade::on(&mut response);
        let mut ended = session.ended.subscribe();
        if let Some(visitor) = visitor {
            tokio::spawn(async move {
                let (Ok(visitor), Ok(server)) = (visitor.await, server.await) else {
                    return;
                };
                let (mut visitor, mut server) = (TokioIo::new(visitor), TokioIo::new(server));
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut visitor, &mut server) => {}
                    _ = ended.wait_for(Option::is_some) => {}
                }
            });
        }
        strip(response.headers_mut(), &STRIPPED);
        return response.map(|_| Body::empty());
    }
    let headers = response.headers_mut();
    strip(headers, &HOP_BY_HOP);
    protect(headers);
    response.map(Body::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_cannot_speak_for_the_site() {
        let mut headers = HeaderMap::new();
        for name in [
            "set-cookie",
            "service-worker-allowed",
            "clear-site-data",
            "strict-transport-security",
            "content-security-policy",
        ] {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static("evil"),
            );
        }
        headers.append("x-own", HeaderValue::from_static("kept"));
        protect(&mut headers);
        assert!(headers.values().all(|value| value != "evil"));
        assert_eq!(headers["content-security-policy"], SANDBOX);
        assert!(!SANDBOX.contains("allow-same-origin"));
        assert_eq!(headers["x-own"], "kept");
        // What its page loads comes from an origin that is nobody's.
        assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
        assert_eq!(headers["access-control-allow-origin"], "*");
    }
}
