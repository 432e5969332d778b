//! The nodes of procfs that are about the system: a table of paths.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::mode::S_IFLNK;
use bottleship_abi::time::NSEC_PER_SEC;
use bottleship_vfs::{CapSet, InodeRef, Result};

use super::super::node::{Accept, Directory, GeneratedEntry};
use super::{DIR, FILE, Proc, text};
use crate::kernel::ns::Namespaces;
use crate::kernel::{CPUS, Inner, NS_PER_INSTRUCTION};
use crate::syscall::{
    Cx,
    misc::{RELEASE, VERSION},
};

type Text = fn(&Cx) -> String;

enum Node {
    Dir,
    Text(Text),
    /// A setting. Those of a namespace can be changed there, the kernel's own can't.
    Setting(&'static str),
    Hostname,
    Domainname,
    Link(&'static str),
    /// There, but nobody may read it.
    Closed,
}

use Node::{Closed, Dir, Domainname, Hostname, Link, Setting, Text as T};

/// Every node, by its path below `/proc`.
static NODES: &[(&str, Node)] = &[
    ("acpi", Dir),
    (
        "cgroups",
        T(|_| {
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t1\t1\nmemory\t0\t1\t1\npids\t0\t1\t1\n".into()
        }),
    ),
    ("cmdline", T(|_| "BOOT_IMAGE=/vmlinuz quiet\n".into())),
    ("cpuinfo", T(cpuinfo)),
    (
        "devices",
        T(|_| {
            "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n".into()
        }),
    ),
    ("diskstats", T(|_| String::new())),
    (
        "filesystems",
        T(|_| {
            "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevpts\nnodev\tmqueue\nnodev\toverlay\n".into()
        }),
    ),
    ("fs", Dir),
    (
        "interrupts",
        T(|_| {
            let columns: String = (0..CPUS).map(|cpu| format!("CPU{cpu}       ")).collect();
            format!("           {columns}\n")
        }),
    ),
    ("irq", Dir),
    ("kcore", Closed),
    ("keys", Closed),
    ("loadavg", T(loadavg)),
    ("locks", T(locks)),
    ("meminfo", T(meminfo)),
    ("misc", T(|_| String::new())),
    ("modules", T(|_| String::new())),
    ("mounts", Link("self/mounts")),
    ("net", Link("self/net")),
    ("partitions", T(|_| "major minor  #blocks  name\n\n".into())),
    ("scsi", Dir),
    ("stat", T(stat)),
    (
        "swaps",
        T(|_| "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".into()),
    ),
    ("sys", Dir),
    ("sys/fs", Dir),
    ("sys/fs/file-max", Setting("1048576")),
    ("sys/fs/mqueue", Dir),
    ("sys/fs/mqueue/msg_default", Setting("10")),
    ("sys/fs/mqueue/msg_max", Setting("10")),
    ("sys/fs/mqueue/msgsize_default", Setting("8192")),
    ("sys/fs/mqueue/msgsize_max", Setting("8192")),
    ("sys/fs/mqueue/queues_max", Setting("256")),
    ("sys/fs/nr_open", Setting("1048576")),
    ("sys/fs/pipe-max-size", Setting("1048576")),
    ("sys/fs/inotify", Dir),
    ("sys/fs/inotify/max_queued_events", Setting("16384")),
    ("sys/fs/inotify/max_user_instances", Setting("128")),
    ("sys/fs/inotify/max_user_watches", Setting("65536")),
    ("sys/kernel", Dir),
    ("sys/kernel/cap_last_cap", Setting("40")),
    ("sys/kernel/core_pattern", Setting("core")),
    ("sys/kernel/domainname", Domainname),
    ("sys/kernel/hostname", Hostname),
    ("sys/kernel/msgmax", Setting("8192")),
    ("sys/kernel/msgmnb", Setting("16384")),
    ("sys/kernel/msgmni", Setting("32000")),
    ("sys/kernel/ngroups_max", Setting("65536")),
    ("sys/kernel/osrelease", T(|_| format!("{RELEASE}\n"))),
    ("sys/kernel/ostype", T(|_| "Linux\n".into())),
    ("sys/kernel/overflowgid", Setting("65534")),
    ("sys/kernel/overflowuid", Setting("65534")),
    ("sys/kernel/pid_max", Setting("4194304")),
    ("sys/kernel/random", Dir),
    ("sys/kernel/random/boot_id", T(|cx| uuid(cx.k.boot_id()))),
    ("sys/kernel/random/entropy_avail", Setting("256")),
    ("sys/kernel/random/uuid", T(random_uuid)),
    ("sys/kernel/randomize_va_space", Setting("0")),
    ("sys/kernel/seccomp", Dir),
    ("sys/kernel/sem", Setting("32000\t1024000000\t500\t32000")),
    ("sys/kernel/shm_rmid_forced", Setting("0")),
    ("sys/kernel/shmall", Setting("18446744073692774399")),
    ("sys/kernel/shmmax", Setting("18446744073692774399")),
    ("sys/kernel/shmmni", Setting("4096")),
    ("sys/kernel/threads-max", Setting("62000")),
    ("sys/kernel/version", T(|_| format!("{VERSION}\n"))),
    ("sys/kernel/yama", Dir),
    ("sys/kernel/yama/ptrace_scope", Setting("1")),
    ("sys/net", Dir),
    ("sys/net/core", Dir),
    ("sys/net/core/somaxconn", Setting("4096")),
    ("sys/net/ipv4", Dir),
    ("sys/net/ipv4/icmp_echo_ignore_all", Setting("0")),
    ("sys/net/ipv4/ip_forward", Setting("1")),
    ("sys/net/ipv4/ip_local_port_range", Setting("32768\t60999")),
    ("sys/net/ipv4/ip_nonlocal_bind", Setting("0")),
    ("sys/net/ipv4/ip_unprivileged_port_start", Setting("0")),
    ("sys/net/ipv4/ping_group_range", Setting("0\t2147483647")),
    ("sys/net/ipv4/tcp_keepalive_intvl", Setting("75")),
    ("sys/net/ipv4/tcp_keepalive_probes", Setting("9")),
    ("sys/net/ipv4/tcp_keepalive_time", Setting("7200")),
    ("sys/net/ipv4/tcp_fin_timeout", Setting("60")),
    ("sys/net/ipv4/tcp_syncookies", Setting("1")),
    ("sys/net/ipv4/tcp_max_syn_backlog", Setting("512")),
    ("sys/net/ipv4/tcp_tw_reuse", Setting("2")),
    ("sys/net/ipv6", Dir),
    ("sys/net/ipv6/conf", Dir),
    ("sys/net/ipv6/conf/all", Dir),
    ("sys/net/ipv6/conf/all/disable_ipv6", Setting("0")),
    ("sys/net/ipv6/conf/default", Dir),
    ("sys/net/ipv6/conf/default/disable_ipv6", Setting("0")),
    ("sys/vm", Dir),
    ("sys/vm/max_map_count", Setting("65530")),
    ("sys/vm/mmap_min_addr", Setting("65536")),
    ("sys/vm/overcommit_memory", Setting("1")),
    ("sys/vm/overcommit_ratio", Setting("50")),
    ("sys/vm/swappiness", Setting("60")),
    ("sysrq-trigger", Closed),
    ("timer_list", Closed),
    ("uptime", T(uptime)),
    (
        "version",
        T(|_| format!("Linux version {RELEASE} (bottleship) {VERSION}\n")),
    ),
    (
        "vmstat",
        T(|cx| format!("nr_free_pages {}\npgfault 0\n", free(cx.k) / 4096)),
    ),
];

fn kind(node: &Node) -> u32 {
    match node {
        Dir => DIR,
        Link(_) => S_IFLNK,
        _ => FILE,
    }
}

/// Inode numbers of fixed nodes start here.
const FIRST_INO: u64 = 16;

/// Names, kinds and inode numbers of what is in the directory `dir` (without a slash at its end).
pub(super) fn names(dir: &str) -> Vec<(&'static str, u32, u64)> {
    let within = |path: &'static str| -> Option<&'static str> {
        let rest = if dir.is_empty() {
            path
        } else {
            path.strip_prefix(dir)?.strip_prefix('/')?
        };
        (!rest.contains('/')).then_some(rest)
    };
    let rows = NODES.iter().enumerate();
    rows.filter_map(|(i, (path, node))| Some((within(path)?, kind(node), FIRST_INO + i as u64)))
        .collect()
}

struct Below {
    proc: Rc<Proc>,
    dir: &'static str,
}

impl Directory for Below {
    fn entries(&self) -> Vec<GeneratedEntry> {
        let entry = |(name, kind, ino): (&str, u32, u64)| GeneratedEntry {
            name: name.as_bytes().to_vec(),
            kind,
            ino,
        };
        names(self.dir).into_iter().map(entry).collect()
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        lookup(&self.proc, self.dir, name)
    }
}

/// The node `name` of the directory `dir`.
pub(super) fn lookup(proc: &Rc<Proc>, dir: &str, name: &[u8]) -> Result<InodeRef> {
    let name = std::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
    let wanted = if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    };
    let found = NODES
        .iter()
        .enumerate()
        .find(|(_, (path, _))| *path == wanted);
    let (i, (path, node)) = found.ok_or(Errno::ENOENT)?;
    if let Some(known) = proc.fixed.borrow().get(path) {
        return Ok(known.clone());
    }
    let ino = FIRST_INO + i as u64;
    let made = match node {
        Dir => proc.dir(
            ino,
            Box::new(Below {
                proc: proc.clone(),
                dir: path,
            }),
        ),
        T(make) => {
            let make = *make;
            proc.file(ino, 0o444, text(move |cx| Ok(make(cx))), None)
        }
        Setting(value) => {
            let (path, value) = (*path, *value);
            let accept: Accept = Rc::new(move |cx, data| {
                cx.need(CapSet::SYS_ADMIN)?;
                change(&cx.t.ns(), path, value, data)
            });
            let current = move |cx: &Cx| {
                let ns = cx.t.ns();
                let changed = settings(&ns, path).and_then(|all| all.borrow().get(path).cloned());
                Ok(changed.unwrap_or_else(|| value.to_owned()) + "\n")
            };
            proc.file(ino, 0o644, text(current), Some(accept))
        }
        Hostname => name_file(proc, ino, false),
        Domainname => name_file(proc, ino, true),
        Link(target) => {
            let target = *target;
            proc.link(ino, move || Ok(target.as_bytes().to_vec()))
        }
        Closed => proc.file(ino, 0o400, Rc::new(|_| Err(Errno::EPERM)), None),
    };
    proc.fixed.borrow_mut().insert(path, made.clone());
    Ok(made)
}

/// What was changed of the namespace that the setting belongs to; `None` for the kernel's own.
fn settings<'a>(
    ns: &'a Namespaces,
    path: &str,
) -> Option<&'a RefCell<BTreeMap<&'static str, String>>> {
    const IPC: &[&str] = &[
        "sys/fs/mqueue/",
        "sys/kernel/msg",
        "sys/kernel/sem",
        "sys/kernel/shm",
    ];
    if path.starts_with("sys/net/") {
        Some(ns.net.settings())
    } else if IPC.iter().any(|start| path.starts_with(start)) {
        Some(&ns.ipc.settings)
    } else {
        None
    }
}

/// Changes a setting whose first value was `first`. `EINVAL` for what isn't as many numbers as it has, and for the
/// kernel's own; saying again what one of those is does no harm.
fn change(ns: &Namespaces, path: &'static str, first: &str, data: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
    let numbers: Vec<&str> = text.split_ascii_whitespace().collect();
    let Some(settings) = settings(ns, path) else {
        let same = numbers.iter().copied().eq(first.split_ascii_whitespace());
        return if same { Ok(()) } else { Err(Errno::EINVAL) };
    };
    if numbers.len() != first.split_ascii_whitespace().count()
        || numbers.iter().any(|number| number.parse::<i128>().is_err())
    {
        return Err(Errno::EINVAL);
    }
    settings.borrow_mut().insert(path, numbers.join("\t"));
    Ok(())
}

/// Changes the setting `name`, such as `net.ipv4.ip_forward`, as seen from `ns`. `ENOENT` when there is none.
pub fn sysctl(ns: &Namespaces, name: &str, value: &str) -> Result<()> {
    let wanted = format!("sys/{}", name.replace('.', "/"));
    match NODES.iter().find(|(path, _)| *path == wanted) {
        Some((path, Setting(first))) => change(ns, path, first, value.as_bytes()),
        Some((_, Hostname | Domainname)) => Err(Errno::EINVAL),
        _ => Err(Errno::ENOENT),
    }
}

fn name_file(proc: &Proc, ino: u64, domain: bool) -> InodeRef {
    let accept: Accept = Rc::new(move |cx, data| {
        cx.need(CapSet::SYS_ADMIN)?;
        let name = data.strip_suffix(b"\n").unwrap_or(data);
        let uts = cx.t.ns().uts.clone();
        let name = name.iter().copied().take(64).collect();
        if domain {
            &uts.domainname
        } else {
            &uts.hostname
        }
        .replace(name);
        Ok(())
    });
    let generate = move |cx: &Cx| {
        let uts = cx.t.ns().uts.clone();
        let mut name = if domain {
            &uts.domainname
        } else {
            &uts.hostname
        }
        .borrow()
        .clone();
        name.push(b'\n');
        Ok(name)
    };
    proc.file(ino, 0o644, Rc::new(generate), Some(accept))
}

fn free(k: &Inner) -> u64 {
    k.config
        .memory_limit
        .saturating_sub(k.root_cgroup.stats().memory_usage)
}

fn cpuinfo(_: &Cx) -> String {
    let one = |cpu: u32| {
        format!(
            "processor\t: {cpu}\nvendor_id\t: AuthenticAMD\ncpu family\t: 15\nmodel\t\t: 6\n\
     model name\t: Bottleship emulated x86-64\nstepping\t: 1\ncpu MHz\t\t: 200.000\ncache size\t: 512 KB\n\
     physical id\t: 0\nsiblings\t: {CPUS}\ncore id\t\t: {cpu}\ncpu cores\t: {CPUS}\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 1\nwp\t\t: yes\n\
     flags\t\t: fpu tsc msr cx8 cmov clflush mmx fxsr sse sse2 syscall nx lm\n\
     bogomips\t: 400.00\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 40 bits physical, 48 bits virtual\n\n"
        )
    };
    (0..CPUS).map(one).collect()
}

fn loadavg(cx: &Cx) -> String {
    let all = cx.k.processes();
    let running = all
        .iter()
        .filter(|p| crate::kernel::spawn::state_letter(p) == 'R')
        .count();
    let last = cx.t.pid_ns().last();
    format!("0.00 0.00 0.00 {running}/{} {last}\n", all.len())
}

fn locks(cx: &Cx) -> String {
    let mut out = String::new();
    for (i, lock) in cx.k.locks.list().iter().enumerate() {
        let kind = if lock.flock { "FLOCK " } else { "POSIX " };
        let access = if lock.exclusive { "WRITE" } else { "READ " };
        let end = if lock.end == u64::MAX {
            "EOF".to_owned()
        } else {
            (lock.end - 1).to_string()
        };
        let pid = match lock.owner {
            crate::kernel::lock::Owner::Process(pid) => i64::from(pid),
            crate::kernel::lock::Owner::Description(_) => -1,
        };
        let (dev, ino) = lock.file;
        let (major, minor) = (
            bottleship_abi::mode::major(dev),
            bottleship_abi::mode::minor(dev),
        );
        out.push_str(&format!(
            "{}: {kind} ADVISORY  {access} {pid} {major:02x}:{minor:02x}:{ino} {} {end}\n",
            i + 1,
            lock.start
        ));
    }
    out
}

fn meminfo(cx: &Cx) -> String {
    let total = cx.k.config.memory_limit / 1024;
    let free = free(cx.k) / 1024;
    let anon = total - free.min(total);
    let mut out = String::new();
    for (name, value) in [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", anon),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", anon),
        ("Mapped", 0),
        ("Shmem", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("PageTables", 0),
        ("CommitLimit", total),
        ("Committed_AS", anon),
        ("VmallocTotal", 34_359_738_367),
        ("VmallocUsed", 0),
        ("HugePages_Total", 0),
    ] {
        let unit = if name.starts_with("Huge") { "" } else { " kB" };
        out.push_str(&format!("{:<15} {value:>8}{unit}\n", format!("{name}:")));
    }
    out
}

fn uptime(cx: &Cx) -> String {
    let hundredths = cx.now() / 10_000_000;
    let busy = cx.k.instructions.get() * NS_PER_INSTRUCTION / 10_000_000;
    let idle = hundredths.saturating_sub(busy);
    format!(
        "{}.{:02} {}.{:02}\n",
        hundredths / 100,
        hundredths % 100,
        idle / 100,
        idle % 100
    )
}

fn stat(cx: &Cx) -> String {
    // One task runs at a time, so all of the work is the first CPU's.
    let total = cx.now() / 10_000_000;
    let user = cx.k.instructions.get() * NS_PER_INSTRUCTION / 10_000_000;
    let idle = total.saturating_sub(user);
    let others = u64::from(CPUS - 1) * total;
    let cpus: String = (0..CPUS)
        .map(|cpu| match cpu {
            0 => format!("cpu0 {user} 0 0 {idle} 0 0 0 0 0 0\n"),
            _ => format!("cpu{cpu} 0 0 0 {total} 0 0 0 0 0 0\n"),
        })
        .collect();
    let boot = (cx.k.realtime().saturating_sub(cx.now())) / NSEC_PER_SEC;
    let running =
        cx.k.processes()
            .iter()
            .filter(|p| crate::kernel::spawn::state_letter(p) == 'R')
            .count();
    format!(
        "cpu  {user} 0 0 {} 0 0 0 0 0 0\n{cpus}intr 0\nctxt {}\nbtime {boot}\nprocesses {}\nprocs_running {running}\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
        idle + others,
        cx.k.context_switches.get(),
        cx.k.forks.get(),
    )
}

fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0xf | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}\n",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn random_uuid(cx: &Cx) -> String {
    let mut bytes = [0; 16];
    cx.k.rng.borrow_mut().fill(&mut bytes);
    uuid(bytes)
}
