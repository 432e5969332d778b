//! The engine's ports on an operating system: disk, network, clocks, randomness.

mod clock;
mod dir;
mod fetch;
mod outbound;
mod ports;
mod site;
mod store;
mod tls;

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use bottleship_engine::emulated::Outside;
use bottleship_engine::fetch::Fetch;
use bottleship_engine::store::{MemoryStore, Store};

pub use clock::{OsEntropy, SystemClock};
pub use dir::{HostFiles, Kind as HostKind, descriptor};
pub use fetch::NetworkFetch;
pub use outbound::HostUplink;
pub use ports::HostPorts;
pub use site::{BASE as SITE_BASE, SiteFetch};
pub use store::DiskStore;

/// What an engine on this machine is given: its state in a directory, or in memory if there is none.
///
/// # Errors
/// The directory can't be made, or another process uses it.
pub fn outside(
    data: Option<&Path>,
    fetch: Rc<dyn Fetch>,
    clock: Rc<SystemClock>,
) -> Result<Outside> {
    let store: Rc<dyn Store> = match data {
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("can't make the data directory {}", dir.display()))?;
            Rc::new(DiskStore::open(dir)?)
        }
        None => Rc::new(MemoryStore::default()),
    };
    Ok(Outside {
        store,
        fetch,
        clock,
        entropy: Rc::new(OsEntropy),
    })
}
