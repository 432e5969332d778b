//! Uploads of blobs: begun, added to, finished or forgotten.

use std::collections::BTreeMap;

use bottleship_oci::Digest;
use bytes::Bytes;
use futures::StreamExt;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, HeaderValue, LOCATION, RANGE};

use super::auth::{Action, Resource};
use super::error::Code;
use super::state::Change;
use super::{Answer, CONTENT_DIGEST, Call, Registry, RegistryError, header, parse};
use crate::api::{Body, Response};
use crate::clock::random_id;
use crate::content::ContentWriter;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

#[derive(Default)]
pub(super) struct Uploads(BTreeMap<String, Upload>);

struct Upload {
    name: String,
    /// `None` while a request adds to it: the first one wins.
    writer: Option<Box<dyn ContentWriter>>,
    written: u64,
    /// Monotonic time of the last request, in nanoseconds.
    touched: u64,
}

impl Registry {
    pub(super) async fn start_upload(&self, call: Call<'_>) -> Answer {
        if let Ok(digest) = call.query.get("mount").parse::<Digest>()
            && let Some(response) = self.mount(&call, &digest).await?
        {
            return Ok(response);
        }
        let id = self.new_upload(call.name)?;
        if call.query.has("digest") {
            return self.finish_upload(call, &id).await;
        }
        Ok(self.progress(StatusCode::ACCEPTED, call.name, &id, 0))
    }

    /// Takes a blob from another repository; `None` if there is none that may be taken.
    async fn mount(
        &self,
        call: &Call<'_>,
        digest: &Digest,
    ) -> Result<Option<Response>, RegistryError> {
        let from = call.query.get("from");
        let Ok(size) = self.blob(from, digest) else {
            return Ok(None);
        };
        let source = Resource::Repository(from.into());
        if self
            .auth
            .authorize(&call.headers, &source, Action::Pull)
            .is_err()
        {
            return Ok(None);
        }
        self.change(&[Change::Blob(call.name, digest, size)])
            .await?;
        Ok(Some(created(call.name, digest)))
    }

    fn new_upload(&self, name: &str) -> Result<String, RegistryError> {
        let now = self.clock.monotonic();
        let mut uploads = self.uploads.borrow_mut();
        let age = self.limits.upload_age;
        uploads
            .0
            .retain(|_, u| u.writer.is_none() || now.saturating_sub(u.touched) < age);
        if uploads.0.len() >= self.limits.uploads {
            return Err(Code::TooManyRequests.because("too many uploads under way"));
        }
        let id = random_id(&*self.entropy);
        let upload = Upload {
            name: name.into(),
            writer: Some(self.content.writer()),
            written: 0,
            touched: now,
        };
        uploads.0.insert(id.clone(), upload);
        Ok(id)
    }

    /// Takes an upload's writer, so that no other request adds to it at the same time.
    fn take(&self, name: &str, id: &str) -> Result<Box<dyn ContentWriter>, RegistryError> {
        let now = self.clock.monotonic();
        let mut uploads = self.uploads.borrow_mut();
        // An upload of another repository is none.
        let upload = uploads.0.get_mut(id).filter(|u| u.name == name);
        let upload = upload
            .ok_or_else(|| Code::BlobUploadUnknown.because("blob upload unknown to registry"))?;
        upload.touched = now;
        upload
            .writer
            .take()
            .ok_or_else(|| Code::BlobUploadInvalid.because("another request adds to this upload"))
    }

    fn put_back(&self, id: &str, writer: Box<dyn ContentWriter>) -> u64 {
        let written = writer.written();
        if let Some(upload) = self.uploads.borrow_mut().0.get_mut(id) {
            upload.written = written;
            upload.writer = Some(writer);
        }
        written
    }

    fn forget(&self, id: &str) {
        self.uploads.borrow_mut().0.remove(id);
    }

    pub(super) fn upload_status(&self, call: &Call<'_>, id: &str) -> Answer {
        let writer = self.take(call.name, id)?;
        let written = self.put_back(id, writer);
        Ok(self.progress(StatusCode::NO_CONTENT, call.name, id, written))
    }

    pub(super) fn cancel_upload(&self, call: &Call<'_>, id: &str) -> Answer {
        self.take(call.name, id)?;
        self.forget(id);
        Ok(Response::no_content())
    }

    pub(super) async fn patch_upload(&self, mut call: Call<'_>, id: &str) -> Answer {
        let mut writer = self.take(call.name, id)?;
        let result = self.append(&mut call, &mut writer).await;
        let written = self.put_back(id, writer);
        match result {
            Ok(()) => Ok(self.progress(StatusCode::ACCEPTED, call.name, id, written)),
            Err(error) => {
                // What is half written cannot be gone on with, but for a chunk out of order.
                let out_of_order = matches!(
                    error,
                    RegistryError::Failed(StatusCode::RANGE_NOT_SATISFIABLE, ..)
                );
                if !out_of_order {
                    self.forget(id);
                }
                Err(error)
            }
        }
    }

    pub(super) async fn finish_upload(&self, mut call: Call<'_>, id: &str) -> Answer {
        let writer = self.take(call.name, id)?;
        let finished = self.finish(&mut call, writer).await;
        self.forget(id);
        Ok(created(call.name, &finished?))
    }

    /// Verifies an upload and makes it a blob.
    async fn finish(
        &self,
        call: &mut Call<'_>,
        mut writer: Box<dyn ContentWriter>,
    ) -> Result<Digest, RegistryError> {
        let digest = parse(call.query.get("digest"))?;
        self.append(call, &mut writer).await?;
        let size = writer.written();
        writer.commit(&digest, Some(size)).await?;
        self.change(&[Change::Blob(call.name, &digest, size)])
            .await?;
        Ok(digest)
    }

    /// Adds a request's body to an upload.
    async fn append(
        &self,
        call: &mut Call<'_>,
        writer: &mut Box<dyn ContentWriter>,
    ) -> Result<(), RegistryError> {
        let offset = writer.written();
        if let Some(range) = call.headers.get(CONTENT_RANGE) {
            let text = range
                .to_str()
                .unwrap_or_default()
                .trim_start_matches("bytes ");
            let start = text
                .split('-')
                .next()
                .and_then(|s| s.trim().parse::<u64>().ok());
            if start != Some(offset) {
                return Err(Code::RangeInvalid.because("chunks must come in order"));
            }
        }
        let others: u64 = self.uploads.borrow().0.values().map(|u| u.written).sum();
        let room = self
            .limits
            .total
            .saturating_sub(self.total())
            .saturating_sub(others.saturating_sub(offset));
        let limit = self.limits.blob.min(room);
        let too_large =
            || Code::TooLarge.because(&format!("the blob exceeds the limit of {limit} bytes"));
        let declared = call
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|n| n > limit.saturating_sub(offset)) {
            return Err(too_large());
        }
        let mut body = std::mem::take(&mut call.body).into_stream();
        while let Some(chunk) = body.next().await {
            let chunk: Bytes = chunk?;
            if writer.written() + chunk.len() as u64 > limit {
                return Err(too_large());
            }
            writer.write(chunk).await?;
        }
        Ok(())
    }

    fn progress(&self, status: StatusCode, name: &str, id: &str, written: u64) -> Response {
        let mut response = Response::status(status)
            .header(LOCATION, header(&format!("/v2/{name}/blobs/uploads/{id}")))
            .header(RANGE, header(&format!("0-{}", written.saturating_sub(1))))
            .header(CONTENT_LENGTH, HeaderValue::from_static("0"))
            .header(UPLOAD_ID, header(id));
        response.body = Body::Empty;
        response
    }
}

fn created(name: &str, digest: &Digest) -> Response {
    Response::status(StatusCode::CREATED)
        .header(LOCATION, header(&format!("/v2/{name}/blobs/{digest}")))
        .header(CONTENT_LENGTH, HeaderValue::from_static("0"))
        .header(CONTENT_DIGEST, header(digest.as_str()))
}
