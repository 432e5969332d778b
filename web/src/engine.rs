//! The class that the worker drives (`Engine` in web/js/protocol.js).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_abi::mode::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use bottleship_engine::api::{Body, Request};
use bottleship_engine::browse::{self, Of};
use bottleship_engine::clock::Clock;
use bottleship_engine::emulated::{DockerHost, HostConfig, Output, Outside};
use bottleship_engine::store::{MemoryStore, Store};
use bottleship_engine::{Config, RunState};
use bottleship_vfs::Time;
use bytes::Bytes;
use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{AbortHandle, abortable};
use http::{HeaderName, HeaderValue, Method};
use js_sys::{Array, Function, JSON, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsError, JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use crate::error_text;
use crate::exchange::exchange;
use crate::host::files::{Entry, Files, Kind};
use crate::host::terminal::Terminal;
use crate::port::{PageClock, PageEntropy, PageFetch, PageStore};
use crate::waker::waker;

/// A Docker host.
#[wasm_bindgen]
pub struct BottleshipEngine {
    host: DockerHost,
    store: Option<Rc<PageStore>>,
    terminals: RefCell<BTreeMap<u32, Rc<Terminal>>>,
    last: Cell<u32>,
    requests: RefCell<BTreeMap<u32, AbortHandle>>,
    commands: RefCell<BTreeMap<u32, oneshot::Sender<()>>>,
}

pub(crate) fn failed(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a property of a new plain object can't fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}

fn option(options: &JsValue, name: &str) -> JsValue {
    Reflect::get(options, &name.into()).unwrap_or_default()
}

impl BottleshipEngine {
    /// The host.
    pub fn host(&self) -> DockerHost {
        self.host.clone()
    }
}

#[wasm_bindgen]
impl BottleshipEngine {
    /// Starts a host: `store` is the database's name, empty to keep nothing; `rootfs` a tar; `site` the address whose
    /// /v2/ is asked for images first; `buildStep` is called with each step of a build. `wake` is called when there is
    /// something to run.
    pub async fn start(options: JsValue, wake: Function) -> Result<BottleshipEngine, JsError> {
        std::panic::set_hook(Box::new(|info| {
            web_sys::console::error_1(&info.to_string().into());
        }));
        let rootfs = Uint8Array::new(&option(&options, "rootfs")).to_vec();
        let name = option(&options, "store").as_string().unwrap_or_default();
        let page_store = match name.as_str() {
            "" => None,
            name => Some(Rc::new(PageStore::open(name).await.map_err(failed)?)),
        };
        let store: Rc<dyn Store> = match &page_store {
            Some(store) => store.clone(),
            None => Rc::new(MemoryStore::default()),
        };
        let site = option(&options, "site").as_string().unwrap_or_default();
        let config = Config {
            registry_mirrors: vec![site.trim_end_matches('/').to_owned()],
            ..Config::default()
        };
        let outside = Outside {
            store,
            fetch: Rc::new(PageFetch::new(&site)),
            clock: Rc::new(PageClock),
            entropy: Rc::new(PageEntropy),
        };
        let machine = HostConfig {
            root: rootfs,
            ..HostConfig::default()
        };
        let host = DockerHost::boot(outside, machine, config)
            .await
            .map_err(failed)?;
        host.engine().set_waker(waker(wake));
        if let Some(listener) = option(&options, "buildStep").dyn_ref::<Function>() {
            watch_builds(&host, listener.clone());
        }
        Ok(BottleshipEngine {
            host,
            store: page_store,
            terminals: RefCell::default(),
            last: Cell::new(0),
            requests: RefCell::default(),
            commands: RefCell::default(),
        })
    }

    /// Runs at most so many guest instructions: 0 when there is more to do, Infinity when nothing is until input
    /// comes, else the ms until then.
    pub fn run(&self, instructions: u32) -> f64 {
        match self.host.run(instructions.into()) {
            RunState::Runnable => 0.0,
            RunState::Idle => f64::INFINITY,
            RunState::Sleeping { until } => {
                let now = PageClock.monotonic();
                (until.saturating_sub(now) as f64 / 1e6).max(0.01)
            }
        }
    }

    /// One request of the Docker Engine API. `head` gets status and headers, `chunk` the body as it comes; resolves at
    /// its end, and when it was cancelled.
    #[allow(clippy::too_many_arguments)] // JavaScript's view of it
    pub async fn request(
        &self,
        id: u32,
        method: String,
        path: String,
        headers: Array,
        body: Option<Uint8Array>,
        head: Function,
        chunk: Function,
    ) -> Result<(), JsError> {
        let method = Method::try_from(method.as_str()).map_err(failed)?;
        let mut request = Request::new(method, path);
        for pair in headers.iter() {
            let pair: Array = pair.unchecked_into();
            let (name, value) = (pair.get(0).as_string(), pair.get(1).as_string());
            request = request.header(
                HeaderName::try_from(name.unwrap_or_default()).map_err(failed)?,
                HeaderValue::try_from(value.unwrap_or_default()).map_err(failed)?,
            );
        }
        if let Some(body) = body {
            request = request.body(Bytes::from(body.to_vec()));
        }
        let answer = answer(self.host.engine().handle(request), head, chunk);
        let (answer, handle) = abortable(answer);
        self.requests.borrow_mut().insert(id, handle);
        let done = answer.await;
        self.requests.borrow_mut().remove(&id);
        done.unwrap_or(Ok(()))
    }

    /// The answer to a request is not wanted any more; a command's processes are asked to end.
    pub fn cancel(&self, id: u32) {
        if let Some(command) = self.commands.borrow_mut().remove(&id) {
            // Fails when it has just ended.
            let _ = command.send(());
        }
        if let Some(handle) = self.requests.borrow().get(&id) {
            handle.abort();
        }
    }

    /// Sends bytes to a server at a port of the host; `chunk` gets what comes back and answers true when that is enough.
    /// Resolves then, at its end, and when it was cancelled.
    pub async fn exchange(
        &self,
        id: u32,
        port: u16,
        data: Vec<u8>,
        chunk: Function,
    ) -> Result<(), JsError> {
        let (talk, handle) = abortable(exchange(&self.host, port, &data, &chunk));
        self.requests.borrow_mut().insert(id, handle);
        let done = talk.await;
        self.requests.borrow_mut().remove(&id);
        done.unwrap_or(Ok(())).map_err(failed)
    }

    /// Forgets everything stored.
    pub async fn reset(&self) -> Result<(), JsError> {
        if let Some(store) = &self.store {
            store.clear().await.map_err(failed)?;
            store.close();
        }
        Ok(())
    }

    /// Writes what is not written yet.
    pub async fn save(&self) -> Result<(), JsError> {
        self.host.sync().await.map_err(failed)
    }

    /// Bytes of the wasm memory that are in use.
    #[cfg(target_arch = "wasm32")]
    #[wasm_bindgen(js_name = memoryUsed)]
    pub fn memory_used(&self) -> f64 {
        crate::ALLOCATOR.current_usage() as f64
    }

    /// Opens a terminal with a shell on it.
    pub fn open(&self, cols: u16, rows: u16) -> Result<u32, JsError> {
        let terminal = Terminal::new(self.host.open_terminal(rows, cols).map_err(failed)?);
        let number = self.last.get() + 1;
        self.last.set(number);
        self.terminals
            .borrow_mut()
            .insert(number, Rc::new(terminal));
        Ok(number)
    }

    fn terminal(&self, term: u32) -> Option<Rc<Terminal>> {
        self.terminals.borrow().get(&term).cloned()
    }

    /// Output of a terminal, if there is any.
    pub fn read(&self, term: u32, max: usize) -> Option<Uint8Array> {
        let data = self.terminal(term)?.read(max);
        (!data.is_empty()).then(|| Uint8Array::from(&data[..]))
    }

    /// Keys.
    pub fn write(&self, term: u32, data: &[u8]) {
        if let Some(terminal) = self.terminal(term) {
            terminal.write(data);
        }
    }

    /// Sets a terminal's size.
    pub fn resize(&self, term: u32, cols: u16, rows: u16) {
        if let Some(terminal) = self.terminal(term) {
            terminal.resize(cols, rows);
        }
    }

    /// Hangs up.
    pub fn close(&self, term: u32) {
        let gone = self.terminals.borrow_mut().remove(&term);
        drop(gone);
    }

    /// The exit code of a terminal's shell, once it ended and all was read.
    pub fn exited(&self, term: u32) -> Option<i32> {
        self.terminal(term)?.exited()
    }

    /// Runs a line in a shell. With `out`, its output goes there (1 or 2, bytes) as it comes, and a promise that it
    /// returns is waited for before there is more; else it is kept.
    pub async fn exec(
        &self,
        id: u32,
        line: String,
        out: Option<Function>,
    ) -> Result<JsValue, JsError> {
        let (cancel, cancelled) = oneshot::channel();
        self.commands.borrow_mut().insert(id, cancel);
        let cancelled = async {
            if cancelled.await.is_err() {
                std::future::pending().await
            }
        };
        let kept = RefCell::new(Output::default());
        let take = async |stream, data: &[u8]| match &out {
            None => kept.borrow_mut().keep(stream, data),
            Some(out) => {
                let bytes = Uint8Array::from(data);
                let taken = out.call2(&JsValue::NULL, &(stream as u8).into(), &bytes);
                if let Ok(Ok(promise)) = taken.map(JsCast::dyn_into::<Promise>) {
                    // However it ends, there is room again.
                    let _ = JsFuture::from(promise).await;
                }
            }
        };
        let done = self.host.exec_streaming(&line, take, cancelled).await;
        self.commands.borrow_mut().remove(&id);
        let code = done.map_err(failed)?;
        let output = kept.into_inner();
        let text = |bytes: &[u8]| JsValue::from(String::from_utf8_lossy(bytes).into_owned());
        Ok(object([
            ("exitCode", code.into()),
            ("stdout", text(&output.stdout)),
            ("stderr", text(&output.stderr)),
        ]))
    }

    fn files(&self) -> Files<'_> {
        Files(self.host.mounts())
    }

    /// A file's bytes.
    #[wasm_bindgen(js_name = readFile)]
    pub fn read_file(&self, path: &str) -> Result<Uint8Array, JsError> {
        let data = self.files().read(path).map_err(failed)?;
        Ok(Uint8Array::from(&data[..]))
    }

    /// Replaces a file's bytes, or makes the file.
    #[wasm_bindgen(js_name = writeFile)]
    pub fn write_file(&self, path: &str, data: &[u8]) -> Result<(), JsError> {
        self.files().write(path, data).map_err(failed)
    }

    /// A directory's entries.
    pub fn list(&self, path: &str) -> Result<Array, JsError> {
        let entries = self.files().list(path).map_err(failed)?;
        Ok(entries.iter().map(entry).collect())
    }

    /// Entries of a directory in a layer, an image or a container (`kind`), at most `max`: `{entries, more}`.
    #[wasm_bindgen(js_name = treeList)]
    pub async fn tree_list(
        &self,
        kind: &str,
        name: &str,
        path: &str,
        max: f64,
    ) -> Result<JsValue, JsError> {
        let of = of(kind, name)?;
        let listing = browse::list(self.host.engine(), of, path, max as usize).await;
        let listing = listing.map_err(failed)?;
        let entries: Array = listing.entries.iter().map(tree_entry).collect();
        Ok(object([
            ("entries", entries.into()),
            ("more", listing.more.into()),
        ]))
    }

    /// The beginning of a file in a layer, an image or a container: `{data, size}`.
    #[wasm_bindgen(js_name = treeRead)]
    pub async fn tree_read(
        &self,
        kind: &str,
        name: &str,
        path: &str,
        max: f64,
    ) -> Result<JsValue, JsError> {
        let of = of(kind, name)?;
        let content = browse::read(self.host.engine(), of, path, max as usize).await;
        let content = content.map_err(failed)?;
        Ok(object([
            ("data", Uint8Array::from(&content.data[..]).into()),
            ("size", (content.size as f64).into()),
        ]))
    }

    /// Makes a directory.
    #[wasm_bindgen(js_name = makeDir)]
    pub fn make_dir(&self, path: &str) -> Result<(), JsError> {
        self.files().make_dir(path).map_err(failed)
    }

    /// Removes a file or an empty directory.
    pub fn remove(&self, path: &str) -> Result<(), JsError> {
        self.files().remove(path).map_err(failed)
    }

    /// Gives a file another name.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), JsError> {
        self.files().rename(from, to).map_err(failed)
    }
}

fn watch_builds(host: &DockerHost, listener: Function) {
    host.engine().builds().watch(move |step| {
        let json = serde_json::to_string(step).unwrap_or_default();
        if let Ok(step) = JSON::parse(&json) {
            // The build goes on, whatever the page makes of it.
            let _ = listener.call1(&JsValue::NULL, &step);
        }
    });
}

fn of<'a>(kind: &str, name: &'a str) -> Result<Of<'a>, JsError> {
    match kind {
        "layer" => Ok(Of::Layer(name)),
        "image" => Ok(Of::Image(name)),
        "container" => Ok(Of::Container(name)),
        _ => Err(failed(format!(
            "{kind:?} is not a layer, an image or a container"
        ))),
    }
}

async fn answer(
    response: impl Future<Output = bottleship_engine::api::Response>,
    head: Function,
    chunk: Function,
) -> Result<(), JsError> {
    let thrown = |error: JsValue| failed(error_text(&error));
    let response = response.await;
    let headers: Array = response
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Array::of2(&name.as_str().into(), &value.into())
        })
        .collect();
    head.call2(
        &JsValue::NULL,
        &response.status.as_u16().into(),
        &headers.into(),
    )
    .map_err(thrown)?;
    if matches!(response.body, Body::Upgrade(_)) {
        return Err(JsError::new("attaching is not for requests of the page"));
    }
    let mut body = response.body.into_stream();
    while let Some(part) = body.next().await {
        let part = part.map_err(failed)?;
        if !part.is_empty() {
            let bytes = Uint8Array::from(&part[..]);
            chunk.call1(&JsValue::NULL, &bytes).map_err(thrown)?;
        }
    }
    Ok(())
}

fn entry(entry: &Entry) -> JsValue {
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Dir => "dir",
        Kind::Symlink => "symlink",
        Kind::Other => "other",
    };
    object([
        (
            "name",
            String::from_utf8_lossy(&entry.name).into_owned().into(),
        ),
        ("type", kind.into()),
        ("size", (entry.size as f64).into()),
        ("mode", entry.mode.into()),
        ("mtime", entry.mtime.into()),
    ])
}

fn tree_entry(entry: &browse::Entry) -> JsValue {
    let kind = match entry.mode & S_IFMT {
        _ if entry.whiteout => "whiteout",
        S_IFREG => "file",
        S_IFDIR => "dir",
        S_IFLNK => "symlink",
        _ => "other",
    };
    let text = |bytes: &[u8]| JsValue::from(String::from_utf8_lossy(bytes).into_owned());
    let layer = entry.layer.as_ref().map(|layer| layer.as_str().to_owned());
    object([
        ("name", text(&entry.name)),
        ("type", kind.into()),
        ("size", (entry.size as f64).into()),
        ("mode", (entry.mode & 0o7777).into()),
        ("uid", entry.uid.into()),
        ("gid", entry.gid.into()),
        ("mtime", milliseconds(entry.mtime).into()),
        (
            "target",
            entry.target.as_deref().map_or(JsValue::NULL, text),
        ),
        ("opaque", entry.opaque.into()),
        ("layer", layer.map_or(JsValue::NULL, JsValue::from)),
    ])
}

fn milliseconds(time: Time) -> f64 {
    time.sec as f64 * 1000.0 + f64::from(time.nsec / 1_000_000)
}
