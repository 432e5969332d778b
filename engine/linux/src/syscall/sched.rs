//! Scheduling: one task at a time, round robin; priorities are remembered and don't matter, nor does which of the
//! announced processors a task asks for.

use std::rc::Rc;

use bottleship_abi::{Errno, get_u32};
use bottleship_vfs::CapSet;

use super::{Args, Cx, Stop, SysResult};
use crate::kernel::CPUS;
use crate::kernel::task::{Process, Task};

pub(super) fn sched_yield(_: &Cx, _: &Args) -> SysResult {
    Err(Stop::Yield)
}

/// The set of all CPUs.
const ALL_CPUS: u64 = (1 << CPUS) - 1;

fn task(cx: &Cx, pid: u64) -> Result<Rc<Task>, Errno> {
    match pid as i32 {
        0 => Ok(cx.t.clone()),
        pid if pid < 0 => Err(Errno::EINVAL),
        pid => cx.t.pid_ns().task(pid as u32).ok_or(Errno::ESRCH),
    }
}

pub(super) fn sched_getaffinity(cx: &Cx, a: &Args) -> SysResult {
    task(cx, a[0])?;
    if a[1] < 8 || !a[1].is_multiple_of(8) {
        return Err(Errno::EINVAL.into());
    }
    cx.write_mem(a[2], &ALL_CPUS.to_le_bytes())?;
    Ok(8)
}

pub(super) fn sched_setaffinity(cx: &Cx, a: &Args) -> SysResult {
    task(cx, a[0])?;
    if a[1] == 0 {
        return Err(Errno::EINVAL.into());
    }
    let first: [u8; 1] = cx.read_array(a[2])?;
    if u64::from(first[0]) & ALL_CPUS == 0 {
        Err(Errno::EINVAL.into())
    } else {
        Ok(0)
    }
}

pub(super) fn sched_getscheduler(cx: &Cx, a: &Args) -> SysResult {
    task(cx, a[0])?;
    Ok(0)
}

pub(super) fn sched_setscheduler(cx: &Cx, a: &Args) -> SysResult {
    task(cx, a[0])?;
    let priority = cx.read_u32(a[2])?;
    match a[1] as u32 & !0x4000_0000 {
        0 | 3 | 5 if priority == 0 => Ok(0),
        1 | 2 if (1..=99).contains(&priority) => {
            cx.need(CapSet::SYS_NICE)?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn sched_getparam(cx: &Cx, a: &Args) -> SysResult {
    task(cx, a[0])?;
    cx.write_mem(a[1], &0u32.to_le_bytes())?;
    Ok(0)
}

pub(super) fn sched_setparam(cx: &Cx, a: &Args) -> SysResult {
    task(cx, a[0])?;
    let raw: [u8; 4] = cx.read_array(a[1])?;
    if get_u32(&raw, 0) == 0 {
        Ok(0)
    } else {
        Err(Errno::EINVAL.into())
    }
}

pub(super) fn sched_get_priority_max(_: &Cx, a: &Args) -> SysResult {
    match a[0] {
        1 | 2 => Ok(99),
        0 | 3 | 5 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn sched_get_priority_min(_: &Cx, a: &Args) -> SysResult {
    match a[0] {
        1 | 2 => Ok(1),
        0 | 3 | 5 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn sched_rr_get_interval(cx: &Cx, a: &Args) -> SysResult {
    task(cx, a[0])?;
    cx.write_mem(a[1], &bottleship_abi::time::ns_to_timespec(1_000_000))?;
    Ok(0)
}

/// The processes that `getpriority` and `setpriority` are about.
fn chosen(cx: &Cx, which: u64, who: u64) -> Result<Vec<Rc<Process>>, Errno> {
    let own = &cx.t.process;
    let list = match (which, who as u32) {
        (0, 0) => vec![own.clone()],
        (0, pid) => cx.t.pid_ns().process(pid).into_iter().collect(),
        (1, 0) => own.group.borrow().processes(),
        (1, id) => {
            cx.t.pid_ns()
                .group(id)
                .map(|group| group.processes())
                .unwrap_or_default()
        }
        (2, uid) => {
            let uid = if uid == 0 {
                cx.t.creds.borrow().uid
            } else {
                uid
            };
            let all =
                cx.t.pid_ns()
                    .processes()
                    .into_iter()
                    .map(|(_, process)| process);
            all.filter(|process| {
                process
                    .task()
                    .is_some_and(|task| task.creds.borrow().uid == uid)
            })
            .collect()
        }
        _ => return Err(Errno::EINVAL),
    };
    if list.is_empty() {
        Err(Errno::ESRCH)
    } else {
        Ok(list)
    }
}

pub(super) fn getpriority(cx: &Cx, a: &Args) -> SysResult {
    let nice = chosen(cx, a[0], a[1])?
        .iter()
        .map(|process| process.nice.get())
        .min()
        .unwrap_or(0);
    Ok((20 - nice) as u64)
}

pub(super) fn setpriority(cx: &Cx, a: &Args) -> SysResult {
    let nice = (a[2] as i32).clamp(-20, 19);
    for process in chosen(cx, a[0], a[1])? {
        if nice < process.nice.get() && !cx.capable(CapSet::SYS_NICE) {
            return Err(Errno::EACCES.into());
        }
        process.nice.set(nice);
    }
    Ok(0)
}

pub(super) fn ioprio_get(_: &Cx, _: &Args) -> SysResult {
    Ok(4)
}

pub(super) fn ioprio_set(_: &Cx, _: &Args) -> SysResult {
    Ok(0)
}
