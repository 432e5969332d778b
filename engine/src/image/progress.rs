//! The stream of messages that pull, push, load and import report with.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::oneshot;
use futures::lock::Mutex;

use crate::api::ApiError;
use crate::api::types::{JsonMessage, JsonProgress};
use crate::pipe::PipeWriter;

/// Bytes between two reports of the same transfer.
pub(super) const STEP: u64 = 512 * 1024;

/// Where messages go. Clones write to the same stream.
#[derive(Clone)]
pub struct Progress(Rc<Inner>);

struct Inner {
    writer: Option<Mutex<PipeWriter>>,
    sent: Cell<bool>,
    /// Told of the first message.
    first: RefCell<Option<oneshot::Sender<()>>>,
}

impl Progress {
    /// Messages go into a pipe, one JSON line each.
    pub fn new(writer: PipeWriter) -> Progress {
        Progress(Rc::new(Inner {
            writer: Some(Mutex::new(writer)),
            sent: Cell::new(false),
            first: RefCell::default(),
        }))
    }

    /// Messages go nowhere.
    pub fn none() -> Progress {
        Progress(Rc::new(Inner {
            writer: None,
            sent: Cell::new(false),
            first: RefCell::default(),
        }))
    }

    /// Whether a message was sent: until then, a failure is the answer's status, and from then on
    /// it is a message.
    pub fn has_sent(&self) -> bool {
        self.0.sent.get()
    }

    /// Resolves at the first message; with an error when there will be none.
    pub fn first(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.0.first.borrow_mut() = Some(sender);
        receiver
    }

    /// Sends a message, waiting for a slow reader; fails when nobody reads any more, which ends the
    /// operation.
    pub async fn send(&self, message: JsonMessage) -> Result<(), ApiError> {
        self.0.sent.set(true);
        if let Some(first) = self.0.first.borrow_mut().take() {
            let _ = first.send(());
        }
        match &self.0.writer {
            Some(writer) => Ok(writer.lock().await.write(message.line().into()).await?),
            None => Ok(()),
        }
    }

    /// `{"status":…}`.
    pub async fn status(&self, status: impl Into<String>) -> Result<(), ApiError> {
        self.send(JsonMessage {
            status: status.into(),
            ..Default::default()
        })
        .await
    }

    /// `{"status":…,"id":…}`.
    pub async fn message(&self, id: &str, status: impl Into<String>) -> Result<(), ApiError> {
        self.send(JsonMessage::status(id, status)).await
    }

    /// `{"status":…,"progressDetail":{},"id":…}`: a step of some transfer without numbers.
    pub async fn step(&self, id: &str, status: &str) -> Result<(), ApiError> {
        self.at(id, status, 0, 0).await
    }

    /// `{"status":…,"progressDetail":{"current":…,"total":…},"id":…}`, in bytes.
    pub async fn at(
        &self,
        id: &str,
        status: &str,
        current: u64,
        total: u64,
    ) -> Result<(), ApiError> {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let detail = JsonProgress {
            current: count(current),
            total: count(total),
            ..Default::default()
        };
        self.send(JsonMessage {
            progress_detail: Some(detail),
            ..JsonMessage::status(id, status)
        })
        .await
    }

    /// `{"stream":…}`.
    pub async fn stream(&self, text: impl Into<String>) -> Result<(), ApiError> {
        self.send(JsonMessage::stream(text)).await
    }
}
