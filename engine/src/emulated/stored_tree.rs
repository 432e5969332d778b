//! A file tree in memory, kept in the store: what changed since the last time is written, in one
//! commit.
//!
//! Keys, all beginning with the tree's name: `NAME` lists the shards; `NAME/s/N` is a shard, the
//! inodes numbered from 128 N on; `NAME/c/I/N` are the bytes of inode I from 64 KiB · N on, as far as
//! they are not a hole. Inodes keep their numbers for as long as the tree is stored.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use bottleship_abi::mode::{
    S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK,
};
use bottleship_oci::Digest;
use bottleship_vfs::tmpfs::Node;
use bottleship_vfs::{
    Attr, CreatePerm, Errno, FileSystem, InodeRef, NewNode, SetAttr, Time, Tmpfs, XattrFlags,
};
use bytes::Bytes;
use futures::future::try_join_all;
use futures::lock::Mutex;

use crate::store::{Op, Store, StoreError};

/// Inodes of a shard.
const SHARD: u64 = 128;
/// Bytes of a piece of a file.
const CHUNK: u64 = 64 << 10;
const PAGE: usize = 4096;
/// Values read at the same time.
const AT_ONCE: usize = 64;
/// The root's number.
const ROOT: u64 = 0;

/// A tree and what is stored of it.
pub struct StoredTree {
    bucket: &'static str,
    name: String,
    tree: Rc<Tmpfs>,
    stored: RefCell<Stored>,
    /// One writes at a time.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Stored {
    /// The tree's generation; `None` when nothing is stored.
    generation: Option<u64>,
    /// Numbers by the tree's own inode numbers.
    numbers: HashMap<u64, u64>,
    inodes: BTreeMap<u64, StoredInode>,
    next: u64,
    /// Files that programs may write to without the tree's knowing.
    mapped: bool,
}

#[derive(Clone, Default)]
struct StoredInode {
    /// The inode's number in the tree.
    ino: u64,
    record: Rc<[u8]>,
    /// Hashes of its pieces.
    chunks: BTreeMap<u64, Hash>,
}

type Hash = [u8; 16];

/// What a commit is about to make true.
struct Next {
    generation: u64,
    changed: Vec<(u64, StoredInode)>,
    gone: Vec<u64>,
    next: u64,
    mapped: bool,
}

impl StoredTree {
    /// A tree of which nothing is stored yet.
    pub fn new(bucket: &'static str, name: &str, tree: Rc<Tmpfs>) -> StoredTree {
        StoredTree {
            bucket,
            name: name.into(),
            tree,
            stored: RefCell::default(),
            writing: Mutex::new(()),
        }
    }

    /// Fills an empty tree with what is stored of it, if anything is.
    ///
    /// # Errors
    /// The store fails, what is stored is damaged, or the disk is too small for it.
    pub async fn load(
        store: &dyn Store,
        bucket: &'static str,
        name: &str,
        tree: Rc<Tmpfs>,
    ) -> Result<StoredTree, StoreError> {
        let this = StoredTree::new(bucket, name, tree);
        if let Some(head) = store.get(bucket, name).await? {
            let shards = this.read_shards(store, &head).await?;
            this.fill(store, &shards).await?;
        }
        Ok(this)
    }

    /// The tree.
    pub fn tree(&self) -> &Rc<Tmpfs> {
        &self.tree
    }

    /// Whether something of it is stored.
    pub fn is_stored(&self) -> bool {
        self.stored.borrow().generation.is_some()
    }

    /// Stores what changed, together with `others`. Without a change nothing is committed.
    ///
    /// # Errors
    /// The store's; nothing is stored then, and the next time it is tried again.
    pub async fn sync(&self, store: &dyn Store, others: Vec<Op>) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let unchanged = {
            let stored = self.stored.borrow();
            stored.generation == Some(self.tree.generation()) && !stored.mapped
        };
        if unchanged {
            return Ok(());
        }
        let (mut ops, next) = self.changes().map_err(|errno| {
            StoreError::Failed(format!("reading the files of {}: {errno}", self.name))
        })?;
        ops.extend(others);
        store.commit(ops).await?;
        let mut stored = self.stored.borrow_mut();
        stored.generation = Some(next.generation);
        (stored.next, stored.mapped) = (next.next, next.mapped);
        for number in next.gone {
            if let Some(gone) = stored.inodes.remove(&number) {
                stored.numbers.remove(&gone.ino);
            }
        }
        for (number, inode) in next.changed {
            stored.numbers.insert(inode.ino, number);
            stored.inodes.insert(number, inode);
        }
        Ok(())
    }

    /// What removes all that is stored of the tree.
    pub fn removal(&self) -> Vec<Op> {
        let stored = self.stored.borrow();
        if stored.generation.is_none() {
            return Vec::new();
        }
        let mut ops = vec![self.delete(self.name.clone())];
        let shards: BTreeSet<u64> = stored.inodes.keys().map(|number| number / SHARD).collect();
        ops.extend(
            shards
                .into_iter()
                .map(|shard| self.delete(self.shard_key(shard))),
        );
        for (number, inode) in &stored.inodes {
            let chunks = inode.chunks.keys();
            ops.extend(chunks.map(|chunk| self.delete(self.chunk_key(*number, *chunk))));
        }
        ops
    }

    /// What removes a tree that is stored and was not loaded.
    ///
    /// # Errors
    /// The store's.
    pub async fn removal_of(
        store: &dyn Store,
        bucket: &'static str,
        name: &str,
    ) -> Result<Vec<Op>, StoreError> {
        let inside = format!("{name}/");
        let keys = store.list(bucket).await?.into_iter().map(|(key, _)| key);
        let keys = keys.filter(|key| key == name || key.starts_with(&inside));
        Ok(keys.map(|key| Op::Delete { bucket, key }).collect())
    }

    fn shard_key(&self, shard: u64) -> String {
        format!("{}/s/{shard}", self.name)
    }

    fn chunk_key(&self, number: u64, chunk: u64) -> String {
        format!("{}/c/{number}/{chunk}", self.name)
    }

    fn delete(&self, key: String) -> Op {
        Op::Delete {
            bucket: self.bucket,
            key,
        }
    }

    fn put(&self, key: String, value: Vec<u8>) -> Op {
        Op::Put {
            bucket: self.bucket,
            key,
            value: value.into(),
        }
    }

    /// What is to be written.
    fn changes(&self) -> Result<(Vec<Op>, Next), Errno> {
        let stored = self.stored.borrow();
        let mut numbering = Numbering {
            known: &stored.numbers,
            new: HashMap::new(),
            next: stored.next,
        };
        let mut ops = Vec::new();
        let mut next = Next {
            generation: self.tree.generation(),
            changed: Vec::new(),
            gone: Vec::new(),
            next: 0,
            mapped: false,
        };
        let mut seen = BTreeSet::new();
        let mut pending = vec![self.tree.root()];
        while let Some(inode) = pending.pop() {
            let attr = inode.attr()?;
            let number = numbering.number(attr.ino);
            if !seen.insert(number) {
                continue;
            }
            let mut entries = Vec::new();
            if attr.is_dir() {
                for (name, child) in children(&inode)? {
                    entries.push((name, numbering.number(child.attr()?.ino)));
                    pending.push(child);
                }
            }
            let node = inode.as_any().downcast_ref::<Node>();
            let mapped = node.is_some_and(Node::is_mapped);
            next.mapped |= mapped;
            let old = stored.inodes.get(&number);
            let version = node.map_or(u64::MAX, Node::version);
            let unchanged = stored.generation.is_some_and(|stored| version <= stored);
            if let (Some(_), true, false) = (old, unchanged, mapped) {
                continue;
            }
            let none = BTreeMap::new();
            let old_chunks = old.map_or(&none, |old| &old.chunks);
            let chunks = match attr.kind() {
                S_IFREG => self.chunks(&inode, &attr, number, old_chunks, &mut ops)?,
                _ => BTreeMap::new(),
            };
            let record: Rc<[u8]> = record(&inode, &attr, number, &entries, &chunks)?.into();
            let same = old.is_some_and(|old| old.record == record && old.chunks == chunks);
            if !same {
                let ino = attr.ino;
                let inode = StoredInode {
                    ino,
                    record,
                    chunks,
                };
                next.changed.push((number, inode));
            }
        }
        for (number, gone) in &stored.inodes {
            if !seen.contains(number) {
                next.gone.push(*number);
                let chunks = gone.chunks.keys();
                ops.extend(chunks.map(|chunk| self.delete(self.chunk_key(*number, *chunk))));
            }
        }
        next.next = numbering.next;
        self.shards(&stored, &next, &mut ops);
        Ok((ops, next))
    }

    /// A file's pieces; those that changed are written, and those that went removed.
    fn chunks(
        &self,
        inode: &InodeRef,
        attr: &Attr,
        number: u64,
        old: &BTreeMap<u64, Hash>,
        ops: &mut Vec<Op>,
    ) -> Result<BTreeMap<u64, Hash>, Errno> {
        let mut chunks = BTreeMap::new();
        let mut at = 0;
        loop {
            at = match inode.seek(at, false) {
                Ok(data) => data / CHUNK * CHUNK,
                Err(Errno::ENXIO) => break,
                Err(errno) => return Err(errno),
            };
            let chunk = at / CHUNK;
            let mut bytes = vec![0; CHUNK.min(attr.size - at) as usize];
            let mut read = 0;
            while read < bytes.len() {
                match inode.read_at(at + read as u64, &mut bytes[read..])? {
                    0 => break,
                    n => read += n,
                }
            }
            let hash = hash(&bytes);
            if old.get(&chunk) != Some(&hash) {
                ops.push(self.put(self.chunk_key(number, chunk), bytes));
            }
            chunks.insert(chunk, hash);
            at += CHUNK;
        }
        let gone = old.keys().filter(|chunk| !chunks.contains_key(chunk));
        ops.extend(gone.map(|chunk| self.delete(self.chunk_key(number, *chunk))));
        Ok(chunks)
    }

    /// The shards in which something changed, and their list if that did.
    fn shards(&self, stored: &Stored, next: &Next, ops: &mut Vec<Op>) {
        let numbers = next.changed.iter().map(|(number, _)| number);
        let touched: BTreeSet<u64> = numbers.chain(&next.gone).map(|n| n / SHARD).collect();
        let changed: BTreeMap<u64, &StoredInode> = next
            .changed
            .iter()
            .map(|(number, inode)| (*number, inode))
            .collect();
        let gone: BTreeSet<u64> = next.gone.iter().copied().collect();
        let before: BTreeSet<u64> = stored.inodes.keys().map(|n| n / SHARD).collect();
        let mut after = before.clone();
        for shard in touched {
            let range = shard * SHARD..(shard + 1) * SHARD;
            let mut inodes: BTreeMap<u64, &StoredInode> = stored
                .inodes
                .range(range.clone())
                .filter(|(number, _)| !gone.contains(number))
                .map(|(number, inode)| (*number, inode))
                .collect();
            inodes.extend(
                changed
                    .range(range)
                    .map(|(number, inode)| (*number, *inode)),
            );
            if inodes.is_empty() {
                after.remove(&shard);
                ops.push(self.delete(self.shard_key(shard)));
                continue;
            }
            after.insert(shard);
            let mut value = Vec::new();
            for inode in inodes.values() {
                put_bytes(&mut value, &inode.record);
            }
            ops.push(self.put(self.shard_key(shard), value));
        }
        if stored.generation.is_none() || before != after {
            let list = after.iter().flat_map(|shard| shard.to_le_bytes());
            ops.push(self.put(self.name.clone(), list.collect()));
        }
    }

    async fn read_shards(&self, store: &dyn Store, head: &[u8]) -> Result<Vec<Bytes>, StoreError> {
        let (numbers, rest) = head.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(self.damaged());
        }
        let keys = numbers
            .iter()
            .map(|n| self.shard_key(u64::from_le_bytes(*n)));
        self.read_all(store, keys.collect()).await
    }

    async fn read_all(
        &self,
        store: &dyn Store,
        keys: Vec<String>,
    ) -> Result<Vec<Bytes>, StoreError> {
        let mut values = Vec::new();
        for keys in keys.chunks(AT_ONCE) {
            let read = keys.iter().map(|key| store.get(self.bucket, key));
            for value in try_join_all(read).await? {
                values.push(value.ok_or_else(|| self.damaged())?);
            }
        }
        Ok(values)
    }

    fn damaged(&self) -> StoreError {
        StoreError::Failed(format!("the stored files of {} are damaged", self.name))
    }

    async fn fill(&self, store: &dyn Store, shards: &[Bytes]) -> Result<(), StoreError> {
        let mut inodes: BTreeMap<u64, (Inode, Rc<[u8]>)> = BTreeMap::new();
        for shard in shards {
            let mut rest = Fields(shard);
            while !rest.0.is_empty() {
                let record = rest.bytes().ok_or_else(|| self.damaged())?;
                let inode = Inode::parse(record).ok_or_else(|| self.damaged())?;
                inodes.insert(inode.number, (inode, record.into()));
            }
        }
        let failed = |errno: Errno| match errno {
            Errno::ENOSPC => StoreError::Full,
            errno => StoreError::Failed(format!("restoring the files of {}: {errno}", self.name)),
        };
        let mut made: BTreeMap<u64, InodeRef> = BTreeMap::new();
        made.insert(ROOT, self.tree.root());
        let mut stored = Stored::default();
        let mut pending = vec![ROOT];
        let mut times = Vec::new();
        while let Some(number) = pending.pop() {
            let (inode, record) = inodes.get(&number).ok_or_else(|| self.damaged())?;
            let here = made.get(&number).ok_or_else(|| self.damaged())?.clone();
            let chunks = self.restore(store, inode, &here).await?;
            times.push((here.clone(), inode.mtime));
            for (name, child) in &inode.entries {
                if let Some(known) = made.get(child) {
                    here.link(name, known).map_err(failed)?;
                    continue;
                }
                let (model, _) = inodes.get(child).ok_or_else(|| self.damaged())?;
                let new = model.new_node().ok_or_else(|| self.damaged())?;
                let perm = CreatePerm {
                    mode: model.mode & 0o7777,
                    uid: model.uid,
                    gid: model.gid,
                };
                let child_inode = here.create(name, new, perm).map_err(failed)?;
                made.insert(*child, child_inode);
                pending.push(*child);
            }
            let ino = here.attr().map_err(failed)?.ino;
            stored.numbers.insert(ino, number);
            let record = record.clone();
            stored.inodes.insert(
                number,
                StoredInode {
                    ino,
                    record,
                    chunks,
                },
            );
        }
        for (inode, mtime) in times {
            let set = SetAttr {
                mtime: Some(mtime),
                ..SetAttr::default()
            };
            inode.set_attr(&set).map_err(failed)?;
        }
        stored.next = inodes.last_key_value().map_or(0, |(last, _)| last + 1);
        stored.generation = Some(self.tree.generation());
        *self.stored.borrow_mut() = stored;
        Ok(())
    }

    /// Attributes and contents of an inode that was made; gives the hashes of its pieces.
    async fn restore(
        &self,
        store: &dyn Store,
        model: &Inode,
        inode: &InodeRef,
    ) -> Result<BTreeMap<u64, Hash>, StoreError> {
        let failed = |errno: Errno| match errno {
            Errno::ENOSPC => StoreError::Full,
            errno => StoreError::Failed(format!("restoring the files of {}: {errno}", self.name)),
        };
        for (name, value) in &model.xattrs {
            inode
                .set_xattr(name, value, XattrFlags::empty())
                .map_err(failed)?;
        }
        if model.number == ROOT {
            let set = SetAttr {
                mode: Some(model.mode & 0o7777),
                uid: Some(model.uid),
                gid: Some(model.gid),
                ..SetAttr::default()
            };
            inode.set_attr(&set).map_err(failed)?;
        }
        let mut hashes = BTreeMap::new();
        for chunks in model.chunks.chunks(AT_ONCE) {
            let keys = chunks
                .iter()
                .map(|chunk| self.chunk_key(model.number, *chunk));
            let values = self.read_all(store, keys.collect()).await?;
            for (chunk, bytes) in chunks.iter().zip(values) {
                hashes.insert(*chunk, hash(&bytes));
                for (i, page) in bytes.chunks(PAGE).enumerate() {
                    // Zeros were, or may as well be, a hole.
                    if page.iter().any(|byte| *byte != 0) {
                        let at = chunk * CHUNK + (i * PAGE) as u64;
                        if inode.write_at(at, page).map_err(failed)? < page.len() {
                            return Err(StoreError::Full);
                        }
                    }
                }
            }
        }
        if model.mode & S_IFMT == S_IFREG {
            let set = SetAttr {
                size: Some(model.size),
                ..SetAttr::default()
            };
            inode.set_attr(&set).map_err(failed)?;
        }
        Ok(hashes)
    }
}

/// Gives inodes their numbers.
struct Numbering<'a> {
    known: &'a HashMap<u64, u64>,
    new: HashMap<u64, u64>,
    next: u64,
}

impl Numbering<'_> {
    /// The root is asked for first, and gets [`ROOT`].
    fn number(&mut self, ino: u64) -> u64 {
        if let Some(number) = self.known.get(&ino) {
            return *number;
        }
        *self.new.entry(ino).or_insert_with(|| {
            let number = self.next;
            self.next += 1;
            number
        })
    }
}

fn hash(bytes: &[u8]) -> Hash {
    let digest = Digest::of(bytes);
    let mut hash = Hash::default();
    // 32 of the digest's hexadecimal digits are as good as 16 bytes.
    let digits = digest.hex().as_bytes().as_chunks::<2>().0;
    for (byte, digits) in hash.iter_mut().zip(digits) {
        let digit = |d: u8| char::from(d).to_digit(16).unwrap_or(0) as u8;
        *byte = digit(digits[0]) << 4 | digit(digits[1]);
    }
    hash
}

fn children(dir: &InodeRef) -> Result<Vec<(Vec<u8>, InodeRef)>, Errno> {
    let mut names = Vec::new();
    dir.readdir(0, &mut |entry| {
        names.push(entry.name.to_vec());
        true
    })?;
    names
        .into_iter()
        .map(|name| Ok((name.clone(), dir.lookup(&name)?)))
        .collect()
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Records are far below 4 GiB.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// An inode, as it is stored.
fn record(
    inode: &InodeRef,
    attr: &Attr,
    number: u64,
    entries: &[(Vec<u8>, u64)],
    chunks: &BTreeMap<u64, Hash>,
) -> Result<Vec<u8>, Errno> {
    let mut out = Vec::new();
    let mut word = |value: u64| out.extend_from_slice(&value.to_le_bytes());
    word(number);
    for value in [attr.mode, attr.uid, attr.gid, attr.mtime.nsec] {
        word(value.into());
    }
    word(attr.rdev);
    word(if attr.is_file() { attr.size } else { 0 });
    word(attr.mtime.sec as u64);
    let xattrs = inode.list_xattr()?;
    out.extend_from_slice(&(xattrs.len() as u64).to_le_bytes());
    for name in &xattrs {
        put_bytes(&mut out, name);
        put_bytes(&mut out, &inode.get_xattr(name)?);
    }
    let target = match attr.is_symlink() {
        true => inode.readlink()?,
        false => Vec::new(),
    };
    put_bytes(&mut out, &target);
    out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    for (name, child) in entries {
        put_bytes(&mut out, name);
        out.extend_from_slice(&child.to_le_bytes());
    }
    for chunk in chunks.keys() {
        out.extend_from_slice(&chunk.to_le_bytes());
    }
    Ok(out)
}

/// An inode, as it was stored.
struct Inode {
    number: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    rdev: u64,
    size: u64,
    mtime: Time,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    target: Vec<u8>,
    entries: Vec<(Vec<u8>, u64)>,
    chunks: Vec<u64>,
}

/// What is left of a record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    fn small(&mut self) -> Option<u32> {
        self.word()?.try_into().ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl Inode {
    fn parse(record: &[u8]) -> Option<Inode> {
        let mut fields = Fields(record);
        let number = fields.word()?;
        let (mode, uid, gid, nsec) = (
            fields.small()?,
            fields.small()?,
            fields.small()?,
            fields.small()?,
        );
        let (rdev, size, sec) = (fields.word()?, fields.word()?, fields.word()? as i64);
        let mut xattrs = Vec::new();
        for _ in 0..fields.word()? {
            xattrs.push((fields.bytes()?.to_vec(), fields.bytes()?.to_vec()));
        }
        let target = fields.bytes()?.to_vec();
        let mut entries = Vec::new();
        for _ in 0..fields.word()? {
            entries.push((fields.bytes()?.to_vec(), fields.word()?));
        }
        let mut chunks = Vec::new();
        while !fields.0.is_empty() {
            chunks.push(fields.word()?);
        }
        Some(Inode {
            number,
            mode,
            uid,
            gid,
            rdev,
            size,
            mtime: Time { sec, nsec },
            xattrs,
            target,
            entries,
            chunks,
        })
    }

    fn new_node(&self) -> Option<NewNode<'_>> {
        Some(match self.mode & S_IFMT {
            S_IFREG => NewNode::File,
            S_IFDIR => NewNode::Dir,
            S_IFLNK => NewNode::Symlink(&self.target),
            S_IFIFO => NewNode::Fifo,
            S_IFSOCK => NewNode::Socket,
            S_IFCHR => NewNode::CharDev(self.rdev),
            S_IFBLK => NewNode::BlockDev(self.rdev),
            _ => return None,
        })
    }
}
