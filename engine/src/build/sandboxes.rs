//! BuildKit's processes, run by the engine's runtime without a container.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_dockerfile::instruction::Network;
use bottleship_vfs::{CreatePerm, FileSystem, InodeRef, NewNode, Quota, Statfs, Tmpfs};
use bytes::Bytes;
use futures::StreamExt;

use super::ports::{Sandbox, SandboxMount, SandboxSource, Sandboxes, StepOutput};
use crate::api::ApiError;
use crate::api::stdcopy::StdStream;
use crate::container::caps;
use crate::container::create::{MASKED_PATHS, READONLY_PATHS};
use crate::container::spec::rlimit;
use crate::container::start::start_error;
use crate::dirs::FileTree;
use crate::engine::Engine;
use crate::network::EndpointSpec;
use crate::networking::{NetworkRef, mac_of};
use crate::pipe::PipeReader;
use crate::runtime::{
    ContainerSpec, MountSource, NamespaceMode, ProcessSpec, ResourceLimits, RuntimeMount,
};

/// The name BuildKit gives the host of every RUN.
const HOSTNAME: &str = "buildkitsandbox";
/// Linux's default for `/dev/shm` in a container.
const SHM_SIZE: u64 = 64 << 20;
const SIGKILL: u8 = 9;

/// Processes on an engine's runtime.
pub struct EngineSandboxes(pub Engine);

/// A tree as the file system a mount needs.
struct TreeMount {
    root: InodeRef,
    dev: u64,
}

impl FileSystem for TreeMount {
    fn root(&self) -> InodeRef {
        self.root.clone()
    }

    fn statfs(&self) -> bottleship_vfs::Result<Statfs> {
        Ok(Statfs::default())
    }

    fn kind(&self) -> &'static str {
        "overlay"
    }

    fn dev(&self) -> u64 {
        self.dev
    }
}

fn mount(mount: SandboxMount) -> Result<RuntimeMount, ApiError> {
    let (source, device) = match mount.source {
        SandboxSource::Tmpfs(size) => {
            let mode = 0o1777;
            (MountSource::Tmpfs { size, mode }, "tmpfs")
        }
        SandboxSource::Tree(root) => {
            let attr = root.attr().map_err(|e| ApiError::system(e.strerror()))?;
            let fs = Rc::new(TreeMount {
                root: root.clone(),
                dev: attr.dev,
            });
            (MountSource::Tree(FileTree { fs, root }), "overlay")
        }
    };
    Ok(RuntimeMount {
        source,
        target: mount.target,
        read_only: mount.read_only,
        options: Vec::new(),
        device: device.into(),
    })
}

/// An address on the default bridge, given back when the process ended.
struct Plug {
    network: NetworkRef,
    address: Ipv4Addr,
}

impl Drop for Plug {
    fn drop(&mut self) {
        if let Some(pool) = self.network.borrow_mut().pool.as_mut() {
            pool.release(self.address);
        }
    }
}

impl EngineSandboxes {
    /// Joins the network asked for; `None` is the host's.
    async fn join(
        &self,
        id: &str,
        network: Network,
        mode: &str,
    ) -> Result<(Option<String>, Option<Plug>), ApiError> {
        let engine = &self.0;
        let mode = match (network, mode) {
            (Network::None, _) => "none",
            (Network::Host, _) => "host",
            (Network::Default, "" | "default") => "bridge",
            (Network::Default, mode) => mode,
        };
        if mode == "host" {
            return Ok((None, None));
        }
        engine.ports().network.create_sandbox(id, None).await?;
        if mode == "none" {
            return Ok((Some(id.to_owned()), None));
        }
        match self.plug(id, mode).await {
            Ok(plug) => Ok((Some(id.to_owned()), Some(plug))),
            Err(error) => {
                // Its error matters less than the one that led here.
                let _ = engine.ports().network.delete_sandbox(id).await;
                Err(error)
            }
        }
    }

    async fn plug(&self, id: &str, name: &str) -> Result<Plug, ApiError> {
        let engine = &self.0;
        let network = engine.networks().find(name)?;
        let full =
            || ApiError::system("no available IPv4 addresses on this network's address pools");
        let (address, endpoint) = {
            let mut record = network.borrow_mut();
            let internal = record.internal;
            let gateway = record.gateway.parse().ok().filter(|_| !internal);
            let network_id = record.id.clone();
            let pool = record.pool.as_mut().ok_or_else(full)?;
            let address = pool.allocate().ok_or_else(full)?;
            let endpoint = EndpointSpec {
                id: engine.new_id(),
                network: network_id,
                interface: "eth0".into(),
                mac: mac_of(address),
                address: IpAddr::V4(address),
                prefix: pool.prefix(),
                gateway,
            };
            (address, endpoint)
        };
        let plug = Plug { network, address };
        engine.ports().network.connect(id, &endpoint).await?;
        Ok(plug)
    }

    /// `/etc/hosts` and `/etc/resolv.conf`.
    async fn files(&self, extra_hosts: &[String]) -> Result<Vec<RuntimeMount>, ApiError> {
        let ports = self.0.ports();
        let system = |e: bottleship_vfs::Errno| ApiError::system(e.strerror());
        let fs = Tmpfs::new(&ports.file_clock, Quota::new(1 << 20, 16)).map_err(system)?;
        let mut hosts = String::from(
            "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n",
        );
        for host in extra_hosts {
            if let Some((name, address)) = host.split_once([':', '=']) {
                hosts.push_str(&format!("{address}\t{name}\n"));
            }
        }
        let files = [
            ("hosts", hosts.into_bytes()),
            ("resolv.conf", ports.host.resolv_conf().await),
        ];
        let mut mounts = Vec::new();
        for (name, content) in files {
            let perm = CreatePerm {
                mode: 0o644,
                uid: 0,
                gid: 0,
            };
            let root = fs
                .root()
                .create(name.as_bytes(), NewNode::File, perm)
                .map_err(system)?;
            let mut written = 0;
            while written < content.len() {
                written += root
                    .write_at(written as u64, &content[written..])
                    .map_err(system)?;
            }
            mounts.push(RuntimeMount {
                source: MountSource::Tree(FileTree {
                    fs: fs.clone(),
                    root,
                }),
                target: format!("/etc/{name}"),
                read_only: true,
                options: Vec::new(),
                device: "/dev/vda1".into(),
            });
        }
        Ok(mounts)
    }

    async fn spec(
        &self,
        sandbox: Sandbox,
        network: Option<String>,
    ) -> Result<ContainerSpec, ApiError> {
        let owned = |paths: &[&str]| paths.iter().map(|p| (*p).to_owned()).collect();
        let positive = |n: i64| u64::try_from(n).ok().filter(|n| *n > 0);
        let host = sandbox.host;
        let mut mounts = self.files(&host.extra_hosts).await?;
        for one in sandbox.mounts {
            mounts.push(mount(one)?);
        }
        mounts.sort_by_key(|mount| mount.target.matches('/').count());
        Ok(ContainerSpec {
            id: sandbox.id,
            rootfs: sandbox.rootfs,
            read_only_rootfs: false,
            process: ProcessSpec {
                args: sandbox.args,
                env: sandbox.env,
                cwd: sandbox.cwd,
                user: sandbox.user,
                capabilities: caps::effective(&[], &[], sandbox.insecure)?,
                rlimits: host.ulimits.iter().map(rlimit).collect(),
                ..ProcessSpec::default()
            },
            init: false,
            hostname: HOSTNAME.into(),
            domainname: String::new(),
            pid_namespace: NamespaceMode::Private,
            ipc_namespace: NamespaceMode::Private,
            uts_namespace: NamespaceMode::Private,
            network,
            mounts,
            shm_size: positive(host.shm_size).unwrap_or(SHM_SIZE),
            limits: ResourceLimits {
                memory: positive(host.memory),
                memory_swap: positive(host.memory_swap),
                pids: None,
                cpu_quota: positive(host.cpu_quota),
                cpu_period: positive(host.cpu_period),
                cpu_shares: positive(host.cpu_shares),
            },
            sysctls: Vec::new(),
            devices: Vec::new(),
            masked_paths: owned(&MASKED_PATHS),
            readonly_paths: owned(&READONLY_PATHS),
            privileged: sandbox.insecure,
            seccomp: !sandbox.insecure,
        })
    }

    async fn process(
        &self,
        sandbox: Sandbox,
        network: Option<String>,
        output: &dyn StepOutput,
    ) -> Result<i64, ApiError> {
        let runtime = self.0.ports().runtime.clone();
        let id = sandbox.id.clone();
        let program = sandbox.args.first().cloned().unwrap_or_default();
        let spec = self.spec(sandbox, network).await?;
        let failed = |e| start_error(e, &program).1;
        let spawned = runtime.create(spec).await.map_err(failed)?;
        spawned.process.start().await.map_err(failed)?;
        let copied = copy(spawned.stdio.stdout, spawned.stdio.stderr, output).await;
        if copied.is_err() {
            // The client is gone, so the build ends; its process must not stay.
            let _ = runtime.kill_all(&id, SIGKILL).await;
        }
        let status = spawned.process.wait().await;
        copied?;
        Ok(status.code)
    }
}

/// Hands output over as it comes.
async fn copy(
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    output: &dyn StepOutput,
) -> Result<(), ApiError> {
    let tagged = |reader: Option<PipeReader>, stream| {
        futures::stream::iter(reader)
            .flatten()
            .map(move |data| data.map(|data: Bytes| (stream, data)))
    };
    let mut both = futures::stream::select(
        Box::pin(tagged(stdout, StdStream::Stdout)),
        Box::pin(tagged(stderr, StdStream::Stderr)),
    );
    while let Some(Ok((stream, data))) = both.next().await {
        output.write(stream, data).await?;
    }
    Ok(())
}

#[async_trait(?Send)]
impl Sandboxes for EngineSandboxes {
    async fn run(&self, sandbox: Sandbox, output: &dyn StepOutput) -> Result<i64, ApiError> {
        let engine = &self.0;
        let id = sandbox.id.clone();
        let (network, plug) = self
            .join(&id, sandbox.network, &sandbox.host.network)
            .await?;
        let result = self.process(sandbox, network.clone(), output).await;
        // Nothing of it may stay, however it ended.
        let _ = engine.ports().runtime.delete(&id).await;
        if network.is_some() {
            let _ = engine.ports().network.delete_sandbox(&id).await;
        }
        drop(plug);
        result
    }
}
