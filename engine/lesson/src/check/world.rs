//! What checks look at.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why something can't be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WorldError(pub String);

/// A file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileState {
    /// Its first bytes; of a directory, its entries' names, one a line.
    pub bytes: Vec<u8>,
}

/// What a command line did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A `docker` command that was entered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// The command and its arguments, quoted where a shell needs it.
    pub line: String,
    /// Its exit code, once it ended.
    pub exit: Option<i32>,
    /// The first line of its errors, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A Docker host to look at: in a tab, in this process, or on a server. Nothing here changes it, but what a `run`
/// check's line does.
#[async_trait(?Send)]
pub trait World {
    /// `GET` of the Engine API, without a version: the document, nothing when the answer is 404.
    async fn get(&self, path: &str) -> Result<Option<Value>, WorldError>;

    /// A container's output, without terminal framing.
    async fn logs(&self, container: &str) -> Result<String, WorldError>;

    /// A file of an image.
    async fn image_file(&self, image: &str, path: &str) -> Result<Option<FileState>, WorldError>;

    /// A file of a container.
    async fn container_file(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<FileState>, WorldError>;

    /// A file of a volume.
    async fn volume_file(&self, volume: &str, path: &str) -> Result<Option<FileState>, WorldError>;

    /// A file of the host; a relative path is one of root's home.
    async fn host_file(&self, path: &str) -> Result<Option<FileState>, WorldError>;

    /// Runs a line in a shell of the host, at most some seconds.
    async fn run(&self, line: &str) -> Result<Output, WorldError>;

    /// The `docker` commands entered so far, oldest first.
    fn commands(&self) -> Vec<Entry>;
}

/// A part of an address, percent-encoded.
pub(crate) fn encode(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' => {
            (b as char).to_string()
        }
        b => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A field by its path, `Config.Env`.
pub(crate) fn at<'a>(document: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(document, |value, key| &value[key])
}

/// A text field by its path, empty when it is not there.
pub(crate) fn text<'a>(document: &'a Value, path: &str) -> &'a str {
    at(document, path).as_str().unwrap_or_default()
}

/// A list of texts by its path.
pub(crate) fn texts(document: &Value, path: &str) -> Vec<String> {
    let list = at(document, path)
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}
