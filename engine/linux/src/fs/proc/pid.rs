//! `/proc/PID`.

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::fs::O_CLOEXEC;
use bottleship_abi::mode::S_IFLNK;
use bottleship_vfs::{CapSet, Dentry, InodeRef, Path, Result};

use super::super::node::{Accept, Common, Directory, GeneratedEntry, GeneratedFile};
use super::{DIR, FILE, FIRST_PID_INO, Proc, text};
use crate::kernel::file::OpenFile;
use crate::kernel::task::{Process, Task};
use crate::syscall::Cx;

type Rows = &'static [(&'static str, u32)];

/// What is in `/proc/PID`, with kinds.
const ENTRIES: Rows = &[
    ("attr", DIR),
    ("auxv", FILE),
    ("cgroup", FILE),
    ("cmdline", FILE),
    ("comm", FILE),
    ("cwd", S_IFLNK),
    ("environ", FILE),
    ("exe", S_IFLNK),
    ("fd", DIR),
    ("fdinfo", DIR),
    ("gid_map", FILE),
    ("io", FILE),
    ("limits", FILE),
    ("loginuid", FILE),
    ("maps", FILE),
    ("mountinfo", FILE),
    ("mounts", FILE),
    ("net", DIR),
    ("ns", DIR),
    ("oom_adj", FILE),
    ("oom_score", FILE),
    ("oom_score_adj", FILE),
    ("root", S_IFLNK),
    ("setgroups", FILE),
    ("smaps_rollup", FILE),
    ("stat", FILE),
    ("statm", FILE),
    ("status", FILE),
    ("task", DIR),
    ("uid_map", FILE),
    ("wchan", FILE),
];

const NAMESPACES: Rows = &[
    ("cgroup", S_IFLNK),
    ("ipc", S_IFLNK),
    ("mnt", S_IFLNK),
    ("net", S_IFLNK),
    ("pid", S_IFLNK),
    ("user", S_IFLNK),
    ("uts", S_IFLNK),
];

/// Which directory of a process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Main,
    /// `/proc/PID/task/TID`.
    Thread,
    Fd,
    FdInfo,
    Ns,
    Tasks,
    Net,
    Empty,
}

struct Dir {
    proc: Rc<Proc>,
    process: Rc<Process>,
    /// For a thread's directory.
    task: Option<Rc<Task>>,
    kind: Kind,
    base: u64,
}

/// The directory of the process with this number.
pub(super) fn lookup(proc: &Rc<Proc>, name: &[u8]) -> Result<InodeRef> {
    let number: u32 = std::str::from_utf8(name)
        .ok()
        .and_then(|name| name.parse().ok())
        .ok_or(Errno::ENOENT)?;
    if name.first() == Some(&b'0') {
        return Err(Errno::ENOENT);
    }
    let process = proc
        .ns
        .process(number)
        .or_else(|| proc.ns.task(number).map(|task| task.process.clone()));
    let process = process.ok_or(Errno::ENOENT)?;
    let base = FIRST_PID_INO + u64::from(number) * 1024;
    Ok(make_dir(proc, &process, None, Kind::Main, base))
}

fn owner(process: &Process) -> (u32, u32) {
    match process.task() {
        Some(task) if process.dumpable.get() => {
            let creds = task.creds.borrow();
            (creds.euid, creds.egid)
        }
        _ => (0, 0),
    }
}

fn common(proc: &Proc, process: &Process, ino: u64, mode: u32) -> Common {
    let (uid, gid) = owner(process);
    Common {
        uid,
        gid,
        ..proc.common(ino, mode)
    }
}

fn make_dir(
    proc: &Rc<Proc>,
    process: &Rc<Process>,
    task: Option<Rc<Task>>,
    kind: Kind,
    base: u64,
) -> InodeRef {
    let mode = if matches!(kind, Kind::Fd | Kind::FdInfo) {
        0o500
    } else {
        0o555
    };
    let common = common(proc, process, base, mode);
    let dir = Dir {
        proc: proc.clone(),
        process: process.clone(),
        task,
        kind,
        base,
    };
    Rc::new(super::GeneratedDir {
        common,
        contents: Box::new(dir),
    })
}

impl Dir {
    fn task(&self) -> Result<Rc<Task>> {
        self.task
            .clone()
            .or_else(|| self.process.task())
            .ok_or(Errno::ENOENT)
    }

    /// Whether whoever is asking may look into the process.
    fn check(&self) -> Result<()> {
        let caller = self.proc.kernel()?.current();
        let Some(caller) = caller else { return Ok(()) };
        let (own, Some(task)) = (caller.creds(), self.process.task()) else {
            return Ok(());
        };
        let other = task.creds();
        let same = [other.uid, other.euid, other.suid]
            .iter()
            .all(|&uid| uid == own.fsuid);
        let fits = other
            .caps
            .permitted
            .difference(own.caps.permitted)
            .is_empty();
        let itself = Rc::ptr_eq(&caller.process, &self.process);
        if itself
            || (same && fits && self.process.dumpable.get())
            || own.capable(CapSet::SYS_PTRACE)
        {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }
}

impl Directory for Dir {
    fn entries(&self) -> Vec<GeneratedEntry> {
        let rows = |rows: Rows, skip: &str| -> Vec<GeneratedEntry> {
            let chosen = rows
                .iter()
                .enumerate()
                .filter(|(_, (name, _))| *name != skip);
            chosen
                .map(|(i, (name, kind))| GeneratedEntry {
                    name: name.as_bytes().to_vec(),
                    kind: *kind,
                    ino: self.base + 1 + i as u64,
                })
                .collect()
        };
        let number = |n: u32, kind: u32| GeneratedEntry {
            name: n.to_string().into_bytes(),
            kind,
            ino: self.base + 256 + u64::from(n),
        };
        match self.kind {
            Kind::Main => rows(ENTRIES, ""),
            Kind::Thread => rows(ENTRIES, "task"),
            Kind::Ns => rows(NAMESPACES, ""),
            Kind::Fd | Kind::FdInfo => {
                let kind = if self.kind == Kind::Fd { S_IFLNK } else { FILE };
                let fds = self
                    .check()
                    .and_then(|()| self.task())
                    .map(|task| task.files().list());
                fds.unwrap_or_default()
                    .into_iter()
                    .map(|fd| number(fd as u32, kind))
                    .collect()
            }
            Kind::Tasks => self
                .process
                .tasks()
                .iter()
                .map(|task| number(task.tid_in(&self.proc.ns), DIR))
                .collect(),
            Kind::Net => rows(super::super::netfiles::FILES, ""),
            Kind::Empty => Vec::new(),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        let name = std::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        match self.kind {
            Kind::Main | Kind::Thread => self.entry(name),
            Kind::Ns => self.namespace(name),
            Kind::Fd | Kind::FdInfo => self.descriptor(name),
            Kind::Tasks => {
                let number: u32 = name.parse().map_err(|_| Errno::ENOENT)?;
                let tasks = self.process.tasks();
                let task = tasks
                    .into_iter()
                    .find(|task| task.tid_in(&self.proc.ns) == number);
                let task = task.ok_or(Errno::ENOENT)?;
                let base = self.base + (u64::from(number) << 32);
                Ok(make_dir(
                    &self.proc,
                    &self.process,
                    Some(task),
                    Kind::Thread,
                    base,
                ))
            }
            Kind::Net => {
                let at = super::super::netfiles::FILES
                    .iter()
                    .position(|(known, _)| *known == name);
                let ino = self.base + 1 + at.ok_or(Errno::ENOENT)? as u64;
                let (task, name) = (self.task()?, name.to_owned());
                let make = text(move |cx| Ok(super::super::netfiles::make(cx, &task.ns(), &name)));
                Ok(self.proc.file(ino, 0o444, make, None))
            }
            Kind::Empty => Err(Errno::ENOENT),
        }
    }
}

impl Dir {
    fn entry(&self, name: &str) -> Result<InodeRef> {
        let at = ENTRIES
            .iter()
            .position(|(known, _)| *known == name)
            .ok_or(Errno::ENOENT)?;
        let ino = self.base + 1 + at as u64;
        let proc = &self.proc;
        let dir = |kind, offset| {
            Ok(make_dir(
                proc,
                &self.process,
                self.task.clone(),
                kind,
                self.base + offset,
            ))
        };
        match name {
            "attr" => dir(Kind::Empty, 64),
            "fd" => dir(Kind::Fd, 128),
            "fdinfo" => dir(Kind::FdInfo, 192),
            "net" => dir(Kind::Net, 224),
            "ns" => dir(Kind::Ns, 240),
            "task" if self.kind == Kind::Main => dir(Kind::Tasks, 768),
            "task" => Err(Errno::ENOENT),
            "cwd" | "root" | "exe" => {
                self.check()?;
                self.place(name, ino)
            }
            _ => self.file(name, ino),
        }
    }

    fn place(&self, name: &str, ino: u64) -> Result<InodeRef> {
        let (process, task, which) = (self.process.clone(), self.task()?, name.to_owned());
        let find = move || -> Result<Path> {
            match which.as_str() {
                "cwd" => Ok(task.fs().cwd.borrow().clone()),
                "root" => Ok(task.fs().root.borrow().clone()),
                _ => process.exe.borrow().clone().ok_or(Errno::ENOENT),
            }
        };
        let find = Rc::new(find);
        let (k, again) = (self.proc.k.clone(), find.clone());
        let target = move || {
            let caller = k.upgrade().and_then(|k| k.current()).ok_or(Errno::ENOENT)?;
            let root = caller.fs().root.borrow().clone();
            Ok(again()?.d_path(&root))
        };
        let common = common(&self.proc, &self.process, ino, 0o777);
        Ok(self.proc.magic_link(common, target, move || find()))
    }

    fn descriptor(&self, name: &str) -> Result<InodeRef> {
        self.check()?;
        let fd: i32 = name.parse().map_err(|_| Errno::ENOENT)?;
        let task = self.task()?;
        let file = task.files().get(fd).map_err(|_| Errno::ENOENT)?;
        let ino = self.base + 256 + fd as u64;
        if self.kind == Kind::FdInfo {
            let generate = text(move |_| {
                let mut flags = file.flags.get();
                if task.files().cloexec(fd).unwrap_or(false) {
                    flags |= O_CLOEXEC;
                }
                let mount = file.path.as_ref().map_or(15, |path| path.mount.id());
                Ok(format!(
                    "pos:\t{}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{}\n{}",
                    file.pos.get(),
                    file.file
                        .inode()
                        .and_then(|inode| inode.attr().ok())
                        .map_or(0, |attr| attr.ino),
                    file.file.fdinfo()
                ))
            });
            let common = common(&self.proc, &self.process, ino, 0o400);
            return Ok(Rc::new(GeneratedFile {
                common,
                generate: Some(generate),
                accept: None,
            }));
        }
        let mode = 0o100
            | if file.readable() { 0o400 } else { 0 }
            | if file.writable() { 0o200 } else { 0 };
        let k = self.proc.k.clone();
        let shown = file.clone();
        let target = move || match &shown.path {
            Some(path) => {
                let caller = k.upgrade().and_then(|k| k.current()).ok_or(Errno::ENOENT)?;
                let root = caller.fs().root.borrow().clone();
                Ok(path.d_path(&root))
            }
            None => Ok(shown.file.link_name()),
        };
        let k = self.proc.k.clone();
        let to = move || match &file.path {
            Some(path) => Ok(path.clone()),
            None => {
                // Pipes, terminals of the host and their like: an entry that stands for the description.
                let k = k.upgrade().ok_or(Errno::ENOENT)?;
                let inode: InodeRef = Rc::new(Described(file.clone()));
                let dentry = Dentry::anonymous(inode, &file.file.link_name());
                Ok(Path {
                    mount: k.shm.root().mount.clone(),
                    dentry,
                })
            }
        };
        let common = common(&self.proc, &self.process, ino, mode);
        Ok(self.proc.magic_link(common, target, to))
    }

    fn namespace(&self, name: &str) -> Result<InodeRef> {
        let at = NAMESPACES
            .iter()
            .position(|(known, _)| *known == name)
            .ok_or(Errno::ENOENT)?;
        let ns = self.task()?.ns();
        let ino = match name {
            "ipc" => ns.ipc.ino,
            "mnt" => ns.mnt_ino,
            "net" => ns.net.ino(),
            "pid" => self.process.pid_ns().ino,
            "uts" => ns.uts.ino,
            "user" => 4_026_531_837,
            _ => 4_026_531_835,
        };
        let text = format!("{name}:[{ino}]").into_bytes();
        Ok(self
            .proc
            .link(self.base + 241 + at as u64, move || Ok(text.clone())))
    }

    fn file(&self, name: &str, ino: u64) -> Result<InodeRef> {
        let (process, ns) = (self.process.clone(), self.proc.ns.clone());
        let private = matches!(name, "auxv" | "environ" | "io" | "maps" | "smaps_rollup");
        if private {
            self.check()?;
        }
        let (mode, accept): (u32, Option<Accept>) = match name {
            "auxv" | "environ" | "io" => (0o400, None),
            "comm" => {
                let task = self.task()?;
                let set = move |_: &Cx, data: &[u8]| {
                    let name = data.strip_suffix(b"\n").unwrap_or(data);
                    task.comm.replace(name.iter().copied().take(15).collect());
                    Ok(())
                };
                (0o644, Some(Rc::new(set)))
            }
            "oom_score_adj" => {
                let process = process.clone();
                let set = move |cx: &Cx, data: &[u8]| {
                    let text = std::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
                    let value: i32 = text.trim().parse().map_err(|_| Errno::EINVAL)?;
                    if !(-1000..=1000).contains(&value) {
                        return Err(Errno::EINVAL);
                    }
                    if value < process.oom_score_adj.get() && !cx.capable(CapSet::SYS_RESOURCE) {
                        return Err(Errno::EACCES);
                    }
                    process.oom_score_adj.set(value);
                    Ok(())
                };
                (0o644, Some(Rc::new(set)))
            }
            _ => (0o444, None),
        };
        let task = self.task().ok();
        let which = name.to_owned();
        let generate =
            move |cx: &Cx| super::pid_files::contents(cx, &which, &process, task.as_ref(), &ns);
        let common = common(&self.proc, &self.process, ino, mode);
        Ok(Rc::new(GeneratedFile {
            common,
            generate: Some(Rc::new(generate)),
            accept,
        }))
    }
}

/// Stands for a description without a path, where a path is needed: opening it opens what it describes.
pub struct Described(pub Rc<OpenFile>);

impl bottleship_vfs::Inode for Described {
    fn attr(&self) -> Result<bottleship_vfs::Attr> {
        if let Some(inode) = self.0.file.inode() {
            return inode.attr();
        }
        let stat = self.0.file.stat();
        let time = |(sec, nsec)| bottleship_vfs::Time { sec, nsec };
        Ok(bottleship_vfs::Attr {
            ino: stat.ino,
            dev: stat.dev,
            mode: stat.mode,
            nlink: stat.nlink as u32,
            uid: stat.uid,
            gid: stat.gid,
            rdev: stat.rdev,
            size: stat.size,
            blocks: stat.blocks,
            atime: time(stat.atime),
            mtime: time(stat.mtime),
            ctime: time(stat.ctime),
        })
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
