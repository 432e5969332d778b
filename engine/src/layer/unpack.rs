//! Placing the entries of an archive in a tree.

use std::rc::Rc;

use bottleship_oci::DiffId;
use bottleship_vfs::overlay::{OPAQUE, PRIVATE_XATTRS, is_whiteout};
use bottleship_vfs::tmpfs::{self, Backing};
use bottleship_vfs::{CreatePerm, Errno, InodeRef, NewNode, SetAttr, Time, XattrFlags};

use super::LayerError;
use super::header::Kind;
use super::reader::{Entry, Reader};
use super::remove::remove_all;
use super::scope::{components, directory, missing};
use super::source::Source;

/// The prefix of a whiteout's name, and the name that makes a directory opaque.
pub(super) const WHITEOUT: &[u8] = b".wh.";
pub(super) const OPAQUE_NAME: &[u8] = b".wh..wh..opq";
/// The prefix of names that are AUFS' own business.
const AUFS: &[u8] = b".wh..wh.";

/// How to unpack.
pub(super) struct Rules<'a> {
    /// Where in the tree names start.
    pub base: Vec<&'a [u8]>,
    /// The archive is a layer: `.wh.` names are whiteouts, to be kept in overlayfs' form.
    pub layer: bool,
    /// A directory does not replace something else, nor the other way around.
    pub keep_kinds: bool,
    /// Owner of everything, instead of what the archive says.
    pub owner: Option<(u32, u32)>,
    /// The archive's bytes, when files' contents are to stay there.
    pub backing: Option<Rc<dyn Backing>>,
}

/// What was unpacked.
pub(super) struct Unpacked {
    pub diff_id: DiffId,
    pub archive_bytes: u64,
    /// Bytes of the files.
    pub size: u64,
    pub entries: u64,
}

struct Unpacker<'a> {
    root: &'a InodeRef,
    rules: &'a Rules<'a>,
    /// Directories' times, to be set when nothing changes in them any more.
    dir_times: Vec<(InodeRef, Time)>,
}

pub(super) async fn unpack<R: Source>(
    mut reader: Reader<'_, R>,
    root: &InodeRef,
    rules: &Rules<'_>,
) -> Result<Unpacked, LayerError> {
    let mut unpacker = Unpacker {
        root,
        rules,
        dir_times: Vec::new(),
    };
    let (mut size, mut entries) = (0, 0);
    while let Some(entry) = reader.next().await? {
        size += entry.size;
        entries += 1;
        unpacker.entry(&mut reader, entry).await?;
    }
    for (dir, mtime) in unpacker.dir_times {
        let set = SetAttr {
            mtime: Some(mtime),
            ..SetAttr::default()
        };
        dir.set_attr(&set).map_err(LayerError::file(b"."))?;
    }
    let (diff_id, archive_bytes) = reader.finish().await?;
    Ok(Unpacked {
        diff_id,
        archive_bytes,
        size,
        entries,
    })
}

impl Unpacker<'_> {
    async fn entry<R: Source>(
        &mut self,
        reader: &mut Reader<'_, R>,
        entry: Entry,
    ) -> Result<(), LayerError> {
        let bad = |reason| LayerError::entry(&entry.name, reason);
        let parts = components(&entry.name).map_err(bad)?;
        let Some((name, above)) = parts.split_last() else {
            return self.root_entry(&entry);
        };
        if self.rules.layer {
            if parts
                .iter()
                .any(|p| p.starts_with(AUFS) && *p != OPAQUE_NAME)
            {
                return Ok(());
            }
            if above.iter().any(|p| p.starts_with(WHITEOUT)) {
                return Err(bad("a whiteout cannot be a directory"));
            }
            if name.starts_with(WHITEOUT) {
                return self.whiteout(&entry, above, name);
            }
        } else if parts.iter().any(|p| p.starts_with(WHITEOUT)) {
            return Err(bad("names beginning with .wh. are reserved for layers"));
        }
        let dir = self.parent(&entry, above)?;
        let target = match entry.kind {
            Kind::HardLink => Some(self.link_target(&entry)?),
            _ => None,
        };
        let mut hides = false;
        if let Some(existing) = self.existing(&entry, &dir, name)? {
            let is_dir = existing
                .attr()
                .map_err(LayerError::file(&entry.name))?
                .is_dir();
            if target
                .as_ref()
                .is_some_and(|t| bottleship_vfs::same_inode(t, &existing))
            {
                return Err(bad("hard link to itself"));
            }
            if self.rules.keep_kinds && is_dir != (entry.kind == Kind::Dir) {
                return Err(bad(match is_dir {
                    true => "cannot overwrite directory with non-directory",
                    false => "cannot overwrite non-directory with directory",
                }));
            }
            if is_dir && entry.kind == Kind::Dir {
                return self.attributes(&entry, &existing, true);
            }
            hides = self.hides(&existing)?;
            remove_all(&dir, name).map_err(LayerError::file(&entry.name))?;
        }
        if let Some(target) = target {
            dir.link(name, &target)
                .map_err(LayerError::file(&entry.name))?;
            return self.attributes(&entry, &target, true);
        }
        let inode = self.create(&entry, &dir, name)?;
        if hides && entry.kind == Kind::Dir {
            set_opaque(&inode).map_err(LayerError::file(&entry.name))?;
        }
        if entry.kind == Kind::File && !self.back(reader, &entry, &inode)? {
            let write = |offset, bytes: &[u8]| match inode.write_at(offset, bytes) {
                Ok(n) if n == bytes.len() => Ok(()),
                Ok(_) => Err(LayerError::file(&entry.name)(Errno::ENOSPC)),
                Err(errno) => Err(LayerError::file(&entry.name)(errno)),
            };
            reader.contents(write).await?;
        }
        self.attributes(&entry, &inode, false)
    }

    /// Leaves a file's contents in the archive, if they may stay there.
    fn back<R: Source>(
        &self,
        reader: &Reader<'_, R>,
        entry: &Entry,
        inode: &InodeRef,
    ) -> Result<bool, LayerError> {
        let node = inode.as_any().downcast_ref::<tmpfs::Node>();
        let (Some(backing), Some(node)) = (&self.rules.backing, node) else {
            return Ok(false);
        };
        node.back(backing.clone(), reader.position(), entry.size)
            .map_err(LayerError::file(&entry.name))?;
        Ok(true)
    }

    /// `.` or `/`: the attributes of the directory that is unpacked into.
    fn root_entry(&mut self, entry: &Entry) -> Result<(), LayerError> {
        if entry.kind != Kind::Dir {
            return Err(LayerError::entry(
                &entry.name,
                "the root must be a directory",
            ));
        }
        let dir = self.parent(entry, &[])?;
        self.attributes(entry, &dir, true)
    }

    fn create(&self, entry: &Entry, dir: &InodeRef, name: &[u8]) -> Result<InodeRef, LayerError> {
        let bad = |reason| LayerError::entry(&entry.name, reason);
        let (major, minor) = entry.dev;
        let rdev = device(major, minor);
        let node = match entry.kind {
            Kind::File | Kind::HardLink => NewNode::File,
            Kind::Dir => NewNode::Dir,
            Kind::Symlink if entry.link.is_empty() => return Err(bad("symbolic link to nothing")),
            Kind::Symlink if entry.link.contains(&0) => return Err(bad("link target holds a NUL")),
            Kind::Symlink => NewNode::Symlink(&entry.link),
            Kind::Fifo => NewNode::Fifo,
            // What overlayfs takes for a whiteout is not a device that anything needs.
            Kind::CharDev if rdev == 0 => return Err(bad("character device 0:0")),
            Kind::CharDev => NewNode::CharDev(rdev),
            Kind::BlockDev => NewNode::BlockDev(rdev),
        };
        let (uid, gid) = self.owner(entry);
        let mode = entry.mode;
        let perm = CreatePerm { mode, uid, gid };
        dir.create(name, node, perm)
            .map_err(LayerError::file(&entry.name))
    }

    fn owner(&self, entry: &Entry) -> (u32, u32) {
        self.rules.owner.unwrap_or((entry.uid, entry.gid))
    }

    /// Extended attributes and times, and, of what was there before, owner and mode.
    fn attributes(
        &mut self,
        entry: &Entry,
        inode: &InodeRef,
        existing: bool,
    ) -> Result<(), LayerError> {
        let failed = |errno| LayerError::file(&entry.name)(errno);
        let (uid, gid) = self.owner(entry);
        let symlink = inode.attr().map_err(failed)?.is_symlink();
        let mut set = SetAttr {
            atime: Some(entry.mtime),
            mtime: Some(entry.mtime),
            ..SetAttr::default()
        };
        if existing {
            set.mode = (!symlink).then_some(entry.mode);
            (set.uid, set.gid) = (Some(uid), Some(gid));
        }
        for (name, value) in &entry.xattrs {
            let text = |b: &u8| *b != 0;
            if name.is_empty() || name.len() > 255 || !name.iter().all(text) {
                return Err(LayerError::entry(
                    &entry.name,
                    "bad name of an extended attribute",
                ));
            }
            if is_private(name) {
                continue;
            }
            inode
                .set_xattr(name, value, XattrFlags::empty())
                .map_err(failed)?;
        }
        inode.set_attr(&set).map_err(failed)?;
        if entry.kind == Kind::Dir {
            self.dir_times.push((inode.clone(), entry.mtime));
        }
        Ok(())
    }

    /// The directory an entry goes into. Missing ones are made.
    fn parent(&self, entry: &Entry, above: &[&[u8]]) -> Result<InodeRef, LayerError> {
        let (uid, gid) = self.rules.owner.unwrap_or_default();
        let mode = 0o755;
        let perm = CreatePerm { mode, uid, gid };
        let parts = [&self.rules.base, above].concat();
        directory(self.root, &parts, &mut |dir, name| {
            let hidden = dir.lookup(name).is_ok();
            if hidden {
                dir.unlink(name)?;
            }
            let made = dir.create(name, NewNode::Dir, perm)?;
            if hidden && self.rules.layer {
                set_opaque(&made)?;
            }
            Ok(made)
        })
        .map_err(LayerError::file(&entry.name))
    }

    fn existing(
        &self,
        entry: &Entry,
        dir: &InodeRef,
        name: &[u8],
    ) -> Result<Option<InodeRef>, LayerError> {
        match dir.lookup(name) {
            Ok(inode) => Ok(Some(inode)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(LayerError::file(&entry.name)(errno)),
        }
    }

    /// The inode a hard link names: an earlier entry, itself not followed.
    fn link_target(&self, entry: &Entry) -> Result<InodeRef, LayerError> {
        let bad = |reason| LayerError::entry(&entry.name, reason);
        let parts = components(&entry.link).map_err(|_| bad("hard link leads out of the root"))?;
        let Some((name, above)) = parts.split_last() else {
            return Err(bad("hard link to the root"));
        };
        let parts = [&self.rules.base, above].concat();
        let target = directory(self.root, &parts, &mut missing).and_then(|dir| dir.lookup(name));
        match target {
            Ok(inode) => {
                let failed = LayerError::file(&entry.name);
                let attr = inode.attr().map_err(failed)?;
                if attr.is_dir() {
                    return Err(bad("hard link to a directory"));
                }
                if is_whiteout(&inode).map_err(LayerError::file(&entry.name))? {
                    return Err(bad("hard link to a missing entry"));
                }
                Ok(inode)
            }
            Err(_) => Err(bad("hard link to a missing entry")),
        }
    }

    /// A whiteout hides what the layers below have. What this layer itself has under the name
    /// stays, whichever comes first in the archive.
    fn whiteout(&self, entry: &Entry, above: &[&[u8]], name: &[u8]) -> Result<(), LayerError> {
        let failed = |errno| LayerError::file(&entry.name)(errno);
        if name == OPAQUE_NAME {
            let dir = self.parent(entry, above)?;
            return set_opaque(&dir).map_err(failed);
        }
        let hidden = &name[WHITEOUT.len()..];
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(LayerError::entry(&entry.name, "whiteout of nothing"));
        }
        let dir = self.parent(entry, above)?;
        match self.existing(entry, &dir, hidden)? {
            Some(existing) if existing.attr().map_err(failed)?.is_dir() => {
                set_opaque(&existing).map_err(failed)
            }
            Some(_) => Ok(()),
            None => {
                let (uid, gid) = self.owner(entry);
                let perm = CreatePerm { mode: 0, uid, gid };
                let node = dir
                    .create(hidden, NewNode::CharDev(0), perm)
                    .map_err(failed)?;
                let set = SetAttr {
                    mtime: Some(entry.mtime),
                    ..SetAttr::default()
                };
                node.set_attr(&set).map_err(failed)
            }
        }
    }

    /// Whether what is there hides what the layers below have in its place.
    fn hides(&self, existing: &InodeRef) -> Result<bool, LayerError> {
        let failed = LayerError::file(b"");
        Ok(self.rules.layer && is_whiteout(existing).map_err(failed)?)
    }
}

fn set_opaque(dir: &InodeRef) -> Result<(), Errno> {
    dir.set_xattr(OPAQUE, b"y", XattrFlags::empty())
}

/// Attributes that mean something to overlayfs never come from an archive.
fn is_private(name: &[u8]) -> bool {
    name.starts_with(PRIVATE_XATTRS) || name.starts_with(b"user.overlay.")
}

/// `makedev(3)`.
pub(super) fn device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    ((major & 0xffff_f000) << 32)
        | ((major & 0xfff) << 8)
        | ((minor & !0xff) << 12)
        | (minor & 0xff)
}

/// `major(3)` and `minor(3)`.
pub(super) fn split_device(dev: u64) -> (u32, u32) {
    let major = ((dev >> 32) & 0xffff_f000) | ((dev >> 8) & 0xfff);
    let minor = ((dev >> 12) & 0xffff_ff00) | (dev & 0xff);
    (major as u32, minor as u32)
}
