//! A file system as a whole.

use crate::{InodeRef, Result};

/// What `statfs(2)` reports; sizes in blocks of `block_size` bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statfs {
    /// The magic number (`TMPFS_MAGIC`, `OVERLAYFS_SUPER_MAGIC` …).
    pub magic: u64,
    /// Bytes per block.
    pub block_size: u64,
    /// All blocks.
    pub blocks: u64,
    /// Free blocks.
    pub free_blocks: u64,
    /// All inodes.
    pub files: u64,
    /// Free inodes.
    pub free_files: u64,
    /// The longest name.
    pub name_max: u64,
}

/// A file system that can be mounted.
pub trait FileSystem {
    /// The root directory (or, for a single file, the file).
    fn root(&self) -> InodeRef;
    /// Sizes and limits.
    fn statfs(&self) -> Result<Statfs>;
    /// The type's name as `/proc/mounts` shows it.
    fn kind(&self) -> &'static str;
    /// The device number that `stat` reports for its files.
    fn dev(&self) -> u64;
    /// The super block's options in `/proc/mounts`, without `rw`/`ro`: `size=65536k` for example.
    fn options(&self) -> String {
        String::new()
    }
}
