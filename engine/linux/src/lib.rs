//! A Linux kernel in user space: processes of x86-64 machine code (emulated) and of Rust futures (builtins), with the
//! system calls they make.
//!
//! - [`Kernel`] is one Docker host. Containers are namespaces and control groups in it.
//! - [`Kernel::run`] carries out guest instructions up to a budget; [`Kernel::set_time`] is its only clock.
//! - [`Kernel::spawn`] starts a process; [`HostReader`], [`HostWriter`] and [`PtyMaster`] are its other ends.
//!
//! Nothing here does IO, reads a clock or entropy, or has a thread.
#![forbid(unsafe_code)]

pub mod fs;
pub mod kernel;
mod loader;
mod mm;
pub mod net;
pub mod syscall;

pub use bottleship_abi as abi;
pub use kernel::builtin::{Entry, Sys};
pub use kernel::cgroup::{Cgroup, Limits, Stats};
pub use kernel::host::{HostReader, HostWriter, PipeStdio, Pty, PtyMaster, Stdio};
pub use kernel::ns::{Namespaces, NetChoice, NsSpec};
pub use kernel::spawn::{ProcInfo, Process, ProcessSpec, SpawnError, Status};
pub use kernel::task::ExitStatus;
pub use kernel::{Builtin, CPUS, Kernel, KernelConfig, RunState};
pub use net::{
    Answers, Bridge, BridgeConfig, DnsAnswer, DnsHook, DnsQuestion, HostListener, HostStream,
    HostUdp, NetNs, Outgoing, Published, Uplink, UplinkPort, dns_answer,
};
pub use syscall::RELEASE;
