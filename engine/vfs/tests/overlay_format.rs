//! What an overlay leaves in its upper layer and shows of its lower ones.

use std::rc::Rc;

use bottleship_vfs::overlay::{OPAQUE, Upper, is_opaque, is_whiteout};
use bottleship_vfs::*;

const PERM: CreatePerm = CreatePerm {
    mode: 0o644,
    uid: 0,
    gid: 0,
};

struct Union {
    clock: Clock,
    lower: Rc<Tmpfs>,
    upper: Rc<Tmpfs>,
    root: Path,
}

/// A lower layer with `/d/f` ("hello", mtime 100), `/d/g` linked as `/d/h`, `/e/` with `/e/x`.
fn union() -> Union {
    let clock = Clock::new();
    clock.set(Time::from_secs(100));
    let lower = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
    let dir = lower
        .root()
        .create(
            b"d",
            NewNode::Dir,
            CreatePerm {
                mode: 0o755,
                ..PERM
            },
        )
        .unwrap();
    dir.create(b"f", NewNode::File, PERM)
        .unwrap()
        .write_at(0, b"hello")
        .unwrap();
    let g = dir.create(b"g", NewNode::File, PERM).unwrap();
    g.set_xattr(b"security.capability", b"cap", XattrFlags::empty())
        .unwrap();
    dir.link(b"h", &g).unwrap();
    let e = lower
        .root()
        .create(
            b"e",
            NewNode::Dir,
            CreatePerm {
                mode: 0o755,
                ..PERM
            },
        )
        .unwrap();
    e.create(b"x", NewNode::File, PERM).unwrap();
    lower.seal();
    clock.set(Time::from_secs(200));
    let upper = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
    let overlay = Overlay::new(&clock, vec![lower.root()], Some(Upper::new(&upper))).unwrap();
    let root = MountNs::new(overlay, "overlay", MountFlags::empty()).root();
    Union {
        clock,
        lower,
        upper,
        root,
    }
}

impl Union {
    fn walk<'a>(&'a self, creds: &'a Creds) -> Walk<'a> {
        Walk {
            root: &self.root,
            cwd: &self.root,
            creds,
        }
    }

    fn get(&self, path: &str) -> InodeRef {
        let creds = Creds::root();
        self.walk(&creds)
            .resolve(path.as_bytes(), ResolveFlags::empty())
            .unwrap()
            .inode()
            .clone()
    }

    fn upper(&self, path: &str) -> Result<InodeRef> {
        path.split('/')
            .try_fold(self.upper.root(), |dir, name| dir.lookup(name.as_bytes()))
    }
}

#[test]
fn writing_copies_up_and_keeps_the_directory_times_and_the_number() {
    let u = union();
    let file = u.get("d/f");
    let before = file.attr().unwrap();
    u.clock.set(Time::from_secs(300));
    file.write_at(5, b" world").unwrap();
    let after = file.attr().unwrap();
    assert_eq!((after.ino, after.size), (before.ino, 11));
    assert_eq!(after.mtime, Time::from_secs(300));
    assert_eq!(u.get("d").attr().unwrap().mtime, Time::from_secs(100));
    assert_eq!(
        u.upper("d").unwrap().attr().unwrap().mtime,
        Time::from_secs(100)
    );
    let mut lower = [0; 8];
    let source = u.lower.root().lookup(b"d").unwrap().lookup(b"f").unwrap();
    assert_eq!(source.read_at(0, &mut lower).unwrap(), 5);
    assert_eq!(&lower[..5], b"hello");
}

#[test]
fn a_change_of_mode_copies_data_and_attributes_but_not_the_link() {
    let u = union();
    let g = u.get("d/g");
    assert_eq!(g.attr().unwrap().nlink, 2);
    g.set_attr(&SetAttr {
        mode: Some(0o600),
        ..SetAttr::default()
    })
    .unwrap();
    assert_eq!(
        u.upper("d/g")
            .unwrap()
            .get_xattr(b"security.capability")
            .unwrap(),
        b"cap"
    );
    assert_eq!(g.attr().unwrap().nlink, 1);
    assert_eq!(g.attr().unwrap().mtime, Time::from_secs(100));
    assert_eq!(u.get("d/h").attr().unwrap().mode & 0o777, 0o644);
    assert!(u.upper("d/h").is_err());
}

#[test]
fn truncating_open_copies_nothing() {
    let u = union();
    let creds = Creds::root();
    let flags = OpenFlags::WRONLY | OpenFlags::TRUNC;
    u.walk(&creds)
        .open(b"d/f", flags, 0, ResolveFlags::empty())
        .unwrap();
    assert_eq!(u.upper("d/f").unwrap().attr().unwrap().size, 0);
    assert_eq!(u.upper.quota().used_bytes(), 0);
}

#[test]
fn removing_leaves_a_whiteout_and_making_again_an_opaque_directory() {
    let u = union();
    let creds = Creds::root();
    let walk = u.walk(&creds);
    walk.unlink(b"e/x").unwrap();
    assert!(is_whiteout(&u.upper("e/x").unwrap()).unwrap());
    walk.rmdir(b"e").unwrap();
    assert!(is_whiteout(&u.upper("e").unwrap()).unwrap());
    assert_eq!(
        walk.resolve(b"e", ResolveFlags::empty()).unwrap_err(),
        Errno::ENOENT
    );
    walk.mkdir(b"e", 0o755).unwrap();
    assert!(is_opaque(&u.upper("e").unwrap()));
    assert_eq!(
        walk.resolve(b"e/x", ResolveFlags::empty()).unwrap_err(),
        Errno::ENOENT
    );
    // A directory where there was none is not opaque (the kernel with index=off).
    walk.mkdir(b"new", 0o755).unwrap();
    assert!(!is_opaque(&u.upper("new").unwrap()));
    // What was only ever in the upper layer leaves nothing behind.
    walk.rmdir(b"new").unwrap();
    assert!(u.upper("new").is_err());
}

#[test]
fn the_overlays_attributes_are_hidden() {
    let u = union();
    let creds = Creds::root();
    let walk = u.walk(&creds);
    walk.unlink(b"e/x").unwrap();
    walk.rmdir(b"e").unwrap();
    let e = walk.mkdir(b"e", 0o755).unwrap();
    assert_eq!(e.list_xattr(&creds).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(e.get_xattr(OPAQUE, &creds), Err(Errno::EOPNOTSUPP));
    assert_eq!(
        e.set_xattr(OPAQUE, b"y", XattrFlags::empty(), &creds),
        Err(Errno::EOPNOTSUPP)
    );
}

#[test]
fn lower_directories_do_not_move_but_files_leave_a_whiteout() {
    let u = union();
    let creds = Creds::root();
    let walk = u.walk(&creds);
    let plain = RenameFlags::empty();
    assert_eq!(walk.rename(b"d", &walk, b"d2", plain), Err(Errno::EXDEV));
    walk.rename(b"d/f", &walk, b"f2", plain).unwrap();
    assert!(is_whiteout(&u.upper("d/f").unwrap()).unwrap());
    walk.rename(b"f2", &walk, b"d/f", plain).unwrap();
    assert!(!is_whiteout(&u.upper("d/f").unwrap()).unwrap());
    walk.rename(b"d/f", &walk, b"d/g", RenameFlags::EXCHANGE)
        .unwrap();
    assert_eq!(u.get("d/g").attr().unwrap().size, 5);
    assert_eq!(
        walk.rename(b"d/f", &walk, b"d/g", RenameFlags::NOREPLACE),
        Err(Errno::EEXIST)
    );
}

#[test]
fn a_shared_mapping_writes_to_the_upper_layer() {
    let u = union();
    let file = u.get("d/f");
    file.page_for_write(0).unwrap().write(0, b"J");
    let mut buf = [0; 5];
    file.read_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"Jello");
    assert_eq!(file.page_for_write(1).unwrap_err(), Errno::ENXIO);
    let source = u.lower.root().lookup(b"d").unwrap().lookup(b"f").unwrap();
    source.read_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"hello");
}

#[test]
fn an_unlinked_lower_file_can_still_be_written_by_who_has_it_open() {
    let u = union();
    let creds = Creds::root();
    let file = u.get("d/f");
    u.walk(&creds).unlink(b"d/f").unwrap();
    assert_eq!(file.attr().unwrap().nlink, 0);
    file.write_at(0, b"H").unwrap();
    let mut buf = [0; 5];
    file.read_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"Hello");
    assert!(is_whiteout(&u.upper("d/f").unwrap()).unwrap());
}

#[test]
fn reading_a_directory_keeps_its_place_while_it_changes() {
    let u = union();
    let creds = Creds::root();
    let walk = u.walk(&creds);
    for i in 0..200 {
        walk.mknod(format!("d/n{i}").as_bytes(), NewNode::File, 0o644)
            .unwrap();
    }
    let dir = u.get("d");
    let (mut seen, mut cookie, mut i) = (Vec::new(), 0, 0);
    loop {
        let mut got = None;
        dir.readdir(cookie, &mut |entry| {
            got = Some((entry.name.to_vec(), entry.cookie));
            false
        })
        .unwrap();
        let Some((name, at)) = got else { break };
        cookie = at;
        // Remove what was just read, and add something now and then.
        if name.starts_with(b"n") {
            walk.unlink(&[b"d/", name.as_slice()].concat()).unwrap();
            if i < 10 {
                walk.mknod(format!("d/late{i}").as_bytes(), NewNode::File, 0o644)
                    .unwrap();
                i += 1;
            }
        }
        seen.push(name);
    }
    let unique: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len());
    assert_eq!(seen.iter().filter(|n| n.starts_with(b"n")).count(), 200);
    for name in [b"f", b"g", b"h"] {
        assert!(seen.contains(&name.to_vec()));
    }
}

#[test]
fn a_full_disk_leaves_the_lower_file_as_it_was() {
    let clock = Clock::new();
    let lower = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
    let file = lower.root().create(b"big", NewNode::File, PERM).unwrap();
    file.write_at(0, &[1; 100_000]).unwrap();
    lower.seal();
    let upper = Tmpfs::new(&clock, Quota::new(8192, 100)).unwrap();
    let overlay = Overlay::new(&clock, vec![lower.root()], Some(Upper::new(&upper))).unwrap();
    let big = overlay.root().lookup(b"big").unwrap();
    assert_eq!(big.write_at(0, b"x"), Err(Errno::ENOSPC));
    assert!(upper.root().lookup(b"big").is_err());
    assert_eq!(
        (upper.quota().used_bytes(), upper.quota().used_inodes()),
        (0, 1)
    );
    let mut first = [0];
    big.read_at(0, &mut first).unwrap();
    assert_eq!(first, [1]);
}

#[test]
fn without_an_upper_layer_nothing_can_change() {
    let u = union();
    let overlay = Overlay::new(&u.clock, vec![u.lower.root()], None).unwrap();
    let root = overlay.root();
    assert_eq!(
        root.create(b"n", NewNode::File, PERM).err(),
        Some(Errno::EROFS)
    );
    assert_eq!(root.lookup(b"d").unwrap().unlink(b"f"), Err(Errno::EROFS));
}
