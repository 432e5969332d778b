//! The Engine API over HTTP/1.1 on unix sockets and TCP.

use std::convert::Infallible;
use std::time::Duration;

use bottleship_engine::api::BodyError;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::access::Access;
use super::thread::{self, EngineHandle, ResponseBody};
use super::websocket;
use crate::buildkit;
use crate::pump;

type ResponseBodyStream = UnsyncBoxBody<Bytes, BodyError>;

/// A client's headers must be there within this time (slow clients hold no connection for ever).
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head at most.
const HEAD_LIMIT: usize = 64 << 10;

/// docker-py reads a response's head through a buffer and drops what it got along with it. dockerd never sends output
/// that soon, so it works there; to this client output is sent after a while.
const LOSES_EARLY_OUTPUT: &[u8] = b"docker-sdk-python/";
const EARLY_OUTPUT: Duration = Duration::from_millis(30);

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
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn answer(
    mut request: http::Request<Incoming>,
    engine: EngineHandle,
    access: Access,
) -> http::Response<ResponseBodyStream> {
    let upgrade = request
        .headers()
        .contains_key(header::UPGRADE)
        .then(|| hyper::upgrade::on(&mut request));
    let websocket = match websocket::Handshake::of(request.headers()) {
        Ok(websocket) => websocket,
        Err(reason) => return refused(StatusCode::BAD_REQUEST, reason),
    };
    let (head, body) = request.into_parts();
    if let Some((status, reason)) = access.refuses(&head) {
        return refused(status, reason);
    }
    let (chunks, receiver) = mpsc::channel(8);
    tokio::spawn(receive(body, chunks));
    if let Some(call) = buildkit::Call::of(&head) {
        return match call.answer(engine, head, receiver, upgrade).await {
            Ok(response) => plain(response),
            Err(error) => message(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
        };
    }
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let asked = engine
        .request(thread::Request {
            method: head.method.clone(),
            target,
            headers: head.headers.clone(),
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
    let is_websocket = websocket.is_some();
    if let Some(websocket) = websocket
        && response.status == StatusCode::SWITCHING_PROTOCOLS
    {
        websocket.answer(answer.headers_mut());
    }
    match response.body {
        ResponseBody::Bytes(bytes) => answer.map(|()| whole(bytes)),
        ResponseBody::Stream(chunks) => answer.map(|()| stream_body(chunks)),
        ResponseBody::Upgrade(out, input) => match upgrade {
            Some(upgrade) if response.status == StatusCode::SWITCHING_PROTOCOLS => {
                let pause = head
                    .headers
                    .get(header::USER_AGENT)
                    .is_some_and(|agent| agent.as_bytes().starts_with(LOSES_EARLY_OUTPUT));
                tokio::spawn(async move {
                    if let Ok(connection) = upgrade.await {
                        if pause {
                            tokio::time::sleep(EARLY_OUTPUT).await;
                        }
                        let connection = TokioIo::new(connection);
                        if is_websocket {
                            websocket::splice(connection, out, input).await;
                        } else {
                            splice(connection, out, input).await;
                        }
                    }
                });
                answer.map(|()| whole(Bytes::new()))
            }
            // Without an upgrade the client only listens: attach and exec of clients before 1.22.
            _ => answer.map(|()| stream_body(out)),
        },
    }
}

/// A response without a connection that is handed over.
fn plain(response: thread::Response) -> http::Response<ResponseBodyStream> {
    let mut answer = http::Response::new(match response.body {
        ResponseBody::Bytes(bytes) => whole(bytes),
        ResponseBody::Stream(chunks) | ResponseBody::Upgrade(chunks, _) => stream_body(chunks),
    });
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    answer
}

fn whole(bytes: Bytes) -> ResponseBodyStream {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Hands a request's body to the engine, as fast as the engine takes it.
pub async fn receive<B>(mut body: B, chunks: mpsc::Sender<thread::Chunk>)
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
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
    out: mpsc::Receiver<thread::Chunk>,
    input: mpsc::Sender<Bytes>,
) {
    let (reader, writer) = tokio::io::split(connection);
    let inward = pump::inward(reader, input);
    let outward = pump::outward(writer, pump::good(pump::received(out)));
    // When the engine has said all, what the client still types has no reader.
    tokio::select! {
        () = outward => {}
        () = async { inward.await; std::future::pending::<()>().await } => {}
    }
}

/// A refusal says no more than it must, and the connection ends with it.
fn refused(status: StatusCode, reason: &str) -> http::Response<ResponseBodyStream> {
    let mut response = message(status, reason);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn message(status: StatusCode, text: &str) -> http::Response<ResponseBodyStream> {
    let body = serde_json::json!({ "message": text }).to_string() + "\n";
    let mut response = http::Response::new(whole(body.into()));
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
