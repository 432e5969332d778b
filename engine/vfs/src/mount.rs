//! A mounted file system, or part of one.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::{Dentry, Errno, FileSystem, Path, Result};

bitflags::bitflags! {
    /// Mount flags, with the values of `mount(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MountFlags: u64 {
        const RDONLY = 1;
        const NOSUID = 2;
        const NODEV = 4;
        const NOEXEC = 8;
        const NOATIME = 1024;
        const NODIRATIME = 2048;
        const RELATIME = 1 << 21;
    }
}

impl MountFlags {
    /// As `/proc/mounts` shows them.
    pub fn options(self) -> String {
        let mut text = String::from(if self.contains(MountFlags::RDONLY) {
            "ro"
        } else {
            "rw"
        });
        let names = [
            (MountFlags::NOSUID, ",nosuid"),
            (MountFlags::NODEV, ",nodev"),
            (MountFlags::NOEXEC, ",noexec"),
            (MountFlags::NOATIME, ",noatime"),
            (MountFlags::NODIRATIME, ",nodiratime"),
        ];
        for (flag, name) in names {
            if self.contains(flag) {
                text.push_str(name);
            }
        }
        if !self.contains(MountFlags::NOATIME) {
            text.push_str(",relatime");
        }
        text
    }
}

/// A mount: a tree of a file system at a place in a namespace. Bind mounts of one file system share
/// its entries. A mount that was taken off lives on for those who hold paths into it.
pub struct Mount {
    id: u64,
    fs: Rc<dyn FileSystem>,
    root: Rc<Dentry>,
    source: String,
    flags: Cell<MountFlags>,
    point: RefCell<Option<(Weak<Mount>, Rc<Dentry>)>>,
    children: RefCell<Vec<(Rc<Dentry>, Rc<Mount>)>>,
}

impl Mount {
    pub(crate) fn new(
        id: u64,
        fs: Rc<dyn FileSystem>,
        root: Rc<Dentry>,
        source: &str,
        flags: MountFlags,
    ) -> Rc<Mount> {
        Rc::new(Mount {
            id,
            fs,
            root,
            source: source.to_owned(),
            flags: Cell::new(flags),
            point: RefCell::default(),
            children: RefCell::default(),
        })
    }

    /// The mount's number in `/proc/self/mountinfo`.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The file system.
    pub fn fs(&self) -> &Rc<dyn FileSystem> {
        &self.fs
    }

    /// The first column of `/proc/mounts`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The flags.
    pub fn flags(&self) -> MountFlags {
        self.flags.get()
    }

    pub(crate) fn set_flags(&self, flags: MountFlags) {
        self.flags.set(flags);
    }

    /// The entry of the file system that the mount shows as its root.
    pub fn root_dentry(&self) -> &Rc<Dentry> {
        &self.root
    }

    /// The mount's root as a path.
    pub fn root(self: &Rc<Mount>) -> Path {
        Path {
            mount: self.clone(),
            dentry: self.root.clone(),
        }
    }

    /// Where it is mounted; `None` for a namespace's root or after it was taken off.
    pub fn mount_point(&self) -> Option<Path> {
        let point = self.point.borrow();
        let (mount, dentry) = point.as_ref()?;
        Some(Path {
            mount: mount.upgrade()?,
            dentry: dentry.clone(),
        })
    }

    /// `EROFS` when nothing may be written through this mount.
    pub fn check_writable(&self) -> Result<()> {
        match self.flags().contains(MountFlags::RDONLY) {
            true => Err(Errno::EROFS),
            false => Ok(()),
        }
    }

    pub(crate) fn child_at(&self, dentry: &Rc<Dentry>) -> Option<Rc<Mount>> {
        let children = self.children.borrow();
        let found = children.iter().rev().find(|(d, _)| Rc::ptr_eq(d, dentry));
        found.map(|(_, mount)| mount.clone())
    }

    pub(crate) fn children(&self) -> Vec<(Rc<Dentry>, Rc<Mount>)> {
        self.children.borrow().clone()
    }

    pub(crate) fn attach(self: &Rc<Mount>, at: &Path) {
        at.dentry.count_mount(1);
        *self.point.borrow_mut() = Some((Rc::downgrade(&at.mount), at.dentry.clone()));
        let mut siblings = at.mount.children.borrow_mut();
        siblings.push((at.dentry.clone(), self.clone()));
    }

    pub(crate) fn detach(self: &Rc<Mount>) {
        let point = self.point.borrow_mut().take();
        if let Some((parent, dentry)) = point {
            dentry.count_mount(-1);
            if let Some(parent) = parent.upgrade() {
                let mut siblings = parent.children.borrow_mut();
                siblings.retain(|(_, mount)| !Rc::ptr_eq(mount, self));
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A mount that goes while its parent's entries live on no longer covers them.
        for (dentry, _) in self.children.get_mut() {
            dentry.count_mount(-1);
        }
    }
}
