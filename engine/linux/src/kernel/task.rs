//! Tasks (threads), processes (thread groups), process groups and sessions.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use bottleship_abi::process::{RLIM_NLIMITS, Rlimit};
use bottleship_abi::{Errno, SigSet, Signal};
use bottleship_vfs::{Creds, Path};
use bottleship_x86::Cpu;
use futures::future::LocalBoxFuture;

use super::cgroup::Cgroup;
use super::fd_table::FdTable;
use super::ns::{Namespaces, PidNs};
use super::sched::Sched;
use super::signal::{Pending, SigHand};
use super::timer::Itimer;
use super::tty::Tty;
use super::wait::WaitQueue;
use super::{Inner, futex::FutexWait};
use crate::mm::Mm;
use crate::syscall::Restart;

/// What a task is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Running, or wanting to.
    Runnable,
    /// In a system call that waits for something.
    Parked,
    /// Stopped by a signal.
    Stopped,
    /// Made but not yet started (`docker create`).
    Held,
    /// Gone.
    Dead,
}

/// What a waiting system call has to remember until it is called again.
pub enum Resume {
    /// When it gives up, on the monotonic clock in ns.
    Deadline(u64),
    /// Bytes already transferred.
    Partial(u64),
    /// Its place in a futex's queue.
    Futex(FutexWait),
    /// The child that `vfork` waits for: its number to return.
    Vfork(Rc<Process>, u32),
    /// A FIFO being opened: ends opened before.
    Fifo(Box<dyn std::any::Any>),
}

/// A system call that waits.
#[derive(Clone, Copy)]
pub struct ParkedCall {
    pub number: u64,
    pub args: [u64; 6],
    pub restart: Restart,
}

/// What executes a task.
pub enum Body {
    /// Machine code.
    Machine(Box<Cpu>),
    /// A builtin program.
    Builtin(LocalBoxFuture<'static, i32>),
    /// Taken out while it runs, or gone.
    None,
}

/// Working directory, root and umask; `CLONE_FS` shares it.
pub struct FsContext {
    pub cwd: RefCell<Path>,
    pub root: RefCell<Path>,
    pub umask: Cell<u32>,
}

impl FsContext {
    /// A copy for `fork`.
    pub fn fork(&self) -> FsContext {
        FsContext {
            cwd: RefCell::new(self.cwd.borrow().clone()),
            root: RefCell::new(self.root.borrow().clone()),
            umask: self.umask.clone(),
        }
    }
}

/// A thread.
pub struct Task {
    /// Its number in the host's PID namespace.
    pub tid: u32,
    /// Its numbers, from the outermost namespace to its own.
    pub numbers: Vec<(Rc<PidNs>, u32)>,
    pub kernel: Weak<Inner>,
    pub sched: Rc<Sched>,
    pub process: Rc<Process>,
    pub state: Cell<State>,
    /// The wait that is under way or comes next; wait queue entries of earlier ones are stale.
    pub wait_number: Cell<u64>,
    /// In the run queue.
    pub queued: Cell<bool>,
    pub body: RefCell<Body>,
    pub mm: RefCell<Option<Rc<Mm>>>,
    pub fs: RefCell<Rc<FsContext>>,
    pub files: RefCell<Rc<FdTable>>,
    pub sighand: RefCell<Rc<SigHand>>,
    pub creds: RefCell<Rc<Creds>>,
    pub keep_caps: Cell<bool>,
    pub no_new_privs: Cell<bool>,
    pub securebits: Cell<u32>,
    pub ns: RefCell<Rc<Namespaces>>,
    /// Where children's PIDs come from (`unshare(CLONE_NEWPID)` changes it).
    pub child_pid_ns: RefCell<Rc<PidNs>>,
    pub pending: RefCell<Pending>,
    pub blocked: Cell<SigSet>,
    /// The mask to restore after `sigsuspend`, `ppoll` and the like.
    pub saved_mask: Cell<Option<SigSet>>,
    /// What `sigtimedwait` waits for.
    pub sigwait: Cell<SigSet>,
    /// Base, size and flags of the alternate signal stack.
    pub altstack: Cell<(u64, u64, u32)>,
    pub clear_child_tid: Cell<u64>,
    pub robust_list: Cell<u64>,
    pub parked: Cell<Option<ParkedCall>>,
    pub resume: RefCell<Option<Resume>>,
    pub comm: RefCell<Vec<u8>>,
    /// Guest instructions carried out.
    pub instructions: Cell<u64>,
    pub syscalls: Cell<u64>,
    pub pdeathsig: Cell<Option<Signal>>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// `exit(n)`.
    Code(u8),
    /// Killed by a signal.
    Signal(Signal),
}

impl ExitStatus {
    /// The status word that `wait4(2)` stores.
    pub fn wait_status(self) -> u32 {
        match self {
            ExitStatus::Code(code) => u32::from(code) << 8,
            ExitStatus::Signal(signal) => signal.number(),
        }
    }

    /// As a shell's `$?` and Docker's `ExitCode`: 128 + n for a signal.
    pub fn code(self) -> i32 {
        match self {
            ExitStatus::Code(code) => i32::from(code),
            ExitStatus::Signal(signal) => 128 + signal.number() as i32,
        }
    }
}

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Running,
    /// Stopped by job control; whether the parent has been told.
    Stopped {
        by: Signal,
        reported: bool,
    },
    Zombie(ExitStatus),
    /// Waited for: gone.
    Reaped,
}

/// A thread group.
pub struct Process {
    /// Its number in the host's PID namespace.
    pub pid: u32,
    /// Its numbers, from the outermost namespace to its own.
    pub numbers: Vec<(Rc<PidNs>, u32)>,
    pub kernel: Weak<Inner>,
    pub parent: RefCell<Weak<Process>>,
    pub children: RefCell<Vec<Rc<Process>>>,
    pub threads: RefCell<Vec<Weak<Task>>>,
    pub group: RefCell<Rc<ProcessGroup>>,
    pub life: Cell<Life>,
    /// Set while the group is being killed: every thread exits with it.
    pub dying: Cell<Option<ExitStatus>>,
    /// Continued since the parent last asked.
    pub continued: Cell<bool>,
    /// The signal for the parent at exit; `None` for a `clone` that asked for none.
    pub exit_signal: Cell<Option<Signal>>,
    /// Its children changed, or it should look at them again.
    pub child_wait: WaitQueue,
    /// It exited (host-side waiters, pidfds).
    pub exit_wait: WaitQueue,
    /// It released its parent's memory (`vfork`).
    pub released: Cell<bool>,
    pub release_wait: WaitQueue,
    pub pending: RefCell<Pending>,
    /// A signal arrived (signalfd).
    pub signal_wait: WaitQueue,
    pub rlimits: RefCell<[Rlimit; RLIM_NLIMITS]>,
    pub itimers: RefCell<[Itimer; 3]>,
    pub timers: RefCell<Vec<Option<super::timer::PosixTimer>>>,
    pub cgroup: RefCell<Cgroup>,
    pub exe: RefCell<Option<Path>>,
    /// argv as it was at exec, for builtins (a machine's is read from its memory).
    pub cmdline: RefCell<Vec<Vec<u8>>>,
    pub environ: RefCell<Vec<Vec<u8>>>,
    pub oom_score_adj: Cell<i32>,
    pub dumpable: Cell<bool>,
    pub subreaper: Cell<bool>,
    pub execed: Cell<bool>,
    pub personality: Cell<u64>,
    /// Monotonic time of its start, in ns.
    pub started: Cell<u64>,
    /// Instructions of threads that are gone, and of children waited for.
    pub dead_instructions: Cell<u64>,
    pub child_instructions: Cell<u64>,
    pub max_rss: Cell<u64>,
    pub nice: Cell<i32>,
    /// How it ended.
    pub final_status: Cell<Option<ExitStatus>>,
    /// Timer signals found due while accounting.
    pub later: Cell<Option<Signal>>,
    /// For a container's first process and those `exec`ed into it: made by the host, so reaped by it.
    pub host_owned: Cell<bool>,
}

/// A job.
pub struct ProcessGroup {
    /// Its leader's number in the host's PID namespace.
    pub id: u32,
    /// Its leader's numbers, by the namespaces' inode numbers.
    pub numbers: Vec<(u64, u32)>,
    pub session: Rc<Session>,
    pub members: RefCell<Vec<Weak<Process>>>,
}

/// A session, with its controlling terminal.
pub struct Session {
    pub id: u32,
    pub numbers: Vec<(u64, u32)>,
    pub leader: RefCell<Weak<Process>>,
    pub tty: RefCell<Option<Rc<Tty>>>,
}

impl ProcessGroup {
    /// A group without members yet, led by the process with these numbers.
    pub fn new(leader: &[(Rc<PidNs>, u32)], session: Rc<Session>) -> Rc<ProcessGroup> {
        Rc::new(ProcessGroup {
            id: leader[0].1,
            numbers: plain(leader),
            session,
            members: RefCell::default(),
        })
    }

    /// Its living processes.
    pub fn processes(&self) -> Vec<Rc<Process>> {
        let mut members = self.members.borrow_mut();
        members.retain(|member| member.strong_count() > 0);
        members
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|p| !matches!(p.life.get(), Life::Reaped))
            .collect()
    }

    /// Without a member whose parent is in the same session but another group, nobody could continue it.
    pub fn is_orphaned(&self) -> bool {
        !self.processes().iter().any(|process| {
            process.parent.borrow().upgrade().is_some_and(|parent| {
                let group = parent.group.borrow();
                group.id != self.id && Rc::ptr_eq(&group.session, &self.session)
            })
        })
    }
}

fn plain(numbers: &[(Rc<PidNs>, u32)]) -> Vec<(u64, u32)> {
    numbers
        .iter()
        .map(|(ns, number)| (ns.ino, *number))
        .collect()
}

impl Session {
    /// A session to be led by the process with these numbers.
    pub fn new(leader: &[(Rc<PidNs>, u32)]) -> Rc<Session> {
        Rc::new(Session {
            id: leader[0].1,
            numbers: plain(leader),
            leader: RefCell::default(),
            tty: RefCell::default(),
        })
    }
}

impl Process {
    /// Its number in `ns`; 0 when it isn't visible there.
    pub fn pid_in(&self, ns: &Rc<PidNs>) -> u32 {
        number_in(&self.numbers, ns)
    }

    /// Its living threads.
    pub fn tasks(&self) -> Vec<Rc<Task>> {
        self.threads
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|t| t.state.get() != State::Dead)
            .collect()
    }

    /// Some living thread, the leader first.
    pub fn task(&self) -> Option<Rc<Task>> {
        self.threads
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .find(|t| t.state.get() != State::Dead)
    }

    /// Whether it has exited.
    pub fn is_zombie(&self) -> bool {
        matches!(self.life.get(), Life::Zombie(_) | Life::Reaped)
    }

    /// Moves it to another group.
    pub fn set_group(self: &Rc<Process>, group: Rc<ProcessGroup>) {
        let old = self.group.replace(group.clone());
        old.members
            .borrow_mut()
            .retain(|member| !std::ptr::eq(member.as_ptr(), Rc::as_ptr(self)));
        group.members.borrow_mut().push(Rc::downgrade(self));
    }

    /// Whether this is the first process of a container's PID namespace. (The host's has no such process.)
    pub fn is_ns_init(&self) -> bool {
        self.numbers
            .last()
            .is_some_and(|(ns, pid)| *pid == 1 && ns.level > 0)
    }

    /// The PID namespace it lives in.
    pub fn pid_ns(&self) -> &Rc<PidNs> {
        &self
            .numbers
            .last()
            .expect("a process has at least one number")
            .0
    }

    /// Instructions of all its threads, living and dead.
    pub fn instructions(&self) -> u64 {
        self.tasks()
            .iter()
            .map(|task| task.instructions.get())
            .sum::<u64>()
            + self.dead_instructions.get()
    }

    pub(crate) fn pending_later(&self, signal: Signal) {
        self.later.set(Some(signal));
    }

    pub(crate) fn take_later(&self) -> Option<Signal> {
        self.later.take()
    }

    /// Its arguments, from its memory when it has some.
    pub fn argv(&self) -> Vec<Vec<u8>> {
        if let Some(mm) = self.task().and_then(|task| task.mm().ok()) {
            let (start, end) = mm.args.get();
            let mut bytes = vec![0; end.saturating_sub(start).min(128 * 1024) as usize];
            if !bytes.is_empty() && mm.read(start, &mut bytes).is_ok() {
                let mut strings: Vec<Vec<u8>> =
                    bytes.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
                strings.pop();
                return strings;
            }
        }
        if self.is_zombie() {
            Vec::new()
        } else {
            self.cmdline.borrow().clone()
        }
    }

    /// A limit's soft value.
    pub fn limit(&self, resource: usize) -> u64 {
        self.rlimits.borrow()[resource].soft
    }
}

/// The number of someone with these `numbers` in `ns`.
pub fn number_in(numbers: &[(Rc<PidNs>, u32)], ns: &Rc<PidNs>) -> u32 {
    numbers
        .iter()
        .find(|(level, _)| Rc::ptr_eq(level, ns))
        .map_or(0, |&(_, number)| number)
}

impl Task {
    /// Ends the wait `wait`, if the task is still in it.
    pub fn wake_from(self: &Rc<Task>, wait: u64) {
        if self.wait_number.get() == wait {
            self.wake();
        }
    }

    /// Makes a parked task look again. (A builtin looks by being polled.)
    pub fn wake(self: &Rc<Task>) {
        match self.state.get() {
            State::Parked => {
                self.state.set(State::Runnable);
                self.sched.enqueue(self);
            }
            State::Runnable => self.sched.enqueue(self),
            State::Stopped | State::Held | State::Dead => {}
        }
    }

    /// Its number in `ns`; 0 when it isn't visible there.
    pub fn tid_in(&self, ns: &Rc<PidNs>) -> u32 {
        number_in(&self.numbers, ns)
    }

    /// The PID namespace that its own numbers belong to.
    pub fn pid_ns(&self) -> &Rc<PidNs> {
        self.process.pid_ns()
    }

    /// Its credentials now.
    pub fn creds(&self) -> Rc<Creds> {
        self.creds.borrow().clone()
    }

    /// Its descriptors.
    pub fn files(&self) -> Rc<FdTable> {
        self.files.borrow().clone()
    }

    /// Its directories.
    pub fn fs(&self) -> Rc<FsContext> {
        self.fs.borrow().clone()
    }

    /// Its namespaces.
    pub fn ns(&self) -> Rc<Namespaces> {
        self.ns.borrow().clone()
    }

    /// Its memory; a builtin has none.
    pub fn mm(&self) -> Result<Rc<Mm>, Errno> {
        self.mm.borrow().clone().ok_or(Errno::EFAULT)
    }

    /// Runs `f` on its registers, when it is machine code.
    pub fn with_cpu<R>(&self, f: impl FnOnce(&mut Cpu) -> R) -> Result<R, Errno> {
        match &mut *self.body.borrow_mut() {
            Body::Machine(cpu) => Ok(f(cpu)),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// Whether it is a builtin program.
    pub fn is_builtin(&self) -> bool {
        self.mm.borrow().is_none()
    }
}
