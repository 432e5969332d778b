//! The table of hostile layers in a real Chromium's worker: the very tests that run natively.
#![cfg(target_arch = "wasm32")]

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[path = "../../engine/src/layer/tests/hostile_formats.rs"]
mod hostile_formats;
#[path = "../../engine/src/layer/tests/hostile_names.rs"]
mod hostile_names;
// Some of it is for other tests.
#[allow(dead_code)]
#[path = "../../engine/src/layer/tests/tars.rs"]
mod tars;

/// What the tests know as `crate::layer`.
mod layer {
    pub use bottleship_engine::layer::*;
}
