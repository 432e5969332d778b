//! Changing attributes (`fs/attr.c`, `fs/xattr.c`).

use bottleship_abi::mode::{S_IFDIR, S_ISGID, S_ISVTX};

use crate::perm::{owner_or_capable, without_suid};
use crate::{
    Access, Attr, CapSet, Creds, Errno, InodeRef, Path, Result, SetAttr, Time, XattrFlags,
    permission,
};

/// A time for `utimensat(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUpdate {
    /// `UTIME_NOW`.
    Now,
    /// `UTIME_OMIT`.
    Omit,
    /// This time.
    Set(Time),
}

impl Path {
    /// `chmod(2)`.
    pub fn chmod(&self, mode: u32, creds: &Creds) -> Result<()> {
        self.mount.check_writable()?;
        let attr = self.attr()?;
        if attr.is_symlink() {
            return Err(Errno::EOPNOTSUPP);
        }
        if !owner_or_capable(&attr, creds) {
            return Err(Errno::EPERM);
        }
        let mut mode = mode & 0o7777;
        if !creds.in_group(attr.gid) && !creds.capable(CapSet::FSETID) {
            mode &= !S_ISGID;
        }
        self.inode().set_attr(&SetAttr {
            mode: Some(mode),
            ..SetAttr::default()
        })
    }

    /// `chown(2)`; clears the set-id bits and file capabilities of what is not a directory.
    pub fn chown(&self, uid: Option<u32>, gid: Option<u32>, creds: &Creds) -> Result<()> {
        self.mount.check_writable()?;
        let attr = self.attr()?;
        let own = creds.fsuid == attr.uid;
        let uid_ok = uid.is_none_or(|uid| own && uid == attr.uid);
        let gid_ok = gid.is_none_or(|gid| own && (gid == attr.gid || creds.in_group(gid)));
        let allowed = (uid_ok && gid_ok) || creds.capable(CapSet::CHOWN);
        if !allowed {
            return Err(Errno::EPERM);
        }
        let mut set = SetAttr {
            uid,
            gid,
            ..SetAttr::default()
        };
        if attr.kind() != S_IFDIR {
            let mode = without_suid(attr.mode & 0o7777);
            set.mode = (mode != attr.mode & 0o7777).then_some(mode);
            drop_file_caps(self.inode());
        }
        self.inode().set_attr(&set)
    }

    /// `truncate(2)`: needs write permission.
    pub fn truncate(&self, size: u64, creds: &Creds) -> Result<()> {
        let attr = self.attr()?;
        if attr.is_dir() {
            return Err(Errno::EISDIR);
        }
        if !attr.is_file() {
            return Err(Errno::EINVAL);
        }
        permission(&attr, creds, Access::WRITE)?;
        self.mount.check_writable()?;
        self.truncate_checked(size, creds, &attr)
    }

    /// `ftruncate(2)` of a file open for writing.
    pub fn ftruncate(&self, size: u64, creds: &Creds) -> Result<()> {
        let attr = self.attr()?;
        if !attr.is_file() {
            return Err(Errno::EINVAL);
        }
        self.truncate_checked(size, creds, &attr)
    }

    pub(crate) fn truncate_checked(&self, size: u64, creds: &Creds, attr: &Attr) -> Result<()> {
        let mode = suid_after_write(attr, creds);
        self.inode().set_attr(&SetAttr {
            size: Some(size),
            mode,
            ..SetAttr::default()
        })
    }

    /// What a write by `creds` does to the file's privileges: set-id bits and capabilities go
    /// unless the writer may keep them. To be called before writing.
    pub fn drop_privileges_on_write(&self, creds: &Creds) -> Result<()> {
        let attr = self.attr()?;
        if !attr.is_file() {
            return Ok(());
        }
        drop_file_caps(self.inode());
        match suid_after_write(&attr, creds) {
            None => Ok(()),
            mode => self.inode().set_attr(&SetAttr {
                mode,
                ..SetAttr::default()
            }),
        }
    }

    /// `utimensat(2)`.
    pub fn utimes(
        &self,
        atime: TimeUpdate,
        mtime: TimeUpdate,
        now: Time,
        creds: &Creds,
    ) -> Result<()> {
        if atime == TimeUpdate::Omit && mtime == TimeUpdate::Omit {
            return Ok(());
        }
        self.mount.check_writable()?;
        let attr = self.attr()?;
        if !owner_or_capable(&attr, creds) {
            let both_now = atime == TimeUpdate::Now && mtime == TimeUpdate::Now;
            if !both_now {
                return Err(Errno::EPERM);
            }
            permission(&attr, creds, Access::WRITE)?;
        }
        let time = |update| match update {
            TimeUpdate::Now => Some(now),
            TimeUpdate::Omit => None,
            TimeUpdate::Set(time) => Some(time),
        };
        self.inode().set_attr(&SetAttr {
            atime: time(atime),
            mtime: time(mtime),
            ..SetAttr::default()
        })
    }

    /// `setxattr(2)`.
    pub fn set_xattr(
        &self,
        name: &[u8],
        value: &[u8],
        flags: XattrFlags,
        creds: &Creds,
    ) -> Result<()> {
        self.mount.check_writable()?;
        self.may_xattr(name, creds, true)?;
        self.inode().set_xattr(name, value, flags)
    }

    /// `removexattr(2)`.
    pub fn remove_xattr(&self, name: &[u8], creds: &Creds) -> Result<()> {
        self.mount.check_writable()?;
        self.may_xattr(name, creds, true)?;
        self.inode().remove_xattr(name)
    }

    /// `getxattr(2)`.
    pub fn get_xattr(&self, name: &[u8], creds: &Creds) -> Result<Vec<u8>> {
        self.may_xattr(name, creds, false)?;
        self.inode().get_xattr(name)
    }

    /// `listxattr(2)`: names, without those the caller may not know of.
    pub fn list_xattr(&self, creds: &Creds) -> Result<Vec<Vec<u8>>> {
        let mut names = self.inode().list_xattr()?;
        if !creds.capable(CapSet::SYS_ADMIN) {
            names.retain(|name| !name.starts_with(b"trusted."));
        }
        Ok(names)
    }

    /// `xattr_permission` and the checks of the name spaces.
    fn may_xattr(&self, name: &[u8], creds: &Creds, write: bool) -> Result<()> {
        if name.is_empty() || name.len() > 255 {
            return Err(Errno::ERANGE);
        }
        let attr = self.attr()?;
        if name.starts_with(b"trusted.") {
            let denied = if write { Errno::EPERM } else { Errno::ENODATA };
            return match creds.capable(CapSet::SYS_ADMIN) {
                true => Ok(()),
                false => Err(denied),
            };
        }
        if name.starts_with(b"security.") {
            let cap = match name {
                b"security.capability" => CapSet::SETFCAP,
                _ => CapSet::SYS_ADMIN,
            };
            return match !write || creds.capable(cap) {
                true => Ok(()),
                false => Err(Errno::EPERM),
            };
        }
        if !name.starts_with(b"user.") {
            return Err(Errno::EOPNOTSUPP);
        }
        if !attr.is_file() && !attr.is_dir() {
            return Err(if write { Errno::EPERM } else { Errno::ENODATA });
        }
        let sticky = attr.is_dir() && attr.mode & S_ISVTX != 0;
        if write && sticky && !owner_or_capable(&attr, creds) {
            return Err(Errno::EPERM);
        }
        permission(
            &attr,
            creds,
            if write { Access::WRITE } else { Access::READ },
        )
    }
}

/// The mode to set when someone without `CAP_FSETID` writes a set-id file.
fn suid_after_write(attr: &Attr, creds: &Creds) -> Option<u32> {
    let mode = without_suid(attr.mode & 0o7777);
    let changes = mode != attr.mode & 0o7777;
    (changes && !creds.capable(CapSet::FSETID)).then_some(mode)
}

/// A changed file loses its capabilities; that it had none is no error.
fn drop_file_caps(inode: &InodeRef) {
    const CAPABILITY: &[u8] = b"security.capability";
    if inode.get_xattr(CAPABILITY).is_ok() {
        let _ = inode.remove_xattr(CAPABILITY);
    }
}
