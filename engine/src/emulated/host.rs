//! The Docker host as a machine: a root file system, shells on terminals, and
//! the `docker` program among its commands.

use std::cell::RefCell;
use std::io::BufReader;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bottleship_linux::abi::Signal;
use bottleship_linux::abi::tty::WinSize;
use bottleship_linux::{
    ExitStatus, HostReader, HostWriter, Kernel, Process, ProcessSpec, PtyMaster, Stdio,
};
use bottleship_vfs::overlay::{Overlay, Upper};
use bottleship_vfs::{
    CreatePerm, Creds, Errno, FileSystem, InodeRef, MountFlags, MountNs, NewNode, OpenFlags, Quota,
    ResolveFlags, Tmpfs, Walk,
};
use futures::future::{Either, join, pending, select};

use super::assemble::{Machine, Outside, assemble, kernel as make_kernel, open_hub};
use super::stored_tree::StoredTree;
use super::{HostRoot, builtin_docker};
use crate::api::stdcopy::StdStream;
use crate::config::Config;
use crate::engine::Engine;
use crate::executor::RunState;
use crate::layer::{Decompressor, Limits, apply};
use crate::lesson::CommandLog;
use crate::snapshot::SnapshotError;
use crate::store::StoreError;

const BUCKET: &str = "host-tree";
const UPPER: &str = "files";
const SECURE: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);
/// Bytes of output of one command that are kept.
const MAX_OUTPUT: usize = 16 << 20;
/// How often the host's files are stored while they change.
const INTERVAL: Duration = Duration::from_secs(3);

/// What makes a host of a machine.
#[derive(Clone, Debug, Default)]
pub struct HostConfig {
    /// The machine's size.
    pub machine: Machine,
    /// A tar, perhaps compressed, of the root file system. What is changed on it is kept apart.
    pub root: Vec<u8>,
    /// The shell and its arguments for terminals; empty takes root's of `/etc/passwd`, as a login shell.
    pub shell: Vec<String>,
    /// More variables for the shells' environment.
    pub env: Vec<(String, String)>,
}

/// A Docker host. Clones are handles of the same one.
#[derive(Clone)]
pub struct DockerHost(Rc<Inner>);

struct Inner {
    engine: Engine,
    kernel: Kernel,
    upper: StoredTree,
    config: HostConfig,
    mounts: Rc<MountNs>,
    commands: Rc<CommandLog>,
}

/// Why a host could not be booted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// A file tree could not be made: mostly the disk is too small.
    #[error("{0}: {1}")]
    Files(&'static str, Errno),
    /// The engine's own files could not be made.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
    /// The root archive cannot be unpacked.
    #[error("the host's root file system: {0}")]
    Root(String),
    /// What was stored cannot be read.
    #[error("the host's stored files: {0}")]
    Store(#[from] StoreError),
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; 128 + n when killed by signal n.
    pub code: i32,
    /// What it wrote to standard output, as far as it is kept.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, as far as it is kept.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Adds a piece of output, as far as it is kept: 16 MiB of each stream.
    pub fn keep(&mut self, stream: StdStream, data: &[u8]) {
        let kept = match stream {
            StdStream::Stderr => &mut self.stderr,
            _ => &mut self.stdout,
        };
        let room = MAX_OUTPUT.saturating_sub(kept.len());
        kept.extend_from_slice(data.get(..room).unwrap_or(data));
    }
}

/// A command whose standard streams are the host's to serve.
pub struct Job {
    process: Process,
    stdin: Option<HostWriter>,
    /// Standard output and standard error, until their end.
    output: [Option<HostReader>; 2],
}

/// A shell on a terminal.
pub struct Terminal {
    master: PtyMaster,
    process: RefCell<Process>,
}

fn files(what: &'static str) -> impl FnOnce(Errno) -> HostError {
    move |errno| HostError::Files(what, errno)
}

impl DockerHost {
    /// Boots a host: its files as they were stored, its engine, its mounts.
    pub async fn boot(
        outside: Outside,
        host: HostConfig,
        config: Config,
    ) -> Result<Self, HostError> {
        let kernel = make_kernel(&host.machine, &config.hostname, &*outside.entropy);
        let disk = Quota::new(host.machine.disk, host.machine.inodes);
        let lower = unpack_root(&kernel, &disk, &host.root)?;
        let upper =
            Tmpfs::new(&kernel.clock(), disk.clone()).map_err(files("making the host's files"))?;
        let upper = StoredTree::load(&*outside.store, BUCKET, UPPER, upper).await?;
        let lowers = vec![
            lower,
            base_layer(&kernel).map_err(files("making the host's base"))?,
        ];
        let root = Overlay::new(&kernel.clock(), lowers, Some(Upper::new(upper.tree())))
            .map_err(files("joining the host's files"))?;
        let mounts =
            mount_all(&kernel, root.clone()).map_err(files("mounting the host's files"))?;
        let engine = assemble(
            kernel.clone(),
            &host.machine,
            outside,
            Rc::new(HostRoot::new(root)),
            config,
        )?;
        open_hub(&engine);
        let commands = Rc::new(CommandLog::default());
        builtin_docker::register(&kernel, &engine, &commands);

        let this = DockerHost(Rc::new(Inner {
            engine,
            kernel,
            upper,
            // The archive is unpacked now.
            config: HostConfig {
                root: Vec::new(),
                ..host
            },
            mounts,
            commands,
        }));
        this.keep();
        Ok(this)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The `docker` commands that were entered.
    pub fn commands(&self) -> &CommandLog {
        &self.0.commands
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.0.kernel
    }

    /// Runs everything for about so many instructions of emulated processes.
    pub fn run(&self, instructions: u64) -> RunState {
        self.engine().run(instructions)
    }

    /// Opens a terminal with a login shell.
    pub fn open_terminal(&self, rows: u16, columns: u16) -> Result<Terminal, String> {
        self.open_terminal_with(self.shell(), rows, columns)
    }

    /// Opens a terminal with a shell that runs a line.
    pub fn run_on_terminal(&self, line: &str, rows: u16, columns: u16) -> Result<Terminal, String> {
        self.open_terminal_with(line_shell(line), rows, columns)
    }

    fn open_terminal_with(
        &self,
        argv: Vec<String>,
        rows: u16,
        columns: u16,
    ) -> Result<Terminal, String> {
        let size = WinSize {
            rows,
            cols: columns,
            ..WinSize::default()
        };
        let namespaces = self.kernel().host_ns();
        let (master, slave) = self
            .kernel()
            .pty(&namespaces, size)
            .map_err(|errno| format!("open /dev/ptmx: {errno}"))?;
        let mut spec = self.process(argv);
        let tty = || Stdio::Tty(slave.clone());
        spec.stdio = [tty(), tty(), tty()];
        spec.controlling_tty = Some(slave.clone());
        let process = self.spawn(spec)?;
        Ok(Terminal {
            master,
            process: RefCell::new(process),
        })
    }

    /// Runs a line in a shell, with nothing to read, and returns when it ended.
    pub async fn exec(&self, line: &str) -> Result<Output, String> {
        let output = RefCell::new(Output::default());
        let keep = async |stream, data: &[u8]| output.borrow_mut().keep(stream, data);
        let code = self.exec_streaming(line, keep, pending()).await?;
        Ok(Output {
            code,
            ..output.into_inner()
        })
    }

    /// Runs a line in a shell, with nothing to read, and hands its output to `output` as it comes; what it prints
    /// beyond a pipe's 64 KiB waits for that. When `cancel` resolves, the line's processes are asked to end (`SIGTERM`).
    /// Returns the exit code once all who could write to the output are gone.
    pub async fn exec_streaming(
        &self,
        line: &str,
        output: impl AsyncFn(StdStream, &[u8]),
        cancel: impl Future<Output = ()>,
    ) -> Result<i32, String> {
        let (stdout, out) = self.kernel().pipe_from_guest();
        let (stderr, err) = self.kernel().pipe_from_guest();
        let mut spec = self.process(vec!["/bin/sh".into(), "-c".into(), line.into()]);
        spec.stdio = [Stdio::Null, out, err];
        let process = self.spawn(spec)?;
        let pump = async |reader: HostReader, stream| {
            let mut buffer = vec![0; 16 << 10];
            loop {
                match reader.read(&mut buffer).await {
                    0 => return,
                    count => output(stream, buffer.get(..count).unwrap_or_default()).await,
                }
            }
        };
        let run = async {
            let ends = join(
                pump(stdout, StdStream::Stdout),
                pump(stderr, StdStream::Stderr),
            );
            ends.await;
            exit_code(process.exited().await)
        };
        let cancelled = async {
            cancel.await;
            process.kill_group(Signal::SIGTERM);
            pending().await
        };
        match select(pin!(run), pin!(cancelled)).await {
            Either::Left((code, _)) => Ok(code),
            Either::Right((never, _)) => never,
        }
    }

    /// Starts a line in a shell. Without input it reads `/dev/null`.
    pub fn start(&self, line: &str, input: bool) -> Result<Job, String> {
        let (stdout, out) = self.kernel().pipe_from_guest();
        let (stderr, err) = self.kernel().pipe_from_guest();
        let (stdin, from) = match input {
            true => {
                let (writer, reader) = self.kernel().pipe_to_guest();
                (Some(writer), reader)
            }
            false => (None, Stdio::Null),
        };
        let mut spec = self.process(line_shell(line));
        spec.stdio = [from, out, err];
        Ok(Job {
            process: self.spawn(spec)?,
            stdin,
            output: [Some(stdout), Some(stderr)],
        })
    }

    fn spawn(&self, spec: ProcessSpec) -> Result<Process, String> {
        let kernel = self.kernel();
        kernel
            .spawn(&kernel.host_ns(), &kernel.root_cgroup(), spec)
            .map_err(|error| error.to_string())
    }

    /// A process of root's, in root's home.
    fn process(&self, argv: Vec<String>) -> ProcessSpec {
        let mut spec = ProcessSpec::new(argv.into_iter().map(String::into_bytes).collect());
        let home = self
            .with_walk(|walk| walk.resolve(b"/root", ResolveFlags::FOLLOW))
            .is_ok();
        spec.cwd = if home {
            b"/root".to_vec()
        } else {
            b"/".to_vec()
        };
        let hostname = &self.engine().config().hostname;
        let fixed = [
            ("HOME", "/root"),
            ("USER", "root"),
            ("LOGNAME", "root"),
            ("SHELL", "/bin/sh"),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("HOSTNAME", hostname),
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
        ];
        let own = self
            .0
            .config
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let mut env: Vec<(&str, &str)> = Vec::new();
        for (name, value) in fixed.into_iter().chain(own) {
            env.retain(|(known, _)| *known != name);
            env.push((name, value));
        }
        spec.envp = env
            .into_iter()
            .map(|(name, value)| format!("{name}={value}").into_bytes())
            .collect();
        spec
    }

    fn shell(&self) -> Vec<String> {
        if !self.0.config.shell.is_empty() {
            return self.0.config.shell.clone();
        }
        let passwd = self.read_file("/etc/passwd").unwrap_or_default();
        let passwd = String::from_utf8_lossy(&passwd).into_owned();
        let root = passwd.lines().find(|line| line.starts_with("root:"));
        let shell = root
            .and_then(|line| line.rsplit(':').next())
            .filter(|shell| shell.starts_with('/'));
        vec![shell.unwrap_or("/bin/sh").to_owned(), "-l".into()]
    }

    fn with_walk<T>(&self, work: impl FnOnce(Walk<'_>) -> T) -> T {
        let (root, creds) = (self.0.mounts.root(), Creds::root());
        work(Walk {
            root: &root,
            cwd: &root,
            creds: &creds,
        })
    }

    /// A file of the host's, by its absolute path.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let file = self.with_walk(|walk| walk.resolve(path.as_bytes(), ResolveFlags::FOLLOW))?;
        let size = usize::try_from(file.attr()?.size).map_err(|_| Errno::EFBIG)?;
        let mut bytes = vec![0; size];
        let mut read = 0;
        while read < size {
            match file
                .inode()
                .read_at(read as u64, bytes.get_mut(read..).unwrap_or_default())?
            {
                0 => break,
                count => read += count,
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Writes a file of the host's, making it and its directories when they are not there.
    pub fn write_file(&self, path: &str, bytes: &[u8]) -> Result<(), Errno> {
        self.with_walk(|walk| {
            for (at, _) in path.match_indices('/').skip(1) {
                match walk.mkdir(path.get(..at).unwrap_or_default().as_bytes(), 0o755) {
                    Ok(_) | Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(errno),
                }
            }
            let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
            let file = walk
                .open(path.as_bytes(), flags, 0o644, ResolveFlags::empty())?
                .path;
            let mut written = 0;
            while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
                written += file.inode().write_at(written as u64, rest)?;
            }
            Ok(())
        })
    }

    /// The host's mounts: its whole tree, as its processes see it.
    pub fn mounts(&self) -> &Rc<MountNs> {
        &self.0.mounts
    }

    /// Makes everything durable that is not: the host's files, and what running containers wrote.
    pub async fn sync(&self) -> Result<(), StoreError> {
        crate::keeper::sync(self.engine()).await;
        self.sync_files().await
    }

    async fn sync_files(&self) -> Result<(), StoreError> {
        let store = &self.engine().ports().store;
        self.0.upper.sync(&**store, Vec::new()).await
    }

    /// Stores the host's files now and then.
    fn keep(&self) {
        let weak = Rc::downgrade(&self.0);
        self.engine().executor().spawn(async move {
            loop {
                let Some(inner) = weak.upgrade() else { return };
                let sleep = inner.engine.sleep_for(INTERVAL);
                drop(inner);
                sleep.await;
                let Some(inner) = weak.upgrade() else { return };
                // It is tried again in a while.
                let _ = DockerHost(inner).sync_files().await;
            }
        });
    }
}

fn line_shell(line: &str) -> Vec<String> {
    vec!["/bin/sh".into(), "-c".into(), line.into()]
}

impl Job {
    /// Input, as much as is taken at once; how much that was. `EPIPE` when nobody reads it.
    pub fn poll_write(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Errno>> {
        match &self.stdin {
            Some(stdin) => stdin.poll_write(context, bytes),
            None => Poll::Ready(Err(Errno::EPIPE)),
        }
    }

    /// The end of the input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Output of either stream, whichever has some; `None` at the end of both.
    pub fn poll_output(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Option<(StdStream, usize)>> {
        let streams = [StdStream::Stdout, StdStream::Stderr];
        for (slot, stream) in self.output.iter_mut().zip(streams) {
            let Some(reader) = slot else { continue };
            match reader.poll_read(context, buffer) {
                Poll::Ready(0) => *slot = None,
                Poll::Ready(count) => return Poll::Ready(Some((stream, count))),
                Poll::Pending => {}
            }
        }
        match self.output.iter().all(Option::is_none) {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    /// Nobody takes this output any more: writing it is a `SIGPIPE`.
    pub fn close_output(&mut self, stream: StdStream) {
        self.output[usize::from(stream == StdStream::Stderr)] = None;
    }

    /// Sends a signal to the shell and what it runs in the foreground, as a terminal's keys do.
    /// Unknown numbers are ignored.
    pub fn signal(&self, number: u32) {
        if let Some(signal) = Signal::new(number) {
            self.process.kill_group(signal);
        }
    }

    /// Resolves with the shell's exit code when it ended.
    pub fn exited(&self) -> impl Future<Output = i32> + 'static {
        let exited = self.process.exited();
        async move { exit_code(exited.await) }
    }
}

impl Terminal {
    /// Output, waiting for some; empty when the shell and all it started are gone.
    pub async fn read(&self, max: usize) -> Vec<u8> {
        let mut buffer = vec![0; max];
        let count = self.master.read(&mut buffer).await;
        buffer.truncate(count);
        buffer
    }

    /// Output that is there already.
    pub fn try_read(&self, max: usize) -> Vec<u8> {
        let mut buffer = vec![0; max];
        let count = self.master.try_read(&mut buffer).unwrap_or(0);
        buffer.truncate(count);
        buffer
    }

    /// Keys.
    pub async fn write(&self, keys: &[u8]) {
        self.master.write_all(keys).await;
    }

    /// Keys, as many as are taken at once; returns how many.
    pub fn try_write(&self, keys: &[u8]) -> usize {
        self.master.try_write(keys).unwrap_or(0)
    }

    /// Sets the size.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.master.resize(WinSize {
            rows,
            cols: columns,
            ..WinSize::default()
        });
    }

    /// Resolves with the shell's exit code when it ended.
    pub fn exited(&self) -> impl Future<Output = i32> + 'static {
        let exited = self.process.borrow().exited();
        async move { exit_code(exited.await) }
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    match status {
        ExitStatus::Code(code) => i32::from(code),
        ExitStatus::Signal(signal) => 128 + signal.number() as i32,
    }
}

/// The root archive as a sealed tree.
fn unpack_root(kernel: &Kernel, disk: &Quota, archive: &[u8]) -> Result<InodeRef, HostError> {
    let tree =
        Tmpfs::new(&kernel.clock(), disk.clone()).map_err(files("making the host's files"))?;
    if !archive.is_empty() {
        let limits = Limits {
            archive_bytes: disk.bytes(),
            ..Limits::default()
        };
        let bad = |error: crate::layer::LayerError| HostError::Root(error.to_string());
        let plain = Decompressor::new(archive).map_err(bad)?;
        apply(BufReader::new(plain), &tree.root(), &limits).map_err(bad)?;
    }
    tree.seal();
    Ok(tree.root())
}

/// Below the root archive: mount points, and the `docker` program.
fn base_layer(kernel: &Kernel) -> Result<InodeRef, Errno> {
    let tree = Tmpfs::new(&kernel.clock(), Quota::unlimited())?;
    let root = tree.root();
    let perm = CreatePerm {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    for name in ["dev", "etc", "proc", "sys", "run"] {
        root.create(name.as_bytes(), NewNode::Dir, perm)?;
    }
    root.create(
        b"tmp",
        NewNode::Dir,
        CreatePerm {
            mode: 0o1777,
            ..perm
        },
    )?;
    root.create(
        b"root",
        NewNode::Dir,
        CreatePerm {
            mode: 0o700,
            ..perm
        },
    )?;
    let usr = root.create(b"usr", NewNode::Dir, perm)?;
    let bin = usr.create(b"bin", NewNode::Dir, perm)?;
    let docker = bin.create(b"docker", NewNode::File, perm)?;
    docker.write_at(0, builtin_docker::PROGRAM)?;
    tree.seal();
    Ok(root)
}

/// The host's mounts.
fn mount_all(kernel: &Kernel, root: Rc<Overlay>) -> Result<Rc<MountNs>, Errno> {
    let mounts = MountNs::new(root, "/dev/vda1", MountFlags::RELATIME);
    kernel.set_host_mounts(mounts.clone());
    let namespaces = kernel.host_ns();
    let dev = Tmpfs::new(&kernel.clock(), Quota::new(64 << 20, 1024))?;
    kernel.populate_dev(&dev.root())?;
    let filesystem = |kind: &str| kernel.filesystem(&namespaces, kind);
    let all: [(&str, Rc<dyn FileSystem>, &str, MountFlags); 6] = [
        ("/proc", filesystem("proc")?, "proc", SECURE),
        ("/dev", dev, "devtmpfs", MountFlags::NOSUID),
        (
            "/dev/pts",
            filesystem("devpts")?,
            "devpts",
            MountFlags::NOSUID | MountFlags::NOEXEC,
        ),
        (
            "/dev/shm",
            Tmpfs::with_root(
                &kernel.clock(),
                Quota::new(64 << 20, 1 << 16),
                CreatePerm {
                    mode: 0o1777,
                    uid: 0,
                    gid: 0,
                },
            )?,
            "tmpfs",
            SECURE,
        ),
        ("/sys", filesystem("sysfs")?, "sysfs", SECURE),
        ("/sys/fs/cgroup", filesystem("cgroup2")?, "cgroup2", SECURE),
    ];
    let (top, creds) = (mounts.root(), Creds::root());
    for (at, fs, source, flags) in all {
        let walk = Walk {
            root: &top,
            cwd: &top,
            creds: &creds,
        };
        let point = match walk.resolve(at.as_bytes(), ResolveFlags::FOLLOW) {
            Ok(point) => point,
            Err(Errno::ENOENT) => walk.mkdir(at.as_bytes(), 0o755)?,
            Err(errno) => return Err(errno),
        };
        mounts.mount(&point, fs, source, flags | MountFlags::RELATIME)?;
    }
    Ok(mounts)
}
