//! A Docker daemon: an engine on a thread of its own behind the Engine API.

pub mod access;
pub mod http;
pub mod listen;
pub mod thread;
mod websocket;
