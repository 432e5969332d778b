//! Terminals: pseudo-terminal pairs with Linux's line discipline and job control.

mod discipline;
mod ioctl;
mod pty;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use bottleship_abi::tty::{ECHO, ICANON, TOSTOP, Termios, VMIN, VTIME, WinSize};
use bottleship_abi::{Errno, Signal};

use super::signal::{send_to_group, send_to_process};
use super::task::{ProcessGroup, Session};
use super::wait::WaitQueue;
use crate::syscall::Cx;

pub use pty::{MasterFile, PtyTable, SlaveFile};

/// Output waiting for the master's reader; writers wait above it.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// Input waiting for the slave's reader; what comes beyond it is dropped with a bell, as a real terminal does.
const INPUT_LIMIT: usize = 4096;
/// Echo may exceed the output limit by this much before it is dropped.
const ECHO_SLACK: usize = 64 * 1024;

/// A pseudo-terminal: both sides.
pub struct Tty {
    /// N of `/dev/pts/N`.
    pub number: u32,
    pub termios: RefCell<Termios>,
    pub size: Cell<WinSize>,
    input: RefCell<Input>,
    output: RefCell<VecDeque<u8>>,
    /// The column the cursor is in, for erasing tabs.
    column: Cell<usize>,
    /// Stopped by ^S or `TCXONC`.
    halted: Cell<bool>,
    session: RefCell<Weak<Session>>,
    foreground: RefCell<Weak<ProcessGroup>>,
    /// Both sides wake it at every change.
    pub wait: WaitQueue,
    masters: Cell<usize>,
    slaves: Cell<usize>,
    /// The slave was open before: with no one left the master reads `EIO`.
    was_open: Cell<bool>,
    hung_up: Cell<bool>,
    locked: Cell<bool>,
    packet_mode: Cell<bool>,
    /// User and group of the slave's node.
    pub owner: Cell<(u32, u32)>,
    /// Its permission bits.
    pub mode: Cell<u32>,
}

/// Characters as typed, and lines ready to be read.
#[derive(Default)]
struct Input {
    /// Ready to be read. In canonical mode, [`LINE_END`] marks where a read stops, alone for an end of file.
    ready: VecDeque<u16>,
    /// How many marks are in `ready`.
    marks: usize,
    /// The line being edited.
    line: Vec<u8>,
    /// After VLNEXT: the next character is taken as it is.
    literal: bool,
}

/// Marks the end of what one read may return.
const LINE_END: u16 = 0x100;

impl Tty {
    /// A pair. `number` names it in `/dev/pts`.
    pub fn new(number: u32, size: WinSize) -> Rc<Tty> {
        Rc::new(Tty {
            number,
            termios: RefCell::default(),
            size: Cell::new(size),
            input: RefCell::default(),
            output: RefCell::default(),
            column: Cell::new(0),
            halted: Cell::new(false),
            session: RefCell::default(),
            foreground: RefCell::default(),
            wait: WaitQueue::new(),
            masters: Cell::new(0),
            slaves: Cell::new(0),
            was_open: Cell::new(false),
            hung_up: Cell::new(false),
            locked: Cell::new(false),
            packet_mode: Cell::new(false),
            owner: Cell::new((0, 5)),
            mode: Cell::new(0o620),
        })
    }

    /// The foreground process group.
    pub fn foreground(&self) -> Option<Rc<ProcessGroup>> {
        self.foreground.borrow().upgrade()
    }

    /// The session it controls.
    pub fn session(&self) -> Option<Rc<Session>> {
        self.session.borrow().upgrade()
    }

    /// Makes it the controlling terminal of `session`, with `group` in the foreground.
    pub fn associate(self: &Rc<Tty>, session: &Rc<Session>, group: &Rc<ProcessGroup>) {
        *session.tty.borrow_mut() = Some(self.clone());
        *self.session.borrow_mut() = Rc::downgrade(session);
        *self.foreground.borrow_mut() = Rc::downgrade(group);
    }

    /// Takes it from its session.
    pub fn disassociate(&self) {
        let session = self.session.take().upgrade();
        self.foreground.take();
        if let Some(session) = session {
            session.tty.replace(None);
        }
    }

    fn signal_foreground(&self, signal: Signal) {
        if let Some(group) = self.foreground() {
            send_to_group(&group, signal);
        }
    }

    /// Sets the size; the foreground group gets `SIGWINCH` when it changed.
    pub fn resize(&self, size: WinSize) {
        if self.size.replace(size) != size {
            self.signal_foreground(Signal::SIGWINCH);
        }
    }

    // ---- the master's side

    pub(crate) fn open_master(&self) {
        self.masters.set(self.masters.get() + 1);
    }

    pub(crate) fn close_master(&self) {
        self.masters.set(self.masters.get() - 1);
        if self.masters.get() == 0 {
            self.hang_up();
        }
    }

    /// The line is gone: its session gets `SIGHUP`, the slave reads the end.
    pub fn hang_up(&self) {
        if self.hung_up.replace(true) {
            return;
        }
        if let Some(leader) = self
            .session()
            .and_then(|session| session.leader.borrow().upgrade())
        {
            send_to_process(&leader, super::signal::by_kernel(Signal::SIGHUP));
            send_to_process(&leader, super::signal::by_kernel(Signal::SIGCONT));
        }
        self.signal_foreground(Signal::SIGHUP);
        self.wait.wake();
    }

    /// What the slave's programs wrote. `EAGAIN` when there is nothing, `EIO` when they all closed it.
    pub fn master_read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        let mut output = self.output.borrow_mut();
        if output.is_empty() || self.halted.get() {
            return if self.slaves.get() == 0 && self.was_open.get() {
                Err(Errno::EIO)
            } else {
                Err(Errno::EAGAIN)
            };
        }
        if self.packet_mode.get() {
            let Some((first, rest)) = buf.split_first_mut() else {
                return Ok(0);
            };
            *first = 0;
            let n = super::pipe::take(&mut output, rest);
            drop(output);
            self.wait.wake();
            return Ok(n + 1);
        }
        let n = super::pipe::take(&mut output, buf);
        drop(output);
        self.wait.wake();
        Ok(n)
    }

    /// Keys. What doesn't fit isn't taken: 0 only for no bytes.
    pub fn master_write(&self, keys: &[u8]) -> Result<usize, Errno> {
        let mut taken = 0;
        for &key in keys {
            let canonical = self.termios.borrow().lflag & ICANON != 0;
            if !canonical && self.input.borrow().ready.len() >= INPUT_LIMIT {
                break;
            }
            self.receive(key);
            taken += 1;
        }
        self.wait.wake();
        if taken == 0 && !keys.is_empty() {
            Err(Errno::EAGAIN)
        } else {
            Ok(taken)
        }
    }

    pub(crate) fn master_ready(&self) -> u32 {
        use super::file::{IN, OUT};
        let mut ready = OUT;
        if !self.output.borrow().is_empty() && !self.halted.get() {
            ready |= IN;
        }
        if self.slaves.get() == 0 && self.was_open.get() {
            ready |= bottleship_abi::poll::POLLHUP;
        }
        ready
    }

    // ---- the slave's side

    pub(crate) fn open_slave(&self) {
        self.slaves.set(self.slaves.get() + 1);
        self.was_open.set(true);
    }

    pub(crate) fn close_slave(&self) {
        self.slaves.set(self.slaves.get() - 1);
        if self.slaves.get() == 0 {
            self.wait.wake();
        }
    }

    /// `SIGTTIN`/`SIGTTOU` for background jobs. `Ok` when the caller may go on.
    pub(crate) fn check_job(&self, cx: &Cx, signal: Signal) -> Result<(), Errno> {
        let process = &cx.t.process;
        let own = process.group.borrow().clone();
        let controls = self
            .session()
            .is_some_and(|session| Rc::ptr_eq(&session, &own.session));
        let Some(foreground) = self.foreground() else {
            return Ok(());
        };
        if !controls || foreground.id == own.id {
            return Ok(());
        }
        let deaf = cx.t.blocked.get().contains(signal) || cx.t.sighand.borrow().ignores(signal);
        if deaf {
            return if signal == Signal::SIGTTIN {
                Err(Errno::EIO)
            } else {
                Ok(())
            };
        }
        if own.is_orphaned() {
            return Err(Errno::EIO);
        }
        send_to_group(&own, signal);
        Err(Errno::ERESTART)
    }

    /// What was typed, as one `read` of the slave returns it.
    pub fn slave_read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        if self.hung_up.get() {
            return Ok(0);
        }
        if buf.is_empty() {
            return Ok(0);
        }
        let (canonical, min, time) = {
            let termios = self.termios.borrow();
            (
                termios.lflag & ICANON != 0,
                termios.cc[VMIN],
                termios.cc[VTIME],
            )
        };
        let mut input = self.input.borrow_mut();
        let n = if canonical {
            if input.marks == 0 {
                return Err(Errno::EAGAIN);
            }
            input.take_line(buf)
        } else {
            if input.ready.is_empty() {
                return if min == 0 && time == 0 {
                    Ok(0)
                } else {
                    Err(Errno::EAGAIN)
                };
            }
            input.take_raw(buf)
        };
        drop(input);
        self.wait.wake();
        Ok(n)
    }

    /// How long a read waits in raw mode with `VMIN` 0.
    pub(crate) fn read_timeout(&self) -> Option<u64> {
        let termios = self.termios.borrow();
        let raw = termios.lflag & ICANON == 0 && termios.cc[VMIN] == 0;
        (raw && termios.cc[VTIME] > 0).then(|| u64::from(termios.cc[VTIME]) * 100_000_000)
    }

    /// Bytes a read would return now.
    pub fn readable(&self) -> usize {
        let input = self.input.borrow();
        match self.termios.borrow().lflag & ICANON != 0 {
            true if input.marks == 0 => 0,
            _ => input.ready.iter().filter(|&&c| c != LINE_END).count(),
        }
    }

    /// Program output, processed as the terminal's settings say. `EAGAIN` when the reader lags behind.
    pub fn slave_write(&self, data: &[u8]) -> Result<usize, Errno> {
        if self.hung_up.get() {
            return Err(Errno::EIO);
        }
        if self.halted.get() || self.output.borrow().len() >= OUTPUT_LIMIT {
            return Err(Errno::EAGAIN);
        }
        let room = OUTPUT_LIMIT - self.output.borrow().len();
        let n = data.len().min(room);
        self.put_all(&data[..n]);
        self.wait.wake();
        Ok(n)
    }

    pub(crate) fn slave_ready(&self) -> u32 {
        use super::file::{IN, OUT};
        if self.hung_up.get() {
            return IN | OUT | bottleship_abi::poll::POLLHUP | bottleship_abi::poll::POLLERR;
        }
        let mut ready = 0;
        let input = self.input.borrow();
        let canonical = self.termios.borrow().lflag & ICANON != 0;
        if (canonical && input.marks > 0) || (!canonical && !input.ready.is_empty()) {
            ready |= IN;
        }
        if !self.halted.get() && self.output.borrow().len() < OUTPUT_LIMIT {
            ready |= OUT;
        }
        ready
    }

    /// Whether background writers stop.
    pub(crate) fn stops_background_output(&self) -> bool {
        self.termios.borrow().lflag & TOSTOP != 0
    }

    /// New settings. Leaving canonical mode makes the line being edited readable.
    pub fn set_termios(&self, new: Termios) {
        let old = self.termios.replace(new);
        let mut input = self.input.borrow_mut();
        if old.lflag & ICANON != 0 && new.lflag & ICANON == 0 {
            let line = std::mem::take(&mut input.line);
            input.ready.extend(line.into_iter().map(u16::from));
            input.ready.retain(|&c| c != LINE_END);
            input.marks = 0;
        } else if old.lflag & ICANON == 0 && new.lflag & ICANON != 0 && !input.ready.is_empty() {
            input.ready.push_back(LINE_END);
            input.marks += 1;
        }
        drop(input);
        self.wait.wake();
    }

    /// Whether input is echoed.
    pub fn echoes(&self) -> bool {
        self.termios.borrow().lflag & ECHO != 0
    }

    /// Drops unread input.
    pub fn flush_input(&self) {
        *self.input.borrow_mut() = Input::default();
    }

    /// Drops output nobody has seen.
    pub fn flush_output(&self) {
        self.output.borrow_mut().clear();
        self.wait.wake();
    }
}

impl Input {
    fn take_line(&mut self, buf: &mut [u8]) -> usize {
        let mut n = 0;
        while let Some(&c) = self.ready.front() {
            if c == LINE_END {
                self.ready.pop_front();
                self.marks -= 1;
                break;
            }
            if n == buf.len() {
                break;
            }
            buf[n] = c as u8;
            n += 1;
            self.ready.pop_front();
        }
        n
    }

    fn take_raw(&mut self, buf: &mut [u8]) -> usize {
        let n = buf.len().min(self.ready.len());
        for (slot, c) in buf.iter_mut().zip(self.ready.drain(..n)) {
            *slot = c as u8;
        }
        n
    }
}
