//! Shells of the host: on terminals of the page, and for one line.

use std::cell::{Cell, RefCell};

use bottleship_linux::abi::tty::WinSize;
use bottleship_linux::{Kernel, Process, ProcessSpec, PtyMaster, Stdio};

/// Bytes of a line's standard output, and of its standard error, that are kept.
const OUTPUT_MAX: usize = 64 << 20;
/// Keys that wait for a program to read them.
const KEYS_MAX: usize = 1 << 20;

fn environment(terminal: bool) -> Vec<Vec<u8>> {
    let mut all = vec![
        b"HOME=/root".to_vec(),
        b"USER=root".to_vec(),
        b"LOGNAME=root".to_vec(),
        b"SHELL=/bin/sh".to_vec(),
        b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec(),
    ];
    if terminal {
        all.push(b"TERM=xterm-256color".to_vec());
    }
    all
}

/// A terminal with a login shell on it.
pub struct Terminal {
    master: PtyMaster,
    shell: Process,
    /// What did not fit into the terminal's queue yet.
    keys: RefCell<Vec<u8>>,
    drained: Cell<bool>,
}

impl Terminal {
    /// Starts the shell.
    ///
    /// # Errors
    /// What the shell's start failed of.
    pub fn open(kernel: &Kernel, cols: u16, rows: u16) -> Result<Terminal, String> {
        let ns = kernel.host_ns();
        let (master, pty) = kernel
            .pty(&ns, WinSize::new(cols, rows))
            .map_err(|errno| format!("posix_openpt: {}", errno.strerror()))?;
        let mut spec = ProcessSpec::new(vec![b"/bin/sh".to_vec(), b"-l".to_vec()]);
        spec.envp = environment(true);
        spec.cwd = b"/root".to_vec();
        spec.stdio = [
            Stdio::Tty(pty.clone()),
            Stdio::Tty(pty.clone()),
            Stdio::Tty(pty.clone()),
        ];
        spec.controlling_tty = Some(pty);
        let shell = kernel
            .spawn(&ns, &kernel.root_cgroup(), spec)
            .map_err(|error| error.to_string())?;
        Ok(Terminal {
            master,
            shell,
            keys: RefCell::default(),
            drained: Cell::new(false),
        })
    }

    /// Output, at most so many bytes; empty when there is none.
    pub fn read(&self, max: usize) -> Vec<u8> {
        self.push_keys();
        let mut buffer = vec![0; max];
        let mut length = 0;
        while length < max {
            match self.master.try_read(&mut buffer[length..]) {
                Ok(0) | Err(_) => {
                    self.drained.set(true);
                    break;
                }
                Ok(n) => length += n,
            }
        }
        buffer.truncate(length);
        buffer
    }

    /// Keys. Those that the programs don't read in time wait here; beyond [`KEYS_MAX`] they are lost, as on a line
    /// that is too slow.
    pub fn write(&self, data: &[u8]) {
        let mut keys = self.keys.borrow_mut();
        let room = KEYS_MAX.saturating_sub(keys.len());
        keys.extend_from_slice(&data[..data.len().min(room)]);
        drop(keys);
        self.push_keys();
    }

    fn push_keys(&self) {
        let mut keys = self.keys.borrow_mut();
        while !keys.is_empty() {
            match self.master.try_write(&keys) {
                Ok(n) if n > 0 => drop(keys.drain(..n)),
                _ => break,
            }
        }
    }

    /// Sets the size.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.master.resize(WinSize::new(cols, rows));
    }

    /// The shell's exit code, once it ended and everything was read.
    pub fn exited(&self) -> Option<i32> {
        let status = self.shell.exit_status()?;
        self.drained.get().then(|| status.code())
    }
}

/// What a line came to.
pub struct Output {
    /// As `$?`.
    pub exit_code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a line in a login shell in root's home, standard input empty.
///
/// # Errors
/// What the shell's start failed of.
pub async fn exec(kernel: &Kernel, line: &str) -> Result<Output, String> {
    let (out, stdout) = kernel.pipe_from_guest();
    let (err, stderr) = kernel.pipe_from_guest();
    let mut spec = ProcessSpec::new(vec![
        b"/bin/sh".to_vec(),
        b"-lc".to_vec(),
        line.as_bytes().to_vec(),
    ]);
    spec.envp = environment(false);
    spec.cwd = b"/root".to_vec();
    spec.stdio = [Stdio::Null, stdout, stderr];
    let process = kernel
        .spawn(&kernel.host_ns(), &kernel.root_cgroup(), spec)
        .map_err(|error| error.to_string())?;
    // A program left in the background may hold the pipes: the line is over when the shell is.
    let collected = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let reading = futures::future::join(collect(&out, &collected.0), collect(&err, &collected.1));
    let exited = process.exited();
    let status =
        match futures::future::select(std::pin::pin!(reading), std::pin::pin!(exited)).await {
            futures::future::Either::Left((_, exited)) => exited.await,
            futures::future::Either::Right((status, _)) => status,
        };
    rest(&out, &collected.0);
    rest(&err, &collected.1);
    Ok(Output {
        exit_code: status.code(),
        stdout: collected.0.take(),
        stderr: collected.1.take(),
    })
}

async fn collect(reader: &bottleship_linux::HostReader, into: &RefCell<Vec<u8>>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match reader.read(&mut buffer).await {
            0 => return,
            n => keep(into, &buffer[..n]),
        }
    }
}

fn rest(reader: &bottleship_linux::HostReader, into: &RefCell<Vec<u8>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = reader.try_read(&mut buffer) {
        keep(into, &buffer[..n]);
    }
}

fn keep(into: &RefCell<Vec<u8>>, data: &[u8]) {
    let mut all = into.borrow_mut();
    let room = OUTPUT_MAX.saturating_sub(all.len());
    all.extend_from_slice(&data[..data.len().min(room)]);
}
