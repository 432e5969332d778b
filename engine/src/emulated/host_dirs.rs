//! The emulated host's own files.

use std::rc::Rc;

use async_trait::async_trait;
use bottleship_vfs::{Creds, Errno, FileSystem, MountFlags, MountNs, ResolveFlags, Walk};

use crate::dirs::{FileTree, HostDirs};
use crate::store::StoreError;

/// [`HostDirs`] on one file system.
pub struct HostRoot {
    fs: Rc<dyn FileSystem>,
    mounts: Rc<MountNs>,
}

impl HostRoot {
    /// The files of that file system.
    pub fn new(fs: Rc<dyn FileSystem>) -> Self {
        HostRoot {
            mounts: MountNs::new(fs.clone(), "/dev/vda1", MountFlags::empty()),
            fs,
        }
    }

    fn with_walk<T>(&self, work: impl FnOnce(Walk<'_>) -> T) -> T {
        let (root, creds) = (self.mounts.root(), Creds::root());
        work(Walk {
            root: &root,
            cwd: &root,
            creds: &creds,
        })
    }
}

#[async_trait(?Send)]
impl HostDirs for HostRoot {
    async fn open(&self, path: &str) -> Result<Option<FileTree>, StoreError> {
        match self.with_walk(|walk| walk.resolve(path.as_bytes(), ResolveFlags::FOLLOW)) {
            Ok(found) => Ok(Some(FileTree {
                fs: self.fs.clone(),
                root: found.inode().clone(),
            })),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(StoreError::Failed(format!("stat {path}: {errno}"))),
        }
    }

    async fn create_dir(&self, path: &str) -> Result<FileTree, StoreError> {
        let failed = |errno: Errno| {
            StoreError::Failed(format!(
                "error while creating mount source path '{path}': mkdir {path}: {errno}"
            ))
        };
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .skip(1)
            .chain([path.len()]);
        for end in ends {
            let parent = path.get(..end).unwrap_or(path);
            match self.with_walk(|walk| walk.mkdir(parent.as_bytes(), 0o755)) {
                Ok(_) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        self.open(path).await?.ok_or_else(|| failed(Errno::ENOENT))
    }
}
