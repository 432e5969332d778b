//! Random operations on an overlay and on the kernel's overlayfs: same results, same errors, and the same upper
//! directory, whiteouts and opaque directories included. Needs root and the right to mount.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::path::Path as HostPath;
use std::process::Command;

use bottleship_abi::mode::{S_IFCHR, S_IFMT};
use bottleship_vfs::overlay::{Upper, is_opaque};
use bottleship_vfs::*;
use common::host::*;
use common::*;
use proptest::prelude::*;

/// Where in the layers the test works, deep enough for links that lead up.
const BASE: &str = "x/y/z/t";

/// A mount that is taken off in the end.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(scratch: &Scratch) -> Option<Mounted> {
    let at = |name: &str| scratch.0.join(name).display().to_string();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},index=off,redirect_dir=off,metacopy=off,xino=off",
        at("lower"),
        at("upper"),
        at("work")
    );
    let point = scratch.0.join("merged");
    let status = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(&point)
        .stderr(std::process::Stdio::null())
        .status();
    status.is_ok_and(|s| s.success()).then_some(Mounted(point))
}

/// The paths of opaque directories below the host's upper directory.
fn opaque_on_host(upper: &HostPath) -> Vec<String> {
    let script = "import os,sys\nfor d,ds,fs in os.walk(sys.argv[1]):\n  for n in ds:\n    p=os.path.join(d,n)\n    try:\n      if os.getxattr(p,'trusted.overlay.opaque',follow_symlinks=False)==b'y': print(os.path.relpath(p,sys.argv[1]))\n    except OSError: pass\n";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(upper)
        .output();
    let mut paths: Vec<String> = match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect(),
        Err(_) => Vec::new(),
    };
    paths.sort();
    paths
}

fn opaque_here(root: &InodeRef) -> Vec<String> {
    let mut paths = Vec::new();
    let mut todo = vec![(String::new(), root.clone())];
    while let Some((path, dir)) = todo.pop() {
        for name in names(&dir) {
            let inode = dir.lookup(name.as_bytes()).unwrap();
            if inode.attr().unwrap().is_dir() {
                let path = format!("{path}{name}");
                if is_opaque(&inode) {
                    paths.push(path.clone());
                }
                todo.push((path + "/", inode));
            }
        }
    }
    paths.sort();
    paths
}

/// Trees without the modes of whiteouts, which are nobody's business.
fn plain(tree: BTreeMap<String, (u32, u32, Vec<u8>)>) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
    let mut tree = tree;
    for (mode, nlink, _) in tree.values_mut() {
        if *mode & S_IFMT == S_IFCHR {
            (*mode, *nlink) = (S_IFCHR, 1);
        }
    }
    tree
}

/// Whether all that the test needs is here.
fn works() -> bool {
    static WORKS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *WORKS.get_or_init(probe)
}

fn probe() -> bool {
    if !is_root() || host_umask() != 0o22 || Command::new("python3").arg("-V").output().is_err() {
        return false;
    }
    let probe = Scratch::new();
    for dir in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir(probe.0.join(dir)).unwrap();
    }
    mount(&probe).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 150, ..ProptestConfig::default() })]
    #[test]
    fn same_as_the_kernels(base in ops(25), top in ops(30)) {
        if !works() {
            println!("skipped: needs root, umask 022, python3 and the right to mount an overlay");
            return Ok(());
        }
        let scratch = Scratch::new();
        for dir in ["lower", "upper", "work", "merged"] {
            std::fs::create_dir_all(scratch.0.join(dir)).unwrap();
        }
        let clock = Clock::new();
        let (lower, upper) = (
            Tmpfs::new(&clock, Quota::unlimited()).unwrap(),
            Tmpfs::new(&clock, Quota::unlimited()).unwrap(),
        );
        let creds = Creds::root();
        std::fs::create_dir_all(scratch.0.join("lower").join(BASE)).unwrap();
        {
            let root = namespace(lower.clone());
            let mut cwd = root.clone();
            for name in BASE.split('/') {
                cwd = Walk { root: &root, cwd: &cwd, creds: &creds }.mkdir(name.as_bytes(), 0o755).unwrap();
            }
            let walk = Walk { root: &root, cwd: &cwd, creds: &creds };
            let at = scratch.0.join("lower").join(BASE);
            for op in &base {
                let _ = run(&walk, op);
                let _ = host(&at, op);
            }
        }
        lower.seal();
        let mounted = mount(&scratch).expect("it worked before");
        let overlay = Overlay::new(&clock, vec![lower.root()], Some(Upper::new(&upper))).unwrap();
        let root = namespace(overlay.clone());
        let start = Walk { root: &root, cwd: &root, creds: &creds };
        let cwd = start.resolve(BASE.as_bytes(), ResolveFlags::FOLLOW).unwrap();
        let walk = Walk { root: &root, cwd: &cwd, creds: &creds };
        let at = mounted.0.join(BASE);
        for (i, op) in top.iter().enumerate() {
            let ours = run(&walk, op).map_err(|e| e.0);
            let theirs = host(&at, op).map_err(|e| e.raw_os_error().unwrap_or(0));
            prop_assert_eq!(ours, theirs, "step {} {:?} of {:#?} on {:#?}", i, op, top, base);
        }
        let merged = host_tree(&mounted.0);
        drop(mounted);
        let unlinked = |tree: BTreeMap<String, (u32, u32, Vec<u8>)>| -> BTreeMap<String, (u32, Vec<u8>)> {
            tree.into_iter().map(|(p, (mode, _, body))| (p, (mode, body))).collect()
        };
        prop_assert_eq!(unlinked(tree(&overlay.root())), unlinked(merged));
        let host_upper = scratch.0.join("upper");
        prop_assert_eq!(plain(tree(&upper.root())), plain(host_tree(&host_upper)), "{:#?} on {:#?}", top, base);
        prop_assert_eq!(opaque_here(&upper.root()), opaque_on_host(&host_upper), "{:#?} on {:#?}", top, base);
    }
}
