//! An engine for tests: ports in memory, a clock that jumps to the next timer,
//! and a runtime whose programs are a few lines of Rust.

mod containers;
mod networks;
mod persistence;
mod runtime;
mod streams;
mod system;
mod volumes;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_vfs::{FileSystem, Quota, Tmpfs};
use futures::FutureExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Config;
use crate::api::types::Timestamp;
use crate::api::{Body, Request, Response};
use crate::clock::{ManualClock, SeededEntropy};
use crate::emulated::{EmulatedSnapshots, EmulatedVolumes, HostRoot, StoredContent};
use crate::engine::{Engine, Ports};
use crate::executor::{Executor, JoinHandle, RunState};
use crate::fetch::NoFetch;
use crate::image::{Import, Progress};
use crate::layer::Limits;
use crate::network::{EndpointSpec, Network, NetworkError, NetworkSpec, Publish, Resolver};
use crate::pipe::Duplex;
use crate::store::{MemoryStore, Store};

use runtime::FakeRuntime;

/// A network that only remembers.
#[derive(Default)]
pub struct FakeNetwork {
    pub resolvers: RefCell<BTreeMap<String, Resolver>>,
    pub published: RefCell<Vec<Publish>>,
}

#[async_trait(?Send)]
impl Network for FakeNetwork {
    async fn create_network(&self, _: &NetworkSpec) -> Result<(), NetworkError> {
        Ok(())
    }

    async fn delete_network(&self, _: &str) -> Result<(), NetworkError> {
        Ok(())
    }

    async fn create_sandbox(
        &self,
        sandbox: &str,
        resolver: Option<Resolver>,
    ) -> Result<(), NetworkError> {
        if let Some(resolver) = resolver {
            self.resolvers.borrow_mut().insert(sandbox.into(), resolver);
        }
        Ok(())
    }

    async fn delete_sandbox(&self, sandbox: &str) -> Result<(), NetworkError> {
        self.resolvers.borrow_mut().remove(sandbox);
        Ok(())
    }

    async fn connect(&self, _: &str, _: &EndpointSpec) -> Result<(), NetworkError> {
        Ok(())
    }

    async fn disconnect(&self, _: &str, _: &str) -> Result<(), NetworkError> {
        Ok(())
    }

    async fn publish(&self, _: &str, publish: &Publish) -> Result<(), NetworkError> {
        self.published.borrow_mut().push(publish.clone());
        Ok(())
    }

    fn traffic(&self, _: &str, _: &str) -> [u64; 4] {
        [10, 1, 20, 2]
    }
}

/// An engine with its surroundings.
pub struct Bench {
    pub engine: Engine,
    pub clock: Rc<ManualClock>,
    pub store: Rc<MemoryStore>,
    pub network: Rc<FakeNetwork>,
    pub runtime: Rc<FakeRuntime>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::on(Rc::new(MemoryStore::default()))
    }

    /// An engine on what another one left.
    pub fn on(store: Rc<MemoryStore>) -> Self {
        let clock = Rc::new(ManualClock::new(Timestamp::from_unix(1_800_000_000, 0)));
        let entropy = Rc::new(SeededEntropy::new([store.size() as u8; 32]));
        let file_clock = bottleship_vfs::Clock::new();
        let disk = Quota::unlimited();
        let durable: Rc<dyn Store> = store.clone();
        let content = Rc::new(StoredContent::new(durable.clone()));
        let snapshots = EmulatedSnapshots::new(
            content.clone(),
            durable.clone(),
            file_clock.clone(),
            (disk.clone(), disk.clone()),
            Limits::default(),
        );
        let host = Tmpfs::new(&file_clock, disk.clone()).expect("an empty tree");
        let network = Rc::new(FakeNetwork::default());
        let runtime = Rc::new(FakeRuntime::default());
        let ports = Ports {
            content,
            snapshots: Rc::new(snapshots.expect("an empty disk")),
            runtime: runtime.clone(),
            network: network.clone(),
            volumes: Rc::new(EmulatedVolumes::new(
                durable.clone(),
                file_clock.clone(),
                disk,
            )),
            host: Rc::new(HostRoot::new(host as Rc<dyn FileSystem>)),
            file_clock,
            store: durable,
            fetch: Rc::new(NoFetch),
            clock: clock.clone(),
            entropy,
            executor: Executor::new(),
        };
        let engine = Engine::new(ports, Config::default());
        runtime.set_executor(engine.executor().clone());
        let bench = Bench {
            engine,
            clock,
            store,
            network,
            runtime,
        };
        bench.settle();
        if bench.engine.images().find("busybox").is_err() {
            bench.import_busybox();
        }
        bench
    }

    /// An image with one file in it.
    fn import_busybox(&self) {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_mode(0o755);
        header.set_cksum();
        tar.append_data(&mut header, "busybox", &b""[..])
            .expect("in memory");
        let import = Import {
            archive: tar.into_inner().expect("in memory").into(),
            source: "-".into(),
            tag: Some("busybox:latest".parse().expect("a reference")),
            message: String::new(),
            changes: vec!["ENV PATH=/bin".into(), "CMD [\"sh\"]".into()],
            platform: None,
        };
        let images = self.engine.images().clone();
        let mut imported = self
            .engine
            .executor()
            .run(async move { images.import(import, &Progress::none()).await });
        self.until(&mut imported).expect("imported");
    }

    /// Runs until nothing is left to do but wait for timers.
    pub fn settle(&self) {
        while self.engine.run(0) == RunState::Runnable {}
    }

    /// Lets time pass, firing timers on the way.
    pub fn pass(&self, millis: u64) {
        let end = crate::clock::Clock::monotonic(&*self.clock) + millis * 1_000_000;
        loop {
            match self.engine.run(0) {
                RunState::Runnable => {}
                RunState::Sleeping { until } if until <= end => self.clock.advance_to(until),
                _ => break,
            }
        }
        self.clock.advance_to(end);
        self.settle();
    }

    /// Sends a request and returns the answer's head; its body may not be there yet.
    pub fn send(&self, request: Request) -> Response {
        let mut answer = self.engine.executor().run(self.engine.handle(request));
        self.until(&mut answer)
    }

    fn until<T>(&self, handle: &mut JoinHandle<T>) -> T {
        for _ in 0..10_000 {
            self.settle();
            if let Some(Some(value)) = handle.now_or_never() {
                return value;
            }
            match self.engine.run(0) {
                RunState::Sleeping { until } => self.clock.advance_to(until),
                RunState::Runnable => {}
                RunState::Idle => panic!("nothing left to do, and no answer"),
            }
        }
        panic!("no answer in 10000 steps");
    }

    /// Sends a request and reads the answer to its end.
    pub fn ask(&self, request: Request) -> Answer {
        let response = self.send(request);
        let (status, headers) = (response.status, response.headers.clone());
        let body = response.body;
        let mut collected = self.engine.executor().run(async move {
            match body {
                Body::Upgrade(Duplex { mut reader, writer }) => {
                    drop(writer);
                    reader.read_to_end(1 << 24).await.unwrap_or_default()
                }
                body => body
                    .collect(1 << 24)
                    .await
                    .map(|b| b.to_vec())
                    .unwrap_or_default(),
            }
        });
        Answer {
            status,
            headers,
            bytes: self.until(&mut collected),
        }
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask(Request::get(target))
    }

    pub fn post(&self, target: &str, body: Value) -> Answer {
        let request = Request::post(target);
        self.ask(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
    }

    pub fn delete(&self, target: &str) -> Answer {
        self.ask(Request::new(Method::DELETE, target))
    }

    /// Creates a container and returns its id.
    pub fn create(&self, name: &str, cmd: &[&str]) -> String {
        self.create_with(name, json!({"Image": "busybox", "Cmd": cmd}))
    }

    pub fn create_with(&self, name: &str, config: Value) -> String {
        let answer = self.post(&format!("/containers/create?name={name}"), config);
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["Id"].as_str().unwrap_or_default().to_owned()
    }

    /// Creates and starts a container.
    pub fn run(&self, name: &str, cmd: &[&str]) -> String {
        let id = self.create(name, cmd);
        self.start(&id);
        id
    }

    pub fn start(&self, id: &str) {
        let answer = self.post(&format!("/containers/{id}/start"), Value::Null);
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    }

    pub fn inspect(&self, id: &str) -> Value {
        self.get(&format!("/containers/{id}/json")).json()
    }

    pub fn status(&self, id: &str) -> String {
        self.inspect(id)["State"]["Status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The actions of the events so far.
    pub fn actions(&self) -> Vec<String> {
        self.engine
            .events()
            .past()
            .into_iter()
            .map(|event| format!("{} {}", event.r#type, event.action))
            .collect()
    }
}

/// An address from text.
pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
