//! Volumes as trees in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_vfs::{Clock, FileSystem, Quota, Tmpfs};

use super::trees;
use crate::dirs::{FileTree, VolumeDirs};
use crate::store::{Op, Store, StoreError};

const BUCKET: &str = "volume-data";

struct Volume {
    tree: Rc<Tmpfs>,
    /// The generation that is stored.
    stored: Cell<u64>,
}

/// [`VolumeDirs`] in memory, stored as a whole when synced.
pub struct EmulatedVolumes {
    store: Rc<dyn Store>,
    clock: Clock,
    disk: Quota,
    open: RefCell<BTreeMap<String, Rc<Volume>>>,
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

    async fn volume(&self, name: &str) -> Result<Rc<Volume>, StoreError> {
        if let Some(volume) = self.open.borrow().get(name) {
            return Ok(volume.clone());
        }
        let stored = self.store.get(BUCKET, name).await?;
        // Someone may have opened it meanwhile.
        if let Some(volume) = self.open.borrow().get(name) {
            return Ok(volume.clone());
        }
        let tree = Tmpfs::new(&self.clock, self.disk.clone()).map_err(|_| StoreError::Full)?;
        if let Some(bytes) = stored {
            trees::load(&bytes, &tree)?;
        }
        let volume = Rc::new(Volume {
            stored: Cell::new(tree.generation()),
            tree,
        });
        self.open
            .borrow_mut()
            .insert(name.to_owned(), volume.clone());
        Ok(volume)
    }
}

#[async_trait(?Send)]
impl VolumeDirs for EmulatedVolumes {
    async fn open(&self, name: &str) -> Result<FileTree, StoreError> {
        Ok(FileTree::whole(self.volume(name).await?.tree.clone()))
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.open.borrow_mut().remove(name);
        self.store
            .commit(vec![Op::Delete {
                bucket: BUCKET,
                key: name.into(),
            }])
            .await
    }

    async fn size(&self, name: &str) -> Result<u64, StoreError> {
        Ok(trees::usage(&self.volume(name).await?.tree.root()).size)
    }

    async fn sync(&self, name: &str) -> Result<(), StoreError> {
        let volume = self.volume(name).await?;
        let generation = volume.tree.generation();
        if generation == volume.stored.get() {
            return Ok(());
        }
        let value = trees::save(&volume.tree.root())?;
        self.store
            .commit(vec![Op::Put {
                bucket: BUCKET,
                key: name.into(),
                value,
            }])
            .await?;
        volume.stored.set(generation);
        Ok(())
    }
}
