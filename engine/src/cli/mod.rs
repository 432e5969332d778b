//! The `docker` command line (the surface and texts of docker/cli 28.2.2).
//!
//! It knows only the Engine API: [`run`] takes the argument vector, a [`Host`] (streams, terminal, files, time)
//! and a [`Transport`] (the API), so the same code serves the tab's builtin `docker`, the native binary and a
//! hosted session. There is one file per verb; a verb is a [`command::Command`] value (names, usage, flags as
//! data) and an async function.

mod archive;
pub mod build;
mod client;
pub mod command;
pub mod config;
pub mod container;
pub mod context;
mod formatter;
mod groups;
mod help;
pub mod host;
pub mod image;
mod inspect;
mod jsonmessage;
mod network;
mod platform;
mod prelude;
mod registry;
mod shapes;
mod stream;
mod system;
mod tabwriter;
#[cfg(test)]
mod tests;
mod transfer;
mod tree;
pub mod units;
mod unsupported;
mod volume;

pub use client::{Transport, TransportError};
pub use host::{FileInfo, FileKind, Host, HostError, HostFile, HostResult, Stream};

use client::ApiFailure;
use command::{Matches, Refusal};
use std::cell::{OnceCell, RefCell};

/// The version of docker/cli whose behaviour this follows.
pub const VERSION: &str = "28.2.2";
/// The commit of that version.
pub const GIT_COMMIT: &str = "e6534b4";
/// The newest Engine API version spoken.
pub const API_VERSION: &str = "1.50";

pub(crate) use bottleship_gotmpl::quote;

/// How a command ends when it does not succeed.
#[derive(Debug, Default)]
pub struct Failure {
    /// The exit status.
    pub code: i32,
    /// What to print to standard error; nothing when empty.
    pub text: String,
}

impl Failure {
    /// Exit status 1 with a text.
    pub fn new(text: impl Into<String>) -> Failure {
        Failure {
            code: 1,
            text: text.into(),
        }
    }

    /// An exit status alone.
    pub fn status(code: i32) -> Failure {
        Failure {
            code,
            text: String::new(),
        }
    }

    /// With another exit status.
    pub fn with_code(mut self, code: i32) -> Failure {
        self.code = code;
        self
    }
}

impl From<ApiFailure> for Failure {
    fn from(e: ApiFailure) -> Failure {
        Failure::new(e.to_string())
    }
}

/// One invocation.
pub struct Cli<'a> {
    host: &'a dyn Host,
    transport: &'a dyn Transport,
    /// The directory of the client's configuration.
    config_dir: String,
    /// The address of the daemon, as given; for messages.
    address: String,
    /// `--context` or DOCKER_CONTEXT.
    context: Option<String>,
    /// The negotiated API version.
    api: OnceCell<String>,
    /// The headers of the answer to the ping.
    ping: RefCell<Option<http::HeaderMap>>,
}

impl Cli<'_> {
    async fn out(&self, text: &str) {
        self.out_bytes(text.as_bytes()).await;
    }

    /// Writes to standard output. As with Go's CLI, a reader that went away is no reason to fail.
    async fn out_bytes(&self, data: &[u8]) {
        if !data.is_empty() {
            let _ = self.host.write(Stream::Stdout, data).await;
        }
    }

    async fn err(&self, text: &str) {
        if !text.is_empty() {
            let _ = self.host.write(Stream::Stderr, text.as_bytes()).await;
        }
    }

    /// An absolute path from one relative to the working directory.
    fn absolute(&self, path: &str) -> String {
        host_path(&self.host.cwd(), path)
    }

    /// Reads a whole file of at most `limit` bytes; the error names the file as Go does.
    async fn read_file(&self, path: &str, limit: usize) -> Result<Vec<u8>, Failure> {
        if path.is_empty() {
            // not the working directory
            return Err(Failure::new("open : no such file or directory"));
        }
        let fail = |e: HostError| Failure::new(format!("open {path}: {e}"));
        let file = self.host.open(&self.absolute(path)).await.map_err(fail)?;
        let mut all = Vec::new();
        loop {
            let part = file
                .read(64 * 1024)
                .await
                .map_err(|e| Failure::new(format!("read {path}: {e}")))?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&part);
            if all.len() > limit {
                return Err(Failure::new(format!("{path}: larger than {limit} bytes")));
            }
        }
    }

    /// Reads standard input to its end, at most `limit` bytes.
    async fn read_stdin(&self, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        loop {
            let part = self
                .host
                .read_stdin(64 * 1024)
                .await
                .map_err(|e| Failure::new(format!("read /dev/stdin: {e}")))?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&part);
            if all.len() > limit {
                return Err(Failure::new(format!(
                    "standard input is larger than {limit} bytes"
                )));
            }
        }
    }

    /// Asks `[y/N]`; anything but yes declines.
    async fn confirm(&self, question: &str) -> Result<bool, Failure> {
        self.out(&format!("{question} [y/N] ")).await;
        let mut line = Vec::new();
        loop {
            let part = self.host.read_stdin(1).await.unwrap_or_default();
            match part.first() {
                None | Some(b'\n') => break,
                Some(b) if line.len() < 64 => line.push(*b),
                Some(_) => {}
            }
        }
        Ok(matches!(
            String::from_utf8_lossy(&line)
                .trim()
                .to_lowercase()
                .as_str(),
            "y" | "yes"
        ))
    }

    fn width(&self) -> usize {
        self.host
            .winsize(Stream::Stdin)
            .map_or(80, |(columns, _)| usize::from(columns))
    }
}

/// Joins and cleans a path (`path/filepath.Join` after making it absolute).
fn host_path(cwd: &str, path: &str) -> String {
    let full = if path.starts_with('/') {
        path.to_string()
    } else {
        format!("{cwd}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for p in full.split('/') {
        match p {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            p => parts.push(p),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The flags before the command, and what follows them.
#[derive(Default)]
struct Global {
    matches: Matches,
    config_dir: String,
    address: String,
    context: Option<String>,
}

fn global(argv: &[String], host: &dyn Host) -> Result<Global, Refusal> {
    let matches = command::parse(help::GLOBAL, false, argv.get(1..).unwrap_or(&[]))?;
    let config_dir = match matches.get("config") {
        Some(c) => c.to_string(),
        None => match host.env("DOCKER_CONFIG").filter(|d| !d.is_empty()) {
            Some(d) => d,
            None => format!("{}/.docker", host.home()),
        },
    };
    let address = match matches.get("host") {
        Some(h) => h.to_string(),
        None => host.env("DOCKER_HOST").unwrap_or_default(),
    };
    let context = match matches.get("context") {
        Some(c) => Some(c.to_string()),
        // An address in the environment wins over a context there.
        None if address.is_empty() => host.env("DOCKER_CONTEXT").filter(|c| !c.is_empty()),
        None => None,
    };
    Ok(Global {
        matches,
        config_dir,
        address,
        context,
    })
}

/// The address `-H`, DOCKER_HOST or the default name; a host connects its transport there.
pub fn daemon_address(argv: &[String], host: &dyn Host) -> String {
    let address = match global(argv, host) {
        Ok(g) => g.address,
        // What `docker -h` shows depends on the daemon, too.
        Err(_) => host.env("DOCKER_HOST").unwrap_or_default(),
    };
    match address.as_str() {
        "" => config::DEFAULT_ADDRESS.to_string(),
        _ => address,
    }
}

/// Runs `docker` with these arguments (`argv[0]` is the program) and returns its exit status.
pub async fn run(argv: &[String], host: &dyn Host, transport: &dyn Transport) -> i32 {
    let global = match global(argv, host) {
        Ok(g) => g,
        Err(Refusal::Help { short }) => {
            let cli = Cli::new(host, transport, Global::default());
            if short {
                cli.err("Flag shorthand -h has been deprecated, use --help\n")
                    .await;
            }
            cli.out(&tree::group_help("", &cli).await).await;
            return 0;
        }
        Err(Refusal::Usage(text)) => {
            let cli = Cli::new(host, transport, Global::default());
            cli.err(&format!(
                "{text}\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information\n"
            ))
            .await;
            return 125;
        }
    };
    let args = global.matches.args.clone();
    let version = global.matches.on("version");
    let level = global.matches.get("log-level").map(str::to_string);
    let cli = Cli::new(host, transport, global);
    if let Some(level) = level
        && ![
            "panic", "fatal", "error", "warn", "warning", "info", "debug", "trace",
        ]
        .contains(&level.to_lowercase().as_str())
    {
        cli.err(&format!("Unable to parse logging level: {level}\n"))
            .await;
        return 1;
    }
    if version && args.is_empty() {
        cli.out(&format!("Docker version {VERSION}, build {GIT_COMMIT}\n"))
            .await;
        return 0;
    }
    if let Some(name) = cli.context.as_ref().filter(|c| *c != "default") {
        let why = context::not_found(&cli, name).text;
        cli.err(&format!(
            "Failed to initialize: unable to resolve docker endpoint: {why}\n"
        ))
        .await;
        return 1;
    }
    if let Err(text) = config::check_address(&cli.address) {
        cli.err(&format!(
            "Failed to initialize: unable to resolve docker endpoint: {text}\n"
        ))
        .await;
        return 1;
    }
    match tree::dispatch(&cli, &args).await {
        Ok(()) => 0,
        Err(f) => {
            if !f.text.is_empty() {
                cli.err(&format!("{}\n", f.text.trim_end_matches('\n')))
                    .await;
            }
            f.code
        }
    }
}

impl<'a> Cli<'a> {
    fn new(host: &'a dyn Host, transport: &'a dyn Transport, global: Global) -> Cli<'a> {
        let config_dir = if global.config_dir.is_empty() {
            format!("{}/.docker", host.home())
        } else {
            global.config_dir
        };
        Cli {
            host,
            transport,
            config_dir,
            address: global.address,
            context: global.context,
            api: OnceCell::new(),
            ping: RefCell::new(None),
        }
    }
}
