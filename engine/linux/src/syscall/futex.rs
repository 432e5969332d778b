//! `futex`.

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::process::*;
use bottleship_abi::time::timespec_to_ns;
use bottleship_x86::Access;

use super::{Args, Cx, Restart, SysResult};
use crate::kernel::futex::Key;
use crate::kernel::task::Resume;
use crate::kernel::timer::Alarm;
use crate::mm::{Backing, Mm};

/// What a futex at `addr` is known by.
fn key(mm: &Rc<Mm>, addr: u64, private: bool) -> Result<Key, Errno> {
    if !addr.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let own = Key {
        object: Rc::as_ptr(mm) as usize,
        offset: addr,
    };
    if private {
        return Ok(own);
    }
    mm.accessible(addr, 4, Access::Read)?;
    Ok(match mm.area_at(addr) {
        Some(area) if area.shared => match &area.backing {
            Backing::File { inode, offset, .. } => Key {
                object: Rc::as_ptr(inode).cast::<u8>() as usize,
                offset: offset + (addr - area.start),
            },
            Backing::Anonymous => own,
        },
        _ => own,
    })
}

pub(super) fn futex(cx: &Cx, a: &Args) -> SysResult {
    let (addr, op, value) = (a[0], a[1] as u32, a[2] as u32);
    let mm = cx.t.mm()?;
    let private = op & FUTEX_PRIVATE_FLAG != 0;
    let command = op & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    match command {
        FUTEX_WAIT | FUTEX_WAIT_BITSET => {
            let bitset = if command == FUTEX_WAIT {
                u32::MAX
            } else {
                a[5] as u32
            };
            if bitset == 0 {
                return Err(Errno::EINVAL.into());
            }
            wait(cx, &mm, a, private, bitset, command == FUTEX_WAIT_BITSET)
        }
        FUTEX_WAKE | FUTEX_WAKE_BITSET => {
            let bitset = if command == FUTEX_WAKE {
                u32::MAX
            } else {
                a[5] as u32
            };
            if bitset == 0 {
                return Err(Errno::EINVAL.into());
            }
            Ok(u64::from(cx.k.futexes.wake(
                key(&mm, addr, private)?,
                value.max(1),
                bitset,
            )))
        }
        FUTEX_REQUEUE | FUTEX_CMP_REQUEUE => {
            let (from, to) = (key(&mm, addr, private)?, key(&mm, a[4], private)?);
            if command == FUTEX_CMP_REQUEUE && cx.read_u32(addr)? != a[5] as u32 {
                return Err(Errno::EAGAIN.into());
            }
            let (woken, moved) = cx.k.futexes.requeue(from, value, to, a[3] as u32);
            Ok(u64::from(if command == FUTEX_REQUEUE {
                woken
            } else {
                woken + moved
            }))
        }
        FUTEX_WAKE_OP => {
            let (first, second) = (key(&mm, addr, private)?, key(&mm, a[4], private)?);
            let met = wake_op(&mm, a[4], a[5] as u32)?;
            let mut woken = cx.k.futexes.wake(first, value, u32::MAX);
            if met {
                woken += cx.k.futexes.wake(second, a[3] as u32, u32::MAX);
            }
            Ok(u64::from(woken))
        }
        _ => Err(Errno::ENOSYS.into()),
    }
}

fn wait(cx: &Cx, mm: &Rc<Mm>, a: &Args, private: bool, bitset: u32, absolute: bool) -> SysResult {
    let resume = cx.t.resume.take();
    let (waiter, deadline) = if let Some(Resume::Futex((waiter, deadline))) = resume {
        if waiter.woken.get() {
            return Ok(0);
        }
        if deadline.is_some_and(|at| at <= cx.now()) {
            cx.k.futexes.remove(&waiter);
            return Err(Errno::ETIMEDOUT.into());
        }
        waiter.renew(cx.t);
        (waiter, deadline)
    } else {
        let key = key(mm, a[0], private)?;
        if cx.read_u32(a[0])? != a[2] as u32 {
            return Err(Errno::EAGAIN.into());
        }
        let deadline = match a[3] {
            0 => None,
            at => {
                let time = timespec_to_ns(&cx.read_array(at)?)?;
                let realtime = a[1] as u32 & FUTEX_CLOCK_REALTIME != 0;
                Some(match (absolute, realtime) {
                    (false, _) => cx.now().saturating_add(time),
                    (true, false) => time,
                    (true, true) => cx
                        .now()
                        .saturating_add(time.saturating_sub(cx.k.realtime())),
                })
            }
        };
        if deadline.is_some_and(|at| at <= cx.now()) {
            return Err(Errno::ETIMEDOUT.into());
        }
        (cx.k.futexes.join(key, cx.t, bitset), deadline)
    };
    if let Some(at) = deadline {
        cx.k.timers
            .add(at, Alarm::Task(Rc::downgrade(cx.t), cx.t.wait_number.get()));
    }
    cx.t.resume.replace(Some(Resume::Futex((waiter, deadline))));
    let restart = if deadline.is_some() {
        Restart::NoHandler
    } else {
        Restart::Sys
    };
    Err(super::Stop::Park(restart))
}

/// Changes the second word as encoded; whether its old value met the comparison.
fn wake_op(mm: &Mm, addr: u64, encoded: u32) -> Result<bool, Errno> {
    let sign = |value: u32| ((value << 20) as i32) >> 20;
    let (op, compare) = ((encoded >> 28) & 0xf, (encoded >> 24) & 0xf);
    let (operand, against) = (sign(encoded >> 12 & 0xfff), sign(encoded & 0xfff));
    let operand = if op & 8 != 0 {
        1u32.wrapping_shl(operand as u32)
    } else {
        operand as u32
    };
    let old = mm.update_u32(addr, |old| match op & 7 {
        0 => Some(operand),
        1 => Some(old.wrapping_add(operand)),
        2 => Some(old | operand),
        3 => Some(old & !operand),
        4 => Some(old ^ operand),
        _ => None,
    })?;
    if op & 7 > 4 {
        return Err(Errno::ENOSYS);
    }
    let old = old as i32;
    Ok(match compare {
        0 => old == against,
        1 => old != against,
        2 => old < against,
        3 => old <= against,
        4 => old > against,
        5 => old >= against,
        _ => return Err(Errno::ENOSYS),
    })
}

pub(super) fn set_robust_list(cx: &Cx, a: &Args) -> SysResult {
    if a[1] != 24 {
        return Err(Errno::EINVAL.into());
    }
    cx.t.robust_list.set(a[0]);
    Ok(0)
}

pub(super) fn get_robust_list(cx: &Cx, a: &Args) -> SysResult {
    let task = match a[0] as u32 {
        0 => cx.t.clone(),
        tid => cx.t.pid_ns().task(tid).ok_or(Errno::ESRCH)?,
    };
    cx.write_mem(a[1], &task.robust_list.get().to_le_bytes())?;
    cx.write_mem(a[2], &24u64.to_le_bytes())?;
    Ok(0)
}

impl crate::kernel::Inner {
    /// What a dying thread owes others in user memory: robust futexes and the word at `CLEARTID`.
    pub(crate) fn release_user_state(&self, task: &Rc<crate::kernel::task::Task>) {
        let Ok(mm) = task.mm() else { return };
        let tid = task.tid_in(task.pid_ns());
        let head = task.robust_list.replace(0);
        if head != 0 {
            self.walk_robust_list(&mm, head, tid);
        }
        let clear = task.clear_child_tid.replace(0);
        // Memory that nobody else uses goes with the thread.
        if clear != 0
            && Rc::strong_count(&mm) > 2
            && mm.write(clear, &0u32.to_le_bytes()).is_ok()
            && let Ok(key) = key(&mm, clear, false)
        {
            self.futexes.wake(key, 1, u32::MAX);
        }
    }

    fn walk_robust_list(&self, mm: &Rc<Mm>, head: u64, tid: u32) {
        let word = |at: u64| {
            let mut bytes = [0; 8];
            mm.read(at, &mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        let (Ok(first), Ok(offset), Ok(pending)) = (
            word(head),
            word(head.wrapping_add(8)),
            word(head.wrapping_add(16)),
        ) else {
            return;
        };
        let release = |entry: u64| {
            let at = (entry & !1).wrapping_add(offset);
            let old = mm.update_u32(at, |value| {
                (value & FUTEX_TID_MASK == tid).then_some(value & FUTEX_WAITERS | FUTEX_OWNER_DIED)
            });
            if old.is_ok_and(|old| old & FUTEX_TID_MASK == tid && old & FUTEX_WAITERS != 0)
                && let Ok(key) = key(mm, at, false)
            {
                self.futexes.wake(key, 1, u32::MAX);
            }
        };
        let mut entry = first;
        // As Linux: a list that doesn't end is cut off.
        for _ in 0..2048 {
            if entry & !1 == head {
                break;
            }
            let next = word(entry & !1);
            if entry != pending {
                release(entry);
            }
            match next {
                Ok(next) => entry = next,
                Err(_) => break,
            }
        }
        if pending != 0 {
            release(pending);
        }
    }
}
