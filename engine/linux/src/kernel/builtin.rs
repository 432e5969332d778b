//! Builtin programs: processes whose code is a Rust future.
//!
//! They have a PID, descriptors, credentials, a parent that waits for them, and take part in pipes and job control
//! like any other process; only their instructions are the host's.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::Poll;

use bottleship_abi::fs::{AT_FDCWD, O_CLOEXEC};
use bottleship_abi::process::RLIMIT_NOFILE;
use bottleship_abi::signal::{SIG_IGN, SigAction};
use bottleship_abi::socket::{AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM};
use bottleship_abi::tty::{Termios, WinSize};
use bottleship_abi::{Errno, SigSet, Signal};
use bottleship_vfs::{Attr, Creds, Path, ResolveFlags, Time, TimeUpdate, Walk};

use super::Inner;
use super::file::OpenFile;
use super::signal::BUILTIN_TAKES;
use super::task::Task;
use super::timer::Alarm;
use super::tty::SlaveFile;
use super::wait::{PollTable, WaitQueue};
use crate::net::{Addr, HostListener, NetNs, Socket};
use crate::syscall::{Cx, Stop, open_file};

/// A builtin program's view of its own process. Cheap to clone.
#[derive(Clone)]
pub struct Sys(Rc<Own>);

struct Own {
    kernel: Weak<Inner>,
    task: Weak<Task>,
    argv: Vec<Vec<u8>>,
    env: RefCell<Vec<Vec<u8>>>,
    saved_termios: Cell<Option<Termios>>,
}

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Vec<u8>,
    /// `S_IFMT` bits.
    pub kind: u32,
    /// Inode number.
    pub ino: u64,
}

impl Sys {
    pub(crate) fn new(
        k: &Rc<Inner>,
        task: &Rc<Task>,
        argv: Vec<Vec<u8>>,
        env: Vec<Vec<u8>>,
    ) -> Sys {
        Sys(Rc::new(Own {
            kernel: Rc::downgrade(k),
            task: Rc::downgrade(task),
            argv,
            env: RefCell::new(env),
            saved_termios: Cell::new(None),
        }))
    }

    /// Runs `f` as this process; `ESRCH` once it is gone.
    fn with<R>(&self, f: impl FnOnce(&Cx) -> Result<R, Errno>) -> Result<R, Errno> {
        let k = self.0.kernel.upgrade().ok_or(Errno::ESRCH)?;
        let task = self.0.task.upgrade().ok_or(Errno::ESRCH)?;
        k.set_current(&task);
        f(&Cx { k: &k, t: &task })
    }

    fn walk<R>(&self, path: &[u8], f: impl FnOnce(&Walk) -> Result<R, Errno>) -> Result<R, Errno> {
        self.with(|cx| cx.walk(AT_FDCWD, path, f))
    }

    /// Program name and arguments.
    pub fn argv(&self) -> &[Vec<u8>] {
        &self.0.argv
    }

    /// The environment, `NAME=value` each.
    pub fn env(&self) -> Vec<Vec<u8>> {
        self.0.env.borrow().clone()
    }

    /// One variable of the environment.
    pub fn var(&self, name: &str) -> Option<Vec<u8>> {
        let env = self.0.env.borrow();
        env.iter().find_map(|v| {
            v.strip_prefix(name.as_bytes())?
                .strip_prefix(b"=")
                .map(<[u8]>::to_vec)
        })
    }

    /// The working directory.
    pub fn cwd(&self) -> Result<Vec<u8>, Errno> {
        self.with(|cx| {
            let fs = cx.t.fs();
            let (cwd, root) = (fs.cwd.borrow().clone(), fs.root.borrow().clone());
            cwd.getcwd(&root)
        })
    }

    /// The process's number in its own namespace.
    pub fn getpid(&self) -> u32 {
        self.0
            .task
            .upgrade()
            .map_or(0, |task| task.process.pid_in(task.pid_ns()))
    }

    /// The process's number in the host's namespace.
    pub fn host_pid(&self) -> u32 {
        self.0.task.upgrade().map_or(0, |task| task.process.pid)
    }

    /// Who it runs as.
    pub fn creds(&self) -> Result<Rc<Creds>, Errno> {
        self.with(|cx| Ok(cx.creds()))
    }

    /// Its network.
    pub fn net(&self) -> Result<NetNs, Errno> {
        self.with(|cx| Ok(cx.t.ns().net.clone()))
    }

    /// The kernel's clocks, in ns: time of day and monotonic.
    pub fn now(&self) -> (u64, u64) {
        self.0
            .kernel
            .upgrade()
            .map_or((0, 0), |k| (k.realtime(), k.monotonic()))
    }

    /// Reads up to `max` bytes, waiting for the first; empty at the end.
    pub async fn read(&self, fd: i32, max: usize) -> Result<Vec<u8>, Errno> {
        let mut buf = vec![0; max.min(1 << 20)];
        let n = self
            .transfer(fd, |cx, file| file.read(cx, &mut buf))
            .await?;
        buf.truncate(n);
        Ok(buf)
    }

    /// Writes some of `data`, waiting for room. `SIGPIPE` is raised as for any program.
    pub async fn write(&self, fd: i32, data: &[u8]) -> Result<usize, Errno> {
        let result = self.transfer(fd, |cx, file| file.write(cx, data)).await;
        if result == Err(Errno::EPIPE) {
            let _ = self.with(|cx| {
                cx.raise(Signal::SIGPIPE);
                Ok(())
            });
        }
        result
    }

    /// Writes all of `data`.
    pub async fn write_all(&self, fd: i32, mut data: &[u8]) -> Result<(), Errno> {
        while !data.is_empty() {
            let n = self.write(fd, data).await?;
            data = &data[n..];
        }
        Ok(())
    }

    async fn transfer(
        &self,
        fd: i32,
        mut attempt: impl FnMut(&Cx, &OpenFile) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        std::future::poll_fn(|context| {
            let done = self.with(|cx| {
                let file = cx.io_file(fd as u64)?;
                match attempt(cx, &file) {
                    // A stop signal is on its way: once continued, it is polled again.
                    Err(Errno::ERESTART) => Ok(None),
                    Err(Errno::EAGAIN) if !file.nonblocking() => {
                        file.file.poll(&mut PollTable::for_future(context.waker()));
                        Ok(None)
                    }
                    result => result.map(Some),
                }
            });
            match done {
                Ok(None) => Poll::Pending,
                Ok(Some(n)) => Poll::Ready(Ok(n)),
                Err(errno) => Poll::Ready(Err(errno)),
            }
        })
        .await
    }

    /// Opens a file with `O_*` flags and a mode the umask is applied to.
    pub fn open(&self, path: &[u8], flags: u32, mode: u32) -> Result<i32, Errno> {
        self.with(|cx| {
            let file = open_file(cx, AT_FDCWD, path, flags, mode, ResolveFlags::empty()).map_err(
                |stop| match stop {
                    Stop::Fail(errno) => errno,
                    // A FIFO whose other end isn't open yet.
                    _ => Errno::EAGAIN,
                },
            )?;
            cx.files().add(
                file,
                flags & O_CLOEXEC != 0,
                0,
                cx.t.process.limit(RLIMIT_NOFILE),
            )
        })
    }

    /// Closes a descriptor.
    pub fn close(&self, fd: i32) -> Result<(), Errno> {
        self.with(|cx| cx.files().take(fd)).map(drop)
    }

    /// A file's attributes; of the target, for a symbolic link.
    pub fn stat(&self, path: &[u8]) -> Result<Attr, Errno> {
        self.walk(path, |walk| {
            walk.resolve(path, ResolveFlags::FOLLOW)?.attr()
        })
    }

    /// A file's attributes; of the link itself, for a symbolic link.
    pub fn lstat(&self, path: &[u8]) -> Result<Attr, Errno> {
        self.walk(path, |walk| {
            walk.resolve(path, ResolveFlags::empty())?.attr()
        })
    }

    /// The place a path leads to, for those who work on the tree itself (build contexts, `docker cp`).
    pub fn resolve(&self, path: &[u8]) -> Result<Path, Errno> {
        self.walk(path, |walk| walk.resolve(path, ResolveFlags::FOLLOW))
    }

    /// A directory's entries, without `.` and `..`.
    pub fn readdir(&self, path: &[u8]) -> Result<Vec<Entry>, Errno> {
        self.walk(path, |walk| {
            let dir = walk.resolve(path, ResolveFlags::FOLLOW | ResolveFlags::DIRECTORY)?;
            bottleship_vfs::permission(&dir.attr()?, walk.creds, bottleship_vfs::Access::READ)?;
            let mut entries = Vec::new();
            dir.inode().readdir(0, &mut |entry| {
                entries.push(Entry {
                    name: entry.name.to_vec(),
                    kind: entry.kind,
                    ino: entry.ino,
                });
                true
            })?;
            Ok(entries)
        })
    }

    /// A symbolic link's target.
    pub fn readlink(&self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        self.walk(path, |walk| {
            walk.resolve(path, ResolveFlags::empty())?
                .inode()
                .readlink()
        })
    }

    /// Makes a directory; the umask is applied.
    pub fn mkdir(&self, path: &[u8], mode: u32) -> Result<(), Errno> {
        let umask = self.with(|cx| Ok(cx.t.fs().umask.get()))?;
        self.walk(path, |walk| walk.mkdir(path, mode & !umask))
            .map(drop)
    }

    /// Removes a file.
    pub fn unlink(&self, path: &[u8]) -> Result<(), Errno> {
        self.walk(path, |walk| walk.unlink(path))
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, path: &[u8]) -> Result<(), Errno> {
        self.walk(path, |walk| walk.rmdir(path))
    }

    /// Renames a file.
    pub fn rename(&self, old: &[u8], new: &[u8]) -> Result<(), Errno> {
        self.walk(old, |walk| {
            walk.rename(old, walk, new, bottleship_vfs::RenameFlags::empty())
        })
    }

    /// Makes a symbolic link.
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Result<(), Errno> {
        self.walk(path, |walk| walk.symlink(target, path)).map(drop)
    }

    /// Sets the permission bits.
    pub fn chmod(&self, path: &[u8], mode: u32) -> Result<(), Errno> {
        self.walk(path, |walk| {
            walk.resolve(path, ResolveFlags::FOLLOW)?
                .chmod(mode, walk.creds)
        })
    }

    /// Sets owner and group, not following a symbolic link.
    pub fn lchown(&self, path: &[u8], uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        self.walk(path, |walk| {
            walk.resolve(path, ResolveFlags::empty())?
                .chown(uid, gid, walk.creds)
        })
    }

    /// Sets access and modification time, not following a symbolic link.
    pub fn utimens(&self, path: &[u8], atime: Time, mtime: Time) -> Result<(), Errno> {
        let now = self.with(|cx| Ok(cx.k.clock.now()))?;
        self.walk(path, |walk| {
            let found = walk.resolve(path, ResolveFlags::empty())?;
            found.utimes(
                TimeUpdate::Set(atime),
                TimeUpdate::Set(mtime),
                now,
                walk.creds,
            )
        })
    }

    /// Whether a descriptor is a terminal.
    pub fn isatty(&self, fd: i32) -> bool {
        self.tty(fd, |_| ()).is_ok()
    }

    /// A terminal's size.
    pub fn winsize(&self, fd: i32) -> Result<WinSize, Errno> {
        self.tty(fd, |file| file.tty.size.get())
    }

    /// Puts a terminal into raw mode until [`Sys::restore`].
    pub fn set_raw(&self, fd: i32) -> Result<(), Errno> {
        let old = self.tty(fd, |file| {
            let old = *file.tty.termios.borrow();
            let mut raw = old;
            raw.make_raw();
            file.tty.set_termios(raw);
            old
        })?;
        if self.0.saved_termios.get().is_none() {
            self.0.saved_termios.set(Some(old));
        }
        Ok(())
    }

    /// Gives a terminal the settings back that it had before [`Sys::set_raw`].
    pub fn restore(&self, fd: i32) -> Result<(), Errno> {
        match self.0.saved_termios.take() {
            Some(termios) => self.tty(fd, |file| file.tty.set_termios(termios)),
            None => Ok(()),
        }
    }

    fn tty<R>(&self, fd: i32, f: impl FnOnce(&SlaveFile) -> R) -> Result<R, Errno> {
        self.with(|cx| {
            let file = cx.io_file(fd as u64)?;
            file.downcast::<SlaveFile>().map(f).ok_or(Errno::ENOTTY)
        })
    }

    /// From now on these signals don't have their default effect but are for [`Sys::next_signal`].
    pub fn catch(&self, signals: &[Signal]) -> Result<(), Errno> {
        self.with(|cx| {
            let sighand = cx.t.sighand.borrow().clone();
            for &signal in signals {
                sighand.set(
                    signal,
                    SigAction {
                        handler: BUILTIN_TAKES,
                        ..SigAction::default()
                    },
                );
            }
            Ok(())
        })
    }

    /// From now on these signals have no effect; children of a process that ignores `SIGCHLD` leave no zombies.
    pub fn ignore(&self, signals: &[Signal]) -> Result<(), Errno> {
        self.with(|cx| {
            let sighand = cx.t.sighand.borrow().clone();
            for &signal in signals {
                let action = SigAction {
                    handler: SIG_IGN,
                    ..SigAction::default()
                };
                sighand.set(signal, action);
            }
            Ok(())
        })
    }

    /// The next signal of those caught.
    pub async fn next_signal(&self) -> Signal {
        std::future::poll_fn(|context| {
            let taken = self.with(|cx| {
                let sighand = cx.t.sighand.borrow().clone();
                let wanted = (1..=64)
                    .filter_map(Signal::new)
                    .filter(|&signal| sighand.get(signal).handler == BUILTIN_TAKES)
                    .fold(SigSet::EMPTY, |set, signal| set | SigSet::of(signal));
                let info = cx.t.take_signal(wanted);
                if info.is_none() {
                    cx.t.process.signal_wait.add_waker(context.waker());
                }
                Ok(info)
            });
            match taken {
                Ok(Some(info)) => Poll::Ready(info.signal),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Waits until the monotonic clock says `until_ns`.
    pub fn sleep_until(&self, until_ns: u64) -> impl Future<Output = ()> + use<> {
        let this = self.clone();
        let queue = Rc::new(WaitQueue::new());
        std::future::poll_fn(move |context| {
            let Some(k) = this.0.kernel.upgrade() else {
                return Poll::Pending;
            };
            if k.monotonic() >= until_ns {
                return Poll::Ready(());
            }
            queue.add_waker(context.waker());
            k.timers.add(until_ns, Alarm::Queue(Rc::downgrade(&queue)));
            Poll::Pending
        })
    }

    /// Connects to a server, over TCP or at a UNIX socket; gives the descriptor. `EAGAIN` when a
    /// UNIX server has too many waiting.
    pub async fn connect(&self, addr: &Addr) -> Result<i32, Errno> {
        let family = match addr {
            Addr::Unix(_) => AF_UNIX,
            Addr::Inet(addr) if addr.is_ipv4() => AF_INET,
            Addr::Inet(_) => AF_INET6,
            _ => return Err(Errno::EAFNOSUPPORT),
        };
        let file = self.with(|cx| crate::net::socket(cx, family, SOCK_STREAM, 0))?;
        let socket = file.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
        std::future::poll_fn(|context| {
            let connected = self.with(|cx| match socket.inner.connect(cx, addr) {
                Err(Errno::EINPROGRESS) => socket.inner.connect(cx, addr),
                done => done,
            });
            match connected {
                Err(Errno::EALREADY) => {
                    file.file.poll(&mut PollTable::for_future(context.waker()));
                    Poll::Pending
                }
                done => Poll::Ready(done),
            }
        })
        .await?;
        self.with(|cx| {
            let limit = cx.t.process.limit(RLIMIT_NOFILE);
            cx.files().add(file.clone(), true, 0, limit)
        })
    }

    /// Listens for connections over TCP in this process's network.
    pub fn listen(&self, at: SocketAddr) -> Result<HostListener, Errno> {
        self.with(|cx| HostListener::bind(&cx.t.ns().net, at))
    }

    /// Fills `buf` with random bytes.
    pub fn random(&self, buf: &mut [u8]) -> Result<(), Errno> {
        self.with(|cx| {
            cx.k.rng.borrow_mut().fill(buf);
            Ok(())
        })
    }
}
