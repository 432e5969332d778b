//! Durable state: buckets of keys and values (IndexedDB in a tab, files on a server).

use std::cell::RefCell;
use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

/// One change of a [`Store`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets a key.
    Put {
        /// Name of a bucket; buckets exist as soon as they are written to.
        bucket: &'static str,
        /// Key within the bucket.
        key: String,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a key; fine when it is not there.
    Delete {
        /// Name of a bucket.
        bucket: &'static str,
        /// Key within the bucket.
        key: String,
    },
}

/// Why stored state could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The host's quota is used up.
    #[error("no space left on device")]
    Full,
    /// Anything else, in the host's words.
    #[error("{0}")]
    Failed(String),
}

/// Durable key-value storage.
#[async_trait(?Send)]
pub trait Store {
    /// All keys of a bucket with the length of their values, in key order.
    async fn list(&self, bucket: &'static str) -> Result<Vec<(String, u64)>, StoreError>;

    /// All entries of a bucket, in key order.
    async fn load(&self, bucket: &'static str) -> Result<Vec<(String, Bytes)>, StoreError>;

    /// One value.
    async fn get(&self, bucket: &'static str, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Applies all changes or none; what it resolved for survives a crash.
    async fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError>;
}

/// A store that lasts as long as its handle: for engines that keep nothing, and
/// for tests, which "crash" an engine by dropping it and keeping the store.
#[derive(Default)]
pub struct MemoryStore {
    buckets: RefCell<BTreeMap<(&'static str, String), Bytes>>,
    limit: Option<u64>,
}

impl MemoryStore {
    /// A store of at most so many bytes.
    pub fn with_limit(limit: u64) -> Self {
        MemoryStore {
            buckets: RefCell::default(),
            limit: Some(limit),
        }
    }

    /// Bytes of all values.
    pub fn size(&self) -> u64 {
        self.buckets
            .borrow()
            .values()
            .map(|value| value.len() as u64)
            .sum()
    }

    fn entries(&self, bucket: &'static str) -> Vec<(String, Bytes)> {
        let buckets = self.buckets.borrow();
        let from = (bucket, String::new());
        let entries = buckets
            .range(from..)
            .take_while(|((name, _), _)| *name == bucket);
        entries
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }
}

#[async_trait(?Send)]
impl Store for MemoryStore {
    async fn list(&self, bucket: &'static str) -> Result<Vec<(String, u64)>, StoreError> {
        Ok(self
            .entries(bucket)
            .into_iter()
            .map(|(key, value)| (key, value.len() as u64))
            .collect())
    }

    async fn load(&self, bucket: &'static str) -> Result<Vec<(String, Bytes)>, StoreError> {
        Ok(self.entries(bucket))
    }

    async fn get(&self, bucket: &'static str, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self
            .buckets
            .borrow()
            .get(&(bucket, key.to_owned()))
            .cloned())
    }

    async fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError> {
        if let Some(limit) = self.limit {
            let added: u64 = ops
                .iter()
                .map(|op| {
                    if let Op::Put { value, .. } = op {
                        value.len() as u64
                    } else {
                        0
                    }
                })
                .sum();
            if self.size() + added > limit {
                return Err(StoreError::Full);
            }
        }
        let mut buckets = self.buckets.borrow_mut();
        for op in ops {
            match op {
                Op::Put { bucket, key, value } => buckets.insert((bucket, key), value),
                Op::Delete { bucket, key } => buckets.remove(&(bucket, key)),
            };
        }
        Ok(())
    }
}
