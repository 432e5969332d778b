//! Durable state: buckets of keys and values (IndexedDB in a tab, files on a server).

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
