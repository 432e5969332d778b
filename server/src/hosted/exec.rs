//! A command line in a session's host, for the page: its input is the request's body, its output comes in Docker's
//! frames (stdcopy), the last of which says how it ended.

use std::convert::Infallible;
use std::rc::Rc;

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::response::Response;
use bottleship_engine::Engine;
use bottleship_engine::pipe::PipeReader;
use bottleship_engine::runtime::{RuntimeError, RuntimeProcess, Spawned};
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use http::StatusCode;
use http::header::{self, HeaderValue};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::api::{Visited, message};
use super::session::{HOST, on_engine};
use super::terminal::process_of_host;
use crate::daemon::http::receive;
use crate::daemon::thread::Chunk;

/// Characters of a command line.
const LINE: usize = 64 << 10;
/// Bytes of output in one frame.
const FRAME: usize = 1 << 20;
/// The streams of stdcopy; the last is the one for what the daemon itself says.
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const END: u8 = 3;
const SIGKILL: u8 = 9;

#[derive(Deserialize)]
pub struct Asked {
    line: String,
}

/// Runs a line in a shell.
pub async fn run(
    Visited(session): Visited,
    Query(Asked { line }): Query<Asked>,
    request: Request,
) -> Response {
    if line.len() > LINE || line.contains('\0') {
        return message(StatusCode::BAD_REQUEST, "not a command line");
    }
    let (frames, received) = mpsc::channel(4);
    let (input, from_client) = mpsc::channel(8);
    tokio::spawn(receive(request.into_body(), input));
    let started = async {
        let engine = session.engine()?;
        on_engine(&engine, move |engine| {
            Box::pin(async move {
                start(&engine, line, from_client, frames)
                    .await
                    .map_err(|error| error.to_string())
            })
        })
        .await
    };
    match started.await {
        Ok(Ok(())) => {
            let frames = futures::stream::unfold(received, async |mut received| {
                Some((received.recv().await?, received))
            });
            let mut response = Response::new(Body::from_stream(frames.map(Ok::<_, Infallible>)));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/vnd.docker.multiplexed-stream"),
            );
            response
        }
        Ok(Err(error)) => message(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(error) => message(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

async fn start(
    engine: &Engine,
    line: String,
    mut input: mpsc::Receiver<Chunk>,
    frames: mpsc::Sender<Bytes>,
) -> Result<(), RuntimeError> {
    let process = process_of_host(vec!["/bin/sh".into(), "-lc".into(), line]);
    let Spawned { process, stdio } = engine.ports().runtime.exec(HOST, process).await?;
    process.start().await?;
    let executor = engine.executor();
    if let Some(mut stdin) = stdio.stdin {
        executor.spawn(async move {
            while let Some(Ok(data)) = input.recv().await {
                if stdin.write(data).await.is_err() {
                    return;
                }
            }
        });
    }
    let outputs = [(STDOUT, stdio.stdout), (STDERR, stdio.stderr)];
    let copies =
        outputs.map(|(number, stream)| copy(number, stream, frames.clone(), process.clone()));
    executor.spawn(async move {
        futures::future::join_all(copies).await;
        let status = process.wait().await;
        let end = format!("{{\"exitCode\":{}}}", status.code);
        let _ = frames.send(frame(END, end.as_bytes())).await;
    });
    Ok(())
}

/// Hands a stream on; a process that nobody listens to any more is ended.
async fn copy(
    number: u8,
    stream: Option<PipeReader>,
    frames: mpsc::Sender<Bytes>,
    process: Rc<dyn RuntimeProcess>,
) {
    let Some(mut stream) = stream else { return };
    while let Some(Ok(data)) = stream.read().await {
        for piece in data.chunks(FRAME) {
            if frames.send(frame(number, piece)).await.is_err() {
                let _ = process.kill(SIGKILL).await;
                return;
            }
        }
    }
}

fn frame(number: u8, data: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(8 + data.len());
    bytes.put_slice(&[number, 0, 0, 0]);
    bytes.put_u32(u32::try_from(data.len()).unwrap_or(u32::MAX));
    bytes.put_slice(data);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_stdcopys() {
        assert_eq!(&frame(2, b"abc")[..], b"\x02\0\0\0\0\0\0\x03abc");
    }
}
