//! Processes that the host starts: a container's first one, those of `exec`, the Docker host's shell.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::rc::{Rc, Weak};
use std::task::Poll;

use bottleship_abi::fs::{O_RDONLY, O_RDWR, O_WRONLY};
use bottleship_abi::mode::{S_IFDIR, S_IFMT};
use bottleship_abi::process::{RLIM_NLIMITS, Rlimit, default_rlimits};
use bottleship_abi::{Errno, Signal};
use bottleship_vfs::{Access, Creds, Path, ResolveFlags, Walk, permission};

use super::cgroup::Cgroup;
use super::fd_table::FdTable;
use super::file::OpenFile;
use super::fork::Parts;
use super::host::{Pty, Stdio};
use super::ns::{Namespaces, PidNs};
use super::signal::{by_kernel, send_to_group, send_to_process};
use super::task::{self, Body, ExitStatus, FsContext, Life, ProcessGroup, Session, State};
use super::tty::SlaveFile;
use super::{Inner, Kernel, NS_PER_INSTRUCTION};
use crate::loader;

/// What a process is started with.
pub struct ProcessSpec {
    /// Program and arguments; the program is looked up in `PATH` of `envp` unless it holds a slash.
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub envp: Vec<Vec<u8>>,
    /// The working directory, within the namespaces' root.
    pub cwd: Vec<u8>,
    /// User, groups and capabilities.
    pub user: Creds,
    /// `--security-opt no-new-privileges`.
    pub no_new_privs: bool,
    /// Resource limits.
    pub rlimits: [Rlimit; RLIM_NLIMITS],
    /// The umask.
    pub umask: u32,
    /// Descriptors 0, 1 and 2.
    pub stdio: [Stdio; 3],
    /// The terminal of the new session.
    pub controlling_tty: Option<Pty>,
    /// Made but not started: [`Process::start`] lets it run.
    pub stopped: bool,
    /// The name in `ps`; the program's when absent.
    pub comm: Option<Vec<u8>>,
    /// `--oom-score-adj`.
    pub oom_score_adj: i32,
}

impl ProcessSpec {
    /// `argv` as root in `/`, without input or output.
    pub fn new(argv: Vec<Vec<u8>>) -> ProcessSpec {
        ProcessSpec {
            argv,
            envp: Vec::new(),
            cwd: b"/".to_vec(),
            user: Creds::root(),
            no_new_privs: false,
            rlimits: default_rlimits(),
            umask: 0o022,
            stdio: [Stdio::Null, Stdio::Null, Stdio::Null],
            controlling_tty: None,
            stopped: false,
            comm: None,
            oom_score_adj: 0,
        }
    }
}

/// Why a process could not be started. `Display` is what runc says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpawnError {
    /// A name without a slash that no directory of `PATH` has.
    NotInPath(String),
    /// A path that doesn't exist.
    NoSuchFile(String),
    /// A file that is not executable, or not by this user.
    PermissionDenied(String),
    /// A directory.
    IsDirectory(String),
    /// Neither ELF for this machine nor a script.
    ExecFormat(String),
    /// The file exists; what interprets it doesn't.
    MissingInterpreter(String),
    /// The working directory can't be entered.
    Cwd(String, Errno),
    /// Nothing to run.
    NoCommand,
    /// A limit (pids, memory) or another error, and what was being done.
    Failed(&'static str, Errno),
}

fn lower(errno: Errno) -> String {
    let text = errno.strerror();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::NotInPath(name) => {
                write!(f, "exec: {name:?}: executable file not found in $PATH")
            }
            SpawnError::NoSuchFile(path) => {
                write!(f, "exec: {path:?}: stat {path}: no such file or directory")
            }
            SpawnError::PermissionDenied(path) => write!(f, "exec: {path:?}: permission denied"),
            SpawnError::IsDirectory(path) => write!(f, "exec: {path:?}: is a directory"),
            SpawnError::ExecFormat(path) => write!(f, "exec {path}: exec format error"),
            SpawnError::MissingInterpreter(path) => {
                write!(f, "exec {path}: no such file or directory")
            }
            SpawnError::Cwd(dir, errno) => {
                write!(
                    f,
                    "chdir to cwd ({dir:?}) set in config.json failed: {}",
                    lower(*errno)
                )
            }
            SpawnError::NoCommand => f.write_str("no command specified"),
            SpawnError::Failed(what, errno) => write!(f, "{what}: {}", lower(*errno)),
        }
    }
}

impl std::error::Error for SpawnError {}

/// The host's handle on a process.
#[derive(Clone)]
pub struct Process {
    kernel: Weak<Inner>,
    process: Rc<task::Process>,
    /// What it starts as, until it does.
    held: Rc<Cell<bool>>,
}

/// What [`Process::status`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not started yet.
    Created,
    /// Running or waiting.
    Running,
    /// Stopped by a signal.
    Stopped,
    /// Gone.
    Exited(ExitStatus),
}

impl Process {
    /// Its number in the host's PID namespace.
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Lets a process made with `stopped` run.
    pub fn start(&self) {
        if self.held.take()
            && let Some(task) = self.process.task()
        {
            task.state.set(State::Runnable);
            task.sched.enqueue(&task);
        }
    }

    /// Sends a signal, as from the namespace around it.
    pub fn kill(&self, signal: Signal) {
        if self.held.get() {
            // A container that was created but not started has nothing that could take a signal but death.
            if (signal == Signal::SIGKILL || signal == Signal::SIGTERM)
                && let Some(kernel) = self.kernel.upgrade()
            {
                kernel.exit_group(&self.process, ExitStatus::Signal(signal));
            }
            return;
        }
        send_to_process(&self.process, by_kernel(signal));
    }

    /// Sends a signal to all of its process group.
    pub fn kill_group(&self, signal: Signal) {
        let group = self.process.group.borrow().clone();
        send_to_group(&group, signal);
    }

    /// How it is.
    pub fn status(&self) -> Status {
        match self.process.life.get() {
            _ if self.held.get() && !self.process.is_zombie() => Status::Created,
            Life::Running => Status::Running,
            Life::Stopped { .. } => Status::Stopped,
            Life::Zombie(status) => Status::Exited(status),
            Life::Reaped => Status::Exited(self.exit_status().unwrap_or(ExitStatus::Code(0))),
        }
    }

    /// How it ended, if it did.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.process.final_status.get()
    }

    /// Resolves when it ends.
    pub fn exited(&self) -> impl Future<Output = ExitStatus> + use<> {
        let this = self.clone();
        std::future::poll_fn(move |context| match this.exit_status() {
            Some(status) => Poll::Ready(status),
            None => {
                this.process.exit_wait.add_waker(context.waker());
                Poll::Pending
            }
        })
    }
}

/// A line of `docker top`.
#[derive(Clone, Debug)]
pub struct ProcInfo {
    /// Numbers in the host's PID namespace.
    pub pid: u32,
    /// The parent's, 0 when the host is its parent.
    pub ppid: u32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Start, in ns of the monotonic clock.
    pub started_ns: u64,
    /// CPU time in ns.
    pub cpu_ns: u64,
    /// `R`, `S`, `T` or `Z`.
    pub state: char,
    /// N of `/dev/pts/N`.
    pub tty: Option<u32>,
    /// Name of the program, at most 15 bytes.
    pub comm: Vec<u8>,
    /// Arguments.
    pub argv: Vec<Vec<u8>>,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Bytes of address space.
    pub vsize: u64,
    /// Threads.
    pub threads: usize,
}

impl Kernel {
    /// Starts a process in these namespaces and this group.
    pub fn spawn(
        &self,
        ns: &Namespaces,
        cgroup: &Cgroup,
        spec: ProcessSpec,
    ) -> Result<Process, SpawnError> {
        let k = &self.0;
        let program = spec.argv.first().ok_or(SpawnError::NoCommand)?.clone();
        if program.is_empty() {
            return Err(SpawnError::NotInPath(String::new()));
        }
        let root = ns.mnt.root();
        let walk = Walk {
            root: &root,
            cwd: &root,
            creds: &spec.user,
        };
        let cwd = enter(&walk, &spec.cwd)?;
        let walk = Walk { cwd: &cwd, ..walk };
        let path_var = spec
            .envp
            .iter()
            .find_map(|v| v.strip_prefix(b"PATH="))
            .unwrap_or(b"")
            .to_vec();
        let (name, path) = look_up(&walk, &program, &path_var)?;
        let shown = || String::from_utf8_lossy(&name).into_owned();
        let resolve = |path: &[u8]| walk.resolve(path, ResolveFlags::FOLLOW);
        let file =
            loader::find(k, &spec.user, path, &name, spec.argv.clone(), &resolve).map_err(|e| {
                match e {
                    Errno::ENOEXEC | Errno::ELIBBAD => SpawnError::ExecFormat(shown()),
                    Errno::ENOENT | Errno::ENOTDIR => SpawnError::MissingInterpreter(shown()),
                    Errno::EACCES => SpawnError::PermissionDenied(shown()),
                    e => SpawnError::Failed("exec", e),
                }
            })?;
        cgroup
            .add_task()
            .map_err(|e| SpawnError::Failed("fork/exec", e))?;
        let numbers = ns.pid.allocate().map_err(|e| {
            cgroup.remove_task();
            SpawnError::Failed("fork/exec", e)
        })?;
        let files = open_stdio(&root, &spec.stdio);
        let session = Session::new(&numbers);
        let group = ProcessGroup::new(&numbers, session.clone());
        let process = k.new_process(
            numbers.clone(),
            Weak::new(),
            group.clone(),
            cgroup.clone(),
            spec.rlimits,
        );
        *session.leader.borrow_mut() = Rc::downgrade(&process);
        if let Some(pty) = &spec.controlling_tty {
            pty.0.associate(&session, &group);
        }
        process.host_owned.set(true);
        process.oom_score_adj.set(spec.oom_score_adj);
        // A process added to a running namespace (`docker exec`) isn't its init's child, as with runc.
        let parts = Parts {
            body: Body::None,
            mm: None,
            fs: Rc::new(FsContext {
                cwd: RefCell::new(cwd),
                root: RefCell::new(root.clone()),
                umask: Cell::new(spec.umask & 0o777),
            }),
            files,
            sighand: Rc::default(),
            creds: Rc::new(spec.user.clone()),
            ns: Rc::new(ns.clone()),
            comm: Vec::new(),
            state: State::Held,
        };
        let task = k.new_task(numbers, &process, parts);
        PidNs::add_process(&process);
        PidNs::add_group(&group, &process);
        task.no_new_privs.set(spec.no_new_privs);
        if let Err(errno) = loader::exec(k, &task, file, spec.envp) {
            k.exit_group(&process, ExitStatus::Signal(Signal::SIGKILL));
            return Err(SpawnError::Failed("exec", errno));
        }
        if let Some(comm) = spec.comm {
            task.comm.replace(comm.into_iter().take(15).collect());
        }
        let handle = Process {
            kernel: Rc::downgrade(k),
            process,
            held: Rc::new(Cell::new(true)),
        };
        task.state.set(State::Held);
        if !spec.stopped {
            handle.start();
        }
        Ok(handle)
    }

    /// The processes of a PID namespace.
    pub fn processes(&self, ns: &Namespaces) -> Vec<ProcInfo> {
        ns.pid
            .processes()
            .into_iter()
            .filter_map(|(_, process)| info(&process))
            .collect()
    }
}

fn info(process: &Rc<task::Process>) -> Option<ProcInfo> {
    let task = process.task();
    let life = process.life.get();
    if life == Life::Reaped {
        return None;
    }
    let creds = task.as_ref().map(|task| task.creds());
    let mm = task.as_ref().and_then(|task| task.mm().ok());
    Some(ProcInfo {
        pid: process.pid,
        ppid: process
            .parent
            .borrow()
            .upgrade()
            .map_or(0, |parent| parent.pid),
        uid: creds.as_ref().map_or(0, |creds| creds.euid),
        gid: creds.as_ref().map_or(0, |creds| creds.egid),
        started_ns: process.started.get(),
        cpu_ns: process.instructions() * NS_PER_INSTRUCTION,
        state: state_letter(process),
        tty: process
            .group
            .borrow()
            .session
            .tty
            .borrow()
            .as_ref()
            .map(|tty| tty.number),
        comm: task
            .as_ref()
            .map(|task| task.comm.borrow().clone())
            .unwrap_or_default(),
        argv: process.argv(),
        rss: mm.as_ref().map_or(0, |mm| mm.resident_pages() * 4096),
        vsize: mm.as_ref().map_or(0, |mm| mm.total_bytes()),
        threads: process.tasks().len(),
    })
}

/// The state as `ps` writes it.
pub(crate) fn state_letter(process: &task::Process) -> char {
    match process.life.get() {
        Life::Stopped { .. } => 'T',
        Life::Zombie(_) | Life::Reaped => 'Z',
        Life::Running => {
            let running = process
                .tasks()
                .iter()
                .any(|task| task.state.get() == State::Runnable);
            if running { 'R' } else { 'S' }
        }
    }
}

fn enter(walk: &Walk, dir: &[u8]) -> Result<Path, SpawnError> {
    let dir = if dir.is_empty() { b"/" } else { dir };
    let found = walk.resolve(dir, ResolveFlags::FOLLOW | ResolveFlags::DIRECTORY);
    let entered = found.and_then(|path| {
        permission(&path.attr()?, walk.creds, Access::EXEC)?;
        Ok(path)
    });
    entered.map_err(|errno| SpawnError::Cwd(String::from_utf8_lossy(dir).into_owned(), errno))
}

/// Finds the program as Go's `exec.LookPath` does inside the container.
fn look_up(walk: &Walk, program: &[u8], path_var: &[u8]) -> Result<(Vec<u8>, Path), SpawnError> {
    let shown = String::from_utf8_lossy(program).into_owned();
    let try_one = |name: &[u8]| -> Result<Path, Errno> {
        let path = walk.resolve(name, ResolveFlags::FOLLOW)?;
        let attr = path.attr()?;
        if attr.mode & S_IFMT == S_IFDIR {
            return Err(Errno::EISDIR);
        }
        permission(&attr, walk.creds, Access::EXEC)?;
        Ok(path)
    };
    if program.contains(&b'/') {
        return match try_one(program) {
            Ok(path) => Ok((program.to_vec(), path)),
            Err(Errno::EISDIR) => Err(SpawnError::IsDirectory(shown)),
            Err(Errno::EACCES) => Err(SpawnError::PermissionDenied(shown)),
            Err(_) => Err(SpawnError::NoSuchFile(shown)),
        };
    }
    for dir in path_var.split(|&b| b == b':') {
        let dir = if dir.is_empty() { b"." } else { dir };
        let name = [dir, b"/", program].concat();
        if let Ok(path) = try_one(&name) {
            return Ok((name, path));
        }
    }
    Err(SpawnError::NotInPath(shown))
}

fn open_stdio(root: &Path, stdio: &[Stdio; 3]) -> Rc<FdTable> {
    let files = FdTable::new();
    let mut tty: Option<Rc<OpenFile>> = None;
    for (fd, stdio) in stdio.iter().enumerate() {
        let access = if fd == 0 { O_RDONLY } else { O_WRONLY };
        let file = match stdio {
            Stdio::Null => OpenFile::anon(crate::fs::dev::Null, O_RDWR),
            Stdio::Pipe(end) => end.open(access),
            Stdio::Tty(pty) => tty.get_or_insert_with(|| open_terminal(root, pty)).clone(),
        };
        // A fresh table has room for three.
        let _ = files.set(fd as i32, file, false, 3);
    }
    Rc::new(files)
}

/// Opens a terminal by its name in `/dev/pts`, so that `ttyname(3)` finds it; without that directory, as it is.
fn open_terminal(root: &Path, pty: &Pty) -> Rc<OpenFile> {
    let creds = Creds::root();
    let name = format!("/dev/pts/{}", pty.0.number);
    let found = Walk {
        root,
        cwd: root,
        creds: &creds,
    }
    .resolve(name.as_bytes(), ResolveFlags::FOLLOW);
    let inode = found.as_ref().ok().map(|path| path.inode().clone());
    OpenFile::new(
        Box::new(SlaveFile::new(pty.0.clone(), inode)),
        O_RDWR,
        found.ok(),
    )
}
