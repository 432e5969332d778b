//! Operations by path name that check permissions (`fs/namei.c`, `fs/open.c`, `fs/attr.c`).

use bottleship_abi::mode::{S_IFBLK, S_IFCHR, S_IFDIR, S_ISGID, S_ISUID};

use crate::perm::{owner_or_capable, sticky_forbids, without_suid};
use crate::walk::{Last, Parent};
use crate::{
    Access, Attr, CapSet, CreatePerm, Creds, Errno, InodeRef, MountFlags, NewNode, Path,
    RenameFlags, ResolveFlags, Result, SetAttr, Time, Walk, XattrFlags, permission, same_inode,
};

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
        }
        Ok(Opened {
            path,
            created: false,
        })
    }

    /// `access(2)` as the walk's credentials; callers put the real ids into them.
    pub fn access(&self, path: &[u8], access: Access, follow: bool) -> Result<()> {
        let mut how = ResolveFlags::empty();
        how.set(ResolveFlags::FOLLOW, follow);
        let path = self.resolve(path, how)?;
        let attr = path.attr()?;
        let noexec = path.mount.flags().contains(MountFlags::NOEXEC);
        if access.contains(Access::EXEC) && attr.is_file() && noexec {
            return Err(Errno::EACCES);
        }
        permission(&attr, self.creds, access)?;
        let special = !(attr.is_file() || attr.is_dir() || attr.is_symlink());
        if access.contains(Access::WRITE) && !special {
            path.mount.check_writable()?;
        }
        Ok(())
    }

    /// `mkdir(2)`.
    pub fn mkdir(&self, path: &[u8], mode: u32) -> Result<Path> {
        let parent = self.resolve_parent(path)?;
        self.create_in(&parent, NewNode::Dir, mode & 0o1777)
    }

    /// `mknod(2)`, and `bind(2)` of a UNIX socket.
    pub fn mknod(&self, path: &[u8], node: NewNode, mode: u32) -> Result<Path> {
        let parent = self.resolve_parent(path)?;
        if parent.trailing_slash {
            return Err(self.error_with_slash(&parent));
        }
        let device = match node {
            NewNode::CharDev(dev) => dev != 0,
            NewNode::BlockDev(_) => true,
            _ => false,
        };
        if device && !self.creds.capable(CapSet::MKNOD) {
            return Err(Errno::EPERM);
        }
        self.create_in(&parent, node, mode)
    }

    /// `symlink(2)`.
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Result<Path> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.len() >= crate::PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let parent = self.resolve_parent(path)?;
        if parent.trailing_slash {
            return Err(self.error_with_slash(&parent));
        }
        self.create_in(&parent, NewNode::Symlink(target), 0o777)
    }

    /// What creating something other than a directory as `name/` fails with.
    fn error_with_slash(&self, parent: &Parent) -> Errno {
        let exists = parent.name(Errno::EEXIST).and_then(|name| {
            permission(&parent.dir.attr()?, self.creds, Access::EXEC)?;
            parent.dir.child(name)
        });
        match exists {
            Ok(_) => Errno::EEXIST,
            Err(e) => e,
        }
    }

    fn create_in(&self, parent: &Parent, node: NewNode, mode: u32) -> Result<Path> {
        let name = parent.name(Errno::EEXIST)?;
        let dir = &parent.dir;
        let attr = dir.attr()?;
        permission(&attr, self.creds, Access::EXEC)?;
        if dir.child(name).is_ok() {
            return Err(Errno::EEXIST);
        }
        dir.mount.check_writable()?;
        permission(&attr, self.creds, Access::WRITE | Access::EXEC)?;
        if dir.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        let (perm, node) = new_perm(&attr, node, mode, self.creds);
        let inode = dir.inode().create(name, node, perm)?;
        Ok(dir.place(name, inode))
    }

    /// `link(2)`: another name for a file that was already resolved.
    pub fn link(&self, file: &Path, path: &[u8]) -> Result<()> {
        let parent = self.resolve_parent(path)?;
        let attr = file.attr()?;
        let name = parent.name(Errno::EEXIST)?;
        permission(&parent.dir.attr()?, self.creds, Access::EXEC)?;
        match parent.dir.child(name) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) if parent.trailing_slash => return Err(Errno::ENOENT),
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
        if file.mount.id() != parent.dir.mount.id() {
            return Err(Errno::EXDEV);
        }
        parent.dir.mount.check_writable()?;
        if !may_hard_link(&attr, self.creds) {
            return Err(Errno::EPERM);
        }
        permission(
            &parent.dir.attr()?,
            self.creds,
            Access::WRITE | Access::EXEC,
        )?;
        if attr.is_dir() {
            return Err(Errno::EPERM);
        }
        parent.dir.inode().link(name, file.inode())
    }

    /// `unlink(2)`.
    pub fn unlink(&self, path: &[u8]) -> Result<()> {
        let parent = self.resolve_parent(path)?;
        let name = parent.name(Errno::EISDIR)?;
        let victim = parent.dir.child(name)?;
        let attr = victim.attr()?;
        if parent.trailing_slash {
            return Err(if attr.is_dir() {
                Errno::EISDIR
            } else {
                Errno::ENOTDIR
            });
        }
        parent.dir.mount.check_writable()?;
        self.may_delete(&parent.dir, &attr)?;
        if attr.is_dir() {
            return Err(Errno::EISDIR);
        }
        not_mounted(&parent.dir, name)?;
        parent.dir.inode().unlink(name)?;
        parent.dir.dentry.removed(name);
        Ok(())
    }

    /// `rmdir(2)`.
    pub fn rmdir(&self, path: &[u8]) -> Result<()> {
        let parent = self.resolve_parent(path)?;
        let name = match &parent.last {
            Last::Name(name) => name,
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Root => return Err(Errno::EBUSY),
        };
        let victim = parent.dir.child(name)?;
        let attr = victim.attr()?;
        parent.dir.mount.check_writable()?;
        self.may_delete(&parent.dir, &attr)?;
        if !attr.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        not_mounted(&parent.dir, name)?;
        if victim == *self.root {
            return Err(Errno::EBUSY);
        }
        parent.dir.inode().rmdir(name)?;
        parent.dir.dentry.removed(name);
        Ok(())
    }

    fn may_delete(&self, dir: &Path, victim: &Attr) -> Result<()> {
        let attr = dir.attr()?;
        permission(&attr, self.creds, Access::WRITE | Access::EXEC)?;
        match sticky_forbids(&attr, victim, self.creds) {
            true => Err(Errno::EPERM),
            false => Ok(()),
        }
    }

    /// `renameat2(2)`; `to` resolves the new name and may start elsewhere.
    pub fn rename(&self, old: &[u8], to: &Walk<'_>, new: &[u8], flags: RenameFlags) -> Result<()> {
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        if exchange && flags.intersects(RenameFlags::NOREPLACE | RenameFlags::WHITEOUT) {
            return Err(Errno::EINVAL);
        }
        let from = self.resolve_parent(old)?;
        let into = to.resolve_parent(new)?;
        if from.dir.mount.id() != into.dir.mount.id() {
            return Err(Errno::EXDEV);
        }
        let old = from.name(Errno::EBUSY)?;
        let noreplace = flags.contains(RenameFlags::NOREPLACE);
        let new = into.name(if noreplace {
            Errno::EEXIST
        } else {
            Errno::EBUSY
        })?;
        from.dir.mount.check_writable()?;
        let source = from.dir.child(old)?;
        let target = match into.dir.child(new) {
            Ok(target) => Some(target),
            Err(Errno::ENOENT) => None,
            Err(e) => return Err(e),
        };
        if noreplace && target.is_some() {
            return Err(Errno::EEXIST);
        }
        if exchange && target.is_none() {
            return Err(Errno::ENOENT);
        }
        let attr = source.attr()?;
        let target_attr = target.as_ref().map(Path::attr).transpose()?;
        if !attr.is_dir() && (from.trailing_slash || (!exchange && into.trailing_slash)) {
            return Err(Errno::ENOTDIR);
        }
        let target_is_dir = target_attr.is_some_and(|a| a.is_dir());
        if exchange && into.trailing_slash && !target_is_dir {
            return Err(Errno::ENOTDIR);
        }
        // A directory cannot move into itself, nor replace one of its parents.
        if attr.is_dir() && source.dentry.is_above(&into.dir.dentry) {
            return Err(Errno::EINVAL);
        }
        if let Some(target) = &target
            && target_is_dir
            && target.dentry.is_above(&from.dir.dentry)
        {
            return Err(if exchange {
                Errno::EINVAL
            } else {
                Errno::ENOTEMPTY
            });
        }
        if target
            .as_ref()
            .is_some_and(|t| same_inode(t.inode(), source.inode()))
        {
            return Ok(());
        }
        self.may_delete(&from.dir, &attr)?;
        match &target_attr {
            Some(target) => {
                self.may_delete(&into.dir, target)?;
                if !exchange && attr.is_dir() != target.is_dir() {
                    return Err(if attr.is_dir() {
                        Errno::ENOTDIR
                    } else {
                        Errno::EISDIR
                    });
                }
            }
            None => permission(&into.dir.attr()?, self.creds, Access::WRITE | Access::EXEC)?,
        }
        if into.dir.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        // A directory that changes its parent has its `..` written.
        let moves = from.dir.dentry.inode().attr()?.ino != into.dir.dentry.inode().attr()?.ino;
        if moves && attr.is_dir() {
            permission(&attr, self.creds, Access::WRITE)?;
        }
        if let Some(target_attr) = &target_attr
            && moves
            && exchange
            && target_attr.is_dir()
        {
            permission(target_attr, self.creds, Access::WRITE)?;
        }
        not_mounted(&from.dir, old)?;
        not_mounted(&into.dir, new)?;
        let (from_dir, to_dir) = (&from.dir.dentry, &into.dir.dentry);
        from_dir.inode().rename(old, to_dir.inode(), new, flags)?;
        from_dir.renamed(old, to_dir, new, exchange);
        Ok(())
    }
}

/// The owner and mode of a new file: a set-group-id directory hands on its group, and to
/// directories the bit.
fn new_perm<'a>(
    dir: &Attr,
    node: NewNode<'a>,
    mode: u32,
    creds: &Creds,
) -> (CreatePerm, NewNode<'a>) {
    let mut mode = mode & 0o7777;
    let mut gid = creds.fsgid;
    if dir.mode & S_ISGID != 0 {
        gid = dir.gid;
        if node == NewNode::Dir {
            mode |= S_ISGID;
        } else if mode & (S_ISGID | 0o010) == S_ISGID | 0o010
            && !creds.in_group(gid)
            && !creds.capable(CapSet::FSETID)
        {
            mode &= !S_ISGID;
        }
    }
    let uid = creds.fsuid;
    (CreatePerm { mode, uid, gid }, node)
}

/// `fs.protected_hardlinks`, on by default: one may link one's own files, and others' only when
/// they are plain files one may read and write.
fn may_hard_link(attr: &Attr, creds: &Creds) -> bool {
    let setgid_exec = S_ISGID | 0o010;
    owner_or_capable(attr, creds)
        || (attr.is_file()
            && attr.mode & S_ISUID == 0
            && attr.mode & setgid_exec != setgid_exec
            && permission(attr, creds, Access::READ | Access::WRITE).is_ok())
}

/// `EBUSY` when something is mounted on the name.
fn not_mounted(dir: &Path, name: &[u8]) -> Result<()> {
    match dir.dentry.lookup(name) {
        Ok(dentry) if dentry.is_mount_point() => Err(Errno::EBUSY),
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e),
    }
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

    fn truncate_checked(&self, size: u64, creds: &Creds, attr: &Attr) -> Result<()> {
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
        let sticky = attr.is_dir() && attr.mode & bottleship_abi::mode::S_ISVTX != 0;
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
