//! Serving a router to strangers: HTTP/1 only, heads that come in time and are no longer than they must be, and no more
//! connections at once than there are descriptors for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::Service;

/// A request's head must be there within this time.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's head at most.
const HEAD_BYTES: usize = 64 << 10;
/// Connections at once; others wait to be accepted.
const CONNECTIONS: usize = 4096;
/// What can't be accepted now may be later, when descriptors are free again.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` until `end`. Handlers find the client's address as [`ConnectInfo`]. Connections that are open at the
/// end go on for as long as the runtime does.
pub async fn serve(listener: TcpListener, router: Router, end: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = async {
        loop {
            // The semaphore is never closed.
            let Ok(seat) = room.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, client)) => {
                    let router = router.clone();
                    tokio::spawn(async move {
                        connection(stream, client, router).await;
                        drop(seat);
                    });
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    };
    tokio::select! { () = accepting => {}, () = end => {} }
}

async fn connection(stream: TcpStream, client: SocketAddr, router: Router) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(client));
            let answer: Result<_, Infallible> = router.call(request).await;
            answer
        }
    });
    // A client that breaks off is not worth a word.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}
