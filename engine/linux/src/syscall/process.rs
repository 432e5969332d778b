//! Making and ending processes; their numbers, groups, sessions, namespaces.

use std::rc::Rc;

use bottleship_abi::process::*;
use bottleship_abi::{Errno, get_u64};
use bottleship_vfs::CapSet;

use super::{Args, Cx, Restart, Stop, SysResult};
use crate::kernel::fork::CloneArgs;
use crate::kernel::ns::PidNs;
use crate::kernel::task::{ExitStatus, Process, ProcessGroup, Resume, Session};

fn start(cx: &Cx, args: &CloneArgs) -> SysResult {
    if let Some(Resume::Vfork(child, number)) = cx.t.resume.take() {
        return wait_for_release(cx, child, number);
    }
    let child = cx.k.clone_task(cx, args)?;
    let number = child.tid_in(cx.t.pid_ns());
    if args.flags & CLONE_VFORK != 0 {
        return wait_for_release(cx, child.process.clone(), number);
    }
    Ok(u64::from(number))
}

/// `vfork`: the parent goes on when the child executed something or exited.
fn wait_for_release(cx: &Cx, child: Rc<Process>, number: u32) -> SysResult {
    if child.released.get() {
        return Ok(u64::from(number));
    }
    let stop = cx.wait_on(&child.release_wait, Restart::Uninterruptible);
    cx.t.resume.replace(Some(Resume::Vfork(child, number)));
    Err(stop)
}

pub(super) fn fork(cx: &Cx, _: &Args) -> SysResult {
    start(
        cx,
        &CloneArgs {
            exit_signal: 17,
            ..CloneArgs::default()
        },
    )
}

pub(super) fn vfork(cx: &Cx, _: &Args) -> SysResult {
    start(
        cx,
        &CloneArgs {
            flags: CLONE_VM | CLONE_VFORK,
            exit_signal: 17,
            ..CloneArgs::default()
        },
    )
}

pub(super) fn clone(cx: &Cx, a: &Args) -> SysResult {
    let flags = a[0] & 0xffff_ff00;
    if flags & CLONE_PIDFD != 0 {
        return Err(Errno::EINVAL.into());
    }
    start(
        cx,
        &CloneArgs {
            flags,
            exit_signal: a[0] as u32 & 0xff,
            stack: a[1],
            parent_tid: a[2],
            child_tid: a[3],
            tls: a[4],
            pidfd: 0,
        },
    )
}

pub(super) fn clone3(cx: &Cx, a: &Args) -> SysResult {
    if a[1] < 64 {
        return Err(Errno::EINVAL.into());
    }
    let raw: [u8; 64] = cx.read_array(a[0])?;
    let field = |index: usize| get_u64(&raw, index * 8);
    let (flags, stack, size) = (field(0), field(5), field(6));
    // Newer fields (set_tid, cgroup) must be zero.
    if a[1] > 64 {
        let rest = cx.read_vec(a[0].wrapping_add(64), (a[1] - 64).min(4096) as usize)?;
        if rest.iter().any(|&byte| byte != 0) {
            return Err(Errno::E2BIG.into());
        }
    }
    if flags & (CLONE_PIDFD | CLONE_DETACHED) != 0
        || flags & 0xff != 0
        || (stack == 0) != (size == 0)
    {
        return Err(Errno::EINVAL.into());
    }
    start(
        cx,
        &CloneArgs {
            flags,
            exit_signal: field(4) as u32,
            stack: stack.wrapping_add(size),
            parent_tid: field(3),
            child_tid: field(2),
            tls: field(7),
            pidfd: 0,
        },
    )
}

pub(super) fn exit(cx: &Cx, a: &Args) -> SysResult {
    cx.k.exit_task(cx.t, ExitStatus::Code(a[0] as u8));
    Err(Stop::NoReturn)
}

pub(super) fn exit_group(cx: &Cx, a: &Args) -> SysResult {
    cx.k.exit_group(&cx.t.process, ExitStatus::Code(a[0] as u8));
    Err(Stop::NoReturn)
}

pub(super) fn getpid(cx: &Cx, _: &Args) -> SysResult {
    Ok(u64::from(cx.t.process.pid_in(cx.t.pid_ns())))
}

pub(super) fn gettid(cx: &Cx, _: &Args) -> SysResult {
    Ok(u64::from(cx.t.tid_in(cx.t.pid_ns())))
}

pub(super) fn getppid(cx: &Cx, _: &Args) -> SysResult {
    let parent = cx.t.process.parent.borrow().upgrade();
    Ok(u64::from(
        parent.map_or(0, |parent| parent.pid_in(cx.t.pid_ns())),
    ))
}

pub(super) fn set_tid_address(cx: &Cx, a: &Args) -> SysResult {
    cx.t.clear_child_tid.set(a[0]);
    gettid(cx, a)
}

/// The process with this number in the caller's namespace; 0 is the caller.
fn process(cx: &Cx, pid: u64) -> Result<Rc<Process>, Errno> {
    match pid as i32 {
        0 => Ok(cx.t.process.clone()),
        pid if pid < 0 => Err(Errno::ESRCH),
        pid => cx.t.pid_ns().process(pid as u32).ok_or(Errno::ESRCH),
    }
}

pub(super) fn getpgid(cx: &Cx, a: &Args) -> SysResult {
    let group = process(cx, a[0])?.group.borrow().clone();
    Ok(u64::from(cx.group_number(&group)))
}

pub(super) fn getpgrp(cx: &Cx, _: &Args) -> SysResult {
    getpgid(cx, &[0; 6])
}

pub(super) fn getsid(cx: &Cx, a: &Args) -> SysResult {
    let session = process(cx, a[0])?.group.borrow().session.clone();
    Ok(u64::from(cx.session_number(&session)))
}

pub(super) fn setsid(cx: &Cx, _: &Args) -> SysResult {
    let own = &cx.t.process;
    let group = own.group.borrow().clone();
    if group.id == own.pid || cx.t.pid_ns().group(own.pid_in(cx.t.pid_ns())).is_some() {
        return Err(Errno::EPERM.into());
    }
    let session = Session::new(&own.numbers);
    *session.leader.borrow_mut() = Rc::downgrade(own);
    let group = ProcessGroup::new(&own.numbers, session);
    own.set_group(group.clone());
    PidNs::add_group(&group, own);
    getpid(cx, &[0; 6])
}

pub(super) fn setpgid(cx: &Cx, a: &Args) -> SysResult {
    if (a[1] as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let own = &cx.t.process;
    let target = process(cx, a[0])?;
    let is_self = Rc::ptr_eq(&target, own);
    if !is_self {
        let is_child = target
            .parent
            .borrow()
            .upgrade()
            .is_some_and(|parent| Rc::ptr_eq(&parent, own));
        if !is_child {
            return Err(Errno::ESRCH.into());
        }
        if !Rc::ptr_eq(&target.group.borrow().session, &own.group.borrow().session) {
            return Err(Errno::EPERM.into());
        }
        if target.execed.get() {
            return Err(Errno::EACCES.into());
        }
    }
    let session = target.group.borrow().session.clone();
    if session
        .leader
        .borrow()
        .upgrade()
        .is_some_and(|leader| Rc::ptr_eq(&leader, &target))
    {
        return Err(Errno::EPERM.into());
    }
    let ns = cx.t.pid_ns();
    let number = if a[1] == 0 {
        target.pid_in(ns)
    } else {
        a[1] as u32
    };
    if number == target.pid_in(ns) {
        if target.group.borrow().id != target.pid {
            let group = ProcessGroup::new(&target.numbers, session);
            target.set_group(group.clone());
            PidNs::add_group(&group, &target);
        }
        return Ok(0);
    }
    let group = ns.group(number).ok_or(Errno::EPERM)?;
    if !Rc::ptr_eq(&group.session, &session) {
        return Err(Errno::EPERM.into());
    }
    target.set_group(group);
    Ok(0)
}

pub(super) fn unshare(cx: &Cx, a: &Args) -> SysResult {
    const KNOWN: u64 = CLONE_FS
        | CLONE_FILES
        | CLONE_NEWNS
        | CLONE_NEWUTS
        | CLONE_NEWIPC
        | CLONE_NEWNET
        | CLONE_NEWPID
        | CLONE_NEWUSER
        | CLONE_NEWCGROUP
        | CLONE_SYSVSEM;
    let flags = a[0];
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & CLONE_NEWCGROUP != 0 {
        cx.need(CapSet::SYS_ADMIN)?;
    }
    let fs = cx.t.fs();
    if flags & (CLONE_FS | CLONE_NEWNS) != 0 {
        cx.t.fs.replace(Rc::new(fs.fork()));
    }
    let fs = cx.t.fs();
    let new = cx.k.unshared(cx, &cx.t.ns(), flags, &fs)?;
    if flags & CLONE_NEWPID != 0 {
        let parent = cx.t.child_pid_ns.borrow().clone();
        cx.t.child_pid_ns
            .replace(PidNs::nested(cx.k.new_ns_ino(), parent)?);
    }
    cx.t.ns.replace(Rc::new(new));
    if flags & CLONE_FILES != 0 {
        let files = cx.files();
        cx.t.files.replace(Rc::new(files.fork()));
    }
    Ok(0)
}
