//! `bottleship shell`: the tab's Docker host in this terminal.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use anyhow::{Context, Result};
use bottleship_engine::clock::{Clock, Entropy};
use bottleship_engine::emulated::{DockerHost, HostConfig, Outside, Terminal};
use bottleship_engine::store::{MemoryStore, Store};
use bottleship_engine::{Config, RunState};
use clap::Args;
use rustix::termios::{self, OptionalActions, Termios};
use tokio::runtime::Runtime;

use crate::host::{DiskStore, NetworkFetch, OsEntropy, SITE_BASE, SiteFetch, SystemClock};

/// Instructions of emulated programs between two looks at the keyboard.
const SLICE: u64 = 1_000_000;

#[derive(Args)]
pub struct Shell {
    /// Run this line and exit with its exit code
    #[arg(short, long, value_name = "LINE")]
    command: Option<String>,
    /// Keep the host's state in this directory; without it nothing is kept
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Directory of the built site, for the host's root file system and the offered images
    #[arg(long, env = "BOTTLESHIP_SITE", value_name = "DIR")]
    site: Option<PathBuf>,
}

/// What reaches the loop from other threads.
enum Event {
    Keys(Vec<u8>),
    /// Standard input has ended.
    End,
    Resized,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Shell {
    pub fn run(self) -> Result<ExitCode> {
        let runtime = Runtime::new()?;
        let clock = Rc::new(SystemClock::new());
        let host = self.boot(&runtime, clock.clone())?;
        host.engine()
            .set_waker(Waker::from(Arc::new(Unpark(thread::current()))));
        let code = match &self.command {
            Some(line) => run_line(&host, &*clock, line)?,
            None => interact(&host, &*clock, &runtime)?,
        };
        finish(&host, &*clock, async { host.sync().await })?
            .context("can't keep the host's state")?;
        runtime.shutdown_background();
        Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)))
    }

    fn boot(&self, runtime: &Runtime, clock: Rc<SystemClock>) -> Result<DockerHost> {
        let site = super::site_dir(self.site.as_deref())?;
        let root_path = site.join("host.tar");
        let root = std::fs::read(&root_path).with_context(|| {
            format!(
                "can't read {}: build the site with `cargo xtask build`",
                root_path.display()
            )
        })?;
        let store: Rc<dyn Store> = match &self.data {
            Some(dir) => {
                std::fs::create_dir_all(dir)
                    .with_context(|| format!("can't make {}", dir.display()))?;
                Rc::new(DiskStore::open(dir)?)
            }
            None => Rc::new(MemoryStore::default()),
        };
        let entropy: Rc<dyn Entropy> = Rc::new(OsEntropy);
        let network = Rc::new(NetworkFetch::new(runtime.handle().clone())?);
        let outside = Outside {
            store,
            fetch: Rc::new(SiteFetch::new(site, network)),
            clock,
            entropy,
        };
        let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
        let host = HostConfig {
            root,
            env: vec![("TERM".into(), term)],
            ..HostConfig::default()
        };
        let config = Config {
            hostname: "docker".into(),
            registry_mirrors: vec![SITE_BASE.into()],
            ..Config::default()
        };
        futures::executor::block_on(DockerHost::boot(outside, host, config))
            .context("can't boot the Docker host")
    }
}

/// Runs the host until `future` is ready; the loop's other work is in `turn`.
fn finish<T: 'static>(
    host: &DockerHost,
    clock: &dyn Clock,
    future: impl Future<Output = T>,
) -> Result<T> {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ok(value);
        }
        step(host, clock);
    }
}

/// One slice of the host, then rest until there is something to do.
fn step(host: &DockerHost, clock: &dyn Clock) {
    match host.run(SLICE) {
        RunState::Runnable => {}
        RunState::Idle => thread::park(),
        RunState::Sleeping { until } => {
            thread::park_timeout(Duration::from_nanos(
                until.saturating_sub(clock.monotonic()),
            ));
        }
    }
}

fn run_line(host: &DockerHost, clock: &dyn Clock, line: &str) -> Result<i32> {
    let output =
        finish(host, clock, async { host.exec(line).await })?.map_err(anyhow::Error::msg)?;
    std::io::stdout().write_all(&output.stdout)?;
    std::io::stderr().write_all(&output.stderr)?;
    Ok(output.code)
}

fn size() -> (u16, u16) {
    match termios::tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}

/// A login shell on this terminal; its exit code.
fn interact(host: &DockerHost, clock: &dyn Clock, runtime: &Runtime) -> Result<i32> {
    let (rows, columns) = size();
    let terminal = host
        .open_terminal(rows, columns)
        .map_err(anyhow::Error::msg)?;
    let events = listen(runtime);
    let _raw = Raw::enter();
    let mut exited = Box::pin(terminal.exited());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut keys = Vec::new();
    let mut out = std::io::stdout().lock();
    loop {
        while let Ok(event) = events.try_recv() {
            match event {
                Event::Keys(more) => keys.extend(more),
                // Ctrl-D, as a terminal sends it.
                Event::End => keys.push(4),
                Event::Resized => {
                    let (rows, columns) = size();
                    terminal.resize(rows, columns);
                }
            }
        }
        let taken = terminal.try_write(&keys);
        keys.drain(..taken);
        let state = host.run(SLICE);
        if drain(&terminal, &mut out)? {
            continue;
        }
        if let std::task::Poll::Ready(code) = exited.as_mut().poll(&mut context) {
            drain(&terminal, &mut out)?;
            return Ok(code);
        }
        match state {
            RunState::Runnable => {}
            RunState::Idle => thread::park(),
            RunState::Sleeping { until } => {
                thread::park_timeout(Duration::from_nanos(
                    until.saturating_sub(clock.monotonic()),
                ));
            }
        }
    }
}

/// Prints what the terminal shows; whether there was anything.
fn drain(terminal: &Terminal, out: &mut impl Write) -> Result<bool> {
    let mut any = false;
    loop {
        let bytes = terminal.try_read(64 << 10);
        if bytes.is_empty() {
            break;
        }
        any = true;
        out.write_all(&bytes)?;
    }
    out.flush()?;
    Ok(any)
}

/// Keys and resizes of this process' terminal, from threads that may wait for them.
fn listen(runtime: &Runtime) -> mpsc::Receiver<Event> {
    let (events, receiver) = mpsc::channel();
    let main = thread::current();
    let (resized, unpark) = (events.clone(), main.clone());
    runtime.spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut changes) = signal(SignalKind::window_change()) else {
            return;
        };
        while changes.recv().await.is_some() && resized.send(Event::Resized).is_ok() {
            unpark.unpark();
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let event = match std::io::stdin().read(&mut buffer) {
                Ok(0) | Err(_) => Event::End,
                Ok(count) => Event::Keys(buffer[..count].to_vec()),
            };
            let ended = matches!(event, Event::End);
            if events.send(event).is_err() || ended {
                main.unpark();
                return;
            }
            main.unpark();
        }
    });
    receiver
}

/// This terminal in raw mode, as long as it lives.
struct Raw(Option<Termios>);

impl Raw {
    fn enter() -> Raw {
        let stdin = rustix::stdio::stdin();
        let saved = termios::tcgetattr(stdin).ok();
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            raw.make_raw();
            let _ = termios::tcsetattr(stdin, OptionalActions::Now, &raw);
        }
        Raw(saved)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(saved) = &self.0 {
            let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, saved);
        }
    }
}
