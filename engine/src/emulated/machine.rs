//! An engine with everything it needs in one process: the emulated kernel, its
//! networks, layers and volumes in memory.

use std::rc::Rc;

use bottleship_linux::{Kernel, KernelConfig};
use bottleship_vfs::{Errno, FileSystem, Quota, Tmpfs};

use super::{EmulatedNetwork, EmulatedRuntime, EmulatedSnapshots, EmulatedVolumes, HostRoot, StoredContent};
use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::engine::{Engine, Ports};
use crate::executor::Executor;
use crate::fetch::Fetch;
use crate::layer::Limits;
use crate::snapshot::SnapshotError;
use crate::store::Store;

/// What the embedder provides.
#[derive(Clone)]
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

/// The emulated machine's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// Bytes of memory for all processes.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes of files: layers, containers, volumes and the host together.
    pub disk: u64,
    /// Inodes of the same.
    pub inodes: u64,
}

impl Default for MachineConfig {
    fn default() -> Self {
        MachineConfig { memory: 1 << 30, pids: 4096, disk: 2 << 30, inodes: 1 << 20 }
    }
}

/// Why a machine could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// The disk is too small even to begin with, or something like it.
    #[error("{0}: {1}")]
    Files(&'static str, Errno),
    /// Layers cannot be kept.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
    /// The host's root archive cannot be unpacked.
    #[error("the host's root file system: {0}")]
    Root(String),
    /// The store cannot be read.
    #[error("{0}")]
    Store(String),
}

/// An engine on an emulated kernel.
#[derive(Clone)]
pub struct Machine {
    /// The engine.
    pub engine: Engine,
    /// The kernel its containers run on.
    pub kernel: Kernel,
    /// The disk all files are on.
    pub disk: Quota,
}

impl Machine {
    /// A machine whose host has no files: bind mounts find empty directories.
    pub fn new(outside: Outside, machine: &MachineConfig, config: Config) -> Result<Self, MachineError> {
        let (kernel, disk) = Self::kernel(&outside, machine, &config);
        let root = Tmpfs::new(&kernel.clock(), disk.clone()).map_err(|errno| MachineError::Files("making the host's files", errno))?;
        Self::with_root(outside, config, kernel, disk, root)
    }

    /// A kernel and a disk of the machine's size.
    pub(super) fn kernel(outside: &Outside, machine: &MachineConfig, config: &Config) -> (Kernel, Quota) {
        let mut entropy_seed = [0; 32];
        outside.entropy.fill(&mut entropy_seed);
        let kernel = Kernel::new(KernelConfig {
            hostname: config.hostname.clone(),
            memory_limit: machine.memory,
            pids_limit: machine.pids,
            entropy_seed,
        });
        (kernel, Quota::new(machine.disk, machine.inodes))
    }

    /// An engine on that kernel whose bind mounts come from `root`.
    pub(super) fn with_root(
        outside: Outside,
        config: Config,
        kernel: Kernel,
        disk: Quota,
        root: Rc<dyn FileSystem>,
    ) -> Result<Self, MachineError> {
        let Outside { store, fetch, clock, entropy } = outside;
        let executor = Executor::new();
        let file_clock = kernel.clock();
        let content = Rc::new(StoredContent::new(store.clone()));
        let limits = Limits { archive_bytes: disk.bytes(), ..Limits::default() };
        let snapshots = EmulatedSnapshots::new(content.clone(), store.clone(), file_clock.clone(), disk.clone(), limits)?;
        let network = EmulatedNetwork::new(kernel.clone());
        let runtime = EmulatedRuntime::new(kernel.clone(), clock.clone(), executor.clone(), network.sandboxes());
        let ports = Ports {
            content,
            snapshots: Rc::new(snapshots),
            runtime: Rc::new(runtime),
            network: Rc::new(network),
            volumes: Rc::new(EmulatedVolumes::new(store.clone(), file_clock.clone(), disk.clone())),
            host: Rc::new(HostRoot::new(root)),
            file_clock,
            store,
            fetch,
            clock,
            entropy,
            executor,
        };
        let engine = Engine::new(ports, config);
        super::keeper::keep(&engine);
        Ok(Machine { engine, kernel, disk })
    }
}
