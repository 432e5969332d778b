use std::task::Poll;

use futures::future::{Either, poll_fn};

use super::attach::stream_type;
use super::find;
use crate::api::message::{Call, Response};
use crate::api::stdcopy::frame;
use crate::api::system::parse_time;
use crate::api::{ApiError, ApiResult};
use crate::container::Container;
use crate::container::log::{Entry, Log, ReadOptions, attributes};
use crate::pipe::{BodyError, CAPACITY, PipeWriter, pipe};

pub async fn logs(call: Call, id: &str) -> ApiResult {
    let query = &call.query;
    let now = call.engine.now();
    let mut options = ReadOptions {
        stdout: query.bool("stdout"),
        stderr: query.bool("stderr"),
        since: parse_time(query.get("since"), now)?.filter(|since| since.nanos() != 0),
        until: parse_time(query.get("until"), now)?.filter(|until| until.nanos() != 0),
        timestamps: query.bool("timestamps"),
        details: query.bool("details"),
        attributes: String::new(),
        follow: query.bool("follow"),
        tail: query.get("tail").parse().ok(),
    };
    if !options.stdout && !options.stderr {
        return Err(ApiError::invalid(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    let container = find(&call, id)?;
    if options.details {
        let record = container.record();
        options.attributes = attributes(&record.host_config.log_config, &record.config);
    }
    container.log().check_readable()?;
    let tty = container.record().config.tty;
    let (writer, reader) = pipe(CAPACITY);
    call.engine
        .executor()
        .spawn(send(container, options, !tty, writer));
    Ok(Response::with(stream_type(tty, call.version), reader))
}

async fn send(container: Container, options: ReadOptions, framed: bool, mut writer: PipeWriter) {
    let log = container.log().clone();
    let start = match options.tail {
        Some(count) => tail_start(&log, &options, count),
        None => 0,
    };
    let Ok(mut next) = copy_log(&log, &options, start, None, framed, &mut writer).await else {
        return;
    };
    if !options.follow {
        return;
    }
    loop {
        // A container that ends has written all it will before it is stopped.
        let running = container.record().state.running;
        match copy_log(&log, &options, next, None, framed, &mut writer).await {
            Ok(end) if running && !container.is_removed() => next = end,
            _ => return,
        }
        if !more(&log, next, &writer, &container).await {
            return;
        }
    }
}

/// Where the last `count` wanted entries begin.
fn tail_start(log: &Log, options: &ReadOptions, count: u64) -> u64 {
    let end = log.end();
    let mut start = end;
    let mut found = 0;
    while found < count && start > 0 {
        match log.entry(start - 1) {
            Some((sequence, entry)) if sequence == start - 1 => {
                start -= 1;
                found += u64::from(options.wants(&entry) && !options.is_past(&entry));
            }
            _ => break,
        }
    }
    start
}

/// Resolves when there is more, the container ended, or nobody reads; only then it is false.
async fn more(log: &Log, next: u64, writer: &PipeWriter, container: &Container) -> bool {
    let added = poll_fn(|context| {
        if log.end() > next || !container.record().state.running {
            return Poll::Ready(());
        }
        log.register(context.waker());
        Poll::Pending
    });
    let gone = std::pin::pin!(writer.reader_gone());
    let added = std::pin::pin!(added);
    let first = futures::future::select(added, gone).await;
    matches!(first, Either::Left(_))
}

/// Copies entries from a sequence number up to another (or the end) and returns
/// the next one. Entries after `until` end the copy.
pub async fn copy_log(
    log: &Log,
    options: &ReadOptions,
    from: u64,
    to: Option<u64>,
    framed: bool,
    writer: &mut PipeWriter,
) -> Result<u64, BodyError> {
    let mut next = from;
    while let Some((sequence, entry)) = log.entry(next) {
        if to.is_some_and(|to| sequence >= to) {
            break;
        }
        next = sequence + 1;
        if options.is_past(&entry) {
            return Err(BodyError::Closed);
        }
        if options.wants(&entry) {
            writer.write(render(options, &entry, framed)).await?;
        }
    }
    Ok(next)
}

fn render(options: &ReadOptions, entry: &Entry, framed: bool) -> bytes::Bytes {
    let line = options.render(entry);
    if framed {
        frame(entry.stream, &line)
    } else {
        line
    }
}
