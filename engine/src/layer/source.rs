//! Where an archive's bytes come from.

use std::io::{self, Read};
use std::rc::Rc;

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt};

use super::LayerError;
use crate::pipe::BodyError;
use crate::store::ReadAt;

/// Bytes of a reader handed out at a time: small enough that what is hashed is still in the cache
/// when it is copied.
const CHUNK: usize = 64 << 10;

/// Bytes, chunk by chunk.
pub(crate) trait Source {
    /// The next chunk; empty at the end.
    async fn chunk(&mut self) -> io::Result<Bytes>;

    /// Leaves out up to so many bytes where that takes less than reading them; how many.
    async fn skip(&mut self, _: u64) -> io::Result<u64> {
        Ok(0)
    }
}

/// A reader, which never has anybody wait for it.
pub(crate) struct Reading<R>(pub R);

impl<R: Read> Source for Reading<R> {
    async fn chunk(&mut self) -> io::Result<Bytes> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match self.0.read(&mut chunk) {
                Ok(n) => {
                    chunk.truncate(n);
                    return Ok(chunk.into());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Bytes that are read at any offset.
pub(crate) struct Seeking {
    source: Rc<dyn ReadAt>,
    at: u64,
    chunk: usize,
}

impl Seeking {
    /// `lazy` when only headers are read, and files are skipped.
    pub fn new(source: Rc<dyn ReadAt>, lazy: bool) -> Seeking {
        let chunk = if lazy { 4 << 10 } else { CHUNK };
        Seeking {
            source,
            at: 0,
            chunk,
        }
    }
}

impl Source for Seeking {
    async fn chunk(&mut self) -> io::Result<Bytes> {
        let mut chunk = vec![0; self.chunk];
        let n = self.source.read_at(self.at, &mut chunk)?;
        chunk.truncate(n);
        self.at += n as u64;
        Ok(chunk.into())
    }

    async fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let skipped = bytes.min(self.source.size().saturating_sub(self.at));
        self.at += skipped;
        Ok(skipped)
    }
}

/// A body as it comes.
pub(crate) struct Coming<S>(pub S);

impl<S: Stream<Item = Result<Bytes, BodyError>> + Unpin> Source for Coming<S> {
    async fn chunk(&mut self) -> io::Result<Bytes> {
        while let Some(chunk) = self.0.next().await {
            let chunk = chunk.map_err(io::Error::other)?;
            if !chunk.is_empty() {
                return Ok(chunk);
            }
        }
        Ok(Bytes::new())
    }
}

/// What reads a source that never waits is done at once.
pub(super) fn at_once<T>(
    reading: impl Future<Output = Result<T, LayerError>>,
) -> Result<T, LayerError> {
    let waits = || Err(io::Error::from(io::ErrorKind::WouldBlock).into());
    reading.now_or_never().unwrap_or_else(waits)
}
