//! What containers need of the kernel and no library wraps: namespaces of threads, mounts, and mapped mounts.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Ids of a user namespace: root in it is `base` outside, and so on for 65 536 ids.
pub const RANGE: u32 = 1 << 16;

/// Gives this thread (and those it will start) namespaces of its own.
#[allow(unsafe_code)]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: neither NEWNS nor NEWNET takes descriptors away from other threads, which only FILES would.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Moves this process into a mount namespace of its own: what it mounts ends with it and with the containers in it.
/// To be called before there is a second thread.
///
/// # Errors
/// When this isn't root.
pub fn private_mounts() -> Result<()> {
    unshare(UnshareFlags::NEWNS).context("can't make a mount namespace (is this root?)")?;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .context("can't make mounts private")
}

/// Runs `work` on a thread in that network namespace.
///
/// # Errors
/// When the namespace can't be entered.
pub fn in_network<T: Send>(
    namespace: BorrowedFd<'_>,
    work: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> io::Result<T> {
            let kind = Some(LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(namespace, kind)?;
            Ok(work())
        });
        thread
            .join()
            .map_err(|_| io::Error::other("the thread in the namespace panicked"))?
    })
}

/// A network namespace with nothing but a loopback interface that is down. It lasts as long as the descriptor, and
/// processes in it.
///
/// # Errors
/// When this isn't root.
pub fn new_network() -> io::Result<OwnedFd> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> io::Result<OwnedFd> {
            unshare(UnshareFlags::NEWNET)?;
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            Ok(rustix::fs::open(
                "/proc/thread-self/ns/net",
                flags,
                Mode::empty(),
            )?)
        });
        thread
            .join()
            .map_err(|_| io::Error::other("the thread in the namespace panicked"))?
    })
}

/// The network namespace of this process.
///
/// # Errors
/// When `/proc` isn't mounted.
pub fn own_network() -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/proc/self/ns/net", flags, Mode::empty())?)
}

/// What an overlay is made of.
pub struct OverlayMount<'a> {
    /// Topmost first.
    pub lower: Vec<&'a Path>,
    pub upper: &'a Path,
    pub work: &'a Path,
    /// Device nodes in it do nothing.
    pub nodev: bool,
}

/// Mounts an overlay at `at`, with the options Docker mounts it with.
///
/// # Errors
/// What the kernel says.
pub fn mount_overlay(overlay: &OverlayMount<'_>, at: &Path) -> Result<()> {
    use rustix::mount::{fsconfig_create, fsconfig_set_string, fsmount, fsopen, move_mount};
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).context("the kernel has no overlay")?;
    let set = |key: &str, value: &Path| {
        fsconfig_set_string(fs.as_fd(), key, value)
            .with_context(|| format!("overlay: {key}={}", value.display()))
    };
    fsconfig_set_string(fs.as_fd(), "source", "overlay").context("overlay: source")?;
    for lower in &overlay.lower {
        // One at a time: all together they must fit into a page.
        if set("lowerdir+", lower).is_err() {
            // Before Linux 6.5.
            return mount_overlay_by_options(overlay, at);
        }
    }
    set("upperdir", overlay.upper)?;
    set("workdir", overlay.work)?;
    for (key, value) in [
        ("redirect_dir", "off"),
        ("index", "off"),
        ("metacopy", "off"),
    ] {
        // Kernels without the feature have it off.
        let _ = fsconfig_set_string(fs.as_fd(), key, value);
    }
    fsconfig_create(fs.as_fd()).context("overlay")?;
    let mut attributes = MountAttrFlags::empty();
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, overlay.nodev);
    let mount = fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .context("overlay: fsmount")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mount.as_fd(), "", rustix::fs::CWD, at, flags)
        .with_context(|| format!("mount an overlay at {}", at.display()))
}

fn mount_overlay_by_options(overlay: &OverlayMount<'_>, at: &Path) -> Result<()> {
    let lower: Vec<String> = overlay
        .lower
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        overlay.upper.display(),
        overlay.work.display()
    );
    let mut flags = MountFlags::empty();
    flags.set(MountFlags::NODEV, overlay.nodev);
    let options = std::ffi::CString::new(options).context("a path holds a zero byte")?;
    rustix::mount::mount("overlay", at, "overlay", flags, options.as_c_str())
        .with_context(|| format!("mount an overlay at {}", at.display()))
}

/// Shows the file or directory behind a descriptor at `at`.
///
/// # Errors
/// What the kernel says.
pub fn bind(source: BorrowedFd<'_>, at: &Path) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    // A tree with children can't always be taken along; what is right here can.
    let tree = rustix::mount::open_tree(source, "", flags)
        .or_else(|_| rustix::mount::open_tree(source, "", flags - OpenTreeFlags::AT_RECURSIVE))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(tree.as_fd(), "", rustix::fs::CWD, at, flags)?;
    Ok(())
}

/// Shows a directory at `at` with its owners moved into the range of a user namespace; the directory itself stays as
/// it is.
///
/// # Errors
/// What the kernel says; `EINVAL` of kernels and file systems that can't.
pub fn bind_mapped(source: &Path, at: &Path, namespace: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(rustix::fs::CWD, source, flags)?;
    map_owners(tree.as_fd(), namespace)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(tree.as_fd(), "", rustix::fs::CWD, at, flags)?;
    Ok(())
}

#[allow(unsafe_code)]
fn map_owners(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> io::Result<()> {
    /// `struct mount_attr` of `linux/mount.h`.
    #[repr(C)]
    struct MountAttr {
        attr_set: u64,
        attr_clr: u64,
        propagation: u64,
        userns_fd: u64,
    }
    const MOUNT_ATTR_RDONLY: u64 = 0x1;
    const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
    let attr = MountAttr {
        attr_set: MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::try_from(namespace.as_raw_fd()).unwrap_or(0),
    };
    // SAFETY: the path is a terminated string, and the structure lives until the call is over and has the size that
    // is told; the kernel only reads it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A user namespace, for as long as it is held.
#[derive(Debug)]
pub struct Users {
    /// The id outside of its root.
    pub base: u32,
    namespace: OwnedFd,
}

impl Users {
    /// A path under which other processes of this host may open it.
    pub fn path(&self) -> String {
        path_of(&self.namespace)
    }
}

impl AsFd for Users {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }
}

/// A path under which other processes of this host may open what a descriptor of this process names.
pub fn path_of(fd: &OwnedFd) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())
}

/// A user namespace whose root is `base` outside, and a network namespace that belongs to it: whoever is in the one can
/// enter the other, which of a network of the host's only the host's root can. Both last as long as the descriptors.
///
/// # Errors
/// When this isn't root, or `unshare` of util-linux isn't there.
pub fn new_users(base: u32) -> Result<(Users, OwnedFd)> {
    // A process has to be in them while they are made; `cat` waits for as long as its input is open.
    let mut holder = Command::new("unshare")
        .args(["--user", "--net", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("can't run unshare (util-linux)")?;
    let made = users_of(holder.id(), base);
    drop(holder.stdin.take());
    let _ = holder.kill();
    let _ = holder.wait();
    made
}

fn users_of(pid: u32, base: u32) -> Result<(Users, OwnedFd)> {
    let own = std::fs::read_link("/proc/self/ns/user")?;
    let path = format!("/proc/{pid}/ns/user");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while std::fs::read_link(&path).context("unshare ended")? == own {
        if std::time::Instant::now() > deadline {
            bail!("unshare does not make a user namespace");
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{pid}/{map}"), format!("0 {base} {RANGE}"))
            .with_context(|| format!("can't write {map}"))?;
    }
    let open = |path: &str| rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let users = Users {
        base,
        namespace: open(&path)?,
    };
    Ok((users, open(&format!("/proc/{pid}/ns/net"))?))
}

/// Takes a mount away; fine when there is none.
pub fn detach(at: &Path) {
    let _ = rustix::mount::unmount(at, UnmountFlags::DETACH);
}

/// The ids of programs of the OCI runtime that are being waited for.
static CALLS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Starts a program of the OCI runtime whose end [`called`] will be told.
///
/// # Errors
/// When it can't be started.
pub fn call(command: &mut Command) -> io::Result<Child> {
    // Held while it starts: it must not be taken for an orphan.
    let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    calls.insert(child.id());
    Ok(child)
}

/// Forgets a program that was waited for.
pub fn called(id: u32) {
    CALLS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&id);
}

/// Takes leave of dead children that a failed call of the runtime left to this process. In a container's process
/// namespace they would keep it from ending.
pub fn reap_leftovers(program: &str) {
    let calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((head, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let is_program = head
            .split_once('(')
            .is_some_and(|(_, name)| name.starts_with(program));
        let mut fields = rest.split_whitespace();
        let is_dead_child = fields.next() == Some("Z")
            && fields.next().and_then(|parent| parent.parse().ok()) == Some(own);
        if is_program && is_dead_child && !calls.contains(&id) {
            let pid = i32::try_from(id)
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            let options = rustix::process::WaitOptions::NOHANG;
            let _ = rustix::process::waitpid(pid, options);
        }
    }
}

/// Sends a signal, real-time ones included, to a process that may be gone.
#[allow(unsafe_code)]
pub fn kill(pid: u32, signal: i32) {
    match i32::try_from(pid) {
        // Zero and what is negative would be a group.
        Ok(pid) if pid > 0 => {
            // SAFETY: takes two numbers and touches no memory of this process.
            let _ = unsafe { libc::kill(pid, signal) };
        }
        _ => {}
    }
}

/// Has tokio watch a descriptor. To be called within tokio.
///
/// # Errors
/// When it is one that can't be waited for, such as a regular file's.
#[allow(unsafe_code)]
pub fn watch(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: an `OwnedFd` names the same descriptor for as long as it lives, and it is shared, so it can't be
    // replaced.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}
