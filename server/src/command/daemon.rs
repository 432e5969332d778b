//! `bottleship daemon`: a Docker daemon on the emulated runtime.

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result};
use bottleship_engine::clock::Entropy;
use bottleship_engine::emulated::{self, Machine, Outside};
use bottleship_engine::{Config, Engine};
use clap::Args;
use tokio::runtime::Handle;

use crate::daemon::listen;
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
    #[command(flatten)]
    protection: listen::Protection,
    /// Bytes of memory for all containers together
    #[arg(long, default_value_t = Machine::default().memory)]
    memory: u64,
    /// Bytes of disk for all images, containers and volumes together
    #[arg(long, default_value_t = Machine::default().disk)]
    disk: u64,
}

impl Daemon {
    pub fn run(self) -> Result<ExitCode> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            listen::raise_descriptor_limit();
            let listeners = listen::open(&self.hosts, &self.protection).await?;
            let sockets: Vec<PathBuf> = listeners
                .iter()
                .filter_map(|listener| listener.file().map(Into::into))
                .collect();
            let handle = Handle::current();
            let engine = EngineHandle::start(move || self.engine(handle))?;
            for listener in listeners {
                println!("API listen on {}", listener.address());
                tokio::spawn(listener.serve(engine.clone()));
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
