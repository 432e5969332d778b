//! The engine's ports on a real Linux: an OCI runtime, overlayfs, bridges, control groups.

pub mod cgroup;
pub mod cli;
mod dns;
pub mod network;
pub mod os;
mod process;
pub mod proxy;
mod runtime;
mod seccomp;
mod self_test;
mod snapshot;
mod spec;
mod streams;
mod table;
pub mod uplink;
mod volumes;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use bottleship_engine::clock::{Clock, Entropy};
use bottleship_engine::dirs::HostDirs;
use bottleship_engine::emulated::{HostRoot, StoredContent, furnish};
use bottleship_engine::executor::Executor;
use bottleship_engine::fetch::Fetch;
use bottleship_engine::layer::Limits;
use bottleship_engine::runtime::ResourceLimits;
use bottleship_engine::snapshot::RootFs;
use bottleship_engine::store::Store;
use bottleship_engine::{Config, Engine, Ports};
use rustix::fs::FlockOperation;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use cgroup::Layout;
use cli::Cli;
use network::{Namespace, OciNetwork};
pub use runtime::{OciRuntime, Setup};
pub use snapshot::{KernelSnapshots, Places, try_overlay};
pub use spec::Walls;
pub use volumes::DiskVolumes;

/// The control group of all servers' groups.
const TOP: &str = "/bottleship";
/// Where runtimes keep what does not outlast a boot.
const RUN: &str = "/run/bottleship";

/// This machine, made ready for containers by one server.
pub struct Machine {
    /// The runtime that was chosen.
    pub cli: Cli,
    /// Why it, and what it lacks; for people.
    pub statement: String,
    /// How control groups are laid out.
    pub layout: Layout,
    /// The control group of everything this server starts.
    pub cgroup: String,
    /// Directory for sockets and bundles, short enough for sockets.
    pub run: PathBuf,
    /// Names what belongs to this data directory among what belongs to others.
    pub name: String,
    /// Held while this server runs: nobody else sweeps.
    _lock: OwnedFd,
}

/// Takes what has to be taken before there is a second thread: a mount namespace, and the orphans.
///
/// # Errors
/// Without root.
pub fn enter(runtime: Option<&str>) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "containers on the kernel need root. Without it, `--runtime emulated` runs them in an emulator"
        );
    }
    os::private_mounts()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("can't become the parent of orphans")?;
    // crun takes a hybrid layout for version 2 and refuses it; in this mount namespace it sees version 1 only.
    let is_crun = !runtime.is_some_and(|name| name.contains("runc") || name.contains("runsc"));
    let unified = Path::new("/sys/fs/cgroup/unified");
    if is_crun && unified.join("cgroup.procs").exists() {
        os::detach(unified);
    }
    Ok(())
}

impl Machine {
    /// Chooses a runtime, sweeps what a server that was killed left behind, and tries a container.
    ///
    /// # Errors
    /// With what this machine lacks.
    pub fn prepare(data: &Path, wanted: Option<&str>) -> Result<Machine> {
        fs::create_dir_all(data)
            .with_context(|| format!("can't make the data directory {}", data.display()))?;
        let data = fs::canonicalize(data)?;
        let digest = hex(&Sha256::digest(data.as_os_str().as_encoded_bytes()));
        let name = digest.get(..8).unwrap_or_default().to_owned();
        let run = Path::new(RUN).join(&name);
        // Containers' root walks through it; only root lists it.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&run)
            .with_context(|| format!("can't make {}", run.display()))?;
        let lock = fs::File::create(run.join("lock"))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .with_context(|| format!("another server uses {}", data.display()))?;
        let state = run.join("runtime");
        fs::create_dir_all(&state)?;
        let cli = Cli::find(wanted, &state)?;
        let layout = Layout::detect();
        let machine = Machine {
            cgroup: format!("{TOP}/{name}"),
            statement: String::new(),
            _lock: lock.into(),
            cli,
            layout,
            run,
            name,
        };
        machine.sweep();
        machine
            .layout
            .make_parent(&machine.cgroup, &ResourceLimits::default())?;
        try_overlay(&data).with_context(|| {
            format!(
                "{} is on a file system that overlayfs can't use",
                data.display()
            )
        })?;
        let took = self_test::run(&machine).with_context(|| {
            format!(
                "{} can't run a container here",
                machine.cli.binary.display()
            )
        })?;
        let why = match wanted {
            Some(_) => "as asked for",
            None => "found first of crun, runc",
        };
        let mut statement = format!(
            "runtime: {} {} at {} ({why}); a trial container took {} ms; cgroups version {}",
            machine.cli.name,
            machine.cli.version,
            machine.cli.binary.display(),
            took.as_millis(),
            machine.layout.version(),
        );
        let missing = machine.layout.missing();
        if !missing.is_empty() {
            statement.push_str(&format!("; no control group for {}", missing.join(", ")));
        }
        if let Some(holes) = machine.cli.known_holes() {
            statement.push_str(&format!("; warning: {holes}"));
        }
        Ok(Machine {
            statement,
            ..machine
        })
    }

    /// Ends and removes everything that a former server of this data directory started.
    pub fn sweep(&self) {
        for id in self.cli.list() {
            let _ = self.cli.call(&["delete", "--force", &id], None);
        }
        self.layout.remove(&self.cgroup);
        for dir in ["runtime", "bundles", "sessions"] {
            let _ = fs::remove_dir_all(self.run.join(dir));
        }
        let _ = fs::create_dir_all(self.run.join("runtime"));
        uplink::remove(&self.name);
    }
}

impl Machine {
    /// As [`Machine::sweep`], when the server ends: its own directories and groups go, too.
    pub fn finish(&self) {
        self.sweep();
        let _ = fs::remove_dir_all(&self.run);
        self.layout.remove_empty(TOP);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where one engine keeps its things, and how it runs containers.
pub struct Place {
    /// Directory of the store and of volumes.
    pub data: PathBuf,
    /// Where layers and containers' changes are.
    pub places: Places,
    /// How containers are run.
    pub setup: Setup,
    /// Where its bridges are.
    pub bridges: Namespace,
    /// Where its published ports are listened on.
    pub ports: Namespace,
    /// What layers may be like.
    pub limits: Limits,
    /// The layers of a host of the engine's own, topmost first; none where the host is this machine.
    pub host_layers: Vec<PathBuf>,
}

/// The embedder's own ports.
pub struct Outside {
    /// Durable state.
    pub store: Rc<dyn Store>,
    /// HTTP to elsewhere.
    pub fetch: Rc<dyn Fetch>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Randomness.
    pub entropy: Rc<dyn Entropy>,
    /// What bind mounts show; without it, the engine's own host.
    pub host: Option<Rc<dyn HostDirs>>,
}

/// Makes a directory that containers' root can walk through.
///
/// # Errors
/// What the file system says.
pub fn open_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?;
    Ok(())
}

/// An engine whose containers are processes of this machine, and the root of its own host if it has one.
///
/// # Errors
/// When its directories can't be made.
pub fn assemble(
    place: Place,
    tokio: Handle,
    outside: Outside,
    config: Config,
) -> Result<(Engine, Option<RootFs>)> {
    let executor = Executor::new();
    let file_clock = bottleship_vfs::Clock::new();
    let content = Rc::new(StoredContent::new(outside.store.clone()));
    for dir in [&place.data, &place.setup.bundles] {
        open_dir(dir)?;
    }
    let walls = place.setup.walls.clone();
    let snapshots = KernelSnapshots::new(
        content.clone(),
        outside.store.clone(),
        file_clock.clone(),
        place.limits,
        place.places,
        walls.clone(),
    )?;
    let host_root = match place.host_layers.is_empty() {
        true => None,
        false => Some(snapshots.host_root(&place.host_layers)?),
    };
    let host = match (outside.host, &host_root) {
        (Some(host), _) => host,
        (None, Some(root)) => Rc::new(HostRoot::new(root.fs.clone())),
        (None, None) => bail!("an engine needs a host for its bind mounts"),
    };
    let network = Rc::new(OciNetwork::new(
        tokio.clone(),
        executor.clone(),
        place.bridges,
        place.ports,
    ));
    let volumes = place.data.join("volumes");
    open_dir(&volumes)?;
    let ports = Ports {
        content,
        snapshots: Rc::new(snapshots),
        runtime: Rc::new(OciRuntime::new(
            place.setup,
            tokio,
            executor.clone(),
            network.clone(),
        )),
        network,
        volumes: Rc::new(DiskVolumes::new(volumes, walls.base())),
        host,
        file_clock,
        store: outside.store,
        fetch: outside.fetch,
        clock: outside.clock,
        entropy: outside.entropy,
        executor,
    };
    let engine = Engine::new(ports, config);
    furnish(&engine);
    Ok((engine, host_root))
}
