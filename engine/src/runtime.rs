//! Running containers: what runc and containerd's shim do for dockerd.

use std::rc::Rc;

use async_trait::async_trait;

use crate::dirs::FileTree;
use crate::executor::RunState;
use crate::pipe::{PipeReader, PipeWriter};
use crate::snapshot::RootFs;

/// What a mount shows.
#[derive(Clone)]
pub enum MountSource {
    /// A directory or file of the engine's (a volume, a bind of the emulated host).
    Tree(FileTree),
    /// A path of the host.
    HostPath(String),
    /// A fresh tmpfs of at most so many bytes.
    Tmpfs {
        /// Bytes; `None` is half of memory as on Linux.
        size: Option<u64>,
        /// Permission bits of its root.
        mode: u32,
    },
}

/// A mount into a container, besides the usual ones (`/proc`, `/dev` …).
#[derive(Clone)]
pub struct RuntimeMount {
    /// What to mount.
    pub source: MountSource,
    /// Absolute path in the container; made when it is not there.
    pub target: String,
    /// Whether writing fails.
    pub read_only: bool,
    /// `nosuid`, `nodev`, `noexec`.
    pub options: Vec<String>,
    /// The source's name in `/proc/mounts` (`/dev/vda1`, `tmpfs`).
    pub device: String,
}

/// A namespace's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NamespaceMode {
    /// One of its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// That of another container, by id.
    Container(String),
}

/// Limits of a container; `None` is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together.
    pub memory_swap: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Microseconds of processor time per period.
    pub cpu_quota: Option<u64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Weight, 1024 is one share.
    pub cpu_shares: Option<u64>,
}

/// A `setrlimit` limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// Docker's name: `nofile`, `nproc`, `core` …
    pub name: String,
    /// The soft limit.
    pub soft: u64,
    /// The hard limit.
    pub hard: u64,
}

/// A process to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessSpec {
    /// The program and its arguments; never empty.
    pub args: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Absolute working directory.
    pub cwd: String,
    /// `user`, `uid`, `user:group` …, looked up in the container's `/etc/passwd` and `/etc/group`.
    pub user: String,
    /// Further groups, names or numbers.
    pub groups: Vec<String>,
    /// Capabilities by Linux's names (`CAP_CHOWN`); bounding, permitted, effective.
    pub capabilities: Vec<String>,
    /// `no_new_privs`.
    pub no_new_privileges: bool,
    /// Limits.
    pub rlimits: Vec<Rlimit>,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// Rows and columns of the terminal, if known.
    pub console_size: Option<(u16, u16)>,
    /// Whether its standard input is connected; `/dev/null` otherwise.
    pub stdin: bool,
}

/// A container to create.
#[derive(Clone)]
pub struct ContainerSpec {
    /// The container's id.
    pub id: String,
    /// Its root file system.
    pub rootfs: RootFs,
    /// Whether the root is read-only.
    pub read_only_rootfs: bool,
    /// Its first process.
    pub process: ProcessSpec,
    /// Whether a reaper is process 1 (`--init`).
    pub init: bool,
    /// Host name in its UTS namespace.
    pub hostname: String,
    /// NIS domain name.
    pub domainname: String,
    /// Process ids.
    pub pid_namespace: NamespaceMode,
    /// System V IPC and `/dev/shm`.
    pub ipc_namespace: NamespaceMode,
    /// Host name.
    pub uts_namespace: NamespaceMode,
    /// The sandbox made by the [`crate::network::Network`] port; `None` shares the host's network.
    pub network: Option<String>,
    /// Mounts, in order.
    pub mounts: Vec<RuntimeMount>,
    /// Bytes of `/dev/shm`.
    pub shm_size: u64,
    /// Limits.
    pub limits: ResourceLimits,
    /// `net.ipv4.ip_forward` → `0` …
    pub sysctls: Vec<(String, String)>,
    /// Device nodes to make: the host's path, and the container's.
    pub devices: Vec<(String, String)>,
    /// Paths that are hidden.
    pub masked_paths: Vec<String>,
    /// Paths that are read-only.
    pub readonly_paths: Vec<String>,
    /// Whether it gets every device.
    pub privileged: bool,
    /// Whether system calls are filtered by Docker's default profile.
    pub seccomp: bool,
}

/// The host's ends of a process' standard streams. With a terminal, everything
/// comes out of `stdout` and `stderr` is absent.
#[derive(Default)]
pub struct Stdio {
    /// Closing it is end of file for the process.
    pub stdin: Option<PipeWriter>,
    /// What it writes to standard output.
    pub stdout: Option<PipeReader>,
    /// What it writes to standard error.
    pub stderr: Option<PipeReader>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitStatus {
    /// The exit code; 128 + n when killed by signal n.
    pub code: i64,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
}

/// Why a container or process could not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The first process could not be started; the text is runc's, without
    /// prefix or suffix: `exec: "nosuch": executable file not found in $PATH`.
    #[error("{0}")]
    Start(String),
    /// The user or group does not exist (dockerd's text, reported without runc's prefix).
    #[error("{0}")]
    User(String),
    /// No such container or process here.
    #[error("{0}: not found")]
    NotFound(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// What a container uses at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeStats {
    /// Processor time in nanoseconds.
    pub cpu_total: u64,
    /// The part of it in system calls.
    pub cpu_kernel: u64,
    /// Bytes.
    pub memory: u64,
    /// The most it ever used, in bytes.
    pub memory_max: u64,
    /// The part of memory that is cached file data.
    pub memory_cache: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes read from files.
    pub block_read: u64,
    /// Bytes written to files.
    pub block_write: u64,
}

/// A row of `docker top`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Process id as the host sees it.
    pub pid: u32,
    /// Parent's process id as the host sees it.
    pub ppid: u32,
    /// User id.
    pub uid: u32,
    /// Threads.
    pub threads: u32,
    /// Seconds since 1970.
    pub start_time: i64,
    /// Processor time in nanoseconds.
    pub cpu_time: u64,
    /// `pts/0`, or `?`.
    pub tty: String,
    /// `R`, `S`, `T` …
    pub state: char,
    /// The short name, `comm`.
    pub comm: String,
    /// The arguments, joined by blanks.
    pub command: String,
    /// Resident bytes.
    pub resident: u64,
    /// Virtual bytes.
    pub virtual_size: u64,
}

/// A process made by the runtime. Dropping the handle does not end it.
#[async_trait(?Send)]
pub trait RuntimeProcess {
    /// Process id as the host sees it.
    fn pid(&self) -> u32;

    /// Lets it run (once).
    async fn start(&self) -> Result<(), RuntimeError>;

    /// Resolves when it ended and all its output was handed over; may be awaited repeatedly.
    async fn wait(&self) -> ExitStatus;

    /// Sets its terminal's rows and columns.
    async fn resize(&self, rows: u16, columns: u16) -> Result<(), RuntimeError>;

    /// Sends a signal.
    async fn kill(&self, signal: u8) -> Result<(), RuntimeError>;
}

/// A process and its streams.
pub struct Spawned {
    /// The process, not started yet.
    pub process: Rc<dyn RuntimeProcess>,
    /// The host's ends.
    pub stdio: Stdio,
}

/// Runs containers.
#[async_trait(?Send)]
pub trait Runtime {
    /// Makes namespaces, mounts and the first process, stopped before its first instruction.
    async fn create(&self, spec: ContainerSpec) -> Result<Spawned, RuntimeError>;

    /// Makes a further process in a running container.
    async fn exec(&self, id: &str, process: ProcessSpec) -> Result<Spawned, RuntimeError>;

    /// Sends a signal to every process of a container.
    async fn kill_all(&self, id: &str, signal: u8) -> Result<(), RuntimeError>;

    /// Freezes every process.
    async fn pause(&self, id: &str) -> Result<(), RuntimeError>;

    /// Thaws them.
    async fn resume(&self, id: &str) -> Result<(), RuntimeError>;

    /// Changes limits.
    async fn update(&self, id: &str, limits: &ResourceLimits) -> Result<(), RuntimeError>;

    /// What a container uses.
    async fn stats(&self, id: &str) -> Result<RuntimeStats, RuntimeError>;

    /// A container's processes, by process id.
    async fn processes(&self, id: &str) -> Result<Vec<ProcessInfo>, RuntimeError>;

    /// Frees what a container that ended still holds.
    async fn delete(&self, id: &str) -> Result<(), RuntimeError>;

    /// Runs emulated processes for about so many instructions; real ones run by themselves.
    fn drive(&self, _instructions: u64) -> RunState {
        RunState::Idle
    }

    /// What the runtime runs on, for `docker info` and `docker version`.
    fn platform(&self) -> PlatformInfo;
}

/// The machine containers run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformInfo {
    /// `runc`, `crun` …
    pub runtime: String,
    /// Its version.
    pub runtime_version: String,
    /// `uname -r`.
    pub kernel_version: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// `x86_64`.
    pub architecture: String,
    /// Processors.
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    /// `1` or `2`.
    pub cgroup_version: String,
}
