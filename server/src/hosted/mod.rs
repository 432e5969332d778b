//! Hosted sessions: each visitor a Docker host of their own, in namespaces of this machine's kernel.

mod admission;
mod api;
pub mod config;
mod disk;
mod docker;
pub mod doctor;
mod downloads;
mod exec;
mod layers;
mod library;
mod preview;
mod session;
mod socket;
mod terminal;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::runtime::Handle;

use crate::oci::{self, Machine};
use admission::{Admission, Permit};
use config::Config;
use session::{Maker, Session};

pub use api::router;

/// Sessions that ended and whose reason is still told.
const TOLD: usize = 1000;
/// How often sessions' clocks are looked at.
const TICK: Duration = Duration::from_secs(1);

/// 128 random bits, as text.
fn secret() -> String {
    let mut bytes = [0; 16];
    // Without randomness nothing here is safe.
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers for the operator.
#[derive(Default)]
pub struct Counters {
    started: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    ended: AtomicU64,
}

/// All sessions of a server.
pub struct Hosted {
    config: Arc<Config>,
    maker: Maker,
    admission: Admission,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    previews: Mutex<HashMap<String, String>>,
    warm: Mutex<Vec<Arc<Session>>>,
    free: Mutex<BTreeSet<usize>>,
    over: Mutex<VecDeque<(String, String)>>,
    counters: Counters,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line of the log: what happened to which session, by number. Nothing a visitor wrote gets into it.
fn log(event: &str, slot: usize, detail: &str) {
    let line = serde_json::json!({ "event": event, "session": slot, "detail": detail });
    eprintln!("{line}");
}

/// Whether strangers may be let onto this runtime.
///
/// # Errors
/// When it lacks published fixes and the operator did not name it.
pub fn check_runtime(cli: &oci::cli::Cli, config: &Config) -> Result<()> {
    let Some(holes) = cli.known_holes() else {
        return Ok(());
    };
    let name = format!("{} {}", cli.name, cli.version);
    if config.allow_runtime == name {
        return Ok(());
    }
    bail!(
        "{holes}: strangers' sessions are refused. Install a newer one, or accept the risk with \
         allow_runtime = {name:?} in the configuration"
    )
}

/// Sessions' root is nobody on this machine, and has to walk to its disk.
///
/// # Errors
/// With the directory that keeps others out.
fn check_way(data: &Path) -> Result<()> {
    for dir in data.ancestors().skip(1) {
        let mode = std::fs::metadata(dir)?.permissions().mode();
        if mode & 0o001 == 0 {
            bail!(
                "sessions can't get to {}: others may not walk through {} (chmod o+x it, or use another --data)",
                data.display(),
                dir.display()
            );
        }
    }
    Ok(())
}

/// What is free of a resource of this machine.
fn memory_available() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn disk_available(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(0, |stat| stat.f_bavail * stat.f_frsize)
}

impl Hosted {
    /// Makes this machine ready, and the first sessions.
    ///
    /// # Errors
    /// With what is missing for walls as they have to be; never with weaker ones.
    pub async fn start(
        machine: Machine,
        config: Config,
        data: &Path,
        site: &Path,
    ) -> Result<Arc<Hosted>> {
        check_runtime(&machine.cli, &config)?;
        let missing = machine.layout.missing();
        if !missing.is_empty() {
            bail!(
                "no control group for {}: sessions would have no limits",
                missing.join(", ")
            );
        }
        let data = std::fs::canonicalize(data)?;
        check_way(&data)?;
        let (disks, shared) = (data.join("disks"), data.join("shared"));
        let _ = std::fs::remove_dir_all(&disks);
        oci::open_dir(&data)?;
        oci::open_dir(&disks)?;
        oci::open_dir(&shared)?;
        let site = site.to_owned();
        let (to, from) = (shared.clone(), site.clone());
        let host_layers =
            tokio::task::spawn_blocking(move || layers::prepare(&to, &from)).await??;
        if let Err(error) =
            library::stock(&machine, &config.server.images, &data, &shared, &site).await
        {
            // Sessions unpack what they pull by themselves then.
            eprintln!("bottleship: images are not unpacked ahead: {error:#}");
        }
        let config = Arc::new(config);
        let maker = Maker {
            machine: Arc::new(machine),
            config: config.clone(),
            disks,
            shared,
            host_layers,
            site,
            tokio: Handle::current(),
        };
        let hosted = Arc::new(Hosted {
            admission: Admission::new(config.clone()),
            free: Mutex::new((0..=config.server.sessions).collect()),
            config,
            maker,
            sessions: Mutex::default(),
            previews: Mutex::default(),
            warm: Mutex::default(),
            over: Mutex::default(),
            counters: Counters::default(),
        });
        // One, to find out at the start what would fail later.
        hosted.fill().await.context("can't make a session")?;
        tokio::spawn(hosted.clone().keep());
        Ok(hosted)
    }

    /// Whether the machine has room for one more session, by its own account.
    fn has_room(&self) -> bool {
        let server = &self.config.server;
        memory_available()
            >= server
                .memory_reserve
                .saturating_add(self.config.session.memory / 4)
            && disk_available(&self.maker.disks) >= server.disk_reserve
    }

    fn take_slot(&self) -> Result<usize> {
        lock(&self.free)
            .pop_first()
            .context("no room for a session")
    }

    async fn make(&self) -> Result<Arc<Session>> {
        let slot = self.take_slot()?;
        match self.maker.make(slot).await {
            Ok(session) => Ok(Arc::new(session)),
            Err(error) => {
                lock(&self.free).insert(slot);
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                log("failed", slot, &format!("{error:#}"));
                Err(error)
            }
        }
    }

    /// Makes sessions ahead.
    async fn fill(&self) -> Result<()> {
        while lock(&self.warm).len() < self.config.server.warm
            && !self.admission.is_draining()
            && self.admission.counts().0 < self.config.server.sessions
        {
            let session = self.make().await?;
            lock(&self.warm).push(session);
        }
        Ok(())
    }

    /// Gives a visitor a session.
    ///
    /// # Errors
    /// When none can be made.
    async fn open(&self, permit: Permit) -> Result<Arc<Session>> {
        let warm = lock(&self.warm).pop();
        let session = match warm {
            Some(session) => session,
            None => self.make().await?,
        };
        session.give(permit, self.config.lifetime());
        lock(&self.previews).insert(session.preview.clone(), session.id.clone());
        lock(&self.sessions).insert(session.id.clone(), session.clone());
        self.counters.started.fetch_add(1, Ordering::Relaxed);
        log("started", session.slot, "");
        Ok(session)
    }

    fn find(&self, id: &str) -> Option<Arc<Session>> {
        lock(&self.sessions).get(id).cloned()
    }

    fn find_preview(&self, key: &str) -> Option<Arc<Session>> {
        let id = lock(&self.previews).get(key).cloned()?;
        self.find(&id)
    }

    /// Why a session that is over ended.
    fn reason(&self, id: &str) -> Option<String> {
        let over = lock(&self.over);
        over.iter()
            .find(|(known, _)| known == id)
            .map(|(_, reason)| reason.clone())
    }

    /// Ends a session, and waits until nothing is left of it.
    async fn end(&self, session: Arc<Session>, reason: &str) {
        lock(&self.sessions).remove(&session.id);
        lock(&self.previews).remove(&session.preview);
        {
            let mut over = lock(&self.over);
            over.push_back((session.id.clone(), reason.to_owned()));
            if over.len() > TOLD {
                over.pop_front();
            }
        }
        let (slot, told) = (session.slot, reason.to_owned());
        let _ = tokio::task::spawn_blocking(move || session.end(&told)).await;
        lock(&self.free).insert(slot);
        self.counters.ended.fetch_add(1, Ordering::Relaxed);
        log("ended", slot, reason);
    }

    /// Looks after clocks and the warm pool, for as long as the server runs.
    async fn keep(self: Arc<Self>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let all: Vec<Arc<Session>> = lock(&self.sessions).values().cloned().collect();
            for session in all {
                let reason = if session.left().is_zero() {
                    "its time is over".to_owned()
                } else if session.idle() > self.config.idle() {
                    format!(
                        "nobody was connected for {} seconds",
                        self.config.session.idle
                    )
                } else {
                    continue;
                };
                let hosted = self.clone();
                tokio::spawn(async move { hosted.end(session, &reason).await });
            }
            // What failed is in the log, and tried again.
            if self.fill().await.is_err() {
                tokio::time::sleep(TICK * 10).await;
            }
        }
    }

    /// No new sessions from now on; those there are get the time the operator grants, and end.
    pub async fn drain(&self) {
        self.admission.drain();
        let patience = Duration::from_secs(self.config.server.drain);
        let deadline = tokio::time::Instant::now() + patience;
        while !lock(&self.sessions).is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let rest: Vec<Arc<Session>> = lock(&self.sessions).values().cloned().collect();
        for session in rest {
            self.end(session, "the server is being stopped").await;
        }
        let warm = std::mem::take(&mut *lock(&self.warm));
        for session in warm {
            let _ = tokio::task::spawn_blocking(move || session.end("not used")).await;
        }
        let machine = self.maker.machine.clone();
        let _ = tokio::task::spawn_blocking(move || machine.finish()).await;
    }

    /// For Prometheus.
    fn metrics(&self) -> String {
        let (sessions, queue) = self.admission.counts();
        let warm = lock(&self.warm).len();
        let mut text = String::new();
        let mut gauge = |name: &str, kind: &str, help: &str, value: u64| {
            text.push_str(&format!(
                "# HELP bottleship_{name} {help}\n# TYPE bottleship_{name} {kind}\nbottleship_{name} {value}\n"
            ));
        };
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        gauge(
            "sessions",
            "gauge",
            "Sessions that are used",
            sessions as u64,
        );
        gauge(
            "sessions_max",
            "gauge",
            "Sessions there can be",
            self.config.server.sessions as u64,
        );
        gauge("sessions_warm", "gauge", "Sessions made ahead", warm as u64);
        gauge(
            "queue",
            "gauge",
            "Visitors who wait for a session",
            queue as u64,
        );
        gauge(
            "sessions_started_total",
            "counter",
            "Sessions given away",
            counted(&self.counters.started),
        );
        gauge(
            "sessions_ended_total",
            "counter",
            "Sessions that ended",
            counted(&self.counters.ended),
        );
        gauge(
            "sessions_failed_total",
            "counter",
            "Sessions that could not be made",
            counted(&self.counters.failed),
        );
        gauge(
            "sessions_refused_total",
            "counter",
            "Requests for a session that were refused",
            counted(&self.counters.refused),
        );
        gauge(
            "memory_available_bytes",
            "gauge",
            "Memory of this machine that is free",
            memory_available(),
        );
        gauge(
            "disk_available_bytes",
            "gauge",
            "Disk of this machine that is free",
            disk_available(&self.maker.disks),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_keeps_sessions_out_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let mode = |mode| {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode))
                .expect("mode");
        };
        mode(0o700);
        let error = check_way(&dir.path().join("data")).expect_err("it keeps others out");
        assert!(error.to_string().contains("chmod o+x"), "{error}");
        mode(0o711);
        assert!(check_way(&dir.path().join("data")).is_ok());
    }
}
