//! Volumes: named directories that outlive containers.

mod store;

pub use store::{LocalMount, VolumeRecord, Volumes, mountpoint};
