//! The bytes Docker would write.

use bottleship_vfs::overlay::Upper;
use bottleship_vfs::*;

use super::tars::*;
use crate::layer::{ArchiveOptions, Limits, apply, archive, changes, diff, usage};
use crate::snapshot::ChangeKind;

fn perm(mode: u32) -> CreatePerm {
    CreatePerm {
        mode,
        uid: 0,
        gid: 0,
    }
}

/// What recording a real Docker (`docker run`, `commit`, `save`) showed: two containers' changes.
/// The first makes files of all kinds on an empty image, the second removes, replaces and moves.
struct Containers {
    clock: Clock,
    first: std::rc::Rc<Tmpfs>,
    second: std::rc::Rc<Tmpfs>,
}

fn containers() -> Containers {
    let clock = Clock::new();
    clock.set(Time::from_secs(1_700_000_000));
    let image = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
    let etc = image
        .root()
        .create(b"etc", NewNode::Dir, perm(0o755))
        .unwrap();
    etc.create(b"passwd", NewNode::File, perm(0o644)).unwrap();
    image.seal();
    let creds = Creds::root();
    let first = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
    let overlay = Overlay::new(&clock, vec![image.root()], Some(Upper::new(&first))).unwrap();
    let root = MountNs::new(overlay, "overlay", MountFlags::empty()).root();
    let walk = Walk {
        root: &root,
        cwd: &root,
        creds: &creds,
    };
    for dir in [
        "/a", "/a/b", "/a/b/c", "/emptyd", "/keep", "/d1", "/d1/d2", "/st",
    ] {
        walk.mkdir(dir.as_bytes(), 0o755).unwrap();
    }
    let write = |walk: &Walk<'_>, path: &str, text: &str| {
        let flags = OpenFlags::CREAT | OpenFlags::WRONLY;
        let file = walk
            .open(path.as_bytes(), flags, 0o644, ResolveFlags::empty())
            .unwrap();
        let end = file.path.attr().unwrap().size;
        file.path.inode().write_at(end, text.as_bytes()).unwrap();
    };
    write(&walk, "/a/f1", "1\n");
    write(&walk, "/a/b/f2", "2\n");
    write(&walk, "/a/b/c/f3", "3\n");
    let f1 = walk.resolve(b"/a/f1", ResolveFlags::empty()).unwrap();
    walk.link(&f1, b"/a/hl").unwrap();
    walk.symlink(b"../f1", b"/a/b/sl").unwrap();
    walk.mknod(b"/a/fifo", NewNode::Fifo, 0o644).unwrap();
    walk.mknod(b"/a/dev", NewNode::CharDev(0x103), 0o644)
        .unwrap();
    walk.mknod(b"/a/socket", NewNode::Socket, 0o644).unwrap();
    f1.chmod(0o4755, &creds).unwrap();
    write(&walk, "/keep/k", "k\n");
    write(&walk, "/a/\u{fc}n\u{ef} \u{2603}", "u\n");
    write(&walk, &format!("/a/{}", "x".repeat(120)), "l\n");
    write(&walk, "/d1/d2/q", "q\n");
    let keep = walk.resolve(b"/keep/k", ResolveFlags::empty()).unwrap();
    keep.chown(Some(1234), Some(5678), &creds).unwrap();
    first.seal();

    let second = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
    let lowers = vec![first.root(), image.root()];
    let overlay = Overlay::new(&clock, lowers, Some(Upper::new(&second))).unwrap();
    let root = MountNs::new(overlay, "overlay", MountFlags::empty()).root();
    let walk = Walk {
        root: &root,
        cwd: &root,
        creds: &creds,
    };
    walk.unlink(b"/a/f1").unwrap();
    for file in ["/a/b/c/f3", "/a/b/f2", "/a/b/sl", "/d1/d2/q"] {
        walk.unlink(file.as_bytes()).unwrap();
    }
    for dir in ["/a/b/c", "/a/b", "/d1/d2", "/d1", "/emptyd", "/st"] {
        walk.rmdir(dir.as_bytes()).unwrap();
    }
    walk.mkdir(b"/a/b", 0o755).unwrap();
    write(&walk, "/a/b/new", "new\n");
    write(&walk, "/d1", "d\n");
    walk.resolve(b"/keep", ResolveFlags::empty())
        .unwrap()
        .chmod(0o700, &creds)
        .unwrap();
    write(&walk, "/etc/x", "");
    walk.rename(b"/keep/k", &walk, b"/keep/k2", RenameFlags::empty())
        .unwrap();
    walk.symlink(b"a", b"/st").unwrap();
    write(&walk, "/a/hl", "z\n");
    Containers {
        clock,
        first,
        second,
    }
}

/// Names and type flags of an archive's headers, extended ones included.
fn headers(tar: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    let mut at = 0;
    while tar[at] != 0 {
        let block = &tar[at..at + 512];
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(block[range].split(|b| *b == 0).next().unwrap()).into_owned()
        };
        let size = u64::from_str_radix(&text(124..136), 8).unwrap();
        all.push(format!("{} {}", char::from(block[156]), text(0..100)));
        at += 512 + size.next_multiple_of(512) as usize;
    }
    assert!(tar[at..].iter().all(|b| *b == 0));
    assert_eq!(tar.len() - at, 1024);
    all
}

#[test]
fn layers_have_the_entries_and_the_size_of_dockers() {
    let c = containers();
    let mut tar = Vec::new();
    let packed = diff(&c.first.root(), &mut tar).unwrap();
    // The size that `docker save` showed for this layer.
    assert_eq!(tar.len(), 16_384);
    assert_eq!(packed.diff_id.0, bottleship_oci::Digest::of(&tar));
    // And the size of the files and symbolic links that `docker history` showed.
    assert_eq!(packed.size, 19);
    assert_eq!(usage(&c.first.root()).unwrap().size, 19);
    let long = format!("x a/PaxHeaders.0/{}", "x".repeat(85));
    let cut = format!("0 a/{}", "x".repeat(98));
    let want = [
        "5 a/",
        "5 a/b/",
        "5 a/b/c/",
        "0 a/b/c/f3",
        "0 a/b/f2",
        "2 a/b/sl",
        "3 a/dev",
        "0 a/f1",
        "6 a/fifo",
        "1 a/hl",
        &long,
        &cut,
        "x a/PaxHeaders.0/n ",
        "0 a/n ",
        "5 d1/",
        "5 d1/d2/",
        "0 d1/d2/q",
        "5 emptyd/",
        "5 keep/",
        "0 keep/k",
        "5 st/",
    ];
    assert_eq!(headers(&tar), want);

    let mut tar = Vec::new();
    diff(&c.second.root(), &mut tar).unwrap();
    assert_eq!(tar.len(), 10_240);
    let want = [
        "5 a/",
        "5 a/b/",
        "0 a/b/.wh..wh..opq",
        "0 a/b/new",
        "0 a/.wh.f1",
        "0 a/hl",
        "0 d1",
        "0 .wh.emptyd",
        "5 etc/",
        "0 etc/x",
        "5 keep/",
        "0 keep/.wh.k",
        "0 keep/k2",
        "2 st",
    ];
    assert_eq!(headers(&tar), want);
}

#[test]
fn diff_lists_what_docker_lists() {
    let c = containers();
    // The empty image stands for the base: all of the first container's files were added.
    let base = Tmpfs::new(&c.clock, Quota::unlimited()).unwrap();
    let lines = |upper: &InodeRef, lower: &InodeRef| -> Vec<String> {
        let changes = changes(upper, lower).unwrap();
        let line = |c: &crate::snapshot::Change| {
            let kind = match c.kind {
                ChangeKind::Added => 'A',
                ChangeKind::Modified => 'C',
                ChangeKind::Deleted => 'D',
            };
            format!("{kind} {}", String::from_utf8_lossy(&c.path))
        };
        changes.iter().map(line).collect()
    };
    let first = lines(&c.first.root(), &base.root());
    assert!(first.iter().all(|l| l.starts_with('A')));
    assert_eq!(first.len(), 20);
    let image = Tmpfs::new(&c.clock, Quota::unlimited()).unwrap();
    image
        .root()
        .create(b"etc", NewNode::Dir, perm(0o755))
        .unwrap();
    let lowers = vec![c.first.root(), image.root()];
    let below = Overlay::new(&c.clock, lowers, None).unwrap();
    let mut second = lines(&c.second.root(), &below.root());
    // A recording of `docker diff`, sorted: its own order is that of a Go map.
    let mut recorded = vec![
        "C /a",
        "C /a/hl",
        "C /a/b",
        "A /a/b/new",
        "D /a/b/c",
        "D /a/b/f2",
        "D /a/b/sl",
        "D /a/f1",
        "C /d1",
        "C /keep",
        "A /keep/k2",
        "D /keep/k",
        "C /etc",
        "A /etc/x",
        "C /st",
        "D /emptyd",
    ];
    second.sort();
    recorded.sort();
    assert_eq!(second, recorded);
}

#[test]
fn the_header_is_gos_to_the_byte() {
    let tmpfs = tmpfs();
    let file = tmpfs
        .root()
        .create(
            b"hello",
            NewNode::File,
            CreatePerm {
                mode: 0o640,
                uid: 1000,
                gid: 100,
            },
        )
        .unwrap();
    file.write_at(0, b"hi\n").unwrap();
    set_mtime(&file, 1_577_934_245, 999);
    let mut tar = Vec::new();
    diff(&tmpfs.root(), &mut tar).unwrap();
    // As `archive/tar` writes it: Format PAX, ModTime truncated, no user names.
    let mut want = [0u8; 512];
    want[..5].copy_from_slice(b"hello");
    want[100..108].copy_from_slice(b"0000640\0");
    want[108..116].copy_from_slice(b"0001750\0");
    want[116..124].copy_from_slice(b"0000144\0");
    want[124..136].copy_from_slice(b"00000000003\0");
    want[136..148].copy_from_slice(b"13603256645\0");
    want[156] = b'0';
    want[257..265].copy_from_slice(b"ustar\x0000");
    want[329..337].copy_from_slice(b"0000000\0");
    want[337..345].copy_from_slice(b"0000000\0");
    let sum: u32 = want.iter().map(|b| u32::from(*b)).sum::<u32>() + 8 * 32;
    want[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(tar[..512], want);
    assert_eq!(&tar[512..515], b"hi\n");
    assert_eq!(tar.len(), 2048);
}

#[test]
fn an_empty_layer_is_two_blocks_of_zeros() {
    let mut tar = Vec::new();
    let packed = diff(&tmpfs().root(), &mut tar).unwrap();
    assert_eq!(tar, [0; 1024]);
    let empty = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    assert_eq!(packed.diff_id.0.to_string(), empty);
    assert_eq!(packed.entries, 0);
}

#[test]
fn long_names_go_where_go_puts_them() {
    let tmpfs = tmpfs();
    let mut dir = tmpfs.root();
    for name in ["d".repeat(60), "e".repeat(60)] {
        dir = dir
            .create(name.as_bytes(), NewNode::Dir, perm(0o755))
            .unwrap();
    }
    let file = dir.create(b"file", NewNode::File, perm(0o644)).unwrap();
    file.set_xattr(b"security.capability", b"\x01\0", XattrFlags::empty())
        .unwrap();
    file.set_xattr(b"user.other", b"dropped", XattrFlags::empty())
        .unwrap();
    dir.create(b"plain", NewNode::File, perm(0o644)).unwrap();
    let mut tar = Vec::new();
    diff(&tmpfs.root(), &mut tar).unwrap();
    // Directories and `plain` fit into name and prefix, `file` needs PAX for its capability.
    let (d, e) = ("d".repeat(60), "e".repeat(60));
    let pax = format!("x {d}/{}", "e".repeat(39));
    let cut = format!("0 {d}/{}", "e".repeat(39));
    let want = [
        format!("5 {d}/"),
        format!("5 {e}/"),
        pax,
        cut,
        "0 plain".to_owned(),
    ];
    assert_eq!(headers(&tar), want);
    let text = String::from_utf8_lossy(&tar);
    assert!(text.contains(&format!("136 path={d}/{e}/file\n")));
    assert!(text.contains("39 SCHILY.xattr.security.capability=\u{1}\0\n"));
    assert!(!text.contains("dropped"));
}

#[test]
fn archives_of_trees_and_single_files() {
    let c = containers();
    let below = Overlay::new(&c.clock, vec![c.second.root(), c.first.root()], None).unwrap();
    let names = |root: &InodeRef, name: &[u8]| {
        let options = ArchiveOptions {
            name: name.to_vec(),
            exclude: vec![b"a".to_vec()],
        };
        let mut tar = Vec::new();
        archive(root, &options, &mut tar).unwrap();
        headers(&tar)
    };
    let all = ["0 d1", "5 etc/", "0 etc/x", "5 keep/", "0 keep/k2", "2 st"];
    assert_eq!(names(&below.root(), b""), all);
    let keep = below.root().lookup(b"keep").unwrap();
    assert_eq!(names(&keep, b"keep"), ["5 keep/", "0 keep/k2"]);
    assert_eq!(names(&keep, b"."), ["5 ./", "0 k2"]);
    assert_eq!(
        names(&below.root().lookup(b"d1").unwrap(), b"renamed"),
        ["0 renamed"]
    );
}

#[test]
fn applying_a_layer_gives_back_the_upper_directory() {
    let c = containers();
    for upper in [&c.first, &c.second] {
        let mut tar = Vec::new();
        let packed = diff(&upper.root(), &mut tar).unwrap();
        let again = tmpfs();
        let applied = apply(&*tar, &again.root(), &Limits::default()).unwrap();
        assert_eq!(applied.diff_id, packed.diff_id);
        assert_eq!(
            (applied.size, applied.entries),
            (packed.size, packed.entries)
        );
        let mut second = Vec::new();
        diff(&again.root(), &mut second).unwrap();
        assert!(tar == second);
    }
}
