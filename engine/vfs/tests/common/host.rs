//! The same operations on the host's own file system.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path as HostPath, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Facts, Op};

/// A directory of the host's, removed in the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let shm = HostPath::new("/dev/shm");
        let top = if shm.is_dir() {
            shm.to_owned()
        } else {
            std::env::temp_dir()
        };
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = top.join(format!("bottleship-vfs-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).expect("scratch directory");
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn host(base: &HostPath, op: &Op) -> std::io::Result<Facts> {
    let at = |p: &String| format!("{}/{p}", base.display());
    let none = (0, 0);
    let facts = |m: fs::Metadata| (m.mode(), if m.is_dir() { 0 } else { m.size() });
    match op {
        Op::Mkdir(p) => fs::create_dir(at(p)).map(|_| none),
        Op::Rmdir(p) => fs::remove_dir(at(p)).map(|_| none),
        Op::Unlink(p) => fs::remove_file(at(p)).map(|_| none),
        Op::Rename(a, b) => fs::rename(at(a), at(b)).map(|_| none),
        Op::Link(a, b) => fs::hard_link(at(a), at(b)).map(|_| none),
        Op::Symlink(t, p) => std::os::unix::fs::symlink(t, at(p)).map(|_| none),
        Op::Open(p, flags) => {
            let mut how = fs::OpenOptions::new();
            let (access, rest) = (flags & 3, (flags & !3) as i32);
            how.read(access != 1).write(access != 0).mode(0o644);
            // `custom_flags` does not take the creation flags, so they go the long way.
            how.create(rest & 0o100 != 0 && rest & 0o200 == 0);
            how.create_new(rest & 0o300 == 0o300);
            how.truncate(rest & 0o1000 != 0 && rest & 0o300 != 0o300);
            how.custom_flags(rest & !0o1300);
            Ok(facts(how.open(at(p))?.metadata()?))
        }
        Op::Write(p, offset, data) => {
            let mut file = fs::OpenOptions::new().write(true).open(at(p))?;
            let n = file.write_at(data, u64::from(*offset))?;
            file.flush()?;
            Ok((n as u32, 0))
        }
        Op::Truncate(p, size) => {
            // std has no truncate(2); as root, opening for writing asks for the same.
            let file = fs::OpenOptions::new().write(true).open(at(p))?;
            file.set_len(u64::from(*size)).map(|_| none)
        }
        Op::Chmod(p, mode) => {
            fs::set_permissions(at(p), fs::Permissions::from_mode(*mode)).map(|_| none)
        }
        Op::Stat(p) => fs::metadata(at(p)).map(facts),
        Op::Lstat(p) => fs::symlink_metadata(at(p)).map(facts),
    }
}

pub fn host_tree(root: &HostPath) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut todo = vec![(String::new(), root.to_owned())];
    while let Some((path, dir)) = todo.pop() {
        for entry in fs::read_dir(&dir).expect("readdir") {
            let entry = entry.expect("entry");
            let path = format!("{path}/{}", entry.file_name().to_string_lossy());
            let meta = entry.metadata().expect("metadata");
            let (mut nlink, mut body) = (meta.nlink() as u32, Vec::new());
            if meta.is_dir() {
                nlink = 0;
                todo.push((path.clone(), entry.path()));
            } else if meta.is_symlink() {
                body = fs::read_link(entry.path())
                    .expect("link")
                    .into_os_string()
                    .into_encoded_bytes();
            } else if meta.is_file() {
                body = fs::read(entry.path()).expect("contents");
            }
            all.insert(path, (meta.mode(), nlink, body));
        }
    }
    all
}

/// The host process must be root, as the walk here is.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

/// The part of the umask that would show.
pub fn host_umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("Umask:"));
    line.and_then(|l| u32::from_str_radix(l.trim(), 8).ok())
        .unwrap_or(0o22)
}
