//! `/proc/PID`.

use std::rc::Rc;

use bottleship_abi::fs::O_CLOEXEC;
use bottleship_abi::mm::{PROT_EXEC, PROT_READ, PROT_WRITE};
use bottleship_abi::mode::{S_IFLNK, major, minor};
use bottleship_abi::process::RLIM_INFINITY;
use bottleship_abi::{Errno, SigSet};
use bottleship_vfs::{CapSet, Dentry, InodeRef, Path, Result};

use super::super::node::{Accept, Common, Directory, GeneratedEntry, GeneratedFile};
use super::{DIR, FILE, FIRST_PID_INO, Proc, text};
use crate::kernel::NS_PER_INSTRUCTION;
use crate::kernel::file::OpenFile;
use crate::kernel::spawn::state_letter;
use crate::kernel::task::{Process, Task};
use crate::mm::Backing;
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
        let generate = move |cx: &Cx| contents(cx, &which, &process, task.as_ref(), &ns);
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

fn contents(
    cx: &Cx,
    name: &str,
    process: &Rc<Process>,
    task: Option<&Rc<Task>>,
    ns: &Rc<crate::kernel::ns::PidNs>,
) -> std::result::Result<Vec<u8>, Errno> {
    let mm = task.and_then(|task| task.mm().ok());
    let nul = |strings: &[Vec<u8>]| {
        strings
            .iter()
            .flat_map(|s| s.iter().copied().chain([0]))
            .collect::<Vec<u8>>()
    };
    Ok(match name {
        "cmdline" => nul(&process.argv()),
        "environ" => match &mm {
            Some(mm) => {
                let (start, end) = mm.env.get();
                let mut bytes = vec![0; end.saturating_sub(start).min(1 << 20) as usize];
                mm.read(start, &mut bytes)?;
                bytes
            }
            None => nul(&process.environ.borrow()),
        },
        "auxv" => mm.map(|mm| mm.auxv.borrow().clone()).unwrap_or_default(),
        "comm" => {
            let mut comm = task
                .map(|task| task.comm.borrow().clone())
                .unwrap_or_default();
            comm.push(b'\n');
            comm
        }
        "maps" => maps(cx, process),
        "mounts" | "mountinfo" => mounts(task.ok_or(Errno::EINVAL)?, name == "mounts"),
        "stat" => stat(process, task, ns).into_bytes(),
        "statm" => {
            let (size, resident) =
                mm.map_or((0, 0), |mm| (mm.total_bytes() / 4096, mm.resident_pages()));
            format!("{size} {resident} 0 0 0 {size} 0\n").into_bytes()
        }
        "status" => status(process, task, ns),
        "limits" => limits(process).into_bytes(),
        "cgroup" => b"0::/\n".to_vec(),
        "io" => {
            let stats = process.cgroup.borrow().stats();
            format!("rchar: {0}\nwchar: {1}\nsyscr: 0\nsyscw: 0\nread_bytes: {0}\nwrite_bytes: {1}\ncancelled_write_bytes: 0\n", stats.io_read, stats.io_written).into_bytes()
        }
        "oom_score_adj" => format!("{}\n", process.oom_score_adj.get()).into_bytes(),
        "oom_score" => b"0\n".to_vec(),
        "oom_adj" => format!("{}\n", process.oom_score_adj.get() * 17 / 1000).into_bytes(),
        "uid_map" | "gid_map" => b"         0          0 4294967295\n".to_vec(),
        "setgroups" => b"allow\n".to_vec(),
        "loginuid" => b"4294967295".to_vec(),
        "wchan" => b"0".to_vec(),
        "smaps_rollup" => {
            let rss = mm.map_or(0, |mm| mm.resident_pages() * 4);
            format!("00000000-7ffffffff000 ---p 00000000 00:00 0                          [rollup]\nRss: {rss:>18} kB\nPss: {rss:>18} kB\n").into_bytes()
        }
        _ => return Err(Errno::ENOENT),
    })
}

fn maps(cx: &Cx, process: &Process) -> Vec<u8> {
    let Some(mm) = process.task().and_then(|task| task.mm().ok()) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let (heap, heap_end) = mm.brk.get();
    let root = cx.root();
    for area in mm.areas() {
        let flag = |bit: u32, letter: char| if area.prot & bit != 0 { letter } else { '-' };
        let (offset, attr, path) = match &area.backing {
            Backing::File {
                inode,
                offset,
                path,
            } => (*offset, inode.attr().ok(), path.clone()),
            Backing::Anonymous => (0, None, None),
        };
        let (dev, ino) = attr.map_or((0, 0), |attr| (attr.dev, attr.ino));
        let mut line = format!(
            "{:08x}-{:08x} {}{}{}{} {offset:08x} {:02x}:{:02x} {ino} ",
            area.start,
            area.end,
            flag(PROT_READ, 'r'),
            flag(PROT_WRITE, 'w'),
            flag(PROT_EXEC, 'x'),
            if area.shared { 's' } else { 'p' },
            major(dev),
            minor(dev),
        )
        .into_bytes();
        let name = match path {
            Some(path) => path.d_path(&root),
            None if area.grows_down => b"[stack]".to_vec(),
            None if area.start < heap_end && area.end > heap => b"[heap]".to_vec(),
            None => Vec::new(),
        };
        if !name.is_empty() {
            line.resize(line.len().max(73), b' ');
            line.extend(name);
        }
        line.push(b'\n');
        out.extend(line);
    }
    out
}

fn mounts(task: &Task, short: bool) -> Vec<u8> {
    let root = task.fs().root.borrow().clone();
    let ns = task.ns();
    let mut out = String::new();
    for info in ns.mounts().mountinfo(&root) {
        if short {
            out.push_str(info.mounts_line().trim_end());
        } else {
            out.push_str(info.to_string().trim_end());
        }
        out.push('\n');
    }
    out.into_bytes()
}

fn stat(
    process: &Rc<Process>,
    task: Option<&Rc<Task>>,
    ns: &Rc<crate::kernel::ns::PidNs>,
) -> String {
    let parent = process
        .parent
        .borrow()
        .upgrade()
        .map_or(0, |parent| parent.pid_in(ns));
    let group = process.group.borrow().clone();
    let number = |numbers: &[(u64, u32)]| {
        numbers
            .iter()
            .find(|(ino, _)| *ino == ns.ino)
            .map_or(0, |&(_, n)| n)
    };
    let tty = group.session.tty.borrow().clone();
    let tty_number = tty.as_ref().map_or(0, |tty| {
        (136 << 8) | (tty.number & 0xff) | (tty.number & !0xff) << 12
    });
    let foreground = tty
        .and_then(|tty| tty.foreground())
        .map_or(-1, |group| i64::from(number(&group.numbers)));
    let mm = task.and_then(|task| task.mm().ok());
    let ticks = |instructions: u64| instructions * NS_PER_INSTRUCTION / 10_000_000;
    let comm = task
        .map(|task| String::from_utf8_lossy(&task.comm.borrow()).into_owned())
        .unwrap_or_default();
    let (blocked, pending) = task.map_or((SigSet::EMPTY, SigSet::EMPTY), |t| {
        (t.blocked.get(), t.pending.borrow().set)
    });
    let pid = task.map_or_else(
        || process.pid_in(ns),
        |t| {
            if process.tasks().len() > 1 {
                t.tid_in(ns)
            } else {
                process.pid_in(ns)
            }
        },
    );
    format!(
        "{pid} ({comm}) {} {parent} {} {} {tty_number} {foreground} 4194560 {} 0 0 0 {} 0 {} 0 {} {} {} 0 {} {} {} \
         18446744073709551615 0 0 0 0 0 {} {} 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        state_letter(process),
        number(&group.numbers),
        number(&group.session.numbers),
        mm.as_ref().map_or(0, |mm| mm.faults.get()),
        ticks(process.instructions()),
        ticks(process.child_instructions.get()),
        20 + process.nice.get(),
        process.nice.get(),
        process.tasks().len(),
        process.started.get() / 10_000_000,
        mm.as_ref().map_or(0, |mm| mm.total_bytes()),
        mm.as_ref().map_or(0, |mm| mm.resident_pages()),
        pending.0 as u32 & 0x7fff_ffff,
        blocked.0 as u32 & 0x7fff_ffff,
    )
}

fn status(
    process: &Rc<Process>,
    task: Option<&Rc<Task>>,
    ns: &Rc<crate::kernel::ns::PidNs>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = |name: &str, value: String| out.extend(format!("{name}:\t{value}\n").bytes());
    let state = match state_letter(process) {
        'R' => "R (running)",
        'T' => "T (stopped)",
        'Z' => "Z (zombie)",
        _ => "S (sleeping)",
    };
    let comm = task
        .map(|task| String::from_utf8_lossy(&task.comm.borrow()).into_owned())
        .unwrap_or_default();
    line("Name", comm);
    if let Some(task) = task {
        line("Umask", format!("{:04o}", task.fs().umask.get()));
    }
    line("State", state.to_owned());
    let pid = process.pid_in(ns);
    line("Tgid", pid.to_string());
    line("Ngid", "0".to_owned());
    line("Pid", task.map_or(pid, |task| task.tid_in(ns)).to_string());
    line(
        "PPid",
        process
            .parent
            .borrow()
            .upgrade()
            .map_or(0, |parent| parent.pid_in(ns))
            .to_string(),
    );
    line("TracerPid", "0".to_owned());
    if let Some(task) = task {
        let creds = task.creds();
        line(
            "Uid",
            format!(
                "{}\t{}\t{}\t{}",
                creds.uid, creds.euid, creds.suid, creds.fsuid
            ),
        );
        line(
            "Gid",
            format!(
                "{}\t{}\t{}\t{}",
                creds.gid, creds.egid, creds.sgid, creds.fsgid
            ),
        );
        line(
            "FDSize",
            task.files().len().next_power_of_two().max(64).to_string(),
        );
        let groups: String = creds.groups.iter().map(|gid| format!("{gid} ")).collect();
        line("Groups", groups);
        let at = process
            .numbers
            .iter()
            .position(|(level, _)| Rc::ptr_eq(level, ns))
            .unwrap_or(0);
        let seen: Vec<String> = process.numbers[at..]
            .iter()
            .map(|(_, n)| n.to_string())
            .collect();
        line("NStgid", seen.join("\t"));
        if let Ok(mm) = task.mm() {
            let kib = |pages: u64| format!("{:>8} kB", pages * 4);
            line("VmPeak", kib(mm.total_bytes() / 4096));
            line("VmSize", kib(mm.total_bytes() / 4096));
            line("VmHWM", kib(mm.peak_pages()));
            line("VmRSS", kib(mm.resident_pages()));
            line("VmSwap", kib(0));
        }
        line("Threads", process.tasks().len().to_string());
        let set = |set: SigSet| format!("{:016x}", set.0);
        line("SigPnd", set(task.pending.borrow().set));
        line("ShdPnd", set(process.pending.borrow().set));
        line("SigBlk", set(task.blocked.get()));
        let (mut ignored, mut caught) = (SigSet::EMPTY, SigSet::EMPTY);
        for (i, action) in task.sighand.borrow().0.borrow().iter().enumerate() {
            match action.handler {
                0 => {}
                1 => ignored = ignored | SigSet(1 << i),
                _ => caught = caught | SigSet(1 << i),
            }
        }
        line("SigIgn", set(ignored));
        line("SigCgt", set(caught));
        let caps = creds.caps;
        for (name, caps) in [
            ("CapInh", caps.inheritable),
            ("CapPrm", caps.permitted),
            ("CapEff", caps.effective),
            ("CapBnd", caps.bounding),
            ("CapAmb", caps.ambient),
        ] {
            line(name, format!("{:016x}", caps.bits()));
        }
        line("NoNewPrivs", u8::from(task.no_new_privs.get()).to_string());
        line("Seccomp", "0".to_owned());
        line("Cpus_allowed", "1".to_owned());
        line("Cpus_allowed_list", "0".to_owned());
        line("Mems_allowed_list", "0".to_owned());
        line("voluntary_ctxt_switches", task.syscalls.get().to_string());
        line("nonvoluntary_ctxt_switches", "0".to_owned());
    }
    out
}

fn limits(process: &Process) -> String {
    const NAMES: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];
    let shown = |value: u64| {
        if value == RLIM_INFINITY {
            "unlimited".to_owned()
        } else {
            value.to_string()
        }
    };
    let mut out = format!(
        "{:<25} {:<20} {:<20} {:<10}\n",
        "Limit", "Soft Limit", "Hard Limit", "Units"
    );
    for ((name, unit), limit) in NAMES.iter().zip(process.rlimits.borrow().iter()) {
        out.push_str(&format!(
            "{name:<25} {:<20} {:<20} {unit:<10}\n",
            shown(limit.soft),
            shown(limit.hard)
        ));
    }
    out
}
