//! A Docker host to replay lessons in: commands are typed into its terminal as a learner does, and time that nothing
//! happens in is skipped.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use anyhow::{Context, Result, anyhow, bail};
use bottleship_engine::api::types::Timestamp;
use bottleship_engine::clock::Clock;
use bottleship_engine::emulated::{DockerHost, HostConfig, Outside, Terminal};
use bottleship_engine::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};
use bottleship_engine::lesson::format::Setup;
use bottleship_engine::lesson::{HostWorld, set_up};
use bottleship_engine::store::MemoryStore;
use bottleship_engine::{Config, RunState};

use crate::host::{OsEntropy, SITE_BASE, SiteFetch, SystemClock};

const SLICE: u64 = 2_000_000;
/// What the shell prints when it waits for a command, and for more of one.
const PROMPT: &[u8] = b"@prompt@ ";
const MORE: &[u8] = b"@more@ ";
const CURSOR: &[u8] = b"\x1b[6n";
/// How long nothing must come before the next line is typed into a program that is not the shell, in nanoseconds.
const QUIET: u64 = 1_500_000_000;
/// How long a command may take, in nanoseconds of the host's time.
const LONGEST: u64 = 300_000_000_000;
/// How often the host's time may be skipped in one wait: a host that never rests would keep it for ever.
const MOST_SKIPS: u32 = 200_000;

/// The system's clock, and what was skipped.
struct SkippingClock {
    system: SystemClock,
    skipped: Cell<u64>,
}

impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.system.now().nanos() + i128::from(self.skipped.get()))
    }

    fn monotonic(&self) -> u64 {
        self.system.monotonic() + self.skipped.get()
    }
}

impl SkippingClock {
    fn skip_to(&self, until: u64) {
        let ahead = until.saturating_sub(self.monotonic());
        self.skipped.set(self.skipped.get() + ahead);
    }
}

/// There is no network: a lesson that needs one would not run everywhere.
struct Offline;

#[async_trait::async_trait(?Send)]
impl Fetch for Offline {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        Err(FetchError(format!(
            "{}: lessons are replayed without a network",
            request.url
        )))
    }
}

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// A fresh Docker host with a terminal.
pub struct Lab {
    host: DockerHost,
    clock: Rc<SkippingClock>,
    terminal: Terminal,
    /// What the terminal showed.
    shown: Vec<u8>,
}

/// What every lab begins with.
pub struct Site<'a> {
    pub dir: &'a Path,
    /// The host's root file system.
    pub root: &'a [u8],
}

impl Lab {
    /// Boots a host and prepares it.
    pub fn new(site: &Site<'_>, setup: &Setup) -> Result<Lab> {
        let clock = Rc::new(SkippingClock {
            system: SystemClock::new(),
            skipped: Cell::new(0),
        });
        let outside = Outside {
            store: Rc::new(MemoryStore::default()),
            fetch: Rc::new(SiteFetch::new(site.dir.to_path_buf(), Rc::new(Offline))),
            clock: clock.clone(),
            entropy: Rc::new(OsEntropy),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let host = HostConfig {
            root: site.root.to_vec(),
            shell: vec!["/bin/sh".into(), "-i".into()],
            env: vec![
                ("TERM".into(), "dumb".into()),
                ("PS1".into(), text(PROMPT)),
                ("PS2".into(), text(MORE)),
            ],
            ..HostConfig::default()
        };
        let config = Config {
            hostname: "docker".into(),
            registry_mirrors: vec![SITE_BASE.into()],
            ..Config::default()
        };
        let host = futures::executor::block_on(DockerHost::boot(outside, host, config))
            .context("can't boot the Docker host")?;
        let terminal = host.open_terminal(50, 400).map_err(anyhow::Error::msg)?;
        let mut lab = Lab {
            host,
            clock,
            terminal,
            shown: Vec::new(),
        };
        let host = lab.host.clone();
        lab.finish(set_up(&host, setup))?
            .map_err(|error| anyhow!("the start: {error}"))?;
        lab.wait()?;
        Ok(lab)
    }

    /// What checks look at.
    pub fn world(&self) -> HostWorld {
        HostWorld(self.host.clone())
    }

    /// What the terminal showed last.
    pub fn tail(&self) -> String {
        let text = String::from_utf8_lossy(&self.shown).replace('\r', "");
        let text = text.replace("@prompt@ ", "$ ").replace("@more@ ", "> ");
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(25);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    /// One slice of the host; time in which nothing happens is skipped up to `until`. Whether it rests.
    fn step(&self, until: u64) -> bool {
        match self.host.run(SLICE) {
            RunState::Runnable => return false,
            RunState::Idle => self.clock.skip_to(until),
            RunState::Sleeping { until: next } => self.clock.skip_to(next.min(until)),
        }
        true
    }

    /// Runs the host until a future is ready.
    pub fn finish<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        let mut future = std::pin::pin!(future);
        let waker = Waker::from(Arc::new(Ignore));
        let mut context = TaskContext::from_waker(&waker);
        let until = self.clock.monotonic() + LONGEST;
        for _ in 0..MOST_SKIPS {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return Ok(value);
            }
            self.step(until);
            if self.clock.monotonic() >= until {
                break;
            }
        }
        bail!(
            "nothing came of it in {} s of the host's time",
            LONGEST / 1_000_000_000
        )
    }

    /// Lets the host's time pass.
    pub fn rest(&mut self, nanos: u64) {
        let until = self.clock.monotonic() + nanos;
        for _ in 0..MOST_SKIPS {
            self.step(until);
            self.read();
            if self.clock.monotonic() >= until {
                return;
            }
        }
    }

    /// Takes what the terminal shows; whether there was anything.
    fn read(&mut self) -> bool {
        let mut any = false;
        loop {
            let bytes = self.terminal.try_read(64 << 10);
            if bytes.is_empty() {
                return any;
            }
            any = true;
            self.shown.extend_from_slice(&bytes);
            // The shell asks where the cursor is, and does not need to know.
            if self.shown.ends_with(CURSOR) {
                self.shown.truncate(self.shown.len() - CURSOR.len());
            }
            // What is kept of one lab is bounded.
            if self.shown.len() > 4 << 20 {
                self.shown.drain(..2 << 20);
            }
        }
    }

    /// Types lines, each when the host waits for it, and waits for the prompt after the last. A line of `^C`, `^D` or
    /// `^P^Q` is those keys.
    pub fn enter(&mut self, script: &str) -> Result<()> {
        for line in script.lines() {
            let keys = match line {
                "^C" => vec![3],
                "^D" => vec![4],
                "^P^Q" => vec![16, 17],
                line => [line.as_bytes(), b"\n"].concat(),
            };
            self.keys(&keys)?;
            self.settle();
        }
        self.wait()
    }

    fn keys(&mut self, keys: &[u8]) -> Result<()> {
        let mut rest = keys;
        for _ in 0..MOST_SKIPS {
            let taken = self.terminal.try_write(rest);
            rest = rest.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            self.step(u64::MAX);
            self.read();
        }
        bail!("the terminal takes no keys")
    }

    fn at_prompt(&self) -> bool {
        self.shown.ends_with(PROMPT)
    }

    /// Until the shell waits for a line, or nothing came for a while.
    fn settle(&mut self) {
        let mut until = self.clock.monotonic() + QUIET;
        // The echo of the line comes first.
        let before = self.shown.len();
        for _ in 0..MOST_SKIPS {
            let rests = self.step(until);
            if self.read() {
                until = self.clock.monotonic() + QUIET;
                continue;
            }
            let came = self.shown.len() > before;
            if rests && came && (self.at_prompt() || self.shown.ends_with(MORE)) {
                return;
            }
            if self.clock.monotonic() >= until {
                return;
            }
        }
    }

    /// Until the shell waits for a command.
    fn wait(&mut self) -> Result<()> {
        let until = self.clock.monotonic() + LONGEST;
        for _ in 0..MOST_SKIPS {
            let rests = self.step(until);
            if !self.read() && rests && self.at_prompt() {
                return Ok(());
            }
            if self.clock.monotonic() >= until {
                break;
            }
        }
        bail!(
            "the shell's prompt did not come back; the terminal shows:\n{}",
            self.tail()
        )
    }
}
