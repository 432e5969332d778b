//! Layers as bytes.

use std::io::{Read, Write};

use bytes::Bytes;

use crate::api::ApiError;
use crate::layer::{Compression, Decompressor};

/// The uncompressed bytes of a blob in any compression that layers come in, at most `limit` of them.
pub(super) fn decompress(bytes: Bytes, limit: u64) -> Result<Bytes, ApiError> {
    let bad = |e: &dyn std::fmt::Display| ApiError::invalid(e.to_string());
    if Compression::detect(&bytes) == Compression::None {
        return Ok(bytes);
    }
    let decompressor = Decompressor::new(&bytes[..]).map_err(|e| bad(&e))?;
    let mut out = Vec::new();
    decompressor
        .take(limit.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|e| bad(&e))?;
    if out.len() as u64 > limit {
        return Err(ApiError::invalid(format!(
            "layer exceeds the limit of {limit} bytes"
        )));
    }
    Ok(out.into())
}

/// A tar as gzip, with the empty header Go writes.
pub(super) fn compress(tar: &[u8]) -> Result<Bytes, ApiError> {
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::default());
    let done = encoder.write_all(tar).and_then(|()| encoder.finish());
    Ok(done.map_err(|e| ApiError::system(e.to_string()))?.into())
}
