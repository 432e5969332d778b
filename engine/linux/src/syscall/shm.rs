//! System V shared memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_abi::mm::*;
use bottleship_abi::{Errno, Layout};
use bottleship_vfs::{CapSet, Creds, Path, SetAttr};

use super::{Args, Cx, SysResult};
use crate::mm::{Backing, MapRequest, PAGE};

const IPC_CREAT: u32 = 0o1000;
const IPC_EXCL: u32 = 0o2000;
const IPC_RMID: u32 = 0;
const IPC_STAT: u32 = 2;
const SHM_RDONLY: u32 = 0o10000;
const SHM_REMAP: u32 = 0o40000;
const SHM_EXEC: u32 = 0o100000;
/// `kernel.shmmni`.
const MAX_SEGMENTS: usize = 4096;

struct Segment {
    key: u32,
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    creator: u32,
    file: Path,
    /// Marked for removal: gone from keys, and forgotten when the last one detaches.
    removed: bool,
}

/// The segments of an IPC namespace.
#[derive(Default)]
pub struct Segments {
    by_id: RefCell<BTreeMap<u32, Segment>>,
    last: std::cell::Cell<u32>,
}

impl Segment {
    fn allows(&self, creds: &Creds, wanted: u32) -> bool {
        let shift = if creds.euid == self.uid {
            6
        } else if creds.in_group(self.gid) {
            3
        } else {
            0
        };
        (self.mode >> shift) & wanted == wanted || creds.capable(CapSet::IPC_OWNER)
    }

    /// How many mappings there are of it.
    fn attached(&self, cx: &Cx) -> u64 {
        let mut seen: Vec<*const crate::mm::Mm> = Vec::new();
        let mut count = 0;
        for task in cx.k.tasks.borrow().values() {
            let Ok(mm) = task.mm() else { continue };
            if !seen.contains(&Rc::as_ptr(&mm)) {
                seen.push(Rc::as_ptr(&mm));
                count += mm
                    .areas()
                    .iter()
                    .filter(|area| is_of(area, &self.file))
                    .count();
            }
        }
        count as u64
    }
}

fn is_of(area: &crate::mm::Area, file: &Path) -> bool {
    matches!(&area.backing, Backing::File { inode, .. } if bottleship_vfs::same_inode(inode, file.inode()))
}

pub(super) fn shmget(cx: &Cx, a: &Args) -> SysResult {
    let (key, size, flags) = (a[0] as u32, a[1], a[2] as u32);
    let ns = cx.t.ns();
    let segments = &ns.ipc.segments;
    let creds = cx.creds();
    if key != 0 {
        let by_id = segments.by_id.borrow();
        let found = by_id
            .iter()
            .find(|(_, segment)| segment.key == key && !segment.removed);
        if let Some((id, segment)) = found {
            if flags & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL {
                return Err(Errno::EEXIST.into());
            }
            if size > segment.size {
                return Err(Errno::EINVAL.into());
            }
            if !segment.allows(&creds, (flags >> 6 | flags >> 3 | flags) & 7) {
                return Err(Errno::EACCES.into());
            }
            return Ok(u64::from(*id));
        }
        if flags & IPC_CREAT == 0 {
            return Err(Errno::ENOENT.into());
        }
    }
    if size == 0 || size > cx.k.config.memory_limit {
        return Err(Errno::EINVAL.into());
    }
    if segments.by_id.borrow().len() >= MAX_SEGMENTS {
        return Err(Errno::ENOSPC.into());
    }
    let file = cx.k.anonymous_file(format!("SYSV{key:08x}").as_bytes())?;
    let pages = crate::mm::page_up(size).ok_or(Errno::EINVAL)?;
    file.inode().set_attr(&SetAttr {
        size: Some(pages),
        ..SetAttr::default()
    })?;
    let id = segments.last.get();
    segments.last.set(id.wrapping_add(1) & 0x7fff_ffff);
    let segment = Segment {
        key,
        size,
        mode: flags & 0o777,
        uid: creds.euid,
        gid: creds.egid,
        creator: cx.t.process.pid_in(cx.t.pid_ns()),
        file,
        removed: false,
    };
    segments.by_id.borrow_mut().insert(id, segment);
    Ok(u64::from(id))
}

pub(super) fn shmat(cx: &Cx, a: &Args) -> SysResult {
    let (id, addr, flags) = (a[0] as u32, a[1], a[2] as u32);
    let ns = cx.t.ns();
    let by_id = ns.ipc.segments.by_id.borrow();
    let segment = by_id.get(&id).ok_or(Errno::EINVAL)?;
    let writable = flags & SHM_RDONLY == 0;
    if !segment.allows(&cx.creds(), if writable { 6 } else { 4 }) {
        return Err(Errno::EACCES.into());
    }
    let addr = if flags & 0o20000 != 0 {
        addr & !(PAGE - 1)
    } else {
        addr
    };
    let place = match (addr, flags & SHM_REMAP != 0) {
        (0, _) => 0,
        (_, true) => MAP_FIXED,
        (_, false) => MAP_FIXED_NOREPLACE,
    };
    let mut prot = PROT_READ;
    if writable {
        prot |= PROT_WRITE;
    }
    if flags & SHM_EXEC != 0 {
        prot |= PROT_EXEC;
    }
    let mapped = cx.t.mm()?.map(MapRequest {
        addr,
        len: segment.size,
        prot,
        max_prot: PROT_READ | PROT_WRITE | PROT_EXEC,
        flags: MAP_SHARED | place,
        backing: Backing::File {
            inode: segment.file.inode().clone(),
            offset: 0,
            path: Some(segment.file.clone()),
        },
    });
    mapped.map_err(|errno| {
        if errno == Errno::EEXIST {
            Errno::EINVAL
        } else {
            errno
        }
        .into()
    })
}

pub(super) fn shmdt(cx: &Cx, a: &Args) -> SysResult {
    let mm = cx.t.mm()?;
    let area = mm
        .area_at(a[0])
        .filter(|area| area.start == a[0] && area.shared)
        .ok_or(Errno::EINVAL)?;
    let ns = cx.t.ns();
    let segments = &ns.ipc.segments;
    let found = segments
        .by_id
        .borrow()
        .iter()
        .find(|(_, s)| is_of(&area, &s.file))
        .map(|(&id, _)| id);
    let id = found.ok_or(Errno::EINVAL)?;
    mm.unmap(area.start, area.len())?;
    forget_unused(cx, id);
    Ok(0)
}

/// A removed segment goes with its last mapping; until someone looks, one that lost it by exit stays.
fn forget_unused(cx: &Cx, id: u32) {
    let ns = cx.t.ns();
    let unused = ns
        .ipc
        .segments
        .by_id
        .borrow()
        .get(&id)
        .is_some_and(|segment| segment.removed && segment.attached(cx) == 0);
    if unused {
        ns.ipc.segments.by_id.borrow_mut().remove(&id);
    }
}

pub(super) fn shmctl(cx: &Cx, a: &Args) -> SysResult {
    let (id, command) = (a[0] as u32, a[1] as u32 & 0xff);
    let ns = cx.t.ns();
    let segments = &ns.ipc.segments;
    match command {
        IPC_STAT => {
            let by_id = segments.by_id.borrow();
            let segment = by_id.get(&id).ok_or(Errno::EINVAL)?;
            let bytes: [u8; 112] = Layout::new()
                .u32(0, segment.key)
                .u32(4, segment.uid)
                .u32(8, segment.gid)
                .u32(12, segment.uid)
                .u32(16, segment.gid)
                .u32(20, segment.mode | if segment.removed { 0o1000 } else { 0 })
                .u64(48, segment.size)
                .u32(80, segment.creator)
                .u64(88, segment.attached(cx))
                .done();
            cx.write_mem(a[2], &bytes)?;
        }
        IPC_RMID => {
            let mut by_id = segments.by_id.borrow_mut();
            let segment = by_id.get_mut(&id).ok_or(Errno::EINVAL)?;
            let creds = cx.creds();
            if creds.euid != segment.uid && !creds.capable(CapSet::SYS_ADMIN) {
                return Err(Errno::EPERM.into());
            }
            segment.removed = true;
            drop(by_id);
            forget_unused(cx, id);
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}
