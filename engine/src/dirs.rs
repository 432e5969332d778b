//! Directories outside of containers: volumes, and the host's own files.

use std::rc::Rc;

use async_trait::async_trait;
use bottleship_vfs::{FileSystem, InodeRef, Statfs};

use crate::store::StoreError;

/// A directory or file with the file system it is in: what can be mounted.
#[derive(Clone)]
pub struct FileTree {
    /// The file system.
    pub fs: Rc<dyn FileSystem>,
    /// The directory or file in it.
    pub root: InodeRef,
}

impl FileTree {
    /// All of a file system.
    pub fn whole(fs: Rc<dyn FileSystem>) -> Self {
        FileTree {
            root: fs.root(),
            fs,
        }
    }
}

impl FileSystem for FileTree {
    fn root(&self) -> InodeRef {
        self.root.clone()
    }

    fn statfs(&self) -> bottleship_vfs::Result<Statfs> {
        self.fs.statfs()
    }

    fn kind(&self) -> &'static str {
        self.fs.kind()
    }

    fn dev(&self) -> u64 {
        self.fs.dev()
    }

    fn options(&self) -> String {
        self.fs.options()
    }
}

/// Where volumes' files are: directories in memory, or on the host's disk.
#[async_trait(?Send)]
pub trait VolumeDirs {
    /// Makes or opens a volume's directory.
    async fn open(&self, name: &str) -> Result<FileTree, StoreError>;

    /// Removes it with everything in it.
    async fn remove(&self, name: &str) -> Result<(), StoreError>;

    /// Bytes in it.
    async fn size(&self, name: &str) -> Result<u64, StoreError>;

    /// Makes what was written to it durable.
    async fn sync(&self, name: &str) -> Result<(), StoreError>;
}

/// The host's files, which bind mounts show.
#[async_trait(?Send)]
pub trait HostDirs {
    /// The file or directory at an absolute path, following links.
    async fn open(&self, path: &str) -> Result<Option<FileTree>, StoreError>;

    /// Makes a directory with its parents, as `-v` does.
    async fn create_dir(&self, path: &str) -> Result<FileTree, StoreError>;

    /// The host's resolver configuration, for containers on the default bridge.
    async fn resolv_conf(&self) -> Vec<u8> {
        b"nameserver 8.8.8.8\nnameserver 8.8.4.4\n".to_vec()
    }
}
