//! What strangers send to an engine, by the rows of the list of hostile images: documents of registries, archives,
//! configurations, build contexts. Each meets the engine the way it would come: pulled, pushed, loaded, built, run.
//! The same tables run in Chromium (web/tests/hostile_engine.rs).

mod bench;
mod builds;
mod configs;
mod documents;

#[allow(dead_code, reason = "the tests of layers use the rest")]
#[path = "../../src/layer/tests/tars.rs"]
mod tars;

/// What the tests of layers know as `crate::layer`.
mod layer {
    pub use bottleship_engine::layer::*;
}
