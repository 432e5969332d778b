//! `eventfd`.

use std::any::Any;
use std::cell::Cell;

use bottleship_abi::Errno;

use super::file::{File, IN, OUT};
use super::wait::{PollTable, WaitQueue};
use crate::syscall::Cx;

/// A counter to wait for.
pub struct EventFd {
    count: Cell<u64>,
    semaphore: bool,
    wait: WaitQueue,
}

impl EventFd {
    /// A counter that starts at `count`.
    pub fn new(count: u64, semaphore: bool) -> EventFd {
        EventFd {
            count: Cell::new(count),
            semaphore,
            wait: WaitQueue::new(),
        }
    }
}

impl File for EventFd {
    fn read(&self, _: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let out = buf.get_mut(..8).ok_or(Errno::EINVAL)?;
        let count = self.count.get();
        if count == 0 {
            return Err(Errno::EAGAIN);
        }
        let taken = if self.semaphore { 1 } else { count };
        self.count.set(count - taken);
        out.copy_from_slice(&taken.to_le_bytes());
        self.wait.wake();
        Ok(8)
    }

    fn write(&self, _: &Cx, _: u64, data: &[u8]) -> Result<usize, Errno> {
        if data.len() < 8 {
            return Err(Errno::EINVAL);
        }
        let more = bottleship_abi::get_u64(data, 0);
        if more == u64::MAX {
            return Err(Errno::EINVAL);
        }
        let sum = self
            .count
            .get()
            .checked_add(more)
            .filter(|&sum| sum < u64::MAX)
            .ok_or(Errno::EAGAIN)?;
        self.count.set(sum);
        self.wait.wake();
        Ok(8)
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.wait);
        let mut ready = 0;
        if self.count.get() > 0 {
            ready |= IN;
        }
        if self.count.get() < u64::MAX - 1 {
            ready |= OUT;
        }
        ready
    }

    fn link_name(&self) -> Vec<u8> {
        b"anon_inode:[eventfd]".to_vec()
    }

    fn fdinfo(&self) -> String {
        format!("eventfd-count: {:16x}\n", self.count.get())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
