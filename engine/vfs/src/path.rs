//! A place in a mount tree.

use std::rc::Rc;

use crate::{Attr, Dentry, DirEntry, Errno, InodeRef, Mount, Result};

/// A directory entry as seen through a mount: what a working directory or an open file holds.
#[derive(Clone)]
pub struct Path {
    /// The mount.
    pub mount: Rc<Mount>,
    /// The entry within the mount's file system.
    pub dentry: Rc<Dentry>,
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        Rc::ptr_eq(&self.mount, &other.mount) && Rc::ptr_eq(&self.dentry, &other.dentry)
    }
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Path({})", String::from_utf8_lossy(&self.full_path()))
    }
}

impl Path {
    /// The inode.
    pub fn inode(&self) -> &InodeRef {
        self.dentry.inode()
    }

    /// The inode's attributes.
    pub fn attr(&self) -> Result<Attr> {
        self.inode().attr()
    }

    /// Whether this is the root of its mount.
    pub fn is_mount_root(&self) -> bool {
        Rc::ptr_eq(&self.dentry, self.mount.root_dentry())
    }

    /// The top of what is mounted here, or the path itself.
    pub fn follow_mounts(mut self) -> Path {
        while self.dentry.is_mount_point() {
            match self.mount.child_at(&self.dentry) {
                Some(mount) => self = mount.root(),
                None => break,
            }
        }
        self
    }

    /// Looks a name up, crossing into what is mounted there. No `.` or `..`.
    pub(crate) fn child(&self, name: &[u8]) -> Result<Path> {
        let dentry = self.dentry.lookup(name)?;
        let mount = self.mount.clone();
        Ok(Path { mount, dentry }.follow_mounts())
    }

    /// The place of a name in this directory whose inode was just made.
    pub(crate) fn place(&self, name: &[u8], inode: InodeRef) -> Path {
        Path {
            mount: self.mount.clone(),
            dentry: self.dentry.place(name, inode),
        }
    }

    /// The directory above, not above `root`.
    pub fn parent(&self, root: &Path) -> Path {
        let mut at = self.clone();
        loop {
            if at == *root {
                return at;
            }
            if !at.is_mount_root() {
                return match at.dentry.parent() {
                    Some(dentry) => Path { dentry, ..at }.follow_mounts(),
                    None => at,
                };
            }
            match at.mount.mount_point() {
                Some(point) => at = point,
                None => return at,
            }
        }
    }

    /// The path name from `root`, and whether `root` is above at all. A removed file's name ends in
    /// ` (deleted)`.
    pub fn path_from(&self, root: &Path) -> (Vec<u8>, bool) {
        let mut names: Vec<Rc<[u8]>> = Vec::new();
        let mut at = self.clone();
        let mut reached = true;
        while at != *root {
            if at.is_mount_root() {
                match at.mount.mount_point() {
                    Some(point) => at = point,
                    None => {
                        reached = false;
                        break;
                    }
                }
            } else {
                names.push(at.dentry.name());
                match at.dentry.parent() {
                    Some(parent) => at.dentry = parent,
                    None => {
                        reached = false;
                        break;
                    }
                }
            }
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            if !name.starts_with(b"/") {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        (path, reached)
    }

    /// What `/proc/self/fd` and `/proc/self/maps` show: the path from `root`, with ` (deleted)`
    /// after the name of a removed file. Outside of `root` it is the path from the top.
    pub fn d_path(&self, root: &Path) -> Vec<u8> {
        let (mut path, _) = self.path_from(root);
        if self.dentry.is_deleted() {
            // Pipes and sockets (`pipe:[7]`) have no place and show their name alone.
            if self.dentry.parent().is_none() {
                return self.dentry.name().to_vec();
            }
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    /// What `getcwd(2)` returns: `ENOENT` when the directory was removed, `(unreachable)` before
    /// a path that is not below `root`.
    pub fn getcwd(&self, root: &Path) -> Result<Vec<u8>> {
        if self.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        match self.path_from(root) {
            (path, true) => Ok(path),
            (path, false) => Ok([b"(unreachable)".as_slice(), &path].concat()),
        }
    }

    fn full_path(&self) -> Vec<u8> {
        let mut top = self.mount.clone();
        while let Some(point) = top.mount_point() {
            top = point.mount;
        }
        self.path_from(&top.root()).0
    }

    /// Whether `self` is `other` or above it, mounts included.
    pub fn is_above(&self, other: &Path) -> bool {
        let mut at = other.clone();
        loop {
            if Rc::ptr_eq(&at.mount, &self.mount) {
                return self.dentry.is_above(&at.dentry);
            }
            match at.mount.mount_point() {
                Some(point) => at = point,
                None => return false,
            }
        }
    }

    /// Reads a directory with `.` (position 1) and `..` (position 2) first.
    pub fn readdir(
        &self,
        root: &Path,
        cookie: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let attr = self.attr()?;
        if !attr.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let mut dot = |at: u64, name: &[u8], ino: u64| {
            cookie >= at
                || emit(DirEntry {
                    ino,
                    kind: bottleship_abi::mode::S_IFDIR,
                    name,
                    cookie: at,
                })
        };
        if !dot(1, b".", attr.ino) || !dot(2, b"..", self.parent(root).attr()?.ino) {
            return Ok(());
        }
        self.inode().readdir(cookie.max(2), emit)
    }
}
