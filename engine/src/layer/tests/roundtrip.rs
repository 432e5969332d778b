//! Random trees through layers and back.

use std::collections::BTreeMap;
use std::process::Command;

use bottleship_vfs::overlay::Upper;
use bottleship_vfs::*;
use futures::executor::block_on;
use proptest::prelude::*;

use super::tars::*;
use crate::emulated::stored_tree::StoredTree;
use crate::layer::{ExtractOptions, Limits, apply, diff, extract};
use crate::store::{MemoryStore, Store};

/// One change to a tree.
#[derive(Clone, Debug)]
enum Change {
    Dir(String, u32),
    File(String, usize, u32),
    Symlink(String),
    Fifo(String),
    Device(String, u32),
    Link(String, String),
    Remove(String),
    Rename(String, String),
    Mode(String, u32),
    Owner(String, u32),
    Xattr(String),
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned),
        1 => Just("n\u{e4}me with blank".to_owned()),
        1 => Just("l".repeat(101)),
    ];
    prop::collection::vec(name, 1..4).prop_map(|names| format!("/{}", names.join("/")))
}

fn change() -> impl Strategy<Value = Change> {
    let mode = 0u32..0o10000;
    prop_oneof![
        4 => (path(), mode.clone()).prop_map(|(p, m)| Change::Dir(p, m)),
        4 => (path(), 0usize..10_000, mode.clone()).prop_map(|(p, n, m)| Change::File(p, n, m)),
        1 => path().prop_map(Change::Symlink),
        1 => path().prop_map(Change::Fifo),
        1 => (path(), 1u32..300).prop_map(|(p, n)| Change::Device(p, n)),
        2 => (path(), path()).prop_map(|(a, b)| Change::Link(a, b)),
        3 => path().prop_map(Change::Remove),
        2 => (path(), path()).prop_map(|(a, b)| Change::Rename(a, b)),
        1 => (path(), mode).prop_map(|(p, m)| Change::Mode(p, m)),
        1 => (path(), prop_oneof![0u32..5, 3_000_000u32..u32::MAX]).prop_map(|(p, o)| Change::Owner(p, o)),
        1 => path().prop_map(Change::Xattr),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 0..40)
}

/// Runs changes; those that cannot be are left out.
fn run(clock: &Clock, fs: std::rc::Rc<dyn FileSystem>, changes: &[Change]) {
    let (root, creds) = (
        MountNs::new(fs, "none", MountFlags::empty()).root(),
        Creds::root(),
    );
    let walk = Walk {
        root: &root,
        cwd: &root,
        creds: &creds,
    };
    let resolve = |p: &String| walk.resolve(p.as_bytes(), ResolveFlags::empty());
    for (i, change) in changes.iter().enumerate() {
        clock.set(Time {
            sec: clock.now().sec + 1 + i as i64 % 3,
            nsec: 500,
        });
        let _ = match change {
            Change::Dir(p, m) => walk.mkdir(p.as_bytes(), *m).map(|_| ()),
            Change::File(p, n, m) => {
                let flags = OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::TRUNC;
                walk.open(p.as_bytes(), flags, *m, ResolveFlags::empty())
                    .and_then(|file| {
                        let data: Vec<u8> = (0..*n).map(|b| (b * 31 + i) as u8).collect();
                        file.path.inode().write_at(0, &data).map(|_| ())
                    })
            }
            Change::Symlink(p) => walk.symlink(b"../some/where", p.as_bytes()).map(|_| ()),
            Change::Fifo(p) => walk.mknod(p.as_bytes(), NewNode::Fifo, 0o600).map(|_| ()),
            Change::Device(p, n) => walk
                .mknod(p.as_bytes(), NewNode::CharDev(u64::from(*n)), 0o600)
                .map(|_| ()),
            Change::Link(a, b) => resolve(a).and_then(|file| walk.link(&file, b.as_bytes())),
            Change::Remove(p) => walk
                .unlink(p.as_bytes())
                .or_else(|_| walk.rmdir(p.as_bytes())),
            Change::Rename(a, b) => {
                walk.rename(a.as_bytes(), &walk, b.as_bytes(), RenameFlags::empty())
            }
            Change::Mode(p, m) => resolve(p).and_then(|f| f.chmod(*m, &creds)),
            Change::Owner(p, o) => resolve(p).and_then(|f| f.chown(Some(*o), Some(*o / 2), &creds)),
            Change::Xattr(p) => resolve(p).and_then(|f| {
                f.set_xattr(
                    b"security.capability",
                    b"\x01\0\n=",
                    XattrFlags::empty(),
                    &creds,
                )
            }),
        };
    }
}

fn new(clock: &Clock) -> std::rc::Rc<Tmpfs> {
    Tmpfs::new(clock, Quota::unlimited()).unwrap()
}

/// A tree without what a layer on top cannot tell: links between files of a lower layer.
fn without_links(tree: BTreeMap<Vec<u8>, String>) -> BTreeMap<Vec<u8>, String> {
    tree.into_iter()
        .map(|(p, t)| (p, t.split(" linked").next().unwrap_or_default().to_owned()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_applied_elsewhere_makes_the_same_tree(base in changes(), top in changes()) {
        let clock = Clock::new();
        clock.set(Time::from_secs(1000));
        let lower = new(&clock);
        run(&clock, lower.clone(), &base);
        lower.seal();
        let upper = new(&clock);
        let join = |upper: &std::rc::Rc<Tmpfs>| {
            Overlay::new(&clock, vec![lower.root()], Some(Upper::new(upper))).unwrap()
        };
        let container = join(&upper);
        run(&clock, container.clone(), &top);

        let (mut base_tar, mut tar) = (Vec::new(), Vec::new());
        diff(&lower.root(), &mut base_tar).unwrap();
        let packed = diff(&upper.root(), &mut tar).unwrap();
        let (base_again, again) = (new(&clock), new(&clock));
        apply(&*base_tar, &base_again.root(), &Limits::default()).unwrap();
        prop_assert_eq!(full(&base_again.root()), full(&lower.root()));
        let applied = apply(&*tar, &again.root(), &Limits::default()).unwrap();
        prop_assert_eq!(&applied.diff_id, &packed.diff_id);
        prop_assert_eq!(without_links(full(&join(&again).root())), without_links(full(&container.root())));
        let mut second = Vec::new();
        diff(&again.root(), &mut second).unwrap();
        prop_assert!(tar == second);
    }

    /// Synced again and again, and opened in between as after a crash.
    #[test]
    fn a_stored_tree_is_the_same_when_loaded(base in changes(), rounds in prop::collection::vec(changes(), 1..4)) {
        let clock = Clock::new();
        let lower = new(&clock);
        run(&clock, lower.clone(), &base);
        lower.seal();
        let store = MemoryStore::default();
        let upper = new(&clock);
        let overlay = Overlay::new(&clock, vec![lower.root()], Some(Upper::new(&upper))).unwrap();
        let stored = StoredTree::new("b", "tree", upper.clone());
        let sparse = upper.root().create(b"sparse", NewNode::File, CreatePerm::default()).unwrap();
        sparse.write_at(1 << 22, b"far").unwrap();
        upper.root().create(b"socket", NewNode::Socket, CreatePerm::default()).unwrap();
        let open = |clock: &Clock| {
            let again = new(clock);
            block_on(StoredTree::load(&store, "b", "tree", again)).unwrap()
        };
        for (i, changes) in rounds.iter().enumerate() {
            run(&clock, overlay.clone(), changes);
            sparse.write_at(100_000 * i as u64, b"near").unwrap();
            set_mtime(&sparse, 5, 123_456_789);
            block_on(stored.sync(&store, Vec::new())).unwrap();
            let again = open(&clock);
            prop_assert_eq!(full(&again.tree().root()), full(&upper.root()));
            let loaded = again.tree().root().lookup(b"sparse").unwrap();
            prop_assert_eq!(loaded.attr().unwrap().mtime, Time { sec: 5, nsec: 123_456_789 });
            prop_assert_eq!(loaded.attr().unwrap().blocks, sparse.attr().unwrap().blocks);
        }
        // What was loaded goes on where the other left off.
        let again = open(&clock);
        again.tree().root().create(b"later", NewNode::Dir, CreatePerm::default()).unwrap();
        block_on(again.sync(&store, Vec::new())).unwrap();
        again.tree().root().rmdir(b"later").unwrap();
        block_on(again.sync(&store, Vec::new())).unwrap();
        prop_assert_eq!(full(&open(&clock).tree().root()), full(&again.tree().root()));
        block_on(store.commit(again.removal())).unwrap();
        prop_assert_eq!(store.size(), 0);
    }

    #[test]
    fn gnu_tar_lists_the_same(base in changes()) {
        let clock = Clock::new();
        let tree = new(&clock);
        run(&clock, tree.clone(), &base);
        let mut tar = Vec::new();
        diff(&tree.root(), &mut tar).unwrap();
        let Some(listed) = gnu_tar(&tar) else {
            println!("skipped: no GNU tar on this machine");
            return Ok(());
        };
        let ours: Vec<_> = list(&tree.root()).into_keys().collect();
        let mut theirs: Vec<_> = listed.lines().map(|l| l.trim_end_matches('/').to_owned()).collect();
        theirs.sort();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn no_bytes_make_it_panic(seed in prop::collection::vec(any::<u8>(), 0..64), at in prop::collection::vec((0usize..8000, any::<u8>()), 0..8)) {
        let mut tar = Tar::new()
            .pax(&[("path", b"long/name"), ("mtime", b"12.5"), ("SCHILY.xattr.user.a", b"b")])
            .file("f", "contents")
            .extended(b'L', b"gnu/long/name\0")
            .file("g", "more")
            .dir("d")
            .symlink("s", "d")
            .hardlink("h", "gnu/long/name")
            .device("dev", b'3', 1, 3)
            .file("d/.wh.x", "")
            .end();
        for (offset, byte) in at {
            if let Some(b) = tar.get_mut(offset) {
                *b = byte;
            }
        }
        let limits = Limits { archive_bytes: 1 << 20, ..Limits::default() };
        let _ = unpack(&tar, &limits);
        tar.splice(..0, seed);
        let _ = unpack(&tar, &limits);
    }
}

fn gnu_tar(tar: &[u8]) -> Option<String> {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new("tar")
        .args(["-t", "--quoting-style=literal", "-f", "-"])
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(tar).ok()?;
    let output = child.wait_with_output().ok()?;
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).ok()
}

#[test]
fn extracting_stays_inside_and_keeps_kinds() {
    let world = world();
    let before = world.outside();
    let base = Tar::new()
        .dir("data")
        .symlink("out", "../victim")
        .symlink("data/up", "/")
        .end();
    let options = ExtractOptions::default();
    extract(&*base, &world.dest, b"/", &Limits::default(), &options).unwrap();
    let tar = Tar::new().file("f", "x").end();
    for at in [b"/data".as_slice(), b"out", b"data/up/new/dir"] {
        extract(&*tar, &world.dest, at, &Limits::default(), &options).unwrap();
    }
    assert_eq!(world.outside(), before);
    let tree = list(&world.dest);
    for path in ["data/f", "victim/f", "new/dir/f"] {
        assert!(tree.contains_key(path), "{path}: {tree:?}");
    }
    let keep = ExtractOptions {
        no_overwrite_dir_non_dir: true,
        owner: Some((5, 6)),
    };
    let refuse = |tar: Vec<u8>, part: &str| {
        let error = extract(&*tar, &world.dest, b"/", &Limits::default(), &keep).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    refuse(
        Tar::new().file("data", "x").end(),
        "cannot overwrite directory with non-directory",
    );
    refuse(
        Tar::new().dir("data/f").end(),
        "cannot overwrite non-directory with directory",
    );
    refuse(
        Tar::new().file("data/.wh.f", "").end(),
        "reserved for layers",
    );
    extract(&*tar, &world.dest, b"owned", &Limits::default(), &keep).unwrap();
    let attr = world
        .dest
        .lookup(b"owned")
        .unwrap()
        .lookup(b"f")
        .unwrap()
        .attr()
        .unwrap();
    assert_eq!((attr.uid, attr.gid), (5, 6));
}
