//! Requests and responses, without a transport.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{LocalBoxStream, StreamExt};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::query::Query;
use super::types;
use crate::engine::Engine;
use crate::pipe::{BodyError, Duplex, PipeReader};

/// The body of a message.
#[derive(Default)]
pub enum Body {
    /// No body.
    #[default]
    Empty,
    /// All of it.
    Bytes(Bytes),
    /// As it comes.
    Stream(LocalBoxStream<'static, Result<Bytes, BodyError>>),
    /// Only in a response: the connection is the caller's now (101, or 200 for
    /// old clients), and this is the caller's side of it.
    Upgrade(Duplex),
}

impl Body {
    /// A body from a stream.
    pub fn stream(stream: impl futures::Stream<Item = Result<Bytes, BodyError>> + 'static) -> Self {
        Body::Stream(Box::pin(stream))
    }

    /// The whole body, at most `limit` bytes.
    pub async fn collect(self, limit: usize) -> Result<Bytes, ApiError> {
        let too_large =
            || ApiError::invalid(format!("request body exceeds the limit of {limit} bytes"));
        match self {
            Body::Empty | Body::Upgrade(_) => Ok(Bytes::new()),
            Body::Bytes(bytes) if bytes.len() > limit => Err(too_large()),
            Body::Bytes(bytes) => Ok(bytes),
            Body::Stream(mut stream) => {
                let mut all = Vec::new();
                while let Some(chunk) = stream.next().await {
                    // What the client breaks off is its own mistake.
                    let chunk = chunk.map_err(|error| ApiError::invalid(error.to_string()))?;
                    if all.len() + chunk.len() > limit {
                        return Err(too_large());
                    }
                    all.extend_from_slice(&chunk);
                }
                Ok(all.into())
            }
        }
    }

    /// The body as a stream of chunks.
    pub fn into_stream(self) -> LocalBoxStream<'static, Result<Bytes, BodyError>> {
        match self {
            Body::Empty | Body::Upgrade(_) => futures::stream::empty().boxed_local(),
            Body::Bytes(bytes) => futures::stream::once(async move { Ok(bytes) }).boxed_local(),
            Body::Stream(stream) => stream,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Bytes(bytes) => write!(f, "Bytes({bytes:?})"),
            Body::Stream(_) => f.write_str("Stream"),
            Body::Upgrade(_) => f.write_str("Upgrade"),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body::Bytes(bytes.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::Bytes(bytes)
    }
}

impl From<PipeReader> for Body {
    fn from(reader: PipeReader) -> Self {
        Body::stream(reader)
    }
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, percent-encoded: `/v1.51/containers/json?all=1`.
    pub target: String,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Request {
            method,
            target: target.into(),
            headers: HeaderMap::new(),
            body: Body::Empty,
        }
    }

    /// `GET`.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    /// `POST` without a body.
    pub fn post(target: impl Into<String>) -> Self {
        Self::new(Method::POST, target)
    }

    /// `DELETE`.
    pub fn delete(target: impl Into<String>) -> Self {
        Self::new(Method::DELETE, target)
    }

    /// With a JSON body.
    pub fn json(mut self, document: &impl Serialize) -> Self {
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = serde_json::to_vec(document).unwrap_or_default().into();
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// With a header field.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Asking for the connection, as attach and exec do.
    pub fn upgrade(self) -> Self {
        self.header(
            http::header::CONNECTION,
            HeaderValue::from_static("Upgrade"),
        )
        .header(http::header::UPGRADE, HeaderValue::from_static("tcp"))
    }
}

/// A response. Its headers are sent before its body is read, so a `wait` is
/// answered at once and its body comes when the container exits.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// Header fields, without those of the transport.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl Response {
    /// A status without a body.
    pub fn status(status: StatusCode) -> Self {
        Response {
            status,
            headers: HeaderMap::new(),
            body: Body::Empty,
        }
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::status(StatusCode::NO_CONTENT)
    }

    /// A JSON document, ended by a line feed as Go's encoder does, and with its
    /// escaping of `<`, `>`, `&`.
    pub fn json(status: StatusCode, document: &impl Serialize) -> Self {
        let mut response = Self::status(status).content_type("application/json");
        response.body = go_json(document).into();
        response
    }

    /// A body of some type.
    pub fn with(content_type: &'static str, body: impl Into<Body>) -> Self {
        let mut response = Self::status(StatusCode::OK).content_type(content_type);
        response.body = body.into();
        response
    }

    /// With a content type.
    pub fn content_type(self, content_type: &'static str) -> Self {
        self.header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// With a header field.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Hands the connection over: 101 when the client asked to upgrade, else 200.
    pub fn hijack(upgrade: bool, content_type: &'static str, duplex: Duplex) -> Self {
        let status = if upgrade {
            StatusCode::SWITCHING_PROTOCOLS
        } else {
            StatusCode::OK
        };
        let mut response = Self::status(status).content_type(content_type);
        if upgrade {
            response = response
                .header(
                    http::header::CONNECTION,
                    HeaderValue::from_static("Upgrade"),
                )
                .header(http::header::UPGRADE, HeaderValue::from_static("tcp"));
        }
        response.body = Body::Upgrade(duplex);
        response
    }
}

/// JSON as Go's `json.Encoder` writes it: `<`, `>` and `&` escaped, a line feed at the end.
pub fn go_json(document: &impl Serialize) -> Vec<u8> {
    let plain = serde_json::to_string(document).unwrap_or_default();
    let mut escaped = Vec::with_capacity(plain.len() + 1);
    for character in plain.chars() {
        match character {
            '<' => escaped.extend_from_slice(b"\\u003c"),
            '>' => escaped.extend_from_slice(b"\\u003e"),
            '&' => escaped.extend_from_slice(b"\\u0026"),
            '\u{2028}' => escaped.extend_from_slice(b"\\u2028"),
            '\u{2029}' => escaped.extend_from_slice(b"\\u2029"),
            other => escaped.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    escaped.push(b'\n');
    escaped
}

/// The minor number of an API version 1.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(pub u32);

impl ApiVersion {
    /// The newest served.
    pub const MAX: ApiVersion = ApiVersion(51);
    /// The oldest served.
    pub const MIN: ApiVersion = ApiVersion(24);
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// A request's JSON must be there within this time.
const JSON_TIMEOUT: Duration = Duration::from_secs(60);

/// A request on its way to a handler.
pub struct Call {
    /// The engine asked.
    pub engine: Engine,
    /// The version the client speaks.
    pub version: ApiVersion,
    /// The decoded query.
    pub query: Query,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body, not read yet.
    pub body: Body,
}

impl Call {
    /// Reads a JSON body, as Docker does: `null` is as if absent.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let bytes = self.read_body().await?;
        self.check_json(&bytes)?;
        types::from_slice(&bytes)
    }

    /// Reads a JSON body that may be missing.
    pub async fn json_or_default<T: DeserializeOwned + Default>(&mut self) -> Result<T, ApiError> {
        let bytes = self.read_body().await?;
        self.check_json(&bytes)?;
        if bytes.is_empty() {
            Ok(T::default())
        } else {
            types::from_slice(&bytes)
        }
    }

    /// moby's `CheckForJSON`. A page can make a browser send other types across origins without asking first.
    fn check_json(&self, body: &[u8]) -> Result<(), ApiError> {
        let given = self.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        let given = String::from_utf8_lossy(given.unwrap_or_default());
        if given.is_empty() && body.is_empty() {
            return Ok(());
        }
        if given.is_empty() {
            return Err(ApiError::invalid(
                "malformed Content-Type header (): mime: no media type",
            ));
        }
        let essence = given.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::invalid(format!(
                "unsupported Content-Type header ({given}): must be 'application/json'"
            )));
        }
        Ok(())
    }

    async fn read_body(&mut self) -> Result<Bytes, ApiError> {
        let body = std::mem::take(&mut self.body).collect(self.engine.config().max_json_body);
        let read = self.engine.timeout(JSON_TIMEOUT, body).await;
        read.unwrap_or_else(|| {
            Err(ApiError::invalid(format!(
                "the request's JSON was not complete within {} seconds",
                JSON_TIMEOUT.as_secs()
            )))
        })
    }

    /// Whether the client asks for the connection.
    pub fn wants_upgrade(&self) -> bool {
        self.headers.contains_key(http::header::UPGRADE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped_as_go_escapes_it() {
        assert_eq!(
            go_json(&serde_json::json!({"a": "<&>"})),
            b"{\"a\":\"\\u003c\\u0026\\u003e\"}\n"
        );
    }
}
