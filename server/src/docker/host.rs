//! The command line's surroundings on Linux: the process' streams, terminal, signals and files.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bottleship_engine::cli::{FileInfo, FileKind, Host, HostError, HostFile, HostResult, Stream};
use rustix::termios::{self, OptionalActions, Termios};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The process that runs the command.
pub struct NativeHost {
    stdin: tokio::sync::Mutex<tokio::io::Stdin>,
    /// The terminal's settings before raw mode.
    cooked: RefCell<Option<Termios>>,
    signals: tokio::sync::Mutex<Vec<(i32, Signal)>>,
}

impl NativeHost {
    /// This process.
    pub fn new() -> NativeHost {
        NativeHost {
            stdin: tokio::sync::Mutex::new(tokio::io::stdin()),
            cooked: RefCell::new(None),
            signals: tokio::sync::Mutex::new(Vec::new()),
        }
    }
}

impl Drop for NativeHost {
    fn drop(&mut self) {
        let _ = self.set_raw(false);
    }
}

fn host_error(error: impl Into<io::Error>) -> HostError {
    let error = error.into();
    match error.raw_os_error() {
        Some(errno) => HostError::from_errno(errno),
        None => HostError {
            errno: 0,
            text: error.to_string(),
        },
    }
}

fn is_tty(stream: Stream) -> bool {
    match stream {
        Stream::Stdin => termios::isatty(rustix::stdio::stdin()),
        Stream::Stdout => termios::isatty(rustix::stdio::stdout()),
        Stream::Stderr => termios::isatty(rustix::stdio::stderr()),
    }
}

fn info(metadata: &std::fs::Metadata) -> FileInfo {
    let kind = match metadata.mode() & 0o170_000 {
        0o040_000 => FileKind::Dir,
        0o120_000 => FileKind::Symlink,
        0o010_000 => FileKind::Fifo,
        0o140_000 => FileKind::Socket,
        0o020_000 => FileKind::CharDevice,
        0o060_000 => FileKind::BlockDevice,
        _ => FileKind::File,
    };
    let device = metadata.rdev();
    FileInfo {
        kind,
        mode: metadata.mode() & 0o7777,
        size: metadata.size(),
        mtime: metadata.mtime(),
        mtime_nsec: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        uid: metadata.uid(),
        gid: metadata.gid(),
        device: (rustix::fs::major(device), rustix::fs::minor(device)),
        inode: (metadata.dev(), metadata.ino()),
        links: metadata.nlink(),
    }
}

struct NativeFile(RefCell<std::fs::File>);

#[async_trait::async_trait(?Send)]
impl HostFile for NativeFile {
    async fn read(&self, max: usize) -> HostResult<Vec<u8>> {
        let mut buffer = vec![0; max];
        let count = self.0.borrow_mut().read(&mut buffer).map_err(host_error)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    async fn write(&self, data: &[u8]) -> HostResult<()> {
        self.0.borrow_mut().write_all(data).map_err(host_error)
    }

    async fn close(&self) -> HostResult<()> {
        Ok(())
    }
}

#[async_trait::async_trait(?Send)]
impl Host for NativeHost {
    async fn read_stdin(&self, max: usize) -> HostResult<Vec<u8>> {
        let mut buffer = vec![0; max];
        let count = self
            .stdin
            .lock()
            .await
            .read(&mut buffer)
            .await
            .map_err(host_error)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    async fn write(&self, stream: Stream, data: &[u8]) -> HostResult<()> {
        let written = match stream {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(data).and_then(|()| out.flush())
            }
            _ => io::stderr().lock().write_all(data),
        };
        written.map_err(host_error)
    }

    fn is_tty(&self, stream: Stream) -> bool {
        is_tty(stream)
    }

    fn winsize(&self, stream: Stream) -> Option<(u16, u16)> {
        let size = match stream {
            Stream::Stdin => termios::tcgetwinsize(rustix::stdio::stdin()),
            Stream::Stdout => termios::tcgetwinsize(rustix::stdio::stdout()),
            Stream::Stderr => termios::tcgetwinsize(rustix::stdio::stderr()),
        };
        size.ok().map(|size| (size.ws_col, size.ws_row))
    }

    fn set_raw(&self, raw: bool) -> HostResult<()> {
        let stdin = rustix::stdio::stdin();
        let mut cooked = self.cooked.borrow_mut();
        match (raw, cooked.take()) {
            (true, None) => {
                let settings = termios::tcgetattr(stdin).map_err(host_error)?;
                let mut changed = settings.clone();
                changed.make_raw();
                *cooked = Some(settings);
                termios::tcsetattr(stdin, OptionalActions::Now, &changed).map_err(host_error)
            }
            (false, Some(settings)) => {
                termios::tcsetattr(stdin, OptionalActions::Now, &settings).map_err(host_error)
            }
            (_, unchanged) => {
                *cooked = unchanged;
                Ok(())
            }
        }
    }

    async fn next_signal(&self) -> i32 {
        let mut signals = self.signals.lock().await;
        if signals.is_empty() {
            // Those that docker/cli forwards to a container, and the terminal's resize.
            for number in [1, 2, 3, 10, 12, 15, 28] {
                if let Ok(stream) = signal(SignalKind::from_raw(number)) {
                    signals.push((number, stream));
                }
            }
        }
        std::future::poll_fn(|context| {
            for (number, stream) in signals.iter_mut() {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn cwd(&self) -> String {
        // The shell's idea of the directory, symbolic links included, as Go's os.Getwd has it.
        let logical = std::env::var("PWD").ok().filter(|pwd| {
            let same = |a: std::fs::Metadata, b: std::fs::Metadata| {
                (a.dev(), a.ino()) == (b.dev(), b.ino())
            };
            match (std::fs::metadata(pwd), std::fs::metadata(".")) {
                (Ok(a), Ok(b)) => same(a, b),
                _ => false,
            }
        });
        logical.unwrap_or_else(|| {
            std::env::current_dir()
                .map_or_else(|_| "/".into(), |dir| dir.to_string_lossy().into_owned())
        })
    }

    fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn stat(&self, path: &str, follow: bool) -> HostResult<FileInfo> {
        let metadata = if follow {
            std::fs::metadata(path)
        } else {
            std::fs::symlink_metadata(path)
        };
        metadata.map(|metadata| info(&metadata)).map_err(host_error)
    }

    async fn read_dir(&self, path: &str) -> HostResult<Vec<String>> {
        std::fs::read_dir(path)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect()
            })
            .map_err(host_error)
    }

    async fn read_link(&self, path: &str) -> HostResult<String> {
        let target = std::fs::read_link(path).map_err(host_error)?;
        Ok(target.to_string_lossy().into_owned())
    }

    async fn real_path(&self, path: &str) -> HostResult<String> {
        let real = std::fs::canonicalize(path).map_err(host_error)?;
        Ok(real.to_string_lossy().into_owned())
    }

    async fn open(&self, path: &str) -> HostResult<Box<dyn HostFile>> {
        let file = std::fs::File::open(path).map_err(host_error)?;
        Ok(Box::new(NativeFile(RefCell::new(file))))
    }

    async fn create(&self, path: &str, mode: u32) -> HostResult<Box<dyn HostFile>> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        let file = options.open(path).map_err(host_error)?;
        Ok(Box::new(NativeFile(RefCell::new(file))))
    }

    async fn mkdir(&self, path: &str, mode: u32) -> HostResult<()> {
        std::fs::DirBuilder::new()
            .mode(mode)
            .create(path)
            .map_err(host_error)
    }

    async fn symlink(&self, target: &str, path: &str) -> HostResult<()> {
        std::os::unix::fs::symlink(target, path).map_err(host_error)
    }

    async fn link(&self, target: &str, path: &str) -> HostResult<()> {
        std::fs::hard_link(target, path).map_err(host_error)
    }

    async fn remove(&self, path: &str) -> HostResult<()> {
        let metadata = std::fs::symlink_metadata(path).map_err(host_error)?;
        let removed = if metadata.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
        removed.map_err(host_error)
    }

    async fn rename(&self, from: &str, to: &str) -> HostResult<()> {
        std::fs::rename(from, to).map_err(host_error)
    }

    async fn set_attributes(
        &self,
        path: &str,
        mode: u32,
        mtime: i64,
        owner: Option<(u32, u32)>,
    ) -> HostResult<()> {
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::lchown(path, Some(uid), Some(gid)).map_err(host_error)?;
        }
        if std::fs::symlink_metadata(path)
            .map_err(host_error)?
            .is_symlink()
        {
            return Ok(());
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .map_err(host_error)?;
        let time = rustix::fs::Timespec {
            tv_sec: mtime,
            tv_nsec: 0,
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(
            rustix::fs::CWD,
            path,
            &times,
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(host_error)
    }
}
