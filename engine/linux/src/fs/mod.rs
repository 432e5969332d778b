//! File systems of the kernel's own: procfs, sysfs with cgroup2, devpts, and the devices behind device nodes.

pub mod dev;
mod devpts;
mod netfiles;
mod node;
pub mod proc;

mod sys;

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_vfs::{CreatePerm, FileSystem, InodeRef, Path, Quota, Statfs, Tmpfs};

use crate::kernel::Inner;
use crate::kernel::file::File;
use crate::kernel::ns::Namespaces;
use crate::syscall::{Cx, Stop};

/// A file system of this kind, as seen from `ns`. `ENODEV` for unknown kinds.
pub fn make(k: &Rc<Inner>, ns: &Namespaces, kind: &str) -> Result<Rc<dyn FileSystem>, Errno> {
    Ok(match kind {
        "proc" => proc::make(k, ns.pid.clone()),
        "sysfs" => sys::make(k),
        "cgroup2" => sys::make_cgroup(k),
        "devpts" => devpts::make(k, ns),
        "tmpfs" | "ramfs" | "devtmpfs" => Tmpfs::new(&k.clock, Quota::unlimited())?,
        "mqueue" => {
            let perm = CreatePerm {
                mode: 0o1777,
                uid: 0,
                gid: 0,
            };
            Rc::new(Mqueue(Tmpfs::with_root(
                &k.clock,
                Quota::unlimited(),
                perm,
            )?))
        }
        _ => return Err(Errno::ENODEV),
    })
}

pub use proc::sysctl;

/// Where POSIX message queues would be files.
struct Mqueue(Rc<Tmpfs>);

impl FileSystem for Mqueue {
    fn root(&self) -> InodeRef {
        self.0.root()
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        self.0.statfs()
    }

    fn kind(&self) -> &'static str {
        "mqueue"
    }

    fn dev(&self) -> u64 {
        self.0.dev()
    }
}

/// Opens a file whose contents are made at open, such as those of procfs; `None` for ordinary files.
pub fn open_special(cx: &Cx, path: &Path, flags: u32) -> Result<Option<Box<dyn File>>, Stop> {
    node::open(cx, path, flags)
}
