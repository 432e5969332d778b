//! `docker start`.

use std::rc::Rc;
use std::time::Duration;

use futures::channel::oneshot;

use super::store::Container;
use super::{monitor, spec};
use crate::api::stdcopy::StdStream;
use crate::api::{ApiError, ErrorKind};
use crate::engine::Engine;
use crate::networking;
use crate::runtime::{RuntimeError, RuntimeProcess};

/// How long output may still come after the first process ended.
pub const DRAIN: Duration = Duration::from_secs(2);

/// Starts a container; 304 when it runs.
pub async fn start(engine: &Engine, container: &Container) -> Result<(), ApiError> {
    let _guard = container.lock().await;
    container.record().state.can_start()?;
    if container.is_removed() {
        return Err(ApiError::not_found(format!(
            "No such container: {}",
            container.id()
        )));
    }
    let result = launch(engine, container).await;
    if let Err(error) = &result {
        failed(engine, container, error).await;
    }
    result
}

async fn launch(engine: &Engine, container: &Container) -> Result<(), ApiError> {
    refuse_devices(container)?;
    super::log::check_values(&container.record().host_config.log_config)?;
    let network = networking::join(engine, container).await?;
    let (process, starting) = match create(engine, container, network).await {
        Ok(started) => started,
        Err(error) => {
            networking::leave(engine, container).await;
            return Err(error);
        }
    };
    let pid = process.pid();
    container.set_process(Some(process.clone()));
    {
        let mut record = container.record_mut();
        record.state.set_running(pid, engine.now());
        record.manually_stopped = false;
        record.started_before = true;
    }
    super::health::init(container);
    for volume in container
        .record()
        .mounts
        .iter()
        .filter(|m| m.r#type == "volume")
    {
        let facts = [
            ("container", container.id()),
            ("destination", volume.destination.clone()),
            ("driver", "local".into()),
        ];
        engine.events().emit(
            "volume",
            "mount",
            &volume.name,
            crate::events::attributes(facts),
        );
    }
    if let Err(error) = process.start().await {
        networking::leave(engine, container).await;
        container.set_process(None);
        let mut record = container.record_mut();
        record.state.running = false;
        record.state.pid = 0;
        return Err(start_error(error, &record.path.clone()).1);
    }
    // Before anything is waited for: a short program's end must not be told first.
    container.emit(engine, "start", &[]);
    container.save(engine).await?;
    super::health::start(engine, container);
    drop(starting);
    Ok(())
}

fn refuse_devices(container: &Container) -> Result<(), ApiError> {
    let record = container.record();
    let requests = record
        .host_config
        .resources
        .device_requests
        .iter()
        .flatten();
    let Some(request) = requests.into_iter().next() else {
        return Ok(());
    };
    let capabilities: Vec<String> = request
        .capabilities
        .iter()
        .flatten()
        .map(|set| format!("[{}]", set.join(" ")))
        .collect();
    let message = format!(
        "could not select device driver {:?} with capabilities: [{}]",
        request.driver,
        capabilities.join(" ")
    );
    Err(ApiError::invalid(message))
}

/// Its end is reported once this is dropped.
type Starting = oneshot::Sender<()>;

async fn create(
    engine: &Engine,
    container: &Container,
    network: Option<String>,
) -> Result<(Rc<dyn RuntimeProcess>, Starting), ApiError> {
    let spec = spec::container_spec(engine, container, network).await?;
    let spawned = match engine.ports().runtime.create(spec).await {
        Ok(spawned) => spawned,
        Err(error) => {
            let path = container.record().path.clone();
            let (code, error) = start_error(error, &path);
            container.record_mut().state.exit_code = code;
            return Err(error);
        }
    };
    let log = container.log().clone();
    let clock = engine.ports().clock.clone();
    let sink =
        Rc::new(move |stream: StdStream, data: &bytes::Bytes| log.write(stream, data, clock.now()));
    let output = engine
        .executor()
        .run(container.streams().clone().pump(spawned.stdio, sink));
    let (process, waited) = (spawned.process.clone(), spawned.process);
    let (engine_task, container_task) = (engine.clone(), container.clone());
    let (starting, started) = oneshot::channel();
    engine.executor().spawn(async move {
        let status = waited.wait().await;
        // However soon it ends, first it has started.
        let _ = started.await;
        let _ = engine_task.timeout(DRAIN, output).await;
        monitor::ended(&engine_task, &container_task, status).await;
    });
    Ok((process, starting))
}

/// The exit code and the error of a start that failed, as dockerd words it.
pub fn start_error(error: RuntimeError, program: &str) -> (i64, ApiError) {
    let text = match error {
        RuntimeError::User(text) => return (126, ApiError::invalid(text)),
        RuntimeError::Start(text) => text,
        other => return (128, ApiError::system(other.to_string())),
    };
    let message = format!(
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {text}: unknown"
    );
    let lower = text.to_ascii_lowercase();
    let names_program = text.contains(program);
    let missing =
        lower.contains("executable file not found") || lower.contains("no such file or directory");
    let mut outcome = (128, ErrorKind::System, message);
    if names_program && missing {
        outcome.0 = 127;
        outcome.1 = ErrorKind::InvalidParameter;
    }
    if lower.contains("permission denied") || lower.contains("is a directory") {
        outcome.0 = 126;
        outcome.1 = ErrorKind::InvalidParameter;
    }
    if lower.contains("not a directory") {
        outcome.0 = 127;
        outcome.1 = ErrorKind::InvalidParameter;
        outcome.2.push_str(": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type");
    }
    (
        outcome.0,
        ApiError {
            kind: outcome.1,
            message: outcome.2,
        },
    )
}

/// Notes that a start failed; a container that removes itself does.
async fn failed(engine: &Engine, container: &Container, error: &ApiError) {
    {
        let mut record = container.record_mut();
        record.state.error = error.message.clone();
        if record.state.exit_code == 0 {
            record.state.exit_code = 128;
        }
        record.state.running = false;
        record.state.restarting = false;
    }
    let _ = engine.ports().runtime.delete(&container.id()).await;
    if container.record().config.open_stdin {
        container.streams().open_stdin();
    }
    container.streams().end();
    // The start's own error is the one to report.
    let _ = container.save(engine).await;
    if container.record().host_config.auto_remove {
        let _ = super::remove::purge(engine, container, true).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_errors_carry_dockers_exit_codes() {
        let start = |text: &str| {
            let (code, error) = start_error(RuntimeError::Start(text.into()), "nosuch");
            (code, error.message)
        };
        let (code, message) = start("exec: \"nosuch\": executable file not found in $PATH");
        assert_eq!(code, 127);
        assert_eq!(
            message,
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown"
        );
        assert_eq!(start("exec: \"/etc\": permission denied").0, 126);
        assert_eq!(start("something else").0, 128);
    }
}
