//! Content kept in the store: small content as a value, large content as the store keeps large
//! values, or cut in pieces where it has no way of its own.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_oci::{Algorithm, Digest, Digester};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::content::{CHUNK, ContentError, ContentInfo, ContentStore, ContentWriter, unreadable};
use crate::store::{Op, Pieces, ReadAt, Stage, Store};

/// The buckets of a content store.
#[derive(Clone, Copy)]
struct Buckets {
    /// Whole values by digest.
    whole: &'static str,
    /// What there is of content in pieces, by digest.
    cut: &'static str,
    /// The pieces: `UPLOAD/NUMBER`.
    pieces: &'static str,
}

const OWN: Buckets = Buckets {
    whole: "content",
    cut: "content-cut",
    pieces: "content-pieces",
};
const REGISTRY: Buckets = Buckets {
    whole: "registry-content",
    cut: "registry-content-cut",
    pieces: "registry-content-pieces",
};

const HUB: Buckets = Buckets {
    whole: "hub-content",
    cut: "hub-content-cut",
    pieces: "hub-content-pieces",
};

const REGISTRY_FILES: Buckets = Buckets {
    whole: "blobs",
    cut: "blobs-cut",
    pieces: "blobs-pieces",
};

/// Content of more bytes than this is not held in memory while it is written, where the store can
/// take it, and is cut in pieces of as many where it can't.
const PIECE: usize = 1 << 20;

/// Content that is cut in pieces.
#[derive(Clone, Serialize, Deserialize)]
struct Cut {
    upload: u64,
    pieces: u64,
    size: u64,
}

impl Cut {
    fn keys(&self) -> impl Iterator<Item = String> + use<> {
        let upload = self.upload;
        (0..self.pieces).map(move |number| piece(upload, number))
    }
}

fn piece(upload: u64, number: u64) -> String {
    format!("{upload}/{number:08}")
}

/// A [`ContentStore`] over a [`Store`].
#[derive(Clone)]
pub struct StoredContent(Rc<Inner>);

struct Inner {
    store: Rc<dyn Store>,
    buckets: Buckets,
    next_upload: Cell<u64>,
    /// Set when pieces that a crash left behind are gone.
    swept: OnceCell<()>,
    /// Uploads that came to nothing, whose pieces the next one removes.
    abandoned: RefCell<Vec<Cut>>,
    outside: bool,
}

impl StoredContent {
    /// The engine's content.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self::in_buckets(store, OWN)
    }

    /// A registry's content, apart from the engine's own.
    pub fn of_registry(store: Rc<dyn Store>) -> Self {
        Self::in_buckets(store, REGISTRY)
    }

    /// The content of a Docker Hub of one's own.
    pub fn of_hub(store: Rc<dyn Store>) -> Self {
        Self::in_buckets(store, HUB)
    }

    /// The content of a registry that keeps its state in files of its own.
    pub fn of_registry_files(store: Rc<dyn Store>) -> Self {
        Self::in_buckets(store, REGISTRY_FILES)
    }

    fn in_buckets(store: Rc<dyn Store>, buckets: Buckets) -> Self {
        let outside = store.stage().is_some();
        StoredContent(Rc::new(Inner {
            store,
            buckets,
            next_upload: Cell::new(0),
            swept: OnceCell::new(),
            abandoned: RefCell::default(),
            outside,
        }))
    }
}

impl Inner {
    async fn cut(&self, digest: &Digest) -> Result<Option<Cut>, ContentError> {
        if self.outside {
            return Ok(None);
        }
        let json = self.store.get(self.buckets.cut, digest.as_str()).await?;
        Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// A number for the pieces of one upload. The first call removes pieces that belong to none.
    async fn upload(&self) -> Result<u64, ContentError> {
        if self.swept.get().is_none() {
            let cuts = self.store.load(self.buckets.cut).await?;
            let cuts = cuts
                .iter()
                .filter_map(|(_, json)| serde_json::from_slice::<Cut>(json).ok());
            let used: BTreeSet<u64> = cuts.map(|cut| cut.upload).collect();
            let pieces = self.store.list(self.buckets.pieces).await?;
            if self.swept.set(()).is_ok() {
                let mut last = used.last().copied();
                let mut ops = Vec::new();
                for (key, _) in pieces {
                    let upload = key.split('/').next().and_then(|number| number.parse().ok());
                    last = last.max(upload);
                    if !upload.is_some_and(|upload| used.contains(&upload)) {
                        ops.push(self.delete(self.buckets.pieces, key));
                    }
                }
                self.next_upload.set(last.map_or(0, |last| last + 1));
                if !ops.is_empty() {
                    self.store.commit(ops).await?;
                }
            }
        }
        let abandoned: Vec<Cut> = self.abandoned.borrow_mut().drain(..).collect();
        let keys = abandoned.iter().flat_map(Cut::keys);
        let ops: Vec<Op> = keys
            .map(|key| self.delete(self.buckets.pieces, key))
            .collect();
        if !ops.is_empty() {
            self.store.commit(ops).await?;
        }
        let upload = self.next_upload.get();
        self.next_upload.set(upload + 1);
        Ok(upload)
    }

    fn delete(&self, bucket: &'static str, key: String) -> Op {
        Op::Delete { bucket, key }
    }
}

#[async_trait(?Send)]
impl ContentStore for StoredContent {
    async fn info(&self, digest: &Digest) -> Result<ContentInfo, ContentError> {
        let size = match self.0.cut(digest).await? {
            Some(cut) => cut.size,
            None => self.open(digest).await?.size(),
        };
        Ok(ContentInfo {
            digest: digest.clone(),
            size,
        })
    }

    async fn open(&self, digest: &Digest) -> Result<Rc<dyn ReadAt>, ContentError> {
        let Inner { store, buckets, .. } = &*self.0;
        if let Some(found) = store.open(buckets.whole, digest.as_str()).await? {
            return Ok(found);
        }
        let missing = || ContentError::NotFound(digest.clone());
        let cut = self.0.cut(digest).await?.ok_or_else(missing)?;
        let mut pieces = Pieces::default();
        for key in cut.keys() {
            pieces.push(store.get(buckets.pieces, &key).await?.ok_or_else(missing)?);
        }
        Ok(Rc::new(pieces))
    }

    fn is_outside(&self) -> bool {
        self.0.outside
    }

    fn stage(&self) -> Option<Box<dyn Stage>> {
        self.0.store.stage()
    }

    fn writer(&self) -> Box<dyn ContentWriter> {
        Box::new(Writer {
            content: self.0.clone(),
            digester: Digester::new(Algorithm::Sha256),
            written: 0,
            held: BytesMut::new(),
            large: None,
        })
    }

    async fn delete(&self, digest: &Digest) -> Result<(), ContentError> {
        let buckets = self.0.buckets;
        let mut ops = vec![self.0.delete(buckets.whole, digest.as_str().into())];
        if let Some(cut) = self.0.cut(digest).await? {
            ops.push(self.0.delete(buckets.cut, digest.as_str().into()));
            ops.extend(cut.keys().map(|key| self.0.delete(buckets.pieces, key)));
        }
        Ok(self.0.store.commit(ops).await?)
    }

    async fn list(&self) -> Result<Vec<ContentInfo>, ContentError> {
        let info = |(key, size): (String, u64)| {
            Some(ContentInfo {
                digest: key.parse().ok()?,
                size,
            })
        };
        let whole = self.0.store.list(self.0.buckets.whole).await?;
        let mut found: Vec<ContentInfo> = whole.into_iter().filter_map(info).collect();
        if !self.0.outside {
            let cuts = self.0.store.load(self.0.buckets.cut).await?;
            found.extend(cuts.into_iter().filter_map(|(key, json)| {
                let cut: Cut = serde_json::from_slice(&json).ok()?;
                info((key, cut.size))
            }));
        }
        Ok(found)
    }
}

/// Where content goes that is more than is held.
enum Large {
    /// A value the store takes piece by piece.
    Stage(Box<dyn Stage>),
    /// Pieces of the store: what there is of them so far.
    Cut(Cut),
}

struct Writer {
    content: Rc<Inner>,
    digester: Digester,
    written: u64,
    /// What is not in `large` yet.
    held: BytesMut,
    large: Option<Large>,
}

impl Writer {
    /// Moves what is held to where large content goes.
    async fn flush(&mut self) -> Result<(), ContentError> {
        let Inner { store, buckets, .. } = &*self.content;
        if self.large.is_none() {
            self.large = Some(match store.stage() {
                Some(stage) => Large::Stage(stage),
                None => Large::Cut(Cut {
                    upload: self.content.upload().await?,
                    pieces: 0,
                    size: 0,
                }),
            });
        }
        let bytes = self.held.split().freeze();
        match &mut self.large {
            Some(Large::Stage(stage)) => stage.write(bytes).await?,
            Some(Large::Cut(cut)) => {
                let op = Op::Put {
                    bucket: buckets.pieces,
                    key: piece(cut.upload, cut.pieces),
                    value: bytes,
                };
                cut.pieces += 1;
                store.commit(vec![op]).await?;
            }
            None => {}
        }
        Ok(())
    }

    /// Makes what was written visible, if its digest is `expected`.
    async fn publish(mut self, expected: Option<&Digest>) -> Result<Digest, ContentError> {
        let digester = std::mem::replace(&mut self.digester, Digester::new(Algorithm::Sha256));
        let mut digest = digester.finish();
        let Inner { store, buckets, .. } = &*self.content.clone();
        let mut ops = Vec::new();
        let mut put = None;
        match self.large.take() {
            None => {
                let bytes = self.held.split().freeze();
                put = Some((buckets.whole, bytes));
            }
            Some(Large::Stage(mut stage)) => {
                stage.write(self.held.split().freeze()).await?;
                let value = stage.finish(true).await?;
                if let Some(expected) = expected {
                    digest = alike(digest, expected, &*value.reader)?;
                }
                let bucket = buckets.whole;
                let key = digest.as_str().into();
                ops.push(Op::PutStaged { bucket, key, value });
            }
            Some(Large::Cut(mut cut)) => {
                let bucket = buckets.pieces;
                let key = piece(cut.upload, cut.pieces);
                let value = self.held.split().freeze();
                ops.push(Op::Put { bucket, key, value });
                cut.pieces += 1;
                cut.size = self.written;
                let json = serde_json::to_vec(&cut).unwrap_or_default();
                put = Some((buckets.cut, json.into()));
                // Until the commit below they are nobody's.
                self.large = Some(Large::Cut(cut));
            }
        }
        if let Some((bucket, value)) = put {
            if let Some(expected) = expected
                && expected.algorithm() != digest.algorithm()
            {
                let pieces = match &self.large {
                    Some(Large::Cut(cut)) => {
                        let mut pieces = Pieces::default();
                        for key in cut.keys().take(ops_before(cut)) {
                            pieces.push(store.get(buckets.pieces, &key).await?.unwrap_or_default());
                        }
                        if let Some(Op::Put { value, .. }) = ops.first() {
                            pieces.push(value.clone());
                        }
                        pieces
                    }
                    _ => Pieces::from(value.clone()),
                };
                digest = alike(digest, expected, &pieces)?;
            }
            let key = digest.as_str().into();
            ops.push(Op::Put { bucket, key, value });
        }
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(ContentError::DigestMismatch {
                expected: expected.clone(),
                got: digest,
            });
        }
        store.commit(ops).await?;
        self.large = None;
        Ok(digest)
    }
}

/// Pieces of an upload that are in the store before its last one is.
fn ops_before(cut: &Cut) -> usize {
    usize::try_from(cut.pieces.saturating_sub(1)).unwrap_or(usize::MAX)
}

/// The digest in the algorithm of the expected one.
fn alike(digest: Digest, expected: &Digest, bytes: &dyn ReadAt) -> Result<Digest, ContentError> {
    if digest.algorithm() == expected.algorithm() {
        return Ok(digest);
    }
    let mut digester = Digester::new(expected.algorithm());
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < bytes.size() {
        let n = bytes.read_at(at, &mut buffer).map_err(unreadable)?;
        if n == 0 {
            return Err(unreadable(std::io::ErrorKind::UnexpectedEof.into()));
        }
        digester.update(&buffer[..n]);
        at += n as u64;
    }
    Ok(digester.finish())
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(Large::Cut(cut)) = self.large.take() {
            self.content.abandoned.borrow_mut().push(cut);
        }
    }
}

#[async_trait(?Send)]
impl ContentWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ContentError> {
        self.digester.update(&bytes);
        self.written += bytes.len() as u64;
        if let Some(Large::Stage(stage)) = &mut self.large {
            return Ok(stage.write(bytes).await?);
        }
        self.held.extend_from_slice(&bytes);
        if self.held.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written
    }

    async fn commit(
        self: Box<Self>,
        expected: &Digest,
        size: Option<u64>,
    ) -> Result<(), ContentError> {
        let got = self.written;
        if let Some(expected) = size.filter(|&expected| expected != got) {
            return Err(ContentError::SizeMismatch { expected, got });
        }
        self.publish(Some(expected)).await.map(drop)
    }

    async fn seal(self: Box<Self>) -> Result<Digest, ContentError> {
        self.publish(None).await
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

    /// Large content goes to memory stores in pieces, and none stay behind.
    #[test]
    fn large_content_is_cut_and_put_together_again() {
        let memory = Rc::new(MemoryStore::default());
        let store: Rc<dyn Store> = memory.clone();
        let bytes: Vec<u8> = (0..3 * PIECE + 5).map(|i| (i / 7) as u8).collect();
        let content = StoredContent::new(store.clone());
        let write = |content: &StoredContent| {
            let mut writer = content.writer();
            for chunk in bytes.chunks(100_000) {
                block_on(writer.write(Bytes::copy_from_slice(chunk))).expect("write");
            }
            writer
        };
        let sha512 = {
            let mut digester = Digester::new(Algorithm::Sha512);
            digester.update(&bytes);
            digester.finish()
        };
        for digest in [Digest::of(&bytes), sha512] {
            block_on(write(&content).commit(&digest, Some(bytes.len() as u64))).expect("commit");
            assert_eq!(block_on(content.read(&digest)).expect("read"), bytes);
            assert_eq!(
                block_on(content.info(&digest)).expect("info").size,
                bytes.len() as u64
            );
            let open = block_on(content.open(&digest)).expect("open");
            let mut some = [0; 9];
            let at = PIECE as u64 - 4;
            assert_eq!(open.read_at(at, &mut some).expect("read"), 9);
            assert_eq!(some, bytes[PIECE - 4..PIECE + 5]);
            block_on(content.delete(&digest)).expect("delete");
        }
        assert_eq!(memory.size(), 0);

        // One that fails its check, one that is dropped, and one that a crash cuts off.
        let wrong = Digest::of(b"other");
        assert!(block_on(write(&content).commit(&wrong, None)).is_err());
        drop(write(&content));
        std::mem::forget(write(&content));
        assert!(memory.size() > 0);
        let again = StoredContent::new(store);
        let digest = block_on(write(&again).seal()).expect("seal");
        assert_eq!(digest, Digest::of(&bytes));
        block_on(again.delete(&digest)).expect("delete");
        assert_eq!(memory.size(), 0);
    }
}
