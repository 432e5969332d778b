//! `docker exec`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::oneshot;

use super::start::DRAIN;
use super::store::Container;
use super::streams::Streams;
use super::{caps, spec};
use crate::api::types::{ExecCreateRequest, ExecInspect, ExecProcessConfig};
use crate::api::{ApiError, ErrorKind};
use crate::engine::Engine;
use crate::runtime::{ProcessSpec, RuntimeError, RuntimeProcess};

/// Execs that ended are kept this long for `inspect`, as moby does.
const KEPT: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// A process to be run, running, or run in a container.
pub struct Exec {
    pub id: String,
    pub container_id: String,
    pub request: ExecCreateRequest,
    pub streams: Rc<Streams>,
    pub running: Cell<bool>,
    pub started: Cell<bool>,
    pub exit_code: Cell<Option<i64>>,
    pub process: RefCell<Option<Rc<dyn RuntimeProcess>>>,
}

/// Prepares an exec and returns its id.
pub async fn create(
    engine: &Engine,
    container: &Container,
    reference: &str,
    request: ExecCreateRequest,
) -> Result<String, ApiError> {
    container
        .record()
        .state
        .can_exec(&container.id(), reference)?;
    if request.cmd.as_ref().is_none_or(Vec::is_empty) {
        return Err(ApiError::invalid("no exec command specified"));
    }
    let id = engine.new_id();
    let streams = Rc::new(Streams::default());
    if request.attach_stdin {
        streams.open_stdin();
    }
    let command = request
        .cmd
        .iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    let exec = Exec {
        id: id.clone(),
        container_id: container.id(),
        request,
        streams,
        running: Cell::new(false),
        started: Cell::new(false),
        exit_code: Cell::new(None),
        process: RefCell::default(),
    };
    engine.containers().insert_exec(Rc::new(exec));
    container.execs().insert(id.clone());
    container.emit(
        engine,
        &format!("exec_create: {command}"),
        &[("execID", &id)],
    );
    Ok(id)
}

impl Exec {
    /// Its container, if that runs.
    pub fn container(&self, engine: &Engine) -> Result<Container, ApiError> {
        let container = engine.containers().find(&self.container_id)?;
        let id = container.id();
        container.record().state.can_exec(&id, &id)?;
        Ok(container)
    }

    fn check_startable(&self, engine: &Engine) -> Result<Container, ApiError> {
        if self.exit_code.get().is_some() {
            return Err(ApiError::conflict(format!(
                "Error: Exec command {} has already run",
                self.id
            )));
        }
        if self.started.get() {
            return Err(ApiError::conflict(format!(
                "Error: Exec command {} is already running",
                self.id
            )));
        }
        self.container(engine)
    }

    /// Starts it. The receiver resolves with the exit code when it ended.
    pub async fn start(
        self: &Rc<Self>,
        engine: &Engine,
        size: Option<[u32; 2]>,
    ) -> Result<oneshot::Receiver<i64>, ApiError> {
        let container = self.check_startable(engine)?;
        self.started.set(true);
        let command = self
            .request
            .cmd
            .iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ");
        container.emit(
            engine,
            &format!("exec_start: {command}"),
            &[("execID", &self.id)],
        );
        let spawned = async {
            let spec = self.process_spec(engine, &container, size)?;
            let spawned = engine
                .ports()
                .runtime
                .exec(&self.container_id, spec)
                .await
                .map_err(start_error)?;
            spawned.process.start().await.map_err(start_error)?;
            Ok(spawned)
        };
        let spawned = match spawned.await {
            Ok(spawned) => spawned,
            Err(error) => {
                self.exit_code.set(Some(126));
                container.execs().remove(&self.id);
                return Err(error);
            }
        };
        self.running.set(true);
        *self.process.borrow_mut() = Some(spawned.process.clone());
        let output = engine
            .executor()
            .run(self.streams.clone().pump(spawned.stdio, Rc::new(|_, _| {})));
        let (sender, receiver) = oneshot::channel();
        let (exec, engine, process) = (self.clone(), engine.clone(), spawned.process);
        engine.clone().executor().spawn(async move {
            let status = process.wait().await;
            let _ = engine.timeout(DRAIN, output).await;
            exec.running.set(false);
            exec.exit_code.set(Some(status.code));
            *exec.process.borrow_mut() = None;
            exec.streams.end();
            container.execs().remove(&exec.id);
            container.emit(
                &engine,
                "exec_die",
                &[("execID", &exec.id), ("exitCode", &status.code.to_string())],
            );
            let _ = sender.send(status.code);
            engine.sleep(KEPT).await;
            engine.containers().remove_exec(&exec.id);
        });
        Ok(receiver)
    }

    fn process_spec(
        &self,
        engine: &Engine,
        container: &Container,
        size: Option<[u32; 2]>,
    ) -> Result<ProcessSpec, ApiError> {
        let record = container.record();
        let (host, request) = (&record.host_config, &self.request);
        let mut env = spec::environment(engine, &record);
        if request.tty && !record.config.tty {
            spec::replace_or_append(&mut env, &["TERM=xterm".to_owned()]);
        }
        spec::replace_or_append(&mut env, request.env.as_deref().unwrap_or_default());
        let list = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
        let cwd = [&request.working_dir, &record.config.working_dir]
            .into_iter()
            .find(|dir| !dir.is_empty());
        if cwd.is_some_and(|dir| !dir.starts_with('/')) {
            return Err(ApiError {
                kind: ErrorKind::InvalidParameter,
                message:
                    "OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown"
                        .into(),
            });
        }
        let console = size.or(request.console_size).and_then(|[rows, columns]| {
            Some((u16::try_from(rows).ok()?, u16::try_from(columns).ok()?))
        });
        Ok(ProcessSpec {
            args: list(&request.cmd),
            env,
            cwd: cwd.cloned().unwrap_or_else(|| "/".into()),
            user: if request.user.is_empty() {
                record.config.user.clone()
            } else {
                request.user.clone()
            },
            groups: list(&host.group_add),
            capabilities: caps::effective(
                &list(&host.cap_add),
                &list(&host.cap_drop),
                host.privileged || request.privileged,
            )?,
            no_new_privileges: spec::has_no_new_privileges(host.security_opt.as_deref()),
            rlimits: spec::rlimits(&host.resources),
            terminal: request.tty,
            console_size: console.filter(|size| *size != (0, 0)),
            stdin: request.attach_stdin,
        })
    }

    /// As `inspect` shows it.
    pub fn inspect(&self) -> ExecInspect {
        let mut words = self.request.cmd.iter().flatten().cloned();
        ExecInspect {
            id: self.id.clone(),
            running: self.running.get(),
            exit_code: self.exit_code.get(),
            process_config: ExecProcessConfig {
                tty: self.request.tty,
                entrypoint: words.next().unwrap_or_default(),
                arguments: words.collect(),
                privileged: Some(self.request.privileged),
                user: self.request.user.clone(),
            },
            open_stdin: self.request.attach_stdin,
            open_stderr: self.request.attach_stderr,
            open_stdout: self.request.attach_stdout,
            can_remove: self.exit_code.get().is_some(),
            container_id: self.container_id.clone(),
            detach_keys: String::new(),
            pid: self
                .process
                .borrow()
                .as_ref()
                .map_or(0, |process| process.pid().into()),
        }
    }
}

/// An exec's failure to start, as dockerd words it.
fn start_error(error: RuntimeError) -> ApiError {
    match error {
        RuntimeError::User(text) => ApiError::invalid(text),
        RuntimeError::Start(text) => ApiError {
            kind: ErrorKind::InvalidParameter,
            message: format!(
                "OCI runtime exec failed: exec failed: unable to start container process: {text}: unknown"
            ),
        },
        other => ApiError::system(other.to_string()),
    }
}
