//! What happens when a container's first process ends: cleaning up, telling,
//! restarting.

use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};

use super::store::Container;
use super::wait::Exit;
use crate::api::types::{RestartPolicy, Timestamp};
use crate::engine::Engine;
use crate::networking;
use crate::runtime::ExitStatus;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// Having run this long resets the backoff.
const STEADY: i128 = 10_000_000_000;

/// The first process ended.
pub async fn ended(engine: &Engine, container: &Container, status: ExitStatus) {
    let now = engine.now();
    super::health::stop(container);
    container.set_process(None);
    container.log().flush(now);
    // Execs ended with the process namespace.
    container.execs().clear();
    if let Err(error) = engine.ports().runtime.delete(&container.id()).await {
        container.record_mut().state.error = error.to_string();
    }
    let started = container.record().state.started_at;
    let restart = restart_after(container, status, started, now);
    {
        let mut record = container.record_mut();
        match restart {
            Some(_) => {
                record.restart_count += 1;
                record
                    .state
                    .set_restarting(status.code, status.oom_killed, now);
            }
            None => record
                .state
                .set_stopped(status.code, status.oom_killed, now),
        }
    }
    if status.oom_killed {
        container.emit(engine, "oom", &[]);
    }
    let seconds = now.since(started).max(0) / 1_000_000_000;
    container.emit(
        engine,
        "die",
        &[
            ("exitCode", &status.code.to_string()),
            ("execDuration", &seconds.to_string()),
        ],
    );
    networking::leave(engine, container).await;
    unmount_volumes(engine, container).await;
    if container.record().config.open_stdin {
        container.streams().open_stdin();
    }
    container.streams().end();
    container.log().notify();
    // What cannot be stored is lost with the engine, not with the container.
    let _ = engine.ports().snapshots.sync(&container.id()).await;
    let _ = container.save_log(engine).await;
    let _ = container.save(engine).await;
    let exit = Exit {
        code: status.code,
        error: None,
    };
    container.waiters().ended(&exit);
    match restart {
        Some(delay) => restart_later(engine, container, delay),
        None if container.record().host_config.auto_remove => {
            // Someone may be removing it already.
            let _ = super::remove::purge(engine, container, true).await;
        }
        None => {}
    }
}

async fn unmount_volumes(engine: &Engine, container: &Container) {
    let (id, volumes) = {
        let record = container.record();
        let volumes: Vec<String> = record
            .mounts
            .iter()
            .filter(|m| m.r#type == "volume")
            .map(|m| m.name.clone())
            .collect();
        (record.id.clone(), volumes)
    };
    for volume in volumes {
        let _ = engine.ports().volumes.sync(&volume).await;
        let facts = [("container", id.as_str()), ("driver", "local")];
        engine.events().emit(
            "volume",
            "unmount",
            &volume,
            crate::events::attributes(facts),
        );
    }
}

/// The delay before a restart, if there is to be one.
fn restart_after(
    container: &Container,
    status: ExitStatus,
    started: Timestamp,
    now: Timestamp,
) -> Option<Duration> {
    let record = container.record();
    if !wants_restart(
        &record.host_config.restart_policy,
        status.code,
        record.manually_stopped,
        record.restart_count,
    ) {
        return None;
    }
    let backoff = container.backoff();
    let last = Duration::from_nanos(backoff.get());
    let next = if last.is_zero() || now.since(started) > STEADY {
        FIRST_BACKOFF
    } else {
        (last * 2).min(LONGEST_BACKOFF)
    };
    backoff.set(next.as_nanos() as u64);
    Some(next)
}

fn wants_restart(policy: &RestartPolicy, code: i64, manually_stopped: bool, restarts: i64) -> bool {
    match policy.name.as_str() {
        "always" | "unless-stopped" => !manually_stopped,
        "on-failure" => {
            code != 0
                && !manually_stopped
                && (policy.maximum_retry_count == 0 || restarts < policy.maximum_retry_count)
        }
        _ => false,
    }
}

fn restart_later(engine: &Engine, container: &Container, delay: Duration) {
    let (cancel, canceled) = oneshot::channel();
    *container.cancel_restart() = Some(cancel);
    let (engine, container) = (engine.clone(), container.clone());
    engine.clone().executor().spawn(async move {
        let sleep = std::pin::pin!(engine.sleep(delay));
        let restart = matches!(select(sleep, canceled).await, Either::Left(_));
        if restart && container.record().state.restarting {
            // Its error is in its state.
            let _ = super::start::start(&engine, &container).await;
        }
    });
}

/// Ends a pending restart; the container is stopped then.
pub fn cancel_restart(engine: &Engine, container: &Container) {
    if let Some(cancel) = container.cancel_restart().take() {
        let _ = cancel.send(());
    }
    let exit = {
        let mut record = container.record_mut();
        let (code, oom_killed) = (record.state.exit_code, record.state.oom_killed);
        record.state.set_stopped(code, oom_killed, engine.now());
        Exit { code, error: None }
    };
    container.waiters().ended(&exit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_decide_on_restarts() {
        let policy = |name: &str, maximum_retry_count| RestartPolicy {
            name: name.into(),
            maximum_retry_count,
        };
        assert!(!wants_restart(&policy("no", 0), 1, false, 0));
        assert!(wants_restart(&policy("always", 0), 0, false, 9));
        assert!(!wants_restart(&policy("unless-stopped", 0), 1, true, 0));
        assert!(wants_restart(&policy("on-failure", 3), 1, false, 2));
        assert!(!wants_restart(&policy("on-failure", 3), 1, false, 3));
        assert!(!wants_restart(&policy("on-failure", 0), 0, false, 0));
    }
}
