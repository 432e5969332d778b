//! A Docker daemon: an engine on a thread of its own behind the Engine API.

pub mod http;
pub mod thread;
