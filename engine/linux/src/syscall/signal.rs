//! Signals.

use std::rc::Rc;

use bottleship_abi::signal::*;
use bottleship_abi::time::timespec_to_ns;
use bottleship_abi::{Errno, SigSet, Signal, get_u32, get_u64};
use bottleship_vfs::CapSet;

use super::{Args, Cx, Restart, Stop, SysResult};
use crate::kernel::signal::{Sent, by_process, send_to_process, send_to_task};
use crate::kernel::task::{Process, Task};

pub(super) fn rt_sigaction(cx: &Cx, a: &Args) -> SysResult {
    if a[3] != 8 {
        return Err(Errno::EINVAL.into());
    }
    let signal = Signal::new(a[0] as u32).ok_or(Errno::EINVAL)?;
    let sighand = cx.t.sighand.borrow().clone();
    let old = sighand.get(signal);
    if a[1] != 0 {
        if SigSet::UNBLOCKABLE.contains(signal) {
            return Err(Errno::EINVAL.into());
        }
        let mut action = SigAction::from_bytes(&cx.read_array(a[1])?);
        action.mask = action.mask & !SigSet::UNBLOCKABLE;
        sighand.set(signal, action);
        // What is now ignored is forgotten.
        if sighand.ignores(signal) {
            cx.t.process.pending.borrow_mut().remove(SigSet::of(signal));
            for task in cx.t.process.tasks() {
                task.pending.borrow_mut().remove(SigSet::of(signal));
            }
        }
    }
    if a[2] != 0 {
        cx.write_mem(a[2], &old.to_bytes())?;
    }
    Ok(0)
}

pub(super) fn rt_sigprocmask(cx: &Cx, a: &Args) -> SysResult {
    if a[3] != 8 {
        return Err(Errno::EINVAL.into());
    }
    let old = cx.t.blocked.get();
    if a[1] != 0 {
        let set = SigSet(cx.read_u64(a[1])?);
        cx.t.set_blocked(match a[0] as u32 {
            SIG_BLOCK => old | set,
            SIG_UNBLOCK => old & !set,
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL.into()),
        });
    }
    if a[2] != 0 {
        cx.write_mem(a[2], &old.0.to_le_bytes())?;
    }
    Ok(0)
}

pub(super) fn rt_sigpending(cx: &Cx, a: &Args) -> SysResult {
    let pending =
        (cx.t.pending.borrow().set | cx.t.process.pending.borrow().set) & cx.t.blocked.get();
    cx.write_mem(a[0], &pending.0.to_le_bytes())?;
    Ok(0)
}

pub(super) fn rt_sigsuspend(cx: &Cx, a: &Args) -> SysResult {
    super::poll::set_mask(cx, a[0], a[1])?;
    Err(Stop::Park(Restart::NoHandler))
}

pub(super) fn rt_sigtimedwait(cx: &Cx, a: &Args) -> SysResult {
    if a[3] != 8 {
        return Err(Errno::EINVAL.into());
    }
    let wanted = SigSet(cx.read_u64(a[0])?) & !SigSet::UNBLOCKABLE;
    let timeout = if a[2] == 0 {
        None
    } else {
        Some(timespec_to_ns(&cx.read_array(a[2])?)?)
    };
    let deadline = cx.deadline(timeout);
    cx.t.sigwait.set(SigSet::EMPTY);
    if let Some(info) = cx.t.take_signal(wanted) {
        if a[1] != 0 {
            cx.write_mem(a[1], &info.to_bytes())?;
        }
        return Ok(u64::from(info.signal.number()));
    }
    if deadline.is_some_and(|at| at <= cx.now()) {
        return Err(Errno::EAGAIN.into());
    }
    cx.t.sigwait.set(wanted);
    Err(cx.park_until(deadline, Restart::NoHandler))
}

pub(super) fn rt_sigreturn(cx: &Cx, _: &Args) -> SysResult {
    if crate::kernel::sigreturn(cx).is_err() {
        crate::kernel::signal::force(cx.t, SigInfo::kernel(Signal::SIGSEGV));
    }
    Err(Stop::NoReturn)
}

pub(super) fn sigaltstack(cx: &Cx, a: &Args) -> SysResult {
    let (base, size, flags) = cx.t.altstack.get();
    let rsp = cx.t.with_cpu(|cpu| cpu.gpr[bottleship_x86::reg::RSP])?;
    let on_it = size > 0 && rsp > base && rsp - base <= size;
    if a[0] != 0 {
        let raw: [u8; 24] = cx.read_array(a[0])?;
        let (new_base, new_flags, new_size) =
            (get_u64(&raw, 0), get_u32(&raw, 8), get_u64(&raw, 16));
        if on_it {
            return Err(Errno::EPERM.into());
        }
        if new_flags & !(SS_DISABLE | SS_ONSTACK | SS_AUTODISARM) != 0 {
            return Err(Errno::EINVAL.into());
        }
        if new_flags & SS_DISABLE != 0 {
            cx.t.altstack.set((0, 0, 0));
        } else {
            if new_size < MINSIGSTKSZ {
                return Err(Errno::ENOMEM.into());
            }
            cx.t.altstack
                .set((new_base, new_size, new_flags & SS_AUTODISARM));
        }
    }
    if a[1] != 0 {
        let state = if size == 0 {
            SS_DISABLE
        } else {
            flags | if on_it { SS_ONSTACK } else { 0 }
        };
        let raw: [u8; 24] = bottleship_abi::Layout::new()
            .u64(0, base)
            .u32(8, state)
            .u64(16, size)
            .done();
        cx.write_mem(a[1], &raw)?;
    }
    Ok(0)
}

/// Whether the caller may signal this process (`kill_ok_by_cred`).
fn may_signal(cx: &Cx, target: &Process, signal: u32) -> bool {
    let own = cx.creds();
    if own.capable(CapSet::KILL) {
        return true;
    }
    let Some(task) = target.task() else {
        return true;
    };
    let other = task.creds.borrow();
    let same_user = [own.uid, own.euid]
        .iter()
        .any(|uid| [other.uid, other.suid].contains(uid));
    let same_session = Rc::ptr_eq(
        &target.group.borrow().session,
        &cx.t.process.group.borrow().session,
    );
    same_user || (signal == Signal::SIGCONT.number() && same_session)
}

fn signal_process(cx: &Cx, target: &Rc<Process>, number: u32) -> Result<(), Errno> {
    if !may_signal(cx, target, number) {
        return Err(Errno::EPERM);
    }
    if let Some(signal) = Signal::new(number) {
        send_to_process(target, by_process(cx, target, signal, false));
    }
    Ok(())
}

/// Signals all of them: succeeds if one took it.
fn signal_all(cx: &Cx, targets: &[Rc<Process>], number: u32) -> SysResult {
    let mut result = Err(Errno::ESRCH);
    for target in targets {
        match signal_process(cx, target, number) {
            Ok(()) => result = Ok(()),
            Err(errno) if result == Err(Errno::ESRCH) => result = Err(errno),
            Err(_) => {}
        }
    }
    result.map(|()| 0).map_err(Into::into)
}

pub(super) fn kill(cx: &Cx, a: &Args) -> SysResult {
    let (pid, number) = (a[0] as i32, a[1] as u32);
    if number > 64 {
        return Err(Errno::EINVAL.into());
    }
    let ns = cx.t.pid_ns();
    match pid {
        1.. => {
            let process = ns
                .process(pid as u32)
                .or_else(|| ns.task(pid as u32).map(|task| task.process.clone()));
            signal_process(cx, &process.ok_or(Errno::ESRCH)?, number)?;
            Ok(0)
        }
        0 => {
            let group = cx.t.process.group.borrow().clone();
            signal_all(cx, &group.processes(), number)
        }
        -1 => {
            let own = cx.t.process.pid;
            let all = ns.processes().into_iter();
            let targets: Vec<_> = all
                .filter(|(n, p)| *n > 1 && p.pid != own)
                .map(|(_, p)| p)
                .collect();
            signal_all(cx, &targets, number)
        }
        i32::MIN => Err(Errno::ESRCH.into()),
        group => signal_all(
            cx,
            &ns.group(-group as u32).ok_or(Errno::ESRCH)?.processes(),
            number,
        ),
    }
}

fn thread(cx: &Cx, tgid: Option<u64>, tid: u64) -> Result<Rc<Task>, Errno> {
    if (tid as i32) <= 0 || tgid.is_some_and(|tgid| (tgid as i32) <= 0) {
        return Err(Errno::EINVAL);
    }
    let task = cx.t.pid_ns().task(tid as u32).ok_or(Errno::ESRCH)?;
    match tgid {
        Some(tgid) if task.process.pid_in(cx.t.pid_ns()) != tgid as u32 => Err(Errno::ESRCH),
        _ => Ok(task),
    }
}

fn signal_thread(cx: &Cx, task: &Rc<Task>, number: u32) -> SysResult {
    if number > 64 {
        return Err(Errno::EINVAL.into());
    }
    if !may_signal(cx, &task.process, number) {
        return Err(Errno::EPERM.into());
    }
    if let Some(signal) = Signal::new(number) {
        send_to_task(task, by_process(cx, &task.process, signal, true));
    }
    Ok(0)
}

pub(super) fn tkill(cx: &Cx, a: &Args) -> SysResult {
    signal_thread(cx, &thread(cx, None, a[0])?, a[1] as u32)
}

pub(super) fn tgkill(cx: &Cx, a: &Args) -> SysResult {
    signal_thread(cx, &thread(cx, Some(a[0]), a[1])?, a[2] as u32)
}

/// The `siginfo` that a guest made up; only for itself may it claim to be the kernel.
fn queued(cx: &Cx, at: u64, number: u32, to_self: bool) -> Result<Option<SigInfo>, Errno> {
    let raw: [u8; 48] = cx.read_array(at)?;
    let code = get_u32(&raw, 8) as i32;
    if !to_self && (code >= 0 || code == SI_TKILL) {
        return Err(Errno::EPERM);
    }
    if number > 64 {
        return Err(Errno::EINVAL);
    }
    let detail = SigDetail::Queue {
        pid: get_u32(&raw, 16),
        uid: get_u32(&raw, 20),
        value: get_u64(&raw, 24),
    };
    Ok(Signal::new(number).map(|signal| SigInfo {
        signal,
        code,
        detail,
    }))
}

pub(super) fn rt_sigqueueinfo(cx: &Cx, a: &Args) -> SysResult {
    let target = cx.t.pid_ns().process(a[0] as u32).ok_or(Errno::ESRCH)?;
    let info = queued(cx, a[2], a[1] as u32, Rc::ptr_eq(&target, &cx.t.process))?;
    if !may_signal(cx, &target, a[1] as u32) {
        return Err(Errno::EPERM.into());
    }
    if let Some(info) = info {
        send_to_process(
            &target,
            Sent {
                info,
                from: Some(cx.t.pid_ns().clone()),
            },
        );
    }
    Ok(0)
}

pub(super) fn rt_tgsigqueueinfo(cx: &Cx, a: &Args) -> SysResult {
    let task = thread(cx, Some(a[0]), a[1])?;
    let info = queued(
        cx,
        a[3],
        a[2] as u32,
        Rc::ptr_eq(&task.process, &cx.t.process),
    )?;
    if !may_signal(cx, &task.process, a[2] as u32) {
        return Err(Errno::EPERM.into());
    }
    if let Some(info) = info {
        send_to_task(
            &task,
            Sent {
                info,
                from: Some(cx.t.pid_ns().clone()),
            },
        );
    }
    Ok(0)
}
