//! `open(2)`: flags, resolution and permissions (`fs/open.c`, `do_last` in `fs/namei.c`).

use bottleship_abi::mode::{S_IFBLK, S_IFCHR};

use crate::ops::new_perm;
use crate::perm::owner_or_capable;
use crate::{Access, Errno, MountFlags, NewNode, Path, ResolveFlags, Result, Walk, permission};

bitflags::bitflags! {
    /// `open(2)`'s flags, with the values of x86-64 Linux. The access mode is in the low two bits:
    /// 0 reads, [`OpenFlags::WRONLY`] writes, [`OpenFlags::RDWR`] does both.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        const WRONLY = 0o1;
        const RDWR = 0o2;
        const CREAT = 0o100;
        const EXCL = 0o200;
        const NOCTTY = 0o400;
        const TRUNC = 0o1000;
        const APPEND = 0o2000;
        const NONBLOCK = 0o4000;
        const DIRECTORY = 0o200000;
        const NOFOLLOW = 0o400000;
        const NOATIME = 0o1000000;
        const CLOEXEC = 0o2000000;
        const PATH = 0o10000000;
        /// The bit that makes `O_TMPFILE` together with `O_DIRECTORY`.
        const TMPFILE = 0o20000000;
    }
}

impl OpenFlags {
    /// Whether the file is opened for reading.
    pub fn reads(self) -> bool {
        self.bits() & 3 != 1
    }

    /// Whether the file is opened for writing.
    pub fn writes(self) -> bool {
        self.bits() & 3 != 0
    }
}

/// What `open` found or made.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub path: Path,
    /// It was created by this call.
    pub created: bool,
}

impl Walk<'_> {
    /// `open(2)` as far as the name and the permissions are concerned; truncates on `O_TRUNC`.
    /// `mode` is what the umask left.
    pub fn open(
        &self,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
        resolve: ResolveFlags,
    ) -> Result<Opened> {
        let follow = !flags.contains(OpenFlags::NOFOLLOW);
        let mut how = resolve;
        how.set(ResolveFlags::FOLLOW, follow);
        if flags.contains(OpenFlags::PATH) {
            how.set(
                ResolveFlags::DIRECTORY,
                flags.contains(OpenFlags::DIRECTORY),
            );
            let path = self.resolve(path, how)?;
            return Ok(Opened {
                path,
                created: false,
            });
        }
        if flags.contains(OpenFlags::TMPFILE | OpenFlags::DIRECTORY) {
            return self.open_tmpfile(path, flags, mode, how);
        }
        if !flags.contains(OpenFlags::CREAT) {
            let path = self.resolve(path, how)?;
            return self.may_open(path, flags);
        }
        let exclusive = flags.contains(OpenFlags::EXCL);
        let (parent, found) = self.resolve_for_create(path, follow && !exclusive, resolve)?;
        if let Some(path) = found {
            if exclusive {
                return Err(Errno::EEXIST);
            }
            if path.attr()?.is_dir() {
                return Err(Errno::EISDIR);
            }
            return self.may_open(path, flags);
        }
        if flags.contains(OpenFlags::DIRECTORY) {
            return Err(Errno::EINVAL);
        }
        let path = self.create_in(&parent, NewNode::File, mode)?;
        // Whoever creates a file has it open, whatever its mode says.
        Ok(Opened {
            path,
            created: true,
        })
    }

    fn open_tmpfile(
        &self,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
        how: ResolveFlags,
    ) -> Result<Opened> {
        if !flags.writes() {
            return Err(Errno::EINVAL);
        }
        let dir = self.resolve(path, how | ResolveFlags::DIRECTORY)?;
        dir.mount.check_writable()?;
        let attr = dir.attr()?;
        permission(&attr, self.creds, Access::WRITE | Access::EXEC)?;
        let (perm, _) = new_perm(&attr, NewNode::File, mode, self.creds);
        let inode = dir.inode().create_anonymous(perm)?;
        let name = format!("/#{}", inode.attr()?.ino);
        let dentry = crate::Dentry::anonymous(inode, name.as_bytes());
        let path = Path {
            mount: dir.mount,
            dentry,
        };
        Ok(Opened {
            path,
            created: true,
        })
    }

    fn may_open(&self, path: Path, flags: OpenFlags) -> Result<Opened> {
        let attr = path.attr()?;
        if flags.contains(OpenFlags::DIRECTORY) && !attr.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        if attr.is_symlink() {
            return Err(Errno::ELOOP);
        }
        if attr.is_dir() && (flags.writes() || flags.contains(OpenFlags::TRUNC)) {
            return Err(Errno::EISDIR);
        }
        let device = matches!(attr.kind(), S_IFCHR | S_IFBLK);
        if device && path.mount.flags().contains(MountFlags::NODEV) {
            return Err(Errno::EACCES);
        }
        let truncate = flags.contains(OpenFlags::TRUNC) && attr.is_file();
        let mut access = Access::empty();
        access.set(Access::READ, flags.reads());
        access.set(Access::WRITE, flags.writes() || truncate);
        if access.contains(Access::WRITE) && (attr.is_file() || attr.is_dir()) {
            path.mount.check_writable()?;
        }
        permission(&attr, self.creds, access)?;
        if flags.contains(OpenFlags::NOATIME) && !owner_or_capable(&attr, self.creds) {
            return Err(Errno::EPERM);
        }
        if truncate {
            path.truncate_checked(0, self.creds, &attr)?;
        } else if flags.writes() && attr.is_file() {
            path.inode().opened_for_write()?;
        }
        Ok(Opened {
            path,
            created: false,
        })
    }
}
