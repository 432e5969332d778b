//! Volumes as trees in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_vfs::{Clock, FileSystem, Quota, Tmpfs};

use super::stored_tree::StoredTree;
use super::trees;
use crate::dirs::{FileTree, VolumeDirs};
use crate::store::{Store, StoreError};

const BUCKET: &str = "volume-trees";

/// [`VolumeDirs`] in memory, stored when synced.
pub struct EmulatedVolumes {
    store: Rc<dyn Store>,
    clock: Clock,
    disk: Quota,
    open: RefCell<BTreeMap<String, Rc<StoredTree>>>,
}

impl EmulatedVolumes {
    /// Volumes on a disk, kept in a store.
    pub fn new(store: Rc<dyn Store>, clock: Clock, disk: Quota) -> Self {
        EmulatedVolumes {
            store,
            clock,
            disk,
            open: RefCell::default(),
        }
    }

    async fn volume(&self, name: &str) -> Result<Rc<StoredTree>, StoreError> {
        if let Some(volume) = self.open.borrow().get(name) {
            return Ok(volume.clone());
        }
        let tree = Tmpfs::new(&self.clock, self.disk.clone()).map_err(|_| StoreError::Full)?;
        let volume = Rc::new(StoredTree::load(&*self.store, BUCKET, name, tree).await?);
        // Someone may have opened it meanwhile.
        let mut open = self.open.borrow_mut();
        Ok(open.entry(name.to_owned()).or_insert(volume).clone())
    }
}

#[async_trait(?Send)]
impl VolumeDirs for EmulatedVolumes {
    async fn open(&self, name: &str) -> Result<FileTree, StoreError> {
        Ok(FileTree::whole(self.volume(name).await?.tree().clone()))
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let open = self.open.borrow_mut().remove(name);
        let ops = match open {
            Some(volume) => volume.removal(),
            None => StoredTree::removal_of(&*self.store, BUCKET, name).await?,
        };
        match ops.is_empty() {
            true => Ok(()),
            false => self.store.commit(ops).await,
        }
    }

    async fn size(&self, name: &str) -> Result<u64, StoreError> {
        Ok(trees::usage(&self.volume(name).await?.tree().root()).size)
    }

    async fn sync(&self, name: &str) -> Result<(), StoreError> {
        let volume = self.volume(name).await?;
        volume.sync(&*self.store, Vec::new()).await
    }
}
