//! A process of the emulated kernel behind the runtime's port: its streams, its end, its signals.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use async_trait::async_trait;
use bottleship_linux::abi::process::{self as limits, RLIM_NLIMITS, default_rlimits};
use bottleship_linux::abi::tty::WinSize;
use bottleship_linux::abi::{Errno, Signal};
use bottleship_linux::{
    Cgroup, HostReader, HostWriter, Kernel, Namespaces, ProcInfo, Process, PtyMaster,
    Stdio as GuestStdio,
};
use bytes::Bytes;
use futures::future::{FutureExt, LocalBoxFuture, Shared, join_all};

use crate::executor::Executor;
use crate::pipe::{CAPACITY, PipeReader, PipeWriter, pipe};
use crate::runtime::{
    ExitStatus, ProcessInfo, ProcessSpec, Rlimit, RuntimeError, RuntimeProcess, Stdio,
};
use crate::user;

/// Bytes moved at a time.
const CHUNK: usize = 32 << 10;

/// The host's ends of a process' streams.
pub enum Ends {
    /// A terminal.
    Terminal(PtyMaster, bool),
    /// Pipes; without standard input it reads `/dev/null`.
    Pipes(Option<HostWriter>, HostReader, HostReader),
}

/// What [`prepare`] makes.
pub struct Prepared {
    pub spec: bottleship_linux::ProcessSpec,
    pub ends: Ends,
}

/// Looks up the user, makes the streams, and puts together what the kernel starts.
pub fn prepare(
    kernel: &Kernel,
    namespaces: &Namespaces,
    spec: &ProcessSpec,
) -> Result<Prepared, RuntimeError> {
    let root = namespaces.mounts().root();
    let user = user::look_up(&root, &spec.user, &spec.groups)?;
    let mut process = bottleship_linux::ProcessSpec::new(
        spec.args.iter().map(|a| a.clone().into_bytes()).collect(),
    );
    process.envp = spec
        .env
        .iter()
        .map(|variable| variable.clone().into_bytes())
        .collect();
    if !spec
        .env
        .iter()
        .any(|variable| variable.starts_with("HOME="))
    {
        // runc: the home of the user, or / for a number without an entry.
        process.envp.push([b"HOME=", user.home.as_bytes()].concat());
    }
    process.cwd = spec.cwd.clone().into_bytes();
    process.user = user.credentials(&spec.capabilities);
    process.no_new_privs = spec.no_new_privileges;
    process.rlimits = rlimits(&spec.rlimits)?;
    process.stopped = true;
    let ends = if spec.terminal {
        let (rows, cols) = spec.console_size.unwrap_or((0, 0));
        let size = WinSize {
            rows,
            cols,
            ..WinSize::default()
        };
        let (master, slave) = kernel
            .pty(namespaces, size)
            .map_err(|errno| RuntimeError::Failed(format!("open /dev/ptmx: {errno}")))?;
        let tty = || GuestStdio::Tty(slave.clone());
        process.stdio = [tty(), tty(), tty()];
        process.controlling_tty = Some(slave.clone());
        Ends::Terminal(master, spec.stdin)
    } else {
        let (stdout, out) = kernel.pipe_from_guest();
        let (stderr, err) = kernel.pipe_from_guest();
        let stdin = spec.stdin.then(|| kernel.pipe_to_guest());
        let (writer, input) = match stdin {
            Some((writer, input)) => (Some(writer), input),
            None => (None, GuestStdio::Null),
        };
        process.stdio = [input, out, err];
        Ends::Pipes(writer, stdout, stderr)
    };
    Ok(Prepared {
        spec: process,
        ends,
    })
}

fn rlimits(wanted: &[Rlimit]) -> Result<[limits::Rlimit; RLIM_NLIMITS], RuntimeError> {
    let mut all = default_rlimits();
    for limit in wanted {
        let index = match limit.name.as_str() {
            "cpu" => limits::RLIMIT_CPU,
            "fsize" => limits::RLIMIT_FSIZE,
            "data" => limits::RLIMIT_DATA,
            "stack" => limits::RLIMIT_STACK,
            "core" => limits::RLIMIT_CORE,
            "rss" => limits::RLIMIT_RSS,
            "nproc" => limits::RLIMIT_NPROC,
            "nofile" => limits::RLIMIT_NOFILE,
            "memlock" => limits::RLIMIT_MEMLOCK,
            "as" => limits::RLIMIT_AS,
            "locks" => limits::RLIMIT_LOCKS,
            "sigpending" => limits::RLIMIT_SIGPENDING,
            "msgqueue" => limits::RLIMIT_MSGQUEUE,
            "nice" => limits::RLIMIT_NICE,
            "rtprio" => limits::RLIMIT_RTPRIO,
            "rttime" => limits::RLIMIT_RTTIME,
            other => {
                return Err(RuntimeError::Failed(format!(
                    "invalid ulimit type: {other}"
                )));
            }
        };
        all[index] = limits::Rlimit {
            soft: limit.soft,
            hard: limit.hard,
        };
    }
    Ok(all)
}

/// A signal's number as the kernel takes it.
pub fn signal(number: u8) -> Result<Signal, RuntimeError> {
    Signal::new(number.into())
        .ok_or_else(|| RuntimeError::Failed(format!("invalid signal: {number}")))
}

/// A row of `docker top`; `boot` is when the monotonic clock was 0, in ns since 1970.
pub fn describe(info: ProcInfo, boot: i128) -> ProcessInfo {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let command = match info.argv.is_empty() {
        true => format!("[{}]", text(&info.comm)),
        false => info
            .argv
            .iter()
            .map(|arg| text(arg))
            .collect::<Vec<_>>()
            .join(" "),
    };
    ProcessInfo {
        pid: info.pid,
        ppid: info.ppid,
        uid: info.uid,
        threads: u32::try_from(info.threads).unwrap_or(u32::MAX),
        start_time: i64::try_from((boot + i128::from(info.started_ns)).div_euclid(1_000_000_000))
            .unwrap_or(0),
        cpu_time: info.cpu_ns,
        tty: info
            .tty
            .map_or_else(|| "?".to_owned(), |number| format!("pts/{number}")),
        state: info.state,
        comm: text(&info.comm),
        command,
        resident: info.rss,
        virtual_size: info.vsize,
    }
}

/// A process that was made, and with `--init` the one behind it.
pub struct Running {
    /// The process whose end counts comes first; all are started together.
    processes: Vec<Process>,
    cgroup: Cgroup,
    terminal: Option<Rc<PtyMaster>>,
    stdio: RefCell<Stdio>,
    /// Resolves when the process ended and its output was handed over.
    finished: Shared<LocalBoxFuture<'static, ()>>,
}

impl Running {
    /// Starts moving the streams.
    pub fn new(
        executor: &Executor,
        processes: Vec<Process>,
        cgroup: Cgroup,
        ends: Ends,
    ) -> Running {
        let process = processes[0].clone();
        let mut stdio = Stdio::default();
        let mut pumps: Vec<LocalBoxFuture<'static, ()>> = Vec::new();
        let mut terminal = None;
        let (stdout_writer, stdout) = pipe(CAPACITY);
        stdio.stdout = Some(stdout);
        match ends {
            Ends::Terminal(master, wants_input) => {
                let master = Rc::new(master);
                if wants_input {
                    let (writer, keys) = pipe(CAPACITY);
                    stdio.stdin = Some(writer);
                    executor.spawn(type_keys(keys, master.clone(), process.clone()));
                }
                pumps.push(
                    pump(
                        Source::Terminal(master.clone()),
                        stdout_writer,
                        process.clone(),
                    )
                    .boxed_local(),
                );
                terminal = Some(master);
            }
            Ends::Pipes(input, out, err) => {
                if let Some(input) = input {
                    let (writer, reader) = pipe(CAPACITY);
                    stdio.stdin = Some(writer);
                    executor.spawn(feed(reader, input, process.clone()));
                }
                let (stderr_writer, stderr) = pipe(CAPACITY);
                stdio.stderr = Some(stderr);
                pumps.push(pump(Source::Pipe(out), stdout_writer, process.clone()).boxed_local());
                pumps.push(pump(Source::Pipe(err), stderr_writer, process.clone()).boxed_local());
            }
        }
        let exited = process.exited();
        let finished = executor.run(async move {
            futures::join!(exited, join_all(pumps));
        });
        Running {
            processes,
            cgroup,
            terminal,
            stdio: RefCell::new(stdio),
            finished: finished.map(drop).boxed_local().shared(),
        }
    }

    /// The host's ends; there is one set of them.
    pub fn take_stdio(&self) -> Stdio {
        self.stdio.take()
    }

    /// Resolves when the process ended, whatever its output does.
    pub fn exited(&self) -> impl Future<Output = ()> + 'static {
        self.processes[0].exited().map(drop)
    }

    /// Whether it ended.
    pub fn has_exited(&self) -> bool {
        self.processes[0].exit_status().is_some()
    }
}

#[async_trait(?Send)]
impl RuntimeProcess for Running {
    fn pid(&self) -> u32 {
        self.processes[0].pid()
    }

    async fn start(&self) -> Result<(), RuntimeError> {
        for process in &self.processes {
            process.start();
        }
        Ok(())
    }

    async fn wait(&self) -> ExitStatus {
        let status = self.processes[0].exited().await;
        self.finished.clone().await;
        let code = match status {
            bottleship_linux::ExitStatus::Code(code) => i64::from(code),
            bottleship_linux::ExitStatus::Signal(signal) => 128 + i64::from(signal.number()),
        };
        ExitStatus {
            code,
            oom_killed: self.cgroup.oom_killed(),
        }
    }

    async fn resize(&self, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        if let Some(terminal) = &self.terminal {
            terminal.resize(WinSize {
                rows,
                cols: columns,
                ..WinSize::default()
            });
        }
        Ok(())
    }

    async fn kill(&self, number: u8) -> Result<(), RuntimeError> {
        self.processes[0].kill(signal(number)?);
        Ok(())
    }
}

/// Where output comes from.
enum Source {
    Pipe(HostReader),
    Terminal(Rc<PtyMaster>),
}

impl Source {
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Source::Pipe(reader) => reader.try_read(buffer),
            Source::Terminal(master) => master.try_read(buffer),
        }
    }

    fn poll_read(&self, context: &mut std::task::Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        match self {
            Source::Pipe(reader) => reader.poll_read(context, buffer),
            Source::Terminal(master) => master.poll_read(context, buffer),
        }
    }
}

/// Hands output over until its end, or until the process ended and what it wrote was read: what it left running
/// may keep the stream open for ever. Output that nobody takes is dropped.
async fn pump(source: Source, mut to: PipeWriter, process: Process) {
    let mut exited: Pin<Box<dyn Future<Output = _>>> = Box::pin(process.exited());
    let mut ended = false;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = std::future::poll_fn(|context| {
            if let Poll::Ready(count) = source.poll_read(context, &mut buffer) {
                return Poll::Ready(count);
            }
            if !ended && exited.as_mut().poll(context).is_ready() {
                ended = true;
            }
            match ended {
                true => Poll::Ready(source.try_read(&mut buffer).unwrap_or(0)),
                false => Poll::Pending,
            }
        })
        .await;
        if count == 0 {
            return;
        }
        let _ = to.write(Bytes::copy_from_slice(&buffer[..count])).await;
    }
}

/// Hands input to a pipe until its end, or until nobody reads it.
async fn feed(mut from: PipeReader, to: HostWriter, process: Process) {
    let mut exited = Box::pin(process.exited());
    loop {
        let chunk = match futures::future::select(Box::pin(from.read()), exited).await {
            futures::future::Either::Left((Some(Ok(chunk)), waiting)) => {
                exited = waiting;
                chunk
            }
            _ => return,
        };
        match futures::future::select(Box::pin(to.write_all(&chunk)), exited).await {
            futures::future::Either::Left((Ok(()), waiting)) => exited = waiting,
            _ => return,
        }
    }
}

/// Types input into a terminal. The end of input is not typed: a terminal stays open, as with runc.
async fn type_keys(mut from: PipeReader, to: Rc<PtyMaster>, process: Process) {
    let mut exited = Box::pin(process.exited());
    loop {
        let chunk = match futures::future::select(Box::pin(from.read()), exited).await {
            futures::future::Either::Left((Some(Ok(chunk)), waiting)) => {
                exited = waiting;
                chunk
            }
            _ => return,
        };
        match futures::future::select(Box::pin(to.write_all(&chunk)), exited).await {
            futures::future::Either::Left(((), waiting)) => exited = waiting,
            _ => return,
        }
    }
}
