//! Pipes and FIFOs.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bottleship_abi::fs::{O_RDONLY, O_WRONLY, Stat};
use bottleship_abi::poll::{POLLERR, POLLHUP};
use bottleship_abi::tty::FIONREAD;
use bottleship_abi::{Errno, mode};
use bottleship_vfs::InodeRef;

use super::file::{File, IN, OUT, OpenFile};
use super::wait::{PollTable, WaitQueue};
use crate::syscall::{Cx, SysResult};

/// Writes up to this size are atomic.
pub const PIPE_BUF: usize = 4096;
/// The default capacity, in bytes.
pub const CAPACITY: usize = 65536;
/// What all pipes together may hold before new data finds room for a page only (as `fs.pipe-user-pages-soft`).
const TOTAL_LIMIT: usize = 64 << 20;
/// `/proc/sys/fs/pipe-max-size`.
pub const MAX_CAPACITY: usize = 1 << 20;

/// The buffer between a pipe's ends, with exact counts of both.
pub struct Pipe {
    data: RefCell<VecDeque<u8>>,
    capacity: Cell<usize>,
    pub(crate) readers: Cell<usize>,
    pub(crate) writers: Cell<usize>,
    /// How many ends of each kind were ever opened, so that a FIFO's opener notices one that came and went.
    pub(crate) opened: Cell<(u64, u64)>,
    pub(crate) wait: WaitQueue,
    ino: u64,
    created: (i64, u32),
    /// Bytes in all pipes of the kernel.
    total: Rc<Cell<usize>>,
}

impl Pipe {
    /// A pipe without ends. `ino` names it in `/proc/PID/fd`; `total` counts the bytes of all pipes.
    pub fn new(ino: u64, created: (i64, u32), total: Rc<Cell<usize>>) -> Rc<Pipe> {
        Rc::new(Pipe {
            data: RefCell::default(),
            capacity: Cell::new(CAPACITY),
            readers: Cell::new(0),
            writers: Cell::new(0),
            opened: Cell::new((0, 0)),
            wait: WaitQueue::new(),
            ino,
            created,
            total,
        })
    }

    /// Takes what there is; `EAGAIN` when empty and someone may still write, 0 at the end.
    pub fn read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        let mut data = self.data.borrow_mut();
        if data.is_empty() {
            return if self.writers.get() > 0 {
                Err(Errno::EAGAIN)
            } else {
                Ok(0)
            };
        }
        let n = take(&mut data, buf);
        if data.is_empty() {
            // An idle pipe keeps no buffer.
            *data = VecDeque::new();
        }
        drop(data);
        self.total.set(self.total.get().saturating_sub(n));
        self.wait.wake();
        Ok(n)
    }

    /// The capacity in bytes; a page only, while all pipes together hold too much.
    fn capacity_now(&self) -> usize {
        if self.total.get() > TOTAL_LIMIT {
            PIPE_BUF
        } else {
            self.capacity.get()
        }
    }

    /// Adds what fits, all or nothing up to `PIPE_BUF`; `EPIPE` when nobody can read it.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.readers.get() == 0 {
            return Err(Errno::EPIPE);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut data = self.data.borrow_mut();
        let room = self.capacity_now().saturating_sub(data.len());
        if room == 0 || (bytes.len() <= PIPE_BUF && room < bytes.len()) {
            return Err(Errno::EAGAIN);
        }
        let n = bytes.len().min(room);
        data.extend(&bytes[..n]);
        drop(data);
        self.total.set(self.total.get() + n);
        self.wait.wake();
        Ok(n)
    }

    /// Bytes waiting to be read.
    pub fn available(&self) -> usize {
        self.data.borrow().len()
    }

    /// The capacity in bytes.
    pub fn capacity(&self) -> usize {
        self.capacity_now()
    }

    /// `F_SETPIPE_SZ`: rounds up to a power of two of pages.
    pub fn set_capacity(&self, size: usize) -> Result<usize, Errno> {
        if size > MAX_CAPACITY {
            return Err(Errno::EPERM);
        }
        let size = size.max(4096).next_power_of_two();
        if size < self.available() {
            return Err(Errno::EBUSY);
        }
        self.capacity.set(size);
        self.wait.wake();
        Ok(size)
    }

    pub(crate) fn add_reader(&self) {
        self.readers.set(self.readers.get() + 1);
        self.opened
            .set((self.opened.get().0 + 1, self.opened.get().1));
        self.wait.wake();
    }

    pub(crate) fn add_writer(&self) {
        self.writers.set(self.writers.get() + 1);
        self.opened
            .set((self.opened.get().0, self.opened.get().1 + 1));
        self.wait.wake();
    }

    pub(crate) fn drop_reader(&self) {
        self.readers.set(self.readers.get() - 1);
        self.wait.wake();
    }

    pub(crate) fn drop_writer(&self) {
        self.writers.set(self.writers.get() - 1);
        self.wait.wake();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.total
            .set(self.total.get().saturating_sub(self.data.get_mut().len()));
    }
}

/// Moves bytes from the front of `data` to `buf`.
pub(crate) fn take(data: &mut VecDeque<u8>, buf: &mut [u8]) -> usize {
    let n = buf.len().min(data.len());
    let (front, back) = data.as_slices();
    let first = n.min(front.len());
    buf[..first].copy_from_slice(&front[..first]);
    buf[first..n].copy_from_slice(&back[..n - first]);
    data.drain(..n);
    n
}

/// One end (both, for a FIFO opened `O_RDWR`).
pub struct PipeEnd {
    pub(crate) pipe: Rc<Pipe>,
    reads: bool,
    writes: bool,
    /// The FIFO's inode.
    inode: Option<InodeRef>,
}

impl PipeEnd {
    /// Opens an end, counting it.
    pub fn open(pipe: &Rc<Pipe>, reads: bool, writes: bool, inode: Option<InodeRef>) -> PipeEnd {
        if reads {
            pipe.add_reader();
        }
        if writes {
            pipe.add_writer();
        }
        PipeEnd {
            pipe: pipe.clone(),
            reads,
            writes,
            inode,
        }
    }

    /// Both ends of a pipe, as `pipe2(2)` with `flags` makes them.
    pub fn pair(pipe: &Rc<Pipe>, flags: u32) -> (Rc<OpenFile>, Rc<OpenFile>) {
        let reader = OpenFile::anon(PipeEnd::open(pipe, true, false, None), O_RDONLY | flags);
        let writer = OpenFile::anon(PipeEnd::open(pipe, false, true, None), O_WRONLY | flags);
        (reader, writer)
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        if self.reads {
            self.pipe.drop_reader();
        }
        if self.writes {
            self.pipe.drop_writer();
        }
    }
}

impl File for PipeEnd {
    fn read(&self, _: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        if buf.is_empty() {
            Ok(0)
        } else {
            self.pipe.read(buf)
        }
    }

    fn write(&self, _: &Cx, _: u64, data: &[u8]) -> Result<usize, Errno> {
        self.pipe.write(data)
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.pipe.wait);
        let mut ready = 0;
        if self.reads {
            if self.pipe.available() > 0 {
                ready |= IN;
            }
            // A FIFO whose first writer has yet to come isn't hung up.
            if self.pipe.writers.get() == 0 && self.pipe.opened.get().1 > 0 {
                ready |= POLLHUP;
            }
        }
        if self.writes {
            if self.pipe.available() + PIPE_BUF <= self.pipe.capacity() {
                ready |= OUT;
            }
            if self.pipe.readers.get() == 0 {
                ready |= POLLERR;
            }
        }
        ready
    }

    fn ioctl(&self, cx: &Cx, request: u32, arg: u64) -> SysResult {
        match request {
            FIONREAD => {
                cx.write_mem(arg, &(self.pipe.available() as u32).to_le_bytes())?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY.into()),
        }
    }

    fn inode(&self) -> Option<&InodeRef> {
        self.inode.as_ref()
    }

    fn stat(&self) -> Stat {
        Stat {
            dev: 13,
            ino: self.pipe.ino,
            nlink: 1,
            mode: mode::S_IFIFO | 0o600,
            blksize: 4096,
            atime: self.pipe.created,
            mtime: self.pipe.created,
            ctime: self.pipe.created,
            ..Stat::default()
        }
    }

    fn link_name(&self) -> Vec<u8> {
        format!("pipe:[{}]", self.pipe.ino).into_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe() -> (Rc<Pipe>, Rc<Cell<usize>>) {
        let total = Rc::new(Cell::new(0));
        let pipe = Pipe::new(1, (0, 0), total.clone());
        pipe.add_reader();
        pipe.add_writer();
        (pipe, total)
    }

    #[test]
    fn small_writes_are_all_or_nothing() {
        let (pipe, total) = pipe();
        assert_eq!(pipe.write(&vec![1; CAPACITY - 10]), Ok(CAPACITY - 10));
        assert_eq!(pipe.write(&[2; 11]), Err(Errno::EAGAIN));
        assert_eq!(pipe.write(&[3; PIPE_BUF + 1]), Ok(10));
        assert_eq!(total.get(), CAPACITY);
        let mut buf = vec![0; CAPACITY + 1];
        assert_eq!(pipe.read(&mut buf), Ok(CAPACITY));
        assert_eq!((buf[0], buf[CAPACITY - 10]), (1, 3));
        assert_eq!(total.get(), 0);
    }

    #[test]
    fn the_ends_are_counted() {
        let (pipe, _) = pipe();
        assert_eq!(pipe.read(&mut [0; 4]), Err(Errno::EAGAIN));
        pipe.write(b"x").unwrap();
        pipe.drop_writer();
        assert_eq!(pipe.read(&mut [0; 4]), Ok(1));
        assert_eq!(pipe.read(&mut [0; 4]), Ok(0));
        pipe.drop_reader();
        assert_eq!(pipe.write(b"x"), Err(Errno::EPIPE));
    }

    #[test]
    fn sizes_are_powers_of_two() {
        let (pipe, _) = pipe();
        assert_eq!(pipe.set_capacity(5000), Ok(8192));
        pipe.write(&[0; 5000]).unwrap();
        assert_eq!(pipe.set_capacity(4096), Err(Errno::EBUSY));
        assert_eq!(pipe.set_capacity(MAX_CAPACITY + 1), Err(Errno::EPERM));
    }

    #[test]
    fn many_full_pipes_get_a_page_each() {
        let (pipe, total) = pipe();
        total.set(TOTAL_LIMIT + 1);
        assert_eq!(pipe.write(&[0; 3 * PIPE_BUF]), Ok(PIPE_BUF));
        assert_eq!(pipe.write(&[0; 1]), Err(Errno::EAGAIN));
        drop(pipe);
        assert_eq!(total.get(), TOTAL_LIMIT + 1);
    }
}
