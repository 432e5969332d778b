use bottleship_oci::document::printable_lines;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{StringMap, Timestamp, is_default};

/// One line of the streams of build, pull, push, load and import.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonMessage {
    #[serde(skip_serializing_if = "is_default")]
    pub stream: String,
    #[serde(skip_serializing_if = "is_default")]
    pub status: String,
    #[serde(rename = "progressDetail", skip_serializing_if = "is_default")]
    pub progress_detail: Option<JsonProgress>,
    /// Rendered progress, for clients before API 1.48.
    #[serde(skip_serializing_if = "is_default")]
    pub progress: String,
    #[serde(skip_serializing_if = "is_default")]
    pub id: String,
    #[serde(skip_serializing_if = "is_default")]
    pub from: String,
    #[serde(rename = "errorDetail", skip_serializing_if = "is_default")]
    pub error_detail: Option<JsonError>,
    #[serde(skip_serializing_if = "is_default")]
    pub error: String,
    #[serde(skip_serializing_if = "is_default")]
    pub aux: Option<Value>,
}

/// How far something is, in bytes unless `units` says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonProgress {
    #[serde(skip_serializing_if = "is_default")]
    pub current: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub total: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub start: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub hidecounts: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub units: String,
}

/// An error within a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonError {
    #[serde(skip_serializing_if = "is_default")]
    pub code: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub message: String,
}

impl JsonMessage {
    /// `{"stream": …}`.
    pub fn stream(text: impl Into<String>) -> Self {
        JsonMessage {
            stream: text.into(),
            ..Self::default()
        }
    }

    /// `{"status": …, "id": …}`; an empty id is left out.
    pub fn status(id: impl Into<String>, status: impl Into<String>) -> Self {
        JsonMessage {
            id: id.into(),
            status: status.into(),
            ..Self::default()
        }
    }

    /// `{"errorDetail": {…}, "error": …}`.
    pub fn error(code: i64, message: impl Into<String>) -> Self {
        let message = printable_lines(&message.into());
        JsonMessage {
            error: message.clone(),
            error_detail: Some(JsonError { code, message }),
            ..Self::default()
        }
    }

    /// `{"aux": …}`.
    pub fn aux(value: Value) -> Self {
        JsonMessage {
            aux: Some(value),
            ..Self::default()
        }
    }

    /// The line as it goes over the wire, with Go's `\r\n`.
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.extend_from_slice(b"\r\n");
        line
    }
}

/// One record of the build cache in `GET /system/df`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BuildCacheRecord {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(skip_serializing_if = "is_default")]
    pub parents: Option<Vec<String>>,
    pub r#type: String,
    pub description: String,
    pub in_use: bool,
    pub shared: bool,
    pub size: i64,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub usage_count: i64,
}

/// The answer of `POST /build/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BuildPruneReport {
    pub caches_deleted: Option<Vec<String>>,
    pub space_reclaimed: u64,
}

/// The decoded `X-Registry-Auth` header, and the body of `POST /auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
    #[serde(skip_serializing_if = "is_default")]
    pub password: String,
    #[serde(skip_serializing_if = "is_default")]
    pub auth: String,
    #[serde(skip_serializing_if = "is_default")]
    pub email: String,
    #[serde(skip_serializing_if = "is_default")]
    pub serveraddress: String,
    #[serde(skip_serializing_if = "is_default")]
    pub identitytoken: String,
    #[serde(skip_serializing_if = "is_default")]
    pub registrytoken: String,
}

/// The answer of `POST /auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AuthResponse {
    pub identity_token: String,
    pub status: String,
}

/// The body of `POST /commit` is a [`super::ContainerConfig`]; this is its query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitOptions {
    pub container: String,
    pub repo: String,
    pub tag: String,
    pub comment: String,
    pub author: String,
    pub pause: bool,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
}

/// `docker build`'s labels and arguments as the query carries them.
pub type BuildArgs = std::collections::BTreeMap<String, Option<String>>;

/// Labels of a build.
pub type BuildLabels = StringMap;
