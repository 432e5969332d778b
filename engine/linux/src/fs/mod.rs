//! File systems of the kernel's own: procfs, sysfs with cgroup2, devpts, and the devices behind device nodes.

pub mod dev;
mod devpts;
mod netfiles;
mod node;
pub mod proc;

mod sys;

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_vfs::{FileSystem, Path, Quota, Tmpfs};

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
        "tmpfs" | "mqueue" | "ramfs" | "devtmpfs" => Tmpfs::new(&k.clock, Quota::unlimited())?,
        _ => return Err(Errno::ENODEV),
    })
}

/// Opens a file whose contents are made at open, such as those of procfs; `None` for ordinary files.
pub fn open_special(cx: &Cx, path: &Path, flags: u32) -> Result<Option<Box<dyn File>>, Stop> {
    node::open(cx, path, flags)
}
