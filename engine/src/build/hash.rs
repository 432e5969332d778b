//! Hashes of files: Docker's tarsum version 1, which is what the classic builder writes into history
//! (`COPY file:2f63…`) and what both builders' caches compare. Names, modes, owners and contents count, times
//! don't.

use bottleship_vfs::{Attr, InodeRef};
use sha2::{Digest, Sha256};

use super::tree::{self, TreeError, at};

const CHUNK: usize = 64 * 1024;

/// The hash of one file or directory under the name a tar would give it.
pub fn file(name: &str, inode: &InodeRef, attr: &Attr) -> Result<String, TreeError> {
    use bottleship_abi::mode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK};
    let fail = || at(name);
    let (kind, size) = match attr.kind() {
        S_IFDIR => ("5", 0),
        S_IFLNK => ("2", 0),
        S_IFCHR => ("3", 0),
        S_IFBLK => ("4", 0),
        S_IFIFO => ("6", 0),
        _ => ("0", attr.size),
    };
    let link = if attr.is_symlink() {
        let target = inode.readlink().map_err(fail())?;
        String::from_utf8_lossy(&target).into_owned()
    } else {
        String::new()
    };
    let slash = if attr.is_dir() { "/" } else { "" };
    let (major, minor) = device(attr.rdev);
    let headers = [
        ("name", format!("{name}{slash}")),
        ("mode", (attr.mode & 0o7777).to_string()),
        ("uid", attr.uid.to_string()),
        ("gid", attr.gid.to_string()),
        ("size", size.to_string()),
        ("typeflag", kind.to_owned()),
        ("linkname", link),
        ("uname", String::new()),
        ("gname", String::new()),
        ("devmajor", major.to_string()),
        ("devminor", minor.to_string()),
    ];
    let mut hash = Sha256::new();
    for (key, value) in headers {
        hash.update(key);
        hash.update(value);
    }
    for key in inode.list_xattr().map_err(fail())? {
        // The one attribute a tar of Docker's carries.
        if key == b"security.capability" {
            hash.update(&key);
            hash.update(inode.get_xattr(&key).map_err(fail())?);
        }
    }
    if attr.is_file() {
        let mut buffer = vec![0; CHUNK];
        let mut offset = 0;
        loop {
            let count = inode.read_at(offset, &mut buffer).map_err(fail())?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            offset += count as u64;
        }
    }
    Ok(hex::encode(hash.finalize()))
}

/// The hash of what a COPY source is: `file:…` or, of a directory, `dir:…` over everything in it. `path` is the
/// name in the context.
pub fn source(path: &str, inode: &InodeRef, attr: &Attr) -> Result<String, TreeError> {
    if !attr.is_dir() {
        return Ok(format!("file:{}", file(path, inode, attr)?));
    }
    let mut sums = Vec::new();
    if !path.is_empty() {
        sums.push(file(path, inode, attr)?);
    }
    for (name, inode, attr) in tree::walk(inode).map_err(at(path))? {
        let name = if path.is_empty() {
            name
        } else {
            format!("{path}/{name}")
        };
        sums.push(file(&name, &inode, &attr)?);
    }
    sums.sort();
    Ok(list("dir", &sums))
}

/// One hash of several: `multi:…`.
pub fn list(prefix: &str, hashes: &[String]) -> String {
    let digest = Sha256::digest(hashes.join(","));
    format!("{prefix}:{}", hex::encode(digest))
}

fn device(rdev: u64) -> (u64, u64) {
    let major = (rdev >> 8) & 0xfff | (rdev >> 32) & !0xfff;
    let minor = rdev & 0xff | (rdev >> 12) & !0xff;
    (major, minor)
}
