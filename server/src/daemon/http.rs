//! The Engine API over HTTP/1.1 on unix sockets and TCP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bottleship_engine::api::BodyError;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::thread::{self, EngineHandle, ResponseBody};

type ResponseBodyStream = UnsyncBoxBody<Bytes, BodyError>;

/// A client's headers must be there within this time (slow clients hold no connection for ever).
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head at most.
const HEAD_LIMIT: usize = 64 << 10;

/// Who may ask.
#[derive(Clone)]
pub enum Access {
    /// Whoever can open the socket.
    Socket,
    /// Loopback TCP: only requests that name this host, against DNS rebinding, and that no web page sent.
    Loopback(Arc<[String]>),
}

impl Access {
    /// Loopback TCP on `port`.
    pub fn loopback(port: u16) -> Access {
        let names = ["localhost", "127.0.0.1", "[::1]", "api.moby.localhost"];
        Access::Loopback(
            names
                .iter()
                .flat_map(|name| [(*name).to_owned(), format!("{name}:{port}")])
                .collect(),
        )
    }

    fn refuses(&self, headers: &HeaderMap) -> Option<&'static str> {
        let Access::Loopback(hosts) = self else {
            return None;
        };
        let mut named = headers.get_all(header::HOST).iter();
        let host = named
            .next()
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if named.next().is_some()
            || !hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(host))
        {
            return Some(
                "the Host header does not name this daemon: connect to localhost or 127.0.0.1",
            );
        }
        let cross_site = headers
            .get("sec-fetch-site")
            .is_some_and(|value| value != "none" && value != "same-origin");
        if cross_site || headers.contains_key(header::ORIGIN) {
            return Some("requests of web pages are refused");
        }
        None
    }
}

/// Serves one connection until it ends.
pub async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    engine: EngineHandle,
    access: Access,
) {
    let service = service_fn(move |request| {
        let (engine, access) = (engine.clone(), access.clone());
        async move { Ok::<_, Infallible>(answer(request, engine, access).await) }
    });
    // A client that breaks off is not worth a word.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn answer(
    mut request: http::Request<Incoming>,
    engine: EngineHandle,
    access: Access,
) -> http::Response<ResponseBodyStream> {
    if let Some(reason) = access.refuses(request.headers()) {
        return message(StatusCode::FORBIDDEN, reason);
    }
    let upgrade = request
        .headers()
        .contains_key(header::UPGRADE)
        .then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let (chunks, receiver) = mpsc::channel(8);
    tokio::spawn(receive(body, chunks));
    let asked = engine
        .request(thread::Request {
            method: head.method,
            target,
            headers: head.headers,
            body: receiver,
        })
        .await;
    let response = match asked {
        Ok(response) => response,
        Err(error) => return message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let mut answer = http::Response::new(());
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    match response.body {
        ResponseBody::Bytes(bytes) => answer.map(|()| {
            Full::new(bytes)
                .map_err(|never| match never {})
                .boxed_unsync()
        }),
        ResponseBody::Stream(chunks) => answer.map(|()| stream_body(chunks)),
        ResponseBody::Upgrade(out, input) => match upgrade {
            Some(upgrade) if response.status == StatusCode::SWITCHING_PROTOCOLS => {
                tokio::spawn(async move {
                    if let Ok(connection) = upgrade.await {
                        splice(TokioIo::new(connection), out, input).await;
                    }
                });
                answer.map(|()| {
                    Full::default()
                        .map_err(|never| match never {})
                        .boxed_unsync()
                })
            }
            // Without an upgrade the client only listens: attach and exec of clients before 1.22.
            _ => answer.map(|()| stream_body(out)),
        },
    }
}

/// Hands a request's body to the engine, as fast as the engine takes it.
async fn receive(mut body: Incoming, chunks: mpsc::Sender<thread::Chunk>) {
    while let Some(frame) = body.frame().await {
        let chunk = match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailers) => continue,
            },
            Err(error) => Err(BodyError::Failed(error.to_string())),
        };
        let failed = chunk.is_err();
        if chunks.send(chunk).await.is_err() || failed {
            return;
        }
    }
}

fn stream_body(chunks: mpsc::Receiver<thread::Chunk>) -> ResponseBodyStream {
    let frames = thread::stream(chunks).map_ok(Frame::data);
    StreamBody::new(frames.boxed()).boxed_unsync()
}

/// Connects an upgraded connection with the engine; each direction ends by itself.
async fn splice(
    connection: impl AsyncRead + AsyncWrite,
    mut out: mpsc::Receiver<thread::Chunk>,
    input: mpsc::Sender<Bytes>,
) {
    let (mut reader, mut writer) = tokio::io::split(connection);
    let inward = async move {
        let mut buffer = vec![0; 32 << 10];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if input
                        .send(Bytes::copy_from_slice(&buffer[..count]))
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
            }
        }
    };
    let outward = async move {
        while let Some(Ok(chunk)) = out.recv().await {
            if writer.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    };
    // When the engine has said all, what the client still types has no reader.
    tokio::select! {
        () = outward => {}
        () = async { inward.await; std::future::pending::<()>().await } => {}
    }
}

fn message(status: StatusCode, text: &str) -> http::Response<ResponseBodyStream> {
    let body = serde_json::json!({ "message": text }).to_string() + "\n";
    let mut response = http::Response::new(
        Full::new(Bytes::from(body))
            .map_err(|never| match never {})
            .boxed_unsync(),
    );
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn loopback_answers_only_requests_that_name_it() {
        let access = Access::loopback(2375);
        for host in [
            "localhost",
            "localhost:2375",
            "127.0.0.1:2375",
            "[::1]:2375",
            "LOCALHOST",
        ] {
            assert_eq!(access.refuses(&headers(&[("host", host)])), None, "{host}");
        }
        for host in [
            "rebind.attacker.example:2375",
            "127.0.0.1.nip.io",
            "localhost.evil",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "localhost:2376",
            "",
        ] {
            assert!(
                access.refuses(&headers(&[("host", host)])).is_some(),
                "{host}"
            );
        }
        assert!(
            access
                .refuses(&headers(&[("host", "localhost"), ("host", "evil")]))
                .is_some()
        );
        assert!(access.refuses(&headers(&[])).is_some());
    }

    #[test]
    fn loopback_refuses_web_pages() {
        let access = Access::loopback(2375);
        for field in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert!(
                access
                    .refuses(&headers(&[("host", "localhost"), field]))
                    .is_some(),
                "{field:?}"
            );
        }
        assert_eq!(
            Access::Socket.refuses(&headers(&[("host", "anything")])),
            None
        );
    }
}
