//! Building blocks for generated file systems: directories, generated files, links.

use std::any::Any;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

use bottleship_abi::Errno;
use bottleship_abi::mode::{S_IFDIR, S_IFLNK, S_IFREG};
use bottleship_vfs::{
    Attr, DirEntry, FIRST_COOKIE, FileSystem, Inode, InodeRef, Path, Result, SetAttr, Statfs, Time,
};

use crate::kernel::Inner;
use crate::kernel::file::File;
use crate::syscall::{Cx, Stop};

/// Makes a generated file's contents, for the caller that opens it.
pub type Generate = Rc<dyn Fn(&Cx) -> std::result::Result<Vec<u8>, Errno>>;
/// Takes what is written to a generated file.
pub type Accept = Rc<dyn Fn(&Cx, &[u8]) -> std::result::Result<(), Errno>>;

/// Owner and times of a generated node.
#[derive(Clone)]
pub struct Common {
    pub kernel: Weak<Inner>,
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Common {
    fn attr(&self, kind: u32, nlink: u32) -> Attr {
        let now = self
            .kernel
            .upgrade()
            .map_or(Time::default(), |k| k.clock.now());
        Attr {
            ino: self.ino,
            dev: self.dev,
            mode: kind | self.mode,
            nlink,
            uid: self.uid,
            gid: self.gid,
            atime: now,
            mtime: now,
            ctime: now,
            ..Attr::default()
        }
    }
}

/// A file whose contents are made when it is opened.
pub struct GeneratedFile {
    pub common: Common,
    pub generate: Option<Generate>,
    pub accept: Option<Accept>,
}

impl Inode for GeneratedFile {
    fn attr(&self) -> Result<Attr> {
        Ok(self.common.attr(S_IFREG, 1))
    }

    fn set_attr(&self, set: &SetAttr) -> Result<()> {
        // `echo x > file` truncates first; there is nothing to cut off.
        if set.size.is_some() && self.accept.is_some() {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A generated symbolic link.
pub struct GeneratedLink {
    pub common: Common,
    pub target: Box<dyn Fn() -> Result<Vec<u8>>>,
    /// Where a magic link leads.
    pub magic: Option<Box<dyn Fn() -> Result<Path>>>,
}

impl Inode for GeneratedLink {
    fn attr(&self) -> Result<Attr> {
        Ok(self.common.attr(S_IFLNK, 1))
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        (self.target)()
    }

    fn magic_link(&self) -> Option<Result<Path>> {
        self.magic.as_ref().map(|magic| magic())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An entry of a generated directory.
pub struct GeneratedEntry {
    pub name: Vec<u8>,
    /// `S_IFMT` bits.
    pub kind: u32,
    pub ino: u64,
}

/// What a generated directory holds.
pub trait Directory {
    /// The entries, in order.
    fn entries(&self) -> Vec<GeneratedEntry>;
    /// One of them.
    fn lookup(&self, name: &[u8]) -> Result<InodeRef>;
}

/// A directory whose entries are made when asked for.
pub struct GeneratedDir {
    pub common: Common,
    pub contents: Box<dyn Directory>,
}

impl Inode for GeneratedDir {
    fn attr(&self) -> Result<Attr> {
        Ok(self.common.attr(S_IFDIR, 2))
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        self.contents.lookup(name)
    }

    fn readdir(&self, cookie: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        // Positions are those in the list; for /proc, whose entries come and go, numbers are ordered, so that what
        // stays is found again.
        for (i, entry) in self.contents.entries().iter().enumerate() {
            let at = FIRST_COOKIE + i as u64;
            if at > cookie
                && !emit(DirEntry {
                    ino: entry.ino,
                    kind: entry.kind,
                    name: &entry.name,
                    cookie: at,
                })
            {
                break;
            }
        }
        Ok(())
    }

    fn create(
        &self,
        _: &[u8],
        _: bottleship_vfs::NewNode,
        _: bottleship_vfs::CreatePerm,
    ) -> Result<InodeRef> {
        Err(Errno::ENOENT)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A file system around a generated root.
pub struct Generated {
    pub root: InodeRef,
    pub kind: &'static str,
    pub magic: u64,
    pub dev: u64,
    pub options: String,
}

impl FileSystem for Generated {
    fn root(&self) -> InodeRef {
        self.root.clone()
    }

    fn statfs(&self) -> Result<Statfs> {
        Ok(Statfs {
            magic: self.magic,
            block_size: 4096,
            name_max: 255,
            ..Statfs::default()
        })
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn dev(&self) -> u64 {
        self.dev
    }

    fn options(&self) -> String {
        self.options.clone()
    }
}

/// A generated file, opened: its contents as they were then.
struct OpenGenerated {
    inode: InodeRef,
    contents: RefCell<Option<Vec<u8>>>,
    generate: Option<Generate>,
    accept: Option<Accept>,
    name: Vec<u8>,
}

pub(super) fn open(
    _: &Cx,
    path: &Path,
    _: u32,
) -> std::result::Result<Option<Box<dyn File>>, Stop> {
    let Some(file) = path.inode().as_any().downcast_ref::<GeneratedFile>() else {
        return Ok(None);
    };
    Ok(Some(Box::new(OpenGenerated {
        inode: path.inode().clone(),
        contents: RefCell::default(),
        generate: file.generate.clone(),
        accept: file.accept.clone(),
        name: path.dentry.name().to_vec(),
    })))
}

impl File for OpenGenerated {
    fn read(&self, cx: &Cx, pos: u64, buf: &mut [u8]) -> std::result::Result<usize, Errno> {
        let generate = self.generate.as_ref().ok_or(Errno::EINVAL)?;
        // Reading from the start again shows what is true now, as with seq_file.
        if pos == 0 || self.contents.borrow().is_none() {
            let made = generate(cx)?;
            self.contents.replace(Some(made));
        }
        let contents = self.contents.borrow();
        let rest = contents
            .as_ref()
            .and_then(|c| c.get(pos as usize..))
            .unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write(&self, cx: &Cx, _: u64, data: &[u8]) -> std::result::Result<usize, Errno> {
        let accept = self.accept.as_ref().ok_or(Errno::EINVAL)?;
        accept(cx, data)?;
        Ok(data.len())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn inode(&self) -> Option<&InodeRef> {
        Some(&self.inode)
    }

    fn link_name(&self) -> Vec<u8> {
        self.name.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
