//! A session's Engine API for the page: what the session's own docker socket answers.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use tokio::sync::mpsc;

use super::api::{Visited, message};
use crate::daemon::http::receive;
use crate::daemon::thread::{self, ResponseBody};

/// Passes a request on to the session's engine. Connections are not handed over: terminals have a way of their own.
pub async fn pass(Visited(session): Visited, request: Request) -> Response {
    let prefix = format!("/api/sessions/{}/docker", session.id);
    let target = request
        .uri()
        .path_and_query()
        .map_or("", |all| all.as_str());
    let Some(target) = target.strip_prefix(&prefix).map(str::to_owned) else {
        return message(StatusCode::BAD_REQUEST, "not a path");
    };
    let (head, body) = request.into_parts();
    let (chunks, receiver) = mpsc::channel(8);
    tokio::spawn(receive(body, chunks));
    let asked = async {
        session
            .engine()?
            .request(thread::Request {
                method: head.method,
                target,
                headers: head.headers,
                body: receiver,
            })
            .await
    };
    match asked.await {
        Ok(answered) => {
            let mut response = Response::new(body_of(answered.body));
            *response.status_mut() = answered.status;
            *response.headers_mut() = answered.headers;
            response
        }
        Err(error) => message(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// What an engine answers, as it comes.
pub fn body_of(body: ResponseBody) -> Body {
    match body {
        ResponseBody::Bytes(bytes) => Body::from(bytes),
        ResponseBody::Stream(chunks) | ResponseBody::Upgrade(chunks, _) => {
            Body::from_stream(thread::stream(chunks))
        }
    }
}
