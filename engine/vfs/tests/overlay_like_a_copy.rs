//! Random operations on an overlay and on a plain merged copy: same results, same tree, also after
//! mounting the layers anew.

mod common;

use std::rc::Rc;

use bottleship_vfs::overlay::Upper;
use bottleship_vfs::*;
use common::*;
use proptest::prelude::*;

fn run_all(fs: Rc<dyn FileSystem>, ops: &[Op]) {
    let (root, creds) = (namespace(fs), Creds::root());
    let walk = Walk {
        root: &root,
        cwd: &root,
        creds: &creds,
    };
    for op in ops {
        let _ = run(&walk, op);
    }
}

fn layer(clock: &Clock, lowers: &[Rc<Tmpfs>], ops: &[Op]) -> Rc<Tmpfs> {
    let upper = Tmpfs::new(clock, Quota::unlimited()).unwrap();
    run_all(union(clock, lowers, &upper), ops);
    upper.seal();
    upper
}

fn union(clock: &Clock, lowers: &[Rc<Tmpfs>], upper: &Rc<Tmpfs>) -> Rc<Overlay> {
    let lowers = lowers.iter().map(|l| l.root()).collect();
    Overlay::new(clock, lowers, Some(Upper::new(upper))).unwrap()
}

/// A plain copy of a tree. Lower hard links come apart in an overlay, so each name is a copy.
fn copy(from: &InodeRef, to: &InodeRef) {
    for name in names(from) {
        let source = from.lookup(name.as_bytes()).unwrap();
        let attr = source.attr().unwrap();
        let perm = CreatePerm {
            mode: attr.mode & 0o7777,
            uid: 0,
            gid: 0,
        };
        if attr.is_dir() {
            copy(
                &source,
                &to.create(name.as_bytes(), NewNode::Dir, perm).unwrap(),
            );
        } else if attr.is_symlink() {
            let target = source.readlink().unwrap();
            to.create(name.as_bytes(), NewNode::Symlink(&target), perm)
                .unwrap();
        } else {
            let mut data = vec![0; attr.size as usize];
            source.read_at(0, &mut data).unwrap();
            to.create(name.as_bytes(), NewNode::File, perm)
                .unwrap()
                .write_at(0, &data)
                .unwrap();
        }
    }
}

/// Trees without link counts, which differ for files still in a lower layer.
fn unlinked(root: &InodeRef) -> std::collections::BTreeMap<String, (u32, Vec<u8>)> {
    tree(root)
        .into_iter()
        .map(|(p, (mode, _, body))| (p, (mode, body)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn same_as_a_copy(base in ops(30), middle in ops(30), top in ops(40)) {
        let clock = Clock::new();
        let plain = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
        run_all(plain.clone(), &base);
        plain.seal();
        let lowers = [layer(&clock, std::slice::from_ref(&plain), &middle), plain];

        let upper = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
        let overlay = union(&clock, &lowers, &upper);
        let model = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
        copy(&overlay.root(), &model.root());
        prop_assert_eq!(unlinked(&overlay.root()), unlinked(&model.root()));

        let creds = Creds::root();
        let (root, model_root) = (namespace(overlay.clone()), namespace(model.clone()));
        let walk = Walk { root: &root, cwd: &root, creds: &creds };
        let model_walk = Walk { root: &model_root, cwd: &model_root, creds: &creds };
        for op in &top {
            let got = run(&walk, op);
            if let (Op::Rename(old, _), Err(Errno::EXDEV)) = (op, &got) {
                // Only directories that lower layers have may refuse to move.
                let dir = walk.resolve(old.as_bytes(), ResolveFlags::empty()).unwrap();
                prop_assert!(dir.attr().unwrap().is_dir());
                prop_assert_eq!(dir.attr().unwrap().nlink, 1);
                continue;
            }
            prop_assert_eq!(got, run(&model_walk, op), "{:?}", op);
        }
        prop_assert_eq!(unlinked(&overlay.root()), unlinked(&model.root()));
        let again = union(&clock, &lowers, &upper);
        prop_assert_eq!(tree(&again.root()), tree(&overlay.root()));
    }
}
