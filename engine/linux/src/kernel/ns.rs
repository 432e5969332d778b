//! Namespaces: PID, UTS, IPC, mount, network.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use bottleship_abi::Errno;
use bottleship_vfs::MountNs;

use super::task::{Process, ProcessGroup, Task};
use super::tty::PtyTable;
use crate::net::NetNs;

/// `kernel.pid_max` of a namespace.
pub const PID_MAX: u32 = 4_194_304;

/// Process numbers. A process has one in its namespace and one in each of the namespaces around it.
pub struct PidNs {
    /// Names the namespace in `/proc/PID/ns/pid`.
    pub ino: u64,
    pub level: usize,
    pub parent: Option<Rc<PidNs>>,
    tasks: RefCell<BTreeMap<u32, Weak<Task>>>,
    processes: RefCell<BTreeMap<u32, Weak<Process>>>,
    groups: RefCell<BTreeMap<u32, Weak<ProcessGroup>>>,
    last: Cell<u32>,
    /// Set once its first process is gone: nothing more can be made in it.
    pub dead: Cell<bool>,
    pub init: RefCell<Weak<Process>>,
}

impl PidNs {
    /// A namespace below `parent`.
    pub fn new(ino: u64, parent: Option<Rc<PidNs>>) -> Rc<PidNs> {
        // The host counts as one that was booted: nobody there is taken for PID 1.
        let first = if parent.is_some() { 1 } else { 300 };
        Rc::new(PidNs {
            ino,
            level: parent.as_ref().map_or(0, |parent| parent.level + 1),
            parent,
            tasks: RefCell::default(),
            processes: RefCell::default(),
            groups: RefCell::default(),
            last: Cell::new(first - 1),
            dead: Cell::new(false),
            init: RefCell::default(),
        })
    }

    /// A namespace in another one; `ENOSPC` beyond 32 levels.
    pub fn nested(ino: u64, parent: Rc<PidNs>) -> Result<Rc<PidNs>, Errno> {
        if parent.level >= 32 {
            Err(Errno::ENOSPC)
        } else {
            Ok(PidNs::new(ino, Some(parent)))
        }
    }

    /// A number for a new task here and in every namespace around, outermost first.
    pub fn allocate(self: &Rc<PidNs>) -> Result<Vec<(Rc<PidNs>, u32)>, Errno> {
        if self.dead.get() {
            return Err(Errno::ENOMEM);
        }
        let mut numbers = match &self.parent {
            Some(parent) => parent.allocate()?,
            None => Vec::with_capacity(2),
        };
        let mut number = self.last.get();
        loop {
            number = if number + 1 >= PID_MAX {
                300
            } else {
                number + 1
            };
            if !self.tasks.borrow().contains_key(&number)
                && !self.processes.borrow().contains_key(&number)
                && self.group(number).is_none()
            {
                break;
            }
            if number == self.last.get() {
                return Err(Errno::EAGAIN);
            }
        }
        self.last.set(number);
        numbers.push((self.clone(), number));
        Ok(numbers)
    }

    /// The number given out last.
    pub fn last(&self) -> u32 {
        self.last.get()
    }

    /// The task with this number.
    pub fn task(&self, number: u32) -> Option<Rc<Task>> {
        self.tasks.borrow().get(&number)?.upgrade()
    }

    /// The process with this number, zombies included.
    pub fn process(&self, number: u32) -> Option<Rc<Process>> {
        self.processes.borrow().get(&number)?.upgrade()
    }

    /// The process group with this number.
    pub fn group(&self, number: u32) -> Option<Rc<ProcessGroup>> {
        self.groups
            .borrow()
            .get(&number)?
            .upgrade()
            .filter(|group| !group.processes().is_empty())
    }

    /// All processes, by number, zombies included.
    pub fn processes(&self) -> Vec<(u32, Rc<Process>)> {
        self.processes
            .borrow()
            .iter()
            .filter_map(|(&n, p)| Some((n, p.upgrade()?)))
            .collect()
    }

    pub(crate) fn add_task(task: &Rc<Task>) {
        for (ns, number) in &task.numbers {
            ns.tasks.borrow_mut().insert(*number, Rc::downgrade(task));
        }
    }

    pub(crate) fn add_process(process: &Rc<Process>) {
        for (ns, number) in &process.numbers {
            ns.processes
                .borrow_mut()
                .insert(*number, Rc::downgrade(process));
            if *number == 1 {
                ns.init.replace(Rc::downgrade(process));
            }
        }
    }

    /// Registers a group under the numbers of its leader.
    pub(crate) fn add_group(group: &Rc<ProcessGroup>, leader: &Process) {
        for (ns, number) in &leader.numbers {
            let mut groups = ns.groups.borrow_mut();
            if groups.len() > 256 && groups.len() == groups.len().next_power_of_two() {
                groups.retain(|_, group| group.strong_count() > 0);
            }
            groups.insert(*number, Rc::downgrade(group));
        }
    }

    pub(crate) fn remove_task(numbers: &[(Rc<PidNs>, u32)]) {
        for (ns, number) in numbers {
            ns.tasks.borrow_mut().remove(number);
        }
    }

    pub(crate) fn remove_process(process: &Process) {
        for (ns, number) in &process.numbers {
            ns.processes.borrow_mut().remove(number);
            let mut groups = ns.groups.borrow_mut();
            if groups
                .get(number)
                .is_some_and(|group| group.strong_count() == 0)
            {
                groups.remove(number);
            }
        }
    }
}

/// Host and domain name.
pub struct UtsNs {
    pub ino: u64,
    pub hostname: RefCell<Vec<u8>>,
    pub domainname: RefCell<Vec<u8>>,
}

/// System V shared memory. (Semaphores and message queues don't exist here.)
pub struct IpcNs {
    pub ino: u64,
    pub segments: crate::syscall::shm::Segments,
    /// Its settings in `/proc/sys` that were changed, by their path below `/proc`.
    pub settings: RefCell<BTreeMap<&'static str, String>>,
}

impl IpcNs {
    /// An empty one.
    pub fn new(ino: u64) -> Rc<IpcNs> {
        Rc::new(IpcNs {
            ino,
            segments: Default::default(),
            settings: RefCell::default(),
        })
    }
}

/// The namespaces a process is in. Cheap to clone.
#[derive(Clone)]
pub struct Namespaces {
    pub(crate) pid: Rc<PidNs>,
    pub(crate) uts: Rc<UtsNs>,
    pub(crate) ipc: Rc<IpcNs>,
    pub(crate) mnt: Rc<MountNs>,
    pub(crate) mnt_ino: u64,
    pub(crate) net: NetNs,
    /// The pseudo-terminals of the `/dev/pts` that belongs to these namespaces.
    pub(crate) ptys: Rc<PtyTable>,
}

impl Namespaces {
    /// The mounts.
    pub fn mounts(&self) -> &Rc<MountNs> {
        &self.mnt
    }

    /// The network.
    pub fn net(&self) -> &NetNs {
        &self.net
    }

    /// The same, but with the processes of `other` (`--pid container:ID`).
    pub fn with_pid_of(self, other: &Namespaces) -> Namespaces {
        Namespaces {
            pid: other.pid.clone(),
            ..self
        }
    }

    /// The same, but with the host name of `other` (`--uts container:ID`).
    pub fn with_uts_of(self, other: &Namespaces) -> Namespaces {
        Namespaces {
            uts: other.uts.clone(),
            ..self
        }
    }

    /// The same, but with the IPC of `other` (`--ipc container:ID`).
    pub fn with_ipc_of(self, other: &Namespaces) -> Namespaces {
        Namespaces {
            ipc: other.ipc.clone(),
            ..self
        }
    }

    /// Sets the NIS domain name.
    pub fn set_domainname(&self, name: &[u8]) {
        self.uts.domainname.replace(name.to_vec());
    }

    /// The host name (`docker rename` doesn't change it, `hostname(1)` in the container does).
    pub fn hostname(&self) -> Vec<u8> {
        self.uts.hostname.borrow().clone()
    }
}

/// Which namespaces [`Kernel::new_ns`](crate::Kernel::new_ns) makes; what isn't made is the base's.
pub struct NsSpec {
    /// The namespaces to take the others from.
    pub base: Namespaces,
    /// A PID namespace of its own; the first process spawned becomes its init.
    pub pid: bool,
    /// A host name of its own.
    pub uts: Option<Vec<u8>>,
    /// An IPC namespace of its own.
    pub ipc: bool,
    /// The mounts.
    pub mnt: Rc<MountNs>,
    /// The network.
    pub net: NetChoice,
}

/// The network of new namespaces.
pub enum NetChoice {
    /// The base's (`--network host`, `container:ID`).
    Shared,
    /// A new one with nothing but a loopback that is down until configured.
    New,
    /// A given one.
    Join(NetNs),
}
