//! Content addressed by digest: layers, manifests and configs, byte for byte as
//! they came (containerd's content store).

use std::io;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_oci::Digest;
use bytes::Bytes;
use futures::Stream;

use crate::pipe::BodyError;
use crate::store::{Pieces, ReadAt, Stage, StoreError};

/// Bytes of content moved at a time.
pub const CHUNK: usize = 256 << 10;

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentInfo {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Why content could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// No such content.
    #[error("content {0}: not found")]
    NotFound(Digest),
    /// What was written does not have the digest it should have.
    #[error("unexpected commit digest {got}, expected {expected}: failed precondition")]
    DigestMismatch {
        /// The digest asked for.
        expected: Digest,
        /// The digest of the bytes.
        got: Digest,
    },
    /// What was written does not have the size it should have.
    #[error("unexpected commit size {got}, expected {expected}: failed precondition")]
    SizeMismatch {
        /// The size asked for, in bytes.
        expected: u64,
        /// The size of the bytes.
        got: u64,
    },
    /// The storage below failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Content by digest.
#[async_trait(?Send)]
pub trait ContentStore {
    /// Whether some content is there, and how long it is.
    async fn info(&self, digest: &Digest) -> Result<ContentInfo, ContentError>;

    /// The bytes, to be read in parts.
    async fn open(&self, digest: &Digest) -> Result<Rc<dyn ReadAt>, ContentError>;

    /// All the bytes: for documents, which have a limit of their own.
    async fn read(&self, digest: &Digest) -> Result<Bytes, ContentError> {
        let content = self.open(digest).await?;
        let mut all = vec![0; usize::try_from(content.size()).unwrap_or(usize::MAX)];
        read_exact(&*content, 0, &mut all).map_err(unreadable)?;
        Ok(all.into())
    }

    /// Whether content lies outside of memory, so that keeping it a second time, in a form that is
    /// read faster, costs no memory.
    fn is_outside(&self) -> bool;

    /// Where to write what is only needed for now, outside of memory, if there is such a place.
    fn stage(&self) -> Option<Box<dyn Stage>>;

    /// Starts writing; nothing is visible before [`ContentWriter::commit`].
    fn writer(&self) -> Box<dyn ContentWriter>;

    /// Removes content; fine when it is not there.
    async fn delete(&self, digest: &Digest) -> Result<(), ContentError>;

    /// Everything there is.
    async fn list(&self) -> Result<Vec<ContentInfo>, ContentError>;

    /// Writes bytes whose digest is not known beforehand, and returns it.
    async fn put(&self, bytes: Bytes) -> Result<Digest, ContentError> {
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        let mut writer = self.writer();
        writer.write(bytes).await?;
        writer.commit(&digest, Some(size)).await?;
        Ok(digest)
    }
}

/// Content being written. Dropping it abandons it.
#[async_trait(?Send)]
pub trait ContentWriter {
    /// Appends.
    async fn write(&mut self, bytes: Bytes) -> Result<(), ContentError>;

    /// Bytes so far.
    fn written(&self) -> u64;

    /// As [`ContentWriter::commit`], under the SHA-256 digest of what was written.
    async fn seal(self: Box<Self>) -> Result<Digest, ContentError>;

    /// Verifies digest and size, then makes the content durable and visible.
    async fn commit(
        self: Box<Self>,
        expected: &Digest,
        size: Option<u64>,
    ) -> Result<(), ContentError>;
}

/// Bytes that are only needed for now: a request's body on its way. A few are held, more go outside
/// of memory where that can be.
pub struct Spool {
    stage: Option<Box<dyn Stage>>,
    staged: bool,
    held: Pieces,
    written: u64,
}

/// Bytes a spool holds before it goes outside of memory.
const HELD: u64 = 1 << 20;

impl Spool {
    /// Nothing yet.
    pub fn new(content: &dyn ContentStore) -> Spool {
        Spool {
            stage: content.stage(),
            staged: false,
            held: Pieces::default(),
            written: 0,
        }
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends.
    ///
    /// # Errors
    /// There is no space left.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.written += bytes.len() as u64;
        match &mut self.stage {
            Some(stage) if self.staged || self.written > HELD => {
                self.staged = true;
                for held in std::mem::take(&mut self.held).into_pieces() {
                    stage.write(held).await?;
                }
                stage.write(bytes).await
            }
            _ => {
                self.held.push(bytes);
                Ok(())
            }
        }
    }

    /// All of it, gone when the reader is.
    ///
    /// # Errors
    /// There is no space left.
    pub async fn finish(self) -> Result<Rc<dyn ReadAt>, StoreError> {
        match self.stage {
            Some(stage) if self.staged => Ok(stage.finish(false).await?.reader),
            _ => Ok(Rc::new(self.held)),
        }
    }
}

/// What a failure to read what a store has is.
pub fn unreadable(error: io::Error) -> ContentError {
    StoreError::Failed(error.to_string()).into()
}

/// Fills the buffer.
///
/// # Errors
/// There is less, or it cannot be read.
pub fn read_exact(source: &dyn ReadAt, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        let n = source.read_at(offset, buf)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset += n as u64;
        buf = &mut buf[n..];
    }
    Ok(())
}

/// A source as a reader from its start.
pub struct Cursor {
    source: Rc<dyn ReadAt>,
    offset: u64,
}

impl Cursor {
    /// At the start.
    pub fn new(source: Rc<dyn ReadAt>) -> Cursor {
        Cursor { source, offset: 0 }
    }
}

impl io::Read for Cursor {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read_at(self.offset, buf)?;
        self.offset += n as u64;
        Ok(n)
    }
}

/// A range of a source as a stream of chunks; `to` is behind the last byte.
pub fn stream(
    source: Rc<dyn ReadAt>,
    from: u64,
    to: u64,
) -> impl Stream<Item = Result<Bytes, BodyError>> {
    futures::stream::try_unfold(from, move |at| {
        let source = source.clone();
        async move {
            if at >= to {
                return Ok(None);
            }
            let len = CHUNK.min(usize::try_from(to - at).unwrap_or(CHUNK));
            let mut chunk = vec![0; len];
            read_exact(&*source, at, &mut chunk).map_err(|e| BodyError::Failed(e.to_string()))?;
            Ok(Some((chunk.into(), at + len as u64)))
        }
    })
}
