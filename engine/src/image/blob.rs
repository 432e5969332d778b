//! Bytes of layers and archives, moved without holding them: spooled, decompressed, compressed.

use std::io::{self, BufReader, Read, Write};
use std::rc::Rc;

use bytes::Bytes;
use futures::StreamExt;

use crate::api::{ApiError, Body};
use crate::content::{CHUNK, ContentError, ContentStore, Cursor, Spool};
use crate::layer::{Compression, Decompressor, LayerError};
use crate::store::{ReadAt, StoreError};

/// How bytes are compressed.
pub fn compression(source: &dyn ReadAt) -> Result<Compression, LayerError> {
    let mut magic = [0; 6];
    let n = source.read_at(0, &mut magic)?;
    Ok(Compression::detect(&magic[..n]))
}

/// A request's body, at most `limit` bytes of it, to be read in parts.
pub async fn spool(
    content: &dyn ContentStore,
    body: Body,
    limit: u64,
) -> Result<Rc<dyn ReadAt>, ApiError> {
    let mut spool = Spool::new(content);
    let mut body = body.into_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if spool.written() + chunk.len() as u64 > limit {
            return Err(ApiError::invalid(format!(
                "request body exceeds the limit of {limit} bytes"
            )));
        }
        spool.write(chunk).await.map_err(ContentError::Store)?;
    }
    Ok(spool.finish().await.map_err(ContentError::Store)?)
}

/// The uncompressed bytes of a source in any compression that layers come in, at most `limit`.
pub async fn plain(
    content: &dyn ContentStore,
    source: Rc<dyn ReadAt>,
    limit: u64,
) -> Result<Rc<dyn ReadAt>, LayerError> {
    if compression(&*source)? == Compression::None {
        return Ok(source);
    }
    let full = |error: StoreError| LayerError::Io(io::Error::other(error));
    let source = BufReader::with_capacity(CHUNK, Cursor::new(source));
    let mut decompressor = Decompressor::new(source)?;
    let mut spool = Spool::new(content);
    loop {
        let chunk = read_chunk(&mut decompressor).map_err(LayerError::from_read)?;
        if chunk.is_empty() {
            return spool.finish().await.map_err(full);
        }
        if spool.written() + chunk.len() as u64 > limit {
            let what = "size of the unpacked archive";
            return Err(LayerError::Limit { what, limit });
        }
        spool.write(chunk).await.map_err(full)?;
    }
}

/// A tar as gzip, with the empty header Go writes.
pub(super) async fn compress(
    content: &dyn ContentStore,
    tar: Rc<dyn ReadAt>,
) -> Result<Rc<dyn ReadAt>, ApiError> {
    let bad = |e: io::Error| ApiError::system(e.to_string());
    let mut tar = Cursor::new(tar);
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::default());
    let mut spool = Spool::new(content);
    loop {
        let chunk = read_chunk(&mut tar).map_err(bad)?;
        let done = chunk.is_empty();
        encoder.write_all(&chunk).map_err(bad)?;
        if done {
            encoder.try_finish().map_err(bad)?;
        }
        let out = std::mem::take(encoder.get_mut());
        spool.write(out.into()).await.map_err(ContentError::Store)?;
        if done {
            return Ok(spool.finish().await.map_err(ContentError::Store)?);
        }
    }
}

/// The next bytes of a reader; none at its end.
pub fn read_chunk(source: &mut impl Read) -> io::Result<Bytes> {
    let mut chunk = vec![0; CHUNK];
    let mut filled = 0;
    while filled < chunk.len() {
        match source.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    chunk.truncate(filled);
    Ok(chunk.into())
}
