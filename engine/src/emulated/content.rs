//! Content kept in the store, one key per blob.

use std::rc::Rc;

use async_trait::async_trait;
use bottleship_oci::{Algorithm, Digest, Digester};
use bytes::Bytes;

use crate::content::{ContentError, ContentInfo, ContentStore, ContentWriter};
use crate::store::{Op, Store};

const BUCKET: &str = "content";

/// A [`ContentStore`] over a [`Store`].
pub struct StoredContent {
    store: Rc<dyn Store>,
    bucket: &'static str,
}

impl StoredContent {
    /// Content in that store's bucket `content`.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self::in_bucket(store, BUCKET)
    }

    /// Content in another bucket, apart from the engine's own.
    pub fn in_bucket(store: Rc<dyn Store>, bucket: &'static str) -> Self {
        StoredContent { store, bucket }
    }
}

#[async_trait(?Send)]
impl ContentStore for StoredContent {
    async fn info(&self, digest: &Digest) -> Result<ContentInfo, ContentError> {
        let bytes = self.read(digest).await?;
        Ok(ContentInfo {
            digest: digest.clone(),
            size: bytes.len() as u64,
        })
    }

    async fn read(&self, digest: &Digest) -> Result<Bytes, ContentError> {
        let found = self.store.get(self.bucket, digest.as_str()).await?;
        found.ok_or_else(|| ContentError::NotFound(digest.clone()))
    }

    fn writer(&self) -> Box<dyn ContentWriter> {
        Box::new(Writer {
            store: self.store.clone(),
            bucket: self.bucket,
            bytes: Vec::new(),
        })
    }

    async fn delete(&self, digest: &Digest) -> Result<(), ContentError> {
        let op = Op::Delete {
            bucket: self.bucket,
            key: digest.as_str().into(),
        };
        Ok(self.store.commit(vec![op]).await?)
    }

    async fn list(&self) -> Result<Vec<ContentInfo>, ContentError> {
        let entries = self.store.list(self.bucket).await?;
        let info = |(key, size): (String, u64)| {
            Some(ContentInfo {
                digest: key.parse().ok()?,
                size,
            })
        };
        Ok(entries.into_iter().filter_map(info).collect())
    }
}

struct Writer {
    store: Rc<dyn Store>,
    bucket: &'static str,
    bytes: Vec<u8>,
}

#[async_trait(?Send)]
impl ContentWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ContentError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn written(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn commit(
        self: Box<Self>,
        expected: &Digest,
        size: Option<u64>,
    ) -> Result<(), ContentError> {
        let got = self.written();
        if let Some(expected) = size.filter(|&expected| expected != got) {
            return Err(ContentError::SizeMismatch { expected, got });
        }
        if !expected.verifies(&self.bytes) {
            let mut digester = Digester::new(Algorithm::Sha256);
            digester.update(&self.bytes);
            return Err(ContentError::DigestMismatch {
                expected: expected.clone(),
                got: digester.finish(),
            });
        }
        let op = Op::Put {
            bucket: self.bucket,
            key: expected.as_str().into(),
            value: self.bytes.into(),
        };
        Ok(self.store.commit(vec![op]).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use futures::executor::block_on;

    #[test]
    fn content_is_verified_and_survives_a_new_engine() {
        let store: Rc<dyn Store> = Rc::new(MemoryStore::default());
        let content = StoredContent::new(store.clone());
        let digest = block_on(content.put(Bytes::from_static(b"layer"))).expect("put");
        assert_eq!(digest, Digest::of(b"layer"));

        let again = StoredContent::new(store);
        assert_eq!(
            block_on(again.read(&digest)),
            Ok(Bytes::from_static(b"layer"))
        );
        assert_eq!(
            block_on(again.list()),
            Ok(vec![ContentInfo {
                digest: digest.clone(),
                size: 5
            }])
        );

        let mut writer = again.writer();
        block_on(writer.write(Bytes::from_static(b"other"))).expect("write");
        let error = block_on(writer.commit(&digest, None));
        assert_eq!(
            error,
            Err(ContentError::DigestMismatch {
                expected: digest.clone(),
                got: Digest::of(b"other")
            })
        );

        block_on(again.delete(&digest)).expect("delete");
        assert_eq!(
            block_on(again.read(&digest)),
            Err(ContentError::NotFound(digest))
        );
    }
}
