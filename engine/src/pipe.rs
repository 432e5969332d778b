//! Bounded byte pipes between tasks of one engine, and duplexes made of two.
//!
//! A writer waits while the pipe holds its capacity, so a slow reader slows the
//! producer down instead of filling memory. Dropping (or closing) the writer is
//! end of file; dropping the reader makes writes fail.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::Stream;
use futures::future::poll_fn;

/// A pipe's usual capacity, Linux's pipe size.
pub const CAPACITY: usize = 64 * 1024;

/// Why a stream of bytes ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The other side went away.
    #[error("io: read/write on closed pipe")]
    Closed,
    /// The producer failed and says why.
    #[error("{0}")]
    Failed(String),
}

struct Shared {
    chunks: VecDeque<Bytes>,
    held: usize,
    capacity: usize,
    writer_closed: bool,
    reader_closed: bool,
    error: Option<BodyError>,
    reader: Option<Waker>,
    writers: Vec<Waker>,
}

impl Shared {
    fn wake_reader(&mut self) -> Option<Waker> {
        self.reader.take()
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

/// The reading end of a pipe.
pub struct PipeReader(Rc<RefCell<Shared>>);

/// The writing end of a pipe.
pub struct PipeWriter(Rc<RefCell<Shared>>);

/// A pipe holding at most `capacity` bytes (at least one chunk always fits).
pub fn pipe(capacity: usize) -> (PipeWriter, PipeReader) {
    let shared = Rc::new(RefCell::new(Shared {
        chunks: VecDeque::new(),
        held: 0,
        capacity,
        writer_closed: false,
        reader_closed: false,
        error: None,
        reader: None,
        writers: Vec::new(),
    }));
    (PipeWriter(shared.clone()), PipeReader(shared))
}

impl PipeWriter {
    /// Waits for room, then appends. Fails when the reader is gone.
    pub async fn write(&mut self, data: Bytes) -> Result<(), BodyError> {
        if data.is_empty() {
            return Ok(());
        }
        poll_fn(|context| self.poll_room(context)).await?;
        let waker = {
            let mut shared = self.0.borrow_mut();
            shared.held += data.len();
            shared.chunks.push_back(data);
            shared.wake_reader()
        };
        wake(waker);
        Ok(())
    }

    fn poll_room(&self, context: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let mut shared = self.0.borrow_mut();
        if shared.reader_closed || shared.writer_closed {
            return Poll::Ready(Err(BodyError::Closed));
        }
        if shared.held < shared.capacity {
            return Poll::Ready(Ok(()));
        }
        shared.writers.push(context.waker().clone());
        Poll::Pending
    }

    /// Appends what fits without waiting and returns how many bytes that were.
    pub fn try_write(&mut self, data: &[u8]) -> Result<usize, BodyError> {
        let (count, waker) = {
            let mut shared = self.0.borrow_mut();
            if shared.reader_closed || shared.writer_closed {
                return Err(BodyError::Closed);
            }
            let count = data.len().min(shared.capacity.saturating_sub(shared.held));
            if count == 0 {
                return Ok(0);
            }
            shared.held += count;
            shared
                .chunks
                .push_back(Bytes::copy_from_slice(&data[..count]));
            (count, shared.wake_reader())
        };
        wake(waker);
        Ok(count)
    }

    /// End of file for the reader, after what was written.
    pub fn close(&mut self) {
        self.finish(None);
    }

    /// Ends the stream with an error, after what was written.
    pub fn fail(&mut self, error: BodyError) {
        self.finish(Some(error));
    }

    fn finish(&mut self, error: Option<BodyError>) {
        let (reader, writers) = {
            let mut shared = self.0.borrow_mut();
            if shared.writer_closed {
                return;
            }
            shared.writer_closed = true;
            shared.error = error;
            (shared.wake_reader(), std::mem::take(&mut shared.writers))
        };
        wake(reader);
        wake(writers);
    }

    /// Resolves when nobody will read any more.
    pub async fn reader_gone(&self) {
        poll_fn(|context| {
            let mut shared = self.0.borrow_mut();
            if shared.reader_closed {
                return Poll::Ready(());
            }
            shared.writers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Whether the reader was dropped.
    pub fn is_closed(&self) -> bool {
        self.0.borrow().reader_closed
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl PipeReader {
    /// The next chunk, or `None` at end of file.
    pub async fn read(&mut self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|context| self.poll_read(context)).await
    }

    /// The next chunk if one is there already.
    pub fn try_read(&mut self) -> Option<Bytes> {
        let (chunk, writers) = {
            let mut shared = self.0.borrow_mut();
            let chunk = shared.chunks.pop_front()?;
            shared.held -= chunk.len();
            (chunk, std::mem::take(&mut shared.writers))
        };
        wake(writers);
        Some(chunk)
    }

    /// Everything up to end of file, at most `limit` bytes.
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let mut all = Vec::new();
        while let Some(chunk) = self.read().await {
            let chunk = chunk?;
            if all.len() + chunk.len() > limit {
                return Err(BodyError::Failed(format!("stream exceeds {limit} bytes")));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(chunk) = self.try_read() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let mut shared = self.0.borrow_mut();
        if let Some(error) = shared.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if shared.writer_closed {
            return Poll::Ready(None);
        }
        shared.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Stream for PipeReader {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_read(context)
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let writers = {
            let mut shared = self.0.borrow_mut();
            shared.reader_closed = true;
            shared.chunks.clear();
            shared.held = 0;
            std::mem::take(&mut shared.writers)
        };
        wake(writers);
    }
}

/// One side of a two-way byte stream; closing the writer half-closes it.
pub struct Duplex {
    /// Bytes from the other side.
    pub reader: PipeReader,
    /// Bytes to the other side.
    pub writer: PipeWriter,
}

/// Two connected sides.
pub fn duplex(capacity: usize) -> (Duplex, Duplex) {
    let (a_to_b, b_from_a) = pipe(capacity);
    let (b_to_a, a_from_b) = pipe(capacity);
    (
        Duplex {
            reader: a_from_b,
            writer: a_to_b,
        },
        Duplex {
            reader: b_from_a,
            writer: b_to_a,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Executor;
    use std::cell::Cell;

    #[test]
    fn a_full_pipe_makes_the_writer_wait() {
        let executor = Executor::new();
        let (mut writer, mut reader) = pipe(4);
        let written = Rc::new(Cell::new(0));
        let count = written.clone();
        executor.spawn(async move {
            for _ in 0..3 {
                writer
                    .write(Bytes::from_static(b"abcd"))
                    .await
                    .expect("reader lives");
                count.set(count.get() + 1);
            }
        });
        executor.run_until_stalled();
        assert_eq!(written.get(), 1);
        assert_eq!(reader.try_read().as_deref(), Some(&b"abcd"[..]));
        executor.run_until_stalled();
        assert_eq!(written.get(), 2);
        let rest = executor.run(async move { reader.read_to_end(100).await });
        executor.run_until_stalled();
        assert_eq!(
            futures::executor::block_on(rest),
            Some(Ok(b"abcdabcd".to_vec()))
        );
    }

    #[test]
    fn a_dropped_reader_fails_the_writer() {
        let (mut writer, reader) = pipe(4);
        drop(reader);
        assert_eq!(writer.try_write(b"x"), Err(BodyError::Closed));
        assert!(writer.is_closed());
    }

    #[test]
    fn half_close_leaves_the_other_direction_open() {
        let (mut a, mut b) = duplex(16);
        a.writer.close();
        assert_eq!(futures::executor::block_on(b.reader.read()), None);
        assert_eq!(b.writer.try_write(b"late"), Ok(4));
        assert_eq!(a.reader.try_read().as_deref(), Some(&b"late"[..]));
    }
}
