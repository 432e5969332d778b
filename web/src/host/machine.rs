//! The emulated machine that is the Docker host: a kernel on the root file system from host.tar.

use std::rc::Rc;

use bottleship_engine::layer::{Limits, apply};
use bottleship_linux::{Kernel, KernelConfig};
use bottleship_vfs::{
    CreatePerm, Creds, Errno, MountFlags, MountNs, Quota, ResolveFlags, Time, Tmpfs, Walk,
};

/// The machine.
pub struct Machine {
    /// Its kernel.
    pub kernel: Kernel,
    /// What is mounted where.
    pub mounts: Rc<MountNs>,
}

impl Machine {
    /// A machine on this root file system, an uncompressed tar.
    ///
    /// # Errors
    /// What is wrong with the tar.
    pub fn new(rootfs: &[u8], seed: [u8; 32], realtime_ns: u64) -> Result<Machine, String> {
        let kernel = Kernel::new(KernelConfig {
            hostname: "bottleship".into(),
            entropy_seed: seed,
            ..KernelConfig::default()
        });
        let clock = kernel.clock();
        clock.set(Time::from_nanos(realtime_ns.into()));
        let perm = CreatePerm {
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        let words = |errno: Errno| errno.strerror().to_string();
        let root = Tmpfs::with_root(&clock, Quota::unlimited(), perm).map_err(words)?;
        let inode: bottleship_vfs::InodeRef = root.root_node().clone();
        apply(rootfs, &inode, &Limits::default())
            .map_err(|error| format!("the host's root file system: {error}"))?;
        let mounts = MountNs::new(root, "/dev/vda1", MountFlags::empty());
        kernel.set_host_mounts(mounts.clone());
        let ns = kernel.host_ns();
        let creds = Creds::root();
        let at = |path: &str| {
            let root = mounts.root();
            let walk = Walk {
                root: &root,
                cwd: &root,
                creds: &creds,
            };
            walk.resolve(path.as_bytes(), ResolveFlags::FOLLOW)
                .map_err(|errno| format!("{path}: {}", errno.strerror()))
        };
        kernel.populate_dev(at("/dev")?.inode()).map_err(words)?;
        for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devpts", "/dev/pts")] {
            let fs = kernel.filesystem(&ns, kind).map_err(words)?;
            mounts
                .mount(&at(place)?, fs, kind, MountFlags::empty())
                .map_err(words)?;
        }
        Ok(Machine { kernel, mounts })
    }
}
