//! A container's state: what it is, what may be done in it, how it is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::ApiError;
use crate::api::types::{ContainerState, Health, Timestamp};
use crate::units::human_duration;

/// A container's state, as moby keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub running: bool,
    /// Frozen; running as well.
    pub paused: bool,
    /// Waiting to be started again by its restart policy; running as well.
    pub restarting: bool,
    pub oom_killed: bool,
    pub removal_in_progress: bool,
    /// Could not be removed completely.
    pub dead: bool,
    /// Process id as the host sees it; 0 when not running.
    pub pid: u32,
    pub exit_code: i64,
    /// Why the last start failed.
    pub error: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub health: Option<Health>,
}

impl State {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub fn status(&self) -> &'static str {
        if self.running {
            return match () {
                () if self.paused => "paused",
                () if self.restarting => "restarting",
                () => "running",
            };
        }
        match () {
            () if self.removal_in_progress => "removing",
            () if self.dead => "dead",
            () if self.started_at.is_zero() => "created",
            () => "exited",
        }
    }

    /// The status column of `docker ps`.
    pub fn describe(&self, now: Timestamp) -> String {
        let ago = |then: Timestamp| {
            let nanos = u64::try_from(now.since(then).max(0)).unwrap_or(u64::MAX);
            human_duration(Duration::from_nanos(nanos))
        };
        if self.running {
            if self.paused {
                return format!("Up {} (Paused)", ago(self.started_at));
            }
            if self.restarting {
                return format!(
                    "Restarting ({}) {} ago",
                    self.exit_code,
                    ago(self.finished_at)
                );
            }
            let health = match &self.health {
                None => return format!("Up {}", ago(self.started_at)),
                Some(health) => health,
            };
            let health = if health.status == "starting" {
                "health: starting"
            } else {
                &health.status
            };
            return format!("Up {} ({health})", ago(self.started_at));
        }
        match () {
            () if self.removal_in_progress => "Removal In Progress".into(),
            () if self.dead => "Dead".into(),
            () if self.started_at.is_zero() => "Created".into(),
            () if self.finished_at.is_zero() => String::new(),
            () => format!("Exited ({}) {} ago", self.exit_code, ago(self.finished_at)),
        }
    }

    /// As `inspect` shows it.
    pub fn wire(&self) -> ContainerState {
        ContainerState {
            status: self.status().into(),
            running: self.running,
            paused: self.paused,
            restarting: self.restarting,
            oom_killed: self.oom_killed,
            dead: self.dead,
            pid: self.pid.into(),
            exit_code: self.exit_code,
            error: self.error.clone(),
            started_at: self.started_at,
            finished_at: self.finished_at,
            health: self.health.clone(),
        }
    }

    /// Whether it may be started: 304 when it runs already.
    pub fn can_start(&self) -> Result<(), ApiError> {
        if self.paused {
            return Err(ApiError::conflict(
                "cannot start a paused container, try unpause instead",
            ));
        }
        if self.running && !self.restarting {
            return Err(ApiError::not_modified());
        }
        if self.removal_in_progress || self.dead {
            return Err(ApiError::conflict(
                "container is marked for removal and cannot be started",
            ));
        }
        Ok(())
    }

    /// Whether processes in it can be signalled, listed and added to.
    pub fn must_run(&self, id: &str) -> Result<(), ApiError> {
        if self.running {
            Ok(())
        } else {
            Err(not_running(id))
        }
    }

    /// Whether a process may be added.
    pub fn can_exec(&self, id: &str, reference: &str) -> Result<(), ApiError> {
        self.must_run(id)?;
        if self.paused {
            return Err(ApiError::conflict(format!(
                "Container {reference} is paused, unpause the container before exec"
            )));
        }
        self.not_restarting(id)
    }

    /// Refuses while the container waits to be restarted.
    pub fn not_restarting(&self, id: &str) -> Result<(), ApiError> {
        if self.restarting {
            let message =
                format!("Container {id} is restarting, wait until the container is running");
            return Err(ApiError::conflict(message));
        }
        Ok(())
    }

    /// Whether it may be frozen.
    pub fn can_pause(&self, id: &str) -> Result<(), ApiError> {
        self.must_run(id)?;
        if self.paused {
            return Err(ApiError::conflict(format!(
                "Container {id} is already paused"
            )));
        }
        self.not_restarting(id)
    }

    /// Whether it may be thawed.
    pub fn can_unpause(&self, id: &str) -> Result<(), ApiError> {
        if self.paused {
            Ok(())
        } else {
            Err(ApiError::conflict(format!("Container {id} is not paused")))
        }
    }

    /// Whether it may be removed without force. `name` is how the caller called it.
    pub fn can_delete(&self, name: &str) -> Result<(), ApiError> {
        let advice = match self.status() {
            "running" | "restarting" => "stop the container before removing or force remove",
            "paused" => "container must be unpaused first",
            _ => return Ok(()),
        };
        let status = self.status();
        let message = if status == "paused" {
            format!(
                "cannot remove container {name:?}: container is paused and must be unpaused first"
            )
        } else {
            format!("cannot remove container {name:?}: container is {status}: {advice}")
        };
        Err(ApiError::conflict(message))
    }

    /// It runs now.
    pub fn set_running(&mut self, pid: u32, now: Timestamp) {
        self.error.clear();
        self.running = true;
        self.restarting = false;
        self.paused = false;
        self.exit_code = 0;
        self.oom_killed = false;
        self.pid = pid;
        self.started_at = now;
    }

    /// It ended.
    pub fn set_stopped(&mut self, exit_code: i64, oom_killed: bool, now: Timestamp) {
        self.running = false;
        self.paused = false;
        self.restarting = false;
        self.pid = 0;
        self.finished_at = now;
        self.exit_code = exit_code;
        self.oom_killed = oom_killed;
    }

    /// It ended and will be started again. Still counts as running, so that
    /// "kill" and "rm" treat it so.
    pub fn set_restarting(&mut self, exit_code: i64, oom_killed: bool, now: Timestamp) {
        self.set_stopped(exit_code, oom_killed, now);
        self.running = true;
        self.restarting = true;
    }
}

/// 409: the container does not run.
pub fn not_running(id: &str) -> ApiError {
    ApiError::conflict(format!("Container {id} is not running"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorKind;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds, 0)
    }

    #[test]
    fn a_life_as_docker_tells_it() {
        let mut state = State::default();
        assert_eq!(
            (state.status(), state.describe(at(5))),
            ("created", "Created".into())
        );
        state.set_running(7, at(10));
        assert_eq!(
            (state.status(), state.describe(at(10))),
            ("running", "Up Less than a second".into())
        );
        state.paused = true;
        assert_eq!(
            (state.status(), state.describe(at(70))),
            ("paused", "Up About a minute (Paused)".into())
        );
        state.paused = false;
        state.health = Some(Health {
            status: "starting".into(),
            ..Health::default()
        });
        assert_eq!(state.describe(at(12)), "Up 2 seconds (health: starting)");
        state.set_restarting(1, false, at(20));
        assert_eq!(
            (state.status(), state.describe(at(25))),
            ("restarting", "Restarting (1) 5 seconds ago".into())
        );
        state.set_stopped(137, false, at(30));
        assert_eq!(
            (state.status(), state.describe(at(33))),
            ("exited", "Exited (137) 3 seconds ago".into())
        );
    }

    #[test]
    fn what_may_be_done_depends_on_the_state() {
        let mut state = State::default();
        assert_eq!(state.can_start(), Ok(()));
        assert_eq!(state.can_delete("web"), Ok(()));
        assert_eq!(
            state.must_run("id").map_err(|e| e.message),
            Err("Container id is not running".into())
        );
        state.set_running(1, at(1));
        assert_eq!(
            state.can_start().map_err(|e| e.kind),
            Err(ErrorKind::NotModified)
        );
        let refused = state.can_delete("web").map_err(|e| e.message);
        let expected = "cannot remove container \"web\": container is running: stop the container before removing or force remove";
        assert_eq!(refused, Err(expected.into()));
        state.paused = true;
        let refused = state.can_delete("web").map_err(|e| e.message);
        assert_eq!(
            refused,
            Err(
                "cannot remove container \"web\": container is paused and must be unpaused first"
                    .into()
            )
        );
        assert!(
            state.can_exec("id", "web").is_err()
                && state.can_unpause("id").is_ok()
                && state.can_pause("id").is_err()
        );
    }
}
