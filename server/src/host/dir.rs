//! The host's real files as inodes of the engine, so that bind mounts show them.
//!
//! An inode is an `O_PATH` descriptor: names are only ever looked up one component at a time with `O_NOFOLLOW`, and
//! symbolic links are followed by the engine's own path walk within the container's root. A container can't walk
//! out of what was bound, whatever it renames meanwhile.

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::rc::{Rc, Weak};

use bottleship_engine::dirs::{FileTree, HostDirs};
use bottleship_engine::store::StoreError;
use bottleship_page::Page;
use bottleship_vfs::{
    AllocateMode, Attachment, Attr, CreatePerm, DirEntry, Errno, FIRST_COOKIE, FileSystem, Inode,
    InodeRef, NewNode, RenameFlags, Result, SetAttr, Statfs, Time, XattrFlags,
};
use rustix::fs::{
    self, AtFlags, FallocateFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid,
};

/// Size of the engine's pages, in bytes.
const PAGE: u64 = 4096;

/// Linux's `UTIME_OMIT`: leave a time as it is.
const UTIME_OMIT: i64 = 0x3fff_fffe;

fn errno(error: rustix::io::Errno) -> Errno {
    Errno(error.raw_os_error())
}

fn time(sec: i64, nsec: u64) -> Time {
    Time {
        sec,
        nsec: u32::try_from(nsec).unwrap_or(0),
    }
}

/// The host's files behind the engine's bind mounts.
#[derive(Clone)]
pub struct HostFiles(Rc<Shared>);

/// Whose files they are, which decides what may be made of them and how owners are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// Device nodes may be made: in the engine's own layers, which nobody opens but through a container's limits.
    pub devices: bool,
    /// The host's id of the container's root: what the files' owners are counted from.
    pub base: u32,
}

impl Kind {
    /// An id of the host as a container sees it; those outside of its range are the overflow id, as in the kernel.
    fn shown(self, id: u32) -> u32 {
        const OVERFLOW: u32 = 65534;
        match self.base {
            0 => id,
            base => id
                .checked_sub(base)
                .filter(|id| *id <= 0xffff)
                .unwrap_or(OVERFLOW),
        }
    }

    /// A container's id as the host's.
    fn real(self, id: u32) -> Result<u32> {
        match self.base {
            0 => Ok(id),
            base if id <= 0xffff => Ok(base + id),
            _ => Err(Errno::EINVAL),
        }
    }
}

#[derive(Default)]
struct Shared {
    kind: Kind,
    /// The inodes that somebody holds, by device and number: the same file must be the same inode.
    live: RefCell<HashMap<(u64, u64), Weak<HostInode>>>,
}

impl HostFiles {
    /// All of this machine's files that this process may see.
    pub fn new() -> HostFiles {
        HostFiles(Rc::default())
    }

    /// Files that are not just the host's own.
    pub fn of(kind: Kind) -> HostFiles {
        HostFiles(Rc::new(Shared {
            kind,
            live: RefCell::default(),
        }))
    }

    /// The directory or file at a path, following links.
    ///
    /// # Errors
    /// What the host says.
    pub fn tree(&self, path: &Path) -> std::result::Result<FileTree, rustix::io::Errno> {
        // The path is the operator's or the client's own: here links are followed, as dockerd does.
        let fd = fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let root: InodeRef = self
            .inode(fd)
            .map_err(|e| rustix::io::Errno::from_raw_os_error(e.0))?;
        let dev = root.attr().map_or(0, |attr| attr.dev);
        Ok(FileTree {
            fs: Rc::new(HostFs {
                root: root.clone(),
                dev,
            }),
            root,
        })
    }

    fn inode(&self, fd: OwnedFd) -> Result<Rc<HostInode>> {
        let stat = fs::fstat(&fd).map_err(errno)?;
        let key = (stat.st_dev, stat.st_ino);
        let mut live = self.0.live.borrow_mut();
        if let Some(inode) = live.get(&key).and_then(Weak::upgrade) {
            return Ok(inode);
        }
        if live.len() > 1024 && live.len().is_power_of_two() {
            live.retain(|_, inode| inode.strong_count() > 0);
        }
        let inode = Rc::new(HostInode {
            files: self.clone(),
            fd,
            reader: OnceCell::new(),
            writer: OnceCell::new(),
            entries: RefCell::default(),
            attachment: Attachment::default(),
        });
        live.insert(key, Rc::downgrade(&inode));
        Ok(inode)
    }
}

#[async_trait::async_trait(?Send)]
impl HostDirs for HostFiles {
    async fn open(&self, path: &str) -> std::result::Result<Option<FileTree>, StoreError> {
        match self.tree(Path::new(path)) {
            Ok(tree) => Ok(Some(tree)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(error) => Err(StoreError::Failed(format!("{path}: {error}"))),
        }
    }

    async fn create_dir(&self, path: &str) -> std::result::Result<FileTree, StoreError> {
        std::fs::create_dir_all(path)
            .map_err(|error| StoreError::Failed(format!("mkdir {path}: {error}")))?;
        self.tree(Path::new(path))
            .map_err(|error| StoreError::Failed(format!("{path}: {error}")))
    }

    async fn resolv_conf(&self) -> Vec<u8> {
        std::fs::read("/etc/resolv.conf").unwrap_or_default()
    }
}

/// What was bound, as a file system.
struct HostFs {
    root: InodeRef,
    dev: u64,
}

impl FileSystem for HostFs {
    fn root(&self) -> InodeRef {
        self.root.clone()
    }

    fn statfs(&self) -> Result<Statfs> {
        let inode = self
            .root
            .as_any()
            .downcast_ref::<HostInode>()
            .ok_or(Errno::EIO)?;
        let stat = fs::fstatfs(inode.path()?.as_fd()).map_err(errno)?;
        Ok(Statfs {
            magic: stat.f_type as u64,
            block_size: stat.f_bsize as u64,
            blocks: stat.f_blocks,
            free_blocks: stat.f_bfree,
            files: stat.f_files,
            free_files: stat.f_ffree,
            name_max: stat.f_namelen as u64,
        })
    }

    fn kind(&self) -> &'static str {
        "ext4"
    }

    fn dev(&self) -> u64 {
        self.dev
    }
}

/// The descriptor (`O_PATH`) of an inode that is a file of the host's.
pub fn descriptor(inode: &InodeRef) -> Option<BorrowedFd<'_>> {
    let inode = inode.as_any().downcast_ref::<HostInode>()?;
    Some(inode.fd.as_fd())
}

struct HostInode {
    files: HostFiles,
    /// Opened with `O_PATH`: it names the file and nothing more.
    fd: OwnedFd,
    reader: OnceCell<OwnedFd>,
    writer: OnceCell<OwnedFd>,
    /// The directory as it was when reading it began, in the order in which positions count.
    entries: RefCell<Vec<(Vec<u8>, u64, u32)>>,
    attachment: Attachment,
}

impl HostInode {
    fn stat(&self) -> Result<Stat> {
        fs::fstat(&self.fd).map_err(errno)
    }

    fn path(&self) -> Result<&OwnedFd> {
        Ok(&self.fd)
    }

    /// The way to the file for calls that don't take an `O_PATH` descriptor.
    fn link_path(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }

    /// The descriptor to read or write with, opened when it is first needed. Only regular files are: opening a FIFO
    /// or a device of the host would wait or act.
    fn opened(&self, cell: &OnceCell<OwnedFd>, flags: OFlags) -> Result<OwnedFd> {
        if let Some(fd) = cell.get() {
            return fd
                .try_clone()
                .map_err(|e| Errno(e.raw_os_error().unwrap_or(Errno::EIO.0)));
        }
        match FileType::from_raw_mode(self.stat()?.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        let fd =
            fs::open(self.link_path(), flags | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
        let copy = fd
            .try_clone()
            .map_err(|e| Errno(e.raw_os_error().unwrap_or(Errno::EIO.0)))?;
        let _ = cell.set(fd);
        Ok(copy)
    }

    fn reader(&self) -> Result<OwnedFd> {
        self.opened(&self.reader, OFlags::RDONLY)
    }

    fn writer(&self) -> Result<OwnedFd> {
        self.opened(&self.writer, OFlags::WRONLY)
    }

    fn child(&self, name: &[u8]) -> Result<Rc<HostInode>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            fs::openat(&self.fd, OsStr::from_bytes(name), flags, Mode::empty()).map_err(errno)?;
        self.files.inode(fd)
    }

    fn list(&self) -> Result<Vec<(Vec<u8>, u64, u32)>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, ".", flags, Mode::empty()).map_err(errno)?;
        let mut entries = Vec::new();
        for entry in fs::Dir::new(fd).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let kind = entry.file_type().as_raw_mode();
                entries.push((name.to_vec(), entry.ino(), kind));
            }
        }
        entries.sort();
        Ok(entries)
    }
}

fn os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}

impl Inode for HostInode {
    fn attr(&self) -> Result<Attr> {
        let stat = self.stat()?;
        Ok(Attr {
            ino: stat.st_ino,
            dev: stat.st_dev,
            mode: stat.st_mode,
            nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
            uid: self.files.0.kind.shown(stat.st_uid),
            gid: self.files.0.kind.shown(stat.st_gid),
            rdev: stat.st_rdev,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
            atime: time(stat.st_atime, stat.st_atime_nsec),
            mtime: time(stat.st_mtime, stat.st_mtime_nsec),
            ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        })
    }

    fn set_attr(&self, set: &SetAttr) -> Result<()> {
        if set.uid.is_some() || set.gid.is_some() {
            let kind = self.files.0.kind;
            let uid = set.uid.map(|id| kind.real(id)).transpose()?;
            let gid = set.gid.map(|id| kind.real(id)).transpose()?;
            let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
            let before = self.stat()?.st_mode;
            fs::chownat(&self.fd, "", uid, gid, AtFlags::EMPTY_PATH).map_err(errno)?;
            // The kernel clears set-user-ID then, as chown(2) does; here that is the caller's choice.
            let is_link = FileType::from_raw_mode(before) == FileType::Symlink;
            if before & 0o6000 != 0 && set.mode.is_none() && !is_link {
                let mode = Mode::from_raw_mode(before & 0o7777);
                fs::chmod(self.link_path(), mode).map_err(errno)?;
            }
        }
        if let Some(mode) = set.mode {
            // A symbolic link has no mode of its own; through /proc its target's would change.
            if FileType::from_raw_mode(self.stat()?.st_mode) == FileType::Symlink {
                return Err(Errno::EOPNOTSUPP);
            }
            fs::chmod(self.link_path(), Mode::from_raw_mode(mode)).map_err(errno)?;
        }
        if let Some(size) = set.size {
            fs::ftruncate(self.writer()?, size).map_err(errno)?;
        }
        if set.atime.is_some() || set.mtime.is_some() {
            let spec = |time: Option<Time>| match time {
                Some(time) => Timespec {
                    tv_sec: time.sec,
                    tv_nsec: i64::from(time.nsec),
                },
                None => Timespec {
                    tv_sec: 0,
                    tv_nsec: UTIME_OMIT,
                },
            };
            let times = Timestamps {
                last_access: spec(set.atime),
                last_modification: spec(set.mtime),
            };
            fs::utimensat(&self.fd, "", &times, AtFlags::EMPTY_PATH)
                .or_else(|_| fs::utimensat(fs::CWD, self.link_path(), &times, AtFlags::empty()))
                .map_err(errno)?;
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        rustix::io::pread(self.reader()?, buf, offset).map_err(errno)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<usize> {
        rustix::io::pwrite(self.writer()?, data, offset).map_err(errno)
    }

    fn page(&self, index: u64) -> Result<Page> {
        let mut bytes = [0; PAGE as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_at(index * PAGE + filled as u64, &mut bytes[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(Page::from_slice(&bytes))
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        Ok(self.child(name)?)
    }

    fn create(&self, name: &[u8], node: NewNode, perm: CreatePerm) -> Result<InodeRef> {
        let mode = Mode::from_raw_mode(perm.mode);
        let special =
            |kind: FileType, device: u64| fs::mknodat(&self.fd, os(name), kind, mode, device);
        match node {
            NewNode::File => {
                let flags = OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::WRONLY
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                fs::openat(&self.fd, os(name), flags, mode).map(drop)
            }
            NewNode::Dir => fs::mkdirat(&self.fd, os(name), mode),
            NewNode::Symlink(target) => fs::symlinkat(os(target), &self.fd, os(name)),
            NewNode::Fifo => special(FileType::Fifo, 0),
            NewNode::Socket => special(FileType::Socket, 0),
            NewNode::CharDev(device) if self.files.0.kind.devices => {
                special(FileType::CharacterDevice, device)
            }
            NewNode::BlockDev(device) if self.files.0.kind.devices => {
                special(FileType::BlockDevice, device)
            }
            // A device made here would be the host's.
            NewNode::CharDev(_) | NewNode::BlockDev(_) => Err(rustix::io::Errno::PERM),
        }
        .map_err(errno)?;
        let child = self.child(name)?;
        let attr = child.attr()?;
        if (attr.uid, attr.gid) != (perm.uid, perm.gid) {
            // Without root every file is the user's own.
            let _ = child.set_attr(&SetAttr {
                uid: Some(perm.uid),
                gid: Some(perm.gid),
                ..SetAttr::default()
            });
        }
        // The umask of this process is not the container's; a change of owner would clear set-user-ID.
        if !matches!(node, NewNode::Symlink(_)) {
            child.set_attr(&SetAttr {
                mode: Some(perm.mode),
                ..SetAttr::default()
            })?;
        }
        Ok(child)
    }

    fn link(&self, name: &[u8], target: &InodeRef) -> Result<()> {
        let target = target
            .as_any()
            .downcast_ref::<HostInode>()
            .ok_or(Errno::EXDEV)?;
        let path = target.link_path();
        fs::linkat(fs::CWD, path, &self.fd, os(name), AtFlags::SYMLINK_FOLLOW).map_err(errno)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        fs::unlinkat(&self.fd, os(name), AtFlags::empty()).map_err(errno)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        fs::unlinkat(&self.fd, os(name), AtFlags::REMOVEDIR).map_err(errno)
    }

    fn rename(&self, old: &[u8], new_dir: &InodeRef, new: &[u8], flags: RenameFlags) -> Result<()> {
        let new_dir = new_dir
            .as_any()
            .downcast_ref::<HostInode>()
            .ok_or(Errno::EXDEV)?;
        if flags.contains(RenameFlags::WHITEOUT) {
            return Err(Errno::EINVAL);
        }
        let flags = fs::RenameFlags::from_bits_truncate(flags.bits());
        fs::renameat_with(&self.fd, os(old), &new_dir.fd, os(new), flags).map_err(errno)
    }

    fn readdir(&self, cookie: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        if cookie < FIRST_COOKIE {
            *self.entries.borrow_mut() = self.list()?;
        }
        let first = usize::try_from(cookie.saturating_sub(FIRST_COOKIE - 1)).unwrap_or(usize::MAX);
        let entries = self.entries.borrow();
        for (index, (name, ino, kind)) in entries.iter().enumerate().skip(first) {
            if !emit(DirEntry {
                ino: *ino,
                kind: *kind,
                name,
                cookie: index as u64 + FIRST_COOKIE,
            }) {
                break;
            }
        }
        Ok(())
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        let target: CString = fs::readlinkat(&self.fd, "", Vec::new()).map_err(errno)?;
        Ok(std::ffi::OsString::from_vec(target.into_bytes()).into_vec())
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let mut value = vec![0; 64 << 10];
        let length =
            fs::getxattr(self.link_path(), os(name), value.as_mut_slice()).map_err(errno)?;
        value.truncate(length);
        Ok(value)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        let flags = fs::XattrFlags::from_bits_truncate(flags.bits());
        fs::setxattr(self.link_path(), os(name), value, flags).map_err(errno)
    }

    fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        let mut names = vec![0; 64 << 10];
        let length = fs::listxattr(self.link_path(), names.as_mut_slice()).map_err(errno)?;
        let mut names: Vec<Vec<u8>> = names[..length]
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        names.sort();
        Ok(names)
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        fs::removexattr(self.link_path(), os(name)).map_err(errno)
    }

    fn allocate(&self, mode: AllocateMode, offset: u64, len: u64) -> Result<()> {
        let flags = match mode {
            AllocateMode::Allocate { keep_size: false } => FallocateFlags::empty(),
            AllocateMode::Allocate { keep_size: true } => FallocateFlags::KEEP_SIZE,
            AllocateMode::PunchHole => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            AllocateMode::ZeroRange { keep_size: false } => FallocateFlags::ZERO_RANGE,
            AllocateMode::ZeroRange { keep_size: true } => {
                FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE
            }
        };
        fs::fallocate(self.writer()?, flags, offset, len).map_err(errno)
    }

    fn attachment(&self) -> Option<&Attachment> {
        Some(&self.attachment)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(dir: &Path) -> InodeRef {
        HostFiles::new().tree(dir).unwrap().root
    }

    const PERM: CreatePerm = CreatePerm {
        mode: 0o640,
        uid: 0,
        gid: 0,
    };

    #[test]
    fn files_are_made_written_read_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let root = root(dir.path());
        let file = root.create(b"f", NewNode::File, PERM).unwrap();
        assert_eq!(file.write_at(2, b"hello"), Ok(5));
        assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"\0\0hello");
        assert_eq!(file.attr().unwrap().mode & 0o7777, 0o640);
        assert_eq!(file.page(0).unwrap().to_vec()[..7], *b"\0\0hello");
        assert_eq!(
            root.create(b"f", NewNode::File, PERM).err(),
            Some(Errno::EEXIST)
        );
        assert_eq!(root.rmdir(b"f"), Err(Errno::ENOTDIR));
        root.unlink(b"f").unwrap();
        assert_eq!(root.lookup(b"f").err(), Some(Errno::ENOENT));
    }

    #[test]
    fn a_link_is_the_link_and_never_its_target() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("l")).unwrap();
        let link = root(dir.path()).lookup(b"l").unwrap();
        assert!(link.attr().unwrap().is_symlink());
        assert_eq!(link.readlink().unwrap(), b"/etc/passwd");
        let mut byte = [0];
        assert_eq!(link.read_at(0, &mut byte), Err(Errno::EINVAL));
        assert_eq!(
            link.set_attr(&SetAttr {
                mode: Some(0o777),
                ..SetAttr::default()
            }),
            Err(Errno::EOPNOTSUPP)
        );
    }

    #[test]
    fn devices_of_the_host_are_not_made_and_fifos_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let root = root(dir.path());
        assert_eq!(
            root.create(b"d", NewNode::CharDev(0x101), PERM).err(),
            Some(Errno::EPERM)
        );
        let fifo = root.create(b"p", NewNode::Fifo, PERM).unwrap();
        assert_eq!(fifo.read_at(0, &mut [0]), Err(Errno::EINVAL));
    }

    #[test]
    fn the_same_file_is_the_same_inode_and_directories_are_read_once_each() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let root = root(dir.path());
        assert!(bottleship_vfs::same_inode(
            &root.lookup(b"a").unwrap(),
            &root.lookup(b"a").unwrap()
        ));
        let mut seen = Vec::new();
        let mut cookie = 0;
        loop {
            let before = seen.len();
            root.readdir(cookie, &mut |entry| {
                seen.push(entry.name.to_vec());
                cookie = entry.cookie;
                false
            })
            .unwrap();
            if seen.len() == before {
                break;
            }
        }
        assert_eq!(seen, [b"a", b"b", b"c"]);
    }
}
