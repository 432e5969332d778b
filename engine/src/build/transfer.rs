//! Copying between trees.

use std::collections::BTreeMap;

use bottleship_dockerfile::ignore::Matcher;
use bottleship_vfs::overlay::PRIVATE_XATTRS;
use bottleship_vfs::{Attr, CreatePerm, Errno, InodeRef, NewNode, SetAttr, Time, XattrFlags};

use super::tree::{self, Result, at};

const CHUNK: usize = 64 * 1024;

/// How files are copied.
#[derive(Clone, Default)]
pub struct Options {
    /// Owner of what is copied; `None` keeps the source's.
    pub owner: Option<(u32, u32)>,
    /// Mode of what is copied; `None` keeps the source's.
    pub mode: Option<Chmod>,
    /// Modification time in seconds; `None` keeps the source's.
    pub time: Option<i64>,
    /// Patterns, relative to the source, of what is left out.
    pub exclude: Option<Matcher>,
    /// Patterns, relative to the source, of what alone is copied.
    pub include: Option<Matcher>,
}

/// A mode, as bits or as a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chmod {
    /// These bits.
    Bits(u32),
    /// `u+x,go=rX`.
    Symbolic(String),
}

impl Chmod {
    /// The permission bits a file of mode `mode` gets.
    pub fn apply(&self, attr: &Attr) -> u32 {
        match self {
            Chmod::Bits(bits) => *bits,
            Chmod::Symbolic(text) => symbolic(text, attr.mode & 0o7777, attr.is_dir()),
        }
    }
}

fn symbolic(text: &str, mut mode: u32, dir: bool) -> u32 {
    for clause in text.split(',') {
        let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        let who = &clause[..clause.len() - rest.len()];
        let all = who.is_empty() || who.contains('a');
        let mut mask = 0;
        for (letter, bits) in [('u', 0o4700), ('g', 0o2070), ('o', 0o1007)] {
            if all || who.contains(letter) {
                mask |= bits;
            }
        }
        let mut op = '=';
        let mut bits = 0;
        let flush = |op: char, bits: u32, mode: &mut u32| match op {
            '+' => *mode |= bits & mask,
            '-' => *mode &= !(bits & mask),
            _ => *mode = *mode & !(mask & 0o777) | bits & mask,
        };
        for (i, c) in rest.chars().enumerate() {
            let spread = |shift: u32| {
                let three = mode >> shift & 7;
                three << 6 | three << 3 | three
            };
            match c {
                '+' | '-' | '=' => {
                    if i > 0 {
                        flush(op, bits, &mut mode);
                    }
                    op = c;
                    bits = 0;
                }
                'r' => bits |= 0o444,
                'w' => bits |= 0o222,
                'x' => bits |= 0o111,
                'X' if dir || mode & 0o111 != 0 => bits |= 0o111,
                's' => bits |= 0o6000,
                't' => bits |= 0o1000,
                'u' => bits |= spread(6),
                'g' => bits |= spread(3),
                'o' => bits |= spread(0),
                _ => {}
            }
        }
        flush(op, bits, &mut mode);
    }
    mode
}

/// One copy under way: hard links of the source become hard links, and directories get their times last.
pub struct Transfer<'a> {
    options: &'a Options,
    links: BTreeMap<(u64, u64), InodeRef>,
    directories: Vec<(InodeRef, Time)>,
}

impl<'a> Transfer<'a> {
    /// Starts a copy.
    pub fn new(options: &'a Options) -> Self {
        Transfer {
            options,
            links: BTreeMap::new(),
            directories: Vec::new(),
        }
    }

    /// Copies what is in the directory `source` into the directory `dest`.
    pub fn contents(&mut self, source: &InodeRef, dest: &InodeRef) -> Result<()> {
        let mut todo = vec![(String::new(), source.clone(), Target::Made(dest.clone()))];
        while let Some((path, source, target)) = todo.pop() {
            let children = tree::entries(&source).map_err(at(&path))?;
            // Lazily made: a directory none of whose files is included is not copied.
            let target = std::rc::Rc::new(std::cell::RefCell::new(target));
            for (name, child) in children {
                let shown = String::from_utf8_lossy(&name).into_owned();
                let path = if path.is_empty() {
                    shown
                } else {
                    format!("{path}/{shown}")
                };
                let attr = child.attr().map_err(at(&path))?;
                let wanted = self.wanted(&path);
                if attr.is_dir() {
                    if wanted || self.may_hold_wanted(&path) {
                        let mut next = Target::Pending {
                            parent: target.clone(),
                            name: name.clone(),
                            source: child.clone(),
                        };
                        if wanted {
                            let dir = next.make(self, &path)?;
                            next = Target::Made(dir);
                        }
                        todo.push((path, child, next));
                    }
                } else if wanted {
                    let dir = target.borrow_mut().make(self, &path)?;
                    self.node(&child, &dir, &name, &path)?;
                }
            }
        }
        Ok(())
    }

    fn wanted(&self, path: &str) -> bool {
        let excluded = self
            .options
            .exclude
            .as_ref()
            .is_some_and(|m| m.matches(path));
        let included = self
            .options
            .include
            .as_ref()
            .is_none_or(|m| m.matches(path));
        included && !excluded
    }

    fn may_hold_wanted(&self, path: &str) -> bool {
        let excluded = self.options.exclude.as_ref();
        let excluded = excluded.is_some_and(|m| m.matches(path) && !m.has_exclusions());
        !excluded
    }

    /// Copies a file that is no directory into `dir` under `name`, in place of what is there.
    pub fn node(
        &mut self,
        source: &InodeRef,
        dir: &InodeRef,
        name: &[u8],
        path: &str,
    ) -> Result<InodeRef> {
        use bottleship_abi::mode::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFSOCK};
        let attr = source.attr().map_err(at(path))?;
        clear(dir, name, false).map_err(at(path))?;
        let key = (attr.dev, attr.ino);
        if attr.nlink > 1
            && let Some(first) = self.links.get(&key)
        {
            dir.link(name, first).map_err(at(path))?;
            return Ok(first.clone());
        }
        let target;
        let node = match attr.kind() {
            S_IFLNK => {
                target = source.readlink().map_err(at(path))?;
                NewNode::Symlink(&target)
            }
            S_IFCHR => NewNode::CharDev(attr.rdev),
            S_IFBLK => NewNode::BlockDev(attr.rdev),
            S_IFIFO => NewNode::Fifo,
            S_IFSOCK => NewNode::Socket,
            _ => NewNode::File,
        };
        let made = dir.create(name, node, self.perm(&attr)).map_err(at(path))?;
        if attr.is_file() {
            data(source, &made).map_err(at(path))?;
        }
        self.finish(source, &made, &attr, path)?;
        if attr.nlink > 1 {
            self.links.insert(key, made.clone());
        }
        Ok(made)
    }

    /// Makes the directory `name` in `dir` after the model of `source`; one that is there stays as it is.
    pub fn directory(
        &mut self,
        source: &InodeRef,
        dir: &InodeRef,
        name: &[u8],
        path: &str,
    ) -> Result<InodeRef> {
        match dir.lookup(name) {
            Ok(there) if there.attr().map_err(at(path))?.is_dir() => return Ok(there),
            Ok(_) => clear(dir, name, true).map_err(at(path))?,
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(at(path)(e)),
        }
        let attr = source.attr().map_err(at(path))?;
        let made = dir
            .create(name, NewNode::Dir, self.perm(&attr))
            .map_err(at(path))?;
        self.finish(source, &made, &attr, path)?;
        Ok(made)
    }

    fn perm(&self, attr: &Attr) -> CreatePerm {
        let (uid, gid) = self.options.owner.unwrap_or((attr.uid, attr.gid));
        let mode = match &self.options.mode {
            Some(chmod) if !attr.is_symlink() => chmod.apply(attr),
            _ => attr.mode & 0o7777,
        };
        CreatePerm { mode, uid, gid }
    }

    fn finish(
        &mut self,
        source: &InodeRef,
        made: &InodeRef,
        attr: &Attr,
        path: &str,
    ) -> Result<()> {
        for key in source.list_xattr().map_err(at(path))? {
            if key.starts_with(PRIVATE_XATTRS) {
                continue;
            }
            let value = source.get_xattr(&key).map_err(at(path))?;
            made.set_xattr(&key, &value, XattrFlags::empty())
                .map_err(at(path))?;
        }
        let mtime = match self.options.time {
            Some(seconds) => Time::from_secs(seconds),
            None => attr.mtime,
        };
        if attr.is_dir() {
            self.directories.push((made.clone(), mtime));
        } else {
            let set = SetAttr {
                mtime: Some(mtime),
                ..SetAttr::default()
            };
            made.set_attr(&set).map_err(at(path))?;
        }
        Ok(())
    }

    /// Gives the directories made the times of their models.
    pub fn done(self) -> Result<()> {
        for (dir, mtime) in self.directories.into_iter().rev() {
            let set = SetAttr {
                mtime: Some(mtime),
                ..SetAttr::default()
            };
            dir.set_attr(&set).map_err(at("directory"))?;
        }
        Ok(())
    }
}

/// A directory of the destination, made when the first file goes into it.
enum Target {
    Made(InodeRef),
    Pending {
        parent: std::rc::Rc<std::cell::RefCell<Target>>,
        name: Vec<u8>,
        source: InodeRef,
    },
}

impl Target {
    fn make(&mut self, transfer: &mut Transfer<'_>, path: &str) -> Result<InodeRef> {
        let made = match self {
            Target::Made(dir) => return Ok(dir.clone()),
            Target::Pending {
                parent,
                name,
                source,
            } => {
                // As deep as the tree, which the context's limits bound.
                let parent = parent.borrow_mut().make(transfer, path)?;
                transfer.directory(source, &parent, name, path)?
            }
        };
        *self = Target::Made(made.clone());
        Ok(made)
    }
}

/// Removes what is in the way of a file (or directory) `name`.
fn clear(dir: &InodeRef, name: &[u8], for_directory: bool) -> std::result::Result<(), Errno> {
    match dir.lookup(name) {
        Ok(there) if there.attr()?.is_dir() => {
            if for_directory {
                return Ok(());
            }
            // As tar does: a directory in the way of a file goes only when it is empty.
            dir.rmdir(name)
        }
        Ok(_) => dir.unlink(name),
        Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e),
    }
}

fn data(from: &InodeRef, to: &InodeRef) -> std::result::Result<(), Errno> {
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    loop {
        let count = from.read_at(offset, &mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut written = 0;
        while written < count {
            let n = to.write_at(offset + written as u64, &buffer[written..count])?;
            if n == 0 {
                return Err(Errno::ENOSPC);
            }
            written += n;
        }
        offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbolic_modes() {
        for (text, from, dir, want) in [
            ("u+x", 0o644, false, 0o744),
            ("go-rwx", 0o755, false, 0o700),
            ("a=rX", 0o750, false, 0o555),
            ("a=rX", 0o640, false, 0o444),
            ("a=rX", 0o640, true, 0o555),
            ("g=u", 0o741, false, 0o771),
            ("u=rw,g+w,o=", 0o755, false, 0o670),
            ("+x", 0o600, false, 0o711),
        ] {
            let kind = if dir { 0o040000 } else { 0o100000 };
            let attr = Attr {
                mode: kind | from,
                ..Attr::default()
            };
            let got = Chmod::Symbolic(text.into()).apply(&attr);
            assert_eq!(got, want, "{text} of {from:o}: {got:o}");
        }
    }
}
