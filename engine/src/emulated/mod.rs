//! The ports inside one process: containers on the emulated kernel, layers in
//! memory, state in a [`crate::store::Store`].

mod content;
mod host_dirs;
mod snapshot;
mod trees;
mod volumes;

pub use content::StoredContent;
pub use host_dirs::HostRoot;
pub use snapshot::EmulatedSnapshots;
pub use volumes::EmulatedVolumes;
