//! The machine that the terminal is on: an emulated kernel on the root file system of host.tar, with the engine beside
//! it. What is written on top of host.tar is kept in the engine's store.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bottleship_engine::emulated::{self, HostRoot, Machine, Outside};
use bottleship_engine::layer::{Limits, apply, load_tree, save_tree};
use bottleship_engine::store::{Op, Store};
use bottleship_engine::{Config, Engine};
use bottleship_linux::Kernel;
use bottleship_vfs::overlay::Upper;
use bottleship_vfs::{
    CreatePerm, Creds, Errno, FileSystem, InodeRef, MountFlags, MountNs, Overlay, Quota,
    ResolveFlags, Time, Tmpfs, Walk,
};

/// Where the host's own changes are kept in the store.
const BUCKET: &str = "host";
const KEY: &str = "upper.tar";
/// Changes are written this long after the first of them.
const SAVE_AFTER: Duration = Duration::from_millis(400);
/// Bytes of the host's own files beside host.tar.
const DISK: u64 = 1 << 30;

/// The Docker host: machine and engine.
pub struct DockerHost {
    /// The machine's kernel; containers run on it too.
    pub kernel: Kernel,
    /// The engine.
    pub engine: Engine,
    /// What is mounted where on the host.
    pub mounts: Rc<MountNs>,
    upper: Rc<Tmpfs>,
    store: Rc<dyn Store>,
    saved: Rc<Cell<u64>>,
    saving: Rc<Cell<bool>>,
}

fn words(errno: Errno) -> String {
    errno.strerror().to_string()
}

fn tmpfs(kernel: &Kernel, quota: Quota) -> Result<Rc<Tmpfs>, String> {
    let perm = CreatePerm {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    Tmpfs::with_root(&kernel.clock(), quota, perm).map_err(words)
}

impl DockerHost {
    /// A host on this root file system, an uncompressed tar, with what a former one left in the store.
    ///
    /// # Errors
    /// What is wrong with the tar or the store.
    pub async fn start(
        rootfs: &[u8],
        outside: Outside,
        machine: Machine,
        config: Config,
    ) -> Result<DockerHost, String> {
        let kernel = emulated::kernel(&machine, &config.hostname, &*outside.entropy);
        let now = outside.clock.now();
        kernel.clock().set(Time {
            sec: now.seconds(),
            nsec: now.subsec_nanos(),
        });
        let store = outside.store.clone();
        let base = tmpfs(&kernel, Quota::unlimited())?;
        let base_root: InodeRef = base.root_node().clone();
        apply(rootfs, &base_root, &Limits::default())
            .map_err(|error| format!("the host's root file system: {error}"))?;
        base.seal();
        let upper = tmpfs(&kernel, Quota::new(DISK, 1 << 18))?;
        let kept = store.get(BUCKET, KEY).await;
        if let Some(kept) = kept.map_err(|error| error.to_string())? {
            let dest: InodeRef = upper.root_node().clone();
            load_tree(&kept[..], &dest, &Limits::default())
                .map_err(|error| format!("the host's files: {error}"))?;
        }
        let root = Overlay::new(&kernel.clock(), vec![base_root], Some(Upper::new(&upper)))
            .map_err(words)?;
        let mounts = MountNs::new(root.clone(), "/dev/vda1", MountFlags::empty());
        kernel.set_host_mounts(mounts.clone());
        mount_all(&kernel, &mounts)?;
        let host = Rc::new(HostRoot::new(root));
        let engine = emulated::assemble(kernel.clone(), &machine, outside, host, config)
            .map_err(|error| error.to_string())?;
        Ok(DockerHost {
            saved: Rc::new(Cell::new(upper.generation())),
            saving: Rc::default(),
            kernel,
            engine,
            mounts,
            upper,
            store,
        })
    }

    /// Sees to it that the host's changed files are saved soon. Cheap when nothing changed.
    pub fn save_soon(&self) {
        if self.upper.generation() == self.saved.get() || self.saving.replace(true) {
            return;
        }
        let (upper, store) = (self.upper.clone(), self.store.clone());
        let (saved, saving) = (self.saved.clone(), self.saving.clone());
        let engine = self.engine.clone();
        self.engine.executor().spawn(async move {
            engine.sleep(SAVE_AFTER).await;
            let generation = upper.generation();
            saving.set(false);
            // A failure is tried again with the next change; the engine's own commits report it to the user.
            if save(&upper, &*store).await.is_ok() {
                saved.set(generation);
            }
        });
    }

    /// Saves the host's files now.
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn save(&self) -> Result<(), String> {
        let generation = self.upper.generation();
        if generation != self.saved.get() {
            save(&self.upper, &*self.store).await?;
            self.saved.set(generation);
        }
        Ok(())
    }
}

async fn save(upper: &Rc<Tmpfs>, store: &dyn Store) -> Result<(), String> {
    let mut tar = Vec::new();
    let root: InodeRef = upper.root_node().clone();
    save_tree(&root, &mut tar).map_err(|error| error.to_string())?;
    let put = Op::Put {
        bucket: BUCKET,
        key: KEY.into(),
        value: tar.into(),
    };
    store
        .commit(vec![put])
        .await
        .map_err(|error| error.to_string())
}

fn mount_all(kernel: &Kernel, mounts: &Rc<MountNs>) -> Result<(), String> {
    let creds = Creds::root();
    let at = |path: &str| {
        let root = mounts.root();
        let walk = Walk {
            root: &root,
            cwd: &root,
            creds: &creds,
        };
        walk.resolve(path.as_bytes(), ResolveFlags::FOLLOW)
            .map_err(|errno| format!("the host's {path}: {}", errno.strerror()))
    };
    let mount = |fs: Rc<dyn FileSystem>, kind: &str, place: &str| {
        mounts
            .mount(&at(place)?, fs, kind, MountFlags::empty())
            .map(drop)
            .map_err(words)
    };
    let ns = kernel.host_ns();
    mount(
        tmpfs(kernel, Quota::new(16 << 20, 1 << 12))?,
        "devtmpfs",
        "/dev",
    )?;
    kernel.populate_dev(at("/dev")?.inode()).map_err(words)?;
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devpts", "/dev/pts")] {
        mount(kernel.filesystem(&ns, kind).map_err(words)?, kind, place)?;
    }
    Ok(())
}
