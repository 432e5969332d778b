//! Volumes: named directories that outlive containers.

mod store;

pub use store::{VolumeRecord, Volumes, mountpoint};
