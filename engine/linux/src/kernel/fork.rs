//! New tasks: `clone` in all its forms, and the first task of a process that the host spawns.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use bottleship_abi::process::*;
use bottleship_abi::{Errno, SigSet, Signal};
use bottleship_vfs::{CapSet, Creds};
use bottleship_x86::reg;

use super::Inner;
use super::cgroup::Cgroup;
use super::fd_table::FdTable;
use super::ns::{IpcNs, Namespaces, PidNs, UtsNs};
use super::signal::SigHand;
use super::task::{Body, FsContext, Life, Process, ProcessGroup, State, Task};
use super::wait::WaitQueue;
use crate::mm::Mm;
use crate::net::NetNs;
use crate::syscall::Cx;

/// What `clone` is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneArgs {
    pub flags: u64,
    pub exit_signal: u32,
    /// The child's stack pointer; 0 keeps the parent's.
    pub stack: u64,
    pub parent_tid: u64,
    pub child_tid: u64,
    pub tls: u64,
    pub pidfd: u64,
}

/// What a new task starts with.
pub(super) struct Parts {
    pub body: Body,
    pub mm: Option<Rc<Mm>>,
    pub fs: Rc<FsContext>,
    pub files: Rc<FdTable>,
    pub sighand: Rc<SigHand>,
    pub creds: Rc<Creds>,
    pub ns: Rc<Namespaces>,
    pub comm: Vec<u8>,
    pub state: State,
}

impl Inner {
    pub(super) fn new_process(
        self: &Rc<Inner>,
        numbers: Vec<(Rc<PidNs>, u32)>,
        parent: Weak<Process>,
        group: Rc<ProcessGroup>,
        cgroup: Cgroup,
        rlimits: [Rlimit; RLIM_NLIMITS],
    ) -> Rc<Process> {
        let process = Rc::new(Process {
            pid: numbers[0].1,
            numbers,
            kernel: Rc::downgrade(self),
            parent: RefCell::new(parent),
            children: RefCell::default(),
            threads: RefCell::default(),
            group: RefCell::new(group.clone()),
            life: Cell::new(Life::Running),
            dying: Cell::new(None),
            continued: Cell::new(false),
            exit_signal: Cell::new(Some(Signal::SIGCHLD)),
            child_wait: WaitQueue::new(),
            exit_wait: WaitQueue::new(),
            released: Cell::new(false),
            release_wait: WaitQueue::new(),
            pending: RefCell::default(),
            signal_wait: WaitQueue::new(),
            rlimits: RefCell::new(rlimits),
            itimers: RefCell::default(),
            timers: RefCell::default(),
            cgroup: RefCell::new(cgroup.clone()),
            exe: RefCell::default(),
            cmdline: RefCell::default(),
            environ: RefCell::default(),
            oom_score_adj: Cell::new(0),
            dumpable: Cell::new(true),
            subreaper: Cell::new(false),
            execed: Cell::new(false),
            personality: Cell::new(0),
            started: Cell::new(self.monotonic()),
            dead_instructions: Cell::new(0),
            child_instructions: Cell::new(0),
            max_rss: Cell::new(0),
            nice: Cell::new(0),
            final_status: Cell::new(None),
            later: Cell::new(None),
            host_owned: Cell::new(false),
        });
        group.members.borrow_mut().push(Rc::downgrade(&process));
        cgroup.add_process(&process);
        process
    }

    pub(super) fn new_task(
        self: &Rc<Inner>,
        numbers: Vec<(Rc<PidNs>, u32)>,
        process: &Rc<Process>,
        parts: Parts,
    ) -> Rc<Task> {
        let task = Rc::new(Task {
            tid: numbers[0].1,
            child_pid_ns: RefCell::new(parts.ns.pid.clone()),
            numbers,
            kernel: Rc::downgrade(self),
            sched: self.sched.clone(),
            process: process.clone(),
            state: Cell::new(parts.state),
            wait_number: Cell::new(0),
            queued: Cell::new(false),
            body: RefCell::new(parts.body),
            mm: RefCell::new(parts.mm),
            fs: RefCell::new(parts.fs),
            files: RefCell::new(parts.files),
            sighand: RefCell::new(parts.sighand),
            creds: RefCell::new(parts.creds),
            keep_caps: Cell::new(false),
            no_new_privs: Cell::new(false),
            securebits: Cell::new(0),
            ns: RefCell::new(parts.ns),
            pending: RefCell::default(),
            blocked: Cell::new(SigSet::EMPTY),
            saved_mask: Cell::new(None),
            sigwait: Cell::new(SigSet::EMPTY),
            altstack: Cell::new((0, 0, 0)),
            clear_child_tid: Cell::new(0),
            robust_list: Cell::new(0),
            parked: Cell::new(None),
            resume: RefCell::default(),
            comm: RefCell::new(parts.comm),
            instructions: Cell::new(0),
            syscalls: Cell::new(0),
            pdeathsig: Cell::new(None),
        });
        process.threads.borrow_mut().push(Rc::downgrade(&task));
        self.tasks.borrow_mut().insert(task.tid, task.clone());
        PidNs::add_task(&task);
        task
    }

    /// `clone`: the new task, runnable.
    pub fn clone_task(self: &Rc<Inner>, cx: &Cx, args: &CloneArgs) -> Result<Rc<Task>, Errno> {
        let flags = args.flags;
        let has = |flag: u64| flags & flag != 0;
        let invalid = (has(CLONE_THREAD) && !has(CLONE_SIGHAND))
            || (has(CLONE_SIGHAND) && !has(CLONE_VM))
            || (has(CLONE_NEWNS) && has(CLONE_FS))
            || (has(CLONE_THREAD) && flags & (CLONE_NEWPID | CLONE_NEWUSER) != 0)
            || (args.exit_signal != 0 && Signal::new(args.exit_signal).is_none());
        if invalid {
            return Err(Errno::EINVAL);
        }
        let parent = cx.t;
        let creds = parent.creds();
        let nproc = parent.process.limit(RLIMIT_NPROC);
        if nproc != RLIM_INFINITY
            && !creds.capable(CapSet::SYS_RESOURCE)
            && !creds.capable(CapSet::SYS_ADMIN)
        {
            let own = self
                .tasks
                .borrow()
                .values()
                .filter(|task| task.creds.borrow().uid == creds.uid)
                .count();
            if own as u64 >= nproc {
                return Err(Errno::EAGAIN);
            }
        }
        let fs = parent.fs();
        let fs = if has(CLONE_FS) {
            fs
        } else {
            Rc::new(fs.fork())
        };
        let (ns, pid_ns) = self.namespaces_for(cx, flags, &fs)?;
        let mm = parent.mm()?;
        let mut cpu = parent.with_cpu(|cpu| Box::new(cpu.clone()))?;
        let cgroup = parent.process.cgroup.borrow().clone();
        cgroup.add_task()?;
        let numbers = match pid_ns.allocate() {
            Ok(numbers) => numbers,
            Err(error) => {
                cgroup.remove_task();
                return Err(error);
            }
        };
        self.forks.set(self.forks.get() + 1);
        cpu.gpr[reg::RAX] = 0;
        if args.stack != 0 {
            cpu.gpr[reg::RSP] = args.stack;
        }
        if has(CLONE_SETTLS) {
            cpu.set_fs_base(args.tls);
        }
        let files = parent.files();
        let sighand = parent.sighand.borrow().clone();
        let child_sighand = if has(CLONE_SIGHAND) {
            sighand
        } else {
            Rc::new(sighand.fork())
        };
        if has(CLONE_CLEAR_SIGHAND) {
            child_sighand.reset_for_exec();
        }
        let parts = Parts {
            body: Body::Machine(cpu),
            mm: Some(if has(CLONE_VM) {
                mm
            } else {
                mm.fork(cgroup.clone())
            }),
            fs,
            files: if has(CLONE_FILES) {
                files
            } else {
                Rc::new(files.fork())
            },
            sighand: child_sighand,
            creds,
            ns,
            comm: parent.comm.borrow().clone(),
            state: State::Runnable,
        };
        let process = if has(CLONE_THREAD) {
            parent.process.clone()
        } else {
            self.fork_process(parent, numbers.clone(), cgroup, args)
        };
        let task = self.new_task(numbers, &process, parts);
        if !has(CLONE_THREAD) {
            PidNs::add_process(&process);
        }
        task.blocked.set(parent.blocked.get());
        task.keep_caps.set(parent.keep_caps.get());
        task.no_new_privs.set(parent.no_new_privs.get());
        task.securebits.set(parent.securebits.get());
        if !has(CLONE_VM) || has(CLONE_VFORK) {
            task.altstack.set(parent.altstack.get());
        }
        if has(CLONE_CHILD_CLEARTID) {
            task.clear_child_tid.set(args.child_tid);
        }
        let child_view = task.tid_in(task.pid_ns());
        if has(CLONE_CHILD_SETTID)
            && let Ok(mm) = task.mm()
        {
            // Like Linux, a bad address here is the child's misfortune, not an error.
            let _ = mm.write(args.child_tid, &child_view.to_le_bytes());
        }
        if has(CLONE_PARENT_SETTID) {
            let _ = cx.write_mem(args.parent_tid, &task.tid_in(parent.pid_ns()).to_le_bytes());
        }
        self.sched.enqueue(&task);
        Ok(task)
    }

    fn fork_process(
        self: &Rc<Inner>,
        task: &Rc<Task>,
        numbers: Vec<(Rc<PidNs>, u32)>,
        cgroup: Cgroup,
        args: &CloneArgs,
    ) -> Rc<Process> {
        let own = &task.process;
        let parent = if args.flags & CLONE_PARENT != 0 {
            own.parent.borrow().clone()
        } else {
            Rc::downgrade(own)
        };
        let group = own.group.borrow().clone();
        let process = self.new_process(
            numbers,
            parent.clone(),
            group,
            cgroup,
            *own.rlimits.borrow(),
        );
        process.exit_signal.set(Signal::new(args.exit_signal));
        process.exe.replace(own.exe.borrow().clone());
        process.cmdline.replace(own.cmdline.borrow().clone());
        process.oom_score_adj.set(own.oom_score_adj.get());
        process.dumpable.set(own.dumpable.get());
        process.personality.set(own.personality.get());
        process.nice.set(own.nice.get());
        if let Some(parent) = parent.upgrade() {
            parent.children.borrow_mut().push(process.clone());
        }
        process
    }

    /// The namespaces of a child, and the one its PID comes from.
    fn namespaces_for(
        self: &Rc<Inner>,
        cx: &Cx,
        flags: u64,
        fs: &FsContext,
    ) -> Result<(Rc<Namespaces>, Rc<PidNs>), Errno> {
        let ns = cx.t.ns();
        let pid_ns = cx.t.child_pid_ns.borrow().clone();
        if flags & NEW_FLAGS == 0 && Rc::ptr_eq(&pid_ns, &ns.pid) {
            return Ok((ns, pid_ns));
        }
        let mut new = self.unshared(cx, &ns, flags, fs)?;
        let pid_ns = if flags & CLONE_NEWPID != 0 {
            PidNs::nested(self.new_ns_ino(), pid_ns)?
        } else {
            pid_ns
        };
        new.pid = pid_ns.clone();
        Ok((Rc::new(new), pid_ns))
    }

    /// `ns` with new UTS, IPC, network and mount namespaces as `flags` say; `fs` moves into the copied mounts.
    pub fn unshared(
        &self,
        cx: &Cx,
        ns: &Namespaces,
        flags: u64,
        fs: &FsContext,
    ) -> Result<Namespaces, Errno> {
        if flags & CLONE_NEWUSER != 0 {
            return Err(Errno::EINVAL);
        }
        if flags & NEW_FLAGS != 0 {
            cx.need(CapSet::SYS_ADMIN)?;
        }
        let mut new = ns.clone();
        if flags & CLONE_NEWUTS != 0 {
            new.uts = Rc::new(UtsNs {
                ino: self.new_ns_ino(),
                hostname: ns.uts.hostname.clone(),
                domainname: ns.uts.domainname.clone(),
            });
        }
        if flags & CLONE_NEWIPC != 0 {
            new.ipc = IpcNs::new(self.new_ns_ino());
        }
        if flags & CLONE_NEWNET != 0 {
            new.net = NetNs::new(&self.network, self.new_ns_ino());
        }
        if flags & CLONE_NEWNS != 0 {
            let (copy, translate) = ns.mnt.copy()?;
            let (cwd, root) = (fs.cwd.borrow().clone(), fs.root.borrow().clone());
            fs.cwd.replace(translate.translate(&cwd));
            fs.root.replace(translate.translate(&root));
            new.mnt = copy;
            new.mnt_ino = self.new_ns_ino();
        }
        Ok(new)
    }
}

const NEW_FLAGS: u64 =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUSER;
