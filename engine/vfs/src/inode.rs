//! The inode: what a file system implements.

use std::any::Any;
use std::rc::Rc;

use bottleship_abi::mode::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use bottleship_page::Page;

use crate::{Attachment, Errno, Path, Result, Time};

/// A shared inode. The same file is the same `Rc` for as long as someone holds it.
pub type InodeRef = Rc<dyn Inode>;

/// Directory positions below this are those of `.` and `..`, which the path layer adds.
pub const FIRST_COOKIE: u64 = 3;

/// What `stat(2)` reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attr {
    /// Inode number.
    pub ino: u64,
    /// Device of the file system, in `stat`'s encoding.
    pub dev: u64,
    /// Type (`S_IFMT`) and permission bits.
    pub mode: u32,
    /// Hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device of a device node.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes in use.
    pub blocks: u64,
    /// Last access.
    pub atime: Time,
    /// Last change of the contents.
    pub mtime: Time,
    /// Last change of the contents or the attributes.
    pub ctime: Time,
}

impl Attr {
    /// The type bits.
    pub fn kind(&self) -> u32 {
        self.mode & S_IFMT
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == S_IFDIR
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind() == S_IFREG
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.kind() == S_IFLNK
    }
}

/// Attributes to change; permission was checked by the caller. `ctime` always becomes now, and
/// a change of `size` also updates `mtime` unless that is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttr {
    /// Permission bits (07777).
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Bytes: truncates or extends with a hole.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<Time>,
    /// Last change of the contents.
    pub mtime: Option<Time>,
}

/// What to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewNode<'a> {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link with this target.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
    /// A UNIX socket.
    Socket,
    /// A character device.
    CharDev(u64),
    /// A block device.
    BlockDev(u64),
}

/// Permission bits (07777, the umask applied) and owner of a new inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreatePerm {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// One directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// Inode number.
    pub ino: u64,
    /// The entry's type as `S_IFMT` bits; `d_type` is this shifted right by 12.
    pub kind: u32,
    /// The name.
    pub name: &'a [u8],
    /// The entry's position: reading on from it gives the entries after this one.
    pub cookie: u64,
}

bitflags::bitflags! {
    /// `renameat2(2)`'s flags, with Linux's values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RenameFlags: u32 {
        const NOREPLACE = 1;
        const EXCHANGE = 2;
        const WHITEOUT = 4;
    }

    /// `setxattr(2)`'s flags, with Linux's values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct XattrFlags: u32 {
        const CREATE = 1;
        const REPLACE = 2;
    }
}

/// What `fallocate(2)` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocateMode {
    /// Reserve the range, extending the file unless `keep_size`.
    Allocate {
        /// Leave the size alone.
        keep_size: bool,
    },
    /// Free the range; it then reads as zeros. Keeps the size.
    PunchHole,
    /// Make the range read as zeros.
    ZeroRange {
        /// Leave the size alone.
        keep_size: bool,
    },
}

/// One file. Operations are unchecked: permissions, mounts and limits on names are the path
/// layer's. What a kind of file does not have answers as Linux does (`ENOTDIR`, `EINVAL` …).
/// Names never are empty, `.`, `..`, or hold a `/`.
pub trait Inode {
    /// Its attributes.
    fn attr(&self) -> Result<Attr>;

    /// Changes attributes.
    fn set_attr(&self, _set: &SetAttr) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Reads bytes; short only at the end of the file.
    fn read_at(&self, _offset: u64, _buf: &mut [u8]) -> Result<usize> {
        Err(self.not_a_file())
    }

    /// Writes bytes, extending the file; short only when the disk is full.
    fn write_at(&self, _offset: u64, _data: &[u8]) -> Result<usize> {
        Err(self.not_a_file())
    }

    /// The page of the file at `index`, to be mapped without being written: later writes to the
    /// file show in it. Past the end it is zeros.
    fn page(&self, _index: u64) -> Result<Page> {
        Err(Errno::ENODEV)
    }

    /// The page of the file at `index`, for a shared writable mapping: what is written to it is
    /// written to the file. `ENOSPC` when a hole cannot be filled, `ENXIO` past the end (`SIGBUS`).
    fn page_for_write(&self, _index: u64) -> Result<Page> {
        Err(Errno::ENODEV)
    }

    /// Finds an entry of a directory.
    fn lookup(&self, _name: &[u8]) -> Result<InodeRef> {
        Err(Errno::ENOTDIR)
    }

    /// Makes a new entry; `EEXIST` when there is one.
    fn create(&self, _name: &[u8], _node: NewNode, _perm: CreatePerm) -> Result<InodeRef> {
        Err(self.not_a_dir())
    }

    /// Makes a file without a name (`O_TMPFILE`); [`Inode::link`] can give it one.
    fn create_anonymous(&self, _perm: CreatePerm) -> Result<InodeRef> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Makes another name for an inode of the same file system, not a directory.
    fn link(&self, _name: &[u8], _target: &InodeRef) -> Result<()> {
        Err(self.not_a_dir())
    }

    /// Removes an entry that is not a directory (`EISDIR` else).
    fn unlink(&self, _name: &[u8]) -> Result<()> {
        Err(self.not_a_dir())
    }

    /// Removes an empty directory.
    fn rmdir(&self, _name: &[u8]) -> Result<()> {
        Err(self.not_a_dir())
    }

    /// Moves an entry into `new_dir`, replacing what is there unless the flags say otherwise.
    /// The caller made sure a directory does not move into itself.
    fn rename(
        &self,
        _old: &[u8],
        _new_dir: &InodeRef,
        _new: &[u8],
        _flags: RenameFlags,
    ) -> Result<()> {
        Err(self.not_a_dir())
    }

    /// Emits the entries after position `cookie` (0 is the start) until `emit` says false, without
    /// `.` and `..`. Positions are at least [`FIRST_COOKIE`] and stay valid while entries come and
    /// go: an entry that is there all the time is emitted exactly once.
    fn readdir(&self, _cookie: u64, _emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        Err(Errno::ENOTDIR)
    }

    /// The target of a symbolic link.
    fn readlink(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }

    /// Where a magic link (`/proc/self/fd/3`, `/proc/self/exe`) leads, which need not be what its
    /// text says. `None` for ordinary symbolic links.
    fn magic_link(&self) -> Option<Result<Path>> {
        None
    }

    /// The value of an extended attribute; `ENODATA` when not set.
    fn get_xattr(&self, _name: &[u8]) -> Result<Vec<u8>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Sets an extended attribute.
    fn set_xattr(&self, _name: &[u8], _value: &[u8], _flags: XattrFlags) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// The names of the extended attributes, sorted.
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    /// Removes an extended attribute.
    fn remove_xattr(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// `fallocate(2)`.
    fn allocate(&self, _mode: AllocateMode, _offset: u64, _len: u64) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// The next data (`hole` false) or hole (true) at or after `offset`, as `SEEK_DATA` and
    /// `SEEK_HOLE`; `ENXIO` when there is none. By default the file is all data.
    fn seek(&self, offset: u64, hole: bool) -> Result<u64> {
        let size = self.attr()?.size;
        match offset < size {
            true => Ok(if hole { size } else { offset }),
            false => Err(Errno::ENXIO),
        }
    }

    /// Called when the file is opened for writing, before anything is written: an overlay copies it
    /// up, whether or not a write follows.
    fn opened_for_write(&self) -> Result<()> {
        Ok(())
    }

    /// Notes that the file was read; file systems update `atime` as `relatime` does.
    fn accessed(&self) {}

    /// Where the pipe of a FIFO or the listening socket hangs, for file systems that have them.
    fn attachment(&self) -> Option<&Attachment> {
        None
    }

    /// For downcasts within a file system.
    fn as_any(&self) -> &dyn Any;

    /// The error of an operation on file contents.
    #[doc(hidden)]
    fn not_a_file(&self) -> Errno {
        match self.attr() {
            Ok(attr) if attr.is_dir() => Errno::EISDIR,
            _ => Errno::EINVAL,
        }
    }

    /// The error of an operation on directory entries: `EPERM` on a directory that cannot change.
    #[doc(hidden)]
    fn not_a_dir(&self) -> Errno {
        match self.attr() {
            Ok(attr) if attr.is_dir() => Errno::EPERM,
            _ => Errno::ENOTDIR,
        }
    }
}

/// Whether two handles are the same inode.
pub fn same_inode(a: &InodeRef, b: &InodeRef) -> bool {
    Rc::as_ptr(a).cast::<()>() == Rc::as_ptr(b).cast::<()>()
}
