//! Devices: what is behind a device node, and the nodes of an ordinary `/dev`.

use std::any::Any;
use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::fs::{O_NOCTTY, Stat};
use bottleship_abi::mode::{S_IFBLK, S_IFCHR, major, makedev, minor};
use bottleship_abi::tty::WinSize;
use bottleship_vfs::{CapSet, CreatePerm, InodeRef, MountFlags, NewNode, Path};

use crate::kernel::file::{File, OpenFile};
use crate::kernel::tty::{MasterFile, SlaveFile, Tty};
use crate::syscall::{Cx, Stop};

/// Major number of memory devices: null, zero, random …
const MEM: u32 = 1;
/// Major number of `/dev/tty`, `/dev/console`, `/dev/ptmx`.
const TTYAUX: u32 = 5;
/// Major number of pseudo-terminal slaves.
const PTS: u32 = 136;

/// What opening a device node gives.
pub enum Device {
    /// Something for a new description.
    File(Box<dyn File>),
    /// A description of its own.
    Open(Rc<OpenFile>),
}

/// Opens the device behind the node at `path`.
pub fn open(cx: &Cx, path: &Path, kind: u32, rdev: u64, flags: u32) -> Result<Device, Stop> {
    if path.mount.flags().contains(MountFlags::NODEV) {
        return Err(Errno::EACCES.into());
    }
    if kind == S_IFBLK {
        return Err(Errno::ENXIO.into());
    }
    let inode = path.inode().clone();
    let file: Box<dyn File> = match (major(rdev), minor(rdev)) {
        (MEM, 3) => Box::new(Null),
        (MEM, 5) => Box::new(Zero { inode, full: false }),
        (MEM, 7) => Box::new(Zero { inode, full: true }),
        (MEM, 8 | 9) => Box::new(Random { inode }),
        (MEM, 1 | 2 | 4 | 11) => {
            cx.need(CapSet::SYS_RAWIO)?;
            return Err(Errno::ENXIO.into());
        }
        (TTYAUX, 0) => {
            let tty =
                cx.t.process
                    .group
                    .borrow()
                    .session
                    .tty
                    .borrow()
                    .clone()
                    .ok_or(Errno::ENXIO)?;
            Box::new(SlaveFile::new(tty, Some(inode)))
        }
        (TTYAUX, 1) => {
            let tty = cx.t.process.group.borrow().session.tty.borrow().clone();
            match tty {
                Some(tty) => Box::new(SlaveFile::new(tty, Some(inode))),
                None => return Err(Errno::EIO.into()),
            }
        }
        (TTYAUX, 2) => {
            let tty = cx.t.ns().ptys.allocate(WinSize::default())?;
            let creds = cx.creds();
            tty.owner.set((creds.fsuid, 5));
            Box::new(MasterFile::new(tty, inode))
        }
        (PTS, number) => {
            let tty = cx.t.ns().ptys.get(number).ok_or(Errno::EIO)?;
            adopt(cx, &tty, flags);
            Box::new(SlaveFile::new(tty, Some(inode)))
        }
        _ => return Err(Errno::ENXIO.into()),
    };
    Ok(Device::File(file))
}

/// A session leader without a terminal gets the one it opens.
fn adopt(cx: &Cx, tty: &Rc<Tty>, flags: u32) {
    let group = cx.t.process.group.borrow().clone();
    let session = group.session.clone();
    let leads = session
        .leader
        .borrow()
        .upgrade()
        .is_some_and(|leader| Rc::ptr_eq(&leader, &cx.t.process));
    if flags & O_NOCTTY == 0 && leads && session.tty.borrow().is_none() && tty.session().is_none() {
        tty.associate(&session, &group);
    }
}

/// `/dev/null`.
pub struct Null;

impl File for Null {
    fn read(&self, _: &Cx, _: u64, _: &mut [u8]) -> Result<usize, Errno> {
        Ok(0)
    }

    fn write(&self, _: &Cx, _: u64, data: &[u8]) -> Result<usize, Errno> {
        Ok(data.len())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Stat {
        Stat {
            dev: 5,
            ino: 4,
            nlink: 1,
            mode: S_IFCHR | 0o666,
            rdev: makedev(MEM, 3),
            blksize: 4096,
            ..Stat::default()
        }
    }

    fn link_name(&self) -> Vec<u8> {
        b"/dev/null".to_vec()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `/dev/zero` and `/dev/full`.
struct Zero {
    inode: InodeRef,
    full: bool,
}

impl File for Zero {
    fn read(&self, _: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        buf.fill(0);
        Ok(buf.len())
    }

    fn write(&self, _: &Cx, _: u64, data: &[u8]) -> Result<usize, Errno> {
        if self.full {
            Err(Errno::ENOSPC)
        } else {
            Ok(data.len())
        }
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn inode(&self) -> Option<&InodeRef> {
        Some(&self.inode)
    }

    fn link_name(&self) -> Vec<u8> {
        if self.full {
            b"/dev/full".to_vec()
        } else {
            b"/dev/zero".to_vec()
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `/dev/random` and `/dev/urandom`.
struct Random {
    inode: InodeRef,
}

impl File for Random {
    fn read(&self, cx: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        cx.k.rng.borrow_mut().fill(buf);
        Ok(buf.len())
    }

    fn write(&self, _: &Cx, _: u64, data: &[u8]) -> Result<usize, Errno> {
        Ok(data.len())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn inode(&self) -> Option<&InodeRef> {
        Some(&self.inode)
    }

    fn link_name(&self) -> Vec<u8> {
        b"/dev/urandom".to_vec()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Makes the nodes and links that runc makes in a container's `/dev`. Existing entries stay.
pub fn populate(dev: &InodeRef) -> Result<(), Errno> {
    let node = |name: &str, number: u64, mode: u32| {
        let perm = CreatePerm {
            mode,
            uid: 0,
            gid: 0,
        };
        exists_is_fine(dev.create(name.as_bytes(), NewNode::CharDev(number), perm))
    };
    for (name, number) in [
        ("null", makedev(MEM, 3)),
        ("zero", makedev(MEM, 5)),
        ("full", makedev(MEM, 7)),
        ("random", makedev(MEM, 8)),
        ("urandom", makedev(MEM, 9)),
        ("tty", makedev(TTYAUX, 0)),
    ] {
        node(name, number, 0o666)?;
    }
    let link = |name: &str, target: &str| {
        let perm = CreatePerm {
            mode: 0o777,
            uid: 0,
            gid: 0,
        };
        exists_is_fine(dev.create(name.as_bytes(), NewNode::Symlink(target.as_bytes()), perm))
    };
    link("fd", "/proc/self/fd")?;
    link("stdin", "/proc/self/fd/0")?;
    link("stdout", "/proc/self/fd/1")?;
    link("stderr", "/proc/self/fd/2")?;
    link("core", "/proc/kcore")?;
    link("ptmx", "pts/ptmx")?;
    for (name, mode) in [("pts", 0o755), ("shm", 0o1777), ("mqueue", 0o1777)] {
        let perm = CreatePerm {
            mode,
            uid: 0,
            gid: 0,
        };
        exists_is_fine(dev.create(name.as_bytes(), NewNode::Dir, perm))?;
    }
    Ok(())
}

fn exists_is_fine(made: Result<InodeRef, Errno>) -> Result<(), Errno> {
    match made {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}
