//! The [`Runtime`] on the emulated kernel: a container is a set of namespaces and a control group in it.

mod init;
mod mounts;
mod process;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_linux::abi::Signal;
use bottleship_linux::{Cgroup, Kernel, Limits, Namespaces, NetChoice, NetNs, NsSpec};

use self::process::Running;
use crate::clock::Clock;
use crate::executor::{Executor, RunState};
use crate::runtime::{
    ContainerSpec, NamespaceMode, PlatformInfo, ProcessInfo, ProcessSpec, ResourceLimits, Runtime,
    RuntimeError, RuntimeStats, Spawned,
};

/// Finds the network namespace of a sandbox; the network port knows it.
pub type Sandboxes = Rc<dyn Fn(&str) -> Option<NetNs>>;

/// A container that was created and not yet deleted.
struct Container {
    namespaces: Namespaces,
    cgroup: Cgroup,
    init: Rc<Running>,
}

/// Runs containers as processes of an emulated kernel.
pub struct EmulatedRuntime {
    kernel: Kernel,
    clock: Rc<dyn Clock>,
    executor: Executor,
    sandboxes: Sandboxes,
    /// What `--init` containers wait for.
    inits: init::Children,
    containers: RefCell<BTreeMap<String, Rc<Container>>>,
}

impl EmulatedRuntime {
    /// A runtime on `kernel`; output is moved by tasks of `executor`.
    pub fn new(
        kernel: Kernel,
        clock: Rc<dyn Clock>,
        executor: Executor,
        sandboxes: Sandboxes,
    ) -> Self {
        // What comes from outside of a run makes processes runnable.
        kernel.set_waker(executor.host_waker());
        let runtime = EmulatedRuntime {
            inits: init::register(&kernel),
            kernel,
            clock,
            executor,
            sandboxes,
            containers: RefCell::default(),
        };
        runtime.set_time();
        runtime
    }

    /// The kernel under it.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    fn set_time(&self) {
        let realtime = u64::try_from(self.clock.now().nanos()).unwrap_or(0);
        self.kernel.set_time(realtime, self.clock.monotonic());
    }

    fn find(&self, id: &str) -> Result<Rc<Container>, RuntimeError> {
        let found = self.containers.borrow().get(id).cloned();
        found.ok_or_else(|| RuntimeError::NotFound(format!("container {id}")))
    }

    /// The namespaces of the container that `mode` names, if it names one.
    fn joined(&self, mode: &NamespaceMode) -> Result<Option<Namespaces>, RuntimeError> {
        match mode {
            NamespaceMode::Container(id) => Ok(Some(self.find(id)?.namespaces.clone())),
            NamespaceMode::Private | NamespaceMode::Host => Ok(None),
        }
    }

    fn namespaces(&self, spec: &ContainerSpec) -> Result<Namespaces, RuntimeError> {
        let net = match &spec.network {
            None => NetChoice::Shared,
            Some(sandbox) => match (self.sandboxes)(sandbox) {
                Some(net) => NetChoice::Join(net),
                None => return Err(RuntimeError::NotFound(format!("sandbox {sandbox}"))),
            },
        };
        let mut base = self.kernel.host_ns();
        if let Some(other) = self.joined(&spec.pid_namespace)? {
            base = base.with_pid_of(&other);
        }
        if let Some(other) = self.joined(&spec.uts_namespace)? {
            base = base.with_uts_of(&other);
        }
        if let Some(other) = self.joined(&spec.ipc_namespace)? {
            base = base.with_ipc_of(&other);
        }
        let private = |mode: &NamespaceMode| *mode == NamespaceMode::Private;
        let uts = private(&spec.uts_namespace).then(|| spec.hostname.clone().into_bytes());
        let namespaces = self.kernel.new_ns(NsSpec {
            base,
            pid: private(&spec.pid_namespace),
            uts,
            ipc: private(&spec.ipc_namespace),
            mnt: mounts::root(spec),
            net,
        });
        if private(&spec.uts_namespace) && !spec.domainname.is_empty() {
            namespaces.set_domainname(spec.domainname.as_bytes());
        }
        Ok(namespaces)
    }

    fn spawn(
        &self,
        namespaces: &Namespaces,
        cgroup: &Cgroup,
        spec: &ProcessSpec,
        init: bool,
    ) -> Result<(Rc<Running>, Spawned), RuntimeError> {
        let prepared = process::prepare(&self.kernel, namespaces, spec)?;
        let start = |spec| self.kernel.spawn(namespaces, cgroup, spec);
        let started = if init {
            self.inits.spawn(start, prepared.spec)
        } else {
            start(prepared.spec).map(|process| vec![process])
        };
        let processes = started.map_err(|error| RuntimeError::Start(error.to_string()))?;
        let running = Rc::new(Running::new(
            &self.executor,
            processes,
            cgroup.clone(),
            prepared.ends,
        ));
        let (running, stdio) = (running.clone(), running.take_stdio());
        let spawned = Spawned {
            process: running.clone(),
            stdio,
        };
        Ok((running, spawned))
    }
}

#[async_trait(?Send)]
impl Runtime for EmulatedRuntime {
    async fn create(&self, spec: ContainerSpec) -> Result<Spawned, RuntimeError> {
        self.set_time();
        let namespaces = self.namespaces(&spec)?;
        mounts::fill(&self.kernel, &namespaces, &spec)?;
        let cgroup = self
            .kernel
            .new_cgroup(&format!("docker/{}", spec.id), limits(&spec.limits));
        let (init, spawned) = self.spawn(&namespaces, &cgroup, &spec.process, spec.init)?;
        if spec.pid_namespace != NamespaceMode::Private {
            // Without a namespace that ends with its first process, the others are ended by hand.
            let (exited, cgroup) = (init.exited(), cgroup.clone());
            self.executor.spawn(async move {
                exited.await;
                cgroup.kill_all(Signal::SIGKILL);
            });
        }
        let container = Container {
            namespaces,
            cgroup,
            init,
        };
        self.containers
            .borrow_mut()
            .insert(spec.id, Rc::new(container));
        Ok(spawned)
    }

    async fn exec(&self, id: &str, process: ProcessSpec) -> Result<Spawned, RuntimeError> {
        self.set_time();
        let container = self.find(id)?;
        if container.init.has_exited() {
            return Err(RuntimeError::NotFound(format!(
                "process 1 of container {id}"
            )));
        }
        let (_, spawned) = self.spawn(&container.namespaces, &container.cgroup, &process, false)?;
        Ok(spawned)
    }

    async fn kill_all(&self, id: &str, signal: u8) -> Result<(), RuntimeError> {
        self.find(id)?.cgroup.kill_all(process::signal(signal)?);
        Ok(())
    }

    async fn pause(&self, id: &str) -> Result<(), RuntimeError> {
        self.find(id)?.cgroup.freeze();
        Ok(())
    }

    async fn resume(&self, id: &str) -> Result<(), RuntimeError> {
        self.find(id)?.cgroup.thaw();
        Ok(())
    }

    async fn update(&self, id: &str, new: &ResourceLimits) -> Result<(), RuntimeError> {
        let container = self.find(id)?;
        let usage = container.cgroup.stats().memory_usage;
        if new.memory.is_some_and(|limit| limit < usage) {
            let message = format!(
                "memory limit {} is below the {usage} bytes in use",
                new.memory.unwrap_or(0)
            );
            return Err(RuntimeError::Failed(message));
        }
        container.cgroup.update(limits(new));
        Ok(())
    }

    async fn stats(&self, id: &str) -> Result<RuntimeStats, RuntimeError> {
        let stats = self.find(id)?.cgroup.stats();
        Ok(RuntimeStats {
            cpu_total: stats.cpu_ns,
            cpu_kernel: stats.system_ns,
            memory: stats.memory_usage,
            memory_max: stats.memory_max_usage,
            memory_cache: 0,
            pids: stats.pids,
            block_read: stats.io_read,
            block_write: stats.io_written,
        })
    }

    async fn processes(&self, id: &str) -> Result<Vec<ProcessInfo>, RuntimeError> {
        let container = self.find(id)?;
        let members = container.cgroup.pids();
        let (now, monotonic) = (self.clock.now().nanos(), self.clock.monotonic());
        let mut list: Vec<ProcessInfo> = self
            .kernel
            .processes(&container.namespaces)
            .into_iter()
            .filter(|info| members.contains(&info.pid))
            .map(|info| process::describe(info, now - i128::from(monotonic)))
            .collect();
        list.sort_by_key(|info| info.pid);
        Ok(list)
    }

    async fn delete(&self, id: &str) -> Result<(), RuntimeError> {
        if let Some(container) = self.containers.borrow_mut().remove(id) {
            container.cgroup.thaw();
            container.cgroup.kill_all(Signal::SIGKILL);
        }
        Ok(())
    }

    fn drive(&self, instructions: u64) -> RunState {
        self.set_time();
        match self.kernel.run(instructions) {
            bottleship_linux::RunState::Idle => RunState::Idle,
            bottleship_linux::RunState::Runnable => RunState::Runnable,
            bottleship_linux::RunState::Sleeping { until_monotonic_ns } => RunState::Sleeping {
                until: until_monotonic_ns,
            },
        }
    }

    fn platform(&self) -> PlatformInfo {
        PlatformInfo {
            runtime: "runc".into(),
            runtime_version: concat!("emulated ", env!("CARGO_PKG_VERSION")).into(),
            kernel_version: bottleship_linux::RELEASE.into(),
            operating_system: "Bottleship (emulated Linux)".into(),
            architecture: "x86_64".into(),
            cpus: bottleship_linux::CPUS,
            memory: self.kernel.root_cgroup().limits().memory.unwrap_or(0),
            cgroup_version: "2".into(),
        }
    }
}

fn limits(limits: &ResourceLimits) -> Limits {
    Limits {
        memory: limits.memory,
        swap: limits.memory_swap,
        pids: limits.pids,
        cpu_quota: limits.cpu_quota,
        cpu_period: limits.cpu_period,
        cpu_shares: limits.cpu_shares,
    }
}
