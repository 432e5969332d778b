//! Users, groups, capabilities.

use std::rc::Rc;

use bottleship_abi::caps::{VERSION_1, VERSION_2, VERSION_3};
use bottleship_abi::{Errno, get_u32};
use bottleship_vfs::{CapSet, Creds};

use super::{Args, Cx, SysResult};

const KEEP: u32 = u32::MAX;
/// `NGROUPS_MAX`.
const MAX_GROUPS: u64 = 65536;

pub(super) fn getuid(cx: &Cx, _: &Args) -> SysResult {
    Ok(u64::from(cx.t.creds.borrow().uid))
}

pub(super) fn geteuid(cx: &Cx, _: &Args) -> SysResult {
    Ok(u64::from(cx.t.creds.borrow().euid))
}

pub(super) fn getgid(cx: &Cx, _: &Args) -> SysResult {
    Ok(u64::from(cx.t.creds.borrow().gid))
}

pub(super) fn getegid(cx: &Cx, _: &Args) -> SysResult {
    Ok(u64::from(cx.t.creds.borrow().egid))
}

/// Takes over new credentials, with what a change of user does to capabilities (capabilities(7)).
fn commit(cx: &Cx, mut new: Creds) {
    let old = cx.creds();
    let had_root = old.uid == 0 || old.euid == 0 || old.suid == 0;
    let has_root = new.uid == 0 || new.euid == 0 || new.suid == 0;
    // SECBIT_NO_SETUID_FIXUP
    if cx.t.securebits.get() & 4 == 0 {
        if had_root && !has_root {
            if !cx.t.keep_caps.get() {
                new.caps.permitted = CapSet::empty();
                new.caps.effective = CapSet::empty();
            }
            new.caps.ambient = CapSet::empty();
        }
        if old.euid == 0 && new.euid != 0 {
            new.caps.effective = CapSet::empty();
        } else if old.euid != 0 && new.euid == 0 {
            new.caps.effective = new.caps.permitted;
        }
    }
    if new.euid != old.euid || new.egid != old.egid {
        cx.t.process.dumpable.set(false);
    }
    cx.t.creds.replace(Rc::new(new));
}

pub(super) fn setuid(cx: &Cx, a: &Args) -> SysResult {
    let uid = a[0] as u32;
    let old = cx.creds();
    let mut new = (*old).clone();
    if old.capable(CapSet::SETUID) {
        new.uid = uid;
        new.suid = uid;
    } else if uid != old.uid && uid != old.suid {
        return Err(Errno::EPERM.into());
    }
    new.euid = uid;
    new.fsuid = uid;
    commit(cx, new);
    Ok(0)
}

pub(super) fn setgid(cx: &Cx, a: &Args) -> SysResult {
    let gid = a[0] as u32;
    let old = cx.creds();
    let mut new = (*old).clone();
    if old.capable(CapSet::SETGID) {
        new.gid = gid;
        new.sgid = gid;
    } else if gid != old.gid && gid != old.sgid {
        return Err(Errno::EPERM.into());
    }
    new.egid = gid;
    new.fsgid = gid;
    commit(cx, new);
    Ok(0)
}

pub(super) fn setreuid(cx: &Cx, a: &Args) -> SysResult {
    let (ruid, euid) = (a[0] as u32, a[1] as u32);
    let old = cx.creds();
    let privileged = old.capable(CapSet::SETUID);
    let mut new = (*old).clone();
    if ruid != KEEP {
        if !privileged && ruid != old.uid && ruid != old.euid {
            return Err(Errno::EPERM.into());
        }
        new.uid = ruid;
    }
    if euid != KEEP {
        if !privileged && ![old.uid, old.euid, old.suid].contains(&euid) {
            return Err(Errno::EPERM.into());
        }
        new.euid = euid;
    }
    if ruid != KEEP || (euid != KEEP && euid != old.uid) {
        new.suid = new.euid;
    }
    new.fsuid = new.euid;
    commit(cx, new);
    Ok(0)
}

pub(super) fn setregid(cx: &Cx, a: &Args) -> SysResult {
    let (rgid, egid) = (a[0] as u32, a[1] as u32);
    let old = cx.creds();
    let privileged = old.capable(CapSet::SETGID);
    let mut new = (*old).clone();
    if rgid != KEEP {
        if !privileged && rgid != old.gid && rgid != old.egid {
            return Err(Errno::EPERM.into());
        }
        new.gid = rgid;
    }
    if egid != KEEP {
        if !privileged && ![old.gid, old.egid, old.sgid].contains(&egid) {
            return Err(Errno::EPERM.into());
        }
        new.egid = egid;
    }
    if rgid != KEEP || (egid != KEEP && egid != old.gid) {
        new.sgid = new.egid;
    }
    new.fsgid = new.egid;
    commit(cx, new);
    Ok(0)
}

pub(super) fn setresuid(cx: &Cx, a: &Args) -> SysResult {
    let wanted = [a[0], a[1], a[2]].map(|id| id as u32);
    let old = cx.creds();
    let known = [old.uid, old.euid, old.suid];
    if !old.capable(CapSet::SETUID) && wanted.iter().any(|id| *id != KEEP && !known.contains(id)) {
        return Err(Errno::EPERM.into());
    }
    let mut new = (*old).clone();
    for (slot, id) in [&mut new.uid, &mut new.euid, &mut new.suid]
        .into_iter()
        .zip(wanted)
    {
        if id != KEEP {
            *slot = id;
        }
    }
    new.fsuid = new.euid;
    commit(cx, new);
    Ok(0)
}

pub(super) fn setresgid(cx: &Cx, a: &Args) -> SysResult {
    let wanted = [a[0], a[1], a[2]].map(|id| id as u32);
    let old = cx.creds();
    let known = [old.gid, old.egid, old.sgid];
    if !old.capable(CapSet::SETGID) && wanted.iter().any(|id| *id != KEEP && !known.contains(id)) {
        return Err(Errno::EPERM.into());
    }
    let mut new = (*old).clone();
    for (slot, id) in [&mut new.gid, &mut new.egid, &mut new.sgid]
        .into_iter()
        .zip(wanted)
    {
        if id != KEEP {
            *slot = id;
        }
    }
    new.fsgid = new.egid;
    commit(cx, new);
    Ok(0)
}

pub(super) fn getresuid(cx: &Cx, a: &Args) -> SysResult {
    let creds = cx.creds();
    for (at, id) in [a[0], a[1], a[2]]
        .into_iter()
        .zip([creds.uid, creds.euid, creds.suid])
    {
        cx.write_mem(at, &id.to_le_bytes())?;
    }
    Ok(0)
}

pub(super) fn getresgid(cx: &Cx, a: &Args) -> SysResult {
    let creds = cx.creds();
    for (at, id) in [a[0], a[1], a[2]]
        .into_iter()
        .zip([creds.gid, creds.egid, creds.sgid])
    {
        cx.write_mem(at, &id.to_le_bytes())?;
    }
    Ok(0)
}

pub(super) fn setfsuid(cx: &Cx, a: &Args) -> SysResult {
    let old = cx.creds();
    let id = a[0] as u32;
    if id != KEEP
        && (old.capable(CapSet::SETUID) || [old.uid, old.euid, old.suid, old.fsuid].contains(&id))
    {
        cx.t.creds.replace(Rc::new(Creds {
            fsuid: id,
            ..(*old).clone()
        }));
    }
    Ok(u64::from(old.fsuid))
}

pub(super) fn setfsgid(cx: &Cx, a: &Args) -> SysResult {
    let old = cx.creds();
    let id = a[0] as u32;
    if id != KEEP
        && (old.capable(CapSet::SETGID) || [old.gid, old.egid, old.sgid, old.fsgid].contains(&id))
    {
        cx.t.creds.replace(Rc::new(Creds {
            fsgid: id,
            ..(*old).clone()
        }));
    }
    Ok(u64::from(old.fsgid))
}

pub(super) fn getgroups(cx: &Cx, a: &Args) -> SysResult {
    let groups = cx.creds().groups.clone();
    if (a[0] as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    if a[0] != 0 {
        if (a[0] as usize) < groups.len() {
            return Err(Errno::EINVAL.into());
        }
        let bytes: Vec<u8> = groups.iter().flat_map(|gid| gid.to_le_bytes()).collect();
        cx.write_mem(a[1], &bytes)?;
    }
    Ok(groups.len() as u64)
}

pub(super) fn setgroups(cx: &Cx, a: &Args) -> SysResult {
    cx.need(CapSet::SETGID)?;
    if a[0] > MAX_GROUPS {
        return Err(Errno::EINVAL.into());
    }
    let bytes = cx.read_vec(a[1], a[0] as usize * 4)?;
    let groups: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|chunk| get_u32(chunk, 0))
        .collect();
    let old = cx.creds();
    cx.t.creds.replace(Rc::new(Creds {
        groups: groups.into(),
        ..(*old).clone()
    }));
    Ok(0)
}

/// How many words a capability header's version has, telling the caller of the newest for an unknown one.
fn cap_words(cx: &Cx, header: u64) -> Result<(usize, u32), Errno> {
    let raw: [u8; 8] = cx.read_array(header)?;
    let words = match get_u32(&raw, 0) {
        VERSION_1 => 1,
        VERSION_2 | VERSION_3 => 2,
        _ => {
            cx.write_mem(header, &VERSION_3.to_le_bytes())?;
            return Err(Errno::EINVAL);
        }
    };
    Ok((words, get_u32(&raw, 4)))
}

pub(super) fn capget(cx: &Cx, a: &Args) -> SysResult {
    let (words, pid) = match cap_words(cx, a[0]) {
        Err(Errno::EINVAL) if a[1] == 0 => return Ok(0),
        result => result?,
    };
    let task = match pid {
        0 => cx.t.clone(),
        pid => cx.t.pid_ns().task(pid).ok_or(Errno::ESRCH)?,
    };
    if a[1] == 0 {
        return Ok(0);
    }
    let caps = task.creds.borrow().caps;
    let mut bytes = Vec::new();
    for word in 0..words {
        for set in [caps.effective, caps.permitted, caps.inheritable] {
            bytes.extend(((set.bits() >> (32 * word)) as u32).to_le_bytes());
        }
    }
    cx.write_mem(a[1], &bytes)?;
    Ok(0)
}

pub(super) fn capset(cx: &Cx, a: &Args) -> SysResult {
    let (words, pid) = cap_words(cx, a[0])?;
    if pid != 0 && pid != cx.t.tid_in(cx.t.pid_ns()) {
        return Err(Errno::EPERM.into());
    }
    let bytes = cx.read_vec(a[1], words * 12)?;
    let set = |index: usize| {
        let bits = (0..words).fold(0u64, |bits, word| {
            bits | u64::from(get_u32(&bytes, word * 12 + index * 4)) << (32 * word)
        });
        CapSet::from_bits_truncate(bits)
    };
    let (effective, permitted, inheritable) = (set(0), set(1), set(2));
    let old = cx.creds();
    let caps = old.caps;
    let may_inherit = caps.inheritable
        | if old.capable(CapSet::SETPCAP) {
            caps.bounding
        } else {
            caps.permitted
        };
    if !caps.permitted.contains(permitted)
        || !permitted.contains(effective)
        || !(may_inherit | caps.permitted).contains(inheritable)
    {
        return Err(Errno::EPERM.into());
    }
    let mut new = (*old).clone();
    new.caps.effective = effective;
    new.caps.permitted = permitted;
    new.caps.inheritable = inheritable;
    new.caps.ambient &= permitted & inheritable;
    cx.t.creds.replace(Rc::new(new));
    Ok(0)
}
