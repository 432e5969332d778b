//! Waiting for children, and what they used.

use std::rc::Rc;

use bottleship_abi::process::*;
use bottleship_abi::signal::{SI_USER, SigDetail};
use bottleship_abi::{Errno, Signal};

use super::{Args, Cx, Restart, SysResult};
use crate::kernel::task::{Life, Process};
use crate::kernel::{ChildChange, NS_PER_INSTRUCTION, child_info, reap};

/// Which children are waited for.
enum Which {
    Any,
    Pid(u32),
    Group(u32),
}

/// Looks for a child that has something to report; `ECHILD` when there is none to wait for at all.
fn look(cx: &Cx, which: &Which, options: u32) -> Result<Option<(Rc<Process>, ChildChange)>, Errno> {
    let ns = cx.t.pid_ns();
    let mut any = false;
    let children = cx.t.process.children.borrow().clone();
    for child in children {
        let chosen = match which {
            Which::Any => true,
            Which::Pid(pid) => child.pid_in(ns) == *pid,
            Which::Group(id) => cx.group_number(&child.group.borrow()) == *id,
        };
        let is_clone = child.exit_signal.get() != Some(Signal::SIGCHLD);
        if !chosen || (options & WALL == 0 && is_clone != (options & WCLONE != 0)) {
            continue;
        }
        any = true;
        match child.life.get() {
            Life::Zombie(status) if options & WEXITED != 0 => {
                return Ok(Some((child.clone(), ChildChange::Exited(status))));
            }
            Life::Stopped {
                by,
                reported: false,
            } if options & WSTOPPED != 0 => {
                if options & WNOWAIT == 0 {
                    child.life.set(Life::Stopped { by, reported: true });
                }
                return Ok(Some((child.clone(), ChildChange::Stopped(by))));
            }
            Life::Running if options & WCONTINUED != 0 && child.continued.get() => {
                if options & WNOWAIT == 0 {
                    child.continued.set(false);
                }
                return Ok(Some((child.clone(), ChildChange::Continued)));
            }
            _ => {}
        }
    }
    if any { Ok(None) } else { Err(Errno::ECHILD) }
}

fn usage_of(instructions: u64, max_rss: u64) -> [u8; 144] {
    let us = instructions * NS_PER_INSTRUCTION / 1000;
    rusage(us, us / 20, max_rss, 0)
}

pub(super) fn wait4(cx: &Cx, a: &Args) -> SysResult {
    let (pid, options) = (a[0] as i32, a[2] as u32);
    if options & !(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let which = match pid {
        -1 => Which::Any,
        0 => Which::Group(cx.group_number(&cx.t.process.group.borrow())),
        i32::MIN => return Err(Errno::ESRCH.into()),
        pid if pid < 0 => Which::Group(-pid as u32),
        pid => Which::Pid(pid as u32),
    };
    match look(cx, &which, options | WEXITED)? {
        Some((child, change)) => {
            let number = child.pid_in(cx.t.pid_ns());
            let word = match change {
                ChildChange::Exited(status) => status.wait_status(),
                ChildChange::Stopped(signal) => signal.number() << 8 | 0x7f,
                ChildChange::Continued => 0xffff,
            };
            if a[3] != 0 {
                let spent = child.instructions() + child.child_instructions.get();
                cx.write_mem(a[3], &usage_of(spent, child.max_rss.get()))?;
            }
            if a[1] != 0 {
                cx.write_mem(a[1], &word.to_le_bytes())?;
            }
            if let ChildChange::Exited(_) = change {
                reap(&child);
            }
            Ok(u64::from(number))
        }
        None if options & WNOHANG != 0 => Ok(0),
        None => Err(cx.wait_on(&cx.t.process.child_wait, Restart::Sys)),
    }
}

pub(super) fn waitid(cx: &Cx, a: &Args) -> SysResult {
    let options = a[3] as u32;
    let known = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD | WCLONE | WALL;
    if options & !known != 0 || options & (WEXITED | WSTOPPED | WCONTINUED) == 0 {
        return Err(Errno::EINVAL.into());
    }
    let which = match a[0] as u32 {
        P_ALL => Which::Any,
        P_PID if a[1] as i32 > 0 => Which::Pid(a[1] as u32),
        P_PGID if a[1] as i32 > 0 => Which::Group(a[1] as u32),
        P_PGID if a[1] == 0 => Which::Group(cx.group_number(&cx.t.process.group.borrow())),
        P_PIDFD => return Err(Errno::EBADF.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    match look(cx, &which, options)? {
        Some((child, change)) => {
            if a[2] != 0 {
                cx.write_mem(a[2], &child_info(&child, cx.t.pid_ns(), change).to_bytes())?;
            }
            if a[4] != 0 {
                let spent = child.instructions() + child.child_instructions.get();
                cx.write_mem(a[4], &usage_of(spent, child.max_rss.get()))?;
            }
            if matches!(change, ChildChange::Exited(_)) && options & WNOWAIT == 0 {
                reap(&child);
            }
            Ok(0)
        }
        None if options & WNOHANG != 0 => {
            if a[2] != 0 {
                let none = bottleship_abi::signal::SigInfo {
                    signal: Signal::SIGCHLD,
                    code: SI_USER,
                    detail: SigDetail::None,
                };
                let mut bytes = none.to_bytes();
                bytes[..4].fill(0);
                cx.write_mem(a[2], &bytes)?;
            }
            Ok(0)
        }
        None => Err(cx.wait_on(&cx.t.process.child_wait, Restart::Sys)),
    }
}

pub(super) fn getrusage(cx: &Cx, a: &Args) -> SysResult {
    let process = &cx.t.process;
    let (instructions, rss) = match a[0] as i32 {
        0 => (
            process.instructions(),
            cx.t.mm().map_or(0, |mm| mm.peak_pages() * 4),
        ),
        1 => (
            cx.t.instructions.get(),
            cx.t.mm().map_or(0, |mm| mm.peak_pages() * 4),
        ),
        -1 => (process.child_instructions.get(), 0),
        _ => return Err(Errno::EINVAL.into()),
    };
    cx.write_mem(a[1], &usage_of(instructions, rss))?;
    Ok(0)
}

pub(super) fn times(cx: &Cx, a: &Args) -> SysResult {
    let ticks = |instructions: u64| instructions * NS_PER_INSTRUCTION / 10_000_000;
    if a[0] != 0 {
        let bytes: [u8; 32] = bottleship_abi::Layout::new()
            .u64(0, ticks(cx.t.process.instructions()))
            .u64(16, ticks(cx.t.process.child_instructions.get()))
            .done();
        cx.write_mem(a[0], &bytes)?;
    }
    Ok(cx.now() / 10_000_000)
}
