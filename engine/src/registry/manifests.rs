//! Manifests and tags of a repository.

use bottleship_oci::document::MAX_DOCUMENT;
use bottleship_oci::{Digest, Document, media_type};
use http::StatusCode;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION,
};

use super::error::Code;
use super::state::{Change, Link};
use super::{Answer, CONTENT_DIGEST, Call, Key, Registry, RegistryError, header};
use crate::api::Response;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Registry {
    fn find(&self, name: &str, key: &str) -> Result<(Digest, Link), RegistryError> {
        let key = Key::parse(key)?;
        let state = self.state.borrow();
        // An unknown repository has unknown manifests; that is what clients expect.
        let unknown = || Code::ManifestUnknown.because("manifest unknown");
        let repository = state.repositories.get(name).ok_or_else(unknown)?;
        let digest = match &key {
            Key::Digest(digest) => Some(digest),
            Key::Tag(tag) => repository.tags.get(tag),
        };
        let found = digest.and_then(|d| repository.manifests.get_key_value(d));
        let (digest, link) = found.ok_or_else(unknown)?;
        Ok((digest.clone(), link.clone()))
    }

    pub(super) async fn get_manifest(&self, call: &Call<'_>, key: &str) -> Answer {
        let (digest, link) = self.find(call.name, key)?;
        let tag = format!("\"{digest}\"");
        if call
            .headers
            .get(IF_NONE_MATCH)
            .is_some_and(|v| v.as_bytes() == tag.as_bytes())
        {
            return Ok(Response::status(StatusCode::NOT_MODIFIED).header(ETAG, header(&tag)));
        }
        let mut response = Response::status(StatusCode::OK)
            .header(CONTENT_TYPE, header(&link.media_type))
            .header(CONTENT_DIGEST, header(digest.as_str()))
            .header(ETAG, header(&tag))
            .header(CONTENT_LENGTH, HeaderValue::from(link.size));
        response.body = self.content.read(&digest).await?.into();
        Ok(response)
    }

    pub(super) async fn put_manifest(&self, call: Call<'_>, key: &str) -> Answer {
        let key = Key::parse(key)?;
        let declared = call
            .headers
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .map(str::to_string);
        let bytes = call.body.collect(MAX_DOCUMENT).await;
        let bytes = bytes.map_err(|e| Code::TooLarge.because(&e.message))?;
        let invalid =
            |e: bottleship_oci::DocumentError| Code::ManifestInvalid.because(&e.to_string());
        let document = Document::parse(bytes.clone(), declared.as_deref()).map_err(invalid)?;
        if declared
            .as_deref()
            .map(media_type::essence)
            .is_some_and(|d| d != document.media_type())
        {
            return Err(
                Code::ManifestInvalid.because("the content type is not the manifest's media type")
            );
        }
        self.check_references(call.name, &document)?;
        let digest = match &key {
            Key::Digest(digest) if !digest.verifies(&bytes) => {
                return Err(
                    Code::DigestInvalid.because("provided digest did not match uploaded content")
                );
            }
            Key::Digest(digest) => digest.clone(),
            Key::Tag(_) => Digest::of(&bytes),
        };
        let subject = document.subject().map(|s| s.digest.clone());
        let link = Link {
            media_type: document.media_type().into(),
            size: bytes.len() as u64,
            subject: subject.clone(),
            artifact_type: artifact_type(&document),
            annotations: match document {
                Document::Manifest(m) => m.annotations,
                Document::Index(i) => i.annotations,
            },
        };
        let mut writer = self.content.writer();
        writer.write(bytes).await?;
        writer.commit(&digest, Some(link.size)).await?;
        let mut changes = vec![Change::Manifest(call.name, &digest, &link)];
        if let Key::Tag(tag) = &key {
            changes.push(Change::Tag(call.name, tag, &digest));
        }
        self.change(&changes).await?;
        let response = Response::status(StatusCode::CREATED)
            .header(
                LOCATION,
                header(&format!("/v2/{}/manifests/{digest}", call.name)),
            )
            .header(CONTENT_DIGEST, header(digest.as_str()))
            .header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        Ok(match subject {
            Some(subject) => response.header(SUBJECT, header(subject.as_str())),
            None => response,
        })
    }

    /// Everything a manifest points to must be in its repository, with the size it says.
    fn check_references(&self, name: &str, document: &Document) -> Result<(), RegistryError> {
        let unknown = |digest: &Digest| {
            Code::ManifestBlobUnknown.because(&format!("blob unknown to registry: {digest}"))
        };
        match document {
            Document::Manifest(manifest) => {
                for descriptor in manifest.layers.iter().chain([&manifest.config]) {
                    match self.blob(name, &descriptor.digest) {
                        Ok(size) if size == descriptor.size => {}
                        Ok(_) => {
                            return Err(
                                Code::ManifestInvalid.because("a descriptor has the wrong size")
                            );
                        }
                        Err(_) => return Err(unknown(&descriptor.digest)),
                    }
                }
            }
            Document::Index(index) => {
                let state = self.state.borrow();
                let repository = state.repositories.get(name);
                for child in &index.manifests {
                    if !repository.is_some_and(|r| r.manifests.contains_key(&child.digest)) {
                        return Err(unknown(&child.digest));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) async fn delete_manifest(&self, call: &Call<'_>, key: &str) -> Answer {
        let (digest, _) = self.find(call.name, key)?;
        let name = call.name;
        if let Key::Tag(tag) = Key::parse(key)? {
            self.change(&[Change::NoTag(name, &tag)]).await?;
            return Ok(Response::status(StatusCode::ACCEPTED));
        }
        let tags: Vec<String> = {
            let state = self.state.borrow();
            let tags = state
                .repositories
                .get(name)
                .map(|r| &r.tags)
                .into_iter()
                .flatten();
            tags.filter(|(_, d)| **d == digest)
                .map(|(t, _)| t.clone())
                .collect()
        };
        let mut changes = vec![Change::NoManifest(name, &digest)];
        changes.extend(tags.iter().map(|tag| Change::NoTag(name, tag)));
        self.change(&changes).await?;
        Ok(Response::status(StatusCode::ACCEPTED))
    }
}

/// What a referrer is listed as: its artifact type, else its configuration's type.
fn artifact_type(document: &Document) -> Option<String> {
    match document {
        Document::Manifest(m) => m
            .artifact_type
            .clone()
            .or_else(|| Some(m.config.media_type.clone())),
        Document::Index(i) => i.artifact_type.clone(),
    }
}
