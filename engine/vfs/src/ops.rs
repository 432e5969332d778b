//! Operations by path name that check permissions (`fs/namei.c`, `fs/open.c`, `fs/attr.c`).

use bottleship_abi::mode::{S_ISGID, S_ISUID};

use crate::perm::{owner_or_capable, sticky_forbids};
use crate::walk::{Last, Parent};
use crate::{
    Access, Attr, CapSet, CreatePerm, Creds, Errno, MountFlags, NewNode, Path, RenameFlags,
    ResolveFlags, Result, Walk, permission, same_inode,
};

impl Walk<'_> {
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

    pub(crate) fn create_in(&self, parent: &Parent, node: NewNode, mode: u32) -> Result<Path> {
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
pub(crate) fn new_perm<'a>(
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
