//! `bottleship daemon`: a Docker daemon, on the emulated runtime or on the kernel.

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use bottleship_engine::emulated::{self, Machine};
use bottleship_engine::layer::Limits;
use bottleship_engine::{Config, Engine};
use clap::{Args, ValueEnum};
use tokio::runtime::Handle;

use crate::daemon::listen;
use crate::daemon::thread::EngineHandle;
use crate::host::{
    self, DiskStore, HostFiles, HostPorts, HostUplink, NetworkFetch, OsEntropy, SystemClock,
};
use crate::oci::network::Namespace;
use crate::oci::{self, uplink};

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
    /// Bytes of memory for what all containers and volumes write to their files together
    #[arg(long, default_value_t = Machine::default().disk)]
    disk: u64,
    /// Bytes of disk for all images together
    #[arg(long, default_value_t = Machine::default().layers)]
    image_disk: u64,
    /// Whether emulated containers reach what this machine reaches, as Docker's do
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    outbound: bool,
    /// What containers run on
    #[arg(long, value_enum, default_value_t = RuntimeKind::Emulated)]
    runtime: RuntimeKind,
    /// With `--runtime oci`: crun, runc, or the path of another OCI runtime; the first that is installed otherwise
    #[arg(long, value_name = "NAME|PATH")]
    oci_runtime: Option<String>,
}

/// What containers run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RuntimeKind {
    /// An emulated Linux: no root, no kernel features
    Emulated,
    /// This machine's kernel, by an OCI runtime; needs root
    Oci,
}

impl Daemon {
    pub fn run(self) -> Result<ExitCode> {
        let machine = match self.runtime {
            RuntimeKind::Emulated => None,
            RuntimeKind::Oci => {
                oci::enter(self.oci_runtime.as_deref())?;
                let machine = oci::Machine::prepare(&self.data, self.oci_runtime.as_deref())?;
                eprintln!("bottleship: {}", machine.statement);
                Some(Arc::new(machine))
            }
        };
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            listen::raise_descriptor_limit();
            let terminated = super::terminated();
            let listeners = listen::open(&self.hosts, &self.protection).await?;
            let sockets: Vec<PathBuf> = listeners
                .iter()
                .filter_map(|listener| listener.file().map(Into::into))
                .collect();
            let handle = Handle::current();
            let engine = match &machine {
                None => EngineHandle::start(move || self.engine(handle))?,
                Some(machine) => {
                    let bridges = oci::network::new_namespace()?;
                    if let Err(error) = uplink::connect(&handle, &machine.name, &bridges).await {
                        eprintln!("bottleship: containers have no way out: {error:#}");
                    }
                    let machine = machine.clone();
                    EngineHandle::start(move || self.oci_engine(handle, &machine, bridges))?
                }
            };
            for listener in listeners {
                println!("API listen on {}", listener.address());
                tokio::spawn(listener.serve(engine.clone()));
            }
            terminated.await;
            for socket in sockets {
                let _ = std::fs::remove_file(socket);
            }
            anyhow::Ok(())
        })?;
        if let Some(machine) = &machine {
            machine.finish();
        }
        // Connections that still stream would keep the runtime waiting.
        runtime.shutdown_background();
        Ok(ExitCode::SUCCESS)
    }

    fn config(&self) -> Config {
        Config {
            hostname: hostname(),
            root_dir: self.data.display().to_string(),
            registry_mirrors: self.mirrors.clone(),
            insecure_registries: self.insecure.clone(),
            max_archive: usize::try_from(self.image_disk).unwrap_or(usize::MAX),
            ..Config::default()
        }
    }

    fn oci_engine(
        &self,
        runtime: Handle,
        machine: &oci::Machine,
        bridges: Namespace,
    ) -> Result<Engine> {
        let data = std::fs::canonicalize(&self.data)?;
        let place = oci::Place {
            places: oci::Places {
                layers: data.join("layers"),
                shared: None,
                snapshots: data.join("snapshots"),
                mapped: data.join("mapped"),
            },
            setup: oci::Setup {
                cli: machine.cli.clone(),
                walls: oci::Walls::default(),
                cgroup: machine.cgroup.clone(),
                bundles: machine.run.join("bundles"),
            },
            bridges,
            ports: Arc::new(oci::os::own_network()?),
            limits: Limits::default(),
            host_layers: Vec::new(),
            data: data.clone(),
        };
        let outside = oci::Outside {
            store: Rc::new(DiskStore::open(&data)?),
            fetch: Rc::new(NetworkFetch::new(runtime.clone())?),
            clock: Rc::new(SystemClock::new()),
            entropy: Rc::new(OsEntropy),
            host: Some(Rc::new(HostFiles::new())),
        };
        let (engine, _) = oci::assemble(place, runtime, outside, self.config())
            .context("can't make the engine")?;
        Ok(engine)
    }

    fn engine(&self, runtime: Handle) -> Result<Engine> {
        let machine = Machine {
            memory: self.memory,
            disk: self.disk,
            layers: self.image_disk,
            ..Machine::default()
        };
        let hostname = hostname();
        let fetch = Rc::new(NetworkFetch::new(runtime.clone())?);
        let outside = host::outside(Some(&self.data), fetch, Rc::new(SystemClock::new()))?;
        let kernel = emulated::kernel(&machine, &hostname, &*outside.entropy);
        let config = self.config();
        let files = Rc::new(HostFiles::new());
        let ports_kernel = kernel.clone();
        emulated::assemble_with(
            kernel,
            &machine,
            outside,
            files,
            config,
            |network, executor| {
                if self.outbound {
                    let uplink = HostUplink::new(executor.clone(), runtime.clone());
                    ports_kernel.set_uplink(Rc::new(uplink));
                }
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

fn hostname() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}
