//! What strangers send to an engine, in a real Chromium's worker: the very tables that run natively
//! (engine/tests/hostile).
#![cfg(target_arch = "wasm32")]

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[path = "../../engine/tests/hostile/bench.rs"]
mod bench;
#[path = "../../engine/tests/hostile/builds.rs"]
mod builds;
#[path = "../../engine/tests/hostile/configs.rs"]
mod configs;
#[path = "../../engine/tests/hostile/documents.rs"]
mod documents;
// Some of it is for other tests.
#[allow(dead_code)]
#[path = "../../engine/src/layer/tests/tars.rs"]
mod tars;

/// What the tests of layers know as `crate::layer`.
mod layer {
    pub use bottleship_engine::layer::*;
}
