//! An engine in memory with its emulated kernel, a registry that says what it is told to, and a program for containers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_engine::api::types::Timestamp;
use bottleship_engine::api::{Body, Request};
use bottleship_engine::clock::{ManualClock, SeededEntropy};
use bottleship_engine::emulated::{self, HostRoot, Machine, Outside};
use bottleship_engine::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};
use bottleship_engine::store::MemoryStore;
use bottleship_engine::{Config, Engine, RunState};
use bottleship_oci::config::{ContainerConfig, ImageConfig, RawConfig};
use bottleship_oci::save::{Piece, SavedImage, write};
use bottleship_oci::{Descriptor, DiffId, Digest, History, Manifest, Reference, media_type as mt};
use bottleship_vfs::{Quota, Tmpfs};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use crate::tars::Tar;

/// Where the scripted registry is.
pub const REMOTE: &str = "r.example";

/// Answers by path, for one host; everything else does not exist.
#[derive(Default)]
pub struct Remote {
    answers: RefCell<BTreeMap<String, (String, Bytes)>>,
    /// Addresses asked for.
    pub asked: RefCell<Vec<String>>,
}

impl Remote {
    pub fn on(&self, path: &str, content_type: &str, body: impl Into<Bytes>) {
        let answer = (content_type.to_owned(), body.into());
        self.answers.borrow_mut().insert(path.to_owned(), answer);
    }
}

#[async_trait(?Send)]
impl Fetch for Remote {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.asked.borrow_mut().push(request.url.clone());
        let path = request.url.strip_prefix(&format!("https://{REMOTE}"));
        let path = path.ok_or_else(|| FetchError("no such host".into()))?;
        let found = self.answers.borrow().get(path).cloned();
        let mut headers = HeaderMap::new();
        let (status, body) = match found {
            Some((content_type, body)) => {
                headers.insert("content-type", content_type.parse().expect("a header"));
                (StatusCode::OK, body)
            }
            None => (StatusCode::NOT_FOUND, Bytes::new()),
        };
        Ok(FetchResponse {
            status,
            headers,
            body: Box::pin(futures::stream::iter([Ok(body)])),
        })
    }
}

pub struct Bench {
    pub engine: Engine,
    pub remote: Rc<Remote>,
    clock: Rc<ManualClock>,
}

/// An answer of the Engine API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The error, be it the answer or the last line of a stream.
    pub fn error(&self) -> Option<String> {
        let field = |value: Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
        if self.status >= 400 {
            return Some(field(self.json(), "message").unwrap_or_else(|| self.text()));
        }
        let text = self.text();
        let mut lines = text.lines().rev();
        lines.find_map(|line| field(serde_json::from_str(line).ok()?, "error"))
    }
}

impl Bench {
    pub fn new() -> Bench {
        let machine = Machine {
            memory: 64 << 20,
            disk: 64 << 20,
            layers: 64 << 20,
            inodes: 1 << 16,
            pids: 64,
        };
        let clock = Rc::new(ManualClock::new(Timestamp::from_unix(1_800_000_000, 0)));
        let entropy = Rc::new(SeededEntropy::new([5; 32]));
        let kernel = emulated::kernel(&machine, "host", &*entropy);
        // Says who runs it and where, then ends.
        kernel.register_builtin(
            "probe",
            Rc::new(|sys: bottleship_linux::Sys| {
                Box::pin(async move {
                    let uid = sys.creds().map_or(u32::MAX, |creds| creds.euid);
                    let cwd = sys.cwd().unwrap_or_default();
                    let line = format!("uid {uid} cwd {}\n", String::from_utf8_lossy(&cwd));
                    let _ = sys.write_all(1, line.as_bytes()).await;
                    0
                })
            }),
        );
        let remote = Rc::new(Remote::default());
        let outside = Outside {
            store: Rc::new(MemoryStore::default()),
            fetch: remote.clone(),
            clock: clock.clone(),
            entropy,
        };
        let files = Tmpfs::new(&kernel.clock(), Quota::new(1 << 20, 64)).expect("a file system");
        let host = Rc::new(HostRoot::new(files));
        let engine = emulated::assemble(kernel, &machine, outside, host, Config::default());
        Bench {
            engine: engine.expect("room for the engine's files"),
            remote,
            clock,
        }
    }

    pub fn ask(&self, method: Method, target: &str, content_type: &str, body: Bytes) -> Answer {
        let mut request = Request::new(method, target);
        if !content_type.is_empty() {
            let value = content_type.parse().expect("a header");
            request.headers.insert("content-type", value);
        }
        request.body = Body::Bytes(body);
        let done = Rc::new(RefCell::new(None));
        let (slot, answered) = (done.clone(), self.engine.handle(request));
        self.engine.executor().spawn(async move {
            let response = answered.await;
            let status = response.status.as_u16();
            let body = response.body.collect(8 << 20).await;
            let body = body.unwrap_or_else(|e| e.to_string().into());
            *slot.borrow_mut() = Some(Answer { status, body });
        });
        for _ in 0..200_000 {
            let state = self.engine.run(1_000_000);
            if let Some(answer) = done.borrow_mut().take() {
                return answer;
            }
            match state {
                RunState::Sleeping { until } => self.clock.advance_to(until),
                RunState::Idle => panic!("{target}: nothing left to do, and no answer"),
                RunState::Runnable => {}
            }
        }
        panic!("{target}: no answer");
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask(Method::GET, target, "", Bytes::new())
    }

    pub fn post(&self, target: &str, value: &Value) -> Answer {
        self.ask(
            Method::POST,
            target,
            "application/json",
            value.to_string().into(),
        )
    }

    pub fn tar(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Method::POST, target, "application/x-tar", body.into())
    }

    pub fn pull(&self, name: &str) -> Answer {
        let target = format!("/images/create?fromImage={name}");
        self.ask(Method::POST, &target, "", Bytes::new())
    }

    pub fn images(&self) -> usize {
        self.get("/images/json?all=1")
            .json()
            .as_array()
            .map_or(0, Vec::len)
    }

    /// Refused with a message that a terminal can show; returns it.
    pub fn refused(&self, row: &str, answer: &Answer) -> String {
        let Some(error) = answer.error() else {
            panic!("{row}: accepted: {}", answer.text());
        };
        let control = error
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t');
        assert!(!control, "{row}: {error:?}");
        assert!(error.len() < 4096, "{row}: {} bytes of error", error.len());
        error
    }

    /// Nothing was kept, and a good image is still taken by the same way.
    pub fn unharmed(&self, row: &str) {
        assert_eq!(self.images(), 0, "{row}: an image is left");
        let loaded = self.tar("/images/load", archive(&image(|_| {}), "good:1"));
        assert_eq!(loaded.error(), None, "{row}");
        let gone = self.ask(Method::DELETE, "/images/good:1", "", Bytes::new());
        assert_eq!(gone.status, 200, "{row}: {}", gone.text());
    }

    /// Loads an image named `x:1` of this configuration and runs a container of it: what it wrote, or why it did not.
    pub fn run(&self, config: &RawConfig, create: &Value) -> Result<String, String> {
        let fail = |answer: &Answer| answer.error().map_or(Ok(()), Err);
        fail(&self.tar("/images/load", archive(config, "x:1")))?;
        let mut create = create.clone();
        create["Image"] = "x:1".into();
        let made = self.post("/containers/create", &create);
        fail(&made)?;
        let id = made.json()["Id"].as_str().unwrap_or_default().to_owned();
        let started = self.post(&format!("/containers/{id}/start"), &Value::Null);
        fail(&started)?;
        fail(&self.post(&format!("/containers/{id}/wait"), &Value::Null))?;
        let logs = self.get(&format!("/containers/{id}/logs?stdout=1&stderr=1"));
        // Behind the eight bytes of the stream's frame.
        Ok(String::from_utf8_lossy(logs.body.get(8..).unwrap_or_default()).into_owned())
    }
}

/// The only layer of test images: a program and two symbolic links.
pub fn layer() -> Vec<u8> {
    Tar::new()
        .dir("bin/")
        .raw("bin/probe", b'0', 17, |b| {
            b[100..108].copy_from_slice(b"0000755\0")
        })
        .data(b"#!/builtin/probe\n")
        .symlink("escape", "/proc/self/fd/8")
        .symlink("up", "../../../..")
        .end()
}

/// A configuration with one layer, after a change.
pub fn image(change: impl FnOnce(&mut ContainerConfig)) -> RawConfig {
    let mut inner = ContainerConfig {
        entrypoint: Some(vec!["/bin/probe".into()]),
        ..ContainerConfig::default()
    };
    change(&mut inner);
    let mut config = ImageConfig {
        architecture: "amd64".into(),
        os: "linux".into(),
        config: Some(inner),
        ..ImageConfig::default()
    };
    config.rootfs.diff_ids.push(DiffId(Digest::of(&layer())));
    config.history.push(History::default());
    RawConfig::new(config)
}

/// A configuration whose `config` holds what typed fields could not.
pub fn raw_image(config: Value) -> RawConfig {
    let mut whole: Value = serde_json::from_slice(&image(|_| {}).raw).expect("JSON");
    for (key, value) in config.as_object().into_iter().flatten() {
        whole["config"][key] = value.clone();
    }
    RawConfig {
        config: image(|_| {}).config,
        raw: whole.to_string().into(),
    }
}

/// `docker save` of one image.
pub fn archive(config: &RawConfig, tag: &str) -> Bytes {
    let saved = SavedImage {
        config: config.clone(),
        layers: vec![layer().len() as u64],
        tags: vec![Reference::parse(tag).expect("a reference")],
        parent: None,
    };
    let bytes = |piece| match piece {
        Piece::Bytes(bytes) => bytes,
        Piece::Layer(_) => layer().into(),
    };
    let pieces: Vec<Bytes> = write(&[saved]).into_iter().map(bytes).collect();
    pieces.concat().into()
}

/// A good manifest's bytes; its blobs are [`layer`] and the configuration.
pub fn manifest(config: &RawConfig) -> Vec<u8> {
    let layers = [Descriptor::of(mt::OCI_LAYER, &layer())];
    Manifest::oci_bytes(&Descriptor::of(mt::OCI_CONFIG, &config.raw), &layers, None)
}
