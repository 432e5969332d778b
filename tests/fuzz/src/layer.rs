//! A layer of a stranger: refused, or unpacked to a tree whose own layer unpacks to the same.
#![no_main]

use std::io::BufReader;
use std::rc::Rc;

use bottleship_engine::layer::{Decompressor, Limits, apply, diff};
use bottleship_vfs::{Clock, FileSystem, Quota, Tmpfs};

fn tree() -> Rc<Tmpfs> {
    Tmpfs::new(&Clock::new(), Quota::new(16 << 20, 10_000)).expect("an empty tree")
}

fn tar_of(tree: &Rc<Tmpfs>) -> Option<Vec<u8>> {
    let mut tar = Vec::new();
    diff(&tree.root(), &mut tar).ok()?;
    Some(tar)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        archive_bytes: 16 << 20,
        ..Limits::default()
    };
    let first = tree();
    let Ok(plain) = Decompressor::new(bytes) else {
        return;
    };
    if apply(BufReader::new(plain), &first.root(), &limits).is_err() {
        return;
    }
    if let Some(tar) = tar_of(&first) {
        let second = tree();
        apply(&tar[..], &second.root(), &limits).expect("a layer made here unpacks here");
        assert_eq!(tar_of(&second).as_deref(), Some(&tar[..]));
    }
});
