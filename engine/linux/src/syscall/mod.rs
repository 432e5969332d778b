//! System calls: the context they run in, how they fail or wait, and dispatch.

pub mod table;

mod cred;
mod epoll;
mod exec;
mod fcntl;
mod file;
mod futex;
#[cfg(test)]
mod hostile;
mod inotify;
mod io;
mod mem;
mod message;
pub(crate) mod misc;
mod mount;
mod path;
mod poll;
mod process;
mod sched;
pub(crate) mod shm;
mod signal;
mod socket;
mod stat;
mod time;
mod wait;
mod xattr;

pub use misc::RELEASE;

use std::rc::Rc;

use bottleship_abi::fs::{AT_FDCWD, O_CLOEXEC};
use bottleship_abi::process::RLIMIT_NOFILE;
use bottleship_abi::{Errno, Signal};
use bottleship_vfs::{CapSet, Creds, Path, Walk};

use crate::kernel::Inner;
use crate::kernel::fd_table::FdTable;
use crate::kernel::file::OpenFile;
use crate::kernel::signal::{by_kernel, send_to_task};
use crate::kernel::task::{ParkedCall, ProcessGroup, Resume, Session, Task};
use crate::kernel::timer::Alarm;
use crate::kernel::wait::{PollTable, WaitQueue};

pub use file::open_file;
pub(crate) use path::At;

/// What happens to a waiting call when a signal arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart {
    /// Restarted if the handler was installed with `SA_RESTART`, and when no handler runs (`ERESTARTSYS`).
    Sys,
    /// Restarted only when no handler runs (`ERESTARTNOHAND`, `ERESTART_RESTARTBLOCK`).
    NoHandler,
    /// Only death ends it.
    Uninterruptible,
}

/// Why a system call has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// It failed.
    Fail(Errno),
    /// It waits: whatever it waits for has been told whom to wake. It will be called again.
    Park(Restart),
    /// It waits in the run queue's last place.
    Yield,
    /// There is nothing to return to, or the registers are all set (`exit`, `execve`, `rt_sigreturn`).
    NoReturn,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        match errno {
            // What files answer when a signal is to be taken first.
            Errno::ERESTART => Stop::Park(Restart::Sys),
            errno => Stop::Fail(errno),
        }
    }
}

/// A system call's result.
pub type SysResult = Result<u64, Stop>;

/// The arguments of a system call.
pub type Args = [u64; 6];

/// Who makes a system call, in which kernel.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    pub k: &'a Rc<Inner>,
    pub t: &'a Rc<Task>,
}

impl<'a> Cx<'a> {
    /// Copies to the caller's memory.
    pub fn write_mem(&self, addr: u64, data: &[u8]) -> Result<(), Errno> {
        self.t.mm()?.write(addr, data)
    }

    /// Copies from the caller's memory.
    pub fn read_mem(&self, addr: u64, buf: &mut [u8]) -> Result<(), Errno> {
        self.t.mm()?.read(addr, buf)
    }

    /// A structure from the caller's memory.
    pub fn read_array<const N: usize>(&self, addr: u64) -> Result<[u8; N], Errno> {
        let mut bytes = [0; N];
        self.read_mem(addr, &mut bytes)?;
        Ok(bytes)
    }

    /// A 32-bit number from the caller's memory.
    pub fn read_u32(&self, addr: u64) -> Result<u32, Errno> {
        self.read_array(addr).map(u32::from_le_bytes)
    }

    /// A 64-bit number from the caller's memory.
    pub fn read_u64(&self, addr: u64) -> Result<u64, Errno> {
        self.read_array(addr).map(u64::from_le_bytes)
    }

    /// A path name from the caller's memory.
    pub fn read_path(&self, addr: u64) -> Result<Vec<u8>, Errno> {
        self.t.mm()?.read_path(addr)
    }

    /// `len` bytes from the caller's memory; the caller of this bounds `len`.
    pub fn read_vec(&self, addr: u64, len: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; len];
        self.read_mem(addr, &mut bytes)?;
        Ok(bytes)
    }

    /// The caller's credentials.
    pub fn creds(&self) -> Rc<Creds> {
        self.t.creds()
    }

    /// Whether the caller has a capability.
    pub fn capable(&self, cap: CapSet) -> bool {
        self.t.creds.borrow().capable(cap)
    }

    /// `EPERM` unless the caller has a capability.
    pub fn need(&self, cap: CapSet) -> Result<(), Errno> {
        if self.capable(cap) {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    /// The caller's descriptors.
    pub fn files(&self) -> Rc<FdTable> {
        self.t.files()
    }

    /// What a descriptor refers to.
    pub fn file(&self, fd: u64) -> Result<Rc<OpenFile>, Errno> {
        self.t.files.borrow().get(fd as i32)
    }

    /// Like [`Cx::file`], but `EBADF` for what was opened with `O_PATH`.
    pub fn io_file(&self, fd: u64) -> Result<Rc<OpenFile>, Errno> {
        let file = self.file(fd)?;
        if file.flags.get() & bottleship_abi::fs::O_PATH != 0 {
            Err(Errno::EBADF)
        } else {
            Ok(file)
        }
    }

    /// Gives a description the lowest free descriptor, close-on-exec as `flags` say.
    pub fn install(&self, file: Rc<OpenFile>, flags: u32) -> SysResult {
        let limit = self.t.process.limit(RLIMIT_NOFILE);
        Ok(self.files().add(file, flags & O_CLOEXEC != 0, 0, limit)? as u64)
    }

    /// Runs `f` with a path walk that starts at `dirfd`.
    pub fn walk<R>(
        &self,
        dirfd: i32,
        path: &[u8],
        f: impl FnOnce(&Walk) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let creds = self.creds();
        self.walk_as(dirfd, path, &creds, f)
    }

    /// Like [`Cx::walk`], with other credentials.
    pub fn walk_as<R>(
        &self,
        dirfd: i32,
        path: &[u8],
        creds: &Creds,
        f: impl FnOnce(&Walk) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let fs = self.t.fs();
        let root = fs.root.borrow().clone();
        let cwd = if dirfd == AT_FDCWD || path.starts_with(b"/") {
            fs.cwd.borrow().clone()
        } else {
            let file = self.file(dirfd as u64)?;
            let path = file.path.clone().ok_or(Errno::ENOTDIR)?;
            if !path.attr()?.is_dir() {
                return Err(Errno::ENOTDIR);
            }
            path
        };
        f(&Walk {
            root: &root,
            cwd: &cwd,
            creds,
        })
    }

    /// The caller's root directory.
    pub fn root(&self) -> Path {
        self.t.fs.borrow().root.borrow().clone()
    }

    /// The monotonic clock, in ns.
    pub fn now(&self) -> u64 {
        self.k.monotonic()
    }

    /// The number of a group, as the caller's PID namespace counts.
    pub fn group_number(&self, group: &ProcessGroup) -> u32 {
        self.k.number_of_group(group, self.t.pid_ns())
    }

    /// The number of a session, as the caller's PID namespace counts.
    pub fn session_number(&self, session: &Session) -> u32 {
        self.k.number_of_session(session, self.t.pid_ns())
    }

    /// Waits until `queue` is woken.
    pub fn wait_on(&self, queue: &WaitQueue, restart: Restart) -> Stop {
        queue.add_task(self.t);
        Stop::Park(restart)
    }

    /// Waits until a file's readiness changes.
    pub fn wait_file(&self, file: &OpenFile) -> Stop {
        file.file.poll(&mut PollTable::for_task(self.t));
        Stop::Park(Restart::Sys)
    }

    /// When the call gives up: set the first time it is made, remembered when it is made again.
    pub fn deadline(&self, timeout: Option<u64>) -> Option<u64> {
        let timeout = timeout?;
        match self.t.resume.take() {
            Some(Resume::Deadline(at)) => Some(at),
            _ => Some(self.now().saturating_add(timeout)),
        }
    }

    /// Parks with a time limit (`None`: without one).
    pub fn park_until(&self, deadline: Option<u64>, restart: Restart) -> Stop {
        if let Some(at) = deadline {
            self.t.resume.replace(Some(Resume::Deadline(at)));
            self.k.timers.add(
                at,
                Alarm::Task(Rc::downgrade(self.t), self.t.wait_number.get()),
            );
        }
        Stop::Park(restart)
    }

    /// A signal that the caller brings upon itself.
    pub fn raise(&self, signal: Signal) {
        send_to_task(self.t, by_kernel(signal));
    }
}

/// Carries out one system call.
pub fn dispatch(cx: &Cx, call: &ParkedCall) -> SysResult {
    match table::lookup(call.number) {
        Some(row) => (row.call)(cx, &call.args),
        None => Err(Errno::ENOSYS.into()),
    }
}
