//! `signalfd`.

use std::any::Any;
use std::cell::Cell;
use std::rc::{Rc, Weak};

use bottleship_abi::signal::{SigDetail, SigInfo};
use bottleship_abi::{Errno, Layout, SigSet};

use super::file::{File, IN};
use super::task::Task;
use super::wait::PollTable;
use crate::syscall::Cx;

/// Reads signals that the reader blocks.
pub struct SignalFd {
    pub mask: Cell<SigSet>,
    /// Who made it: readiness is about its signals.
    maker: Weak<Task>,
}

impl SignalFd {
    /// For the signals of `mask`.
    pub fn new(mask: SigSet, maker: &Rc<Task>) -> SignalFd {
        SignalFd {
            mask: Cell::new(mask),
            maker: Rc::downgrade(maker),
        }
    }
}

fn record(info: &SigInfo) -> [u8; 128] {
    let l = Layout::new()
        .u32(0, info.signal.number())
        .u32(8, info.code as u32);
    match info.detail {
        SigDetail::None => l,
        SigDetail::Sender { pid, uid } => l.u32(12, pid).u32(16, uid),
        SigDetail::Queue { pid, uid, value } => l
            .u32(12, pid)
            .u32(16, uid)
            .u32(44, value as u32)
            .u64(48, value),
        SigDetail::Timer { id, overrun, value } => l
            .u32(24, id)
            .u32(32, overrun)
            .u32(44, value as u32)
            .u64(48, value),
        SigDetail::Child {
            pid,
            uid,
            status,
            utime,
            stime,
        } => l
            .u32(12, pid)
            .u32(16, uid)
            .u32(40, status as u32)
            .u64(56, utime)
            .u64(64, stime),
        SigDetail::Fault { addr } => l.u64(72, addr),
    }
    .done()
}

impl File for SignalFd {
    fn read(&self, cx: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        if buf.len() < 128 {
            return Err(Errno::EINVAL);
        }
        let mut n = 0;
        for slot in buf.chunks_exact_mut(128) {
            match cx.t.take_signal(self.mask.get()) {
                Some(info) => slot.copy_from_slice(&record(&info)),
                None if n == 0 => return Err(Errno::EAGAIN),
                None => break,
            }
            n += 128;
        }
        Ok(n)
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        let Some(task) = self.maker.upgrade() else {
            return 0;
        };
        table.add(&task.process.signal_wait);
        let pending = task.pending.borrow().set | task.process.pending.borrow().set;
        if (pending & self.mask.get()).is_empty() {
            0
        } else {
            IN
        }
    }

    fn link_name(&self) -> Vec<u8> {
        b"anon_inode:[signalfd]".to_vec()
    }

    fn fdinfo(&self) -> String {
        format!("sigmask:\t{:016x}\n", self.mask.get().0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
