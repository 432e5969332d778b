//! `docker kill`, `docker pause`, `docker unpause`.

use std::time::Duration;

use super::monitor;
use super::signal::{SIGKILL, parse_signal};
use super::store::Container;
use super::wait::Condition;
use crate::api::ApiError;
use crate::engine::Engine;

/// Sends a signal; SIGKILL (also when none is given) waits for the end.
pub async fn kill(
    engine: &Engine,
    container: &Container,
    reference: &str,
    signal: &str,
) -> Result<(), ApiError> {
    let signal = if signal.is_empty() {
        SIGKILL
    } else {
        parse_signal(signal)?
    };
    let id = container.id();
    if !container.record().state.running {
        let message = format!("cannot kill container: {reference}: container {id} is not running");
        return Err(ApiError::conflict(message));
    }
    if container.record().state.restarting {
        container.record_mut().manually_stopped = true;
        monitor::cancel_restart(engine, container);
        return container.save(engine).await;
    }
    let gone = container.wait(Condition::NotRunning);
    let stops =
        signal == SIGKILL || container.record().config.stop_signal.parse::<u8>() == Ok(signal);
    if stops {
        container.record_mut().manually_stopped = true;
    }
    send(engine, container, signal).await?;
    if signal == SIGKILL {
        engine.timeout(Duration::from_secs(10), gone).await;
    }
    Ok(())
}

/// Sends a signal to the first process and says so. A frozen container is
/// thawed to receive it.
pub async fn send(engine: &Engine, container: &Container, signal: u8) -> Result<(), ApiError> {
    let Some(process) = container.process() else {
        return Ok(());
    };
    // It may have ended meanwhile, which is what a signal mostly is for.
    let _ = process.kill(signal).await;
    container.emit(engine, "kill", &[("signal", &signal.to_string())]);
    if container.record().state.paused {
        engine.ports().runtime.resume(&container.id()).await?;
        container.record_mut().state.paused = false;
    }
    Ok(())
}

/// Freezes a container.
pub async fn pause(engine: &Engine, container: &Container) -> Result<(), ApiError> {
    let _guard = container.lock().await;
    let id = container.id();
    container.record().state.can_pause(&id)?;
    engine.ports().runtime.pause(&id).await?;
    container.record_mut().state.paused = true;
    container.save(engine).await?;
    container.emit(engine, "pause", &[]);
    Ok(())
}

/// Thaws a container.
pub async fn unpause(engine: &Engine, container: &Container) -> Result<(), ApiError> {
    let _guard = container.lock().await;
    let id = container.id();
    container.record().state.can_unpause(&id)?;
    engine.ports().runtime.resume(&id).await?;
    container.record_mut().state.paused = false;
    container.save(engine).await?;
    container.emit(engine, "unpause", &[]);
    Ok(())
}
