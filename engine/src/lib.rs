//! The Bottleship engine: images, layers, containers, networks, volumes and a
//! builder behind the Docker Engine API.
//!
//! The engine does no IO of its own. It reads no clock and no entropy, opens no
//! file and no socket: a host hands it [`Ports`] and calls [`Engine::run`].
//! Everything is single-threaded; an [`Engine`] is a cheap handle.
#![forbid(unsafe_code)]

pub mod api;
pub mod browse;
pub mod build;
pub mod cli;
pub mod clock;
pub mod config;
pub mod container;
pub mod content;
pub mod dirs;
pub mod emulated;
pub mod engine;
pub mod events;
pub mod executor;
pub mod fetch;
mod graph_driver;
pub mod image;
pub mod image_source;
pub mod keeper;
pub mod layer;
pub mod lesson;
pub mod network;
pub mod networking;
pub mod pipe;
pub mod registry;
pub mod runtime;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod testing;
pub mod units;
pub mod user;
pub mod volume;

pub use config::Config;
pub use engine::{Engine, Ports};
pub use executor::RunState;
