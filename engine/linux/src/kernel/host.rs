//! The host's ends of what a guest reads and writes: pipes and terminals.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bottleship_abi::Errno;
use bottleship_abi::fs::O_ACCMODE;
use bottleship_abi::tty::WinSize;

use super::Kernel;
use super::file::OpenFile;
use super::ns::Namespaces;
use super::pipe::{Pipe, PipeEnd};
use super::tty::Tty;

/// What a descriptor of a new process is.
#[derive(Clone)]
pub enum Stdio {
    /// `/dev/null`.
    Null,
    /// A pipe's end, whose other one the host holds.
    Pipe(PipeStdio),
    /// A terminal.
    Tty(Pty),
}

/// The guest's end of a pipe. The end is held until it is dropped or first given to a process.
#[derive(Clone)]
pub struct PipeStdio(Rc<Kept>);

struct Kept {
    pipe: Rc<Pipe>,
    end: RefCell<Option<PipeEnd>>,
    reads: bool,
}

impl PipeStdio {
    pub(super) fn open(&self, access: u32) -> Rc<OpenFile> {
        let kept = self.0.end.take();
        let end =
            kept.unwrap_or_else(|| PipeEnd::open(&self.0.pipe, self.0.reads, !self.0.reads, None));
        OpenFile::anon(end, access & O_ACCMODE)
    }
}

/// The guest's side of a terminal.
#[derive(Clone)]
pub struct Pty(pub(super) Rc<Tty>);

/// Writes what a guest reads. The guest reads the end when it is dropped.
pub struct HostWriter {
    pipe: Rc<Pipe>,
}

/// Reads what a guest writes. The guest gets `SIGPIPE` when it is dropped.
pub struct HostReader {
    pipe: Rc<Pipe>,
}

impl Kernel {
    /// A pipe to a guest; it holds 64 KiB.
    pub fn pipe_to_guest(&self) -> (HostWriter, Stdio) {
        let pipe = self.0.new_pipe();
        pipe.add_writer();
        let end = RefCell::new(Some(PipeEnd::open(&pipe, true, false, None)));
        let stdio = PipeStdio(Rc::new(Kept {
            pipe: pipe.clone(),
            end,
            reads: true,
        }));
        (HostWriter { pipe }, Stdio::Pipe(stdio))
    }

    /// A pipe from a guest; it holds 64 KiB, then the guest waits for the host to read.
    pub fn pipe_from_guest(&self) -> (HostReader, Stdio) {
        let pipe = self.0.new_pipe();
        pipe.add_reader();
        let end = RefCell::new(Some(PipeEnd::open(&pipe, false, true, None)));
        let stdio = PipeStdio(Rc::new(Kept {
            pipe: pipe.clone(),
            end,
            reads: false,
        }));
        (HostReader { pipe }, Stdio::Pipe(stdio))
    }

    /// A terminal in the `/dev/pts` of these namespaces.
    pub fn pty(&self, ns: &Namespaces, size: WinSize) -> Result<(PtyMaster, Pty), Errno> {
        let tty = ns.ptys.allocate(size)?;
        Ok((PtyMaster::new(tty.clone()), Pty(tty)))
    }
}

impl HostWriter {
    /// Writes what fits now; `Pending` when nothing does. `EPIPE` when no guest can read it any more.
    pub fn poll_write(&self, context: &mut Context, data: &[u8]) -> Poll<Result<usize, Errno>> {
        match self.try_write(data) {
            Err(Errno::EAGAIN) => {
                self.pipe.wait.add_waker(context.waker());
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    /// Writes what fits now; `EAGAIN` when nothing does.
    pub fn try_write(&self, data: &[u8]) -> Result<usize, Errno> {
        let room = self.pipe.capacity().saturating_sub(self.pipe.available());
        if room == 0 && self.pipe.readers.get() > 0 && !data.is_empty() {
            return Err(Errno::EAGAIN);
        }
        // Atomicity is for guests that share a pipe; here what fits goes in.
        self.pipe.write(&data[..data.len().min(room)])
    }

    /// Writes some of `data`.
    pub async fn write(&self, data: &[u8]) -> Result<usize, Errno> {
        std::future::poll_fn(|context| self.poll_write(context, data)).await
    }

    /// Writes all of `data`.
    pub async fn write_all(&self, mut data: &[u8]) -> Result<(), Errno> {
        while !data.is_empty() {
            let n = self.write(data).await?;
            data = &data[n..];
        }
        Ok(())
    }
}

impl Drop for HostWriter {
    fn drop(&mut self) {
        self.pipe.drop_writer();
    }
}

impl HostReader {
    /// Reads what is there, `Pending` when there is nothing, 0 at the end.
    pub fn poll_read(&self, context: &mut Context, buf: &mut [u8]) -> Poll<usize> {
        match self.pipe.read(buf) {
            Ok(n) => Poll::Ready(n),
            Err(_) => {
                self.pipe.wait.add_waker(context.waker());
                Poll::Pending
            }
        }
    }

    /// Reads what is there: `EAGAIN` when there is nothing, 0 at the end.
    pub fn try_read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        self.pipe.read(buf)
    }

    /// Reads what is there, waiting for the first byte; 0 at the end.
    pub async fn read(&self, buf: &mut [u8]) -> usize {
        std::future::poll_fn(|context| self.poll_read(context, buf)).await
    }

    /// Everything up to the end.
    pub async fn read_to_end(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buf = [0; 8192];
        loop {
            match self.read(&mut buf).await {
                0 => return all,
                n => all.extend_from_slice(&buf[..n]),
            }
        }
    }
}

impl Drop for HostReader {
    fn drop(&mut self) {
        self.pipe.drop_reader();
    }
}

/// The host's side of a terminal: what a terminal emulator holds. Dropping it hangs up.
pub struct PtyMaster {
    tty: Rc<Tty>,
}

impl PtyMaster {
    fn new(tty: Rc<Tty>) -> PtyMaster {
        tty.open_master();
        PtyMaster { tty }
    }

    /// N of `/dev/pts/N`.
    pub fn number(&self) -> u32 {
        self.tty.number
    }

    /// Output, as far as there is any: `EAGAIN` when not, `EIO` when every program closed the terminal.
    pub fn try_read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        self.tty.master_read(buf)
    }

    /// Output; 0 when every program closed the terminal.
    pub fn poll_read(&self, context: &mut Context, buf: &mut [u8]) -> Poll<usize> {
        match self.tty.master_read(buf) {
            Ok(n) => Poll::Ready(n),
            Err(Errno::EAGAIN) => {
                self.tty.wait.add_waker(context.waker());
                Poll::Pending
            }
            Err(_) => Poll::Ready(0),
        }
    }

    /// Output; 0 when every program closed the terminal.
    pub async fn read(&self, buf: &mut [u8]) -> usize {
        std::future::poll_fn(|context| self.poll_read(context, buf)).await
    }

    /// Keys; how many were taken, `EAGAIN` when none fits.
    pub fn try_write(&self, keys: &[u8]) -> Result<usize, Errno> {
        self.tty.master_write(keys)
    }

    /// Keys, waiting for room.
    pub async fn write_all(&self, mut keys: &[u8]) {
        while !keys.is_empty() {
            let taken = std::future::poll_fn(|context| match self.tty.master_write(keys) {
                Err(_) => {
                    self.tty.wait.add_waker(context.waker());
                    Poll::Pending
                }
                Ok(n) => Poll::Ready(n),
            });
            let n = taken.await;
            keys = &keys[n..];
        }
    }

    /// Sets the size; the foreground programs get `SIGWINCH`.
    pub fn resize(&self, size: WinSize) {
        self.tty.resize(size);
    }
}

impl Drop for PtyMaster {
    fn drop(&mut self) {
        self.tty.close_master();
    }
}
