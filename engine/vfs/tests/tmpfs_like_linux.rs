//! Random operations on a tmpfs and on the host's own file system: same results, same errors.
#![cfg(target_os = "linux")]

mod common;

use bottleship_vfs::*;
use common::host::*;
use common::*;
use proptest::prelude::*;

/// The test's directory on both sides, deep enough for links that lead up.
const BASE: &str = "x/y/z/t";

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn same_as_the_host(ops in ops(40)) {
        if !is_root() || host_umask() != 0o22 {
            println!("skipped: needs root and umask 022");
            return Ok(());
        }
        let scratch = Scratch::new();
        std::fs::create_dir_all(scratch.0.join(BASE)).unwrap();
        let clock = Clock::new();
        let tmpfs = Tmpfs::new(&clock, Quota::unlimited()).unwrap();
        let (root, creds) = (namespace(tmpfs.clone()), Creds::root());
        let mut cwd = root.clone();
        for name in BASE.split('/') {
            cwd = Walk { root: &root, cwd: &cwd, creds: &creds }.mkdir(name.as_bytes(), 0o755).unwrap();
        }
        let walk = Walk { root: &root, cwd: &cwd, creds: &creds };
        let base = scratch.0.join(BASE);
        for (i, op) in ops.iter().enumerate() {
            let ours = run(&walk, op).map_err(|e| e.0);
            let theirs = host(&base, op).map_err(|e| e.raw_os_error().unwrap_or(0));
            prop_assert_eq!(ours, theirs, "step {} {:?} of {:#?}", i, op, ops);
        }
        prop_assert_eq!(tree(&tmpfs.root()), host_tree(&scratch.0));
    }
}
