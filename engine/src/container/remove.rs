//! `docker rm`.

use super::store::Container;
use super::wait::{Condition, Exit};
use super::{kill, monitor};
use crate::api::ApiError;
use crate::container::signal::SIGKILL;
use crate::engine::Engine;

/// Removes a container. `reference` is how the caller called it.
pub async fn remove(
    engine: &Engine,
    container: &Container,
    reference: &str,
    force: bool,
    volumes: bool,
) -> Result<(), ApiError> {
    if container.record().state.removal_in_progress {
        return Err(ApiError::conflict(format!(
            "removal of container {reference} is already in progress"
        )));
    }
    if container.record().state.running {
        if !force {
            return container.record().state.can_delete(reference);
        }
        container.record_mut().manually_stopped = true;
        if container.record().state.restarting {
            monitor::cancel_restart(engine, container);
        } else {
            let gone = container.wait(Condition::NotRunning);
            kill::send(engine, container, SIGKILL).await?;
            gone.await;
        }
    }
    purge(engine, container, volumes).await
}

/// Removes a container that does not run, with everything that is its own.
pub async fn purge(engine: &Engine, container: &Container, volumes: bool) -> Result<(), ApiError> {
    if container.is_removed()
        || std::mem::replace(&mut container.record_mut().state.removal_in_progress, true)
    {
        return Ok(());
    }
    let id = container.id();
    let removed = async {
        // Whoever is killed from here on finishes the removal at the next start.
        container.save(engine).await?;
        engine.ports().snapshots.remove(&id).await?;
        engine.containers().forget(engine, container).await
    };
    if let Err(error) = removed.await {
        let mut record = container.record_mut();
        record.state.removal_in_progress = false;
        record.state.dead = true;
        return Err(error.context(format!("unable to remove filesystem for {id}")));
    }
    let (mounted, anonymous) = {
        let record = container.record();
        let mounted: Vec<String> = record
            .mounts
            .iter()
            .filter(|m| m.r#type == "volume")
            .map(|m| m.name.clone())
            .collect();
        (mounted, record.anonymous_volumes.clone())
    };
    for volume in &mounted {
        engine.volumes().remove_user(volume, &id);
    }
    if volumes {
        for volume in &anonymous {
            // Another container may use it by now.
            let _ = engine.volumes().remove(engine, volume, false).await;
        }
    }
    container.emit(engine, "destroy", &[]);
    let code = container.record().state.exit_code;
    container.waiters().removed(&Exit { code, error: None });
    Ok(())
}
