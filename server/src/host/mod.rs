//! The engine's ports on an operating system: disk, network, clocks, randomness.

mod clock;
mod dir;
mod fetch;
mod ports;
mod site;
mod store;
mod tls;

pub use clock::{OsEntropy, SystemClock};
pub use dir::{HostFiles, Kind as HostKind, descriptor};
pub use fetch::NetworkFetch;
pub use ports::HostPorts;
pub use site::{BASE as SITE_BASE, SiteFetch};
pub use store::DiskStore;
