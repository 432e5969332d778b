//! The stream a build reports with: one JSON message per line.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::channel::oneshot;
use futures::lock::Mutex;
use serde_json::json;

use super::ports::StepOutput;
use crate::api::ApiError;
use crate::api::stdcopy::StdStream;
use crate::api::types::JsonMessage;
use crate::pipe::PipeWriter;

/// Where messages go. Clones write to the same stream.
#[derive(Clone)]
pub struct Output(Rc<Inner>);

struct Inner {
    writer: Option<Mutex<PipeWriter>>,
    sent: Cell<bool>,
    /// Told of the first message.
    first: RefCell<Option<oneshot::Sender<()>>>,
    /// `-q`: what would be shown is dropped, except the result.
    quiet: bool,
}

impl Output {
    /// Messages go into a pipe.
    pub fn new(writer: PipeWriter, quiet: bool) -> Output {
        Output(Rc::new(Inner {
            writer: Some(Mutex::new(writer)),
            sent: Cell::new(false),
            first: RefCell::default(),
            quiet,
        }))
    }

    /// Messages go nowhere.
    pub fn none() -> Output {
        Output(Rc::new(Inner {
            writer: None,
            sent: Cell::new(false),
            first: RefCell::default(),
            quiet: false,
        }))
    }

    /// Whether something was sent: until then a failure is the answer's status, from then on it is a message.
    pub fn has_sent(&self) -> bool {
        self.0.sent.get()
    }

    /// Resolves when the first message is sent; fails when there never is one.
    pub fn first(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.0.first.borrow_mut() = Some(sender);
        receiver
    }

    /// Whether only the result is wanted.
    pub fn is_quiet(&self) -> bool {
        self.0.quiet
    }

    /// Sends a message whatever `-q` says.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn send(&self, message: &JsonMessage) -> Result<(), ApiError> {
        self.write_lines(message.line().into()).await
    }

    async fn write_lines(&self, lines: Bytes) -> Result<(), ApiError> {
        self.0.sent.set(true);
        if let Some(first) = self.0.first.take() {
            // Nobody may be waiting for it.
            let _ = first.send(());
        }
        match &self.0.writer {
            Some(writer) => Ok(writer.lock().await.write(lines).await?),
            None => Ok(()),
        }
    }

    /// Shows messages of something else, such as a pull.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn raw(&self, lines: Bytes) -> Result<(), ApiError> {
        if self.0.quiet {
            return Ok(());
        }
        self.write_lines(lines).await
    }

    /// Shows text.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn show(&self, text: impl Into<String>) -> Result<(), ApiError> {
        if self.0.quiet {
            return Ok(());
        }
        self.send(&JsonMessage::stream(text)).await
    }

    /// Shows text whatever `-q` says.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn result(&self, text: &str) -> Result<(), ApiError> {
        self.send(&JsonMessage::stream(text)).await
    }

    /// Tells the id of an image that was made.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn image_id(&self, id: &str) -> Result<(), ApiError> {
        if self.0.quiet {
            return Ok(());
        }
        self.send(&JsonMessage::aux(json!({ "ID": id }))).await
    }
}

/// The output of RUN as the classic builder shows it: errors in red.
#[async_trait(?Send)]
impl StepOutput for Output {
    async fn write(&self, stream: StdStream, data: Bytes) -> Result<(), ApiError> {
        let text = String::from_utf8_lossy(&data);
        if stream == StdStream::Stderr {
            self.show(format!("\u{1b}[91m{text}\u{1b}[0m")).await
        } else {
            self.show(text).await
        }
    }
}
