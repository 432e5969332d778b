//! `epoll`, `eventfd`, `timerfd`, `signalfd`.

use bottleship_abi::fs::{O_CLOEXEC, O_NONBLOCK, O_RDWR};
use bottleship_abi::poll::{EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD};
use bottleship_abi::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, TFD_TIMER_ABSTIME, ns_to_timespec,
    timespec_to_ns,
};
use bottleship_abi::{Errno, SigSet, get_u32, get_u64};

use super::{Args, Cx, Restart, SysResult};
use crate::kernel::epoll::{Epoll, Interest};
use crate::kernel::eventfd::EventFd;
use crate::kernel::file::OpenFile;
use crate::kernel::signalfd::SignalFd;
use crate::kernel::timerfd::{TimerFd, TimerFile};
use crate::kernel::wait::PollTable;

pub(super) fn epoll_create(cx: &Cx, a: &Args) -> SysResult {
    if a[0] as i32 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.install(OpenFile::anon(Epoll::default(), O_RDWR), 0)
}

pub(super) fn epoll_create1(cx: &Cx, a: &Args) -> SysResult {
    if a[0] as u32 & !O_CLOEXEC != 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.install(OpenFile::anon(Epoll::default(), O_RDWR), a[0] as u32)
}

pub(super) fn epoll_ctl(cx: &Cx, a: &Args) -> SysResult {
    let instance = cx.io_file(a[0])?;
    let fd = a[2] as i32;
    let target = cx.io_file(a[2])?;
    let epoll = instance.downcast::<Epoll>().ok_or(Errno::EINVAL)?;
    // Regular files and directories are always ready, and can't be watched.
    let plain = target
        .downcast::<crate::kernel::inode_file::InodeFile>()
        .is_some();
    let interest = if a[1] as u32 == EPOLL_CTL_DEL {
        Interest { events: 0, data: 0 }
    } else {
        let raw: [u8; 12] = cx.read_array(a[3])?;
        Interest {
            events: get_u32(&raw, 0),
            data: get_u64(&raw, 4),
        }
    };
    match a[1] as u32 {
        EPOLL_CTL_ADD if plain => Err(Errno::EPERM.into()),
        EPOLL_CTL_ADD => epoll
            .add(fd, &target, interest)
            .map(|()| 0)
            .map_err(Into::into),
        EPOLL_CTL_MOD => epoll
            .modify(fd, &target, interest)
            .map(|()| 0)
            .map_err(Into::into),
        EPOLL_CTL_DEL => epoll.remove(fd, &target).map(|()| 0).map_err(Into::into),
        _ => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn epoll_wait(cx: &Cx, a: &Args) -> SysResult {
    let timeout = a[3] as i32;
    let timeout = if timeout < 0 {
        None
    } else {
        Some(timeout as u64 * 1_000_000)
    };
    wait(cx, a, timeout)
}

pub(super) fn epoll_pwait(cx: &Cx, a: &Args) -> SysResult {
    super::poll::set_mask(cx, a[4], a[5])?;
    epoll_wait(cx, a)
}

pub(super) fn epoll_pwait2(cx: &Cx, a: &Args) -> SysResult {
    let timeout = if a[3] == 0 {
        None
    } else {
        Some(timespec_to_ns(&cx.read_array(a[3])?)?)
    };
    super::poll::set_mask(cx, a[4], a[5])?;
    wait(cx, a, timeout)
}

fn wait(cx: &Cx, a: &Args, timeout: Option<u64>) -> SysResult {
    let max = a[2] as i32;
    if max <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = cx.io_file(a[0])?;
    let epoll = file.downcast::<Epoll>().ok_or(Errno::EINVAL)?;
    let deadline = cx.deadline(timeout);
    let max = (max as usize).min(4096);
    let ready = epoll.collect(max, &mut PollTable::for_task(cx.t), true);
    if ready.is_empty() {
        if deadline.is_some_and(|at| at <= cx.now()) {
            return Ok(0);
        }
        return Err(cx.park_until(deadline, Restart::NoHandler));
    }
    let mut bytes = Vec::with_capacity(ready.len() * 12);
    for interest in &ready {
        bytes.extend(interest.events.to_le_bytes());
        bytes.extend(interest.data.to_le_bytes());
    }
    cx.write_mem(a[1], &bytes)?;
    Ok(ready.len() as u64)
}

pub(super) fn eventfd(cx: &Cx, a: &Args) -> SysResult {
    make_eventfd(cx, a[0], 0)
}

pub(super) fn eventfd2(cx: &Cx, a: &Args) -> SysResult {
    make_eventfd(cx, a[0], a[1] as u32)
}

fn make_eventfd(cx: &Cx, count: u64, flags: u32) -> SysResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK | 1) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = EventFd::new(u64::from(count as u32), flags & 1 != 0);
    cx.install(OpenFile::anon(file, O_RDWR | flags & O_NONBLOCK), flags)
}

pub(super) fn signalfd(cx: &Cx, a: &Args) -> SysResult {
    make_signalfd(cx, a, 0)
}

pub(super) fn signalfd4(cx: &Cx, a: &Args) -> SysResult {
    make_signalfd(cx, a, a[3] as u32)
}

fn make_signalfd(cx: &Cx, a: &Args, flags: u32) -> SysResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 || a[2] != 8 {
        return Err(Errno::EINVAL.into());
    }
    let mask = SigSet(cx.read_u64(a[1])?) & !SigSet::UNBLOCKABLE;
    if a[0] as i32 == -1 {
        let file = SignalFd::new(mask, cx.t);
        return cx.install(OpenFile::anon(file, O_RDWR | flags & O_NONBLOCK), flags);
    }
    let file = cx.io_file(a[0])?;
    file.downcast::<SignalFd>()
        .ok_or(Errno::EINVAL)?
        .mask
        .set(mask);
    Ok(a[0])
}

pub(super) fn timerfd_create(cx: &Cx, a: &Args) -> SysResult {
    let (clock, flags) = (a[0] as u32, a[1] as u32);
    if !matches!(clock, CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME)
        || flags & !(O_CLOEXEC | O_NONBLOCK) != 0
    {
        return Err(Errno::EINVAL.into());
    }
    let file = TimerFile(TimerFd::new(clock, cx.k));
    cx.install(OpenFile::anon(file, O_RDWR | flags & O_NONBLOCK), flags)
}

fn itimerspec(interval: u64, value: u64) -> [u8; 32] {
    let mut out = [0; 32];
    out[..16].copy_from_slice(&ns_to_timespec(interval));
    out[16..].copy_from_slice(&ns_to_timespec(value));
    out
}

pub(super) fn timerfd_settime(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let timer = &file.downcast::<TimerFile>().ok_or(Errno::EINVAL)?.0;
    let raw: [u8; 32] = cx.read_array(a[2])?;
    let (interval, value) = super::time::itimerspec(&raw)?;
    let (left, old_interval) = timer.get(cx.now());
    if a[3] != 0 {
        cx.write_mem(a[3], &itimerspec(old_interval, left))?;
    }
    let next = match value {
        0 => None,
        value if a[1] as u32 & TFD_TIMER_ABSTIME != 0 => {
            Some(super::time::absolute(cx, timer.clock, value))
        }
        value => Some(cx.now().saturating_add(value)),
    };
    timer.set(next, interval);
    cx.k.timers.expire(cx.now());
    Ok(0)
}

pub(super) fn timerfd_gettime(cx: &Cx, a: &Args) -> SysResult {
    let file = cx.io_file(a[0])?;
    let timer = &file.downcast::<TimerFile>().ok_or(Errno::EINVAL)?.0;
    let (left, interval) = timer.get(cx.now());
    cx.write_mem(a[1], &itimerspec(interval, left))?;
    Ok(0)
}
