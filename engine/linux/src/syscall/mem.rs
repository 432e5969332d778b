//! Memory.

use bottleship_abi::Errno;
use bottleship_abi::mm::*;
use bottleship_abi::process::{RLIMIT_AS, RLIMIT_DATA};
use bottleship_vfs::MountFlags;

use super::{Args, Cx, SysResult};
use crate::mm::{Backing, MapRequest, PAGE};

const ALL: u32 = PROT_READ | PROT_WRITE | PROT_EXEC;

pub(super) fn mmap(cx: &Cx, a: &Args) -> SysResult {
    let (prot, flags, offset) = (a[2] as u32 & ALL, a[3] as u32, a[5]);
    if offset % PAGE != 0 {
        return Err(Errno::EINVAL.into());
    }
    let shared = match flags & MAP_TYPE {
        MAP_PRIVATE => false,
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    if flags & MAP_HUGETLB != 0 {
        return Err(Errno::ENOMEM.into());
    }
    let mm = cx.t.mm()?;
    mm.as_limit.set(cx.t.process.limit(RLIMIT_AS));
    let mut max_prot = ALL;
    let backing = if flags & MAP_ANONYMOUS != 0 {
        if shared {
            let file = cx.k.anonymous_file(b"dev/zero")?;
            let size = bottleship_vfs::SetAttr {
                size: Some(a[1]),
                ..Default::default()
            };
            file.inode().set_attr(&size)?;
            Backing::File {
                inode: file.inode().clone(),
                offset: 0,
                path: Some(file),
            }
        } else {
            Backing::Anonymous
        }
    } else {
        let file = cx.io_file(a[4])?;
        if !file.readable() {
            return Err(Errno::EACCES.into());
        }
        if shared && !file.writable() {
            if prot & PROT_WRITE != 0 {
                return Err(Errno::EACCES.into());
            }
            max_prot &= !PROT_WRITE;
        }
        if file
            .path
            .as_ref()
            .is_some_and(|path| path.mount.flags().contains(MountFlags::NOEXEC))
        {
            if prot & PROT_EXEC != 0 {
                return Err(Errno::EPERM.into());
            }
            max_prot &= !PROT_EXEC;
        }
        let Some(inode) = file.file.inode() else {
            return Err(Errno::ENODEV.into());
        };
        let attr = inode.attr()?;
        if attr.rdev == bottleship_abi::mode::makedev(1, 5) && !attr.is_file() && !shared {
            // /dev/zero
            Backing::Anonymous
        } else if !attr.is_file() {
            return Err(Errno::ENODEV.into());
        } else {
            if a[1]
                .checked_add(offset)
                .is_none_or(|end| end > i64::MAX as u64)
            {
                return Err(Errno::EOVERFLOW.into());
            }
            Backing::File {
                inode: inode.clone(),
                offset,
                path: file.path.clone(),
            }
        }
    };
    let flags = if flags & MAP_TYPE == MAP_SHARED_VALIDATE {
        flags & !MAP_TYPE | MAP_SHARED
    } else {
        flags
    };
    Ok(mm.map(MapRequest {
        addr: a[0],
        len: a[1],
        prot,
        max_prot,
        flags,
        backing,
    })?)
}

pub(super) fn munmap(cx: &Cx, a: &Args) -> SysResult {
    cx.t.mm()?.unmap(a[0], a[1])?;
    Ok(0)
}

pub(super) fn mprotect(cx: &Cx, a: &Args) -> SysResult {
    let prot = a[2] as u32;
    if prot & !(ALL | PROT_GROWSDOWN | PROT_GROWSUP | 8) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = cx.t.mm()?;
    let (mut start, mut len) = (a[0], a[1]);
    if prot & PROT_GROWSDOWN != 0 {
        let area = mm
            .area_at(start)
            .filter(|area| area.grows_down)
            .ok_or(Errno::EINVAL)?;
        len = len.saturating_add(start - area.start);
        start = area.start;
    }
    mm.protect(start, len, prot & ALL)?;
    Ok(0)
}

pub(super) fn mremap(cx: &Cx, a: &Args) -> SysResult {
    Ok(cx.t.mm()?.remap(a[0], a[1], a[2], a[3] as u32, a[4])?)
}

pub(super) fn brk(cx: &Cx, a: &Args) -> SysResult {
    Ok(cx.t.mm()?.set_brk(a[0], cx.t.process.limit(RLIMIT_DATA)))
}

pub(super) fn madvise(cx: &Cx, a: &Args) -> SysResult {
    cx.t.mm()?.advise(a[0], a[1], a[2] as u32)?;
    Ok(0)
}

pub(super) fn msync(cx: &Cx, a: &Args) -> SysResult {
    if !a[0].is_multiple_of(PAGE) || a[2] & !7 != 0 || a[2] & 5 == 5 {
        return Err(Errno::EINVAL.into());
    }
    let mm = cx.t.mm()?;
    if a[1] > 0 && mm.area_at(a[0]).is_none() {
        Err(Errno::ENOMEM.into())
    } else {
        Ok(0)
    }
}

pub(super) fn mincore(cx: &Cx, a: &Args) -> SysResult {
    if !a[0].is_multiple_of(PAGE) {
        return Err(Errno::EINVAL.into());
    }
    let pages = a[1].div_ceil(PAGE).min(1 << 20);
    let mm = cx.t.mm()?;
    let mut out = Vec::with_capacity(pages as usize);
    for page in 0..pages {
        let at = a[0].saturating_add(page * PAGE);
        mm.area_at(at).ok_or(Errno::ENOMEM)?;
        out.push(u8::from(mm.space.borrow().get(at / PAGE).is_some()));
    }
    cx.write_mem(a[2], &out)?;
    Ok(0)
}

/// `mlock` and its like: everything always is in memory.
pub(super) fn mlock(_: &Cx, _: &Args) -> SysResult {
    Ok(0)
}

/// `membarrier`: one processor needs none.
pub(super) fn membarrier(_: &Cx, a: &Args) -> SysResult {
    match a[0] as u32 {
        // MEMBARRIER_CMD_QUERY: global, private expedited and their registrations.
        0 => Ok(0x1f),
        1 | 2 | 4 | 8 | 16 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}
