//! What the files of `/proc/PID` say.

use std::rc::Rc;

use bottleship_abi::mm::{PROT_EXEC, PROT_READ, PROT_WRITE};
use bottleship_abi::mode::{major, minor};
use bottleship_abi::process::RLIM_INFINITY;
use bottleship_abi::{Errno, SigSet};

use crate::kernel::NS_PER_INSTRUCTION;
use crate::kernel::ns::PidNs;
use crate::kernel::spawn::state_letter;
use crate::kernel::task::{Process, Task};
use crate::mm::Backing;
use crate::syscall::Cx;

/// One of the files, for whoever reads it.
pub(super) fn contents(
    cx: &Cx,
    name: &str,
    process: &Rc<Process>,
    task: Option<&Rc<Task>>,
    ns: &Rc<PidNs>,
) -> Result<Vec<u8>, Errno> {
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

fn stat(process: &Rc<Process>, task: Option<&Rc<Task>>, ns: &Rc<PidNs>) -> String {
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

fn status(process: &Rc<Process>, task: Option<&Rc<Task>>, ns: &Rc<PidNs>) -> Vec<u8> {
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
            task.files().size().next_power_of_two().max(64).to_string(),
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
