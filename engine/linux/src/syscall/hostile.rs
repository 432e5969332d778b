//! System calls with arbitrary arguments: whatever a guest passes, the kernel doesn't panic and comes back.

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_vfs::{CreatePerm, MountFlags, MountNs, NewNode, Quota, Tmpfs};

use super::{Cx, Restart, dispatch, table};
use crate::kernel::Kernel;
use crate::kernel::task::{ParkedCall, Task};
use crate::{KernelConfig, Limits, ProcessSpec, Stdio};

const CODE: u64 = 0x40_0000;

/// A program that only jumps to itself.
fn program() -> Vec<u8> {
    let mut image = vec![0; 64];
    image[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    image[16] = 2;
    image[18] = 62;
    image[24..32].copy_from_slice(&(CODE + 120).to_le_bytes());
    image[32] = 64;
    image[54] = 56;
    image[56] = 1;
    image.extend(1u32.to_le_bytes());
    image.extend(7u32.to_le_bytes());
    for word in [0, CODE, CODE, 122, 8192, 4096] {
        image.extend(u64::to_le_bytes(word));
    }
    image.extend([0xeb, 0xfe]);
    image
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    /// An argument of a kind that gets past the first check now and then.
    fn argument(&mut self) -> u64 {
        match self.below(14) {
            0 => 0,
            1 => self.below(8),
            2 => self.below(64),
            3 => u64::MAX,
            4 => 1 << self.below(64),
            5 => CODE + self.below(8192),
            6 => CODE + 4096,
            7 => CODE + 4096 + self.below(128) * 8,
            8 => self.below(5),
            9 => (-(self.below(200) as i64)) as u64,
            10 => self.below(1 << 17),
            11 => (1 << 63) - self.below(3),
            12 => -100i64 as u64,
            _ => self.next(),
        }
    }
}

/// A number from the environment, to look further than the default.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A process in a root file system of its own: the last one's may be in any state.
fn spawn(kernel: &Kernel) -> Rc<Task> {
    let root = Tmpfs::new(&kernel.clock(), Quota::new(64 << 20, 10_000)).unwrap();
    let mounts = MountNs::new(root, "rootfs", MountFlags::empty());
    kernel.set_host_mounts(mounts.clone());
    let top = mounts.root();
    let perm = CreatePerm {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let file = top.inode().create(b"program", NewNode::File, perm).unwrap();
    file.write_at(0, &program()).unwrap();
    for (name, kind) in [("proc", "proc"), ("dev", "devpts"), ("sys", "sysfs")] {
        top.inode()
            .create(name.as_bytes(), NewNode::Dir, perm)
            .unwrap();
        let creds = bottleship_vfs::Creds::root();
        let walk = bottleship_vfs::Walk {
            root: &top,
            cwd: &top,
            creds: &creds,
        };
        let at = walk
            .resolve(name.as_bytes(), bottleship_vfs::ResolveFlags::empty())
            .unwrap();
        let fs = kernel.filesystem(&kernel.host_ns(), kind).unwrap();
        mounts.mount(&at, fs, kind, MountFlags::empty()).unwrap();
    }
    let ns = kernel.host_ns();
    let limits = Limits {
        memory: Some(32 << 20),
        pids: Some(40),
        ..Limits::default()
    };
    let group = kernel.new_cgroup("test", limits);
    let mut spec = ProcessSpec::new(vec![b"/program".to_vec()]);
    let (_, stdin) = kernel.pipe_to_guest();
    spec.stdio = [stdin, Stdio::Null, Stdio::Null];
    spec.stopped = true;
    let process = kernel.spawn(&ns, &group, spec).expect("the program starts");
    let task = kernel.0.tasks.borrow()[&process.pid()].clone();
    process.start();
    task
}

#[test]
fn arbitrary_arguments_are_survived() {
    let kernel = Kernel::new(KernelConfig {
        memory_limit: 64 << 20,
        ..KernelConfig::default()
    });
    const NAMES: [&str; 10] = [
        "/program",
        ".",
        "x",
        "/proc/self/fd/0",
        "/proc/self/maps",
        "/dev/ptmx",
        "a/b",
        "tmpfs",
        "/sys",
        "user.x",
    ];
    let seed = number("BOTTLESHIP_SEED").unwrap_or(0x9e37_79b9);
    let mut random = Random(seed);
    let mut task = spawn(&kernel);
    let rounds = number("BOTTLESHIP_ROUNDS").unwrap_or(30_000);
    for round in 0..rounds {
        kernel.set_time(round, round * 1000);
        if task.process.is_zombie() || task.mm().is_err() || random.below(3000) == 0 {
            kernel
                .0
                .exit_group(&task.process, crate::ExitStatus::Code(0));
            task = spawn(&kernel);
        }
        let cx = Cx {
            k: &kernel.0,
            t: &task,
        };
        kernel.0.set_current(&task);
        // Names and numbers for pointers to point at.
        if let Ok(mm) = task.mm() {
            let name = NAMES[random.below(NAMES.len() as u64) as usize];
            let _ = mm.write(CODE + 4096, &[name.as_bytes(), b"\0"].concat());
            for slot in 16..48 {
                let value = random.argument();
                let _ = mm.write(CODE + 4096 + slot * 8, &value.to_le_bytes());
            }
        }
        let row = &table::ROWS[random.below(table::ROWS.len() as u64) as usize];
        let args = [(); 6].map(|()| random.argument());
        let call = ParkedCall {
            number: row.number,
            args,
            restart: Restart::Sys,
        };
        let _ = dispatch(&cx, &call);
        task.resume.replace(None);
        task.saved_mask.set(None);
        task.wait_number.set(task.wait_number.get() + 1);
        if round % 64 == 0 {
            kernel.run(20_000);
        }
    }
    assert!(kernel.root_cgroup().stats().pids <= 4096);
    let left: Vec<Rc<Task>> = kernel.0.tasks.borrow().values().cloned().collect();
    for task in left {
        kernel
            .0
            .exit_group(&task.process, crate::ExitStatus::Code(0));
    }
    assert_eq!(kernel.root_cgroup().stats().pids, 0);
    assert_eq!(kernel.root_cgroup().stats().memory_usage, 0);
    assert_eq!(dispatch_unknown(&kernel), Err(Errno::ENOSYS));
}

/// A number that no call has.
fn dispatch_unknown(kernel: &Kernel) -> Result<u64, Errno> {
    let task = spawn(kernel);
    let call = ParkedCall {
        number: 9999,
        args: [0; 6],
        restart: Restart::Sys,
    };
    match dispatch(
        &Cx {
            k: &kernel.0,
            t: &task,
        },
        &call,
    ) {
        Err(super::Stop::Fail(errno)) => Err(errno),
        other => panic!("{other:?}"),
    }
}
