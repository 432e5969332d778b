//! BuildKit's way to ask for a build: a client's files come over a session (`POST /session`), and the build is asked
//! for by `POST /build?version=2` (clients with BuildKit built in) or by gRPC (`POST /grpc`, buildx). Both lead to the
//! engine's own builder; no LLB is taken. The wire is that of moby/buildkit `session`, `api/services/control` and
//! `frontend/gateway/pb`.

mod build;
mod control;
mod filesync;
mod output;
mod proto;
mod session;
mod solve;
#[cfg(test)]
mod tests;
mod trace;

use anyhow::{Context, Result};
use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio::sync::mpsc;

use bottleship_engine::api::query::Query;

pub use session::Shared;

use crate::daemon::thread::{Chunk, EngineHandle, Response, ResponseBody};

/// What a request that is BuildKit's asks for.
pub enum Call {
    /// `POST /session`, with the session's id.
    Session(String),
    /// `POST /grpc`.
    Grpc,
    /// `POST /build` of a session, with its query.
    Build(String),
    /// `POST /build` that is only the context of the build with this id.
    Upload(String),
}

impl Call {
    /// Whether a request is one of these.
    pub fn of(head: &Parts) -> Option<Call> {
        if head.method != Method::POST {
            return None;
        }
        let path = head.uri.path();
        let path = match path
            .strip_prefix("/v1.")
            .and_then(|rest| rest.split_once('/'))
        {
            Some((version, rest)) if version.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => path.strip_prefix('/')?,
        };
        match path {
            "session" => {
                let id = head.headers.get("x-docker-expose-session-uuid")?;
                Some(Call::Session(id.to_str().ok()?.to_owned()))
            }
            "grpc" => Some(Call::Grpc),
            "build" => {
                let text = head.uri.query().unwrap_or_default();
                let query = Query::parse(text);
                let upload = query.get("buildid").strip_prefix("upload-request:");
                match (upload, query.get("version"), query.get("session")) {
                    (Some(build), "2", _) => Some(Call::Upload(build.to_owned())),
                    (None, "2", session) if !session.is_empty() => {
                        Some(Call::Build(text.to_owned()))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Answers it.
    ///
    /// # Errors
    /// For a client to read.
    pub async fn answer(
        self,
        engine: EngineHandle,
        head: Parts,
        body: mpsc::Receiver<Chunk>,
        upgrade: Option<OnUpgrade>,
    ) -> Result<Response> {
        let sessions = engine.sessions().clone();
        match self {
            Call::Session(id) => {
                let upgrade = upgrade.context("no upgrade to h2c was asked for")?;
                tokio::spawn(async move {
                    // A client that breaks off is not worth a word.
                    if let Ok(connection) = upgrade.await {
                        let _ = sessions.serve(id, connection).await;
                    }
                });
                Ok(switched())
            }
            Call::Grpc => {
                let upgrade = upgrade.context("no upgrade to h2c was asked for")?;
                tokio::spawn(async move {
                    if let Ok(connection) = upgrade.await {
                        control::serve(engine, connection).await;
                    }
                });
                Ok(switched())
            }
            Call::Build(query) => build::build(engine, &sessions, &query, accounts(&head)).await,
            Call::Upload(build) => {
                let (sender, receiver) = mpsc::channel(8);
                sessions.upload(build, receiver)?;
                forward(body, &sender).await;
                Ok(Response {
                    status: StatusCode::OK,
                    headers: HeaderMap::new(),
                    body: ResponseBody::Bytes(bytes::Bytes::new()),
                })
            }
        }
    }
}

async fn forward(mut body: mpsc::Receiver<Chunk>, sender: &mpsc::Sender<Chunk>) {
    while let Some(chunk) = body.recv().await {
        if sender.send(chunk).await.is_err() {
            return;
        }
    }
}

/// The header with accounts of registries, which the engine's build reads.
fn accounts(head: &Parts) -> HeaderMap {
    let account = head.headers.get("x-registry-config").cloned();
    account
        .map(|value| (http::HeaderName::from_static("x-registry-config"), value))
        .into_iter()
        .collect()
}

fn switched() -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("h2c"));
    Response {
        status: StatusCode::SWITCHING_PROTOCOLS,
        headers,
        body: ResponseBody::Bytes(bytes::Bytes::new()),
    }
}
