//! Making archives, good and bad, and listing trees.

use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_vfs::{
    Clock, CreatePerm, FileSystem, InodeRef, NewNode, Quota, SetAttr, Time, Tmpfs,
};

use crate::layer::inside::{checksum, walk};
use crate::layer::{LayerError, Limits, apply};

/// An archive being made, header by header, with no rules kept.
#[derive(Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn new() -> Tar {
        Tar::default()
    }

    /// A header; `edit` may change the block before its checksum is made.
    pub fn raw(mut self, name: &str, flag: u8, size: u64, edit: impl FnOnce(&mut [u8])) -> Tar {
        let mut block = [0u8; 512];
        let name = &name.as_bytes()[..name.len().min(100)];
        block[..name.len()].copy_from_slice(name);
        block[100..108].copy_from_slice(b"0000644\0");
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[136..148].copy_from_slice(b"00000000144\0");
        block[156] = flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        edit(&mut block);
        let sum = checksum(&block);
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self
    }

    /// Contents, padded.
    pub fn data(mut self, data: &[u8]) -> Tar {
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, data: &str) -> Tar {
        self.raw(name, b'0', data.len() as u64, |_| {})
            .data(data.as_bytes())
    }

    pub fn dir(self, name: &str) -> Tar {
        self.raw(name, b'5', 0, |b| b[100..108].copy_from_slice(b"0000755\0"))
    }

    pub fn symlink(self, name: &str, target: &str) -> Tar {
        self.link(name, b'2', target)
    }

    pub fn hardlink(self, name: &str, target: &str) -> Tar {
        self.link(name, b'1', target)
    }

    fn link(self, name: &str, flag: u8, target: &str) -> Tar {
        self.raw(name, flag, 0, |b| {
            b[157..157 + target.len()].copy_from_slice(target.as_bytes())
        })
    }

    pub fn device(self, name: &str, flag: u8, major: u32, minor: u32) -> Tar {
        self.raw(name, flag, 0, |b| {
            b[329..337].copy_from_slice(format!("{major:07o}\0").as_bytes());
            b[337..345].copy_from_slice(format!("{minor:07o}\0").as_bytes());
        })
    }

    /// An extended header with these bytes.
    pub fn extended(self, flag: u8, data: &[u8]) -> Tar {
        self.raw("ext", flag, data.len() as u64, |_| {}).data(data)
    }

    pub fn pax(self, records: &[(&str, &[u8])]) -> Tar {
        let mut data = Vec::new();
        for (key, value) in records {
            data.extend(record(key, value));
        }
        self.extended(b'x', &data)
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A PAX record.
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len += 1;
    }
    [format!("{len} {key}=").as_bytes(), value, b"\n"].concat()
}

/// A file system with something to break beside the directory that is unpacked into.
pub struct World {
    pub tmpfs: Rc<Tmpfs>,
    pub dest: InodeRef,
}

const PERM: CreatePerm = CreatePerm {
    mode: 0o755,
    uid: 7,
    gid: 7,
};

pub fn world() -> World {
    let clock = Clock::new();
    clock.set(Time::from_secs(1_000_000));
    let tmpfs = Tmpfs::new(&clock, Quota::new(64 << 20, 10_000)).unwrap();
    let root = tmpfs.root();
    for name in [b"victim".as_slice(), b"etc", b"dest"] {
        root.create(name, NewNode::Dir, PERM).unwrap();
    }
    for (dir, name) in [
        (b"victim".as_slice(), b"hello".as_slice()),
        (b"etc", b"passwd"),
    ] {
        let dir = root.lookup(dir).unwrap();
        let file = dir.create(name, NewNode::File, PERM).unwrap();
        file.write_at(0, b"canary").unwrap();
    }
    let dest = root.lookup(b"dest").unwrap();
    World { tmpfs, dest }
}

impl World {
    /// What is outside of the destination, with all attributes but those of the root and the
    /// destination itself.
    pub fn outside(&self) -> Vec<String> {
        let mut all = Vec::new();
        for dir in [b"victim".as_slice(), b"etc"] {
            let dir = self.tmpfs.root().lookup(dir).unwrap();
            all.push(format!("{:?}", dir.attr().unwrap()));
            for (path, what) in list(&dir) {
                let inode = dir.lookup(path.as_bytes()).unwrap();
                all.push(format!("{path} {what} {:?}", inode.attr().unwrap()));
            }
        }
        let mut names = Vec::new();
        let collect = &mut |entry: bottleship_vfs::DirEntry<'_>| {
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            true
        };
        self.tmpfs.root().readdir(0, collect).unwrap();
        all.extend(names);
        all
    }
}

/// Unpacks a layer and checks that nothing outside changed. The tree, or the error's text.
pub fn unpack(tar: &[u8], limits: &Limits) -> Result<BTreeMap<String, String>, String> {
    let world = world();
    let before = world.outside();
    let result = apply(tar, &world.dest, limits);
    assert_eq!(world.outside(), before, "something outside changed");
    match result {
        Ok(_) => Ok(list(&world.dest)),
        Err(error) => {
            let text = error.to_string();
            assert!(
                !text.chars().any(char::is_control),
                "raw control characters: {text:?}"
            );
            assert!(!matches!(error, LayerError::Io(_)), "untyped error: {text}");
            Err(text)
        }
    }
}

/// A tree in words: path → type, mode, owner, contents.
pub fn list(root: &InodeRef) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    walk(root, &mut |found| {
        let a = &found.attr;
        let mut body = match a.mode & 0o170000 {
            0o100000 => {
                let mut data = vec![0; a.size.min(100) as usize];
                found.inode.read_at(0, &mut data).unwrap();
                format!("file {} {}", a.size, String::from_utf8_lossy(&data))
            }
            0o120000 => format!(
                "-> {}",
                String::from_utf8_lossy(&found.inode.readlink().unwrap())
            ),
            0o040000 => "dir".to_owned(),
            0o020000 if a.rdev == 0 => "whiteout".to_owned(),
            kind => format!("{kind:o} {:x}", a.rdev),
        };
        if bottleship_vfs::overlay::is_opaque(found.inode) {
            body += " opaque";
        }
        if !found.path.is_empty() {
            all.insert(String::from_utf8_lossy(found.path).into_owned(), body);
        }
        Ok(true)
    })
    .unwrap();
    all
}

/// Everything about a tree that a layer keeps: path → attributes, contents, links.
pub fn full(root: &InodeRef) -> BTreeMap<Vec<u8>, String> {
    let mut all = BTreeMap::new();
    let mut first: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    walk(root, &mut |found| {
        let a = &found.attr;
        let mut text = format!(
            "{:o} {}:{} {:x} {}",
            a.mode, a.uid, a.gid, a.rdev, a.mtime.sec
        );
        if !a.is_dir() && a.nlink > 1 {
            let name = first.entry(a.ino).or_insert_with(|| found.path.to_vec());
            text += &format!(" linked {}", String::from_utf8_lossy(name));
        }
        if a.is_file() {
            let mut data = vec![0; a.size as usize];
            found.inode.read_at(0, &mut data).unwrap();
            text += &format!(" {} {}", a.size, bottleship_oci::Digest::of(&data));
        }
        if a.is_symlink() {
            text += &String::from_utf8_lossy(&found.inode.readlink().unwrap());
        }
        for name in found.inode.list_xattr().unwrap() {
            let value = found.inode.get_xattr(&name).unwrap();
            text += &format!(" {}={value:?}", String::from_utf8_lossy(&name));
        }
        if !found.path.is_empty() {
            all.insert(found.path.to_vec(), text);
        }
        Ok(true)
    })
    .unwrap();
    all
}

/// A new tmpfs.
pub fn tmpfs() -> Rc<Tmpfs> {
    Tmpfs::new(&Clock::new(), Quota::unlimited()).unwrap()
}

/// Sets a modification time.
pub fn set_mtime(inode: &InodeRef, sec: i64, nsec: u32) {
    let set = SetAttr {
        mtime: Some(Time { sec, nsec }),
        ..SetAttr::default()
    };
    inode.set_attr(&set).unwrap();
}
