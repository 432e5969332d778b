//! Volumes as directories of the disk.

use std::fs;
use std::path::PathBuf;

use async_trait::async_trait;
use bottleship_engine::dirs::{FileTree, VolumeDirs};
use bottleship_engine::layer::usage;
use bottleship_engine::store::StoreError;

use crate::host::{HostFiles, HostKind};

/// [`VolumeDirs`] below a directory.
pub struct DiskVolumes {
    dir: PathBuf,
    /// The host's id of containers' root.
    base: u32,
    files: HostFiles,
}

impl DiskVolumes {
    /// Volumes whose files belong to containers with that root.
    pub fn new(dir: PathBuf, base: u32) -> DiskVolumes {
        DiskVolumes {
            dir,
            base,
            files: HostFiles::of(HostKind {
                devices: false,
                base,
            }),
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        // The engine checked it; a path is made of it.
        match !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain) {
            true => Ok(self.dir.join(name)),
            false => Err(StoreError::Failed(format!("{name:?} is no volume's name"))),
        }
    }
}

fn failed(name: &str) -> impl Fn(std::io::Error) -> StoreError {
    let name = name.to_owned();
    move |error| match error.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Failed(format!("volume {name}: {error}")),
    }
}

#[async_trait(?Send)]
impl VolumeDirs for DiskVolumes {
    async fn open(&self, name: &str) -> Result<FileTree, StoreError> {
        let dir = self.path(name)?.join("_data");
        if !dir.exists() {
            fs::create_dir_all(&dir).map_err(failed(name))?;
            std::os::unix::fs::chown(&dir, Some(self.base), Some(self.base))
                .map_err(failed(name))?;
        }
        self.files
            .tree(&dir)
            .map_err(|error| failed(name)(error.into()))
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match fs::remove_dir_all(self.path(name)?) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(name)(error)),
            _ => Ok(()),
        }
    }

    async fn size(&self, name: &str) -> Result<u64, StoreError> {
        let tree = self.open(name).await?;
        let used = usage(&tree.root).map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(used.size)
    }

    async fn sync(&self, _name: &str) -> Result<(), StoreError> {
        // Files are the kernel's; it writes them by itself.
        Ok(())
    }
}
