//! System identity, limits, `prctl`, random numbers.

use bottleship_abi::caps::CAP_LAST_CAP;
use bottleship_abi::process::*;
use bottleship_abi::time::NSEC_PER_SEC;
use bottleship_abi::{Errno, Layout, Signal, get_u64};
use bottleship_vfs::{CapSet, Creds};

use super::{Args, Cx, SysResult};
use crate::kernel::task::Process;

use std::rc::Rc;

/// What `uname -r` says.
pub const RELEASE: &str = "6.1.0-bottleship";
/// What `uname -v` says.
pub const VERSION: &str = "#1 SMP PREEMPT_DYNAMIC Bottleship";

pub(super) fn uname(cx: &Cx, a: &Args) -> SysResult {
    let ns = cx.t.ns();
    let host = ns.uts.hostname.borrow();
    let domain = ns.uts.domainname.borrow();
    let bytes = utsname([
        b"Linux",
        &host,
        RELEASE.as_bytes(),
        VERSION.as_bytes(),
        b"x86_64",
        &domain,
    ]);
    cx.write_mem(a[0], &bytes)?;
    Ok(0)
}

fn set_name(cx: &Cx, a: &Args, domain: bool) -> SysResult {
    cx.need(CapSet::SYS_ADMIN)?;
    if a[1] > 64 {
        return Err(Errno::EINVAL.into());
    }
    let name = cx.read_vec(a[0], a[1] as usize)?;
    let uts = cx.t.ns().uts.clone();
    if domain {
        &uts.domainname
    } else {
        &uts.hostname
    }
    .replace(name);
    Ok(0)
}

pub(super) fn sethostname(cx: &Cx, a: &Args) -> SysResult {
    set_name(cx, a, false)
}

pub(super) fn setdomainname(cx: &Cx, a: &Args) -> SysResult {
    set_name(cx, a, true)
}

pub(super) fn sysinfo(cx: &Cx, a: &Args) -> SysResult {
    let total = cx.k.config.memory_limit;
    let used = cx.k.root_cgroup.stats().memory_usage;
    let bytes: [u8; 112] = Layout::new()
        .u64(0, cx.now() / NSEC_PER_SEC)
        .u64(32, total)
        .u64(40, total.saturating_sub(used))
        .u16(80, cx.k.tasks.borrow().len() as u16)
        .u32(104, 1)
        .done();
    cx.write_mem(a[0], &bytes)?;
    Ok(0)
}

pub(super) fn getrandom(cx: &Cx, a: &Args) -> SysResult {
    if a[2] as u32 & !7 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let len = a[1].min(1 << 25);
    let mut buf = [0; 256];
    let mut done = 0;
    while done < len {
        let n = (len - done).min(256) as usize;
        cx.k.rng.borrow_mut().fill(&mut buf[..n]);
        cx.write_mem(a[0].wrapping_add(done), &buf[..n])?;
        done += n as u64;
    }
    Ok(len)
}

pub(super) fn getcpu(cx: &Cx, a: &Args) -> SysResult {
    for &at in &a[..2] {
        if at != 0 {
            cx.write_mem(at, &0u32.to_le_bytes())?;
        }
    }
    Ok(0)
}

fn limits_of(cx: &Cx, pid: u64) -> Result<Rc<Process>, Errno> {
    if pid as i32 == 0 {
        return Ok(cx.t.process.clone());
    }
    let process = cx.t.pid_ns().process(pid as u32).ok_or(Errno::ESRCH)?;
    let own = cx.creds();
    let same = process.task().is_some_and(|task| {
        let other = task.creds.borrow();
        [other.uid, other.euid, other.suid]
            .iter()
            .all(|&uid| uid == own.uid)
    });
    if same || own.capable(CapSet::SYS_RESOURCE) {
        Ok(process)
    } else {
        Err(Errno::EPERM)
    }
}

fn change_limit(cx: &Cx, process: &Process, resource: usize, new: Rlimit) -> Result<(), Errno> {
    let mut limits = process.rlimits.borrow_mut();
    let limit = limits.get_mut(resource).ok_or(Errno::EINVAL)?;
    if new.soft > new.hard {
        return Err(Errno::EINVAL);
    }
    if new.hard > limit.hard && !cx.capable(CapSet::SYS_RESOURCE) {
        return Err(Errno::EPERM);
    }
    *limit = new;
    drop(limits);
    if let Some(mm) = process.task().and_then(|task| task.mm().ok()) {
        match resource {
            RLIMIT_STACK => mm.stack_limit.set(new.soft),
            RLIMIT_AS => mm.as_limit.set(new.soft),
            _ => {}
        }
    }
    Ok(())
}

fn read_limit(cx: &Cx, at: u64) -> Result<Rlimit, Errno> {
    let raw: [u8; 16] = cx.read_array(at)?;
    Ok(Rlimit {
        soft: get_u64(&raw, 0),
        hard: get_u64(&raw, 8),
    })
}

fn write_limit(cx: &Cx, at: u64, limit: Rlimit) -> Result<(), Errno> {
    let raw: [u8; 16] = Layout::new().u64(0, limit.soft).u64(8, limit.hard).done();
    cx.write_mem(at, &raw)
}

pub(super) fn getrlimit(cx: &Cx, a: &Args) -> SysResult {
    let limit = *cx
        .t
        .process
        .rlimits
        .borrow()
        .get(a[0] as usize)
        .ok_or(Errno::EINVAL)?;
    write_limit(cx, a[1], limit)?;
    Ok(0)
}

pub(super) fn setrlimit(cx: &Cx, a: &Args) -> SysResult {
    let new = read_limit(cx, a[1])?;
    change_limit(cx, &cx.t.process, a[0] as usize, new)?;
    Ok(0)
}

pub(super) fn prlimit64(cx: &Cx, a: &Args) -> SysResult {
    let process = limits_of(cx, a[0])?;
    let old = *process
        .rlimits
        .borrow()
        .get(a[1] as usize)
        .ok_or(Errno::EINVAL)?;
    if a[2] != 0 {
        let new = read_limit(cx, a[2])?;
        change_limit(cx, &process, a[1] as usize, new)?;
    }
    if a[3] != 0 {
        write_limit(cx, a[3], old)?;
    }
    Ok(0)
}

pub(super) fn prctl(cx: &Cx, a: &Args) -> SysResult {
    let (option, arg) = (a[0] as u32, a[1]);
    let process = &cx.t.process;
    match option {
        PR_SET_PDEATHSIG => cx.t.pdeathsig.set(match arg {
            0 => None,
            signal => Some(Signal::new(signal as u32).ok_or(Errno::EINVAL)?),
        }),
        PR_GET_PDEATHSIG => {
            let signal = cx.t.pdeathsig.get().map_or(0, Signal::number);
            cx.write_mem(arg, &signal.to_le_bytes())?;
        }
        PR_GET_DUMPABLE => return Ok(u64::from(process.dumpable.get())),
        PR_SET_DUMPABLE => match arg {
            0 | 1 => process.dumpable.set(arg == 1),
            _ => return Err(Errno::EINVAL.into()),
        },
        PR_GET_KEEPCAPS => return Ok(u64::from(cx.t.keep_caps.get())),
        PR_SET_KEEPCAPS => match arg {
            0 | 1 => cx.t.keep_caps.set(arg == 1),
            _ => return Err(Errno::EINVAL.into()),
        },
        PR_SET_NAME => {
            let mut name = [0; 15];
            let mut len = 0;
            while len < 15 {
                let byte: [u8; 1] = cx.read_array(arg.wrapping_add(len as u64))?;
                if byte[0] == 0 {
                    break;
                }
                name[len] = byte[0];
                len += 1;
            }
            cx.t.comm.replace(name[..len].to_vec());
        }
        PR_GET_NAME => {
            let name: [u8; 16] = Layout::new().bytes(0, &cx.t.comm.borrow()).done();
            cx.write_mem(arg, &name)?;
        }
        PR_GET_SECCOMP => {}
        PR_CAPBSET_READ => {
            if arg > u64::from(CAP_LAST_CAP) {
                return Err(Errno::EINVAL.into());
            }
            return Ok(cx.creds().caps.bounding.bits() >> arg & 1);
        }
        PR_CAPBSET_DROP => {
            cx.need(CapSet::SETPCAP)?;
            if arg > u64::from(CAP_LAST_CAP) {
                return Err(Errno::EINVAL.into());
            }
            let mut new = (*cx.creds()).clone();
            new.caps.bounding &= !CapSet::from_bits_retain(1 << arg);
            cx.t.creds.replace(Rc::new(new));
        }
        PR_GET_SECUREBITS => return Ok(u64::from(cx.t.securebits.get())),
        PR_SET_SECUREBITS => {
            cx.need(CapSet::SETPCAP)?;
            cx.t.securebits.set(arg as u32);
        }
        PR_SET_TIMERSLACK | PR_SET_VMA | PR_SET_MM => {}
        PR_GET_TIMERSLACK => return Ok(50_000),
        PR_SET_CHILD_SUBREAPER => process.subreaper.set(arg != 0),
        PR_GET_CHILD_SUBREAPER => {
            cx.write_mem(arg, &u32::from(process.subreaper.get()).to_le_bytes())?
        }
        PR_SET_NO_NEW_PRIVS => {
            if arg != 1 || a[2] != 0 || a[3] != 0 || a[4] != 0 {
                return Err(Errno::EINVAL.into());
            }
            cx.t.no_new_privs.set(true);
        }
        PR_GET_NO_NEW_PRIVS => return Ok(u64::from(cx.t.no_new_privs.get())),
        PR_GET_TID_ADDRESS => cx.write_mem(arg, &cx.t.clear_child_tid.get().to_le_bytes())?,
        PR_CAP_AMBIENT => return ambient(cx, arg, a[2]),
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

fn ambient(cx: &Cx, what: u64, cap: u64) -> SysResult {
    if cap > u64::from(CAP_LAST_CAP) {
        return Err(Errno::EINVAL.into());
    }
    let cap = CapSet::from_bits_retain(1 << cap);
    let mut new: Creds = (*cx.creds()).clone();
    match what {
        1 => return Ok(u64::from(new.caps.ambient.contains(cap))),
        2 => {
            if !new.caps.permitted.contains(cap) || !new.caps.inheritable.contains(cap) {
                return Err(Errno::EPERM.into());
            }
            new.caps.ambient |= cap;
        }
        3 => new.caps.ambient &= !cap,
        4 => new.caps.ambient = CapSet::empty(),
        _ => return Err(Errno::EINVAL.into()),
    }
    cx.t.creds.replace(Rc::new(new));
    Ok(0)
}

pub(super) fn arch_prctl(cx: &Cx, a: &Args) -> SysResult {
    let (code, addr) = (a[0] as u32, a[1]);
    let canonical = addr < 1 << 47;
    match code {
        ARCH_SET_FS if canonical => cx.t.with_cpu(|cpu| cpu.set_fs_base(addr))?,
        ARCH_SET_GS if canonical => cx.t.with_cpu(|cpu| cpu.set_gs_base(addr))?,
        ARCH_SET_FS | ARCH_SET_GS => return Err(Errno::EPERM.into()),
        ARCH_GET_FS => {
            let base = cx.t.with_cpu(|cpu| cpu.fs_base())?;
            cx.write_mem(addr, &base.to_le_bytes())?;
        }
        ARCH_GET_GS => {
            let base = cx.t.with_cpu(|cpu| cpu.gs_base())?;
            cx.write_mem(addr, &base.to_le_bytes())?;
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

pub(super) fn personality(cx: &Cx, a: &Args) -> SysResult {
    let old = cx.t.process.personality.get();
    if a[0] as u32 != u32::MAX {
        cx.t.process.personality.set(u64::from(a[0] as u32));
    }
    Ok(old)
}

pub(super) fn reboot(cx: &Cx, _: &Args) -> SysResult {
    cx.need(CapSet::SYS_BOOT)?;
    Err(Errno::EINVAL.into())
}

pub(super) fn syslog(cx: &Cx, a: &Args) -> SysResult {
    match a[0] as u32 {
        // The log is empty; its size is a page.
        9 => Ok(0),
        10 => Ok(4096),
        2..=4 => {
            cx.need(CapSet::SYSLOG)?;
            Ok(0)
        }
        _ => Err(Errno::EPERM.into()),
    }
}
