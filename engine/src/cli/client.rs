//! Talking to the Engine API.

use super::command::Need;
use super::{API_VERSION, Cli, Failure};
use crate::api::{Body, Request, Response};
use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::Value as J;
use std::fmt;

/// The most a JSON answer may hold.
const MAX_JSON: usize = 64 << 20;

/// A way to the Engine API.
#[async_trait(?Send)]
pub trait Transport {
    /// Sends a request. An `Upgrade` body of the response is this side of the connection.
    async fn request(&self, request: Request) -> Result<Response, TransportError>;
}

/// Why no response came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// Nobody answers at the daemon's address.
    Connect,
    /// Anything else, said in full.
    Other(String),
}

/// Why a request did not succeed.
#[derive(Clone, Debug)]
pub enum ApiFailure {
    /// No daemon at the address.
    Connect(String),
    /// The daemon's refusal.
    Status(StatusCode, String),
    /// A broken stream or document.
    Other(String),
}

impl ApiFailure {
    /// Whether the daemon knows no such thing.
    pub fn not_found(&self) -> bool {
        matches!(self, ApiFailure::Status(StatusCode::NOT_FOUND, _))
    }

    /// The daemon's own words.
    pub fn message(&self) -> String {
        match self {
            ApiFailure::Status(_, m) => m.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for ApiFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiFailure::Connect(address) => write!(
                f,
                "Cannot connect to the Docker daemon at {address}. Is the docker daemon running?"
            ),
            ApiFailure::Status(_, m) => write!(f, "Error response from daemon: {m}"),
            ApiFailure::Other(m) => f.write_str(m),
        }
    }
}

/// Short for what a request gives.
pub type ApiResult<T> = Result<T, ApiFailure>;

/// A query string under construction.
#[derive(Default)]
pub struct Params(String);

impl Params {
    /// None yet.
    pub fn new() -> Params {
        Params::default()
    }

    /// Adds one.
    pub fn add(mut self, name: &str, value: impl AsRef<str>) -> Params {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&crate::api::query::encode(value.as_ref()));
        self
    }

    /// Adds one when a condition holds.
    pub fn add_if(self, yes: bool, name: &str, value: impl AsRef<str>) -> Params {
        if yes { self.add(name, value) } else { self }
    }

    /// Adds `filters`, the JSON object of `--filter` values, when there are any.
    pub fn filters(self, filters: &[(String, String)]) -> Params {
        if filters.is_empty() {
            return self;
        }
        let mut map = serde_json::Map::new();
        for (k, v) in filters {
            if let J::Object(values) = map
                .entry(k.clone())
                .or_insert_with(|| J::Object(Default::default()))
            {
                values.insert(v.clone(), J::Bool(true));
            }
        }
        self.add("filters", J::Object(map).to_string())
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path segment, percent-encoded; `/`, which image names hold, stays.
pub fn segment(text: &str) -> String {
    crate::api::query::encode(text)
        .replace('+', "%20")
        .replace("%2F", "/")
        .replace("%3A", ":")
        .replace("%40", "@")
}

/// What a daemon says of itself, as far as commands and flags depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Daemon {
    experimental: bool,
    windows: bool,
    /// It manages a swarm, or is too old to say.
    manager: bool,
}

impl Daemon {
    /// Whether it has what a command or flag needs.
    pub fn has(self, need: Need) -> bool {
        match need {
            Need::Nothing | Need::Hidden => true,
            Need::Swarm => self.manager,
            Need::Experimental => self.experimental,
            Need::Windows => self.windows,
        }
    }
}

impl Cli<'_> {
    /// The address for messages.
    pub fn address(&self) -> &str {
        if self.address.is_empty() {
            super::config::DEFAULT_ADDRESS
        } else {
            &self.address
        }
    }

    fn transport_failure(&self, e: TransportError) -> ApiFailure {
        match e {
            TransportError::Connect => ApiFailure::Connect(self.address().to_string()),
            TransportError::Other(text) => ApiFailure::Other(text),
        }
    }

    /// The negotiated API version: the daemon's, at most ours.
    pub async fn api_version(&self) -> String {
        if let Some(v) = self.api.get() {
            return v.clone();
        }
        let fixed = self
            .host
            .env("DOCKER_API_VERSION")
            .filter(|v| !v.is_empty());
        let version = match fixed {
            Some(v) => v,
            None => match self
                .transport
                .request(Request::new(Method::HEAD, "/_ping"))
                .await
            {
                Ok(r) => {
                    let theirs = r
                        .headers
                        .get("api-version")
                        .and_then(|v| v.to_str().ok())
                        .unwrap_or("")
                        .to_string();
                    *self.ping.borrow_mut() = Some(r.headers);
                    let minor = |v: &str| v.strip_prefix("1.").and_then(|m| m.parse::<u32>().ok());
                    match minor(&theirs) {
                        Some(m) if m < minor(API_VERSION).unwrap_or(0) => theirs,
                        _ => API_VERSION.to_string(),
                    }
                }
                Err(_) => API_VERSION.to_string(),
            },
        };
        self.api.get_or_init(|| version).clone()
    }

    /// What the daemon says of itself; none when it can't be reached.
    pub async fn daemon(&self) -> Option<Daemon> {
        self.api_version().await;
        let ping = self.ping.borrow();
        let header = |name: &str| ping.as_ref()?.get(name)?.to_str().ok();
        ping.as_ref()?;
        Some(Daemon {
            experimental: header("docker-experimental") == Some("true"),
            windows: header("ostype") == Some("windows"),
            manager: header("swarm").is_none_or(|s| s == "active/manager"),
        })
    }

    /// A header of the daemon's ping.
    pub async fn ping_header(&self, name: &str) -> Option<String> {
        self.api_version().await;
        let ping = self.ping.borrow();
        let value = ping.as_ref()?.get(name)?.to_str().ok()?;
        Some(value.to_string())
    }

    /// Sends a request to `/vX.Y` + `path`; a status of 400 and above is a failure.
    pub async fn send(&self, mut request: Request) -> ApiResult<Response> {
        let version = self.api_version().await;
        request.target = format!("/v{version}{}", request.target);
        let response = self
            .transport
            .request(request)
            .await
            .map_err(|e| self.transport_failure(e))?;
        if response.status.as_u16() >= 400 {
            return Err(refusal(response).await);
        }
        Ok(response)
    }

    /// `GET`, JSON back.
    pub async fn get(&self, path: impl Into<String>) -> ApiResult<J> {
        json(self.send(Request::get(path)).await?).await
    }

    /// `GET`, the raw document back.
    pub async fn get_raw(&self, path: impl Into<String>) -> ApiResult<Vec<u8>> {
        let r = self.send(Request::get(path)).await?;
        bytes(r).await
    }

    /// `POST` with a JSON document, JSON back.
    pub async fn post(&self, path: impl Into<String>, document: &J) -> ApiResult<J> {
        let mut request = Request::post(path);
        if !document.is_null() {
            request = request.json(document);
        }
        json(self.send(request).await?).await
    }

    /// `DELETE`, JSON back.
    pub async fn delete(&self, path: impl Into<String>) -> ApiResult<J> {
        json(self.send(Request::delete(path)).await?).await
    }
}

async fn bytes(r: Response) -> ApiResult<Vec<u8>> {
    r.body
        .collect(MAX_JSON)
        .await
        .map(|b| b.to_vec())
        .map_err(|e| ApiFailure::Other(e.to_string()))
}

async fn json(r: Response) -> ApiResult<J> {
    let b = bytes(r).await?;
    if b.is_empty() {
        return Ok(J::Null);
    }
    serde_json::from_slice(&b)
        .map_err(|e| ApiFailure::Other(format!("invalid JSON from the daemon: {e}")))
}

/// The failure a response of status 400 and above tells.
pub async fn refusal(r: Response) -> ApiFailure {
    let status = r.status;
    let body = match r.body {
        Body::Upgrade(_) => Vec::new(),
        body => body
            .collect(1 << 20)
            .await
            .map(|b| b.to_vec())
            .unwrap_or_default(),
    };
    let text = match serde_json::from_slice::<J>(&body) {
        Ok(J::Object(o)) => o
            .get("message")
            .and_then(J::as_str)
            .unwrap_or("")
            .to_string(),
        _ => String::from_utf8_lossy(&body).trim().to_string(),
    };
    let text = if text.is_empty() {
        format!("{status} for API route")
    } else {
        text
    };
    ApiFailure::Status(status, text.trim().to_string())
}

/// `name=value` of a `--filter`; docker lower-cases the name.
pub fn parse_filters(values: &[&str]) -> Result<Vec<(String, String)>, Failure> {
    values
        .iter()
        .filter(|v| !v.is_empty())
        .map(|v| match v.split_once('=') {
            Some((k, v)) => Ok((k.trim().to_lowercase(), v.trim().to_string())),
            None => Err(Failure::new("invalid argument for filter")),
        })
        .collect()
}

/// Reading a document's members without minding what else is there.
pub trait Doc {
    /// A member, `null` when missing.
    fn at(&self, name: &str) -> &J;
    /// A text member, empty when missing.
    fn text(&self, name: &str) -> &str;
    /// A number member, 0 when missing.
    fn num(&self, name: &str) -> i64;
    /// A boolean member, false when missing.
    fn flag(&self, name: &str) -> bool;
    /// An array member's elements.
    fn items(&self, name: &str) -> &[J];
    /// An object member's entries, in their order.
    fn entries(&self, name: &str) -> Vec<(&str, &J)>;
    /// An array member's texts.
    fn texts(&self, name: &str) -> Vec<&str>;
}

impl Doc for J {
    fn at(&self, name: &str) -> &J {
        const NULL: &J = &J::Null;
        self.get(name).unwrap_or(NULL)
    }

    fn text(&self, name: &str) -> &str {
        self.at(name).as_str().unwrap_or("")
    }

    fn num(&self, name: &str) -> i64 {
        let v = self.at(name);
        v.as_i64()
            .or_else(|| v.as_f64().map(|f| f as i64))
            .unwrap_or(0)
    }

    fn flag(&self, name: &str) -> bool {
        self.at(name).as_bool().unwrap_or(false)
    }

    fn items(&self, name: &str) -> &[J] {
        self.at(name).as_array().map_or(&[], |a| a)
    }

    fn entries(&self, name: &str) -> Vec<(&str, &J)> {
        match self.at(name) {
            J::Object(o) => o.iter().map(|(k, v)| (k.as_str(), v)).collect(),
            _ => Vec::new(),
        }
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        self.items(name).iter().filter_map(J::as_str).collect()
    }
}
