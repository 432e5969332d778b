//! `docker stop` and `docker restart`.

use std::time::Duration;

use super::signal::{SIGKILL, SIGTERM, parse_signal};
use super::store::Container;
use super::wait::Condition;
use super::{kill, monitor};
use crate::api::ApiError;
use crate::engine::Engine;

/// How long a container may take to end after SIGKILL.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// Stops a container; 304 when it does not run. `timeout` is in seconds, -1
/// waits for ever; `signal` is what to send first.
pub async fn stop(
    engine: &Engine,
    container: &Container,
    timeout: Option<i64>,
    signal: &str,
) -> Result<(), ApiError> {
    if !container.record().state.running {
        return Err(ApiError::not_modified());
    }
    end(engine, container, timeout, signal).await?;
    container.emit(engine, "stop", &[]);
    Ok(())
}

async fn end(
    engine: &Engine,
    container: &Container,
    timeout: Option<i64>,
    signal: &str,
) -> Result<(), ApiError> {
    let signal = match (signal, container.record().config.stop_signal.as_str()) {
        ("", "") => SIGTERM,
        ("", configured) => parse_signal(configured)?,
        (asked, _) => parse_signal(asked)?,
    };
    container.record_mut().manually_stopped = true;
    if container.record().state.restarting {
        monitor::cancel_restart(engine, container);
        return container.save(engine).await;
    }
    let gone = container.wait(Condition::NotRunning);
    let mut gone = std::pin::pin!(gone);
    kill::send(engine, container, signal).await?;
    let timeout = timeout.unwrap_or_else(|| container.record().stop_timeout());
    match u64::try_from(timeout) {
        Ok(seconds) => {
            if engine
                .timeout(Duration::from_secs(seconds), gone.as_mut())
                .await
                .is_some()
            {
                return Ok(());
            }
        }
        // Negative: as long as it takes.
        Err(_) => {
            gone.await;
            return Ok(());
        }
    }
    kill::send(engine, container, SIGKILL).await?;
    match engine.timeout(AFTER_KILL, gone).await {
        Some(_) => Ok(()),
        None => Err(ApiError::system(format!(
            "cannot stop container: {}: tried to kill container, but did not receive an exit event",
            container.name()
        ))),
    }
}

/// Stops a container if it runs, and starts it.
pub async fn restart(
    engine: &Engine,
    container: &Container,
    reference: &str,
    timeout: Option<i64>,
    signal: &str,
) -> Result<(), ApiError> {
    if container.record().state.running {
        // It is to be there afterwards.
        let auto_remove =
            std::mem::replace(&mut container.record_mut().host_config.auto_remove, false);
        let ended = end(engine, container, timeout, signal).await;
        container.record_mut().host_config.auto_remove = auto_remove;
        ended.map_err(|e| e.context(format!("Cannot restart container {reference}")))?;
    }
    super::start::start(engine, container)
        .await
        .map_err(|e| e.context(format!("Cannot restart container {reference}")))?;
    container.emit(engine, "restart", &[]);
    Ok(())
}
