//! Open file descriptions, and the trait that everything behind a descriptor implements.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bottleship_abi::fs::{
    O_ACCMODE, O_APPEND, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY, Stat,
};
use bottleship_abi::poll::{POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};
use bottleship_abi::{Errno, mode};
use bottleship_vfs::{InodeRef, Path};

use super::wait::PollTable;
use crate::syscall::{Cx, SysResult};

/// Readable, as `poll(2)` writes it.
pub const IN: u32 = POLLIN | POLLRDNORM;
/// Writable, as `poll(2)` writes it.
pub const OUT: u32 = POLLOUT | POLLWRNORM;

/// What is behind a descriptor: a file, a pipe's end, a terminal, a socket, an eventfd …
///
/// Nothing here blocks. What can't proceed answers `EAGAIN`; the system call then polls with the calling task, which
/// registers it in the file's wait queues, and parks unless the description is `O_NONBLOCK`.
pub trait File: Any {
    /// Reads at `pos` (ignored by streams).
    fn read(&self, cx: &Cx, pos: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let _ = (cx, pos, buf);
        Err(Errno::EINVAL)
    }

    /// Writes at `pos` (ignored by streams).
    fn write(&self, cx: &Cx, pos: u64, data: &[u8]) -> Result<usize, Errno> {
        let _ = (cx, pos, data);
        Err(Errno::EINVAL)
    }

    /// How long a read waits for data before it returns nothing, in ns (a terminal's `VTIME`).
    fn read_timeout(&self) -> Option<u64> {
        None
    }

    /// What is ready now; every queue that announces a change goes into `table`.
    fn poll(&self, table: &mut PollTable) -> u32 {
        let _ = table;
        IN | OUT
    }

    /// `ioctl(2)`, but for the requests about the descriptor itself.
    fn ioctl(&self, cx: &Cx, request: u32, arg: u64) -> SysResult {
        let _ = (cx, request, arg);
        Err(Errno::ENOTTY.into())
    }

    /// Whether `pos` means something; streams answer `ESPIPE` to `lseek` and `pread`.
    fn is_seekable(&self) -> bool {
        false
    }

    /// The inode, for what has one in a file system.
    fn inode(&self) -> Option<&InodeRef> {
        None
    }

    /// `fstat(2)` of what has no inode.
    fn stat(&self) -> Stat {
        Stat {
            dev: 15,
            ino: 1,
            nlink: 1,
            mode: 0o600,
            blksize: 4096,
            ..Stat::default()
        }
    }

    /// What `/proc/PID/fd/N` points at, when there is no path: `pipe:[17]`, `anon_inode:[eventpoll]`.
    fn link_name(&self) -> Vec<u8>;

    /// Lines for `/proc/PID/fdinfo/N` after the common ones.
    fn fdinfo(&self) -> String {
        String::new()
    }

    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

/// What is done when a description goes.
pub type OnClose = Box<dyn FnOnce(&OpenFile)>;

/// An open file description: what `open(2)` makes and `dup`, `fork` share.
pub struct OpenFile {
    /// What it reads and writes.
    pub file: Box<dyn File>,
    /// Status flags and access mode.
    pub flags: Cell<u32>,
    /// The file offset, in bytes (a cookie for directories).
    pub pos: Cell<u64>,
    /// How it was reached, for `*at` calls and `/proc/PID/fd`.
    pub path: Option<Path>,
    /// Who gets `SIGIO` (stored for `F_GETOWN`).
    pub owner: Cell<i32>,
    /// Run when the last descriptor goes: locks, inotify.
    pub on_close: RefCell<Vec<OnClose>>,
}

impl OpenFile {
    /// A description of something that has no path.
    pub fn anon(file: impl File, flags: u32) -> Rc<OpenFile> {
        OpenFile::new(Box::new(file), flags, None)
    }

    /// A description.
    pub fn new(file: Box<dyn File>, flags: u32, path: Option<Path>) -> Rc<OpenFile> {
        Rc::new(OpenFile {
            file,
            flags: Cell::new(flags),
            pos: Cell::new(0),
            path,
            owner: Cell::new(0),
            on_close: RefCell::default(),
        })
    }

    /// Opened for reading.
    pub fn readable(&self) -> bool {
        self.flags.get() & O_PATH == 0 && matches!(self.flags.get() & O_ACCMODE, O_RDONLY | O_RDWR)
    }

    /// Opened for writing.
    pub fn writable(&self) -> bool {
        self.flags.get() & O_PATH == 0 && matches!(self.flags.get() & O_ACCMODE, O_WRONLY | O_RDWR)
    }

    /// Whether `O_NONBLOCK` is set.
    pub fn nonblocking(&self) -> bool {
        self.flags.get() & O_NONBLOCK != 0
    }

    /// Reads at the offset and advances it.
    pub fn read(&self, cx: &Cx, buf: &mut [u8]) -> Result<usize, Errno> {
        if !self.readable() {
            return Err(Errno::EBADF);
        }
        let n = self.file.read(cx, self.pos.get(), buf)?;
        if self.file.is_seekable() {
            self.pos.set(self.pos.get().saturating_add(n as u64));
        }
        Ok(n)
    }

    /// Writes at the offset (the end, for `O_APPEND`) and advances it.
    pub fn write(&self, cx: &Cx, data: &[u8]) -> Result<usize, Errno> {
        if !self.writable() {
            return Err(Errno::EBADF);
        }
        if !self.file.is_seekable() {
            return self.file.write(cx, 0, data);
        }
        let pos = match self.file.inode() {
            Some(inode) if self.flags.get() & O_APPEND != 0 => inode.attr()?.size,
            _ => self.pos.get(),
        };
        let n = self.file.write(cx, pos, data)?;
        self.pos.set(pos.saturating_add(n as u64));
        Ok(n)
    }

    /// The inode, for what has one.
    pub fn inode(&self) -> Result<&InodeRef, Errno> {
        self.file.inode().ok_or(Errno::EINVAL)
    }

    /// Downcasts what is behind it.
    pub fn downcast<T: File>(&self) -> Option<&T> {
        self.file.as_any().downcast_ref()
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file
            .inode()
            .and_then(|inode| inode.attr().ok())
            .is_some_and(|attr| attr.mode & mode::S_IFMT == mode::S_IFDIR)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        for run in self.on_close.take() {
            run(self);
        }
    }
}
