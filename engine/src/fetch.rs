//! HTTP requests out of the engine: registries, `ADD https://…`, `docker import URL`.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::LocalBoxStream;
use http::{HeaderMap, Method, StatusCode};

use crate::pipe::BodyError;

/// A request to some server.
pub struct FetchRequest {
    /// The method.
    pub method: Method,
    /// An absolute `http:` or `https:` address.
    pub url: String,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

/// A server's answer. Redirects are not followed by the port.
pub struct FetchResponse {
    /// The status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body as it arrives.
    pub body: LocalBoxStream<'static, Result<Bytes, BodyError>>,
}

/// Why there is no answer, in Go's words where the host can tell
/// (`dial tcp 127.0.0.1:1: connect: connection refused`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// The host's HTTP client.
#[async_trait(?Send)]
pub trait Fetch {
    /// Sends a request and resolves when the answer's headers are there.
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError>;
}

/// A host without a network.
pub struct NoFetch;

#[async_trait(?Send)]
impl Fetch for NoFetch {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        Err(FetchError(format!(
            "{} {:?}: network is unreachable",
            request.method, request.url
        )))
    }
}
