//! The way to a daemon: HTTP/1.1 over a unix socket or TCP, one connection a request.

use std::path::PathBuf;

use bottleship_engine::api::{Body, BodyError, Duplex, Request, Response};
use bottleship_engine::cli::{Transport, TransportError};
use bottleship_engine::pipe;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::header::{self, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::spawn_local;

use crate::pump;

/// Where a daemon listens.
enum Address {
    Unix(PathBuf),
    Tcp(String),
    /// An address that this client can't speak to, and why.
    Unsupported(String),
}

/// Connects anew for each request.
pub struct Connection {
    address: Address,
}

impl Connection {
    /// To a daemon at an address such as `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
    pub fn new(address: &str) -> Connection {
        let address = match address.split_once("://") {
            Some(("unix", path)) => Address::Unix(path.into()),
            Some(("tcp" | "http", rest)) => {
                let host = rest.split('/').next().unwrap_or_default();
                let has_port = host
                    .rsplit_once(':')
                    .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                Address::Tcp(if has_port {
                    host.to_owned()
                } else {
                    format!("{host}:2375")
                })
            }
            _ => Address::Unsupported(format!(
                "{address}: this docker speaks to unix:// and tcp:// addresses only"
            )),
        };
        Connection { address }
    }

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
                    std::io::ErrorKind::PermissionDenied => TransportError::Other(format!(
                        "permission denied while trying to connect to the Docker daemon socket at unix://{}",
                        path.display()
                    )),
                    _ => TransportError::Connect,
                })?;
                exchange(stream, "api.moby.localhost", request).await
            }
            Address::Tcp(host) => {
                let stream = TcpStream::connect(host)
                    .await
                    .map_err(|_| TransportError::Connect)?;
                let _ = stream.set_nodelay(true);
                exchange(stream, host, request).await
            }
            Address::Unsupported(why) => Err(TransportError::Other(why.clone())),
        }
    }
}

#[async_trait::async_trait(?Send)]
impl Transport for Connection {
    async fn request(&self, request: Request) -> Result<Response, TransportError> {
        self.send(request).await
    }
}

fn other(error: impl std::fmt::Display) -> TransportError {
    TransportError::Other(error.to_string())
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    request: Request,
) -> Result<Response, TransportError> {
    let body = match request.body {
        Body::Empty => http_body_util::Empty::new()
            .map_err(|never| match never {})
            .boxed_local_body(),
        Body::Bytes(bytes) => http_body_util::Full::new(bytes)
            .map_err(|never| match never {})
            .boxed_local_body(),
        other => StreamBody::new(other.into_stream().map_ok(Frame::data)).boxed_local_body(),
    };
    let mut message = http::Request::new(body);
    *message.method_mut() = request.method;
    *message.uri_mut() = request.target.parse().map_err(other)?;
    *message.headers_mut() = request.headers;
    let headers = message.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(host).map_err(other)?);
    if !headers.contains_key(header::USER_AGENT) {
        let agent = format!("Docker-Client/{} (linux)", bottleship_engine::cli::VERSION);
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_str(&agent).map_err(other)?,
        );
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(other)?;
    spawn_local(async move {
        // What goes wrong is seen by the request.
        let _ = connection.with_upgrades().await;
    });
    let mut response = sender.send_request(message).await.map_err(other)?;
    let mut answer = Response::status(response.status());
    answer.headers = response.headers().clone();
    if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(&mut response).await.map_err(other)?;
        let (near, far) = pipe::duplex(pipe::CAPACITY);
        spawn_local(splice(TokioIo::new(upgraded), far));
        answer.body = Body::Upgrade(near);
    } else {
        let chunks = response.into_body().into_data_stream();
        // The sender lives as long as the body is read: dropping it would end the connection.
        answer.body = Body::stream(chunks.map(move |chunk| {
            let _ = &sender;
            chunk.map_err(|error| BodyError::Failed(error.to_string()))
        }));
    }
    Ok(answer)
}

/// Moves bytes between an upgraded connection and the command line.
async fn splice(connection: impl AsyncRead + AsyncWrite + 'static, duplex: Duplex) {
    let (reader, writer) = tokio::io::split(connection);
    let Duplex {
        reader: outgoing,
        writer: mut incoming,
    } = duplex;
    let send = pump::outward(writer, pump::good(outgoing));
    let receive = async move {
        let mut chunks = std::pin::pin!(pump::chunks(reader));
        while let Some(chunk) = chunks.next().await {
            if incoming.write(chunk).await.is_err() {
                return;
            }
        }
    };
    futures::join!(send, receive);
}

type LocalBody = std::pin::Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = BodyError>>>;

trait BoxLocal {
    fn boxed_local_body(self) -> LocalBody;
}

impl<B: hyper::body::Body<Data = Bytes, Error = BodyError> + 'static> BoxLocal for B {
    fn boxed_local_body(self) -> LocalBody {
        Box::pin(self)
    }
}
