//! Blobs of a repository.

use bottleship_oci::Digest;
use http::StatusCode;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderValue, RANGE};

use super::error::Code;
use super::state::Change;
use super::{Answer, CONTENT_DIGEST, Call, Registry, RegistryError, header};
use crate::api::{Body, Response};
use crate::content;

impl Registry {
    /// A blob's size in bytes.
    pub(super) fn blob(&self, name: &str, digest: &Digest) -> Result<u64, RegistryError> {
        let state = self.state.borrow();
        let found = state
            .repositories
            .get(name)
            .and_then(|r| r.blobs.get(digest))
            .copied();
        found.ok_or_else(|| Code::BlobUnknown.because("blob unknown to registry"))
    }

    pub(super) fn head_blob(&self, call: &Call<'_>, digest: &Digest) -> Answer {
        let size = self.blob(call.name, digest)?;
        Ok(describe(Response::status(StatusCode::OK), digest)
            .header(CONTENT_LENGTH, HeaderValue::from(size)))
    }

    pub(super) async fn get_blob(&self, call: &Call<'_>, digest: &Digest) -> Answer {
        let size = self.blob(call.name, digest)?;
        let range = match call.headers.get(RANGE) {
            None => None,
            Some(value) => range(value.to_str().unwrap_or_default(), size)?,
        };
        let blob = self.content.open(digest).await?;
        let Some((from, to)) = range else {
            let body = Body::stream(content::stream(blob, 0, size));
            let response = Response::with("application/octet-stream", body);
            return Ok(describe(response, digest).header(CONTENT_LENGTH, HeaderValue::from(size)));
        };
        // Within `size`, which is the content's length.
        let part = Body::stream(content::stream(blob, from, to + 1));
        let mut response = Response::with("application/octet-stream", part);
        response.status = StatusCode::PARTIAL_CONTENT;
        let response = response.header(CONTENT_RANGE, header(&format!("bytes {from}-{to}/{size}")));
        Ok(describe(response, digest).header(CONTENT_LENGTH, HeaderValue::from(to - from + 1)))
    }

    pub(super) async fn delete_blob(&self, call: &Call<'_>, digest: &Digest) -> Answer {
        self.blob(call.name, digest)?;
        self.change(&[Change::NoBlob(call.name, digest)]).await?;
        Ok(Response::status(StatusCode::ACCEPTED))
    }
}

fn describe(response: Response, digest: &Digest) -> Response {
    response
        .content_type("application/octet-stream")
        .header(CONTENT_DIGEST, header(digest.as_str()))
        .header(ETAG, header(&format!("\"{digest}\"")))
        .header(ACCEPT_RANGES, HeaderValue::from_static("bytes"))
}

/// One `bytes=` range as first and last byte. Other units and several ranges are ignored, as HTTP
/// allows; one outside the blob is an error.
fn range(text: &str, size: u64) -> Result<Option<(u64, u64)>, RegistryError> {
    let Some(spec) = text.strip_prefix("bytes=") else {
        return Ok(None);
    };
    let Some((from, to)) = spec.split_once('-') else {
        return Ok(None);
    };
    let outside = || Code::RangeInvalid.because("invalid content range");
    let number = |s: &str| s.trim().parse::<u64>().ok();
    let (first, last) = match (number(from), number(to)) {
        (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
        (Some(first), None) if to.is_empty() => (first, size.saturating_sub(1)),
        (None, Some(count)) if from.is_empty() && count > 0 => {
            (size.saturating_sub(count), size.saturating_sub(1))
        }
        _ => return Ok(None),
    };
    if first >= size {
        Err(outside())
    } else {
        Ok(Some((first, last)))
    }
}
