//! Programs of the fake runtime: true, false, exit N, echo, err, cat, sleep, trap, segments.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::{FutureExt, Shared};

use crate::executor::Executor;
use crate::pipe::{CAPACITY, PipeReader, PipeWriter, pipe};
use crate::runtime::{
    ContainerSpec, ExitStatus, PlatformInfo, ProcessInfo, ProcessSpec, ResourceLimits, Runtime,
    RuntimeError, RuntimeProcess, RuntimeStats, Spawned, Stdio,
};

/// A runtime of Rust futures.
#[derive(Default)]
pub struct FakeRuntime {
    executor: RefCell<Option<Executor>>,
    containers: RefCell<BTreeMap<String, Vec<Rc<FakeProcess>>>>,
    pub specs: RefCell<BTreeMap<String, ContainerSpec>>,
    pub execs: RefCell<Vec<ProcessSpec>>,
    next_pid: Cell<u32>,
}

struct FakeProcess {
    pid: u32,
    executor: Executor,
    program: RefCell<Option<Program>>,
    exit: Shared<oneshot::Receiver<i64>>,
    done: RefCell<Option<oneshot::Sender<i64>>>,
    signals: RefCell<Option<oneshot::Sender<u8>>>,
    args: Vec<String>,
    size: Cell<(u16, u16)>,
}

struct Program {
    args: Vec<String>,
    stdin: Option<PipeReader>,
    stdout: PipeWriter,
    stderr: Option<PipeWriter>,
    signal: oneshot::Receiver<u8>,
}

impl Program {
    async fn run(mut self) -> i64 {
        let words: Vec<String> = self.args.clone();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["true"] => 0,
            ["false"] => 1,
            ["exit", code] => code.parse().unwrap_or(0),
            ["echo", rest @ ..] => self.say(&format!("{}\n", rest.join(" "))).await,
            ["both"] => {
                self.say("out\n").await;
                if let Some(stderr) = &mut self.stderr {
                    let _ = stderr.write(Bytes::from_static(b"err\n")).await;
                }
                3
            }
            ["cat"] => {
                let Some(mut stdin) = self.stdin.take() else {
                    return 0;
                };
                while let Some(Ok(data)) = stdin.read().await {
                    let _ = self.stdout.write(data).await;
                }
                0
            }
            ["trap", code] => {
                let _ = (&mut self.signal).await;
                self.say("got term\n").await;
                code.parse().unwrap_or(0)
            }
            ["stubborn"] | ["sleep", ..] => match (&mut self.signal).await {
                Ok(signal) => 128 + i64::from(signal),
                Err(_) => 0,
            },
            _ => 0,
        }
    }

    async fn say(&mut self, text: &str) -> i64 {
        let _ = self
            .stdout
            .write(Bytes::copy_from_slice(text.as_bytes()))
            .await;
        0
    }
}

#[async_trait(?Send)]
impl RuntimeProcess for FakeProcess {
    fn pid(&self) -> u32 {
        self.pid
    }

    async fn start(&self) -> Result<(), RuntimeError> {
        let (program, done) = (self.program.take(), self.done.take());
        if let (Some(program), Some(done)) = (program, done) {
            self.executor.spawn(async move {
                let _ = done.send(program.run().await);
            });
        }
        Ok(())
    }

    async fn wait(&self) -> ExitStatus {
        ExitStatus {
            code: self.exit.clone().await.unwrap_or(137),
            oom_killed: false,
        }
    }

    async fn resize(&self, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        self.size.set((rows, columns));
        Ok(())
    }

    async fn kill(&self, signal: u8) -> Result<(), RuntimeError> {
        // "stubborn" only hears SIGKILL; nobody minds SIGWINCH or SIGHUP.
        let ignored = matches!(signal, 1 | 28) || (self.args == ["stubborn"] && signal != 9);
        if !ignored && let Some(sender) = self.signals.take() {
            let _ = sender.send(signal);
        }
        Ok(())
    }
}

impl FakeRuntime {
    pub fn set_executor(&self, executor: Executor) {
        *self.executor.borrow_mut() = Some(executor);
    }

    fn spawn(&self, id: &str, spec: &ProcessSpec) -> Result<Spawned, RuntimeError> {
        let program = spec.args.first().cloned().unwrap_or_default();
        let known = [
            "true", "false", "exit", "echo", "both", "cat", "trap", "stubborn", "sleep", "sh",
        ];
        if !known.contains(&program.as_str()) {
            return Err(RuntimeError::Start(format!(
                "exec: {program:?}: executable file not found in $PATH"
            )));
        }
        let (stdin_writer, stdin_reader) = pipe(CAPACITY);
        let (stdout_writer, stdout_reader) = pipe(CAPACITY);
        let (stderr_writer, stderr_reader) = pipe(CAPACITY);
        let (done, exit) = oneshot::channel();
        let (signals, signal) = oneshot::channel();
        let pid = self.next_pid.get() + 1;
        self.next_pid.set(pid);
        let program = Program {
            args: spec.args.clone(),
            stdin: spec.stdin.then_some(stdin_reader),
            stdout: stdout_writer,
            stderr: (!spec.terminal).then_some(stderr_writer),
            signal,
        };
        let process = Rc::new(FakeProcess {
            pid,
            executor: self.executor.borrow().clone().expect("set by the bench"),
            program: RefCell::new(Some(program)),
            exit: exit.shared(),
            done: RefCell::new(Some(done)),
            signals: RefCell::new(Some(signals)),
            args: spec.args.clone(),
            size: Cell::new((0, 0)),
        });
        self.containers
            .borrow_mut()
            .entry(id.into())
            .or_default()
            .push(process.clone());
        let stdio = Stdio {
            stdin: spec.stdin.then_some(stdin_writer),
            stdout: Some(stdout_reader),
            stderr: (!spec.terminal).then_some(stderr_reader),
        };
        Ok(Spawned { process, stdio })
    }
}

#[async_trait(?Send)]
impl Runtime for FakeRuntime {
    async fn create(&self, spec: ContainerSpec) -> Result<Spawned, RuntimeError> {
        let spawned = self.spawn(&spec.id, &spec.process);
        self.specs.borrow_mut().insert(spec.id.clone(), spec);
        spawned
    }

    async fn exec(&self, id: &str, process: ProcessSpec) -> Result<Spawned, RuntimeError> {
        self.execs.borrow_mut().push(process.clone());
        self.spawn(id, &process)
    }

    async fn kill_all(&self, _: &str, _: u8) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn pause(&self, _: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn resume(&self, _: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn update(&self, _: &str, _: &ResourceLimits) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn stats(&self, _: &str) -> Result<RuntimeStats, RuntimeError> {
        Ok(RuntimeStats {
            cpu_total: 5,
            memory: 4096,
            pids: 1,
            ..RuntimeStats::default()
        })
    }

    async fn processes(&self, id: &str) -> Result<Vec<ProcessInfo>, RuntimeError> {
        let containers = self.containers.borrow();
        let info = |p: &Rc<FakeProcess>| ProcessInfo {
            pid: p.pid,
            tty: "?".into(),
            command: p.args.join(" "),
            comm: p.args.first().cloned().unwrap_or_default(),
            ..ProcessInfo::default()
        };
        Ok(containers.get(id).into_iter().flatten().map(info).collect())
    }

    async fn delete(&self, id: &str) -> Result<(), RuntimeError> {
        self.containers.borrow_mut().remove(id);
        Ok(())
    }

    fn platform(&self) -> PlatformInfo {
        PlatformInfo {
            runtime: "fake".into(),
            cpus: 2,
            memory: 1 << 30,
            cgroup_version: "2".into(),
            ..PlatformInfo::default()
        }
    }
}
