//! Access to the members of an archive, held in memory.
//!
//! Links are followed inside the archive only: a name that leaves it, or is not in it, is not
//! found, whatever exists outside.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;

use bytes::Bytes;
use tar::{Archive, EntryType};

use crate::document::printable;

/// The most members an image archive may have.
pub const MAX_MEMBERS: usize = 100_000;
const MAX_LINKS: usize = 8;

/// Why an archive's member cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The tar is damaged; prefixed as Docker does.
    #[error("Error processing tar file(exit status 1): {0}")]
    Tar(String),
    /// No such member, or a name that leaves the archive.
    #[error("invalid archive: {0:?} is not a member")]
    Missing(String),
    /// It is a directory, device, or link that leads nowhere.
    #[error("invalid archive: {0:?} is not a regular file")]
    NotRegular(String),
    /// Metadata larger than allowed.
    #[error("invalid archive: {name:?} is {size} bytes, limit {limit}")]
    TooLarge {
        /// The member.
        name: String,
        /// Its size in bytes.
        size: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Too many members.
    #[error("invalid archive: more than {MAX_MEMBERS} members")]
    TooMany,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    File(Range<usize>),
    Link(String),
    Other,
}

/// An archive's bytes with an index of its members.
#[derive(Debug, Clone)]
pub struct Members {
    bytes: Bytes,
    index: BTreeMap<String, Member>,
}

impl Members {
    /// Indexes an uncompressed tar. The last of several members of one name counts.
    pub fn from_tar(bytes: Bytes) -> Result<Members, MemberError> {
        let fail = |e: std::io::Error| MemberError::Tar(tar_error(&e));
        if !bytes.is_empty() && bytes.len() < 512 {
            return Err(MemberError::Tar("unexpected EOF".into()));
        }
        let mut index = BTreeMap::new();
        let mut archive = Archive::new(Cursor::new(bytes.clone()));
        for entry in archive.entries().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if index.len() >= MAX_MEMBERS {
                return Err(MemberError::TooMany);
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let Some(path) = clean(&name) else {
                return Err(MemberError::Missing(name));
            };
            let link = || {
                entry
                    .link_name_bytes()
                    .map(|l| String::from_utf8_lossy(&l).into_owned())
            };
            let member = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let start = usize::try_from(entry.raw_file_position()).ok();
                    let len = usize::try_from(entry.size()).ok();
                    let range = start.zip(len).and_then(|(s, l)| Some(s..s.checked_add(l)?));
                    match range {
                        Some(range) if range.end <= bytes.len() => Member::File(range),
                        _ => return Err(MemberError::Tar("unexpected EOF".into())),
                    }
                }
                EntryType::Symlink => link()
                    .and_then(|to| join(parent(&path), &to))
                    .map_or(Member::Other, Member::Link),
                EntryType::Link => link()
                    .and_then(|to| clean(&to))
                    .map_or(Member::Other, Member::Link),
                EntryType::XGlobalHeader => continue,
                _ => Member::Other,
            };
            index.insert(path, member);
        }
        Ok(Members { bytes, index })
    }

    /// Members given one by one, such as the files of a directory.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Members {
        let mut bytes = Vec::new();
        let mut index = BTreeMap::new();
        for (name, data) in files {
            let start = bytes.len();
            bytes.extend_from_slice(data);
            if let Some(path) = clean(name) {
                index.insert(path, Member::File(start..bytes.len()));
            }
        }
        Members {
            bytes: bytes.into(),
            index,
        }
    }

    /// A regular member's bytes, following links inside the archive.
    pub fn read(&self, name: &str) -> Result<Bytes, MemberError> {
        let mut path = clean(name).ok_or_else(|| MemberError::Missing(name.into()))?;
        for _ in 0..MAX_LINKS {
            match self.index.get(&path) {
                Some(Member::File(range)) => return Ok(self.bytes.slice(range.clone())),
                Some(Member::Link(to)) => path = to.clone(),
                Some(Member::Other) => break,
                None => return Err(MemberError::Missing(name.into())),
            }
        }
        Err(MemberError::NotRegular(name.into()))
    }

    /// As [`Members::read`], refusing more than `limit` bytes.
    pub fn read_limited(&self, name: &str, limit: usize) -> Result<Bytes, MemberError> {
        let bytes = self.read(name)?;
        if bytes.len() > limit {
            return Err(MemberError::TooLarge {
                name: name.into(),
                size: bytes.len(),
                limit,
            });
        }
        Ok(bytes)
    }

    /// Whether there is a member of that name.
    pub fn contains(&self, name: &str) -> bool {
        clean(name).is_some_and(|path| self.index.contains_key(&path))
    }
}

/// The tar reader's complaint in Go's words where it means the same.
fn tar_error(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "unexpected EOF".into(),
        _ if e.to_string().contains("EOF") => "unexpected EOF".into(),
        _ => format!(
            "archive/tar: invalid tar header ({})",
            printable(&e.to_string())
        ),
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// `to` seen from the directory `base`; `None` if it leaves the archive or is absolute.
fn join(base: &str, to: &str) -> Option<String> {
    if to.starts_with('/') {
        return None;
    }
    clean(&format!("{base}/{to}"))
}

/// The path without `.`, `..`, doubled and outer slashes; `None` if it is absolute upwards or has a
/// NUL, or climbs above the root.
fn clean(name: &str) -> Option<String> {
    if name.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use tar::{Builder, Header};

    /// A tar of (name, type, link or content).
    pub(crate) fn tar(entries: &[(&str, EntryType, &[u8])]) -> Bytes {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, data) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            let old = header.as_old_mut();
            old.name[..name.len()].copy_from_slice(name.as_bytes());
            let file = *kind == EntryType::Regular;
            if !file {
                old.linkname[..data.len()].copy_from_slice(data);
            }
            header.set_size(if file { data.len() as u64 } else { 0 });
            header.set_mode(0o644);
            header.set_cksum();
            let content: &[u8] = if file { data } else { b"" };
            builder
                .append(&header, content)
                .unwrap_or_else(|e| panic!("{e}"));
        }
        builder
            .into_inner()
            .unwrap_or_else(|e| panic!("{e}"))
            .into()
    }

    #[test]
    fn links_stay_inside() {
        let members = Members::from_tar(tar(&[
            ("a/layer.tar", EntryType::Regular, b"A"),
            ("b/layer.tar", EntryType::Symlink, b"../a/layer.tar"),
            ("c", EntryType::Symlink, b"/proc/self/mem"),
            ("d", EntryType::Symlink, b"../../etc/shadow"),
            ("e", EntryType::Symlink, b"e"),
            ("f", EntryType::Link, b"a/layer.tar"),
            ("g", EntryType::Symlink, b"nowhere"),
            ("h", EntryType::Directory, b""),
        ]))
        .unwrap_or_else(|e| panic!("{e}"));
        for name in ["a/layer.tar", "./b/layer.tar", "b/../b/layer.tar", "f"] {
            assert_eq!(members.read(name).as_deref(), Ok(&b"A"[..]), "{name}");
        }
        for name in [
            "c",
            "d",
            "e",
            "g",
            "h",
            "../../etc/shadow",
            "/proc/self/mem",
            "",
            "a\0",
        ] {
            assert!(members.read(name).is_err(), "{name}");
        }
        assert!(matches!(
            members.read_limited("a/layer.tar", 0),
            Err(MemberError::TooLarge { .. })
        ));
    }

    #[test]
    fn damaged_archives_are_refused_in_dockers_words() {
        let error = Members::from_tar(Bytes::from_static(b"junk\n"))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Error processing tar file(exit status 1): unexpected EOF"
        );
        let good = tar(&[("a", EntryType::Regular, &[1; 2000])]);
        assert!(Members::from_tar(good.slice(..1024)).is_err());
        assert!(Members::from_tar(Bytes::from(vec![b'x'; 2048])).is_err());
        assert!(Members::from_tar(tar(&[("../x", EntryType::Regular, b"")])).is_err());
        assert!(Members::from_tar(Bytes::new()).is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..3000), fix in any::<bool>()) {
            // With a right checksum the header's other fields get exercised.
            if fix && bytes.len() >= 512 {
                let mut header = Header::new_old();
                header.as_mut_bytes().copy_from_slice(&bytes[..512]);
                header.set_cksum();
                bytes[..512].copy_from_slice(header.as_bytes());
            }
            if let Ok(members) = Members::from_tar(bytes.into()) {
                let _ = members.read("a");
            }
        }
    }
}
