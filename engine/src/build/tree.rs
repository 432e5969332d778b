//! Paths in a tree of inodes. Nothing here leaves the tree: `..` stops at its root and absolute symbolic links
//! start there, so a build context or an image can't reach the files of another.

use std::collections::VecDeque;

use bottleship_vfs::{Attr, CreatePerm, Errno, InodeRef, NewNode};

/// Symbolic links followed in one path, as Go's `FollowSymlinkInScope`.
const MAX_LINKS: usize = 255;

/// What failed, and on which path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {}", .errno.strerror().to_lowercase())]
pub struct TreeError {
    /// The path, absolute in the tree.
    pub path: String,
    /// Why.
    pub errno: Errno,
}

pub(super) type Result<T> = std::result::Result<T, TreeError>;

/// Names the path in an error.
pub(super) fn at(path: &str) -> impl FnOnce(Errno) -> TreeError + '_ {
    move |errno| TreeError {
        path: path.to_owned(),
        errno,
    }
}

/// A file that was found.
#[derive(Clone)]
pub struct Found {
    /// The file.
    pub inode: InodeRef,
    /// Its attributes.
    pub attr: Attr,
    /// Where it really is, links resolved: `a/b`, or empty for the root.
    pub path: String,
}

struct Walk<'a> {
    root: &'a InodeRef,
    /// Names and inodes from the root down to where the walk is.
    stack: Vec<(Vec<u8>, InodeRef)>,
    rest: VecDeque<Vec<u8>>,
    links: usize,
}

/// What a step of the walk came to.
enum Step {
    Done,
    Ok,
    /// The name is not there.
    Missing(Vec<u8>),
}

impl<'a> Walk<'a> {
    fn new(root: &'a InodeRef, path: &str) -> Self {
        let mut walk = Walk {
            root,
            stack: Vec::new(),
            rest: VecDeque::new(),
            links: 0,
        };
        walk.push(path.as_bytes());
        walk
    }

    fn push(&mut self, path: &[u8]) {
        for name in path.split(|b| *b == b'/').rev() {
            if !name.is_empty() && name != b"." {
                self.rest.push_front(name.to_vec());
            }
        }
    }

    fn here(&self) -> &InodeRef {
        self.stack.last().map_or(self.root, |(_, inode)| inode)
    }

    fn path(&self) -> String {
        let names: Vec<_> = self
            .stack
            .iter()
            .map(|(name, _)| String::from_utf8_lossy(name))
            .collect();
        names.join("/")
    }

    fn step(&mut self, follow_last: bool) -> std::result::Result<Step, Errno> {
        let Some(name) = self.rest.pop_front() else {
            return Ok(Step::Done);
        };
        if name == b".." {
            self.stack.pop();
            return Ok(Step::Ok);
        }
        let inode = match self.here().lookup(&name) {
            Ok(inode) => inode,
            Err(Errno::ENOENT) => return Ok(Step::Missing(name)),
            Err(e) => return Err(e),
        };
        if inode.attr()?.is_symlink() && (follow_last || !self.rest.is_empty()) {
            self.links += 1;
            if self.links > MAX_LINKS {
                return Err(Errno::ELOOP);
            }
            let target = inode.readlink()?;
            if target.starts_with(b"/") {
                self.stack.clear();
            }
            self.push(&target);
            return Ok(Step::Ok);
        }
        self.stack.push((name, inode));
        Ok(Step::Ok)
    }
}

/// Finds a path; `None` when it is not there.
pub fn lookup(root: &InodeRef, path: &str, follow_last: bool) -> Result<Option<Found>> {
    let mut walk = Walk::new(root, path);
    loop {
        match walk.step(follow_last) {
            Ok(Step::Ok) => {}
            Ok(Step::Missing(_)) | Err(Errno::ENOTDIR) => return Ok(None),
            Ok(Step::Done) => {
                let inode = walk.here().clone();
                let attr = inode.attr().map_err(at(path))?;
                return Ok(Some(Found {
                    inode,
                    attr,
                    path: walk.path(),
                }));
            }
            Err(e) => return Err(at(path)(e)),
        }
    }
}

/// Makes a directory with its parents. Returns it, and whether it was made.
pub fn mkdir_all(root: &InodeRef, path: &str, perm: CreatePerm) -> Result<(InodeRef, bool)> {
    let mut walk = Walk::new(root, path);
    let mut made = false;
    loop {
        match walk.step(true).map_err(at(path))? {
            Step::Ok => {}
            Step::Missing(name) => {
                let dir = walk
                    .here()
                    .create(&name, NewNode::Dir, perm)
                    .map_err(at(path))?;
                walk.stack.push((name, dir));
                made = true;
            }
            Step::Done => {
                let dir = walk.here().clone();
                if !dir.attr().map_err(at(path))?.is_dir() {
                    return Err(at(path)(Errno::ENOTDIR));
                }
                return Ok((dir, made));
            }
        }
    }
}

/// A small file's content; `None` when it is not there or no regular file.
pub fn read(root: &InodeRef, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
    match lookup(root, path, true)? {
        Some(found) if found.attr.is_file() => read_inode(&found, limit).map(Some),
        _ => Ok(None),
    }
}

/// The content of a regular file of at most `limit` bytes.
pub fn read_inode(found: &Found, limit: usize) -> Result<Vec<u8>> {
    let fail = |errno| TreeError {
        path: found.path.clone(),
        errno,
    };
    let size = usize::try_from(found.attr.size)
        .ok()
        .filter(|size| *size <= limit)
        .ok_or_else(|| fail(Errno::EFBIG))?;
    let mut data = vec![0; size];
    let mut filled = 0;
    while filled < size {
        let count = found
            .inode
            .read_at(filled as u64, &mut data[filled..])
            .map_err(fail)?;
        if count == 0 {
            data.truncate(filled);
            break;
        }
        filled += count;
    }
    Ok(data)
}

/// The entries of a directory, by name.
pub fn entries(dir: &InodeRef) -> std::result::Result<Vec<(Vec<u8>, InodeRef)>, Errno> {
    let mut names = Vec::new();
    dir.readdir(0, &mut |entry| {
        names.push(entry.name.to_vec());
        true
    })?;
    names.sort();
    names
        .into_iter()
        .map(|name| dir.lookup(&name).map(|inode| (name, inode)))
        .collect()
}

/// Everything under `start`, parents before children, names in order; `start` itself is not among it. Paths are
/// relative to `start`. Symbolic links are not followed.
pub fn walk(start: &InodeRef) -> std::result::Result<Vec<(String, InodeRef, Attr)>, Errno> {
    let mut out = Vec::new();
    let mut todo: Vec<(String, InodeRef)> = vec![(String::new(), start.clone())];
    while let Some((path, inode)) = todo.pop() {
        let attr = inode.attr()?;
        if attr.is_dir() {
            for (name, child) in entries(&inode)?.into_iter().rev() {
                let name = String::from_utf8_lossy(&name);
                let path = if path.is_empty() {
                    name.into_owned()
                } else {
                    format!("{path}/{name}")
                };
                todo.push((path, child));
            }
        }
        if !path.is_empty() {
            out.push((path, inode, attr));
        }
    }
    Ok(out)
}
