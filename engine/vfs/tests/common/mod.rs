//! Random operations on a tree, run through a path walk.
#![allow(dead_code)]

#[cfg(target_os = "linux")]
pub mod host;

use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_vfs::*;
use proptest::prelude::*;

/// An operation on paths.
#[derive(Clone, Debug)]
pub enum Op {
    Mkdir(String),
    Rmdir(String),
    Unlink(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String, String),
    Open(String, u32),
    Write(String, u32, Vec<u8>),
    Truncate(String, u32),
    Chmod(String, u32),
    Stat(String),
    Lstat(String),
}

pub fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned),
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
    ];
    (prop::collection::vec(name, 1..4), prop::bool::weighted(0.1)).prop_map(|(names, slash)| {
        // `..` never first, so that nothing outside is touched.
        let names: Vec<_> = names.into_iter().skip_while(|n| n == "..").collect();
        let path = if names.is_empty() {
            "a".to_owned()
        } else {
            names.join("/")
        };
        if slash { path + "/" } else { path }
    })
}

fn target() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "a/b", "../b", ".", "b/c/", "nosuch"])
        .prop_map(str::to_owned)
}

fn open_flags() -> impl Strategy<Value = u32> {
    let bits = [0o100, 0o200, 0o1000, 0o400000, 0o200000];
    (0u32..3, prop::sample::subsequence(bits.to_vec(), 0..3))
        .prop_map(|(mode, bits)| bits.into_iter().fold(mode, |a, b| a | b))
        // EXCL without CREAT, and CREAT with DIRECTORY, differ between kernel versions; std does not
        // create without writing.
        .prop_filter("undefined", |f| {
            (f & 0o200 == 0 || f & 0o100 != 0)
                && f & 0o200100 != 0o200100
                && (f & 3 != 0 || f & 0o1100 == 0)
        })
}

pub fn op() -> impl Strategy<Value = Op> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        4 => path().prop_map(Op::Mkdir),
        2 => path().prop_map(Op::Rmdir),
        2 => path().prop_map(Op::Unlink),
        4 => (path(), path()).prop_map(|(a, b)| Op::Rename(a, b)),
        2 => (path(), path()).prop_map(|(a, b)| Op::Link(a, b)),
        2 => (target(), path()).prop_map(|(a, b)| Op::Symlink(a, b)),
        4 => (path(), open_flags()).prop_map(|(p, f)| Op::Open(p, f)),
        4 => (path(), 0u32..9000, bytes()).prop_map(|(p, o, b)| Op::Write(p, o, b)),
        1 => (path(), 0u32..9000).prop_map(|(p, s)| Op::Truncate(p, s)),
        1 => (path(), 0u32..0o1000).prop_map(|(p, m)| Op::Chmod(p, m)),
        1 => path().prop_map(Op::Stat),
        1 => path().prop_map(Op::Lstat),
    ]
}

pub fn ops(n: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..n)
}

/// What a `stat` says that does not depend on the file system.
pub type Facts = (u32, u64);

pub fn facts(attr: &Attr) -> Facts {
    (attr.mode, if attr.is_dir() { 0 } else { attr.size })
}

pub fn namespace(fs: Rc<dyn FileSystem>) -> Path {
    MountNs::new(fs, "none", MountFlags::empty()).root()
}

pub fn run(walk: &Walk<'_>, op: &Op) -> Result<Facts> {
    let none = (0, 0);
    let follow = ResolveFlags::FOLLOW;
    match op {
        Op::Mkdir(p) => walk.mkdir(p.as_bytes(), 0o755).map(|_| none),
        Op::Rmdir(p) => walk.rmdir(p.as_bytes()).map(|_| none),
        Op::Unlink(p) => walk.unlink(p.as_bytes()).map(|_| none),
        Op::Rename(a, b) => walk
            .rename(a.as_bytes(), walk, b.as_bytes(), RenameFlags::empty())
            .map(|_| none),
        Op::Link(a, b) => {
            let file = walk.resolve(a.as_bytes(), ResolveFlags::empty())?;
            walk.link(&file, b.as_bytes()).map(|_| none)
        }
        Op::Symlink(t, p) => walk.symlink(t.as_bytes(), p.as_bytes()).map(|_| none),
        Op::Open(p, flags) => {
            let flags = OpenFlags::from_bits_truncate(*flags);
            let opened = walk.open(p.as_bytes(), flags, 0o644, ResolveFlags::empty())?;
            Ok(facts(&opened.path.attr()?))
        }
        Op::Write(p, offset, data) => {
            let opened = walk.open(p.as_bytes(), OpenFlags::WRONLY, 0, ResolveFlags::empty())?;
            let n = opened.path.inode().write_at(u64::from(*offset), data)?;
            Ok((n as u32, 0))
        }
        Op::Truncate(p, size) => {
            let path = walk.resolve(p.as_bytes(), follow)?;
            path.truncate(u64::from(*size), walk.creds).map(|_| none)
        }
        Op::Chmod(p, mode) => walk
            .resolve(p.as_bytes(), follow)?
            .chmod(*mode, walk.creds)
            .map(|_| none),
        Op::Stat(p) => Ok(facts(&walk.resolve(p.as_bytes(), follow)?.attr()?)),
        Op::Lstat(p) => Ok(facts(
            &walk.resolve(p.as_bytes(), ResolveFlags::empty())?.attr()?,
        )),
    }
}

/// Everything below a directory: path → mode, links of non-directories, contents or target.
pub fn tree(root: &InodeRef) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut todo = vec![(String::new(), root.clone())];
    while let Some((path, dir)) = todo.pop() {
        for name in names(&dir) {
            let inode = dir.lookup(name.as_bytes()).expect("listed entry");
            let attr = inode.attr().expect("attributes");
            let path = format!("{path}/{name}");
            let (mut nlink, mut body) = (attr.nlink, Vec::new());
            if attr.is_dir() {
                nlink = 0;
                todo.push((path.clone(), inode));
            } else if attr.is_symlink() {
                body = inode.readlink().expect("target");
            } else if attr.is_file() {
                body = vec![0; attr.size as usize];
                let n = inode.read_at(0, &mut body).expect("contents");
                assert_eq!(n, body.len());
            }
            all.insert(path, (attr.mode, nlink, body));
        }
    }
    all
}

pub fn names(dir: &InodeRef) -> Vec<String> {
    let mut names = Vec::new();
    dir.readdir(0, &mut |entry| {
        names.push(String::from_utf8_lossy(entry.name).into_owned());
        true
    })
    .expect("readdir");
    names
}
