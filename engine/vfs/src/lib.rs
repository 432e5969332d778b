//! Linux's virtual file system: inodes, paths, mounts, tmpfs and overlayfs, in memory and without IO.
//!
//! - [`Inode`] is what a file system implements: unchecked operations on one file.
//! - [`Path`], [`Mount`] and [`MountNs`] place inodes in a tree of mounts.
//! - [`Walk`] resolves path names and carries the operations that check permissions, as
//!   Linux's `fs/namei.c` does. Errors are the [`Errno`] Linux would return.
//!
//! Nothing here reads a clock: file systems take the time from the [`Clock`] they were given.
#![forbid(unsafe_code)]

mod attach;
mod clock;
mod creds;
mod dentry;
mod fs;
mod inode;
mod mount;
mod mount_ns;
mod open;
mod ops;
pub mod overlay;
mod path;
mod perm;
mod quota;
mod setattr;
pub mod tmpfs;
mod walk;

pub use attach::Attachment;
pub use bottleship_abi::Errno;
pub use clock::{Clock, Time};
pub use creds::{CapSet, Caps, Creds};
pub use dentry::Dentry;
pub use fs::{FileSystem, Statfs};
pub use inode::{
    AllocateMode, Attr, CreatePerm, DirEntry, FIRST_COOKIE, Inode, InodeRef, NewNode, RenameFlags,
    SetAttr, XattrFlags, same_inode,
};
pub use mount::{Mount, MountFlags};
pub use mount_ns::{MountCopies, MountInfo, MountNs};
pub use open::{OpenFlags, Opened};
pub use overlay::Overlay;
pub use path::Path;
pub use perm::{Access, permission};
pub use quota::Quota;
pub use setattr::TimeUpdate;
pub use tmpfs::Tmpfs;
pub use walk::{Last, Parent, ResolveFlags, Walk};

/// A result whose error is what the system call would return.
pub type Result<T> = std::result::Result<T, Errno>;

/// The longest name of a directory entry, in bytes.
pub const NAME_MAX: usize = 255;
/// The longest path name, including the terminating NUL of the C string.
pub const PATH_MAX: usize = 4096;
