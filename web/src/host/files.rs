//! The host's files, for the editor and for scripts: root's view, from the host's mounts.

use bottleship_vfs::{Creds, Errno, MountNs, OpenFlags, Path, RenameFlags, ResolveFlags, Walk};

/// The largest file that is read or written at once, in bytes.
const MAX: u64 = 1 << 30;

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe, a socket.
    Other,
}

/// A directory's entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Last change, in ms since 1970.
    pub mtime: f64,
}

/// Why it can't be done: the path and Linux's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The path asked for.
    pub path: String,
    /// Why.
    pub errno: Errno,
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.errno.strerror())
    }
}

type Result<T> = std::result::Result<T, FileError>;

/// Files under a set of mounts.
pub struct Files<'a>(pub &'a MountNs);

impl Files<'_> {
    fn with<T>(
        &self,
        path: &str,
        work: impl FnOnce(&Walk<'_>) -> std::result::Result<T, Errno>,
    ) -> Result<T> {
        let failed = |errno| FileError {
            path: path.to_owned(),
            errno,
        };
        if !path.starts_with('/') {
            return Err(failed(Errno::EINVAL));
        }
        let (root, creds) = (self.0.root(), Creds::root());
        let walk = Walk {
            root: &root,
            cwd: &root,
            creds: &creds,
        };
        work(&walk).map_err(failed)
    }

    /// A file's bytes.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.with(path, |walk| {
            let opened = walk.open(
                path.as_bytes(),
                OpenFlags::empty(),
                0,
                ResolveFlags::empty(),
            )?;
            read_all(&opened.path)
        })
    }

    /// Replaces a file's bytes, or makes the file.
    pub fn write(&self, path: &str, data: &[u8]) -> Result<()> {
        self.with(path, |walk| {
            let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
            let opened = walk.open(path.as_bytes(), flags, 0o644, ResolveFlags::empty())?;
            if !opened.path.attr()?.is_file() {
                return Err(Errno::EINVAL);
            }
            let inode = opened.path.inode();
            let mut at = 0;
            while at < data.len() {
                match inode.write_at(at as u64, &data[at..])? {
                    0 => return Err(Errno::EIO),
                    n => at += n,
                }
            }
            Ok(())
        })
    }

    /// A directory's entries, in its own order.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>> {
        self.with(path, |walk| {
            let dir = walk.resolve(
                path.as_bytes(),
                ResolveFlags::FOLLOW | ResolveFlags::DIRECTORY,
            )?;
            let mut names = Vec::new();
            dir.inode().readdir(0, &mut |entry| {
                names.push(entry.name.to_vec());
                true
            })?;
            // What vanished in between, or can't be looked at, is left out, as ls does.
            Ok(names
                .into_iter()
                .filter_map(|name| entry(walk, path, name).ok())
                .collect())
        })
    }

    /// Makes a directory.
    pub fn make_dir(&self, path: &str) -> Result<()> {
        self.with(path, |walk| walk.mkdir(path.as_bytes(), 0o755).map(drop))
    }

    /// Removes a file, or a directory that is empty.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.with(path, |walk| {
            let found = walk.resolve(path.as_bytes(), ResolveFlags::empty())?;
            if found.attr()?.is_dir() {
                walk.rmdir(path.as_bytes())
            } else {
                walk.unlink(path.as_bytes())
            }
        })
    }

    /// Gives a file another name, replacing what has it.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.with(from, |walk| {
            walk.rename(from.as_bytes(), walk, to.as_bytes(), RenameFlags::empty())
        })
    }
}

fn entry(walk: &Walk<'_>, dir: &str, name: Vec<u8>) -> std::result::Result<Entry, Errno> {
    let path = [dir.as_bytes(), b"/", &name].concat();
    let attr = walk.resolve(&path, ResolveFlags::empty())?.attr()?;
    let kind = if attr.is_file() {
        Kind::File
    } else if attr.is_dir() {
        Kind::Dir
    } else if attr.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Other
    };
    Ok(Entry {
        name,
        kind,
        size: attr.size,
        mode: attr.mode & 0o7777,
        mtime: attr.mtime.sec as f64 * 1000.0 + f64::from(attr.mtime.nsec / 1_000_000),
    })
}

fn read_all(path: &Path) -> std::result::Result<Vec<u8>, Errno> {
    let attr = path.attr()?;
    if attr.is_dir() {
        return Err(Errno::EISDIR);
    }
    if !attr.is_file() {
        return Err(Errno::EINVAL);
    }
    // Files of /proc say 0 and have more: what is read counts, not what is said.
    let mut data = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = path.inode().read_at(data.len() as u64, &mut buffer)?;
        if n == 0 {
            return Ok(data);
        }
        data.extend_from_slice(&buffer[..n]);
        if data.len() as u64 > MAX {
            return Err(Errno::EFBIG);
        }
    }
}
