//! A registry seen from a client (distribution-spec).

mod answer;
mod auth;
mod url;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_oci::document::printable;
use bottleship_oci::reference::DEFAULT_DOMAIN;
use bottleship_oci::{Digest, Reference, media_type};
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, LINK, LOCATION, RANGE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::Images;
use crate::api::ApiError;
use crate::api::types::AuthConfig;
use crate::content;
use crate::fetch::{Fetch, FetchRequest, FetchResponse};
use crate::store::ReadAt;
use answer::{collect, expect, failure, next_page, refused};
use url::Address;

const HUB: &str = "https://registry-1.docker.io";
/// Bytes of a blob sent in one request at most.
const UPLOAD_CHUNK: u64 = 16 << 20;
const REDIRECTS: usize = 5;
/// The most bytes of an error's body, a token or a list of tags.
const SMALL: usize = 1 << 20;
/// The most pages of a list of tags.
const PAGES: usize = 100;

/// Why a registry did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RemoteError {
    /// No answer; Go's words.
    Unreachable(String),
    /// Not allowed.
    Denied,
    /// The registry's own error code and message.
    Code(String, String),
    /// Anything else.
    Other(String),
}

impl RemoteError {
    /// The code in Docker's spelling and the message.
    pub fn text(&self) -> String {
        match self {
            RemoteError::Unreachable(text) | RemoteError::Other(text) => text.clone(),
            RemoteError::Denied => "denied: requested access to the resource is denied".into(),
            RemoteError::Code(code, message) => {
                format!(
                    "{}: {}",
                    code.to_lowercase().replace('_', " "),
                    printable(message)
                )
            }
        }
    }

    /// What `docker pull` says.
    pub fn of_pull(&self, reference: &Reference) -> ApiError {
        let text = self.text();
        match self {
            RemoteError::Denied => ApiError::not_found(format!(
                "pull access denied for {}, repository does not exist or may require 'docker login': {text}",
                reference.familiar_name()
            )),
            RemoteError::Code(code, _) if code == "MANIFEST_UNKNOWN" => ApiError::not_found(
                format!("manifest for {} not found: {text}", reference.familiar()),
            ),
            RemoteError::Code(code, _) if code == "NAME_UNKNOWN" => ApiError::not_found(format!(
                "repository {} not found: {text}",
                reference.familiar_name()
            )),
            RemoteError::Code(_, message) => ApiError::not_found(printable(message)),
            _ => ApiError::system(text),
        }
    }
}

/// What is asked for; decides the token's scope.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Pull,
    Push,
}

impl Access {
    fn scope(self, path: &str) -> String {
        if path.is_empty() {
            return String::new();
        }
        let actions = if self == Access::Push {
            "pull,push"
        } else {
            "pull"
        };
        format!("repository:{path}:{actions}")
    }
}

/// One address of a registry.
pub(super) struct Remote {
    fetch: Rc<dyn Fetch>,
    /// `https://host`, without a slash at the end.
    base: String,
    auth: AuthConfig,
    /// Authorization headers by scope.
    tokens: RefCell<BTreeMap<String, HeaderValue>>,
    /// Whether it has answered at all.
    answered: Cell<bool>,
    /// Stands in for Docker Hub.
    pub mirror: bool,
}

/// A manifest as it came.
pub(super) struct Fetched {
    pub bytes: Bytes,
    pub content_type: Option<String>,
}

impl Remote {
    /// Where to pull from, in order.
    pub fn endpoints(
        images: &Images,
        domain: &str,
        path: &str,
        auth: AuthConfig,
    ) -> Result<Vec<Remote>, ApiError> {
        let fetch = &images.ports().fetch;
        let remote = |fetch: &Rc<dyn Fetch>, base: &str, auth: &AuthConfig, mirror| Remote {
            fetch: fetch.clone(),
            base: base.trim_end_matches('/').into(),
            auth: auth.clone(),
            tokens: RefCell::default(),
            answered: Cell::new(false),
            mirror,
        };
        let mut endpoints = Vec::new();
        // A Hub of the engine's own has what its users pushed, so no official image: what it says of one would hide why
        // the others have none.
        let official = domain == DEFAULT_DOMAIN && path.starts_with("library/");
        if let Some(local) = images.0.local.borrow().get(domain)
            && !official
        {
            let base = match domain {
                DEFAULT_DOMAIN => HUB.to_owned(),
                domain => format!("http://{domain}"),
            };
            endpoints.push(remote(local, &base, &auth, domain == DEFAULT_DOMAIN));
            if domain != DEFAULT_DOMAIN {
                return Ok(endpoints);
            }
        }
        if domain == DEFAULT_DOMAIN {
            for mirror in &images.settings().mirrors {
                // Docker Hub's credentials are Docker Hub's only.
                endpoints.push(remote(fetch, mirror, &AuthConfig::default(), true));
            }
            endpoints.push(remote(fetch, HUB, &auth, false));
            return Ok(endpoints);
        }
        let insecure = images
            .settings()
            .insecure_registries
            .iter()
            .any(|r| r == domain)
            || url::is_loopback(domain);
        let scheme = if insecure { "http" } else { "https" };
        endpoints.push(remote(fetch, &format!("{scheme}://{domain}"), &auth, false));
        Ok(endpoints)
    }

    /// Where to push to: a registry in this engine, else the registry itself, never a mirror.
    pub fn push_endpoint(
        images: &Images,
        domain: &str,
        auth: AuthConfig,
    ) -> Result<Remote, ApiError> {
        let mut endpoints = Remote::endpoints(images, domain, "", auth)?;
        let local = images.0.local.borrow().contains_key(domain);
        let at = if local { 0 } else { endpoints.len() - 1 };
        Ok(endpoints.swap_remove(at))
    }

    /// Whether the registry lets these credentials in.
    pub async fn login(&self) -> Result<(), ApiError> {
        let answer = self
            .send(
                Method::GET,
                "/v2/",
                "",
                Access::Pull,
                HeaderMap::new(),
                Bytes::new(),
            )
            .await;
        let denied = |text: &str| {
            let url = format!("{}/v2/", self.base);
            ApiError::unauthorized(format!("Get {url:?}: {text}"))
        };
        match answer {
            Ok(response) if response.status.is_success() => Ok(()),
            Ok(response) => Err(denied(&format!(
                "login attempt failed with status: {}",
                response.status
            ))),
            Err(RemoteError::Denied) => Err(denied(auth::WRONG_PASSWORD)),
            Err(RemoteError::Other(text)) if text == auth::WRONG_PASSWORD => Err(denied(&text)),
            Err(error) => Err(ApiError::system(error.text())),
        }
    }

    /// A manifest or index, by tag or digest.
    pub async fn manifest(&self, path: &str, key: &str) -> Result<Fetched, RemoteError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(media_type::ACCEPT));
        let target = format!("/v2/{path}/manifests/{key}");
        let response = self
            .send(
                Method::GET,
                &target,
                path,
                Access::Pull,
                headers,
                Bytes::new(),
            )
            .await?;
        if response.status == StatusCode::NOT_FOUND {
            let error = failure(response).await;
            // A static server has no codes: is it the tag that is missing, or the repository?
            if matches!(error, RemoteError::Other(_)) {
                return Err(match self.tags(path).await {
                    Ok(_) => {
                        RemoteError::Code("MANIFEST_UNKNOWN".into(), "manifest unknown".into())
                    }
                    Err(_) => RemoteError::Denied,
                });
            }
            return Err(error);
        }
        let response = expect(response, &[StatusCode::OK]).await?;
        let content_type = response
            .headers
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .map(str::to_string);
        let bytes = collect(response, bottleship_oci::document::MAX_DOCUMENT).await?;
        Ok(Fetched {
            bytes,
            content_type,
        })
    }

    /// A blob from byte `from` on, and whether the answer starts there.
    pub async fn blob(
        &self,
        path: &str,
        digest: &Digest,
        from: u64,
    ) -> Result<(FetchResponse, bool), RemoteError> {
        let mut headers = HeaderMap::new();
        if from > 0
            && let Ok(value) = HeaderValue::from_str(&format!("bytes={from}-"))
        {
            headers.insert(RANGE, value);
        }
        let target = format!("/v2/{path}/blobs/{digest}");
        let response = self
            .send(
                Method::GET,
                &target,
                path,
                Access::Pull,
                headers,
                Bytes::new(),
            )
            .await?;
        let response = expect(response, &[StatusCode::OK, StatusCode::PARTIAL_CONTENT]).await?;
        let partial = response.status == StatusCode::PARTIAL_CONTENT;
        Ok((response, partial))
    }

    /// A small blob whole.
    pub async fn small_blob(
        &self,
        path: &str,
        digest: &Digest,
        limit: usize,
    ) -> Result<Bytes, RemoteError> {
        let (response, _) = self.blob(path, digest, 0).await?;
        collect(response, limit).await
    }

    /// The tags of a repository, in the registry's order.
    pub async fn tags(&self, path: &str) -> Result<Vec<String>, RemoteError> {
        #[derive(Deserialize)]
        struct Tags {
            tags: Option<Vec<String>>,
        }
        let mut target = format!("/v2/{path}/tags/list");
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let response = self
                .send(
                    Method::GET,
                    &target,
                    path,
                    Access::Pull,
                    HeaderMap::new(),
                    Bytes::new(),
                )
                .await?;
            let response = expect(response, &[StatusCode::OK]).await?;
            let next = response
                .headers
                .get(LINK)
                .and_then(|v| v.to_str().ok())
                .and_then(next_page);
            let bytes = collect(response, SMALL).await?;
            let tags: Tags =
                serde_json::from_slice(&bytes).map_err(|e| RemoteError::Other(e.to_string()))?;
            all.extend(tags.tags.unwrap_or_default());
            match next {
                Some(next) => target = next,
                None => break,
            }
        }
        Ok(all)
    }

    /// A document of the registry itself; `None` if it has none.
    pub async fn document(&self, name: &str, limit: usize) -> Result<Option<Bytes>, RemoteError> {
        let target = format!("/v2/{name}");
        let response = self
            .send(
                Method::GET,
                &target,
                "",
                Access::Pull,
                HeaderMap::new(),
                Bytes::new(),
            )
            .await?;
        if response.status != StatusCode::OK {
            return Ok(None);
        }
        Ok(Some(collect(response, limit).await?))
    }

    /// Whether a repository has a blob.
    pub async fn has_blob(&self, path: &str, digest: &Digest) -> Result<bool, RemoteError> {
        let target = format!("/v2/{path}/blobs/{digest}");
        let response = self
            .send(
                Method::HEAD,
                &target,
                path,
                Access::Push,
                HeaderMap::new(),
                Bytes::new(),
            )
            .await?;
        match response.status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(failure(response).await),
        }
    }

    /// Starts an upload, or mounts the blob from another repository of the registry: `None` if that
    /// worked, else where to upload to.
    pub async fn start_upload(
        &self,
        path: &str,
        mount: Option<(&Digest, &str)>,
    ) -> Result<Option<String>, RemoteError> {
        let query = mount.map(|(digest, from)| {
            let encode = crate::api::query::encode;
            format!("?mount={}&from={}", encode(digest.as_str()), encode(from))
        });
        let target = format!("/v2/{path}/blobs/uploads/{}", query.unwrap_or_default());
        let mut scope = Access::Push.scope(path);
        if let Some((_, from)) = mount {
            // To mount is to read there, too.
            scope = format!("{scope} {}", Access::Pull.scope(from));
        }
        let response = self
            .send_scoped(
                Method::POST,
                &target,
                &scope,
                HeaderMap::new(),
                Bytes::new(),
            )
            .await?;
        if response.status == StatusCode::CREATED {
            return Ok(None);
        }
        let response = expect(response, &[StatusCode::ACCEPTED]).await?;
        self.location(&response).map(Some)
    }

    /// Uploads a blob to where [`Remote::start_upload`] said, in chunks if it is large.
    pub async fn upload(
        &self,
        path: &str,
        to: &str,
        digest: &Digest,
        blob: &dyn ReadAt,
    ) -> Result<(), RemoteError> {
        let mut location = to.to_owned();
        let mut from = 0;
        loop {
            let len = UPLOAD_CHUNK.min(blob.size() - from);
            let mut chunk = vec![0; len as usize];
            content::read_exact(blob, from, &mut chunk)
                .map_err(|e| RemoteError::Other(e.to_string()))?;
            let mut headers = HeaderMap::new();
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            );
            if len < blob.size()
                && let Ok(range) = HeaderValue::from_str(&format!("{from}-{}", from + len - 1))
            {
                headers.insert(CONTENT_RANGE, range);
            }
            let chunk = Bytes::from(chunk);
            let response = self
                .send(Method::PATCH, &location, path, Access::Push, headers, chunk)
                .await?;
            let response = expect(response, &[StatusCode::ACCEPTED]).await?;
            location = self.location(&response)?;
            from += len;
            if from == blob.size() {
                break;
            }
        }
        let joint = if location.contains('?') { '&' } else { '?' };
        let to = format!(
            "{location}{joint}digest={}",
            crate::api::query::encode(digest.as_str())
        );
        let response = self
            .send(
                Method::PUT,
                &to,
                path,
                Access::Push,
                HeaderMap::new(),
                Bytes::new(),
            )
            .await?;
        expect(response, &[StatusCode::CREATED, StatusCode::NO_CONTENT]).await?;
        Ok(())
    }

    /// Stores a manifest under a tag.
    pub async fn put_manifest(
        &self,
        path: &str,
        key: &str,
        media_type: &'static str,
        bytes: Bytes,
    ) -> Result<(), RemoteError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        let target = format!("/v2/{path}/manifests/{key}");
        let response = self
            .send(Method::PUT, &target, path, Access::Push, headers, bytes)
            .await?;
        expect(response, &[StatusCode::CREATED, StatusCode::OK]).await?;
        Ok(())
    }

    /// An answer's `Location`, relative or absolute, which must be on the registry itself.
    fn location(&self, response: &FetchResponse) -> Result<String, RemoteError> {
        let value = response.headers.get(LOCATION).and_then(|v| v.to_str().ok());
        let value = value
            .ok_or_else(|| RemoteError::Other("the registry named no place to upload to".into()))?;
        let base = Address::parse(&self.base)?;
        let target = base.join(value)?;
        if !target.same_origin(&base) {
            return Err(RemoteError::Other(format!(
                "the registry sends uploads elsewhere: {:?}",
                target.host()
            )));
        }
        Ok(target.to_string())
    }

    /// Sends a request, with authorization if the registry asks for it, following redirects of
    /// reads.
    async fn send(
        &self,
        method: Method,
        target: &str,
        path: &str,
        access: Access,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<FetchResponse, RemoteError> {
        let scope = access.scope(path);
        self.send_scoped(method, target, &scope, headers, body)
            .await
    }

    /// As [`Remote::send`], with what a token must allow: scopes separated by blanks.
    async fn send_scoped(
        &self,
        method: Method,
        target: &str,
        scope: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<FetchResponse, RemoteError> {
        let home = Address::parse(&self.base)?;
        let mut address = home.join_base(target)?;
        let mut asked = false;
        for _ in 0..=REDIRECTS + 1 {
            let mut headers = headers.clone();
            if address.same_origin(&home)
                && let Some(token) = self.authorization(scope)
            {
                headers.insert(AUTHORIZATION, token);
            }
            let request = FetchRequest {
                method: method.clone(),
                url: address.to_string(),
                headers,
                body: body.clone(),
            };
            let response = match self.fetch.fetch(request).await {
                Ok(response) => response,
                Err(error) => return Err(self.unreachable(&method, &address, &error.0)),
            };
            self.answered.set(true);
            match response.status {
                StatusCode::UNAUTHORIZED if !asked && address.same_origin(&home) => {
                    asked = true;
                    self.authorize(scope, &response, &method, &address).await?;
                }
                StatusCode::UNAUTHORIZED => return Err(refused(response).await),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
                    if matches!(method, Method::GET | Method::HEAD) =>
                {
                    let to = response.headers.get(LOCATION).and_then(|v| v.to_str().ok());
                    let to =
                        to.ok_or_else(|| RemoteError::Other("a redirect names no address".into()))?;
                    address = address.redirected(to, &home)?;
                }
                _ => return Ok(response),
            }
        }
        Err(RemoteError::Other(
            "stopped after too many redirects".into(),
        ))
    }

    fn unreachable(&self, method: &Method, address: &Address, error: &str) -> RemoteError {
        // Docker asks for /v2/ before anything else, so that is what cannot be reached.
        let (verb, url) = if self.answered.get() {
            (method.as_str(), address.to_string())
        } else {
            ("GET", format!("{}/v2/", self.base))
        };
        let verb = format!("{}{}", &verb[..1], verb[1..].to_lowercase());
        RemoteError::Unreachable(format!("{verb} {url:?}: {error}"))
    }

    fn authorization(&self, scope: &str) -> Option<HeaderValue> {
        self.tokens.borrow().get(scope).cloned()
    }

    async fn authorize(
        &self,
        scope: &str,
        response: &FetchResponse,
        method: &Method,
        address: &Address,
    ) -> Result<(), RemoteError> {
        let header = response
            .headers
            .get(WWW_AUTHENTICATE)
            .and_then(|v| v.to_str().ok());
        let challenge = header
            .and_then(auth::Challenge::parse)
            .ok_or(RemoteError::Denied)?;
        let token = auth::answer(&*self.fetch, &self.base, &self.auth, &challenge, scope).await;
        let token = token.map_err(|error| match error {
            auth::AuthError::NoCredentials => {
                let verb = format!(
                    "{}{}",
                    &method.as_str()[..1],
                    method.as_str()[1..].to_lowercase()
                );
                RemoteError::Other(format!("{verb} \"{address}\": no basic auth credentials"))
            }
            auth::AuthError::Denied => RemoteError::Denied,
            auth::AuthError::Other(text) => RemoteError::Other(text),
        })?;
        self.tokens.borrow_mut().insert(scope.into(), token);
        Ok(())
    }
}

/// A document somewhere, following redirects that stay in the open.
pub(super) async fn download(fetch: &dyn Fetch, url: &str) -> Result<FetchResponse, RemoteError> {
    let home = Address::parse(url)?;
    let mut address = home.clone();
    for _ in 0..=REDIRECTS {
        let request = FetchRequest {
            method: Method::GET,
            url: address.to_string(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let response = fetch.fetch(request).await;
        let response =
            response.map_err(|e| RemoteError::Unreachable(format!("Get \"{address}\": {e}")))?;
        if response.status.is_redirection() {
            let to = response.headers.get(LOCATION).and_then(|v| v.to_str().ok());
            let to = to.ok_or_else(|| RemoteError::Other("a redirect names no address".into()))?;
            address = address.redirected(to, &home)?;
            continue;
        }
        return expect(response, &[StatusCode::OK]).await;
    }
    Err(RemoteError::Other(
        "stopped after too many redirects".into(),
    ))
}
