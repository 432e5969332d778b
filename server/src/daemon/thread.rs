//! An engine on a thread of its own, and handles with which tokio's tasks talk to it.
//!
//! The engine is single-threaded; jobs are sent to its thread, and bodies cross through bounded channels, so that a
//! slow client slows its producer instead of filling memory.

use std::sync::{Arc, mpsc};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use anyhow::{Context, Result};
use bottleship_engine::api::{self, Body, BodyError};
use bottleship_engine::{Engine, RunState};
use bytes::Bytes;
use futures::channel::oneshot;
use futures::{Stream, StreamExt};
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::mpsc as channel;

use crate::buildkit;

/// Instructions of emulated programs between two looks at the jobs: about two milliseconds.
const SLICE: u64 = 1_000_000;

/// Chunks of a body on their way between the threads.
const CHUNKS: usize = 8;

type Job = Box<dyn FnOnce(&Engine) + Send>;

/// A chunk of a body, or why there is no more.
pub type Chunk = Result<Bytes, BodyError>;

/// A request that may cross threads.
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body's chunks.
    pub body: channel::Receiver<Chunk>,
}

/// A response that may cross threads; its body follows on channels.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// What comes after them.
    pub body: ResponseBody,
}

/// What follows a response's headers.
pub enum ResponseBody {
    /// All of it.
    Bytes(Bytes),
    /// As it comes.
    Stream(channel::Receiver<Chunk>),
    /// The connection is handed over: bytes from the engine, bytes to it.
    Upgrade(channel::Receiver<Chunk>, channel::Sender<Bytes>),
}

/// Talks to an engine's thread; the thread ends when the last handle is dropped.
#[derive(Clone)]
pub struct EngineHandle {
    jobs: mpsc::Sender<Job>,
    thread: Arc<Unpark>,
    sessions: buildkit::Shared,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        // The thread looks whether somebody still holds the other end.
        self.thread.0.unpark();
    }
}

impl EngineHandle {
    /// Makes an engine on a new thread with `build`, and runs it there.
    ///
    /// # Errors
    /// What `build` says.
    pub fn start(build: impl FnOnce() -> Result<Engine> + Send + 'static) -> Result<EngineHandle> {
        let (jobs, receiver) = mpsc::channel::<Job>();
        let (started, ready) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("engine".into())
            .stack_size(8 << 20)
            .spawn(move || match build() {
                Ok(engine) => {
                    engine.set_waker(Waker::from(Arc::new(Unpark(thread::current()))));
                    let _ = started.send(Ok(()));
                    run(&engine, &receiver);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            })
            .context("can't start the engine's thread")?;
        ready
            .recv()
            .context("the engine's thread ended while starting")??;
        Ok(EngineHandle {
            jobs,
            thread: Arc::new(Unpark(thread.thread().clone())),
            sessions: buildkit::Shared::default(),
        })
    }

    /// The clients that serve files for its builds.
    pub fn sessions(&self) -> &buildkit::Shared {
        &self.sessions
    }

    /// Runs `job` on the engine's thread.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn post(&self, job: impl FnOnce(&Engine) + Send + 'static) -> Result<()> {
        self.jobs
            .send(Box::new(job))
            .ok()
            .context("the engine has stopped")?;
        self.thread.0.unpark();
        Ok(())
    }

    /// Asks the engine; resolves when the response's headers are there.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn request(&self, request: Request) -> Result<Response> {
        let (answer, answered) = oneshot::channel();
        self.post(move |engine| {
            let asked = engine.clone();
            engine.executor().spawn(async move {
                let response = asked
                    .handle(api::Request {
                        method: request.method,
                        target: request.target,
                        headers: request.headers,
                        body: Body::stream(stream(request.body)),
                    })
                    .await;
                let (body, pump) = split(response.body);
                let response = Response {
                    status: response.status,
                    headers: response.headers,
                    body,
                };
                if answer.send(response).is_ok()
                    && let Some(pump) = pump
                {
                    pump.run().await;
                }
            });
        })?;
        answered.await.context("the engine dropped the request")
    }
}

/// Moves a body's chunks out of the engine, and an upgraded connection's into it.
enum Pump {
    Out(
        futures::stream::LocalBoxStream<'static, Chunk>,
        channel::Sender<Chunk>,
    ),
    Both(
        api::Duplex,
        channel::Sender<Chunk>,
        channel::Receiver<Bytes>,
    ),
}

fn split(body: Body) -> (ResponseBody, Option<Pump>) {
    match body {
        Body::Empty => (ResponseBody::Bytes(Bytes::new()), None),
        Body::Bytes(bytes) => (ResponseBody::Bytes(bytes), None),
        Body::Stream(stream) => {
            let (send, receive) = channel::channel(CHUNKS);
            (ResponseBody::Stream(receive), Some(Pump::Out(stream, send)))
        }
        Body::Upgrade(duplex) => {
            let (out, outgoing) = channel::channel(CHUNKS);
            let (incoming, input) = channel::channel(CHUNKS);
            (
                ResponseBody::Upgrade(outgoing, incoming),
                Some(Pump::Both(duplex, out, input)),
            )
        }
    }
}

impl Pump {
    async fn run(self) {
        match self {
            Pump::Out(stream, send) => pump_out(stream, send).await,
            Pump::Both(duplex, out, mut input) => {
                let api::Duplex { reader, mut writer } = duplex;
                let inward = async move {
                    while let Some(chunk) = input.recv().await {
                        if writer.write(chunk).await.is_err() {
                            break;
                        }
                    }
                    // Dropping the writer is the client's half-close.
                };
                futures::join!(pump_out(reader, out), inward);
            }
        }
    }
}

/// Until the stream ends or nobody listens any more, which drops the stream: that is how the engine learns that a
/// client is gone, even while the stream has nothing to say.
async fn pump_out(mut stream: impl Stream<Item = Chunk> + Unpin, send: channel::Sender<Chunk>) {
    loop {
        let closed = std::pin::pin!(send.closed());
        let item = match futures::future::select(stream.next(), closed).await {
            futures::future::Either::Left((Some(item), _)) => item,
            _ => return,
        };
        if send.send(item).await.is_err() {
            return;
        }
    }
}

/// A channel's receiving end as a stream.
pub fn stream<T>(mut receiver: channel::Receiver<T>) -> impl Stream<Item = T> {
    futures::stream::poll_fn(move |context| receiver.poll_recv(context))
}

fn run(engine: &Engine, jobs: &mpsc::Receiver<Job>) {
    loop {
        loop {
            match jobs.try_recv() {
                Ok(job) => job(engine),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        match engine.run(SLICE) {
            RunState::Runnable => {}
            RunState::Idle => thread::park(),
            RunState::Sleeping { until } => {
                let now = engine.ports().clock.monotonic();
                thread::park_timeout(Duration::from_nanos(until.saturating_sub(now)));
            }
        }
    }
}
