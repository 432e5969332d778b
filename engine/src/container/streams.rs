//! A container's standard streams: out to everyone attached and to the log, in
//! from whoever is attached with input.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::lock::Mutex;

use crate::api::stdcopy::{StdStream, frame};
use crate::pipe::{CAPACITY, PipeReader, PipeWriter, pipe};
use crate::runtime::Stdio;

/// Someone who is attached.
struct Subscriber {
    writer: PipeWriter,
    stdout: bool,
    stderr: bool,
    /// Whether output is framed (no terminal).
    framed: bool,
    /// Resolves the attachment when output ends; cancelled by whoever detaches.
    ended: oneshot::Sender<()>,
}

/// The streams of a container or an exec, across restarts.
#[derive(Default)]
pub struct Streams {
    subscribers: RefCell<Vec<Subscriber>>,
    stdin: Rc<Mutex<Option<PipeWriter>>>,
    stdin_reader: RefCell<Option<PipeReader>>,
}

/// What a piece of output is given to besides those attached.
pub type Sink = Rc<dyn Fn(StdStream, &Bytes)>;

impl Streams {
    /// Opens standard input for the next start, so that input written before
    /// it is not lost.
    pub fn open_stdin(&self) {
        if let Some(mut stdin) = self.stdin.try_lock() {
            let (writer, reader) = pipe(CAPACITY);
            *stdin = Some(writer);
            *self.stdin_reader.borrow_mut() = Some(reader);
        }
    }

    /// Attaches to the output. The receiver resolves when it ends.
    pub fn subscribe(
        &self,
        writer: PipeWriter,
        stdout: bool,
        stderr: bool,
        framed: bool,
    ) -> oneshot::Receiver<()> {
        let (ended, receiver) = oneshot::channel();
        self.forget_detached();
        self.subscribers.borrow_mut().push(Subscriber {
            writer,
            stdout,
            stderr,
            framed,
            ended,
        });
        receiver
    }

    /// Writes input; fails when nobody reads any more.
    pub async fn write_stdin(&self, data: Bytes) -> Result<(), crate::pipe::BodyError> {
        let mut stdin = self.stdin.lock().await;
        match stdin.as_mut() {
            Some(writer) => writer.write(data).await,
            None => Err(crate::pipe::BodyError::Closed),
        }
    }

    /// End of file on standard input.
    pub async fn close_stdin(&self) {
        *self.stdin.lock().await = None;
    }

    /// Moves what comes until output ends: to `sink`, and to those attached.
    pub async fn pump(self: Rc<Self>, stdio: Stdio, sink: Sink) {
        let Stdio {
            stdin,
            stdout,
            stderr,
        } = stdio;
        let input = pump_stdin(self.stdin_reader.borrow_mut().take(), stdin);
        let output = self.pump_output(stdout, stderr, sink);
        // Input ends with the output: the process is gone then.
        let _ = select(std::pin::pin!(output), std::pin::pin!(input)).await;
    }

    async fn pump_output(
        &self,
        mut stdout: Option<PipeReader>,
        mut stderr: Option<PipeReader>,
        sink: Sink,
    ) {
        while let Some((stream, data)) = next_output(&mut stdout, &mut stderr).await {
            sink(stream, &data);
            self.publish(stream, data).await;
        }
    }

    async fn publish(&self, stream: StdStream, data: Bytes) {
        // Taken out while writing, as newcomers may attach meanwhile.
        let current = std::mem::take(&mut *self.subscribers.borrow_mut());
        let mut kept = Vec::with_capacity(current.len());
        for mut subscriber in current {
            let wanted = if stream == StdStream::Stderr {
                subscriber.stderr
            } else {
                subscriber.stdout
            };
            if !wanted {
                kept.push(subscriber);
                continue;
            }
            let piece = if subscriber.framed {
                frame(stream, &data)
            } else {
                data.clone()
            };
            if subscriber.writer.write(piece).await.is_ok() {
                kept.push(subscriber);
            }
        }
        kept.append(&mut self.subscribers.borrow_mut());
        *self.subscribers.borrow_mut() = kept;
        self.forget_detached();
    }

    /// Ends the connections of those who dropped the receiver of [`Streams::subscribe`] or are gone.
    pub fn forget_detached(&self) {
        self.subscribers
            .borrow_mut()
            .retain(|subscriber| !subscriber.ended.is_canceled() && !subscriber.writer.is_closed());
    }

    /// Gives those attached something the process did not write.
    pub async fn say(&self, text: Bytes) {
        self.publish(StdStream::Stdout, text).await;
    }

    /// Ends every attachment.
    pub fn end(&self) {
        self.subscribers.borrow_mut().clear();
    }
}

async fn pump_stdin(reader: Option<PipeReader>, writer: Option<PipeWriter>) {
    if let (Some(mut reader), Some(mut writer)) = (reader, writer) {
        while let Some(Ok(data)) = reader.read().await {
            if writer.write(data).await.is_err() {
                break;
            }
        }
    }
    // The process may go on without input.
    futures::future::pending::<()>().await;
}

/// The next piece of either stream; `None` when both ended.
async fn next_output(
    stdout: &mut Option<PipeReader>,
    stderr: &mut Option<PipeReader>,
) -> Option<(StdStream, Bytes)> {
    loop {
        let (stream, piece) = match (stdout.as_mut(), stderr.as_mut()) {
            (None, None) => return None,
            (Some(out), None) => (StdStream::Stdout, out.read().await),
            (None, Some(err)) => (StdStream::Stderr, err.read().await),
            (Some(out), Some(err)) => {
                match select(std::pin::pin!(out.read()), std::pin::pin!(err.read())).await {
                    Either::Left((piece, _)) => (StdStream::Stdout, piece),
                    Either::Right((piece, _)) => (StdStream::Stderr, piece),
                }
            }
        };
        match piece {
            Some(Ok(data)) => return Some((stream, data)),
            _ if stream == StdStream::Stdout => *stdout = None,
            _ => *stderr = None,
        }
    }
}
