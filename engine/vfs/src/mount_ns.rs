//! Mount namespaces: trees of mounts. All propagation is private.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::{Dentry, Errno, FileSystem, Mount, MountFlags, Path, Result};

/// The most mounts in a namespace (`fs.mount-max` is 100 000 on Linux).
const MOUNT_MAX: u32 = 10_000;

/// A tree of mounts. Permission (`CAP_SYS_ADMIN`) is checked by the callers.
pub struct MountNs {
    ids: Rc<Cell<u64>>,
    root: RefCell<Rc<Mount>>,
}

/// One line of `/proc/self/mountinfo`; `Display` gives the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountInfo {
    /// The mount's number.
    pub id: u64,
    /// The number of the mount it is on.
    pub parent: u64,
    /// Major and minor number of the file system's device.
    pub dev: (u64, u64),
    /// The part of the file system that is mounted.
    pub root: Vec<u8>,
    /// Where, as seen from the root asked for.
    pub mount_point: Vec<u8>,
    /// The mount's options.
    pub options: String,
    /// The file system's type.
    pub kind: &'static str,
    /// What was mounted.
    pub source: String,
    /// The super block's options.
    pub super_options: String,
}

impl MountNs {
    /// A namespace with this file system at `/`.
    pub fn new(fs: Rc<dyn FileSystem>, source: &str, flags: MountFlags) -> Rc<MountNs> {
        let ids = Rc::new(Cell::new(20));
        let dentry = Dentry::root(fs.root());
        let root = Mount::new(next(&ids), fs, dentry, source, flags);
        Rc::new(MountNs {
            ids,
            root: RefCell::new(root),
        })
    }

    /// The namespace's root directory.
    pub fn root(&self) -> Path {
        self.root.borrow().root().follow_mounts()
    }

    /// Mounts a file system at a directory (or a single file at a file).
    pub fn mount(
        &self,
        at: &Path,
        fs: Rc<dyn FileSystem>,
        source: &str,
        flags: MountFlags,
    ) -> Result<Rc<Mount>> {
        let dentry = Dentry::root(fs.root());
        let mount = Mount::new(next(&self.ids), fs, dentry, source, flags);
        self.attach(mount, at)
    }

    /// Shows the tree or file at `what` also at `at`; `recursive` takes along what is mounted below.
    pub fn bind(&self, what: &Path, at: &Path, recursive: bool) -> Result<Rc<Mount>> {
        if what.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        let copy = self.copy_mount(&what.mount, &what.dentry);
        if recursive {
            self.copy_children(&what.mount, &copy, &mut Vec::new())?;
        }
        self.attach(copy, at)
    }

    /// Changes the flags of the mount whose root `at` is.
    pub fn remount(&self, at: &Path, flags: MountFlags) -> Result<()> {
        if !at.is_mount_root() {
            return Err(Errno::EINVAL);
        }
        at.mount.set_flags(flags);
        Ok(())
    }

    /// Takes off the mount whose root `at` is. Unless `lazy`, `EBUSY` while something is mounted on
    /// it or paths into it are held.
    pub fn umount(&self, at: Path, lazy: bool) -> Result<()> {
        if !at.is_mount_root() || !self.contains(&at.mount) {
            return Err(Errno::EINVAL);
        }
        let mount = at.mount.clone();
        if mount.mount_point().is_none() {
            return Err(Errno::EINVAL);
        }
        drop(at);
        // Held by its parent and by `mount` here.
        if !lazy && (!mount.children().is_empty() || Rc::strong_count(&mount) > 2) {
            return Err(Errno::EBUSY);
        }
        for below in subtree(&mount).iter().rev() {
            below.detach();
        }
        Ok(())
    }

    /// Moves a mount elsewhere (`MS_MOVE`).
    pub fn move_mount(&self, what: &Path, at: &Path) -> Result<()> {
        if !what.is_mount_root() || what.mount.mount_point().is_none() {
            return Err(Errno::EINVAL);
        }
        if what.is_above(at) {
            return Err(Errno::ELOOP);
        }
        self.check_kinds(&what.mount, at)?;
        what.mount.detach();
        what.mount.attach(at);
        Ok(())
    }

    /// Makes the mount at `new_root` the root and moves the old root to `put_old` (below
    /// `new_root`). Callers then change the root and working directory of those who had the old one.
    pub fn pivot_root(&self, new_root: &Path, put_old: &Path) -> Result<()> {
        let old = self.root();
        if !new_root.is_mount_root() || new_root.mount.mount_point().is_none() {
            return Err(Errno::EINVAL);
        }
        if Rc::ptr_eq(&new_root.mount, &old.mount) || Rc::ptr_eq(&put_old.mount, &old.mount) {
            return Err(Errno::EBUSY);
        }
        if !new_root.is_above(put_old) {
            return Err(Errno::EINVAL);
        }
        if !new_root.attr()?.is_dir() || !put_old.attr()?.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        new_root.mount.detach();
        old.mount.detach();
        *self.root.borrow_mut() = new_root.mount.clone();
        old.mount.attach(put_old);
        Ok(())
    }

    /// A copy of the namespace, and the copies of its mounts, to translate paths with
    /// ([`MountCopies::translate`]).
    pub fn copy(&self) -> Result<(Rc<MountNs>, MountCopies)> {
        let root = self.root.borrow().clone();
        let copy = self.copy_mount(&root, root.root_dentry());
        let mut copies = vec![(root.clone(), copy.clone())];
        self.copy_children(&root, &copy, &mut copies)?;
        let ns = Rc::new(MountNs {
            ids: self.ids.clone(),
            root: RefCell::new(copy),
        });
        Ok((ns, MountCopies(copies)))
    }

    /// The mounts visible below `root`, in the order of `/proc/self/mountinfo`.
    pub fn mountinfo(&self, root: &Path) -> Vec<MountInfo> {
        let top = self.root.borrow().clone();
        let mounts = subtree(&top);
        let lines = mounts.iter().filter_map(|mount| {
            // A mount that only its own root reaches is the one `root` is in.
            let (mount_point, reached) = mount.root().path_from(root);
            let own_root = Rc::ptr_eq(mount, &root.mount);
            if !reached && !own_root {
                return None;
            }
            let dev = mount.fs().dev();
            Some(MountInfo {
                id: mount.id(),
                parent: mount.mount_point().map_or(mount.id(), |p| p.mount.id()),
                dev: ((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & !0xff)),
                root: path_in_fs(mount.root_dentry()),
                mount_point: if reached { mount_point } else { b"/".to_vec() },
                options: mount.flags().options(),
                kind: mount.fs().kind(),
                source: mount.source().to_owned(),
                super_options: super_options(mount),
            })
        });
        lines.collect()
    }

    /// Whether a mount is part of this namespace.
    pub fn contains(&self, mount: &Rc<Mount>) -> bool {
        let mut top = mount.clone();
        while let Some(point) = top.mount_point() {
            top = point.mount;
        }
        Rc::ptr_eq(&top, &self.root.borrow())
    }

    fn attach(&self, mount: Rc<Mount>, at: &Path) -> Result<Rc<Mount>> {
        if at.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        self.check_kinds(&mount, at)?;
        self.check_count()?;
        mount.attach(&at.clone().follow_mounts());
        Ok(mount)
    }

    /// A directory goes on a directory, a file on a file.
    fn check_kinds(&self, mount: &Rc<Mount>, at: &Path) -> Result<()> {
        let dir = mount.root_dentry().inode().attr()?.is_dir();
        match dir == at.attr()?.is_dir() {
            true => Ok(()),
            false => Err(Errno::ENOTDIR),
        }
    }

    fn check_count(&self) -> Result<()> {
        let count = subtree(&self.root.borrow()).len();
        match count < MOUNT_MAX as usize {
            true => Ok(()),
            false => Err(Errno::ENOSPC),
        }
    }

    fn copy_mount(&self, mount: &Mount, root: &Rc<Dentry>) -> Rc<Mount> {
        let fs = mount.fs().clone();
        let id = next(&self.ids);
        Mount::new(id, fs, root.clone(), mount.source(), mount.flags())
    }

    /// Copies what is mounted on `from`, as far as it is below `to`'s root, onto `to`.
    fn copy_children(
        &self,
        from: &Rc<Mount>,
        to: &Rc<Mount>,
        copies: &mut Vec<(Rc<Mount>, Rc<Mount>)>,
    ) -> Result<()> {
        let mut pairs = vec![(from.clone(), to.clone())];
        while let Some((from, to)) = pairs.pop() {
            for (dentry, child) in from.children() {
                if !to.root_dentry().is_above(&dentry) {
                    continue;
                }
                if copies.len() >= MOUNT_MAX as usize {
                    return Err(Errno::ENOSPC);
                }
                let copy = self.copy_mount(&child, child.root_dentry());
                copy.attach(&Path {
                    mount: to.clone(),
                    dentry,
                });
                copies.push((child.clone(), copy.clone()));
                pairs.push((child, copy));
            }
        }
        Ok(())
    }
}

/// Which mount of a copied namespace stands for which of the original.
pub struct MountCopies(Vec<(Rc<Mount>, Rc<Mount>)>);

impl MountCopies {
    /// The same place in the copied namespace.
    pub fn translate(&self, path: &Path) -> Path {
        let copy = self.0.iter().find(|(old, _)| Rc::ptr_eq(old, &path.mount));
        match copy {
            Some((_, new)) => Path {
                mount: new.clone(),
                dentry: path.dentry.clone(),
            },
            None => path.clone(),
        }
    }
}

impl MountInfo {
    /// The line of `/proc/mounts`.
    pub fn mounts_line(&self) -> String {
        let rest = self
            .super_options
            .strip_prefix("rw")
            .or(self.super_options.strip_prefix("ro"));
        format!(
            "{} {} {} {}{} 0 0",
            escape(self.source.as_bytes()),
            escape(&self.mount_point),
            self.kind,
            self.options,
            rest.unwrap_or_default(),
        )
    }
}

impl fmt::Display for MountInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}:{} {} {} {} - {} {} {}",
            self.id,
            self.parent,
            self.dev.0,
            self.dev.1,
            escape(&self.root),
            escape(&self.mount_point),
            self.options,
            self.kind,
            escape(self.source.as_bytes()),
            self.super_options,
        )
    }
}

fn super_options(mount: &Mount) -> String {
    let options = mount.fs().options();
    match options.is_empty() {
        true => "rw".to_owned(),
        false => format!("rw,{options}"),
    }
}

/// As the kernel escapes names in these files.
fn escape(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    for &b in bytes {
        match b {
            b' ' | b'\t' | b'\n' | b'\\' => text.extend(format!("\\{b:03o}").bytes()),
            _ => text.push(b),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn path_in_fs(dentry: &Rc<Dentry>) -> Vec<u8> {
    let mut names = Vec::new();
    let mut at = dentry.clone();
    while let Some(parent) = at.parent() {
        names.push(at.name());
        at = parent;
    }
    let mut path = Vec::new();
    for name in names.iter().rev() {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

/// A mount and all that is mounted on it, parents first.
fn subtree(top: &Rc<Mount>) -> Vec<Rc<Mount>> {
    let mut all = vec![top.clone()];
    let mut next = 0;
    while next < all.len() {
        let children = all[next].children();
        all.extend(children.into_iter().map(|(_, mount)| mount));
        next += 1;
    }
    all
}

fn next(ids: &Cell<u64>) -> u64 {
    ids.set(ids.get() + 1);
    ids.get()
}
