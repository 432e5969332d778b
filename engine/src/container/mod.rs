//! Containers: what is kept of them, what is done with them.

pub mod archive;
pub mod attach;
pub mod caps;
pub mod copy_up;
pub mod create;
pub mod exec;
mod health;
pub mod inspect;
pub mod kill;
pub mod links;
pub mod list;
pub mod log;
mod monitor;
mod mounts;
pub mod names;
pub mod prune;
mod record;
pub mod remove;
pub mod signal;
pub(crate) mod spec;
pub mod start;
pub mod state;
pub mod stats;
pub mod stop;
mod store;
pub mod streams;
pub mod update;
mod validate;
pub mod wait;

pub use record::Record;
pub use spec::renew_network_files;
pub use store::{Container, Containers};
