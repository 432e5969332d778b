//! `timerfd`.

use std::any::Any;
use std::cell::Cell;
use std::rc::{Rc, Weak};

use bottleship_abi::Errno;

use super::Inner;
use super::file::{File, IN};
use super::timer::{Alarm, following};
use super::wait::{PollTable, WaitQueue};
use crate::syscall::Cx;

/// What a timer descriptor counts.
pub struct TimerFd {
    pub clock: u32,
    next: Cell<Option<u64>>,
    interval: Cell<u64>,
    expirations: Cell<u64>,
    wait: WaitQueue,
    kernel: Weak<Inner>,
}

impl TimerFd {
    /// A disarmed timer.
    pub fn new(clock: u32, kernel: &Rc<Inner>) -> Rc<TimerFd> {
        Rc::new(TimerFd {
            clock,
            next: Cell::new(None),
            interval: Cell::new(0),
            expirations: Cell::new(0),
            wait: WaitQueue::new(),
            kernel: Rc::downgrade(kernel),
        })
    }

    /// Time left and interval, in ns.
    pub fn get(&self, now: u64) -> (u64, u64) {
        (
            self.next
                .get()
                .map_or(0, |next| next.saturating_sub(now).max(1)),
            self.interval.get(),
        )
    }

    /// Arms it for `next` on the monotonic clock, or disarms it.
    pub fn set(self: &Rc<Self>, next: Option<u64>, interval: u64) {
        self.next.set(next);
        self.interval.set(interval);
        self.expirations.set(0);
        if let (Some(next), Some(kernel)) = (next, self.kernel.upgrade()) {
            kernel.timers.add(next, Alarm::TimerFd(Rc::downgrade(self)));
        }
    }

    pub(crate) fn is_due_at(&self, at: u64) -> bool {
        self.next.get() == Some(at)
    }

    /// Counts; when it is due again.
    pub(crate) fn expired(&self, at: u64, now: u64) -> Option<u64> {
        let again = following(at, self.interval.get(), now);
        self.next.set(again.map(|(next, _)| next));
        self.expirations
            .set(self.expirations.get() + 1 + again.map_or(0, |(_, missed)| missed));
        self.wait.wake();
        self.next.get()
    }
}

/// A descriptor of a timer.
pub struct TimerFile(pub Rc<TimerFd>);

impl File for TimerFile {
    fn read(&self, _: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let out = buf.get_mut(..8).ok_or(Errno::EINVAL)?;
        match self.0.expirations.take() {
            0 => Err(Errno::EAGAIN),
            n => {
                out.copy_from_slice(&n.to_le_bytes());
                Ok(8)
            }
        }
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.0.wait);
        if self.0.expirations.get() > 0 { IN } else { 0 }
    }

    fn link_name(&self) -> Vec<u8> {
        b"anon_inode:[timerfd]".to_vec()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
