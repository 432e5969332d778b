//! `bottleship daemon`: a Docker daemon on the emulated runtime.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use bottleship_engine::clock::Entropy;
use bottleship_engine::emulated::{self, Machine, Outside};
use bottleship_engine::{Config, Engine};
use clap::Args;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;

use crate::daemon::http::{self, Access};
use crate::daemon::thread::EngineHandle;
use crate::host::{DiskStore, HostFiles, HostPorts, NetworkFetch, OsEntropy, SystemClock};

#[derive(Args)]
pub struct Daemon {
    /// Where to listen, unix://PATH or tcp://HOST:PORT; may be given several times
    #[arg(
        short = 'H',
        long = "host",
        default_value = "unix:///var/run/bottleship.sock"
    )]
    hosts: Vec<String>,
    /// Directory for images, containers and volumes
    #[arg(long, env = "BOTTLESHIP_DATA", default_value = "/var/lib/bottleship")]
    data: PathBuf,
    /// Registries asked before Docker Hub
    #[arg(long = "registry-mirror", value_name = "URL")]
    mirrors: Vec<String>,
    /// Registries that may be spoken to over plain HTTP, besides loopback addresses
    #[arg(long = "insecure-registry", value_name = "HOST")]
    insecure: Vec<String>,
    /// Bytes of memory for all containers together
    #[arg(long, default_value_t = Machine::default().memory)]
    memory: u64,
    /// Bytes of disk for all images, containers and volumes together
    #[arg(long, default_value_t = Machine::default().disk)]
    disk: u64,
}

enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener, Access),
}

impl Daemon {
    pub fn run(self) -> Result<ExitCode> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let mut listeners = Vec::new();
            for host in &self.hosts {
                listeners.push(listen(host).await?);
            }
            let sockets: Vec<PathBuf> = listeners
                .iter()
                .filter_map(|listener| match listener {
                    Listener::Unix(_, path) => Some(path.clone()),
                    Listener::Tcp(..) => None,
                })
                .collect();
            let handle = Handle::current();
            let engine = EngineHandle::start(move || self.engine(handle))?;
            for listener in listeners {
                tokio::spawn(accept(listener, engine.clone()));
            }
            super::terminated().await;
            for socket in sockets {
                let _ = std::fs::remove_file(socket);
            }
            anyhow::Ok(())
        })?;
        // Connections that still stream would keep the runtime waiting.
        runtime.shutdown_background();
        Ok(ExitCode::SUCCESS)
    }

    fn engine(&self, runtime: Handle) -> Result<Engine> {
        std::fs::create_dir_all(&self.data)
            .with_context(|| format!("can't make the data directory {}", self.data.display()))?;
        let machine = Machine {
            memory: self.memory,
            disk: self.disk,
            ..Machine::default()
        };
        let hostname = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let entropy: Rc<dyn Entropy> = Rc::new(OsEntropy);
        let kernel = emulated::kernel(&machine, &hostname, &*entropy);
        let outside = Outside {
            store: Rc::new(DiskStore::open(&self.data)?),
            fetch: Rc::new(NetworkFetch::new(runtime.clone())?),
            clock: Rc::new(SystemClock::new()),
            entropy,
        };
        let config = Config {
            hostname,
            root_dir: self.data.display().to_string(),
            registry_mirrors: self.mirrors.clone(),
            insecure_registries: self.insecure.clone(),
            ..Config::default()
        };
        let host = Rc::new(HostFiles::new());
        let ports_kernel = kernel.clone();
        emulated::assemble_with(
            kernel,
            &machine,
            outside,
            host,
            config,
            |network, executor| {
                Rc::new(HostPorts::new(
                    network,
                    ports_kernel,
                    executor.clone(),
                    runtime,
                ))
            },
        )
        .context("can't make the engine")
    }
}

async fn listen(host: &str) -> Result<Listener> {
    match host.split_once("://") {
        Some(("unix", path)) => {
            let path = PathBuf::from(path);
            if std::os::unix::net::UnixStream::connect(&path).is_ok() {
                bail!("another daemon listens on {}", path.display());
            }
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path)
                .with_context(|| format!("can't listen on {}", path.display()))?;
            // Whoever can open the socket is this user's equal.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            Ok(Listener::Unix(listener, path))
        }
        Some(("tcp", address)) => {
            let addresses: Vec<SocketAddr> = address
                .to_socket_addrs()
                .with_context(|| format!("{host}: not an address and port"))?
                .collect();
            if let Some(open) = addresses.iter().find(|address| !address.ip().is_loopback()) {
                bail!(
                    "refusing to listen on {open}: whoever reaches a Docker daemon without TLS owns it. \
                     Listen on 127.0.0.1, or on a unix socket"
                );
            }
            let listener = TcpListener::bind(&addresses[..])
                .await
                .with_context(|| format!("can't listen on {address}"))?;
            let port = listener.local_addr()?.port();
            Ok(Listener::Tcp(listener, Access::loopback(port)))
        }
        _ => bail!("{host}: listen on unix://PATH or tcp://HOST:PORT"),
    }
}

async fn accept(listener: Listener, engine: EngineHandle) {
    loop {
        match &listener {
            Listener::Unix(listener, _) => {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(http::serve(stream, engine.clone(), Access::Socket));
                    continue;
                }
            }
            Listener::Tcp(listener, access) => {
                if let Ok((stream, _)) = listener.accept().await {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(http::serve(stream, engine.clone(), access.clone()));
                    continue;
                }
            }
        }
        // Out of descriptors: those that are open will close.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
