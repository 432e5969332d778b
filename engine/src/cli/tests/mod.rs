//! The command line against a real docker client, recorded transcripts, and a transport of canned answers.

mod format;
mod real;
mod requests;

use super::client::{Transport, TransportError};
use super::host::{FileInfo, Host, HostError, HostFile, HostResult, Stream};
use crate::api::{Body, Request, Response};
use async_trait::async_trait;
use futures::StreamExt;
use http::{HeaderValue, StatusCode};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// A host without files or terminal.
#[derive(Default)]
pub struct TestHost {
    pub env: HashMap<String, String>,
    pub stdin: RefCell<Vec<u8>>,
    pub out: RefCell<Vec<u8>>,
    pub err: RefCell<Vec<u8>>,
}

fn missing<T>() -> HostResult<T> {
    Err(HostError::from_errno(2))
}

#[async_trait(?Send)]
impl Host for TestHost {
    async fn read_stdin(&self, max: usize) -> HostResult<Vec<u8>> {
        let mut all = self.stdin.borrow_mut();
        let n = max.min(all.len());
        Ok(all.drain(..n).collect())
    }
    async fn write(&self, stream: Stream, data: &[u8]) -> HostResult<()> {
        match stream {
            Stream::Stderr => self.err.borrow_mut().extend_from_slice(data),
            _ => self.out.borrow_mut().extend_from_slice(data),
        }
        Ok(())
    }
    fn is_tty(&self, _: Stream) -> bool {
        false
    }
    fn winsize(&self, _: Stream) -> Option<(u16, u16)> {
        None
    }
    fn set_raw(&self, _: bool) -> HostResult<()> {
        Ok(())
    }
    async fn next_signal(&self) -> i32 {
        futures::future::pending().await
    }
    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }
    fn cwd(&self) -> String {
        "/work".into()
    }
    fn now(&self) -> Duration {
        Duration::from_secs(1_764_000_000)
    }
    async fn sleep(&self, _: Duration) {}
    async fn stat(&self, _: &str, _: bool) -> HostResult<FileInfo> {
        missing()
    }
    async fn read_dir(&self, _: &str) -> HostResult<Vec<String>> {
        missing()
    }
    async fn read_link(&self, _: &str) -> HostResult<String> {
        missing()
    }
    async fn real_path(&self, _: &str) -> HostResult<String> {
        missing()
    }
    async fn open(&self, _: &str) -> HostResult<Box<dyn HostFile>> {
        missing()
    }
    async fn create(&self, _: &str, _: u32) -> HostResult<Box<dyn HostFile>> {
        missing()
    }
    async fn mkdir(&self, _: &str, _: u32) -> HostResult<()> {
        missing()
    }
    async fn symlink(&self, _: &str, _: &str) -> HostResult<()> {
        missing()
    }
    async fn link(&self, _: &str, _: &str) -> HostResult<()> {
        missing()
    }
    async fn remove(&self, _: &str) -> HostResult<()> {
        missing()
    }
    async fn rename(&self, _: &str, _: &str) -> HostResult<()> {
        missing()
    }
    async fn set_attributes(
        &self,
        _: &str,
        _: u32,
        _: i64,
        _: Option<(u32, u32)>,
    ) -> HostResult<()> {
        missing()
    }
}

/// Answers by method and path without version and query; what is not listed answers 404.
#[derive(Default)]
pub struct Canned {
    /// No daemon at all.
    pub absent: bool,
    /// The daemon's API version.
    pub version: &'static str,
    /// What its ping says of swarms; nothing when empty.
    pub swarm: &'static str,
    pub answers: HashMap<String, (u16, String)>,
    /// What is answered to everything else.
    pub otherwise: Option<String>,
    /// Requests but the ping: method, target and body.
    pub requests: RefCell<Vec<(String, String, Vec<u8>)>>,
}

#[async_trait(?Send)]
impl Transport for Canned {
    async fn request(&self, request: Request) -> Result<Response, TransportError> {
        if self.absent {
            return Err(TransportError::Connect);
        }
        if request.target == "/_ping" {
            let mut pong = Response::status(StatusCode::OK).header(
                http::HeaderName::from_static("api-version"),
                HeaderValue::from_static(self.version),
            );
            if !self.swarm.is_empty() {
                pong = pong.header(
                    http::HeaderName::from_static("swarm"),
                    HeaderValue::from_static(self.swarm),
                );
            }
            return Ok(pong);
        }
        let mut body = Vec::new();
        let mut stream = request.body.into_stream();
        while let Some(Ok(chunk)) = stream.next().await {
            body.extend_from_slice(&chunk);
        }
        let target = request.target.clone();
        self.requests
            .borrow_mut()
            .push((request.method.to_string(), target.clone(), body));
        let path = target.split('?').next().unwrap_or("");
        let path = path
            .strip_prefix("/v")
            .and_then(|p| p.find('/').map(|i| &p[i..]))
            .unwrap_or(path);
        let key = format!("{} {path}", request.method);
        let (status, text) = match (self.answers.get(&key), &self.otherwise) {
            (Some((s, t)), _) => (*s, t.clone()),
            (None, Some(t)) => (200, t.clone()),
            (None, None) => (404, r#"{"message":"page not found"}"#.into()),
        };
        let mut response = Response::status(StatusCode::from_u16(status).expect("a status"));
        response.body = Body::Bytes(text.into());
        Ok(response)
    }
}

/// Runs `docker` with the words of a line.
pub fn run(line: &[&str], host: &TestHost, transport: &Canned) -> (i32, String, String) {
    let argv: Vec<String> = std::iter::once("docker")
        .chain(line.iter().copied())
        .map(str::to_string)
        .collect();
    host.out.borrow_mut().clear();
    host.err.borrow_mut().clear();
    let code = futures::executor::block_on(super::run(&argv, host, transport));
    let text = |b: &RefCell<Vec<u8>>| String::from_utf8_lossy(&b.borrow()).into_owned();
    (code, text(&host.out), text(&host.err))
}

/// The recordings beside the workspace, when they are there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("BOTTLESHIP_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!(
        "skipped: {} is missing (set BOTTLESHIP_SHARED)",
        file.display()
    );
    None
}
