//! Access to the members of an archive: the small ones held in memory, the large ones stored elsewhere.
//!
//! Links are followed inside the archive only: a name that leaves it, or is not in it, is not
//! found, whatever exists outside.

use std::collections::BTreeMap;
use std::io::Cursor;

use bytes::Bytes;
use tar::{Archive, EntryType};

use crate::digest::Digest;
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
        size: u64,
        /// The most allowed.
        limit: usize,
    },
    /// Too many members.
    #[error("invalid archive: more than {MAX_MEMBERS} members")]
    TooMany,
}

/// What is in a regular member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// These bytes.
    Held(Bytes),
    /// Bytes stored elsewhere.
    Stored {
        /// Their SHA-256 digest.
        digest: Digest,
        /// How many there are.
        size: u64,
    },
}

impl Contents {
    /// Bytes.
    pub fn size(&self) -> u64 {
        match self {
            Contents::Held(bytes) => bytes.len() as u64,
            Contents::Stored { size, .. } => *size,
        }
    }

    /// The SHA-256 digest.
    pub fn digest(&self) -> Digest {
        match self {
            Contents::Held(bytes) => Digest::of(bytes),
            Contents::Stored { digest, .. } => digest.clone(),
        }
    }

    /// Whether a descriptor of this digest and size means these bytes.
    pub fn is(&self, digest: &Digest, size: u64) -> bool {
        self.size() == size
            && match self {
                Contents::Held(bytes) => digest.verifies(bytes),
                Contents::Stored { digest: own, .. } => own == digest,
            }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    File(Contents),
    Link(String),
    Other,
}

/// The members of an archive by name.
#[derive(Debug, Clone, Default)]
pub struct Members {
    index: BTreeMap<String, Member>,
}

impl Members {
    /// Adds a regular member. The last of several members of one name counts.
    pub fn add_file(&mut self, name: &[u8], contents: Contents) -> Result<(), MemberError> {
        self.add(name, |_| Member::File(contents))
    }

    /// Adds a symbolic link, whose target is seen from its own directory.
    pub fn add_symlink(&mut self, name: &[u8], target: &[u8]) -> Result<(), MemberError> {
        let target = String::from_utf8_lossy(target);
        self.add(name, |path| {
            join(parent(path), &target).map_or(Member::Other, Member::Link)
        })
    }

    /// Adds another name of a member.
    pub fn add_hard_link(&mut self, name: &[u8], target: &[u8]) -> Result<(), MemberError> {
        let target = clean(&String::from_utf8_lossy(target));
        self.add(name, |_| target.map_or(Member::Other, Member::Link))
    }

    /// Adds a directory, or something else that cannot be read.
    pub fn add_other(&mut self, name: &[u8]) -> Result<(), MemberError> {
        self.add(name, |_| Member::Other)
    }

    fn add(&mut self, name: &[u8], member: impl FnOnce(&str) -> Member) -> Result<(), MemberError> {
        if self.index.len() >= MAX_MEMBERS {
            return Err(MemberError::TooMany);
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let Some(path) = clean(&name) else {
            return Err(MemberError::Missing(name));
        };
        let member = member(&path);
        self.index.insert(path, member);
        Ok(())
    }

    /// Indexes an uncompressed tar. The last of several members of one name counts.
    pub fn from_tar(bytes: Bytes) -> Result<Members, MemberError> {
        let fail = |e: std::io::Error| MemberError::Tar(tar_error(&e));
        if !bytes.is_empty() && bytes.len() < 512 {
            return Err(MemberError::Tar("unexpected EOF".into()));
        }
        let mut members = Members::default();
        let mut archive = Archive::new(Cursor::new(bytes.clone()));
        for entry in archive.entries().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.path_bytes();
            let link = || entry.link_name_bytes().unwrap_or_default();
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let start = usize::try_from(entry.raw_file_position()).ok();
                    let len = usize::try_from(entry.size()).ok();
                    let range = start.zip(len).and_then(|(s, l)| Some(s..s.checked_add(l)?));
                    match range {
                        Some(range) if range.end <= bytes.len() => {
                            members.add_file(&name, Contents::Held(bytes.slice(range)))?;
                        }
                        _ => return Err(MemberError::Tar("unexpected EOF".into())),
                    }
                }
                EntryType::Symlink => members.add_symlink(&name, &link())?,
                EntryType::Link => members.add_hard_link(&name, &link())?,
                EntryType::XGlobalHeader => {}
                _ => members.add_other(&name)?,
            }
        }
        Ok(members)
    }

    /// Members given one by one, such as the files of a directory.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Members {
        let mut members = Members::default();
        for (name, data) in files {
            let contents = Contents::Held(Bytes::copy_from_slice(data));
            // What has no name of its own is not found.
            let _ = members.add_file(name.as_bytes(), contents);
        }
        members
    }

    /// What is in a regular member, following links inside the archive.
    pub fn contents(&self, name: &str) -> Result<&Contents, MemberError> {
        let mut path = clean(name).ok_or_else(|| MemberError::Missing(name.into()))?;
        for _ in 0..MAX_LINKS {
            match self.index.get(&path) {
                Some(Member::File(contents)) => return Ok(contents),
                Some(Member::Link(to)) => path = to.clone(),
                Some(Member::Other) => break,
                None => return Err(MemberError::Missing(name.into())),
            }
        }
        Err(MemberError::NotRegular(name.into()))
    }

    /// The bytes of a document, of which there may be at most `limit`.
    pub fn read_limited(&self, name: &str, limit: usize) -> Result<Bytes, MemberError> {
        match self.contents(name)? {
            Contents::Held(bytes) if bytes.len() <= limit => Ok(bytes.clone()),
            contents => Err(MemberError::TooLarge {
                name: name.into(),
                size: contents.size(),
                limit,
            }),
        }
    }

    /// Whether there is a member of that name.
    pub fn contains(&self, name: &str) -> bool {
        clean(name).is_some_and(|path| self.index.contains_key(&path))
    }
}

/// What a stream that is no tar is called, in Docker's words.
pub fn tar_failure(reason: Option<&str>) -> MemberError {
    MemberError::Tar(match reason {
        None => "unexpected EOF".into(),
        Some(reason) => format!("archive/tar: invalid tar header ({})", printable(reason)),
    })
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
            assert_eq!(
                members.read_limited(name, 9).as_deref(),
                Ok(&b"A"[..]),
                "{name}"
            );
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
            assert!(members.contents(name).is_err(), "{name}");
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
                let _ = members.contents("a");
            }
        }
    }
}
