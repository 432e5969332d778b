//! What the command line asks of its surroundings: streams, terminal, environment, files, time.

use async_trait::async_trait;
use std::time::Duration;

/// One of the process' streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdin,
    Stdout,
    Stderr,
}

/// Why the host could not do something: a Linux error number's meaning, as Go prints it
/// (`no such file or directory`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    /// The Linux error number, 0 when there is none.
    pub errno: i32,
    /// What to print.
    pub text: String,
}

impl HostError {
    /// From a Linux error number.
    pub fn from_errno(errno: i32) -> HostError {
        let text = bottleship_abi::Errno(errno).strerror().to_string();
        // Go's texts are those of Linux, in lower case.
        let mut chars = text.chars();
        let text = match chars.next() {
            Some(c) if chars.clone().next().is_none_or(|d| !d.is_uppercase()) => {
                c.to_lowercase().collect::<String>() + chars.as_str()
            }
            _ => text,
        };
        HostError { errno, text }
    }

    /// Whether the file does not exist.
    pub fn not_found(&self) -> bool {
        self.errno == 2
    }
}

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Short for what the host answers.
pub type HostResult<T> = Result<T, HostError>;

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    Dir,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// A file's attributes.
#[derive(Clone, Debug)]
pub struct FileInfo {
    pub kind: FileKind,
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    pub size: u64,
    /// Modification time, Unix seconds.
    pub mtime: i64,
    pub mtime_nsec: u32,
    pub uid: u32,
    pub gid: u32,
    /// A device's major and minor number.
    pub device: (u32, u32),
    /// Identifies the inode, for hard links.
    pub inode: (u64, u64),
    pub links: u64,
}

impl FileInfo {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Dir
    }
}

/// An open file.
#[async_trait(?Send)]
pub trait HostFile {
    /// At most `max` bytes from the current position; empty at the end.
    async fn read(&self, max: usize) -> HostResult<Vec<u8>>;
    /// Writes all of it.
    async fn write(&self, data: &[u8]) -> HostResult<()>;
    /// Closes it, reporting what closing may report.
    async fn close(&self) -> HostResult<()>;
}

/// The surroundings of one `docker` process. All paths are absolute.
#[async_trait(?Send)]
pub trait Host {
    /// At most `max` bytes of standard input; empty at its end.
    async fn read_stdin(&self, max: usize) -> HostResult<Vec<u8>>;
    /// Writes all of it to standard output or standard error.
    async fn write(&self, stream: Stream, data: &[u8]) -> HostResult<()>;
    /// Whether the stream is a terminal.
    fn is_tty(&self, stream: Stream) -> bool;
    /// The terminal's columns and rows.
    fn winsize(&self, stream: Stream) -> Option<(u16, u16)>;
    /// Puts the terminal of standard input into raw mode, or back as it was.
    fn set_raw(&self, raw: bool) -> HostResult<()>;
    /// Waits for the next signal to this process (SIGINT, SIGTERM, SIGWINCH …) once it has been asked;
    /// while nobody has asked, signals have their default effect.
    async fn next_signal(&self) -> i32;
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
    /// The working directory.
    fn cwd(&self) -> String;
    /// The operating system user's home directory.
    fn home(&self) -> String {
        self.env("HOME").unwrap_or_default()
    }
    /// Whether a BuildKit component is installed beside the command line, as Docker's packages install buildx. Without
    /// it `docker build` uses the classic builder, which every daemon has, unless DOCKER_BUILDKIT asks otherwise.
    fn has_buildkit(&self) -> bool {
        false
    }
    /// Wall-clock time since 1970, UTC.
    fn now(&self) -> Duration;
    /// Waits.
    async fn sleep(&self, time: Duration);

    /// A file's attributes; `follow` resolves a final symbolic link.
    async fn stat(&self, path: &str, follow: bool) -> HostResult<FileInfo>;
    /// The names in a directory, without `.` and `..`, in any order.
    async fn read_dir(&self, path: &str) -> HostResult<Vec<String>>;
    /// What a symbolic link holds.
    async fn read_link(&self, path: &str) -> HostResult<String>;
    /// The path with every symbolic link resolved.
    async fn real_path(&self, path: &str) -> HostResult<String>;
    /// Opens for reading.
    async fn open(&self, path: &str) -> HostResult<Box<dyn HostFile>>;
    /// Creates or truncates for writing.
    async fn create(&self, path: &str, mode: u32) -> HostResult<Box<dyn HostFile>>;
    /// Makes a directory.
    async fn mkdir(&self, path: &str, mode: u32) -> HostResult<()>;
    /// Makes a symbolic link.
    async fn symlink(&self, target: &str, path: &str) -> HostResult<()>;
    /// Makes a hard link.
    async fn link(&self, target: &str, path: &str) -> HostResult<()>;
    /// Removes a file, or a directory with all it holds.
    async fn remove(&self, path: &str) -> HostResult<()>;
    /// Renames.
    async fn rename(&self, from: &str, to: &str) -> HostResult<()>;
    /// Sets permission bits and modification time, and the owner when given.
    async fn set_attributes(
        &self,
        path: &str,
        mode: u32,
        mtime: i64,
        owner: Option<(u32, u32)>,
    ) -> HostResult<()>;
}
