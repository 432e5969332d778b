//! A container's first process, or one more, as the engine sees it.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bottleship_engine::executor::Executor;
use bottleship_engine::runtime::{
    ExitStatus, ProcessSpec, RuntimeError, RuntimeProcess, Spawned, Stdio,
};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{LocalBoxFuture, Shared};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use tokio::io::Interest;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::cgroup::Layout;
use super::cli::Streams;
use super::os;
use super::streams::{End, Ended, inward, outward};

/// How long a runtime may take to send a terminal.
const CONSOLE: Duration = Duration::from_secs(30);

/// The streams of a process that is to be made.
pub struct Prepared {
    streams: Streams,
    ends: Ends,
}

/// The host's ends of them.
pub enum Ends {
    Pipes {
        stdin: Option<Arc<End>>,
        stdout: Arc<End>,
        stderr: Arc<End>,
    },
    Terminal {
        listener: UnixListener,
        socket: PathBuf,
        stdin: bool,
        size: Option<(u16, u16)>,
        /// What the runtime itself writes: it must have somewhere to write to.
        _said: [OwnedFd; 2],
    },
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> RuntimeError {
    move |error| RuntimeError::Failed(format!("{what}: {error}"))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), RuntimeError> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed("pipe")(error.into()))
}

impl Prepared {
    /// Pipes, or a socket on which the runtime will hand over a terminal.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new(
        tokio: &Handle,
        sockets: &Path,
        process: &ProcessSpec,
    ) -> Result<Prepared, RuntimeError> {
        let _inside = tokio.enter();
        let end = |fd: OwnedFd| End::new(fd).map(Arc::new).map_err(failed("pipe"));
        // Without input it reads the end of a pipe that nobody writes to; a /dev/null would be the host's.
        let (stdin, to_stdin) = pipe()?;
        let (from_stdout, stdout) = pipe()?;
        let (from_stderr, stderr) = pipe()?;
        let streams = [stdin, stdout, stderr];
        if process.terminal {
            // The directory's name is short: a socket's path is.
            let mut unique = [0; 8];
            getrandom::fill(&mut unique)
                .map_err(|error| RuntimeError::Failed(error.to_string()))?;
            let socket = sockets.join(format!("{:016x}", u64::from_le_bytes(unique)));
            let listener = UnixListener::bind(&socket).map_err(failed("console socket"))?;
            listener
                .set_nonblocking(true)
                .map_err(failed("console socket"))?;
            return Ok(Prepared {
                streams,
                ends: Ends::Terminal {
                    listener,
                    socket,
                    stdin: process.stdin,
                    size: process.console_size,
                    _said: [from_stdout, from_stderr],
                },
            });
        }
        Ok(Prepared {
            streams,
            ends: Ends::Pipes {
                stdin: match process.stdin {
                    true => Some(end(to_stdin)?),
                    false => None,
                },
                stdout: end(from_stdout)?,
                stderr: end(from_stderr)?,
            },
        })
    }

    /// What the runtime is told about a terminal.
    pub fn console_argument(&self) -> Vec<String> {
        match &self.ends {
            Ends::Pipes { .. } => Vec::new(),
            Ends::Terminal { socket, .. } => {
                vec!["--console-socket".into(), socket.display().to_string()]
            }
        }
    }

    /// The process' ends, and the host's.
    pub fn split(self) -> (Streams, Ends) {
        (self.streams, self.ends)
    }
}

/// Lets a created process run.
type Start = Box<dyn FnOnce() -> Result<(), RuntimeError> + Send>;

/// A process of this machine.
pub struct OciProcess {
    pid: u32,
    tokio: Handle,
    ended: Ended,
    terminal: Option<Arc<End>>,
    start: RefCell<Option<Start>>,
    /// Resolves when the process ended and its output was handed over.
    finished: Shared<LocalBoxFuture<'static, ExitStatus>>,
}

impl OciProcess {
    /// Waits for a process that the runtime made, and moves its streams.
    ///
    /// # Errors
    /// When the process is gone already and left nothing to wait for, or its terminal does not come.
    pub async fn new(
        tokio: &Handle,
        executor: &Executor,
        pid: u32,
        ends: Ends,
        start: Option<Start>,
        group: (Layout, String),
    ) -> Result<(Rc<OciProcess>, Spawned), RuntimeError> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let raw = raw.ok_or_else(|| RuntimeError::Failed(format!("{pid} is no process id")))?;
        let pidfd = rustix::process::pidfd_open(raw, PidfdFlags::NONBLOCK)
            .map_err(|error| failed("pidfd_open")(error.into()))?;
        let pidfd = Arc::new(pidfd);
        let (tell, ended) = Ended::new();
        tokio.spawn(watch_end(pidfd, tell));
        let mut stdio = Stdio::default();
        let mut terminal = None;
        let mut outputs: Vec<oneshot::Receiver<()>> = Vec::new();
        let mut output = |end: Arc<End>| {
            let (over, finished) = oneshot::channel();
            outputs.push(finished);
            outward(tokio, executor, end, ended.clone(), over)
        };
        match ends {
            Ends::Pipes {
                stdin,
                stdout,
                stderr,
            } => {
                stdio.stdin = stdin.map(|end| inward(tokio, executor, end, ended.clone()));
                stdio.stdout = Some(output(stdout));
                stdio.stderr = Some(output(stderr));
            }
            Ends::Terminal {
                listener,
                socket,
                stdin,
                size,
                ..
            } => {
                let received = tokio.spawn(async move {
                    tokio::time::timeout(CONSOLE, receive(listener))
                        .await
                        .map_err(|_| io::Error::other("the runtime did not send it"))?
                });
                let master = received
                    .await
                    .map_err(|error| RuntimeError::Failed(error.to_string()))?
                    .map_err(failed("terminal"))?;
                let _ = std::fs::remove_file(&socket);
                let master = {
                    let _inside = tokio.enter();
                    Arc::new(End::new(master).map_err(failed("terminal"))?)
                };
                if let Some((rows, columns)) = size {
                    let _ = master.resize(rows, columns);
                }
                if stdin {
                    stdio.stdin = Some(inward(tokio, executor, master.clone(), ended.clone()));
                }
                stdio.stdout = Some(output(master.clone()));
                terminal = Some(master);
            }
        }
        let (exit, place) = (ended.clone(), group);
        let finished = executor.run(async move {
            let code = exit.wait().await;
            // Looked at before the group is removed.
            let oom_killed = place.0.oom_killed(&place.1);
            futures::future::join_all(outputs).await;
            ExitStatus { code, oom_killed }
        });
        let process = Rc::new(OciProcess {
            pid,
            tokio: tokio.clone(),
            ended,
            terminal,
            start: RefCell::new(start),
            finished: finished
                .map(|status| {
                    status.unwrap_or(ExitStatus {
                        code: 255,
                        oom_killed: false,
                    })
                })
                .boxed_local()
                .shared(),
        });
        let spawned = Spawned {
            process: process.clone(),
            stdio,
        };
        Ok((process, spawned))
    }

    /// Its id.
    pub fn process_id(&self) -> u32 {
        self.pid
    }

    /// Whether it ended.
    pub fn is_over(&self) -> bool {
        self.ended.is_over()
    }
}

/// Tells when a process ends, and how. It is a child of this one: runtimes leave what they make to the nearest
/// subreaper. Only this process is waited for, never any.
async fn watch_end(pidfd: Arc<OwnedFd>, tell: watch::Sender<Option<i64>>) {
    let code = async {
        let fd = os::watch(pidfd.clone(), Interest::READABLE).ok()?;
        let _ready = fd.readable().await.ok()?;
        let id = WaitId::PidFd(std::os::fd::AsFd::as_fd(&*pidfd));
        let status = rustix::process::waitid(id, WaitIdOptions::EXITED).ok()??;
        let killed = || Some(128 + i64::from(status.terminating_signal()?));
        status.exit_status().map(i64::from).or_else(killed)
    };
    let code = code.await.unwrap_or(255);
    let _ = tell.send(Some(code));
}

/// The terminal that a runtime sends.
async fn receive(listener: UnixListener) -> io::Result<OwnedFd> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let (stream, _) = listener.accept().await?;
    loop {
        stream.readable().await?;
        let received = stream.try_io(Interest::READABLE, || {
            let mut data = [0; 4096];
            let mut parts = [IoSliceMut::new(&mut data)];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut extra = RecvAncillaryBuffer::new(&mut space);
            rustix::net::recvmsg(&stream, &mut parts, &mut extra, RecvFlags::CMSG_CLOEXEC)?;
            for message in extra.drain() {
                if let RecvAncillaryMessage::ScmRights(mut descriptors) = message
                    && let Some(fd) = descriptors.next()
                {
                    return Ok(fd);
                }
            }
            Err(io::Error::other("the runtime sent no terminal"))
        });
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

#[async_trait(?Send)]
impl RuntimeProcess for OciProcess {
    fn pid(&self) -> u32 {
        self.pid
    }

    async fn start(&self) -> Result<(), RuntimeError> {
        let start = self.start.borrow_mut().take();
        match start {
            Some(start) => self
                .tokio
                .spawn_blocking(start)
                .await
                .map_err(|error| RuntimeError::Failed(error.to_string()))?,
            None => Ok(()),
        }
    }

    async fn wait(&self) -> ExitStatus {
        self.finished.clone().await
    }

    async fn resize(&self, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        match &self.terminal {
            Some(terminal) => terminal.resize(rows, columns).map_err(failed("resize")),
            None => Ok(()),
        }
    }

    async fn kill(&self, signal: u8) -> Result<(), RuntimeError> {
        // While it isn't waited for, its id is nobody else's.
        if !self.ended.is_over() {
            os::kill(self.pid, signal.into());
        }
        Ok(())
    }
}
