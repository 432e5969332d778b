//! The engine's [`Store`] on disk: a redb database for what is small, a file for each large value.
//!
//! A batch is durable in this order: the files of its large values are written and synced, the database commits, and
//! only then are files that nothing names any more removed. A crash in between leaves files without an entry, which
//! the next open removes; it never leaves an entry without its file.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, bail};
use bottleship_engine::store::{Op, Store, StoreError};
use bytes::Bytes;
use futures::channel::oneshot;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

/// (bucket, key) → an encoded [`Value`].
const ENTRIES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("entries");

/// Values above this many bytes get a file of their own.
const INLINE_LIMIT: usize = 128 * 1024;

/// How an entry is encoded in the database.
enum Value<'a> {
    /// Tag 0, then the bytes.
    Inline(&'a [u8]),
    /// Tag 1, then the file's number and length as little-endian u64.
    File { number: u64, length: u64 },
}

impl<'a> Value<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Value<'a>> {
        match bytes.split_first() {
            Some((0, rest)) => Ok(Value::Inline(rest)),
            Some((1, rest)) if rest.len() == 16 => {
                let word = |at: usize| {
                    u64::from_le_bytes(rest[at..at + 8].try_into().expect("eight bytes"))
                };
                Ok(Value::File {
                    number: word(0),
                    length: word(8),
                })
            }
            _ => bail!("an entry of the store is damaged"),
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Value::Inline(bytes) => [&[0], *bytes].concat(),
            Value::File { number, length } => {
                [&[1][..], &number.to_le_bytes(), &length.to_le_bytes()].concat()
            }
        }
    }

    fn length(&self) -> u64 {
        match self {
            Value::Inline(bytes) => bytes.len() as u64,
            Value::File { length, .. } => *length,
        }
    }
}

type Job = Box<dyn FnOnce(&mut Disk) + Send>;

/// A handle to the thread that owns the disk, so that the engine's thread never waits for it.
pub struct DiskStore {
    jobs: mpsc::Sender<Job>,
}

impl DiskStore {
    /// Opens or makes the store in `dir`.
    ///
    /// # Errors
    /// When the directory can't be made, is in use by another process, or its database can't be read.
    pub fn open(dir: &Path) -> Result<DiskStore> {
        let mut disk = Disk::open(dir)?;
        let (jobs, receiver) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("store".into())
            .spawn(move || receiver.into_iter().for_each(|job| job(&mut disk)))
            .context("can't start the store's thread")?;
        Ok(DiskStore { jobs })
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Disk) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |disk| {
            let _ = answer.send(job(disk));
        });
        let gone = || StoreError::Failed("the store's thread has ended".into());
        self.jobs.send(job).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(|error| {
            let full = error.chain().any(|cause| {
                cause
                    .downcast_ref::<std::io::Error>()
                    .is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull)
            });
            if full {
                StoreError::Full
            } else {
                StoreError::Failed(format!("{error:#}"))
            }
        })
    }
}

#[async_trait::async_trait(?Send)]
impl Store for DiskStore {
    async fn list(&self, bucket: &'static str) -> Result<Vec<(String, u64)>, StoreError> {
        self.run(move |disk| disk.each(bucket, |_, value| Ok(value.length())))
            .await
    }

    async fn load(&self, bucket: &'static str) -> Result<Vec<(String, Bytes)>, StoreError> {
        self.run(move |disk| disk.each(bucket, |disk, value| disk.read(&value)))
            .await
    }

    async fn get(&self, bucket: &'static str, key: &str) -> Result<Option<Bytes>, StoreError> {
        let key = key.to_owned();
        self.run(move |disk| disk.get(bucket, &key)).await
    }

    async fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError> {
        self.run(move |disk| disk.commit(&ops)).await
    }
}

/// What the store's thread owns.
struct Disk {
    database: Database,
    files: PathBuf,
    next_file: u64,
}

impl Disk {
    fn open(dir: &Path) -> Result<Disk> {
        let files = dir.join("values");
        fs::create_dir_all(&files).with_context(|| format!("can't make {}", files.display()))?;
        let path = dir.join("state.redb");
        let database = Database::create(&path).with_context(|| {
            format!(
                "can't open {}: another bottleship may be using this data directory",
                path.display()
            )
        })?;
        let write = database.begin_write()?;
        write.open_table(ENTRIES)?;
        write.commit()?;
        let mut disk = Disk {
            database,
            files,
            next_file: 0,
        };
        disk.remove_orphans()?;
        Ok(disk)
    }

    /// Removes files that no entry names: leftovers of a crash.
    fn remove_orphans(&mut self) -> Result<()> {
        let read = self.database.begin_read()?;
        let mut named = HashSet::new();
        for entry in read.open_table(ENTRIES)?.iter()? {
            if let Value::File { number, .. } = Value::decode(entry?.1.value())? {
                named.insert(number);
            }
        }
        for entry in fs::read_dir(&self.files)? {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u64>().ok());
            match number {
                Some(number) if named.contains(&number) => {
                    self.next_file = self.next_file.max(number + 1)
                }
                _ => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.files.join(number.to_string())
    }

    fn read(&self, value: &Value<'_>) -> Result<Bytes> {
        match value {
            Value::Inline(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            Value::File { number, length } => {
                let path = self.path(*number);
                let bytes =
                    fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
                if bytes.len() as u64 != *length {
                    bail!(
                        "{} is {} bytes long, not {length}",
                        path.display(),
                        bytes.len()
                    );
                }
                Ok(Bytes::from(bytes))
            }
        }
    }

    fn each<T>(
        &self,
        bucket: &str,
        f: impl Fn(&Disk, Value<'_>) -> Result<T>,
    ) -> Result<Vec<(String, T)>> {
        let read = self.database.begin_read()?;
        let table = read.open_table(ENTRIES)?;
        let mut found = Vec::new();
        for entry in table.range((bucket, "")..)? {
            let (key, value) = entry?;
            let (of, key) = key.value();
            if of != bucket {
                break;
            }
            found.push((key.to_owned(), f(self, Value::decode(value.value())?)?));
        }
        Ok(found)
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>> {
        let read = self.database.begin_read()?;
        match read.open_table(ENTRIES)?.get((bucket, key))? {
            Some(value) => Ok(Some(self.read(&Value::decode(value.value())?)?)),
            None => Ok(None),
        }
    }

    fn commit(&mut self, ops: &[Op]) -> Result<()> {
        let mut written = Vec::new();
        let result = self.try_commit(ops, &mut written);
        let unused = match &result {
            Ok(replaced) => replaced,
            Err(_) => &written,
        };
        for number in unused {
            // A file that stays behind is removed at the next open.
            let _ = fs::remove_file(self.path(*number));
        }
        result.map(drop)
    }

    /// Returns the files that the batch made superfluous.
    fn try_commit(&mut self, ops: &[Op], written: &mut Vec<u64>) -> Result<Vec<u64>> {
        let mut replaced = Vec::new();
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(ENTRIES)?;
            let mut forget = |old: Option<redb::AccessGuard<'_, &[u8]>>| -> Result<()> {
                if let Some(old) = old
                    && let Value::File { number, .. } = Value::decode(old.value())?
                {
                    replaced.push(number);
                }
                Ok(())
            };
            for op in ops {
                match op {
                    Op::Put { bucket, key, value } => {
                        let encoded = if value.len() > INLINE_LIMIT {
                            let number = self.next_file;
                            self.next_file += 1;
                            written.push(number);
                            self.write_file(number, value)?;
                            Value::File {
                                number,
                                length: value.len() as u64,
                            }
                            .encode()
                        } else {
                            Value::Inline(value).encode()
                        };
                        forget(table.insert((*bucket, key.as_str()), encoded.as_slice())?)?;
                    }
                    Op::Delete { bucket, key } => forget(table.remove((*bucket, key.as_str()))?)?,
                }
            }
        }
        if !written.is_empty() {
            // The files' names must be on disk before an entry speaks of them.
            File::open(&self.files)?.sync_all()?;
        }
        write.commit()?;
        Ok(replaced)
    }

    fn write_file(&self, number: u64, value: &[u8]) -> Result<()> {
        let path = self.path(number);
        let mut file =
            File::create(&path).with_context(|| format!("can't make {}", path.display()))?;
        file.write_all(value)
            .with_context(|| format!("can't write {}", path.display()))?;
        file.sync_data()
            .with_context(|| format!("can't sync {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    fn put(key: &str, value: Vec<u8>) -> Op {
        Op::Put {
            bucket: "b",
            key: key.into(),
            value: value.into(),
        }
    }

    fn delete(key: &str) -> Op {
        Op::Delete {
            bucket: "b",
            key: key.into(),
        }
    }

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir.join("values")).unwrap().count()
    }

    /// Reopening needs the lock of the store before, which its thread gives up in its own time.
    fn reopen(store: DiskStore, dir: &Path) -> DiskStore {
        drop(store);
        for _ in 0..200 {
            if let Ok(store) = DiskStore::open(dir) {
                return store;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the store stays locked");
    }

    #[test]
    fn what_was_committed_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskStore::open(dir.path()).unwrap();
        let large = vec![7; INLINE_LIMIT + 1];
        block_on(store.commit(vec![put("small", vec![1, 2]), put("large", large.clone())]))
            .unwrap();
        let store = reopen(store, dir.path());
        assert_eq!(block_on(store.get("b", "large")).unwrap().unwrap(), large);
        assert_eq!(
            block_on(store.list("b")).unwrap(),
            [
                ("large".to_owned(), large.len() as u64),
                ("small".to_owned(), 2)
            ]
        );
        assert_eq!(block_on(store.load("a")).unwrap(), []);
        assert_eq!(block_on(store.get("b", "other")).unwrap(), None);
    }

    #[test]
    fn replaced_and_deleted_values_leave_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskStore::open(dir.path()).unwrap();
        let large = vec![7; INLINE_LIMIT + 1];
        block_on(store.commit(vec![put("x", large.clone()), put("y", large.clone())])).unwrap();
        assert_eq!(files(dir.path()), 2);
        block_on(store.commit(vec![put("x", vec![1]), delete("y"), delete("never")])).unwrap();
        assert_eq!(files(dir.path()), 0);
        assert_eq!(block_on(store.list("b")).unwrap(), [("x".to_owned(), 1)]);
    }

    #[test]
    fn files_without_an_entry_are_removed_at_open() {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskStore::open(dir.path()).unwrap();
        block_on(store.commit(vec![put("x", vec![7; INLINE_LIMIT + 1])])).unwrap();
        fs::write(dir.path().join("values/99"), "half a value").unwrap();
        fs::write(dir.path().join("values/stray"), "").unwrap();
        let store = reopen(store, dir.path());
        assert_eq!(files(dir.path()), 1);
        assert!(block_on(store.get("b", "x")).unwrap().is_some());
    }

    #[test]
    fn a_data_directory_has_one_user() {
        let dir = tempfile::tempdir().unwrap();
        let _store = DiskStore::open(dir.path()).unwrap();
        let error = DiskStore::open(dir.path()).err().unwrap();
        assert!(
            format!("{error:#}").contains("another bottleship"),
            "{error:#}"
        );
    }
}
