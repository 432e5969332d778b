//! The kernel: its state, and the loop that runs tasks.

pub mod builtin;
pub mod cgroup;
pub mod epoll;
pub mod eventfd;
mod exit;
pub mod fd_table;
pub mod file;
pub mod fork;
pub mod futex;
pub mod host;
pub mod inode_file;
pub mod inotify;
pub mod lock;
pub mod ns;
pub mod pipe;
mod random;
mod run;
pub mod sched;
mod sigframe;
pub mod signal;
pub mod signalfd;
pub mod spawn;
pub mod task;
pub mod timer;
pub mod timerfd;
pub mod trace;
pub mod tty;
pub mod wait;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::task::Waker;

use bottleship_abi::Errno;
use bottleship_vfs::{
    Clock, CreatePerm, Dentry, FileSystem, InodeRef, MountFlags, MountNs, Path, Quota, Time, Tmpfs,
};
use bottleship_x86::CodeCache;
use futures::future::LocalBoxFuture;

use crate::net::{NetNs, Network};
use builtin::Sys;
use cgroup::{Cgroup, Limits};
use ns::{IpcNs, Namespaces, NetChoice, NsSpec, PidNs, UtsNs};
use pipe::Pipe;
use random::Rng;
use sched::Sched;
use task::{Process, ProcessGroup, Session, Task};
use timer::Timers;
use tty::PtyTable;

pub use exit::{ChildChange, child_info, notify_parent, reap};
pub use run::RunState;
pub use sigframe::sigreturn;

/// What a kernel is made with.
#[derive(Clone, Debug)]
pub struct KernelConfig {
    /// The host's name.
    pub hostname: String,
    /// Bytes of memory for all processes together.
    pub memory_limit: u64,
    /// Processes and threads altogether.
    pub pids_limit: u64,
    /// What random numbers are made from: the same seed gives the same run.
    pub entropy_seed: [u8; 32],
}

impl Default for KernelConfig {
    fn default() -> Self {
        KernelConfig {
            hostname: "docker".to_owned(),
            memory_limit: 1 << 30,
            pids_limit: 4096,
            entropy_seed: [0; 32],
        }
    }
}

/// A builtin program.
pub type Builtin = Rc<dyn Fn(Sys) -> LocalBoxFuture<'static, i32>>;

/// A Linux kernel: one Docker host. Cheap to clone; all clones are the same kernel.
#[derive(Clone)]
pub struct Kernel(pub(crate) Rc<Inner>);

/// The kernel's state. Every part has a cell of its own, so that procfs can look at it during a system call.
pub struct Inner {
    pub config: KernelConfig,
    pub clock: Clock,
    realtime: Cell<u64>,
    monotonic: Cell<u64>,
    pub sched: Rc<Sched>,
    pub timers: Timers,
    /// All living tasks, by their number in the host's namespace.
    pub tasks: RefCell<BTreeMap<u32, Rc<Task>>>,
    /// Who is running now.
    current: RefCell<std::rc::Weak<Task>>,
    boot_id: [u8; 16],
    pub futexes: futex::Futexes,
    pub locks: lock::Locks,
    pub watches: inotify::Watches,
    pub rng: RefCell<Rng>,
    pub root_cgroup: Cgroup,
    cgroups: Cell<u64>,
    host: RefCell<Option<Namespaces>>,
    /// Every mount namespace's inode number and every other namespace's come from here.
    last_ns_ino: Cell<u64>,
    last_pipe_ino: Cell<u64>,
    pipe_bytes: Rc<Cell<usize>>,
    pub builtins: RefCell<HashMap<Vec<u8>, Builtin>>,
    pub code: CodeCache,
    /// Holds shared anonymous memory and memfds.
    pub shm: Rc<MountNs>,
    pub trace: RefCell<Option<trace::Sink>>,
    /// Guest instructions carried out since the start.
    pub instructions: Cell<u64>,
    pub forks: Cell<u64>,
    pub context_switches: Cell<u64>,
    pub network: Network,
    /// Where system calls gather bytes; taken while in use.
    pub scratch: RefCell<Vec<u8>>,
}

/// CPU time of one guest instruction, in ns: nominal, as nothing here reads a clock.
pub const NS_PER_INSTRUCTION: u64 = 5;

/// Processors that programs are told of. Tasks take turns on one; two is what the smallest real Docker hosts have, so
/// limits such as `--cpus 1.5` and a build with `make -j$(nproc)` mean there what they mean elsewhere.
pub const CPUS: u32 = 2;
/// CPU time of one system call, in ns.
pub const NS_PER_SYSCALL: u64 = 1000;

impl Drop for Inner {
    fn drop(&mut self) {
        self.sched.clear();
    }
}

impl Kernel {
    /// A kernel without processes. Its host namespaces have an empty tmpfs at `/`; see [`Kernel::set_host_mounts`].
    pub fn new(config: KernelConfig) -> Kernel {
        let clock = Clock::new();
        let sched = Rc::new(Sched::default());
        let limits = Limits {
            memory: Some(config.memory_limit),
            pids: Some(config.pids_limit),
            ..Limits::default()
        };
        let root_cgroup = Cgroup::new("/".to_owned(), None, limits, sched.clone());
        let shm = Tmpfs::new(&clock, Quota::new(config.memory_limit, 1 << 20))
            .expect("an empty tmpfs fits its quota");
        let mut rng = Rng::new(config.entropy_seed);
        let mut boot_id = [0; 16];
        rng.fill(&mut boot_id);
        let rng = RefCell::new(rng);
        let inner = Rc::new(Inner {
            clock,
            realtime: Cell::new(0),
            monotonic: Cell::new(0),
            sched,
            timers: Timers::default(),
            tasks: RefCell::default(),
            current: RefCell::default(),
            boot_id,
            futexes: futex::Futexes::default(),
            locks: lock::Locks::default(),
            watches: inotify::Watches::default(),
            rng,
            root_cgroup,
            cgroups: Cell::new(0),
            host: RefCell::default(),
            last_ns_ino: Cell::new(4_026_531_835),
            last_pipe_ino: Cell::new(10_000),
            pipe_bytes: Rc::default(),
            builtins: RefCell::default(),
            code: CodeCache::default(),
            shm: MountNs::new(shm, "none", MountFlags::empty()),
            trace: RefCell::default(),
            instructions: Cell::new(0),
            forks: Cell::new(0),
            context_switches: Cell::new(0),
            network: Network::default(),
            scratch: RefCell::default(),
            config,
        });
        let kernel = Kernel(inner);
        let root = Tmpfs::new(&kernel.0.clock, Quota::unlimited())
            .expect("an empty tmpfs has no quota to exceed");
        let k = &kernel.0;
        let host = Namespaces {
            pid: PidNs::new(k.new_ns_ino(), None),
            uts: Rc::new(UtsNs {
                ino: k.new_ns_ino(),
                hostname: RefCell::new(k.config.hostname.clone().into_bytes()),
                domainname: RefCell::new(b"(none)".to_vec()),
            }),
            ipc: IpcNs::new(k.new_ns_ino()),
            mnt: MountNs::new(root, "rootfs", MountFlags::empty()),
            mnt_ino: k.new_ns_ino(),
            net: NetNs::new(&k.network, k.new_ns_ino()),
            ptys: Rc::new(PtyTable::default()),
        };
        k.host.replace(Some(host));
        kernel
    }

    /// The clock that all file systems of this kernel are to be made with.
    pub fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    /// Gives the host's namespaces their mounts. Before anything is spawned in them.
    pub fn set_host_mounts(&self, mounts: Rc<MountNs>) {
        if let Some(host) = self.0.host.borrow_mut().as_mut() {
            host.mnt = mounts;
        }
    }

    /// The Docker host's own namespaces.
    pub fn host_ns(&self) -> Namespaces {
        self.0.host_ns()
    }

    /// Namespaces for a container.
    pub fn new_ns(&self, spec: NsSpec) -> Namespaces {
        let k = &self.0;
        let base = spec.base;
        Namespaces {
            pid: if spec.pid {
                PidNs::new(k.new_ns_ino(), Some(base.pid))
            } else {
                base.pid
            },
            uts: match spec.uts {
                Some(hostname) => Rc::new(UtsNs {
                    ino: k.new_ns_ino(),
                    hostname: RefCell::new(hostname),
                    domainname: RefCell::new(b"(none)".to_vec()),
                }),
                None => base.uts,
            },
            ipc: if spec.ipc {
                IpcNs::new(k.new_ns_ino())
            } else {
                base.ipc
            },
            mnt: spec.mnt,
            mnt_ino: k.new_ns_ino(),
            net: match spec.net {
                NetChoice::Shared => base.net,
                NetChoice::New => NetNs::new(&k.network, k.new_ns_ino()),
                NetChoice::Join(net) => net,
            },
            ptys: Rc::new(PtyTable::default()),
        }
    }

    /// A network namespace with nothing but a loopback.
    pub fn new_net_ns(&self) -> NetNs {
        NetNs::new(&self.0.network, self.0.new_ns_ino())
    }

    /// A control group below the root one.
    pub fn new_cgroup(&self, name: &str, limits: Limits) -> Cgroup {
        self.0.cgroups.set(self.0.cgroups.get() + 1);
        let path = format!("/{}", name.trim_start_matches('/'));
        Cgroup::new(
            path,
            Some(self.0.root_cgroup.clone()),
            limits,
            self.0.sched.clone(),
        )
    }

    /// The control group of the host's own processes.
    pub fn root_cgroup(&self) -> Cgroup {
        self.0.root_cgroup.clone()
    }

    /// Sets the clocks: nanoseconds since 1970, and since some fixed start. Timers due then fire.
    pub fn set_time(&self, realtime_ns: u64, monotonic_ns: u64) {
        let k = &self.0;
        k.realtime.set(realtime_ns);
        k.monotonic.set(monotonic_ns.max(k.monotonic.get()));
        k.clock.set(Time::from_nanos(i128::from(realtime_ns)));
        k.timers.expire(k.monotonic.get());
    }

    /// Whom to tell when something becomes runnable outside of [`Kernel::run`].
    pub fn set_waker(&self, waker: Waker) {
        self.0.sched.set_waker(waker);
    }

    /// Runs tasks until about `instructions` guest instructions are carried out or nothing wants to run.
    pub fn run(&self, instructions: u64) -> RunState {
        self.0.run(instructions)
    }

    /// Whether [`Kernel::run`] has something to do now.
    pub fn wants_to_run(&self) -> bool {
        !self.0.sched.is_empty()
    }

    /// Makes a program of this name available: a file that begins with `#!/builtin/NAME` runs it.
    pub fn register_builtin(&self, name: &str, program: Builtin) {
        self.0
            .builtins
            .borrow_mut()
            .insert(name.as_bytes().to_vec(), program);
    }

    /// A file system of the kernel's own: `proc`, `sysfs`, `devpts`, `mqueue`, `cgroup2`, as seen from `ns`.
    pub fn filesystem(&self, ns: &Namespaces, kind: &str) -> Result<Rc<dyn FileSystem>, Errno> {
        crate::fs::make(&self.0, ns, kind)
    }

    /// Changes a setting of `/proc/sys` that belongs to one of `ns`, such as `net.ipv4.ip_forward`. `ENOENT` when
    /// there is no such setting, `EINVAL` when it can't have this value.
    pub fn sysctl(&self, ns: &Namespaces, name: &str, value: &str) -> Result<(), Errno> {
        crate::fs::sysctl(ns, name, value)
    }

    /// Fills an empty `/dev`: device nodes and the usual links.
    pub fn populate_dev(&self, dev: &InodeRef) -> Result<(), Errno> {
        crate::fs::dev::populate(dev)
    }

    /// Writes every system call to `sink`, one line each, in the manner of strace(1). `None` stops it.
    pub fn set_trace(&self, sink: Option<trace::Sink>) {
        *self.0.trace.borrow_mut() = sink;
    }

    /// Guest instructions carried out since the start.
    pub fn instructions(&self) -> u64 {
        self.0.instructions.get()
    }
}

impl Inner {
    /// The host's namespaces.
    pub fn host_ns(&self) -> Namespaces {
        self.host
            .borrow()
            .clone()
            .expect("set when the kernel is made")
    }

    /// The task whose turn it is, or that a builtin acts for.
    pub fn current(&self) -> Option<Rc<Task>> {
        self.current.borrow().upgrade()
    }

    pub(crate) fn set_current(&self, task: &Rc<Task>) {
        *self.current.borrow_mut() = Rc::downgrade(task);
    }

    /// What `/proc/sys/kernel/random/boot_id` is made from.
    pub fn boot_id(&self) -> [u8; 16] {
        self.boot_id
    }

    /// The monotonic clock, in ns.
    pub fn monotonic(&self) -> u64 {
        self.monotonic.get()
    }

    /// The time of day, in ns since 1970.
    pub fn realtime(&self) -> u64 {
        self.realtime.get()
    }

    pub(crate) fn new_ns_ino(&self) -> u64 {
        self.last_ns_ino.set(self.last_ns_ino.get() + 1);
        self.last_ns_ino.get()
    }

    /// A pipe without ends.
    pub fn new_pipe(&self) -> Rc<Pipe> {
        self.last_pipe_ino.set(self.last_pipe_ino.get() + 1);
        let now = self.clock.now();
        Pipe::new(
            self.last_pipe_ino.get(),
            (now.sec, now.nsec),
            self.pipe_bytes.clone(),
        )
    }

    /// A number for a socket or another object without an inode.
    pub fn new_anon_ino(&self) -> u64 {
        self.last_pipe_ino.set(self.last_pipe_ino.get() + 1);
        self.last_pipe_ino.get()
    }

    /// A group's number in `ns`; 0 when it isn't visible there.
    pub fn number_of_group(&self, group: &ProcessGroup, ns: &Rc<PidNs>) -> u32 {
        number_of(&group.numbers, ns)
    }

    /// A session's number in `ns`; 0 when it isn't visible there.
    pub fn number_of_session(&self, session: &Session, ns: &Rc<PidNs>) -> u32 {
        number_of(&session.numbers, ns)
    }

    /// A file that has no name in any directory: shared anonymous memory, a memfd.
    pub fn anonymous_file(&self, name: &[u8]) -> Result<Path, Errno> {
        let root = self.shm.root();
        let inode = root.inode().create_anonymous(CreatePerm {
            mode: 0o777,
            uid: 0,
            gid: 0,
        })?;
        Ok(Path {
            mount: root.mount.clone(),
            dentry: Dentry::anonymous(inode, &[b"/", name].concat()),
        })
    }

    /// A file was cut off at `size`: whoever has it mapped loses the pages beyond.
    pub fn file_truncated(&self, path: &Path, size: u64) {
        for task in self.tasks.borrow().values() {
            if let Ok(mm) = task.mm() {
                mm.file_truncated(path.inode(), size);
            }
        }
    }

    /// All processes, zombies included.
    pub fn processes(&self) -> Vec<Rc<Process>> {
        self.host_ns()
            .pid
            .processes()
            .into_iter()
            .map(|(_, process)| process)
            .collect()
    }
}

fn number_of(numbers: &[(u64, u32)], ns: &Rc<PidNs>) -> u32 {
    numbers
        .iter()
        .find(|(ino, _)| *ino == ns.ino)
        .map_or(0, |&(_, number)| number)
}
