//! `poll` and `select`.

use bottleship_abi::poll::*;
use bottleship_abi::time::{ns_to_timespec, ns_to_timeval, timespec_to_ns, timeval_to_ns};
use bottleship_abi::{Errno, SigSet, get_u16, get_u32, get_u64};

use super::{Args, Cx, Restart, Stop, SysResult};
use crate::kernel::wait::PollTable;

/// Installs the mask of `ppoll`, `pselect`, `epoll_pwait` for the time of the call.
pub(super) fn set_mask(cx: &Cx, at: u64, size: u64) -> Result<(), Errno> {
    if at == 0 {
        return Ok(());
    }
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let mask = SigSet(cx.read_u64(at)?);
    // Set already when the call is made again.
    if cx.t.saved_mask.get().is_none() {
        cx.t.saved_mask.set(Some(cx.t.blocked.get()));
        cx.t.set_blocked(mask);
    }
    Ok(())
}

pub(super) fn poll(cx: &Cx, a: &Args) -> SysResult {
    let timeout = a[2] as i32;
    wait_poll(
        cx,
        a[0],
        a[1],
        if timeout < 0 {
            None
        } else {
            Some(timeout as u64 * 1_000_000)
        },
    )
}

pub(super) fn ppoll(cx: &Cx, a: &Args) -> SysResult {
    let timeout = if a[2] == 0 {
        None
    } else {
        Some(timespec_to_ns(&cx.read_array(a[2])?)?)
    };
    set_mask(cx, a[3], a[4])?;
    wait_poll(cx, a[0], a[1], timeout)
}

/// Readiness of one descriptor; `None` when there is no such descriptor.
fn ready(cx: &Cx, fd: i32, table: &mut PollTable) -> Option<u32> {
    Some(cx.io_file(fd as u64).ok()?.file.poll(table))
}

fn wait_poll(cx: &Cx, at: u64, count: u64, timeout: Option<u64>) -> SysResult {
    if count
        > cx.t
            .process
            .limit(bottleship_abi::process::RLIMIT_NOFILE)
            .min(1 << 20)
    {
        return Err(Errno::EINVAL.into());
    }
    let deadline = cx.deadline(timeout);
    let mut fds = cx.read_vec(at, count as usize * 8)?;
    let mut table = PollTable::for_task(cx.t);
    let mut found = 0;
    for entry in fds.chunks_exact_mut(8) {
        let fd = get_u32(entry, 0) as i32;
        let wanted = u32::from(get_u16(entry, 4));
        let result = if fd < 0 {
            0
        } else {
            match ready(cx, fd, &mut table) {
                Some(ready) => ready & (wanted | POLLERR | POLLHUP),
                None => POLLNVAL,
            }
        };
        entry[6..8].copy_from_slice(&(result as u16).to_le_bytes());
        found += u64::from(result != 0);
    }
    if found == 0 && deadline.is_none_or(|at| at > cx.now()) {
        return Err(cx.park_until(deadline, Restart::NoHandler));
    }
    cx.write_mem(at, &fds)?;
    Ok(found)
}

pub(super) fn select(cx: &Cx, a: &Args) -> SysResult {
    let timeout = if a[4] == 0 {
        None
    } else {
        Some(timeval_to_ns(&cx.read_array(a[4])?)?)
    };
    wait_select(cx, a, timeout, ns_to_timeval)
}

pub(super) fn pselect6(cx: &Cx, a: &Args) -> SysResult {
    let timeout = if a[4] == 0 {
        None
    } else {
        Some(timespec_to_ns(&cx.read_array(a[4])?)?)
    };
    if a[5] != 0 {
        let raw: [u8; 16] = cx.read_array(a[5])?;
        set_mask(cx, get_u64(&raw, 0), get_u64(&raw, 8))?;
    }
    wait_select(cx, a, timeout, ns_to_timespec)
}

const SETS: [u32; 3] = [
    POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
    POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
    POLLPRI,
];

fn wait_select(cx: &Cx, a: &Args, timeout: Option<u64>, encode: fn(u64) -> [u8; 16]) -> SysResult {
    let count = a[0] as i32;
    if count < 0 {
        return Err(Errno::EINVAL.into());
    }
    let count = (count as usize).min(cx.files().size().max(64));
    let deadline = cx.deadline(timeout);
    let bytes = count.div_ceil(64) * 8;
    let mut sets = Vec::with_capacity(3);
    for &at in &a[1..4] {
        sets.push(if at == 0 {
            vec![0; bytes]
        } else {
            cx.read_vec(at, bytes)?
        });
    }
    let mut table = PollTable::for_task(cx.t);
    let mut results = [vec![0u8; bytes], vec![0u8; bytes], vec![0u8; bytes]];
    let mut found = 0;
    for fd in 0..count {
        let (byte, bit) = (fd / 8, 1u8 << (fd % 8));
        if sets.iter().all(|set| set[byte] & bit == 0) {
            continue;
        }
        let ready = ready(cx, fd as i32, &mut table).ok_or(Errno::EBADF)?;
        for ((set, result), events) in sets.iter().zip(&mut results).zip(SETS) {
            if set[byte] & bit != 0 && ready & events != 0 {
                result[byte] |= bit;
                found += 1;
            }
        }
    }
    if found == 0 && deadline.is_none_or(|at| at > cx.now()) {
        return Err(cx.park_until(deadline, Restart::NoHandler));
    }
    for (&at, result) in a[1..4].iter().zip(&results) {
        if at != 0 {
            cx.write_mem(at, result)?;
        }
    }
    if let (Some(deadline), true) = (deadline, a[4] != 0) {
        cx.write_mem(a[4], &encode(deadline.saturating_sub(cx.now())))?;
    }
    Ok(found)
}

pub(super) fn pause(_: &Cx, _: &Args) -> SysResult {
    Err(Stop::Park(Restart::NoHandler))
}
