//! The ports inside one process: containers on the emulated kernel, layers in
//! memory, state in a [`crate::store::Store`].

mod assemble;

mod builtin_docker;
mod builtin_registry;
mod content;
mod host;
mod host_dirs;
mod http;
mod network;
mod runtime;
mod snapshot;
pub(crate) mod stored_tree;
mod trees;
mod volumes;

pub use assemble::{Machine, Outside, assemble, assemble_with, furnish, kernel, open_hub};
pub use content::StoredContent;
pub use host::{DockerHost, HostConfig, HostError, Job, Output, Terminal};
pub use host_dirs::HostRoot;
pub use network::EmulatedNetwork;
pub use runtime::{EmulatedRuntime, Sandboxes};
pub use snapshot::EmulatedSnapshots;
pub use volumes::EmulatedVolumes;
