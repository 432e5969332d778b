//! Clocks, sleeping, timers.

use bottleship_abi::time::*;
use bottleship_abi::{Errno, Signal, get_u32, get_u64};
use bottleship_vfs::CapSet;

use super::{Args, Cx, Restart, SysResult};
use crate::kernel::NS_PER_INSTRUCTION;
use crate::kernel::task::Resume;
use crate::kernel::timer::{Alarm, PosixTimer};

/// A clock's time in ns.
fn read_clock(cx: &Cx, clock: u32) -> Result<u64, Errno> {
    Ok(match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_REALTIME_ALARM | CLOCK_TAI => {
            cx.k.realtime()
        }
        CLOCK_MONOTONIC
        | CLOCK_MONOTONIC_RAW
        | CLOCK_MONOTONIC_COARSE
        | CLOCK_BOOTTIME
        | CLOCK_BOOTTIME_ALARM => cx.now(),
        CLOCK_PROCESS_CPUTIME_ID => cx.t.process.instructions() * NS_PER_INSTRUCTION,
        CLOCK_THREAD_CPUTIME_ID => cx.t.instructions.get() * NS_PER_INSTRUCTION,
        // The CPU clock of another process or thread (clock_getcpuclockid).
        other if (other as i32) < 0 => {
            let id = !((other as i32) >> 3) as u32;
            if id == 0 {
                cx.t.process.instructions() * NS_PER_INSTRUCTION
            } else if other & 4 != 0 {
                cx.t.pid_ns()
                    .task(id)
                    .ok_or(Errno::EINVAL)?
                    .instructions
                    .get()
                    * NS_PER_INSTRUCTION
            } else {
                cx.t.pid_ns()
                    .process(id)
                    .ok_or(Errno::EINVAL)?
                    .instructions()
                    * NS_PER_INSTRUCTION
            }
        }
        _ => return Err(Errno::EINVAL),
    })
}

/// An absolute time of `clock` as one of the monotonic clock.
pub(super) fn absolute(cx: &Cx, clock: u32, at: u64) -> u64 {
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_ALARM | CLOCK_TAI => {
            cx.now().saturating_add(at.saturating_sub(cx.k.realtime()))
        }
        _ => at,
    }
}

/// Interval and value of a `struct itimerspec`, in ns.
pub(super) fn itimerspec(raw: &[u8; 32]) -> Result<(u64, u64), Errno> {
    let half = |at: usize| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&raw[at..at + 16]);
        timespec_to_ns(&bytes)
    };
    Ok((half(0)?, half(16)?))
}

pub(super) fn clock_gettime(cx: &Cx, a: &Args) -> SysResult {
    cx.write_mem(a[1], &ns_to_timespec(read_clock(cx, a[0] as u32)?))?;
    Ok(0)
}

pub(super) fn clock_getres(cx: &Cx, a: &Args) -> SysResult {
    read_clock(cx, a[0] as u32)?;
    if a[1] != 0 {
        cx.write_mem(a[1], &ns_to_timespec(1))?;
    }
    Ok(0)
}

pub(super) fn clock_settime(cx: &Cx, _: &Args) -> SysResult {
    cx.need(CapSet::SYS_TIME)?;
    // The host's clock is not ours to set.
    Err(Errno::EPERM.into())
}

pub(super) fn gettimeofday(cx: &Cx, a: &Args) -> SysResult {
    if a[0] != 0 {
        cx.write_mem(a[0], &ns_to_timeval(cx.k.realtime()))?;
    }
    if a[1] != 0 {
        cx.write_mem(a[1], &[0; 8])?;
    }
    Ok(0)
}

pub(super) fn time(cx: &Cx, a: &Args) -> SysResult {
    let now = cx.k.realtime() / NSEC_PER_SEC;
    if a[0] != 0 {
        cx.write_mem(a[0], &now.to_le_bytes())?;
    }
    Ok(now)
}

fn sleep(cx: &Cx, at: u64, remaining: u64) -> SysResult {
    if at <= cx.now() {
        return Ok(0);
    }
    if remaining != 0 {
        // Should a handler interrupt the sleep, this is what it finds.
        cx.write_mem(remaining, &ns_to_timespec(at - cx.now()))?;
    }
    Err(cx.park_until(Some(at), Restart::NoHandler))
}

pub(super) fn nanosleep(cx: &Cx, a: &Args) -> SysResult {
    let request = timespec_to_ns(&cx.read_array(a[0])?)?;
    let at = cx.deadline(Some(request)).unwrap_or(0);
    sleep(cx, at, a[1])
}

pub(super) fn clock_nanosleep(cx: &Cx, a: &Args) -> SysResult {
    let (clock, flags) = (a[0] as u32, a[1] as u32);
    read_clock(cx, clock)?;
    let request = timespec_to_ns(&cx.read_array(a[2])?)?;
    if flags & TIMER_ABSTIME == 0 {
        let at = cx.deadline(Some(request)).unwrap_or(0);
        return sleep(cx, at, a[3]);
    }
    let at = match cx.t.resume.take() {
        Some(Resume::Deadline(at)) => at,
        _ => absolute(cx, clock, request),
    };
    sleep(cx, at, 0)
}

pub(super) fn alarm(cx: &Cx, a: &Args) -> SysResult {
    let old = set_itimer(cx, 0, u64::from(a[0] as u32) * NSEC_PER_SEC, 0);
    Ok(old.0.div_ceil(NSEC_PER_SEC))
}

/// Sets an interval timer; what was left of it, and its interval.
fn set_itimer(cx: &Cx, which: usize, value: u64, interval: u64) -> (u64, u64) {
    let old = get_itimer(cx, which);
    let process = &cx.t.process;
    let next = match (value, which) {
        (0, _) => None,
        (value, 0) => Some(cx.now().saturating_add(value)),
        (value, _) => Some(value),
    };
    process.itimers.borrow_mut()[which] = crate::kernel::timer::Itimer { next, interval };
    if let (Some(next), 0) = (next, which) {
        cx.k.timers
            .add(next, Alarm::Itimer(std::rc::Rc::downgrade(process)));
    }
    old
}

fn get_itimer(cx: &Cx, which: usize) -> (u64, u64) {
    let timer = cx.t.process.itimers.borrow()[which];
    let left = match (timer.next, which) {
        (None, _) => 0,
        (Some(next), 0) => next.saturating_sub(cx.now()).max(1000),
        (Some(left), _) => left,
    };
    (left, timer.interval)
}

fn itimerval(value: u64, interval: u64) -> [u8; 32] {
    let mut out = [0; 32];
    out[..16].copy_from_slice(&ns_to_timeval(interval));
    out[16..].copy_from_slice(&ns_to_timeval(value));
    out
}

fn which(number: u64) -> Result<usize, Errno> {
    if number <= u64::from(ITIMER_PROF) {
        Ok(number as usize)
    } else {
        Err(Errno::EINVAL)
    }
}

pub(super) fn setitimer(cx: &Cx, a: &Args) -> SysResult {
    let which = which(a[0])?;
    let (value, interval) = match a[1] {
        0 => (0, 0),
        at => (
            timeval_to_ns(&cx.read_array(at.wrapping_add(16))?)?,
            timeval_to_ns(&cx.read_array(at)?)?,
        ),
    };
    let (left, old) = set_itimer(cx, which, value, interval);
    if a[2] != 0 {
        cx.write_mem(a[2], &itimerval(left, old))?;
    }
    Ok(0)
}

pub(super) fn getitimer(cx: &Cx, a: &Args) -> SysResult {
    let (left, interval) = get_itimer(cx, which(a[0])?);
    cx.write_mem(a[1], &itimerval(left, interval))?;
    Ok(0)
}

/// As many timers as a process may have.
const MAX_TIMERS: usize = 1024;

pub(super) fn timer_create(cx: &Cx, a: &Args) -> SysResult {
    let clock = a[0] as u32;
    read_clock(cx, clock)?;
    let mut timer = PosixTimer {
        clock,
        signal: Some(Signal::SIGALRM),
        value: 0,
        thread: None,
        next: None,
        interval: 0,
        overrun: 0,
    };
    let mut timers = cx.t.process.timers.borrow_mut();
    let id = timers
        .iter()
        .position(Option::is_none)
        .unwrap_or(timers.len());
    if id >= MAX_TIMERS {
        return Err(Errno::EAGAIN.into());
    }
    timer.value = id as u64;
    if a[1] != 0 {
        let raw: [u8; 20] = cx.read_array(a[1])?;
        timer.value = get_u64(&raw, 0);
        let signal = Signal::new(get_u32(&raw, 8));
        match get_u32(&raw, 12) {
            0 => timer.signal = Some(signal.ok_or(Errno::EINVAL)?),
            1 => timer.signal = None,
            4 => {
                timer.signal = Some(signal.ok_or(Errno::EINVAL)?);
                let task = cx.t.pid_ns().task(get_u32(&raw, 16)).ok_or(Errno::EINVAL)?;
                timer.thread = Some(task.tid);
            }
            _ => return Err(Errno::EINVAL.into()),
        }
    }
    cx.write_mem(a[2], &(id as u32).to_le_bytes())?;
    if id == timers.len() {
        timers.push(Some(timer));
    } else {
        timers[id] = Some(timer);
    }
    Ok(0)
}

fn timer(cx: &Cx, id: u64) -> Result<PosixTimer, Errno> {
    cx.t.process
        .timers
        .borrow()
        .get(id as usize)
        .copied()
        .flatten()
        .ok_or(Errno::EINVAL)
}

fn timer_state(cx: &Cx, timer: &PosixTimer) -> [u8; 32] {
    let mut out = [0; 32];
    out[..16].copy_from_slice(&ns_to_timespec(timer.interval));
    let left = timer
        .next
        .map_or(0, |next| next.saturating_sub(cx.now()).max(1));
    out[16..].copy_from_slice(&ns_to_timespec(left));
    out
}

pub(super) fn timer_settime(cx: &Cx, a: &Args) -> SysResult {
    let old = timer(cx, a[0])?;
    let (interval, value) = itimerspec(&cx.read_array(a[2])?)?;
    if a[3] != 0 {
        cx.write_mem(a[3], &timer_state(cx, &old))?;
    }
    let next = match value {
        0 => None,
        value if a[1] as u32 & TIMER_ABSTIME != 0 => Some(absolute(cx, old.clock, value)),
        value => Some(cx.now().saturating_add(value)),
    };
    let process = &cx.t.process;
    if let Some(Some(timer)) = process.timers.borrow_mut().get_mut(a[0] as usize) {
        timer.next = next;
        timer.interval = interval;
        timer.overrun = 0;
    }
    if let Some(next) = next {
        cx.k.timers.add(
            next,
            Alarm::Posix(std::rc::Rc::downgrade(process), a[0] as usize),
        );
        cx.k.timers.expire(cx.now());
    }
    Ok(0)
}

pub(super) fn timer_gettime(cx: &Cx, a: &Args) -> SysResult {
    let timer = timer(cx, a[0])?;
    cx.write_mem(a[1], &timer_state(cx, &timer))?;
    Ok(0)
}

pub(super) fn timer_getoverrun(cx: &Cx, a: &Args) -> SysResult {
    Ok(u64::from(timer(cx, a[0])?.overrun))
}

pub(super) fn timer_delete(cx: &Cx, a: &Args) -> SysResult {
    timer(cx, a[0])?;
    if let Some(slot) = cx.t.process.timers.borrow_mut().get_mut(a[0] as usize) {
        *slot = None;
    }
    Ok(0)
}
