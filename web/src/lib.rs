//! The page's half of Bottleship in wasm: the engine on a browser's clock, randomness, `fetch` and IndexedDB, and the
//! class that the worker (web/js/worker.js) drives.
#![forbid(unsafe_code)]

pub mod engine;
pub mod exchange;
pub mod host;
pub mod port;
pub mod waker;
pub mod world;

/// wasm memory never shrinks, so what is in use has to be counted to be seen.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::JsValue;

/// A JavaScript error's message.
pub fn error_text(error: &JsValue) -> String {
    if let Some(error) = error.dyn_ref::<js_sys::Error>() {
        return String::from(error.message());
    }
    let message = error
        .is_object()
        .then(|| js_sys::Reflect::get(error, &"message".into()).ok())
        .flatten()
        .and_then(|message| message.as_string());
    message
        .or_else(|| error.as_string())
        .unwrap_or_else(|| format!("{error:?}"))
}
