//! The `docker` program of the emulated host: the command line over the
//! process' own system calls, and the engine without a socket between.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bottleship_linux::abi::fs::{O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY};
use bottleship_linux::abi::mode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFSOCK};
use bottleship_linux::abi::{Errno, Signal};
use bottleship_linux::{Kernel, Sys};
use bottleship_vfs::{Attr, Time, Walk};

use crate::api;
use crate::cli::{
    self, FileInfo, FileKind, Host, HostError, HostFile, HostResult, Stream, Transport,
    TransportError,
};
use crate::engine::{Engine, WeakEngine};
use crate::lesson::{CommandLog, Running, UNLOGGED};

/// What the program's file holds.
pub const PROGRAM: &[u8] = b"#!/builtin/docker\n";

/// Signals that the command line may ask for.
const CAUGHT: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTERM,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

/// Makes the program available in a kernel.
pub fn register(kernel: &Kernel, engine: &Engine, log: &Rc<CommandLog>) {
    let engine = engine.downgrade();
    let log = log.clone();
    kernel.register_builtin(
        "docker",
        Rc::new(move |sys: Sys| {
            let (engine, log) = (engine.clone(), log.clone());
            Box::pin(async move {
                let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
                let argv: Vec<String> = sys.argv().iter().map(text).collect();
                let logged = sys.var(UNLOGGED).is_none();
                let now = sys.now().0 / 1_000_000;
                let host = Process {
                    sys,
                    catching: Cell::new(false),
                    running: logged.then(|| log.begin(now, &argv)),
                };
                let exit = cli::run(&argv, &host, &InProcess(engine)).await;
                if let Some(running) = host.running {
                    running.end(exit);
                }
                exit
            })
        }),
    );
}

/// Requests without a socket.
struct InProcess(WeakEngine);

#[async_trait(?Send)]
impl Transport for InProcess {
    async fn request(&self, request: api::Request) -> Result<api::Response, TransportError> {
        match self.0.upgrade() {
            Some(engine) => Ok(engine.handle(request).await),
            None => Err(TransportError::Connect),
        }
    }
}

/// The process that runs the program.
struct Process {
    sys: Sys,
    catching: Cell<bool>,
    /// Its entry in the log, if it has one.
    running: Option<Running>,
}

fn error(errno: Errno) -> HostError {
    HostError::from_errno(errno.0)
}

fn fd(stream: Stream) -> i32 {
    match stream {
        Stream::Stdin => 0,
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn info(attr: &Attr) -> FileInfo {
    let kind = match attr.kind() {
        S_IFDIR => FileKind::Dir,
        S_IFLNK => FileKind::Symlink,
        S_IFIFO => FileKind::Fifo,
        S_IFSOCK => FileKind::Socket,
        S_IFCHR => FileKind::CharDevice,
        S_IFBLK => FileKind::BlockDevice,
        _ => FileKind::File,
    };
    // Linux's encoding of a device number.
    let (major, minor) = (
        (attr.rdev >> 8) & 0xfff,
        (attr.rdev & 0xff) | ((attr.rdev >> 12) & 0xf_ff00),
    );
    FileInfo {
        kind,
        mode: attr.mode & 0o7777,
        size: attr.size,
        mtime: attr.mtime.sec,
        mtime_nsec: attr.mtime.nsec,
        uid: attr.uid,
        gid: attr.gid,
        device: (major as u32, minor as u32),
        inode: (attr.dev, attr.ino),
        links: attr.nlink.into(),
    }
}

struct File {
    sys: Sys,
    fd: i32,
    open: Cell<bool>,
}

#[async_trait(?Send)]
impl HostFile for File {
    async fn read(&self, max: usize) -> HostResult<Vec<u8>> {
        self.sys.read(self.fd, max).await.map_err(error)
    }

    async fn write(&self, data: &[u8]) -> HostResult<()> {
        self.sys.write_all(self.fd, data).await.map_err(error)
    }

    async fn close(&self) -> HostResult<()> {
        if self.open.replace(false) {
            self.sys.close(self.fd).map_err(error)
        } else {
            Ok(())
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if self.open.get() {
            // Nobody is left to be told.
            let _ = self.sys.close(self.fd);
        }
    }
}

impl Process {
    fn open_file(&self, path: &str, flags: u32, mode: u32) -> HostResult<Box<dyn HostFile>> {
        let fd = self.sys.open(path.as_bytes(), flags, mode).map_err(error)?;
        Ok(Box::new(File {
            sys: self.sys.clone(),
            fd,
            open: Cell::new(true),
        }))
    }

    /// Removes a directory with all it holds: what is in it before itself.
    fn remove_dir(&self, path: &[u8]) -> Result<(), Errno> {
        let mut dirs = vec![path.to_vec()];
        let mut emptied = Vec::new();
        while let Some(dir) = dirs.pop() {
            for entry in self.sys.readdir(&dir)? {
                let inside = [&dir[..], b"/", &entry.name].concat();
                if entry.kind == S_IFDIR {
                    dirs.push(inside);
                } else {
                    self.sys.unlink(&inside)?;
                }
            }
            emptied.push(dir);
        }
        emptied.iter().rev().try_for_each(|dir| self.sys.rmdir(dir))
    }
}

#[async_trait(?Send)]
impl Host for Process {
    async fn read_stdin(&self, max: usize) -> HostResult<Vec<u8>> {
        self.sys.read(0, max).await.map_err(error)
    }

    async fn write(&self, stream: Stream, data: &[u8]) -> HostResult<()> {
        if let (Stream::Stderr, Some(running)) = (stream, &self.running) {
            running.wrote_error(data);
        }
        self.sys.write_all(fd(stream), data).await.map_err(error)
    }

    fn is_tty(&self, stream: Stream) -> bool {
        self.sys.isatty(fd(stream))
    }

    fn winsize(&self, stream: Stream) -> Option<(u16, u16)> {
        let size = self.sys.winsize(fd(stream)).ok()?;
        Some((size.cols, size.rows))
    }

    fn set_raw(&self, raw: bool) -> HostResult<()> {
        if raw {
            self.sys.set_raw(0)
        } else {
            self.sys.restore(0)
        }
        .map_err(error)
    }

    async fn next_signal(&self) -> i32 {
        if !self.catching.replace(true) && self.sys.catch(&CAUGHT).is_err() {
            self.catching.set(false);
        }
        self.sys.next_signal().await.number() as i32
    }

    fn env(&self, name: &str) -> Option<String> {
        self.sys.var(name).map(text)
    }

    fn cwd(&self) -> String {
        self.sys.cwd().map(text).unwrap_or_else(|_| "/".into())
    }

    fn has_buildkit(&self) -> bool {
        true
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.sys.now().0)
    }

    async fn sleep(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.sys
            .sleep_until(self.sys.now().1.saturating_add(nanos))
            .await;
    }

    async fn stat(&self, path: &str, follow: bool) -> HostResult<FileInfo> {
        let attr = if follow {
            self.sys.stat(path.as_bytes())
        } else {
            self.sys.lstat(path.as_bytes())
        };
        attr.map(|attr| info(&attr)).map_err(error)
    }

    async fn read_dir(&self, path: &str) -> HostResult<Vec<String>> {
        let entries = self.sys.readdir(path.as_bytes()).map_err(error)?;
        Ok(entries.into_iter().map(|entry| text(entry.name)).collect())
    }

    async fn read_link(&self, path: &str) -> HostResult<String> {
        self.sys.readlink(path.as_bytes()).map(text).map_err(error)
    }

    async fn real_path(&self, path: &str) -> HostResult<String> {
        let found = self.sys.resolve(path.as_bytes()).map_err(error)?;
        let root = self.sys.resolve(b"/").map_err(error)?;
        Ok(text(found.path_from(&root).0))
    }

    async fn open(&self, path: &str) -> HostResult<Box<dyn HostFile>> {
        self.open_file(path, O_RDONLY, 0)
    }

    async fn create(&self, path: &str, mode: u32) -> HostResult<Box<dyn HostFile>> {
        self.open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
    }

    async fn mkdir(&self, path: &str, mode: u32) -> HostResult<()> {
        self.sys.mkdir(path.as_bytes(), mode).map_err(error)
    }

    async fn symlink(&self, target: &str, path: &str) -> HostResult<()> {
        self.sys
            .symlink(target.as_bytes(), path.as_bytes())
            .map_err(error)
    }

    async fn link(&self, target: &str, path: &str) -> HostResult<()> {
        let link = || {
            let (file, root, creds) = (
                self.sys.resolve(target.as_bytes())?,
                self.sys.resolve(b"/")?,
                self.sys.creds()?,
            );
            Walk {
                root: &root,
                cwd: &root,
                creds: &creds,
            }
            .link(&file, path.as_bytes())
        };
        link().map(drop).map_err(error)
    }

    async fn remove(&self, path: &str) -> HostResult<()> {
        let path = path.as_bytes();
        match self.sys.lstat(path) {
            Ok(attr) if attr.is_dir() => self.remove_dir(path),
            Ok(_) => self.sys.unlink(path),
            Err(errno) => Err(errno),
        }
        .map_err(error)
    }

    async fn rename(&self, from: &str, to: &str) -> HostResult<()> {
        self.sys
            .rename(from.as_bytes(), to.as_bytes())
            .map_err(error)
    }

    async fn set_attributes(
        &self,
        path: &str,
        mode: u32,
        mtime: i64,
        owner: Option<(u32, u32)>,
    ) -> HostResult<()> {
        let path = path.as_bytes();
        let set = || {
            if let Some((uid, gid)) = owner {
                self.sys.lchown(path, Some(uid), Some(gid))?;
            }
            if !self.sys.lstat(path)?.is_symlink() {
                self.sys.chmod(path, mode)?;
            }
            let time = Time::from_secs(mtime);
            self.sys.utimens(path, time, time)
        };
        set().map_err(error)
    }
}
