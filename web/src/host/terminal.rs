//! A terminal of the host, read and written without waiting.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bottleship_engine::emulated;

/// Keys that wait for a program to read them.
const KEYS_MAX: usize = 1 << 20;

/// A terminal with a login shell on it.
pub struct Terminal {
    inner: emulated::Terminal,
    /// What did not fit into the terminal's queue yet.
    keys: RefCell<Vec<u8>>,
    drained: Cell<bool>,
}

impl Terminal {
    /// Over a terminal of the host.
    pub fn new(inner: emulated::Terminal) -> Terminal {
        Terminal {
            inner,
            keys: RefCell::default(),
            drained: Cell::new(false),
        }
    }

    /// Output, at most so many bytes; empty when there is none.
    pub fn read(&self, max: usize) -> Vec<u8> {
        self.push_keys();
        let mut output = Vec::new();
        while output.len() < max {
            let part = self.inner.try_read(max - output.len());
            if part.is_empty() {
                self.drained.set(true);
                break;
            }
            output.extend(part);
        }
        output
    }

    /// Keys. Those that the programs don't read in time wait here; beyond [`KEYS_MAX`] they are lost, as on a line
    /// that is too slow.
    pub fn write(&self, data: &[u8]) {
        let mut keys = self.keys.borrow_mut();
        let room = KEYS_MAX.saturating_sub(keys.len());
        keys.extend_from_slice(&data[..data.len().min(room)]);
        drop(keys);
        self.push_keys();
    }

    fn push_keys(&self) {
        let mut keys = self.keys.borrow_mut();
        while !keys.is_empty() {
            match self.inner.try_write(&keys) {
                0 => break,
                n => drop(keys.drain(..n)),
            }
        }
    }

    /// Sets the size.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.inner.resize(rows, cols);
    }

    /// The shell's exit code, once it ended and everything was read.
    pub fn exited(&self) -> Option<i32> {
        let exited = pin!(self.inner.exited());
        match exited.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(code) if self.drained.get() => Some(code),
            _ => None,
        }
    }
}
