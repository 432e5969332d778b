//! The engine's [`Fetch`] on the network, run by tokio and handed over to the engine's thread.

use std::time::Duration;

use bottleship_engine::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};
use bottleship_engine::pipe::BodyError;
use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use tokio::runtime::Handle;

/// An HTTP client on a tokio runtime.
pub struct NetworkFetch {
    runtime: Handle,
    client: reqwest::Client,
}

impl NetworkFetch {
    /// A client whose connections live on `runtime`.
    ///
    /// # Errors
    /// When the system's certificates can't be read.
    pub fn new(runtime: Handle) -> anyhow::Result<NetworkFetch> {
        // Another part of the process may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(super::tls::client()?)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(15))
            .read_timeout(Duration::from_secs(60))
            .user_agent(concat!("bottleship/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(NetworkFetch { runtime, client })
    }
}

type Head = Result<(StatusCode, HeaderMap), FetchError>;

#[async_trait::async_trait(?Send)]
impl Fetch for NetworkFetch {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let (head_in, head) = oneshot::channel::<Head>();
        let (mut body_in, body) = mpsc::channel::<Result<Bytes, BodyError>>(8);
        let request = self
            .client
            .request(request.method, &request.url)
            .headers(request.headers)
            .body(request.body);
        self.runtime.spawn(async move {
            let mut response = match request.send().await {
                Ok(response) => response,
                Err(error) => {
                    let _ = head_in.send(Err(FetchError(go_words(&error))));
                    return;
                }
            };
            if head_in
                .send(Ok((response.status(), response.headers().clone())))
                .is_err()
            {
                return;
            }
            loop {
                let item = match response.chunk().await {
                    Ok(Some(chunk)) => Ok(chunk),
                    Ok(None) => return,
                    Err(error) => Err(BodyError::Failed(go_words(&error))),
                };
                let failed = item.is_err();
                if body_in.send(item).await.is_err() || failed {
                    return;
                }
            }
        });
        let ended = || FetchError("the request was given up".into());
        let (status, headers) = head.await.map_err(|_| ended())??;
        Ok(FetchResponse {
            status,
            headers,
            body: body.boxed_local(),
        })
    }
}

/// The innermost cause, as Go's net package words the common ones.
fn go_words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let address = error
        .url()
        .and_then(|url| {
            Some(format!(
                "{}:{}",
                url.host_str()?,
                url.port_or_known_default()?
            ))
        })
        .unwrap_or_default();
    let io = cause
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    match io {
        Some(std::io::ErrorKind::ConnectionRefused) => {
            format!("dial tcp {address}: connect: connection refused")
        }
        Some(std::io::ErrorKind::TimedOut) => format!("dial tcp {address}: i/o timeout"),
        _ if error.is_timeout() => {
            "net/http: request canceled (Client.Timeout exceeded while awaiting headers)".into()
        }
        _ if error.is_connect() && cause.to_string().contains("lookup") => {
            let host = error
                .url()
                .and_then(|url| url.host_str())
                .unwrap_or_default();
            format!("dial tcp: lookup {host}: no such host")
        }
        _ => cause.to_string(),
    }
}
