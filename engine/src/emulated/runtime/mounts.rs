//! A container's mounts: its root, the usual ones of a container, and those it asked for (runtime-spec, "Default
//! Filesystems").

use std::rc::Rc;

use bottleship_linux::{Kernel, Namespaces};
use bottleship_vfs::{
    Attr, CreatePerm, Creds, Errno, FileSystem, MountFlags, MountNs, NewNode, Path, Quota,
    ResolveFlags, Tmpfs, Walk,
};

use super::init;
use crate::dirs::FileTree;
use crate::runtime::{ContainerSpec, MountSource, RuntimeError, RuntimeMount};

const SECURE: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// Bytes of `/dev` itself, runc's.
const DEV_SIZE: u64 = 64 << 20;

/// The mount namespace with only the root in it.
pub fn root(spec: &ContainerSpec) -> Rc<MountNs> {
    MountNs::new(spec.rootfs.fs.clone(), "overlay", MountFlags::RELATIME)
}

/// Mounts all else.
pub fn fill(
    kernel: &Kernel,
    namespaces: &Namespaces,
    spec: &ContainerSpec,
) -> Result<(), RuntimeError> {
    let mounts = namespaces.mounts();
    let into = Into {
        kernel,
        namespaces,
        mounts,
        root: mounts.root(),
        creds: Creds::root(),
    };
    let own = |kind: &str| {
        kernel
            .filesystem(namespaces, kind)
            .map_err(|errno| failed(kind, errno))
    };
    let sys_flags = if spec.privileged {
        SECURE
    } else {
        SECURE | MountFlags::RDONLY
    };
    into.mount("/proc", own("proc")?, "proc", SECURE)?;
    into.mount("/dev", into.dev()?, "tmpfs", MountFlags::NOSUID)?;
    into.mount(
        "/dev/pts",
        own("devpts")?,
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
    )?;
    into.mount("/sys", own("sysfs")?, "sysfs", sys_flags)?;
    into.mount("/sys/fs/cgroup", own("cgroup2")?, "cgroup", sys_flags)?;
    into.mount("/dev/mqueue", own("mqueue")?, "mqueue", SECURE)?;
    if !spec.mounts.iter().any(|mount| mount.target == "/dev/shm") {
        let shm = into.tmpfs(Some(spec.shm_size), 0o1777)?;
        into.mount("/dev/shm", shm, "shm", SECURE)?;
    }
    for mount in &spec.mounts {
        into.requested(mount)?;
    }
    if spec.init {
        into.init_program()?;
    }
    for (host, own) in &spec.devices {
        into.device(host, own)?;
    }
    for (name, value) in &spec.sysctls {
        into.sysctl(name, value)?;
    }
    for path in &spec.masked_paths {
        into.mask(path)?;
    }
    for path in &spec.readonly_paths {
        into.make_read_only(path)?;
    }
    if spec.read_only_rootfs {
        let root = mounts.root();
        mounts
            .remount(&root, root.mount.flags() | MountFlags::RDONLY)
            .map_err(|errno| failed("/", errno))?;
    }
    Ok(())
}

/// What may be mounted over in `/proc`, as lxcfs does.
const PROC_FILES: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// runc's words for a mount that failed.
fn failed(target: &str, errno: Errno) -> RuntimeError {
    let text = errno.strerror().to_lowercase();
    RuntimeError::Start(format!(
        "error mounting {target:?} to rootfs at {target:?}: {text}"
    ))
}

struct Into<'a> {
    kernel: &'a Kernel,
    namespaces: &'a Namespaces,
    mounts: &'a Rc<MountNs>,
    root: Path,
    creds: Creds,
}

impl Into<'_> {
    /// Path names start, and links end, at the container's root.
    fn walk(&self) -> Walk<'_> {
        Walk {
            root: &self.root,
            cwd: &self.root,
            creds: &self.creds,
        }
    }

    fn resolve(&self, path: &str) -> Result<Path, Errno> {
        self.walk().resolve(path.as_bytes(), ResolveFlags::FOLLOW)
    }

    fn tmpfs(&self, size: Option<u64>, mode: u32) -> Result<Rc<Tmpfs>, RuntimeError> {
        let memory = self.kernel.root_cgroup().limits().memory.unwrap_or(1 << 30);
        // Linux's default is half of memory, and an inode for each page of memory.
        let size = size.unwrap_or(memory / 2);
        let perm = CreatePerm {
            mode,
            uid: 0,
            gid: 0,
        };
        let fs = Tmpfs::with_root(
            &self.kernel.clock(),
            Quota::new(size, (memory / 8192).max(1024)),
            perm,
        )
        .map_err(|errno| failed("tmpfs", errno))?;
        fs.set_options(&format!("size={}k,mode={mode:o}", size / 1024));
        Ok(fs)
    }

    fn dev(&self) -> Result<Rc<Tmpfs>, RuntimeError> {
        let dev = self.tmpfs(Some(DEV_SIZE), 0o755)?;
        self.kernel
            .populate_dev(&dev.root())
            .map_err(|errno| failed("/dev", errno))?;
        Ok(dev)
    }

    /// The mount point at `target`, made when it is not there.
    fn mount_point(&self, target: &str, is_dir: bool) -> Result<Path, Errno> {
        let walk = self.walk();
        let mut made = String::new();
        let mut names = target.split('/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            made.push('/');
            made.push_str(name);
            match walk.resolve(made.as_bytes(), ResolveFlags::FOLLOW) {
                Ok(_) => {}
                Err(Errno::ENOENT) if is_dir || names.peek().is_some() => {
                    drop(walk.mkdir(made.as_bytes(), 0o755)?)
                }
                Err(Errno::ENOENT) => drop(walk.mknod(made.as_bytes(), NewNode::File, 0o644)?),
                Err(errno) => return Err(errno),
            }
        }
        walk.resolve(target.as_bytes(), ResolveFlags::FOLLOW)
    }

    fn mount(
        &self,
        target: &str,
        fs: Rc<dyn FileSystem>,
        source: &str,
        flags: MountFlags,
    ) -> Result<(), RuntimeError> {
        let is_dir = fs.root().attr().is_ok_and(|attr| attr.is_dir());
        self.mount_point(target, is_dir)
            .and_then(|at| {
                self.mounts
                    .mount(&at, fs, source, flags | MountFlags::RELATIME)
            })
            .map(drop)
            .map_err(|errno| failed(target, errno))
    }

    fn requested(&self, mount: &RuntimeMount) -> Result<(), RuntimeError> {
        let mut flags = MountFlags::empty();
        flags.set(MountFlags::RDONLY, mount.read_only);
        for option in &mount.options {
            match option.as_str() {
                "nosuid" => flags |= MountFlags::NOSUID,
                "nodev" => flags |= MountFlags::NODEV,
                "noexec" => flags |= MountFlags::NOEXEC,
                _ => {}
            }
        }
        let fs: Rc<dyn FileSystem> = match &mount.source {
            MountSource::Tree(tree) => Rc::new(tree.clone()),
            MountSource::Tmpfs { size, mode } => self.tmpfs(*size, *mode)?,
            MountSource::HostPath(path) => {
                let message =
                    format!("bind mount of {path}: the emulated kernel has no host paths");
                return Err(RuntimeError::Failed(message));
            }
        };
        self.check_proc(&mount.target)?;
        self.mount(&mount.target, fs, &mount.device, flags)
    }

    /// Nothing goes over what the kernel says of itself, wherever links lead (runc's `checkProcMount`).
    fn check_proc(&self, target: &str) -> Result<(), RuntimeError> {
        let Ok(at) = self.resolve(target) else {
            return Ok(());
        };
        let path = at.d_path(&self.root);
        let own = PROC_FILES.iter().any(|file| file.as_bytes() == path);
        if at.mount.fs().kind() != "proc" || own {
            return Ok(());
        }
        Err(RuntimeError::Start(format!(
            "error mounting {target:?} to rootfs at {target:?}: {target:?} cannot be mounted because it is inside /proc"
        )))
    }

    fn init_program(&self) -> Result<(), RuntimeError> {
        let fs = self.tmpfs(Some(4096), 0o755)?;
        let perm = CreatePerm {
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        let file = fs
            .root()
            .create(b"docker-init", NewNode::File, perm)
            .and_then(|file| file.write_at(0, init::PROGRAM).map(|_| file))
            .map_err(|errno| failed(init::PATH, errno))?;
        self.mount(
            init::PATH,
            Rc::new(FileTree { fs, root: file }),
            "tmpfs",
            MountFlags::RDONLY,
        )
    }

    /// Makes a device of the host, which has those that every `/dev` has, under another name.
    fn device(&self, host: &str, own: &str) -> Result<(), RuntimeError> {
        let gather = |errno: Errno| {
            let why = errno.strerror().to_lowercase();
            RuntimeError::Failed(format!(
                "error gathering device information while adding custom device {host:?}: {why}"
            ))
        };
        let attr = self
            .resolve(host)
            .and_then(|found| found.attr())
            .map_err(gather)?;
        if attr.kind() != bottleship_abi::mode::S_IFCHR {
            let why = "not a device node";
            return Err(RuntimeError::Failed(format!(
                "error gathering device information while adding custom device {host:?}: {why}"
            )));
        }
        if self.resolve(own).is_ok() {
            return Ok(());
        }
        let made = self.mount_point(own, false).and_then(|made| {
            let walk = self.walk();
            drop(made);
            walk.unlink(own.as_bytes())?;
            walk.mknod(
                own.as_bytes(),
                NewNode::CharDev(attr.rdev),
                attr.mode & 0o7777,
            )
        });
        made.map(drop).map_err(|errno| failed(own, errno))
    }

    fn sysctl(&self, name: &str, value: &str) -> Result<(), RuntimeError> {
        self.kernel
            .sysctl(self.namespaces, name, value)
            .map_err(|errno| {
                let path = format!("/proc/sys/{}", name.replace('.', "/"));
                RuntimeError::Start(format!("open {path}: {}", errno.strerror().to_lowercase()))
            })
    }

    /// Hides a path: an empty directory over a directory, `/dev/null` over a file.
    fn mask(&self, path: &str) -> Result<(), RuntimeError> {
        let at = match self.resolve(path) {
            Ok(at) => at,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
            Err(errno) => return Err(failed(path, errno)),
        };
        let is_dir = at.attr().is_ok_and(|attr: Attr| attr.is_dir());
        let mounted = if is_dir {
            let empty = self.tmpfs(Some(0), 0o755)?;
            self.mounts.mount(
                &at,
                empty,
                "tmpfs",
                MountFlags::RDONLY | MountFlags::RELATIME,
            )
        } else {
            self.resolve("/dev/null")
                .and_then(|null| self.mounts.bind(&null, &at, false))
        };
        mounted.map(drop).map_err(|errno| failed(path, errno))
    }

    fn make_read_only(&self, path: &str) -> Result<(), RuntimeError> {
        let at = match self.resolve(path) {
            Ok(at) => at,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
            Err(errno) => return Err(failed(path, errno)),
        };
        self.mounts
            .bind(&at, &at, true)
            .and_then(|mount| {
                let root = mount.root();
                self.mounts
                    .remount(&root, mount.flags() | MountFlags::RDONLY)
            })
            .map_err(|errno| failed(path, errno))
    }
}
