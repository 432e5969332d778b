//! sysfs and cgroup2, as little of them as programs look for.

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_vfs::{FileSystem, InodeRef, Result};

use super::node::{
    Common, Directory, Generate, Generated, GeneratedDir, GeneratedEntry, GeneratedFile,
};
use crate::kernel::{CPUS, Inner};
use crate::syscall::Cx;

const SYSFS_MAGIC: u64 = 0x6265_6572;
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// A directory with fixed entries.
struct Fixed(Vec<(&'static str, InodeRef)>);

impl Directory for Fixed {
    fn entries(&self) -> Vec<GeneratedEntry> {
        let entry = |(name, inode): &(&str, InodeRef)| {
            let attr = inode.attr().unwrap_or_default();
            GeneratedEntry {
                name: name.as_bytes().to_vec(),
                kind: attr.kind(),
                ino: attr.ino,
            }
        };
        self.0.iter().map(entry).collect()
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        let found = self.0.iter().find(|(known, _)| known.as_bytes() == name);
        found.map(|(_, inode)| inode.clone()).ok_or(Errno::ENOENT)
    }
}

/// Makes nodes with consecutive inode numbers.
struct Maker {
    k: Rc<Inner>,
    dev: u64,
}

impl Maker {
    fn common(&self, mode: u32) -> Common {
        Common {
            kernel: Rc::downgrade(&self.k),
            dev: self.dev,
            ino: self.k.clock.new_ino(),
            mode,
            uid: 0,
            gid: 0,
        }
    }

    fn dir(&self, entries: Vec<(&'static str, InodeRef)>) -> InodeRef {
        Rc::new(GeneratedDir {
            common: self.common(0o555),
            contents: Box::new(Fixed(entries)),
        })
    }

    fn file(&self, generate: impl Fn(&Cx) -> String + 'static) -> InodeRef {
        let generate: Generate = Rc::new(move |cx| Ok(generate(cx).into_bytes()));
        Rc::new(GeneratedFile {
            common: self.common(0o444),
            generate: Some(generate),
            accept: None,
        })
    }
}

fn limit(value: Option<u64>) -> String {
    value.map_or("max\n".to_owned(), |value| format!("{value}\n"))
}

/// The files of the reader's own group: what a container finds in `/sys/fs/cgroup`.
fn cgroup_files(make: &Maker) -> Vec<(&'static str, InodeRef)> {
    let group = |cx: &Cx| cx.t.process.cgroup.borrow().clone();
    vec![
        (
            "cgroup.controllers",
            make.file(|_| "cpu memory pids\n".to_owned()),
        ),
        (
            "cgroup.procs",
            make.file(move |cx| {
                let ns = cx.t.pid_ns();
                let pids = group(cx)
                    .processes()
                    .into_iter()
                    .map(|process| process.pid_in(ns))
                    .filter(|&pid| pid != 0);
                pids.map(|pid| format!("{pid}\n")).collect()
            }),
        ),
        (
            "cgroup.freeze",
            make.file(move |cx| format!("{}\n", u8::from(group(cx).is_frozen()))),
        ),
        (
            "cpu.max",
            make.file(move |cx| {
                let limits = group(cx).limits();
                let quota = limits
                    .cpu_quota
                    .map_or("max".to_owned(), |quota| quota.to_string());
                format!("{quota} {}\n", limits.cpu_period.unwrap_or(100_000))
            }),
        ),
        (
            "cpu.stat",
            make.file(move |cx| {
                let stats = group(cx).stats();
                let us = stats.cpu_ns / 1000;
                let system = stats.system_ns / 1000;
                format!(
                    "usage_usec {us}\nuser_usec {}\nsystem_usec {system}\n",
                    us - system.min(us)
                )
            }),
        ),
        (
            "cpu.weight",
            make.file(move |cx| {
                let shares = group(cx)
                    .limits()
                    .cpu_shares
                    .unwrap_or(1024)
                    .clamp(2, 262_144);
                format!("{}\n", 1 + (shares - 2) * 9999 / 262_142)
            }),
        ),
        (
            "memory.max",
            make.file(move |cx| limit(group(cx).limits().memory)),
        ),
        (
            "memory.current",
            make.file(move |cx| format!("{}\n", group(cx).stats().memory_usage)),
        ),
        (
            "memory.peak",
            make.file(move |cx| format!("{}\n", group(cx).stats().memory_max_usage)),
        ),
        ("memory.high", make.file(|_| "max\n".to_owned())),
        ("memory.swap.max", make.file(|_| "0\n".to_owned())),
        (
            "memory.events",
            make.file(move |cx| {
                let kills = group(cx).stats().oom_kills;
                format!("low 0\nhigh 0\nmax 0\noom {kills}\noom_kill {kills}\noom_group_kill 0\n")
            }),
        ),
        (
            "pids.max",
            make.file(move |cx| limit(group(cx).limits().pids)),
        ),
        (
            "pids.current",
            make.file(move |cx| format!("{}\n", group(cx).stats().pids)),
        ),
    ]
}

fn generated(root: InodeRef, kind: &'static str, magic: u64, dev: u64) -> Rc<dyn FileSystem> {
    Rc::new(Generated {
        root,
        kind,
        magic,
        dev,
        options: String::new(),
    })
}

/// `/sys/fs/cgroup`.
pub fn make_cgroup(k: &Rc<Inner>) -> Rc<dyn FileSystem> {
    let make = Maker {
        k: k.clone(),
        dev: k.clock.new_dev(),
    };
    let root = make.dir(cgroup_files(&make));
    generated(root, "cgroup2", CGROUP2_MAGIC, make.dev)
}

/// `/sys`.
pub fn make(k: &Rc<Inner>) -> Rc<dyn FileSystem> {
    let make = Maker {
        k: k.clone(),
        dev: k.clock.new_dev(),
    };
    let one = |text: &'static str| make.file(move |_| text.to_owned());
    let last = || make.file(|_| format!("{}\n", CPUS - 1));
    let range = || make.file(|_| format!("0-{}\n", CPUS - 1));
    let cpu = make.dir(vec![
        ("cpu0", make.dir(vec![])),
        ("cpu1", make.dir(vec![])),
        ("kernel_max", last()),
        ("online", range()),
        ("possible", range()),
        ("present", range()),
    ]);
    let root = make.dir(vec![
        ("block", make.dir(vec![])),
        ("bus", make.dir(vec![])),
        (
            "class",
            make.dir(vec![("net", make.dir(vec![])), ("tty", make.dir(vec![]))]),
        ),
        ("dev", make.dir(vec![])),
        (
            "devices",
            make.dir(vec![("system", make.dir(vec![("cpu", cpu)]))]),
        ),
        ("firmware", make.dir(vec![])),
        ("fs", make.dir(vec![("cgroup", make.dir(vec![]))])),
        (
            "kernel",
            make.dir(vec![(
                "mm",
                make.dir(vec![(
                    "transparent_hugepage",
                    make.dir(vec![("enabled", one("always madvise [never]\n"))]),
                )]),
            )]),
        ),
        ("module", make.dir(vec![])),
        ("power", make.dir(vec![])),
    ]);
    generated(root, "sysfs", SYSFS_MAGIC, make.dev)
}
