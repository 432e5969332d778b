//! Health checks: probes on a schedule, and what they say about a container.

use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};

use super::exec;
use super::store::Container;
use crate::api::types::{ExecCreateRequest, Health, HealthConfig, HealthcheckResult, Timestamp};
use crate::engine::Engine;
use crate::pipe::{CAPACITY, pipe};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_RETRIES: i64 = 3;
/// Probes shown by `inspect`.
const SHOWN: usize = 5;
/// Bytes of a probe's output that are kept.
const MAX_OUTPUT: usize = 4096;

fn duration(nanos: i64, default: Duration) -> Duration {
    u64::try_from(nanos)
        .ok()
        .filter(|n| *n > 0)
        .map_or(default, Duration::from_nanos)
}

/// The command that probes, if there is one.
fn command(container: &Container) -> Option<(Vec<String>, HealthConfig)> {
    let record = container.record();
    let config = record.config.healthcheck.clone()?;
    let (kind, words) = config.test.as_ref()?.split_first()?;
    let command = match kind.as_str() {
        "CMD" => words.to_vec(),
        "CMD-SHELL" => {
            let default = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
            let mut command = record
                .config
                .shell
                .clone()
                .filter(|shell| !shell.is_empty())
                .unwrap_or_else(default);
            command.extend(words.iter().cloned());
            command
        }
        _ => return None,
    };
    (!command.is_empty()).then_some((command, config))
}

/// A container with a health check begins as `starting`.
pub fn init(container: &Container) {
    let health = command(container).map(|_| Health {
        status: "starting".into(),
        ..Health::default()
    });
    container.record_mut().state.health = health;
}

/// Probes until [`stop`].
pub fn start(engine: &Engine, container: &Container) {
    let Some((command, config)) = command(container) else {
        return;
    };
    let (cancel, mut canceled) = oneshot::channel();
    *container.health_checks() = Some(cancel);
    let (engine, container) = (engine.clone(), container.clone());
    engine.clone().executor().spawn(async move {
        let started = engine.now();
        loop {
            let pause = next_pause(&container, &config, started, engine.now());
            if let Either::Right(_) =
                select(std::pin::pin!(engine.sleep(pause)), &mut canceled).await
            {
                return;
            }
            if container.record().state.paused {
                continue;
            }
            let probe = std::pin::pin!(probe(
                &engine,
                &container,
                &command,
                duration(config.timeout, DEFAULT_TIMEOUT)
            ));
            match select(probe, &mut canceled).await {
                Either::Left((result, _)) => judge(&engine, &container, &config, started, result),
                Either::Right(_) => return,
            }
        }
    });
}

/// Ends the probes.
pub fn stop(container: &Container) {
    if let Some(cancel) = container.health_checks().take() {
        let _ = cancel.send(());
    }
    // moby calls a container that ended unhealthy if it was anything.
    if let Some(health) = &mut container.record_mut().state.health {
        health.status = "unhealthy".into();
    }
}

fn in_start_period(config: &HealthConfig, started: Timestamp, now: Timestamp) -> bool {
    now.since(started) < i128::from(config.start_period)
}

fn next_pause(
    container: &Container,
    config: &HealthConfig,
    started: Timestamp,
    now: Timestamp,
) -> Duration {
    let starting = container
        .record()
        .state
        .health
        .as_ref()
        .is_some_and(|health| health.status == "starting");
    if starting && in_start_period(config, started, now) {
        return duration(config.start_interval, DEFAULT_START_INTERVAL);
    }
    duration(config.interval, DEFAULT_INTERVAL)
}

async fn probe(
    engine: &Engine,
    container: &Container,
    command: &[String],
    timeout: Duration,
) -> HealthcheckResult {
    let start = engine.now();
    let failed = |output: String| HealthcheckResult {
        start,
        end: engine.now(),
        exit_code: -1,
        output,
    };
    let request = ExecCreateRequest {
        cmd: Some(command.to_vec()),
        attach_stdout: true,
        attach_stderr: true,
        ..ExecCreateRequest::default()
    };
    let id = match exec::create(engine, container, &container.id(), request).await {
        Ok(id) => id,
        Err(error) => return failed(error.message),
    };
    let Ok(exec) = engine.containers().exec(&id) else {
        return failed("the exec is gone".into());
    };
    let (writer, mut reader) = pipe(CAPACITY);
    let _ended = exec.streams.subscribe(writer, true, true, false);
    let output = engine.executor().run(async move {
        let mut kept = Vec::new();
        while let Some(Ok(data)) = reader.read().await {
            let room = MAX_OUTPUT.saturating_sub(kept.len());
            kept.extend_from_slice(data.get(..data.len().min(room)).unwrap_or_default());
        }
        String::from_utf8_lossy(&kept).into_owned()
    });
    let ended = match exec.start(engine, None).await {
        Ok(ended) => ended,
        Err(error) => return failed(error.message),
    };
    match engine.timeout(timeout, ended).await {
        Some(code) => {
            let exit_code = code.unwrap_or(-1);
            HealthcheckResult {
                start,
                end: engine.now(),
                exit_code,
                output: output.await.unwrap_or_default(),
            }
        }
        None => {
            let process = exec.process.borrow().clone();
            if let Some(process) = process {
                let _ = process.kill(super::signal::SIGKILL).await;
            }
            failed(format!(
                "Health check exceeded timeout ({})",
                go_duration(timeout)
            ))
        }
    }
}

/// Go's way of writing a duration: `30s`, `1m30s`.
fn go_duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let fraction = format!("{:09}", nanos);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() {
        String::new()
    } else {
        format!(".{fraction}")
    };
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) if seconds == 0 && nanos > 0 => format!("{}ms", f64::from(nanos) / 1e6),
        (0, 0) => format!("{seconds}{point}s"),
        (0, minutes) => format!("{minutes}m{}{point}s", seconds % 60),
        (hours, minutes) => format!("{hours}h{minutes}m{}{point}s", seconds % 60),
    }
}

fn judge(
    engine: &Engine,
    container: &Container,
    config: &HealthConfig,
    started: Timestamp,
    result: HealthcheckResult,
) {
    let retries = if config.retries > 0 {
        config.retries
    } else {
        DEFAULT_RETRIES
    };
    let (before, after) = {
        let mut record = container.record_mut();
        let Some(health) = &mut record.state.health else {
            return;
        };
        let before = health.status.clone();
        if result.exit_code == 0 {
            health.failing_streak = 0;
            health.status = "healthy".into();
        } else if !(before == "starting" && in_start_period(config, started, result.start)) {
            health.failing_streak += 1;
            if health.failing_streak >= retries {
                health.status = "unhealthy".into();
            }
        }
        health.log.push(result);
        let surplus = health.log.len().saturating_sub(SHOWN);
        health.log.drain(..surplus);
        (before, health.status.clone())
    };
    if before != after {
        container.emit(engine, &format!("health_status: {after}"), &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        for (millis, text) in [
            (30_000, "30s"),
            (90_000, "1m30s"),
            (3_600_000, "1h0m0s"),
            (500, "500ms"),
            (1500, "1.5s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
    }
}
