//! What BuildKit's clients draw: steps ("vertexes"), parts of them, their output, warnings. The documents are those
//! of `--progress=rawjson`, each in a message `{"id":"moby.buildkit.trace","aux":…}`.

use std::rc::Rc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bottleship_dockerfile::lint::Finding;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::api::ApiError;
use crate::api::stdcopy::StdStream;
use crate::api::types::{JsonMessage, Timestamp};
use crate::build::Output;
use crate::build::ports::StepOutput;
use crate::clock::Clock;

const TRACE: &str = "moby.buildkit.trace";
const IMAGE_ID: &str = "moby.image.id";

/// Where the status of a solve goes.
#[derive(Clone)]
pub struct Progress {
    output: Output,
    clock: Rc<dyn Clock>,
}

/// A step that was started.
#[derive(Clone)]
pub struct Vertex {
    progress: Progress,
    digest: String,
    name: String,
    started: Timestamp,
}

impl Progress {
    /// Reports on `output`.
    pub fn new(output: &Output, clock: &Rc<dyn Clock>) -> Self {
        Progress {
            output: output.clone(),
            clock: clock.clone(),
        }
    }

    async fn send(&self, aux: Value) -> Result<(), ApiError> {
        if self.output.is_quiet() {
            return Ok(());
        }
        let message = JsonMessage {
            id: TRACE.into(),
            ..JsonMessage::aux(aux)
        };
        self.output.send(&message).await
    }

    /// Tells the image's id.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn image_id(&self, id: &str) -> Result<(), ApiError> {
        let message = JsonMessage {
            id: IMAGE_ID.into(),
            ..JsonMessage::aux(json!({ "ID": id }))
        };
        self.output.send(&message).await
    }

    /// Starts a step.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn start(&self, digest: &str, name: &str) -> Result<Vertex, ApiError> {
        let vertex = Vertex {
            progress: self.clone(),
            digest: digest.to_owned(),
            name: name.to_owned(),
            started: self.clock.now(),
        };
        vertex.tell(json!({})).await?;
        Ok(vertex)
    }
}

impl Vertex {
    async fn tell(&self, more: Value) -> Result<(), ApiError> {
        let mut vertex = json!({
            "digest": self.digest,
            "name": self.name,
            "started": self.started,
        });
        if let (Some(vertex), Value::Object(more)) = (vertex.as_object_mut(), more) {
            vertex.extend(more);
        }
        self.progress.send(json!({ "vertexes": [vertex] })).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn done(&self, cached: bool) -> Result<(), ApiError> {
        let completed = self.progress.clock.now();
        if cached {
            return self
                .tell(json!({ "completed": completed, "cached": true }))
                .await;
        }
        self.tell(json!({ "completed": completed })).await
    }

    /// Ends it with an error.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn failed(&self, error: &str) -> Result<(), ApiError> {
        let completed = self.progress.clock.now();
        self.tell(json!({ "completed": completed, "error": error }))
            .await
    }

    /// Tells that a part of it was done; `bytes` are those moved, or 0.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn part(&self, id: &str, bytes: u64) -> Result<(), ApiError> {
        let now = self.progress.clock.now();
        let status = json!({
            "id": id,
            "vertex": self.digest,
            "current": bytes,
            "timestamp": now,
            "started": self.started,
            "completed": now,
        });
        self.progress.send(json!({ "statuses": [status] })).await
    }

    /// Tells what a build check found.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn warning(&self, finding: &Finding) -> Result<(), ApiError> {
        let line = finding.location.start;
        let short = format!("{}: {} (line {line})", finding.rule.name, finding.message);
        let warning = json!({
            "vertex": self.digest,
            "level": 1,
            "short": BASE64_STANDARD.encode(short),
            "detail": [BASE64_STANDARD.encode(finding.rule.description)],
            "url": finding.rule.url(),
            "range": [{
                "start": { "line": line },
                "end": { "line": finding.location.end },
            }],
        });
        self.progress.send(json!({ "warnings": [warning] })).await
    }

    /// Shows output of its own.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn log(&self, stream: StdStream, data: &[u8]) -> Result<(), ApiError> {
        let log = json!({
            "vertex": self.digest,
            "stream": if stream == StdStream::Stderr { 2 } else { 1 },
            "data": BASE64_STANDARD.encode(data),
            "timestamp": self.progress.clock.now(),
        });
        self.progress.send(json!({ "logs": [log] })).await
    }
}

#[async_trait(?Send)]
impl StepOutput for Vertex {
    async fn write(&self, stream: StdStream, data: Bytes) -> Result<(), ApiError> {
        self.log(stream, &data).await
    }
}
