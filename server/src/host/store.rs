//! The engine's [`Store`] on disk: a redb database for what is small, a file for each large value.
//!
//! A batch is durable in this order: the files of its large values are written and synced, the database commits, and
//! only then are files that nothing names any more removed. A crash in between leaves files without an entry, which
//! the next open removes; it never leaves an entry without its file.

use std::any::Any;
use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context, Result, bail};
use bottleship_engine::store::{Op, Pieces, ReadAt, Stage, Staged, Store, StoreError};
use bottleship_vfs::tmpfs::Backing;
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
    /// The thread that writes large values while they come.
    writes: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    files: Arc<Files>,
}

/// Where the files of large values are.
struct Files {
    dir: PathBuf,
    next: AtomicU64,
}

impl Files {
    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(number.to_string())
    }

    fn new_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// A change, as it crosses to the store's thread.
enum Change {
    Put(&'static str, String, Bytes),
    Staged {
        bucket: &'static str,
        key: String,
        number: u64,
        length: u64,
        guard: Box<dyn Any + Send>,
    },
    Delete(&'static str, String),
}

/// Removes a staged value's file unless it was put.
struct Abandoned(Option<PathBuf>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // One that stays behind is removed at the next open.
            let _ = fs::remove_file(path);
        }
    }
}

/// A value's file.
struct ValueFile {
    file: File,
    size: u64,
}

impl Backing for ValueFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }
}

impl ReadAt for ValueFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn is_outside(&self) -> bool {
        true
    }
}

/// Bytes of a staged value on their way to its file at most.
const UNDER_WAY: u64 = 8 << 20;
/// The disk is told to take a staged value's bytes after so many, so that the end does not wait for all of them.
const SYNC_EVERY: u64 = 16 << 20;

/// A large value being written.
struct FileStage {
    writes: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    files: Arc<Files>,
    /// Made at the first write.
    file: Option<StageFile>,
    written: u64,
    synced: u64,
    /// Writes under way, oldest first, and the bytes of each.
    pending: VecDeque<(u64, oneshot::Receiver<io::Result<()>>)>,
    under_way: u64,
}

struct StageFile {
    file: Arc<File>,
    number: u64,
    path: Abandoned,
}

impl FileStage {
    fn file(&mut self) -> io::Result<&mut StageFile> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let number = self.files.new_number();
                let path = self.files.path(number);
                let options = File::options()
                    .read(true)
                    .write(true)
                    .create_new(true)
                    .open(&path);
                StageFile {
                    file: Arc::new(options?),
                    number,
                    path: Abandoned(Some(path)),
                }
            }
        };
        Ok(self.file.insert(file))
    }

    fn post(
        &mut self,
        bytes: u64,
        write: impl FnOnce(&File) -> io::Result<()> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (done, pending) = oneshot::channel();
        let file = self.file().map_err(|error| store_error(&error.into()))?;
        let file = file.file.clone();
        let job = Box::new(move || drop(done.send(write(&file))));
        self.writes.send(job).map_err(|_| gone())?;
        self.pending.push_back((bytes, pending));
        self.under_way += bytes;
        Ok(())
    }

    /// Waits until at most so many bytes are under way.
    async fn drain(&mut self, most: u64) -> Result<(), StoreError> {
        while self.under_way > most || (most == 0 && !self.pending.is_empty()) {
            let Some((bytes, pending)) = self.pending.pop_front() else {
                return Ok(());
            };
            self.under_way -= bytes;
            let written = pending.await.map_err(|_| gone())?;
            written.map_err(|error| store_error(&error.into()))?;
        }
        Ok(())
    }
}

#[async_trait::async_trait(?Send)]
impl Stage for FileStage {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let (offset, len) = (self.written, bytes.len() as u64);
        self.written += len;
        self.post(len, move |file| file.write_all_at(&bytes, offset))?;
        if self.written >= self.synced + SYNC_EVERY {
            self.synced = self.written;
            self.post(0, File::sync_data)?;
        }
        self.drain(UNDER_WAY).await
    }

    async fn finish(mut self: Box<Self>, durable: bool) -> Result<Staged, StoreError> {
        if durable {
            self.post(0, File::sync_data)?;
        }
        self.drain(0).await?;
        let written = self.written;
        let stage = self.file().map_err(|error| store_error(&error.into()))?;
        let file = stage.file.try_clone();
        Ok(Staged {
            number: stage.number,
            reader: Rc::new(ValueFile {
                file: file.map_err(|error| store_error(&error.into()))?,
                size: written,
            }),
            guard: Box::new(Abandoned(stage.path.0.take())),
        })
    }
}

fn gone() -> StoreError {
    StoreError::Failed("the store's thread has ended".into())
}

fn store_error(error: &anyhow::Error) -> StoreError {
    let full = error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::StorageFull)
    });
    if full {
        StoreError::Full
    } else {
        StoreError::Failed(format!("{error:#}"))
    }
}

impl DiskStore {
    /// Opens or makes the store in `dir`.
    ///
    /// # Errors
    /// When the directory can't be made, is in use by another process, or its database can't be read.
    pub fn open(dir: &Path) -> Result<DiskStore> {
        let mut disk = Disk::open(dir)?;
        let files = disk.files.clone();
        let (writes, to_write) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        thread::Builder::new()
            .name("store-values".into())
            .spawn(move || to_write.into_iter().for_each(|write| write()))
            .context("can't start the thread that writes values")?;
        let (jobs, receiver) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("store".into())
            .spawn(move || receiver.into_iter().for_each(|job| job(&mut disk)))
            .context("can't start the store's thread")?;
        Ok(DiskStore {
            jobs,
            writes,
            files,
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Disk) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |disk| {
            let _ = answer.send(job(disk));
        });
        self.jobs.send(job).map_err(|_| gone())?;
        answered
            .await
            .map_err(|_| gone())?
            .map_err(|error| store_error(&error))
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

    fn stage(&self) -> Option<Box<dyn Stage>> {
        Some(Box::new(FileStage {
            writes: self.writes.clone(),
            files: self.files.clone(),
            file: None,
            written: 0,
            synced: 0,
            pending: VecDeque::new(),
            under_way: 0,
        }))
    }

    async fn open(
        &self,
        bucket: &'static str,
        key: &str,
    ) -> Result<Option<Rc<dyn ReadAt>>, StoreError> {
        let key = key.to_owned();
        let found = self.run(move |disk| disk.open_value(bucket, &key)).await?;
        Ok(found.map(|value| match value {
            Opened::Inline(bytes) => Rc::new(Pieces::from(bytes)) as Rc<dyn ReadAt>,
            Opened::File(file) => Rc::new(file),
        }))
    }

    async fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError> {
        let changes = ops.into_iter().map(|op| match op {
            Op::Put { bucket, key, value } => Change::Put(bucket, key, value),
            Op::PutStaged { bucket, key, value } => Change::Staged {
                bucket,
                key,
                number: value.number,
                length: value.reader.size(),
                guard: value.guard,
            },
            Op::Delete { bucket, key } => Change::Delete(bucket, key),
        });
        let changes: Vec<Change> = changes.collect();
        self.run(move |disk| disk.commit(changes)).await
    }
}

/// What the store's thread owns.
struct Disk {
    database: Database,
    files: Arc<Files>,
}

/// A value to be read in parts.
enum Opened {
    Inline(Bytes),
    File(ValueFile),
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
        let next = AtomicU64::new(0);
        let files = Arc::new(Files { dir: files, next });
        let disk = Disk { database, files };
        disk.remove_orphans()?;
        Ok(disk)
    }

    /// Removes files that no entry names: leftovers of a crash.
    fn remove_orphans(&self) -> Result<()> {
        let read = self.database.begin_read()?;
        let mut named = HashSet::new();
        for entry in read.open_table(ENTRIES)?.iter()? {
            if let Value::File { number, .. } = Value::decode(entry?.1.value())? {
                named.insert(number);
            }
        }
        for entry in fs::read_dir(&self.files.dir)? {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u64>().ok());
            match number {
                Some(number) if named.contains(&number) => {
                    self.files.next.fetch_max(number + 1, Ordering::Relaxed);
                }
                _ => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.files.path(number)
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

    fn open_value(&self, bucket: &str, key: &str) -> Result<Option<Opened>> {
        let read = self.database.begin_read()?;
        let table = read.open_table(ENTRIES)?;
        let Some(value) = table.get((bucket, key))? else {
            return Ok(None);
        };
        Ok(Some(match Value::decode(value.value())? {
            Value::Inline(bytes) => Opened::Inline(Bytes::copy_from_slice(bytes)),
            Value::File { number, length } => {
                let path = self.path(number);
                let failed = || format!("can't read {}", path.display());
                let file = File::open(&path).with_context(failed)?;
                let found = file.metadata().with_context(failed)?.len();
                if found != length {
                    bail!("{} is {found} bytes long, not {length}", path.display());
                }
                Opened::File(ValueFile { file, size: length })
            }
        }))
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<()> {
        let mut written = Vec::new();
        let result = self.try_commit(&changes, &mut written);
        if result.is_ok() {
            for change in changes {
                if let Change::Staged { guard, .. } = change
                    && let Ok(mut file) = guard.downcast::<Abandoned>()
                {
                    file.0.take();
                }
            }
        }
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
    fn try_commit(&mut self, changes: &[Change], written: &mut Vec<u64>) -> Result<Vec<u64>> {
        let mut replaced = Vec::new();
        let mut new_files = false;
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
            for change in changes {
                match change {
                    Change::Put(bucket, key, value) => {
                        let encoded = if value.len() > INLINE_LIMIT {
                            let number = self.files.new_number();
                            written.push(number);
                            new_files = true;
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
                    Change::Staged {
                        bucket,
                        key,
                        number,
                        length,
                        guard,
                    } => {
                        if !guard.is::<Abandoned>() {
                            bail!("a value staged in another store");
                        }
                        new_files = true;
                        let (number, length) = (*number, *length);
                        let encoded = Value::File { number, length }.encode();
                        forget(table.insert((*bucket, key.as_str()), encoded.as_slice())?)?;
                    }
                    Change::Delete(bucket, key) => forget(table.remove((*bucket, key.as_str()))?)?,
                }
            }
        }
        if new_files {
            // The files' names must be on disk before an entry speaks of them.
            File::open(&self.files.dir)?.sync_all()?;
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
    fn a_staged_value_is_there_when_it_was_put_and_gone_when_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskStore::open(dir.path()).unwrap();
        let stage = |durable| {
            let mut stage = store.stage().unwrap();
            for n in 0..40 {
                block_on(stage.write(vec![n; 1 << 20].into())).unwrap();
            }
            block_on(stage.finish(durable)).unwrap()
        };
        let value = stage(true);
        let put = Op::PutStaged {
            bucket: "b",
            key: "x".into(),
            value,
        };
        block_on(store.commit(vec![put])).unwrap();
        let spooled = stage(false).reader;
        assert_eq!(files(dir.path()), 1, "what was not put is gone");
        let mut buffer = [0; 2];
        assert_eq!(spooled.read_at((5 << 20) - 1, &mut buffer).unwrap(), 2);
        assert_eq!(buffer, [4, 5], "but its reader still reads it");

        let store = reopen(store, dir.path());
        let found = block_on(store.open("b", "x")).unwrap().unwrap();
        assert_eq!((found.size(), found.is_outside()), (40 << 20, true));
        block_on(store.commit(vec![delete("x")])).unwrap();
        assert_eq!(files(dir.path()), 0);
        assert_eq!(found.read_at((40 << 20) - 1, &mut buffer).unwrap(), 1);
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
