use futures::future::poll_fn;
use std::task::Poll;

use super::find;
use super::logs::copy_log;
use crate::api::message::{ApiVersion, Body, Call, Response};
use crate::api::{ApiError, ApiResult};
use crate::container::Container;
use crate::container::attach::{AttachOptions, attach as connect, parse_detach_keys};
use crate::container::log::ReadOptions;
use crate::pipe::{CAPACITY, Duplex, pipe};

pub const RAW: &str = "application/vnd.docker.raw-stream";
pub const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";

/// The content type of a stream; before API 1.42 always raw.
pub fn stream_type(tty: bool, version: ApiVersion) -> &'static str {
    if tty || version < ApiVersion(42) {
        RAW
    } else {
        MULTIPLEXED
    }
}

/// Logs first and the stream then, as one duplex.
pub async fn attach(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    let tty = container.record().config.tty;
    let duplex = open(&call, &container).await?;
    Ok(Response::hijack(
        call.wants_upgrade(),
        stream_type(tty, call.version),
        duplex,
    ))
}

/// The same over a WebSocket, which the transport terminates: its messages are
/// the raw bytes of the stream.
pub async fn websocket(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    let duplex = open(&call, &container).await?;
    let mut response = Response::status(http::StatusCode::SWITCHING_PROTOCOLS);
    response.body = Body::Upgrade(duplex);
    Ok(response)
}

async fn open(call: &Call, container: &Container) -> Result<Duplex, ApiError> {
    let query = &call.query;
    let keys = parse_detach_keys(query.get("detachKeys"))?;
    let (stream, logs) = (query.bool("stream"), query.bool("logs"));
    let (tty, stdin_once, open_stdin) = {
        let record = container.record();
        if record.state.paused {
            return Err(ApiError::conflict(format!(
                "container {} is paused, unpause the container before attach",
                record.id
            )));
        }
        record.state.not_restarting(&record.id)?;
        (
            record.config.tty,
            record.config.stdin_once,
            record.config.open_stdin,
        )
    };
    let options = AttachOptions {
        stdin: query.bool("stdin") && open_stdin && stream,
        stdout: query.bool("stdout"),
        stderr: query.bool("stderr"),
        tty,
        framed: !tty,
        close_stdin: stdin_once,
        detach_keys: if tty { keys } else { Vec::new() },
    };
    if logs {
        return attach_with_logs(call, container, options, stream).await;
    }
    let duplex = if stream {
        connect(&call.engine, container.streams(), options)
    } else {
        crate::pipe::duplex(1).0
    };
    container.emit(&call.engine, "attach", &[]);
    Ok(duplex)
}

/// The log so far, then the stream from where the log ended.
async fn attach_with_logs(
    call: &Call,
    container: &Container,
    options: AttachOptions,
    stream: bool,
) -> Result<Duplex, ApiError> {
    container.log().check_readable()?;
    let read = ReadOptions {
        stdout: options.stdout,
        stderr: options.stderr,
        follow: false,
        ..ReadOptions::default()
    };
    let end = container.log().end();
    let live = stream.then(|| connect(&call.engine, container.streams(), options.clone()));
    let (mut writer, reader) = pipe(CAPACITY);
    let (client_input, mut to_server) = pipe(CAPACITY);
    let log = container.log().clone();
    call.engine.executor().spawn(async move {
        if copy_log(&log, &read, 0, Some(end), !options.tty, &mut writer)
            .await
            .is_err()
        {
            return;
        }
        let Some(Duplex {
            reader: mut output,
            writer: mut input,
        }) = live
        else {
            return;
        };
        let forward = async {
            while let Some(Ok(data)) = to_server.read().await {
                if input.write(data).await.is_err() {
                    break;
                }
            }
            input.close();
            poll_fn::<(), _>(|_| Poll::Pending).await;
        };
        let back = async {
            while let Some(Ok(data)) = output.read().await {
                if writer.write(data).await.is_err() {
                    break;
                }
            }
        };
        futures::future::select(std::pin::pin!(forward), std::pin::pin!(back)).await;
    });
    container.emit(&call.engine, "attach", &[]);
    Ok(Duplex {
        reader,
        writer: client_input,
    })
}
