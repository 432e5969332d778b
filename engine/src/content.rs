//! Content addressed by digest: layers, manifests and configs, byte for byte as
//! they came (containerd's content store).

use async_trait::async_trait;
use bottleship_oci::Digest;
use bytes::Bytes;

use crate::store::StoreError;

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentInfo {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Why content could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// No such content.
    #[error("content {0}: not found")]
    NotFound(Digest),
    /// What was written does not have the digest it should have.
    #[error("unexpected commit digest {got}, expected {expected}: failed precondition")]
    DigestMismatch {
        /// The digest asked for.
        expected: Digest,
        /// The digest of the bytes.
        got: Digest,
    },
    /// What was written does not have the size it should have.
    #[error("unexpected commit size {got}, expected {expected}: failed precondition")]
    SizeMismatch {
        /// The size asked for, in bytes.
        expected: u64,
        /// The size of the bytes.
        got: u64,
    },
    /// The storage below failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Content by digest.
#[async_trait(?Send)]
pub trait ContentStore {
    /// Whether some content is there, and how long it is.
    async fn info(&self, digest: &Digest) -> Result<ContentInfo, ContentError>;

    /// The bytes.
    async fn read(&self, digest: &Digest) -> Result<Bytes, ContentError>;

    /// Starts writing; nothing is visible before [`ContentWriter::commit`].
    fn writer(&self) -> Box<dyn ContentWriter>;

    /// Removes content; fine when it is not there.
    async fn delete(&self, digest: &Digest) -> Result<(), ContentError>;

    /// Everything there is.
    async fn list(&self) -> Result<Vec<ContentInfo>, ContentError>;

    /// Writes bytes whose digest is not known beforehand, and returns it.
    async fn put(&self, bytes: Bytes) -> Result<Digest, ContentError> {
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        let mut writer = self.writer();
        writer.write(bytes).await?;
        writer.commit(&digest, Some(size)).await?;
        Ok(digest)
    }
}

/// Content being written. Dropping it abandons it.
#[async_trait(?Send)]
pub trait ContentWriter {
    /// Appends.
    async fn write(&mut self, bytes: Bytes) -> Result<(), ContentError>;

    /// Bytes so far.
    fn written(&self) -> u64;

    /// Verifies digest and size, then makes the content durable and visible.
    async fn commit(
        self: Box<Self>,
        expected: &Digest,
        size: Option<u64>,
    ) -> Result<(), ContentError>;
}
