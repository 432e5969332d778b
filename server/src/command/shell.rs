//! `bottleship shell`: the tab's Docker host in this terminal.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use anyhow::{Context, Result};
use bottleship_engine::api::stdcopy::StdStream;
use bottleship_engine::clock::Clock;
use bottleship_engine::emulated::{DockerHost, HostConfig, Terminal};
use bottleship_engine::{Config, RunState};
use clap::Args;
use rustix::termios::{self, OptionalActions, Termios};
use tokio::runtime::Runtime;

use crate::host::{self, HostUplink, NetworkFetch, SITE_BASE, SiteFetch, SystemClock};

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
    /// Whether the host and its containers reach what this machine reaches
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    outbound: bool,
    /// Directory of the built site, for the host's root file system and the offered images
    #[arg(long, env = "BOTTLESHIP_SITE", value_name = "DIR")]
    site: Option<PathBuf>,
}

/// What reaches the loop from other threads.
enum Event {
    Resized,
    /// Its number.
    Signal(u32),
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
            Some(line) if terminals() => {
                let (rows, columns) = size();
                let terminal = host.run_on_terminal(line, rows, columns);
                interact(&host, &*clock, &runtime, terminal)?
            }
            Some(line) => run_line(&host, &*clock, &runtime, line)?,
            None => {
                let (rows, columns) = size();
                let terminal = host.open_terminal(rows, columns);
                interact(&host, &*clock, &runtime, terminal)?
            }
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
        let network = Rc::new(NetworkFetch::new(runtime.handle().clone())?);
        let fetch = Rc::new(SiteFetch::new(site, network));
        let outside = host::outside(self.data.as_deref(), fetch, clock)?;
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
        let host = futures::executor::block_on(DockerHost::boot(outside, host, config))
            .context("can't boot the Docker host")?;
        if self.outbound {
            let executor = host.engine().executor().clone();
            let uplink = HostUplink::new(executor, runtime.handle().clone());
            host.kernel().set_uplink(Rc::new(uplink));
            // Names are asked for where this machine asks, unless the host's own file says where.
            const RESOLV_CONF: &str = "/etc/resolv.conf";
            if host.read_file(RESOLV_CONF).unwrap_or_default().is_empty()
                && let Ok(text) = std::fs::read(RESOLV_CONF)
            {
                host.write_file(RESOLV_CONF, &text)
                    .map_err(|errno| anyhow::anyhow!("can't write {RESOLV_CONF}: {errno}"))?;
            }
        }
        Ok(host)
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
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ok(value);
        }
        step(host, clock);
    }
}

/// One slice of the host, then rest until there is something to do.
fn step(host: &DockerHost, clock: &dyn Clock) {
    rest(host.run(SLICE), clock);
}

/// Waits until there is something to do.
fn rest(state: RunState, clock: &dyn Clock) {
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

/// Whether a person types and reads.
fn terminals() -> bool {
    termios::isatty(rustix::stdio::stdin()) && termios::isatty(rustix::stdio::stdout())
}

/// Runs a line with this process' standard streams, passing on what asks it to end; its exit code.
fn run_line(host: &DockerHost, clock: &dyn Clock, runtime: &Runtime, line: &str) -> Result<i32> {
    let mut job = host.start(line, true).map_err(anyhow::Error::msg)?;
    let (events, input) = listen(runtime, &Listened::Line);
    let mut exited = Box::pin(job.exited());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut pending: Vec<u8> = Vec::new();
    let mut ended = false;
    let mut buffer = vec![0; 64 << 10];
    loop {
        for event in events.try_iter() {
            if let Event::Signal(number) = event {
                job.signal(number);
            }
        }
        if pending.is_empty() && !ended {
            match input.try_recv() {
                Ok(more) => pending = more,
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => {
                    ended = true;
                    job.close_input();
                }
            }
        }
        let mut busy = false;
        if !pending.is_empty() {
            match job.poll_write(&mut context, &pending) {
                Poll::Ready(Ok(taken)) => {
                    pending.drain(..taken);
                    busy = true;
                }
                Poll::Ready(Err(_)) => {
                    // Nobody reads it: this side need not either.
                    pending.clear();
                    ended = true;
                    job.close_input();
                }
                Poll::Pending => {}
            }
        }
        let state = host.run(SLICE);
        while let Poll::Ready(Some((stream, count))) = job.poll_output(&mut context, &mut buffer) {
            busy = true;
            let bytes = &buffer[..count];
            let written = match stream {
                StdStream::Stdout => write_now(&mut std::io::stdout(), bytes),
                _ => write_now(&mut std::io::stderr(), bytes),
            };
            if written.is_err() {
                job.close_output(stream);
            }
        }
        if busy {
            continue;
        }
        if let Poll::Ready(code) = exited.as_mut().poll(&mut context) {
            return Ok(code);
        }
        rest(state, clock);
    }
}

fn write_now(out: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}

fn size() -> (u16, u16) {
    match termios::tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}

/// A shell on this terminal; its exit code.
fn interact(
    host: &DockerHost,
    clock: &dyn Clock,
    runtime: &Runtime,
    terminal: Result<Terminal, String>,
) -> Result<i32> {
    let terminal = terminal.map_err(anyhow::Error::msg)?;
    let (events, input) = listen(runtime, &Listened::Terminal);
    let _raw = Raw::enter();
    let mut exited = Box::pin(terminal.exited());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut keys = Vec::new();
    let mut ended = false;
    let mut out = std::io::stdout().lock();
    loop {
        for event in events.try_iter() {
            match event {
                Event::Resized => {
                    let (rows, columns) = size();
                    terminal.resize(rows, columns);
                }
                // Its terminal is gone.
                Event::Signal(_) => return Ok(129),
            }
        }
        if keys.is_empty() && !ended {
            match input.try_recv() {
                Ok(more) => keys = more,
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => {
                    ended = true;
                    // Ctrl-D, as a terminal sends it.
                    keys.push(4);
                }
            }
        }
        let taken = terminal.try_write(&keys);
        keys.drain(..taken);
        let state = host.run(SLICE);
        if drain(&terminal, &mut out)? {
            continue;
        }
        if let Poll::Ready(code) = exited.as_mut().poll(&mut context) {
            drain(&terminal, &mut out)?;
            return Ok(code);
        }
        if taken > 0 && keys.is_empty() {
            // Perhaps more was typed meanwhile.
            continue;
        }
        rest(state, clock);
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

/// What the loop wants to hear of.
enum Listened {
    /// Resizes, and the terminal's going away: its keys arrive as bytes.
    Terminal,
    /// Signals that ask a command to end.
    Line,
}

/// Events, and the chunks of standard input, from threads that may wait for them. Input is read only as fast as it is
/// taken; its channel ends with it.
fn listen(
    runtime: &Runtime,
    listened: &Listened,
) -> (mpsc::Receiver<Event>, mpsc::Receiver<Vec<u8>>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (events, receiver) = mpsc::channel();
    let main = thread::current();
    let kinds: &[SignalKind] = match listened {
        Listened::Terminal => &[SignalKind::window_change(), SignalKind::hangup()],
        Listened::Line => &[
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::quit(),
        ],
    };
    let _inside = runtime.enter();
    for kind in kinds.iter().copied() {
        // Installed here, so that none comes before it is heard.
        let Ok(mut arrivals) = signal(kind) else {
            continue;
        };
        let (events, main) = (events.clone(), main.clone());
        runtime.spawn(async move {
            let number = u32::try_from(kind.as_raw_value()).unwrap_or(0);
            while arrivals.recv().await.is_some() {
                let event = match kind == SignalKind::window_change() {
                    true => Event::Resized,
                    false => Event::Signal(number),
                };
                if events.send(event).is_err() {
                    return;
                }
                main.unpark();
            }
        });
    }
    let (keys, input) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
            if keys.send(buffer[..count].to_vec()).is_err() {
                return;
            }
            main.unpark();
        }
        drop(keys);
        main.unpark();
    });
    (receiver, input)
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
