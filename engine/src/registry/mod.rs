//! A registry (OCI distribution-spec 1.1) over the content store, without a transport.
//!
//! Blobs and manifests are content; what a repository has of it are links in the store. A push is
//! acknowledged once content and link are durable. Deleting removes links, and the content with its
//! last link; so the content store is the registry's alone.

mod auth;
mod blobs;
mod error;
mod fetch;
mod hub;
mod lists;
mod manifests;
mod state;
mod token;
mod uploads;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use futures::lock::Mutex;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use bottleship_oci::Digest;
use bottleship_oci::reference::{is_path, is_tag};

use crate::api::query::Query;
use crate::api::{Body, Request, Response};
use crate::clock::{Clock, Entropy};
use crate::content::ContentStore;
use crate::store::Store;

pub use auth::{Action, Authorizer, Challenge, Open, Resource};
pub use error::RegistryError;
pub use fetch::Fallback;
pub use hub::Hub;
pub use token::{Grant, TokenAuthority};

use error::Code;
use state::State;
use uploads::Uploads;

/// What bounds a registry.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one blob at most.
    pub blob: u64,
    /// Bytes of all blobs and uploads at most.
    pub total: u64,
    /// Uploads under way at most.
    pub uploads: usize,
    /// Nanoseconds after which an upload that nothing is added to is dropped.
    pub upload_age: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            blob: 1 << 30,
            total: 16 << 30,
            uploads: 64,
            upload_age: 3_600_000_000_000,
        }
    }
}

/// A registry.
pub struct Registry {
    content: Rc<dyn ContentStore>,
    store: Rc<dyn Store>,
    clock: Rc<dyn Clock>,
    entropy: Rc<dyn Entropy>,
    auth: Rc<dyn Authorizer>,
    limits: Limits,
    buckets: state::Buckets,
    state: RefCell<State>,
    uploads: RefCell<Uploads>,
    /// Whether the state was read from the store.
    loaded: Mutex<bool>,
}

/// A request that has been taken apart.
struct Call<'a> {
    name: &'a str,
    query: Query,
    headers: HeaderMap,
    body: Body,
}

type Answer = Result<Response, RegistryError>;

impl Registry {
    /// A registry. It reads what an earlier one left before it answers its first request.
    pub fn new(
        content: Rc<dyn ContentStore>,
        store: Rc<dyn Store>,
        clock: Rc<dyn Clock>,
        entropy: Rc<dyn Entropy>,
        auth: Rc<dyn Authorizer>,
        limits: Limits,
    ) -> Registry {
        Registry {
            content,
            store,
            clock,
            entropy,
            auth,
            limits,
            buckets: state::OWN,
            state: RefCell::default(),
            uploads: RefCell::default(),
            loaded: Mutex::new(false),
        }
    }

    /// Answers a request for `/v2/…`.
    pub async fn handle(&self, request: Request) -> Response {
        let head = request.method == Method::HEAD;
        let mut response = match self.dispatch(request).await {
            Ok(response) => response,
            Err(error) => error.response(),
        };
        if head {
            response.body = Body::Empty;
        }
        response.header(
            HeaderName::from_static("docker-distribution-api-version"),
            HeaderValue::from_static("registry/2.0"),
        )
    }

    /// The same registry with its state elsewhere in the store. Nothing was asked of it yet.
    fn in_buckets(mut self, buckets: state::Buckets) -> Registry {
        self.buckets = buckets;
        self
    }

    /// Reads what an earlier registry left, once.
    async fn load(&self) -> Result<(), RegistryError> {
        let mut loaded = self.loaded.lock().await;
        if !*loaded {
            self.load_state().await?;
            *loaded = true;
        }
        Ok(())
    }

    /// The names of all repositories, in order.
    pub async fn repositories(&self) -> Vec<String> {
        match self.load().await {
            Ok(()) => self.state.borrow().repositories.keys().cloned().collect(),
            Err(_) => Vec::new(),
        }
    }

    /// Whether there is a repository of this name.
    pub async fn has_repository(&self, name: &str) -> bool {
        self.load().await.is_ok() && self.state.borrow().repositories.contains_key(name)
    }

    async fn dispatch(&self, request: Request) -> Answer {
        self.load().await?;
        let Request {
            method,
            target,
            headers,
            body,
        } = request;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let path = plain_path(path)?;
        let rest = path
            .strip_prefix("/v2")
            .ok_or_else(|| Code::Unsupported.because("not below /v2/"))?;
        let query = Query::parse(query);
        match (method.as_str(), rest) {
            ("GET" | "HEAD", "" | "/") => {
                self.authorize(&headers, &Resource::Registry, Action::Pull)?;
                Ok(Response::json(StatusCode::OK, &serde_json::json!({})))
            }
            ("GET", "/_catalog") => {
                self.authorize(&headers, &Resource::Catalog, Action::Pull)?;
                self.catalog(&query)
            }
            _ => self.repository(&method, rest, query, headers, body).await,
        }
    }

    async fn repository(
        &self,
        method: &Method,
        path: &str,
        query: Query,
        headers: HeaderMap,
        body: Body,
    ) -> Answer {
        let path = path.trim_start_matches('/');
        let (name, endpoint) =
            split(path).ok_or_else(|| Code::Unsupported.because("no such endpoint"))?;
        if !is_path(name) || name.len() > 255 {
            return Err(Code::NameInvalid.because("invalid repository name"));
        }
        let action = match *method {
            Method::GET | Method::HEAD => Action::Pull,
            Method::DELETE if !matches!(endpoint, Endpoint::Upload(_)) => Action::Delete,
            _ => Action::Push,
        };
        self.authorize(&headers, &Resource::Repository(name.into()), action)?;
        let call = Call {
            name,
            query,
            headers,
            body,
        };
        match (method.as_str(), endpoint) {
            ("GET", Endpoint::Tags) => self.tags(&call),
            ("GET", Endpoint::Referrers(digest)) => self.referrers(&call, &parse(digest)?).await,
            ("GET" | "HEAD", Endpoint::Manifest(key)) => self.get_manifest(&call, key).await,
            ("PUT", Endpoint::Manifest(key)) => self.put_manifest(call, key).await,
            ("DELETE", Endpoint::Manifest(key)) => self.delete_manifest(&call, key).await,
            ("GET", Endpoint::Blob(digest)) => self.get_blob(&call, &parse(digest)?).await,
            ("HEAD", Endpoint::Blob(digest)) => self.head_blob(&call, &parse(digest)?),
            ("DELETE", Endpoint::Blob(digest)) => self.delete_blob(&call, &parse(digest)?).await,
            ("POST", Endpoint::Uploads) => self.start_upload(call).await,
            ("GET", Endpoint::Upload(id)) => self.upload_status(&call, id),
            ("PATCH", Endpoint::Upload(id)) => self.patch_upload(call, id).await,
            ("PUT", Endpoint::Upload(id)) => self.finish_upload(call, id).await,
            ("DELETE", Endpoint::Upload(id)) => self.cancel_upload(&call, id),
            _ => Err(Code::Unsupported.because("the operation is unsupported")),
        }
    }

    fn authorize(
        &self,
        headers: &HeaderMap,
        resource: &Resource,
        action: Action,
    ) -> Result<(), RegistryError> {
        self.auth
            .authorize(headers, resource, action)
            .map_err(RegistryError::Challenge)
    }
}

/// What a path below a repository is about.
enum Endpoint<'a> {
    Manifest(&'a str),
    Blob(&'a str),
    Uploads,
    Upload(&'a str),
    Tags,
    Referrers(&'a str),
}

/// Repository and endpoint. A repository's name may hold the words of endpoints, so the end of the
/// path decides.
fn split(path: &str) -> Option<(&str, Endpoint<'_>)> {
    if let Some(name) = path
        .strip_suffix("/blobs/uploads/")
        .or_else(|| path.strip_suffix("/blobs/uploads"))
    {
        return Some((name, Endpoint::Uploads));
    }
    if let Some(name) = path.strip_suffix("/tags/list") {
        return Some((name, Endpoint::Tags));
    }
    let (rest, last) = path.rsplit_once('/')?;
    if let Some(name) = rest.strip_suffix("/blobs/uploads") {
        return Some((name, Endpoint::Upload(last)));
    }
    let (name, kind) = rest.rsplit_once('/')?;
    let endpoint = match kind {
        "manifests" => Endpoint::Manifest(last),
        "blobs" => Endpoint::Blob(last),
        "referrers" => Endpoint::Referrers(last),
        _ => return None,
    };
    Some((name, endpoint))
}

/// The path, decoded once; refused if it means something else to another reader: escaped slashes,
/// dot segments, doubled slashes, parameters, backslashes, control characters.
fn plain_path(path: &str) -> Result<String, RegistryError> {
    let bad = || Code::NameInvalid.because("invalid path");
    let decoded = path
        .replace("%3A", ":")
        .replace("%3a", ":")
        .replace("%40", "@");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-:@+=~".contains(&b);
    if !decoded.bytes().all(plain) || decoded.contains("//") {
        return Err(bad());
    }
    if decoded.split('/').any(|s| matches!(s, "." | "..")) {
        return Err(bad());
    }
    Ok(decoded)
}

fn parse(digest: &str) -> Result<Digest, RegistryError> {
    digest
        .parse()
        .map_err(|e: bottleship_oci::DigestError| Code::DigestInvalid.because(&e.to_string()))
}

/// What a manifest is asked for by.
enum Key {
    Tag(String),
    Digest(Digest),
}

impl Key {
    fn parse(text: &str) -> Result<Key, RegistryError> {
        if text.contains(':') {
            return parse(text).map(Key::Digest);
        }
        match is_tag(text) {
            true => Ok(Key::Tag(text.into())),
            false => Err(Code::TagInvalid.because("manifest tag did not match URI")),
        }
    }
}

fn header(value: &str) -> HeaderValue {
    // Digests, names and numbers are printable by their grammar.
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))
}

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
