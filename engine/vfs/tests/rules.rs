//! Permissions, path resolution, mounts and limits.

use std::rc::Rc;

use bottleship_vfs::*;

struct World {
    ns: Rc<MountNs>,
    root: Path,
    clock: Clock,
    tmpfs: Rc<Tmpfs>,
}

fn world() -> World {
    let clock = Clock::new();
    let tmpfs = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
    let ns = MountNs::new(tmpfs.clone(), "rootfs", MountFlags::empty());
    World {
        root: ns.root(),
        ns,
        clock,
        tmpfs,
    }
}

impl World {
    fn walk<'a>(&'a self, creds: &'a Creds) -> Walk<'a> {
        Walk {
            root: &self.root,
            cwd: &self.root,
            creds,
        }
    }

    fn mkdirs(&self, paths: &[&str]) {
        let creds = Creds::root();
        for path in paths {
            self.walk(&creds).mkdir(path.as_bytes(), 0o755).unwrap();
        }
    }

    fn at(&self, path: &str) -> Path {
        let creds = Creds::root();
        self.walk(&creds)
            .resolve(path.as_bytes(), ResolveFlags::FOLLOW)
            .unwrap()
    }

    fn file(&self, path: &str, mode: u32) -> Path {
        let creds = Creds::root();
        let path = self
            .walk(&creds)
            .mknod(path.as_bytes(), NewNode::File, 0o644)
            .unwrap();
        path.chmod(mode, &creds).unwrap();
        path
    }

    fn tmpfs(&self) -> Rc<Tmpfs> {
        Tmpfs::new(&self.clock, Quota::unlimited()).unwrap()
    }
}

fn open(walk: &Walk<'_>, path: &str, flags: OpenFlags) -> Result<Opened> {
    walk.open(path.as_bytes(), flags, 0o644, ResolveFlags::empty())
}

#[test]
fn owner_group_and_others() {
    let w = world();
    let root = Creds::root();
    let file = w.file("/f", 0o640);
    file.chown(Some(1000), Some(100), &root).unwrap();
    let read = OpenFlags::empty();
    let owner = Creds::user(1000, 1000);
    let member = Creds {
        groups: Rc::from([7, 100]),
        ..Creds::user(1001, 1001)
    };
    let other = Creds::user(1002, 1002);
    assert!(open(&w.walk(&owner), "/f", OpenFlags::RDWR).is_ok());
    assert!(open(&w.walk(&member), "/f", read).is_ok());
    assert_eq!(
        open(&w.walk(&member), "/f", OpenFlags::WRONLY).unwrap_err(),
        Errno::EACCES
    );
    assert_eq!(
        open(&w.walk(&other), "/f", read).unwrap_err(),
        Errno::EACCES
    );
    // The owner's bits count for the owner even when others may more.
    file.chmod(0o066, &root).unwrap();
    assert_eq!(
        open(&w.walk(&owner), "/f", read).unwrap_err(),
        Errno::EACCES
    );
    assert!(open(&w.walk(&other), "/f", read).is_ok());
}

#[test]
fn capabilities_override() {
    let w = world();
    w.file("/f", 0o000);
    let root = Creds::root();
    assert!(open(&w.walk(&root), "/f", OpenFlags::RDWR).is_ok());
    assert_eq!(
        w.walk(&root).access(b"/f", Access::EXEC, true),
        Err(Errno::EACCES)
    );
    let bare = Creds::user(0, 0);
    assert_eq!(
        open(&w.walk(&bare), "/f", OpenFlags::empty()).unwrap_err(),
        Errno::EACCES
    );
    assert!(w.at("/f").chmod(0o600, &bare).is_ok());
    assert_eq!(w.at("/f").chown(Some(5), None, &bare), Err(Errno::EPERM));
}

#[test]
fn sticky_directories_protect_entries() {
    let w = world();
    let root = Creds::root();
    w.mkdirs(&["/tmp"]);
    w.at("/tmp").chmod(0o1777, &root).unwrap();
    let (alice, bob) = (Creds::user(1, 1), Creds::user(2, 2));
    open(
        &w.walk(&alice),
        "/tmp/a",
        OpenFlags::CREAT | OpenFlags::WRONLY,
    )
    .unwrap();
    let walk = w.walk(&bob);
    assert_eq!(walk.unlink(b"/tmp/a"), Err(Errno::EPERM));
    let plain = RenameFlags::empty();
    assert_eq!(
        walk.rename(b"/tmp/a", &walk, b"/tmp/b", plain),
        Err(Errno::EPERM)
    );
    assert_eq!(w.walk(&alice).unlink(b"/tmp/a"), Ok(()));
}

#[test]
fn setgid_directories_hand_on_their_group() {
    let w = world();
    let root = Creds::root();
    w.mkdirs(&["/g"]);
    w.at("/g").chown(None, Some(50), &root).unwrap();
    w.at("/g").chmod(0o2777, &root).unwrap();
    let user = Creds::user(1, 1);
    let file = open(&w.walk(&user), "/g/f", OpenFlags::CREAT | OpenFlags::RDWR).unwrap();
    assert_eq!(file.path.attr().unwrap().gid, 50);
    let dir = w.walk(&user).mkdir(b"/g/d", 0o755).unwrap().attr().unwrap();
    assert_eq!((dir.gid, dir.mode & 0o7777), (50, 0o2755));
}

#[test]
fn changing_owner_or_contents_clears_set_id_bits() {
    let w = world();
    let root = Creds::root();
    let file = w.file("/f", 0o6755);
    file.chown(Some(1), Some(1), &root).unwrap();
    assert_eq!(file.attr().unwrap().mode & 0o7777, 0o755);
    file.chmod(0o6755, &root).unwrap();
    file.drop_privileges_on_write(&root).unwrap();
    assert_eq!(file.attr().unwrap().mode & 0o7777, 0o6755);
    file.drop_privileges_on_write(&Creds::user(1, 1)).unwrap();
    assert_eq!(file.attr().unwrap().mode & 0o7777, 0o755);
}

#[test]
fn links_that_lead_nowhere_or_round_in_circles() {
    let w = world();
    let root = Creds::root();
    let walk = w.walk(&root);
    walk.symlink(b"loop", b"/loop").unwrap();
    assert_eq!(
        walk.resolve(b"/loop", ResolveFlags::FOLLOW).unwrap_err(),
        Errno::ELOOP
    );
    for i in 0..41 {
        walk.symlink(
            format!("l{}", i + 1).as_bytes(),
            format!("/l{i}").as_bytes(),
        )
        .unwrap();
    }
    w.file("/l41", 0o644);
    assert!(walk.resolve(b"/l1", ResolveFlags::FOLLOW).is_ok());
    assert_eq!(
        walk.resolve(b"/l0", ResolveFlags::FOLLOW).unwrap_err(),
        Errno::ELOOP
    );
    let nofollow = open(&walk, "/l3", OpenFlags::NOFOLLOW);
    assert_eq!(nofollow.unwrap_err(), Errno::ELOOP);
    let long = format!("/{}", "n".repeat(256));
    let flags = ResolveFlags::FOLLOW;
    assert_eq!(
        walk.resolve(long.as_bytes(), flags).unwrap_err(),
        Errno::ENAMETOOLONG
    );
    let long = "a/".repeat(2048);
    assert_eq!(
        walk.resolve(long.as_bytes(), flags).unwrap_err(),
        Errno::ENAMETOOLONG
    );
}

#[test]
fn dotdot_stops_at_the_root_and_crosses_mounts() {
    let w = world();
    w.mkdirs(&["/a", "/a/b"]);
    let root = Creds::root();
    assert_eq!(w.at("/../../a/.."), w.root);
    w.ns.mount(&w.at("/a/b"), w.tmpfs(), "tmpfs", MountFlags::NOSUID)
        .unwrap();
    w.mkdirs(&["/a/b/c"]);
    assert_eq!(w.at("/a/b/c/../.."), w.at("/a"));
    assert_eq!(w.at("/a/b/c").d_path(&w.root), b"/a/b/c");
    // A root elsewhere (chroot) stops it too.
    let jail = w.at("/a/b/c");
    let walk = Walk {
        root: &jail,
        cwd: &jail,
        creds: &root,
    };
    assert_eq!(
        walk.resolve(b"../../..", ResolveFlags::FOLLOW).unwrap(),
        jail
    );
    assert_eq!(w.at("/a").getcwd(&jail).unwrap(), b"(unreachable)/a");
}

#[test]
fn read_only_mounts_and_bind_mounts_of_files() {
    let w = world();
    let root = Creds::root();
    w.mkdirs(&["/src", "/dst"]);
    w.file("/src/f", 0o644);
    w.file("/cfg", 0o644);
    let bound = w.ns.bind(&w.at("/src"), &w.at("/dst"), false).unwrap();
    w.ns.remount(&bound.root(), MountFlags::RDONLY).unwrap();
    let walk = w.walk(&root);
    assert_eq!(
        open(&walk, "/dst/f", OpenFlags::WRONLY).unwrap_err(),
        Errno::EROFS
    );
    assert_eq!(walk.mkdir(b"/dst/x", 0o755).unwrap_err(), Errno::EROFS);
    assert!(open(&walk, "/src/f", OpenFlags::WRONLY).is_ok());
    assert_eq!(
        walk.rename(b"/src/f", &walk, b"/dst/g", RenameFlags::empty()),
        Err(Errno::EXDEV)
    );
    // One file over another.
    assert_eq!(
        w.ns.bind(&w.at("/src"), &w.at("/cfg"), false).err(),
        Some(Errno::ENOTDIR)
    );
    w.ns.bind(&w.at("/src/f"), &w.at("/cfg"), false).unwrap();
    w.at("/src/f").inode().write_at(0, b"shared").unwrap();
    assert_eq!(w.at("/cfg").attr().unwrap().size, 6);
    assert_eq!(walk.unlink(b"/cfg"), Err(Errno::EBUSY));
    assert_eq!(
        walk.rename(b"/cfg", &walk, b"/cfg2", RenameFlags::empty()),
        Err(Errno::EBUSY)
    );
    w.ns.umount(w.at("/cfg"), false).unwrap();
    assert_eq!(w.at("/cfg").attr().unwrap().size, 0);
}

#[test]
fn unmounting_what_is_in_use() {
    let w = world();
    w.mkdirs(&["/m"]);
    w.ns.mount(&w.at("/m"), w.tmpfs(), "tmpfs", MountFlags::empty())
        .unwrap();
    w.mkdirs(&["/m/d"]);
    let cwd = w.at("/m/d");
    assert_eq!(w.ns.umount(w.at("/m"), false), Err(Errno::EBUSY));
    w.ns.umount(w.at("/m"), true).unwrap();
    assert!(cwd.attr().is_ok());
    assert_eq!(cwd.getcwd(&w.root).unwrap(), b"(unreachable)/d");
    assert_eq!(w.ns.umount(w.at("/m"), false), Err(Errno::EINVAL));
}

#[test]
fn pivot_root_and_copied_namespaces() {
    let w = world();
    w.mkdirs(&["/new", "/etc"]);
    w.ns.mount(&w.at("/new"), w.tmpfs(), "overlay", MountFlags::empty())
        .unwrap();
    w.mkdirs(&["/new/old", "/new/bin"]);
    let (copy, copies) = w.ns.copy().unwrap();
    let (new, old) = (
        copies.translate(&w.at("/new")),
        copies.translate(&w.at("/new/old")),
    );
    copy.pivot_root(&new, &old).unwrap();
    let (root, creds) = (copy.root(), Creds::root());
    let walk = Walk {
        root: &root,
        cwd: &root,
        creds: &creds,
    };
    assert!(walk.resolve(b"/bin", ResolveFlags::FOLLOW).is_ok());
    assert!(walk.resolve(b"/old/etc", ResolveFlags::FOLLOW).is_ok());
    copy.umount(walk.resolve(b"/old", ResolveFlags::FOLLOW).unwrap(), true)
        .unwrap();
    assert!(walk.resolve(b"/old/etc", ResolveFlags::FOLLOW).is_err());
    // The original is as it was.
    assert_eq!(w.at("/new/bin").d_path(&w.root), b"/new/bin");
    assert!(w.at("/etc").attr().is_ok());
}

#[test]
fn mountinfo_lines() {
    let w = world();
    w.mkdirs(&["/a b"]);
    let tmpfs = w.tmpfs();
    tmpfs.set_options("size=64k");
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
    w.ns.mount(&w.at("/a b"), tmpfs, "shm", flags).unwrap();
    let lines: Vec<_> =
        w.ns.mountinfo(&w.root)
            .iter()
            .map(|m| m.to_string())
            .collect();
    assert_eq!(lines[0], "21 21 0:1 / / rw,relatime - tmpfs rootfs rw");
    assert_eq!(
        lines[1],
        "22 21 0:2 / /a\\040b ro,nosuid,nodev,relatime - tmpfs shm rw,size=64k"
    );
    let mounts: Vec<_> =
        w.ns.mountinfo(&w.root)
            .iter()
            .map(MountInfo::mounts_line)
            .collect();
    assert_eq!(
        mounts[1],
        "shm /a\\040b tmpfs ro,nosuid,nodev,relatime,size=64k 0 0"
    );
}

#[test]
fn a_moved_or_removed_directory_is_still_where_it_is() {
    let w = world();
    let root = Creds::root();
    let walk = w.walk(&root);
    w.mkdirs(&["/a", "/a/b", "/c"]);
    let cwd = w.at("/a/b");
    walk.rename(b"/a", &walk, b"/c/d", RenameFlags::empty())
        .unwrap();
    assert_eq!(cwd.getcwd(&w.root).unwrap(), b"/c/d/b");
    assert_eq!(
        walk.rename(b"/c", &walk, b"/c/d/b/c", RenameFlags::empty()),
        Err(Errno::EINVAL)
    );
    walk.rmdir(b"/c/d/b").unwrap();
    assert_eq!(cwd.getcwd(&w.root), Err(Errno::ENOENT));
    assert_eq!(cwd.d_path(&w.root), b"/c/d/b (deleted)");
    let inside = Walk {
        root: &w.root,
        cwd: &cwd,
        creds: &root,
    };
    assert_eq!(inside.mkdir(b"x", 0o755).unwrap_err(), Errno::ENOENT);
}

#[test]
fn tmpfile_becomes_a_file_when_linked() {
    let w = world();
    let root = Creds::root();
    let walk = w.walk(&root);
    let flags = OpenFlags::TMPFILE | OpenFlags::DIRECTORY | OpenFlags::RDWR;
    let file = open(&walk, "/", flags).unwrap();
    assert_eq!(file.path.attr().unwrap().nlink, 0);
    walk.link(&file.path, b"/named").unwrap();
    assert_eq!(w.at("/named").attr().unwrap().nlink, 1);
}

#[test]
fn limits_are_shared_and_given_back() {
    let clock = Clock::new();
    let disk = Quota::new(40_960, 10);
    let fs = Tmpfs::new(&clock, disk.within(1 << 30, 1 << 20)).unwrap();
    let other = Tmpfs::new(&clock, disk.clone()).unwrap();
    let perm = CreatePerm {
        mode: 0o644,
        uid: 0,
        gid: 0,
    };
    let file = fs.root().create(b"f", NewNode::File, perm).unwrap();
    // A hole costs nothing, and a write that does not fit is short.
    file.set_attr(&SetAttr {
        size: Some(1 << 40),
        ..SetAttr::default()
    })
    .unwrap();
    assert_eq!(disk.used_bytes(), 0);
    assert_eq!(file.write_at(4096, &[1; 50_000]), Ok(40_960));
    assert_eq!(file.write_at(1 << 20, b"x"), Err(Errno::ENOSPC));
    assert_eq!(file.seek(0, false), Ok(4096));
    assert_eq!(file.seek(4096, true), Ok(45_056));
    file.allocate(AllocateMode::PunchHole, 5000, 8192).unwrap();
    assert_eq!(disk.used_bytes(), 36_864);
    let mut byte = [9];
    file.read_at(4999, &mut byte).unwrap();
    assert_eq!(byte, [1]);
    file.read_at(5000, &mut byte).unwrap();
    assert_eq!(byte, [0]);
    for i in 0..7 {
        other
            .root()
            .create(format!("n{i}").as_bytes(), NewNode::File, perm)
            .unwrap();
    }
    assert_eq!(
        other.root().create(b"more", NewNode::File, perm).err(),
        Some(Errno::ENOSPC)
    );
    assert_eq!(
        other
            .root()
            .link(b"more", &other.root().lookup(b"n1").unwrap()),
        Err(Errno::ENOSPC)
    );
    drop(other);
    fs.root().unlink(b"f").unwrap();
    drop(file);
    assert_eq!((disk.used_bytes(), disk.used_inodes()), (0, 1));
}

#[test]
fn generation_and_sealing() {
    let w = world();
    let before = w.tmpfs.generation();
    w.mkdirs(&["/d"]);
    assert!(w.tmpfs.generation() > before);
    let before = w.tmpfs.generation();
    w.at("/d").attr().unwrap();
    assert_eq!(w.tmpfs.generation(), before);
    w.tmpfs.seal();
    let root = Creds::root();
    assert_eq!(w.walk(&root).mkdir(b"/e", 0o755).unwrap_err(), Errno::EROFS);
}

#[test]
fn a_tree_deeper_than_the_stack_goes_away() {
    let clock = Clock::new();
    let fs = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
    let perm = CreatePerm {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let mut dir = fs.root();
    for _ in 0..200_000 {
        dir = dir.create(b"d", NewNode::Dir, perm).unwrap();
    }
    let overlay = Overlay::new(&clock, vec![fs.root()], None).unwrap();
    let (root, creds) = (
        MountNs::new(overlay, "o", MountFlags::empty()).root(),
        Creds::root(),
    );
    let mut cwd = root.clone();
    for _ in 0..200_000 {
        let walk = Walk {
            root: &root,
            cwd: &cwd,
            creds: &creds,
        };
        cwd = walk.resolve(b"d", ResolveFlags::FOLLOW).unwrap();
    }
    drop((cwd, root, dir, fs));
}
