//! The class that the worker drives (`Engine` in web/js/protocol.js).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_engine::clock::{Clock, Entropy};
use bottleship_linux::RunState;
use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::{JsError, JsValue, wasm_bindgen};

use crate::host::Machine;
use crate::host::files::{Entry, Files, Kind};
use crate::host::shell::{self, Terminal};
use crate::port::{PageClock, PageEntropy};

/// A Docker host.
#[wasm_bindgen]
pub struct BottleshipEngine {
    machine: Machine,
    terminals: RefCell<BTreeMap<u32, Rc<Terminal>>>,
    last: Cell<u32>,
}

fn failed(error: impl std::fmt::Display) -> JsError {
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

#[wasm_bindgen]
impl BottleshipEngine {
    /// Starts a host: `store` is the database's name, empty to keep nothing; `rootfs` a tar. `wake` is called when
    /// there is something to run.
    pub async fn start(options: JsValue, wake: Function) -> Result<BottleshipEngine, JsError> {
        std::panic::set_hook(Box::new(|info| {
            web_sys::console::error_1(&info.to_string().into())
        }));
        let rootfs = Reflect::get(&options, &"rootfs".into())
            .map(|value| Uint8Array::new(&value).to_vec())
            .unwrap_or_default();
        let mut seed = [0; 32];
        PageEntropy.fill(&mut seed);
        let machine =
            Machine::new(&rootfs, seed, PageClock.now().nanos() as u64).map_err(failed)?;
        machine.kernel.set_waker(Rc::new(move || {
            // The function only schedules; there is nobody to tell if it threw.
            let _ = wake.call0(&JsValue::NULL);
        }));
        Ok(BottleshipEngine {
            machine,
            terminals: RefCell::default(),
            last: Cell::new(0),
        })
    }

    /// Runs at most so many guest instructions: 0 when there is more to do, Infinity when nothing is until input
    /// comes, else the ms until then.
    pub fn run(&self, instructions: u32) -> f64 {
        let now = PageClock.monotonic();
        let kernel = &self.machine.kernel;
        kernel.set_time(PageClock.now().nanos() as u64, now);
        match kernel.run(instructions.into()) {
            RunState::Runnable => 0.0,
            RunState::Idle => f64::INFINITY,
            RunState::Sleeping { until_monotonic_ns } => {
                (until_monotonic_ns.saturating_sub(now) as f64 / 1e6).max(0.01)
            }
        }
    }

    /// Opens a terminal with a shell on it.
    pub fn open(&self, cols: u16, rows: u16) -> Result<u32, JsError> {
        let terminal = Terminal::open(&self.machine.kernel, cols, rows).map_err(failed)?;
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

    /// Runs a line in a shell.
    pub async fn exec(&self, line: String) -> Result<JsValue, JsError> {
        let output = shell::exec(&self.machine.kernel, &line)
            .await
            .map_err(failed)?;
        let text = |bytes: &[u8]| JsValue::from(String::from_utf8_lossy(bytes).into_owned());
        Ok(object([
            ("exitCode", output.exit_code.into()),
            ("stdout", text(&output.stdout)),
            ("stderr", text(&output.stderr)),
        ]))
    }

    fn files(&self) -> Files<'_> {
        Files(&self.machine.mounts)
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
