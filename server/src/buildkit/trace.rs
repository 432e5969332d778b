//! A solve's status documents, as protocol buffers.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bottleship_oci::time;
use serde_json::Value;

use super::proto::{
    Position, Range, StatusResponse, Timestamp, Vertex, VertexLog, VertexStatus, VertexWarning,
};

/// Translates a document of `--progress=rawjson`.
pub fn status(document: &Value) -> StatusResponse {
    let list = |name: &str| {
        document[name]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    StatusResponse {
        vertexes: list("vertexes").iter().map(vertex).collect(),
        statuses: list("statuses").iter().map(part).collect(),
        logs: list("logs").iter().map(log).collect(),
        warnings: list("warnings").iter().map(warning).collect(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD
        .decode(value.as_str().unwrap_or_default())
        .unwrap_or_default()
}

fn moment(value: &Value) -> Option<Timestamp> {
    let nanos = time::parse(value.as_str()?)?;
    Some(Timestamp {
        seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?,
        nanos: i32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?,
    })
}

fn vertex(value: &Value) -> Vertex {
    let inputs = value["inputs"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    Vertex {
        digest: text(&value["digest"]),
        inputs: inputs.iter().map(text).collect(),
        name: text(&value["name"]),
        cached: value["cached"].as_bool().unwrap_or(false),
        started: moment(&value["started"]),
        completed: moment(&value["completed"]),
        error: text(&value["error"]),
    }
}

fn part(value: &Value) -> VertexStatus {
    VertexStatus {
        id: text(&value["id"]),
        vertex: text(&value["vertex"]),
        name: text(&value["name"]),
        current: value["current"].as_i64().unwrap_or(0),
        total: value["total"].as_i64().unwrap_or(0),
        timestamp: moment(&value["timestamp"]),
        started: moment(&value["started"]),
        completed: moment(&value["completed"]),
    }
}

fn log(value: &Value) -> VertexLog {
    VertexLog {
        vertex: text(&value["vertex"]),
        timestamp: moment(&value["timestamp"]),
        stream: value["stream"].as_i64().unwrap_or(1),
        msg: bytes(&value["data"]),
    }
}

fn warning(value: &Value) -> VertexWarning {
    let list = |name: &str| {
        value[name]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let position = |at: &Value| Position {
        line: at["line"]
            .as_i64()
            .and_then(|line| i32::try_from(line).ok())
            .unwrap_or(0),
        character: 0,
    };
    let range = |range: &Value| Range {
        start: Some(position(&range["start"])),
        end: Some(position(&range["end"])),
    };
    VertexWarning {
        vertex: text(&value["vertex"]),
        level: value["level"].as_i64().unwrap_or(1),
        short: bytes(&value["short"]),
        detail: list("detail").iter().map(bytes).collect(),
        url: text(&value["url"]),
        ranges: list("range").iter().map(range).collect(),
    }
}
