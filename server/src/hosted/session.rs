//! A session: an engine, a host of its own to sit at, and everything that holds both in bounds.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bottleship_engine::Engine;
use bottleship_engine::container::create::{MASKED_PATHS, READONLY_PATHS};
use bottleship_engine::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};
use bottleship_engine::layer::Limits;
use bottleship_engine::runtime::{
    ContainerSpec, MountSource, NamespaceMode, ProcessSpec, ResourceLimits, RuntimeMount,
};
use bottleship_engine::snapshot::RootFs;
use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::admission::Permit;
use super::config::Config;
use super::disk::Disk;
use super::terminal::{self, Input, Terminal};
use crate::daemon::access::Access;
use crate::daemon::http;
use crate::daemon::thread::EngineHandle;
use crate::host::{DiskStore, OsEntropy, SITE_BASE, SiteFetch, SystemClock};
use crate::oci::network::{self, Namespace};
use crate::oci::{self, Machine};

/// Connections to a session's docker socket at a time.
const CONNECTIONS: usize = 64;
/// The host container's name among the runtime's.
pub const HOST: &str = "host";

/// What sessions are made with.
pub struct Maker {
    /// This machine.
    pub machine: Arc<Machine>,
    /// The operator's settings.
    pub config: Arc<Config>,
    /// Directory for sessions' disks.
    pub disks: PathBuf,
    /// Directory of layers that all sessions read.
    pub shared: PathBuf,
    /// The layers of a session's host.
    pub host_layers: Vec<PathBuf>,
    /// Directory of the site, whose images are pulled.
    pub site: PathBuf,
    /// Where tasks run.
    pub tokio: Handle,
}

/// A terminal, and where it is told its size.
type Opened = (Terminal, mpsc::Sender<(u16, u16)>);

/// A visitor's Docker host.
pub struct Session {
    /// What a visitor shows to use it; never logged.
    pub id: String,
    /// What its published ports are found by; tells nothing about the id.
    pub preview: String,
    /// Its number among those there can be; for logs.
    pub slot: usize,
    /// The network its ports are in.
    pub network: Namespace,
    /// When it ends.
    pub expires: Mutex<Instant>,
    /// Why it ended.
    pub ended: watch::Sender<Option<String>>,
    connected: AtomicUsize,
    idle_since: Mutex<Instant>,
    terminals: tokio::sync::Mutex<BTreeMap<u8, Opened>>,
    engine: Mutex<Option<EngineHandle>>,
    socket: AbortHandle,
    permit: Mutex<Option<Permit>>,
    remains: Mutex<Option<Remains>>,
    rate: u64,
    most_terminals: usize,
}

/// What has to be taken away when it ended.
struct Remains {
    machine: Arc<Machine>,
    cli: oci::cli::Cli,
    cgroup: String,
    run: PathBuf,
    _disk: Disk,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Docker's default capabilities; what strangers don't get of them is taken away later.
pub fn capabilities() -> Vec<String> {
    bottleship_engine::container::caps::effective(&[], &[], false).unwrap_or_default()
}

/// There is nothing outside but the site's images.
struct Nowhere;

#[async_trait::async_trait(?Send)]
impl Fetch for Nowhere {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let host = request.url.split('/').nth(2).unwrap_or_default().to_owned();
        Err(FetchError(format!(
            "dial tcp: lookup {host}: this session has no way out to the internet"
        )))
    }
}

/// Does something on an engine's thread, and waits for it.
///
/// # Errors
/// When the engine has stopped.
pub async fn on_engine<T: Send + 'static>(
    engine: &EngineHandle,
    work: impl FnOnce(Engine) -> LocalBoxFuture<'static, T> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    engine.post(move |engine| {
        let task = work(engine.clone());
        engine.executor().spawn(async move {
            let _ = answer.send(task.await);
        });
    })?;
    answered.await.context("the session's engine has stopped")
}

impl Maker {
    fn base(&self, slot: usize) -> u32 {
        let slot = u32::try_from(slot).unwrap_or(0);
        self.config.first_id + slot * oci::os::RANGE
    }

    /// Makes a session with its host running; it starts to count when it is given away.
    ///
    /// # Errors
    /// With what this machine refused.
    pub async fn make(&self, slot: usize) -> Result<Session> {
        let name = slot.to_string();
        let cgroup = format!("{}/session-{slot}", self.machine.cgroup);
        let run = self.machine.run.join("sessions").join(&name);
        let cli = self.machine.cli.with_root(run.join("runtime"));
        let settings = self.config.session.clone();
        let base = self.base(slot);
        let (layout, group) = (self.machine.layout.clone(), cgroup.clone());
        let (disks, directory) = (self.disks.clone(), run.clone());
        let prepared = self.tokio.spawn_blocking(move || -> Result<_> {
            layout.remove(&group);
            let _ = std::fs::remove_dir_all(&directory);
            oci::open_dir(&directory)?;
            oci::open_dir(&directory.join("runtime"))?;
            layout.make_parent(
                &group,
                &ResourceLimits {
                    memory: Some(settings.memory),
                    memory_swap: Some(settings.memory),
                    pids: Some(settings.pids),
                    cpu_quota: Some(settings.milli_cpus * 100),
                    cpu_period: Some(100_000),
                    cpu_shares: None,
                },
            )?;
            let disk = Disk::make(
                &disks,
                &directory_name(&directory),
                settings.disk,
                settings.inodes,
            )?;
            let (users, network) = oci::os::new_users(base)?;
            let network = network::make_ready(network)?;
            oci::os::in_network(network.as_fd(), || -> std::io::Result<()> {
                let ip = "/proc/sys/net/ipv4";
                std::fs::write(format!("{ip}/ip_unprivileged_port_start"), "0")?;
                std::fs::write(
                    format!("{ip}/ping_group_range"),
                    format!("{base} {}", base + oci::os::RANGE - 1),
                )
            })??;
            Ok((disk, users, network))
        });
        let (disk, users, network) = prepared.await??;
        let remains = Remains {
            machine: self.machine.clone(),
            cli: cli.clone(),
            cgroup: cgroup.clone(),
            run: run.clone(),
            _disk: disk,
        };
        match self.assemble(slot, users, &remains, &network).await {
            Ok((engine, socket)) => Ok(Session {
                id: super::secret(),
                preview: super::secret(),
                slot,
                network,
                expires: Mutex::new(Instant::now() + self.config.lifetime()),
                ended: watch::channel(None).0,
                connected: AtomicUsize::new(0),
                idle_since: Mutex::new(Instant::now()),
                terminals: tokio::sync::Mutex::default(),
                engine: Mutex::new(Some(engine)),
                socket,
                permit: Mutex::new(None),
                remains: Mutex::new(Some(remains)),
                rate: self.config.session.output_rate,
                most_terminals: self.config.session.terminals,
            }),
            Err(error) => {
                let _ = self.tokio.spawn_blocking(move || drop(remains)).await;
                Err(error)
            }
        }
    }

    async fn assemble(
        &self,
        slot: usize,
        users: oci::os::Users,
        remains: &Remains,
        network: &Namespace,
    ) -> Result<(EngineHandle, AbortHandle)> {
        let disk = remains._disk.path().to_owned();
        let socket = remains.run.join("docker.sock");
        let listener = UnixListener::bind(&socket)?;
        std::os::unix::fs::chown(&socket, Some(users.base), Some(users.base))?;
        let place = oci::Place {
            places: oci::Places {
                layers: disk.join("layers"),
                shared: Some(self.shared.clone()),
                snapshots: disk.join("snapshots"),
                mapped: disk.join("mapped"),
            },
            setup: oci::Setup {
                cli: remains.cli.clone(),
                walls: oci::Walls {
                    users: Some(Arc::new(users)),
                    memory: Some(self.config.session.memory / 8 * 7),
                    strangers: true,
                },
                cgroup: remains.cgroup.clone(),
                bundles: remains.run.join("bundles"),
            },
            bridges: network.clone(),
            ports: network.clone(),
            limits: Limits {
                archive_bytes: self.config.session.disk,
                entries: self.config.session.inodes,
                max_id: oci::os::RANGE - 1,
                ..Limits::default()
            },
            host_layers: self.host_layers.clone(),
            data: disk.clone(),
        };
        let config = bottleship_engine::Config {
            hostname: "docker".into(),
            registry_mirrors: vec![SITE_BASE.into()],
            max_containers: self.config.session.containers,
            max_archive: usize::try_from(self.config.session.disk / 2).unwrap_or(1 << 30),
            ..bottleship_engine::Config::default()
        };
        let (tokio, site) = (self.tokio.clone(), self.site.clone());
        let (roots, root) = std::sync::mpsc::channel();
        let started = self.tokio.spawn_blocking(move || {
            EngineHandle::start(move || {
                let outside = oci::Outside {
                    store: Rc::new(DiskStore::open(&disk)?),
                    fetch: Rc::new(SiteFetch::new(site, Rc::new(Nowhere))),
                    clock: Rc::new(SystemClock::new()),
                    entropy: Rc::new(OsEntropy),
                    host: None,
                };
                let (engine, host) = oci::assemble(place, tokio, outside, config)?;
                let host = host.context("a session has a host of its own")?;
                start_host(&engine, host, &socket, roots);
                Ok(engine)
            })
        });
        let engine = started.await??;
        let running = self.tokio.spawn_blocking(move || {
            root.recv_timeout(Duration::from_secs(60))
                .context("the session's host does not start")?
        });
        if let Err(error) = running.await? {
            bail!("session {slot}: its host: {error}");
        }
        let serving = self.tokio.spawn(serve(listener, engine.clone()));
        Ok((engine, serving.abort_handle()))
    }
}

fn directory_name(path: &std::path::Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Runs the host's first process, and says how that went.
fn start_host(
    engine: &Engine,
    rootfs: RootFs,
    socket: &std::path::Path,
    told: std::sync::mpsc::Sender<Result<()>>,
) {
    let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    let spec = ContainerSpec {
        id: HOST.into(),
        rootfs,
        read_only_rootfs: false,
        process: ProcessSpec {
            // A shell reaps what its children leave.
            args: owned(&[
                "/bin/sh",
                "-c",
                "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done",
            ]),
            env: owned(&["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]),
            cwd: "/".into(),
            capabilities: capabilities(),
            no_new_privileges: true,
            ..ProcessSpec::default()
        },
        init: false,
        hostname: "docker".into(),
        domainname: String::new(),
        pid_namespace: NamespaceMode::Private,
        ipc_namespace: NamespaceMode::Private,
        uts_namespace: NamespaceMode::Private,
        network: None,
        mounts: vec![RuntimeMount {
            source: MountSource::HostPath(socket.display().to_string()),
            target: "/run/docker.sock".into(),
            read_only: false,
            options: Vec::new(),
            device: "tmpfs".into(),
        }],
        shm_size: 16 << 20,
        limits: ResourceLimits::default(),
        sysctls: Vec::new(),
        masked_paths: owned(&MASKED_PATHS),
        readonly_paths: owned(&READONLY_PATHS),
        privileged: false,
        devices: Vec::new(),
        seccomp: true,
    };
    let on = engine.clone();
    engine.executor().spawn(async move {
        let started = async {
            on.loaded()
                .await
                .map_err(|error| anyhow::anyhow!(error.message))?;
            let spawned = on.ports().runtime.create(spec).await?;
            spawned.process.start().await?;
            // What it says is nobody's.
            for mut stream in [spawned.stdio.stdout, spawned.stdio.stderr]
                .into_iter()
                .flatten()
            {
                on.executor()
                    .spawn(async move { while let Some(Ok(_)) = stream.read().await {} });
            }
            anyhow::Ok(())
        };
        let _ = told.send(started.await);
    });
}

/// Serves the session's docker socket.
async fn serve(listener: UnixListener, engine: EngineHandle) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Connections end with the session: the set aborts them when it is dropped.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let engine = engine.clone();
        connections.spawn(async move {
            http::serve(stream, engine, Access::socket()).await;
            drop(permit);
        });
    }
}

/// A connected terminal, for as long as it is held.
pub struct Connected(Arc<Session>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
        *lock(&self.0.idle_since) = Instant::now();
    }
}

impl Session {
    /// Gives it to a visitor: its time starts now.
    pub fn give(&self, permit: Permit, lifetime: Duration) {
        *lock(&self.permit) = Some(permit);
        *lock(&self.expires) = Instant::now() + lifetime;
        *lock(&self.idle_since) = Instant::now();
    }

    /// Time that is left.
    pub fn left(&self) -> Duration {
        lock(&self.expires).saturating_duration_since(Instant::now())
    }

    /// For how long nobody has been connected.
    pub fn idle(&self) -> Duration {
        match self.connected.load(Ordering::Relaxed) {
            0 => lock(&self.idle_since).elapsed(),
            _ => Duration::ZERO,
        }
    }

    /// Notes that somebody is connected.
    pub fn connect(self: &Arc<Self>) -> Connected {
        self.connected.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }

    /// Its engine, while it lasts.
    ///
    /// # Errors
    /// When it ended.
    pub fn engine(&self) -> Result<EngineHandle> {
        lock(&self.engine).clone().context("the session has ended")
    }

    /// A terminal by number, with a fresh shell when there is none.
    ///
    /// # Errors
    /// When there are as many as may be, or no shell starts.
    pub async fn terminal(&self, number: u8) -> Result<Opened> {
        let mut terminals = self.terminals.lock().await;
        terminals.retain(|_, (terminal, _)| !terminal.attach.is_closed());
        if let Some(found) = terminals.get(&number) {
            return Ok(found.clone());
        }
        if terminals.len() >= self.most_terminals {
            bail!("a session has {} terminals at most", self.most_terminals);
        }
        let size = (24, 80);
        let (output, from_shell) = mpsc::channel(4);
        let (input, to_shell) = mpsc::channel::<Input>(16);
        let (attach, attached) = mpsc::channel(1);
        let (resize, resized) = mpsc::channel(4);
        let engine = self.engine()?;
        on_engine(&engine, move |engine| {
            Box::pin(async move {
                terminal::shell(&engine, HOST, size, output, to_shell)
                    .await
                    .map_err(|error| error.to_string())
            })
        })
        .await?
        .map_err(|error| anyhow::anyhow!("no shell: {error}"))?;
        tokio::spawn(terminal::follow(
            size, self.rate, from_shell, attached, resized,
        ));
        let made = (Terminal { input, attach }, resize);
        terminals.insert(number, made.clone());
        Ok(made)
    }

    /// Ends it: tells everybody why, and takes everything away. To be called off tokio's own threads.
    pub fn end(&self, reason: &str) {
        let told = self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(reason.to_owned());
            }
            first
        });
        if !told {
            return;
        }
        self.socket.abort();
        self.terminals.blocking_lock().clear();
        let engine = lock(&self.engine).take();
        let remains = lock(&self.remains).take();
        if let Some(remains) = &remains {
            // First of all nothing runs any more.
            remains.machine.layout.remove(&remains.cgroup);
        }
        drop(engine);
        drop(remains);
        drop(lock(&self.permit).take());
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        self.machine.layout.remove(&self.cgroup);
        for id in self.cli.list() {
            let _ = self.cli.call(&["delete", "--force", &id], None);
        }
        self.machine.layout.remove(&self.cgroup);
        let _ = std::fs::remove_dir_all(&self.run);
    }
}
