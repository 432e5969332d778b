//! An engine with all its ports on one emulated kernel.

use std::rc::Rc;

use bottleship_linux::{Kernel, KernelConfig};
use bottleship_oci::reference::DEFAULT_DOMAIN;
use bottleship_vfs::Quota;

use super::http::LoopbackFetch;
use super::{
    EmulatedNetwork, EmulatedRuntime, EmulatedSnapshots, EmulatedVolumes, StoredContent,
    builtin_registry,
};
use crate::clock::{Clock, Entropy};
use crate::content::ContentStore;
use crate::dirs::HostDirs;
use crate::engine::Ports;
use crate::executor::Executor;
use crate::fetch::Fetch;
use crate::layer::Limits;
use crate::network::Network;
use crate::registry::{self, Fallback, Hub, Open, Registry};
use crate::snapshot::SnapshotError;
use crate::store::Store;
use crate::{Config, Engine};

/// What the embedder hands in.
pub struct Outside {
    /// Durable state.
    pub store: Rc<dyn Store>,
    /// HTTP to elsewhere.
    pub fetch: Rc<dyn Fetch>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Randomness.
    pub entropy: Rc<dyn Entropy>,
}

/// How big the emulated machine is.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Bytes of memory for all processes together.
    pub memory: u64,
    /// Bytes of layers, containers' changes and volumes together.
    pub disk: u64,
    /// Bytes of layers where these lie outside of memory; in memory they count as disk.
    pub layers: u64,
    /// Files of them.
    pub inodes: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// Where pointers have 32 bits, all files and all processes share 4 GiB with what is done with them.
const DISK: u64 = if cfg!(target_pointer_width = "32") {
    1 << 30
} else {
    4 << 30
};

impl Default for Machine {
    fn default() -> Self {
        Machine {
            memory: 1 << 30,
            disk: DISK,
            layers: 64 << 30,
            inodes: 1 << 20,
            pids: 4096,
        }
    }
}

/// An emulated kernel that nothing runs on yet.
pub fn kernel(machine: &Machine, hostname: &str, entropy: &dyn Entropy) -> Kernel {
    let mut entropy_seed = [0; 32];
    entropy.fill(&mut entropy_seed);
    Kernel::new(KernelConfig {
        hostname: hostname.into(),
        memory_limit: machine.memory,
        pids_limit: machine.pids,
        entropy_seed,
    })
}

/// An engine whose containers run on `kernel` and whose bind mounts show `host`.
///
/// # Errors
/// When the machine's disk has no room for the engine's own few files.
pub fn assemble(
    kernel: Kernel,
    machine: &Machine,
    outside: Outside,
    host: Rc<dyn HostDirs>,
    config: Config,
) -> Result<Engine, SnapshotError> {
    assemble_with(kernel, machine, outside, host, config, |network, _| network)
}

/// As [`assemble`], with `wrap` around the network: a native host makes published ports its own, too.
pub fn assemble_with(
    kernel: Kernel,
    machine: &Machine,
    outside: Outside,
    host: Rc<dyn HostDirs>,
    config: Config,
    wrap: impl FnOnce(Rc<dyn Network>, &Executor) -> Rc<dyn Network>,
) -> Result<Engine, SnapshotError> {
    let Outside {
        store,
        fetch,
        clock,
        entropy,
    } = outside;
    let disk = Quota::new(machine.disk, machine.inodes);
    let file_clock = kernel.clock();
    let fetch: Rc<dyn Fetch> = Rc::new(LoopbackFetch::new(kernel.clone(), fetch));
    let executor = Executor::new();
    let content = Rc::new(StoredContent::new(store.clone()));
    let layers = match content.is_outside() {
        true => Quota::new(machine.layers, machine.inodes),
        false => disk.clone(),
    };
    let limits = Limits {
        archive_bytes: layers.bytes(),
        entries: machine.inodes,
        ..Limits::default()
    };
    let snapshots = EmulatedSnapshots::new(
        content.clone(),
        store.clone(),
        file_clock.clone(),
        (layers, disk.clone()),
        limits,
    )?;
    let network = EmulatedNetwork::new(kernel.clone());
    let programs = kernel.clone();
    let runtime =
        EmulatedRuntime::new(kernel, clock.clone(), executor.clone(), network.sandboxes());
    let ports = Ports {
        content,
        snapshots: Rc::new(snapshots),
        runtime: Rc::new(runtime),
        network: wrap(Rc::new(network), &executor),
        volumes: Rc::new(EmulatedVolumes::new(
            store.clone(),
            file_clock.clone(),
            disk,
        )),
        host,
        file_clock,
        store,
        fetch,
        clock,
        entropy,
        executor,
    };
    let engine = Engine::new(ports, config);
    builtin_registry::register(&programs, &engine);
    furnish(&engine);
    Ok(engine)
}

/// Gives an engine what every one has: a registry of its own at localhost:5000, and the keeping of what containers write.
pub fn furnish(engine: &Engine) {
    let registry = own_registry(engine.ports());
    for domain in ["localhost:5000", "127.0.0.1:5000"] {
        engine.images().attach_registry(domain, registry.clone());
    }
    crate::keeper::keep(engine);
}

/// Gives an engine a Docker Hub of its own, before the site's and the real one: what a learner pushes stays with them.
pub fn open_hub(engine: &Engine) {
    let ports = engine.ports();
    let hub = Hub::new(
        Rc::new(StoredContent::of_hub(ports.store.clone())),
        ports.store.clone(),
        ports.clock.clone(),
        ports.entropy.clone(),
    );
    engine
        .images()
        .attach_registry(DEFAULT_DOMAIN, Rc::new(hub));
}

/// The engine's own registry, at an address where no other one answers.
fn own_registry(ports: &Ports) -> Rc<dyn Fetch> {
    let content = StoredContent::of_registry(ports.store.clone());
    let registry = Registry::new(
        Rc::new(content),
        ports.store.clone(),
        ports.clock.clone(),
        ports.entropy.clone(),
        Rc::new(Open),
        registry::Limits::default(),
    );
    let outside = ports.fetch.clone();
    Rc::new(Fallback { outside, registry })
}
