//! Durable state: buckets of keys and values (IndexedDB in a tab, files on a server).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;

/// Bytes that are read at any offset, without waiting.
pub trait ReadAt: bottleship_vfs::tmpfs::Backing {
    /// How many there are.
    fn size(&self) -> u64;

    /// Whether they lie outside of memory, so that holding on to them costs none.
    fn is_outside(&self) -> bool {
        false
    }
}

/// Pieces in memory, one after the other.
#[derive(Default)]
pub struct Pieces {
    /// Where each starts, and its bytes.
    pieces: Vec<(u64, Bytes)>,
    size: u64,
}

impl Pieces {
    /// Adds a piece at the end.
    pub fn push(&mut self, bytes: Bytes) {
        let start = self.size;
        self.size += bytes.len() as u64;
        self.pieces.push((start, bytes));
    }

    /// The pieces, in order.
    pub fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        self.pieces.into_iter().map(|(_, bytes)| bytes)
    }
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        let mut pieces = Pieces::default();
        pieces.push(bytes);
        pieces
    }
}

impl bottleship_vfs::tmpfs::Backing for Pieces {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let next = self.pieces.partition_point(|(start, _)| *start <= offset);
        let mut done = 0;
        for (start, bytes) in self.pieces.iter().skip(next.saturating_sub(1)) {
            let within = usize::try_from(offset + done as u64 - start).unwrap_or(usize::MAX);
            let rest = bytes.get(within..).unwrap_or_default();
            let n = rest.len().min(buf.len() - done);
            buf[done..done + n].copy_from_slice(&rest[..n]);
            done += n;
            if done == buf.len() {
                break;
            }
        }
        Ok(done)
    }
}

impl ReadAt for Pieces {
    fn size(&self) -> u64 {
        self.size
    }
}

/// A value being written piece by piece, outside of memory. Dropping it abandons it.
#[async_trait(?Send)]
pub trait Stage {
    /// Appends, waiting while too much is under way.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Ends the writing. A `durable` value can be put in a commit of the same store; another one
    /// only serves its reader.
    async fn finish(self: Box<Self>, durable: bool) -> Result<Staged, StoreError>;
}

/// A value written by a [`Stage`]. It goes when it is dropped before it was put; what its reader
/// reads stays as long as the reader does.
pub struct Staged {
    /// The store's name of it.
    pub number: u64,
    /// Its bytes.
    pub reader: Rc<dyn ReadAt>,
    /// Removes the value when it is dropped.
    pub guard: Box<dyn std::any::Any + Send>,
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Staged({}, {} bytes)", self.number, self.reader.size())
    }
}

/// One change of a [`Store`].
#[derive(Debug)]
pub enum Op {
    /// Sets a key to a value written before.
    PutStaged {
        /// Name of a bucket.
        bucket: &'static str,
        /// Key within the bucket.
        key: String,
        /// Its new value.
        value: Staged,
    },
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

    /// Starts a value too large to be held; `None` where there is nothing but memory to hold it,
    /// which the caller then cuts in pieces under several keys.
    fn stage(&self) -> Option<Box<dyn Stage>> {
        None
    }

    /// One value, to be read in parts.
    async fn open(
        &self,
        bucket: &'static str,
        key: &str,
    ) -> Result<Option<Rc<dyn ReadAt>>, StoreError> {
        let value = self.get(bucket, key).await?;
        Ok(value.map(|bytes| Rc::new(Pieces::from(bytes)) as Rc<dyn ReadAt>))
    }

    /// Applies all changes or none; what it resolved for survives a crash, unless it was [`deferred`].
    async fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError>;

    /// Whether commits that begin from now on may resolve before they are durable; answers what it was before. They
    /// keep their order, and are durable at the latest when a later commit that may not has resolved. A store that
    /// gains nothing by it ignores it.
    fn defer(&self, on: bool) -> bool {
        let _ = on;
        false
    }
}

/// Does work whose commits are steps on the way to an answer that is still to be given: waiting for the disk after each
/// is not needed. Other work at the same time is not affected. Whoever answers commits once more, or calls [`settle`].
pub async fn deferred<F: Future>(store: &dyn Store, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| {
        let before = store.defer(true);
        let polled = work.as_mut().poll(cx);
        store.defer(before);
        polled
    })
    .await
}

/// Resolves when all that was committed before is durable.
///
/// # Errors
/// When it could not be written.
pub async fn settle(store: &dyn Store) -> Result<(), StoreError> {
    let mark = Op::Put {
        bucket: "settled",
        key: "last".into(),
        value: Bytes::new(),
    };
    store.commit(vec![mark]).await
}

/// What a store that stages nothing says to a staged value.
pub fn foreign() -> StoreError {
    StoreError::Failed("a value staged in another store".into())
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
                Op::Put { bucket, key, value } => drop(buckets.insert((bucket, key), value)),
                Op::Delete { bucket, key } => drop(buckets.remove(&(bucket, key))),
                Op::PutStaged { .. } => return Err(foreign()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Notes whether each commit was deferred.
    #[derive(Default)]
    struct Noting {
        deferring: Cell<bool>,
        noted: RefCell<Vec<(String, bool)>>,
    }

    #[async_trait(?Send)]
    impl Store for Noting {
        async fn list(&self, _: &'static str) -> Result<Vec<(String, u64)>, StoreError> {
            Ok(Vec::new())
        }

        async fn load(&self, _: &'static str) -> Result<Vec<(String, Bytes)>, StoreError> {
            Ok(Vec::new())
        }

        async fn get(&self, _: &'static str, _: &str) -> Result<Option<Bytes>, StoreError> {
            Ok(None)
        }

        async fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError> {
            let keys = ops.iter().map(|op| match op {
                Op::Put { key, .. } | Op::PutStaged { key, .. } | Op::Delete { key, .. } => key,
            });
            let deferred = self.deferring.get();
            let noted = keys.map(|key| (key.clone(), deferred));
            self.noted.borrow_mut().extend(noted);
            Ok(())
        }

        fn defer(&self, on: bool) -> bool {
            self.deferring.replace(on)
        }
    }

    /// Lets other work run once.
    async fn turn() {
        let mut waited = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }

    async fn write(store: &Noting, key: &str) {
        for _ in 0..2 {
            let delete = Op::Delete {
                bucket: "b",
                key: key.into(),
            };
            store.commit(vec![delete]).await.unwrap();
            turn().await;
        }
    }

    #[test]
    fn only_the_work_itself_is_deferred() {
        let store = Noting::default();
        futures::executor::block_on(async {
            futures::join!(
                deferred(&store, write(&store, "build")),
                write(&store, "run")
            );
            settle(&store).await.unwrap();
        });
        let noted = store.noted.into_inner();
        let of = |key: &str| -> Vec<bool> {
            let of = noted.iter().filter(|(noted, _)| noted == key);
            of.map(|(_, deferred)| *deferred).collect()
        };
        assert_eq!(of("build"), [true, true]);
        assert_eq!(of("run"), [false, false]);
        assert_eq!(of("last"), [false]);
    }
}
