//! `POST /build?version=2` of clients with BuildKit built in (Docker 18.09 to 20.10): the context is in a session, or
//! in a request beside it; the answer's messages carry BuildKit's status as protocol buffers.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bottleship_engine::api::query::Query;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use prost::Message;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::output::{self, Output};
use super::session::{Session, Shared};
use super::solve::{Messages, Solve};
use super::trace;
use crate::daemon::thread::{Chunk, EngineHandle, Response, ResponseBody};

/// The message that carries the status of a solve.
pub const TRACE: &str = "moby.buildkit.trace";
/// The message that carries the image's id.
pub const IMAGE_ID: &str = "moby.image.id";

/// What is not the engine's business.
const OURS: [&str; 6] = [
    "session",
    "buildid",
    "remote",
    "outputs",
    "version",
    "dockerfile",
];

/// Answers; what fails before the first message is an error.
///
/// # Errors
/// The session does not come, or the engine refuses.
pub async fn build(
    engine: EngineHandle,
    sessions: &Shared,
    query: &str,
    headers: HeaderMap,
) -> Result<Response> {
    let asked = Query::parse(query);
    let outputs: Vec<Output> = match asked.get("outputs") {
        "" | "null" => Vec::new(),
        text => serde_json::from_str(text).context("error reading outputs")?,
    };
    outputs.iter().try_for_each(Output::check)?;
    let dockerfile = match asked.get("dockerfile") {
        "" => "Dockerfile",
        name => name,
    };
    let quiet = asked.bool("q");
    let session = sessions.get(asked.get("session")).await?;
    let solve = Solve {
        engine: engine.clone(),
        dockerfile: dockerfile.to_owned(),
        query: rest(query),
        headers,
    };
    let messages = match asked.get("remote") {
        "client-session" => solve.of_session(&session).await?,
        "upload-request" => {
            let body = sessions.uploaded(asked.get("buildid")).await?;
            solve.of_archive(dockerfile, body).await?
        }
        other => bail!(
            "unable to prepare context from {other:?}: only sessions and archives are supported"
        ),
    };
    let (sender, body) = mpsc::channel(8);
    tokio::spawn(async move {
        let passed = pass(&engine, &session, messages, &outputs, quiet, &sender).await;
        if let Err(error) = passed {
            let text = format!("{error:#}");
            let message = json!({ "errorDetail": { "message": text }, "error": text });
            // Nobody to tell when the client is gone.
            let _ = sender.send(Ok(line(&message))).await;
        }
    });
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Response {
        status: StatusCode::OK,
        headers,
        body: ResponseBody::Stream(body),
    })
}

/// The query without what the engine must not see.
fn rest(query: &str) -> String {
    let kept = query.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !OURS.contains(&name)
    });
    kept.collect::<Vec<_>>().join("&")
}

fn line(message: &Value) -> Bytes {
    format!("{message}\n").into()
}

async fn pass(
    engine: &EngineHandle,
    session: &Session,
    mut messages: Messages,
    outputs: &[Output],
    quiet: bool,
    sender: &mpsc::Sender<Chunk>,
) -> Result<()> {
    let mut image = None;
    let mut failed = false;
    while let Some(mut message) = messages.next().await? {
        failed |= message.get("error").is_some();
        match message["id"].as_str() {
            Some(TRACE) => {
                let status = trace::status(&message["aux"]).encode_to_vec();
                message["aux"] = json!(BASE64_STANDARD.encode(status));
            }
            Some(IMAGE_ID) => image = message["aux"]["ID"].as_str().map(str::to_owned),
            _ => {}
        }
        if sender.send(Ok(line(&message))).await.is_err() {
            return Ok(());
        }
    }
    if let Some(image) = image.filter(|_| !failed) {
        if quiet {
            // All that such a client shows.
            let message = json!({ "stream": format!("{image}\n") });
            let _ = sender.send(Ok(line(&message))).await;
        }
        for output in outputs.iter().filter(|output| output.is_files()) {
            output.send(engine, session, &image).await?;
            output::forget(engine, &image).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_sees_the_query_without_what_is_about_sessions() {
        assert_eq!(
            rest("buildid=1&t=a%3Ab&session=x&dockerfile=D&remote=client-session&version=2&q=1"),
            "t=a%3Ab&q=1"
        );
    }
}
