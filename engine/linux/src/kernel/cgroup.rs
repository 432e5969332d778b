//! Control groups: memory, pids and cpu limits, the freezer, accounting (cgroup v2 semantics).

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use bottleship_abi::{Errno, Signal};

use super::sched::Sched;
use super::task::{Process, Task};

/// Limits; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together; there is no swap, so it is only reported.
    pub swap: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// CPU time in µs per period.
    pub cpu_quota: Option<u64>,
    /// The period in µs; 100 000 when absent.
    pub cpu_period: Option<u64>,
    /// Relative weight, 1024 when absent.
    pub cpu_shares: Option<u64>,
}

/// A snapshot of the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes in use.
    pub memory_usage: u64,
    /// The most there ever were.
    pub memory_max_usage: u64,
    /// The limit, if there is one.
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    pub pids: u64,
    /// Their limit.
    pub pids_limit: Option<u64>,
    /// CPU time in ns.
    pub cpu_ns: u64,
    /// Of it in system calls (each counts a nominal time).
    pub system_ns: u64,
    /// Processes killed for want of memory.
    pub oom_kills: u64,
    /// Periods in which the CPU quota was used up.
    pub throttled: u64,
    /// Bytes read and written through `read` and `write` on files of file systems.
    pub io_read: u64,
    pub io_written: u64,
}

/// A control group. Cheap to clone.
#[derive(Clone)]
pub struct Cgroup(pub(crate) Rc<Group>);

/// What a control group consists of.
pub struct Group {
    pub path: String,
    parent: Option<Cgroup>,
    limits: Cell<Limits>,
    memory: Cell<u64>,
    memory_max: Cell<u64>,
    tasks: Cell<u64>,
    members: RefCell<Vec<Weak<Process>>>,
    cpu_ns: Cell<u64>,
    system_ns: Cell<u64>,
    oom_kills: Cell<u64>,
    oom: Cell<bool>,
    frozen: Cell<bool>,
    /// Used in the current period, and when that began (monotonic ns).
    period_used: Cell<u64>,
    period_start: Cell<u64>,
    throttled: Cell<u64>,
    /// Tasks set aside until it thaws or the period ends.
    aside: RefCell<Vec<Rc<Task>>>,
    sched: Rc<Sched>,
    pub io_read: Cell<u64>,
    pub io_written: Cell<u64>,
}

impl Cgroup {
    pub(crate) fn new(
        path: String,
        parent: Option<Cgroup>,
        limits: Limits,
        sched: Rc<Sched>,
    ) -> Cgroup {
        Cgroup(Rc::new(Group {
            path,
            parent,
            limits: Cell::new(limits),
            memory: Cell::new(0),
            memory_max: Cell::new(0),
            tasks: Cell::new(0),
            members: RefCell::default(),
            cpu_ns: Cell::new(0),
            system_ns: Cell::new(0),
            oom_kills: Cell::new(0),
            oom: Cell::new(false),
            frozen: Cell::new(false),
            period_used: Cell::new(0),
            period_start: Cell::new(0),
            throttled: Cell::new(0),
            aside: RefCell::default(),
            sched,
            io_read: Cell::new(0),
            io_written: Cell::new(0),
        }))
    }

    fn ancestry(&self) -> impl Iterator<Item = &Cgroup> {
        std::iter::successors(Some(self), |group| group.0.parent.as_ref())
    }

    /// Its path in the hierarchy.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        self.0.limits.get()
    }

    /// `docker update`: the new limits take effect at once.
    pub fn update(&self, limits: Limits) {
        self.0.limits.set(limits);
        self.release();
    }

    /// `docker pause`.
    pub fn freeze(&self) {
        self.0.frozen.set(true);
    }

    /// `docker unpause`.
    pub fn thaw(&self) {
        self.0.frozen.set(false);
        self.release();
    }

    /// Whether it is frozen, itself or by a group around it.
    pub fn is_frozen(&self) -> bool {
        self.ancestry().any(|group| group.0.frozen.get())
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        let group = &self.0;
        Stats {
            memory_usage: group.memory.get(),
            memory_max_usage: group.memory_max.get(),
            memory_limit: group.limits.get().memory,
            pids: group.tasks.get(),
            pids_limit: group.limits.get().pids,
            cpu_ns: group.cpu_ns.get(),
            system_ns: group.system_ns.get(),
            oom_kills: group.oom_kills.get(),
            throttled: group.throttled.get(),
            io_read: group.io_read.get(),
            io_written: group.io_written.get(),
        }
    }

    /// Its living processes.
    pub(crate) fn processes(&self) -> Vec<Rc<Process>> {
        let mut members = self.0.members.borrow_mut();
        members.retain(|member| member.strong_count() > 0);
        members
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|process| !process.is_zombie())
            .collect()
    }

    /// The PIDs (in the host's namespace) of its living processes.
    pub fn pids(&self) -> Vec<u32> {
        self.processes().iter().map(|process| process.pid).collect()
    }

    /// Signals every process.
    pub fn kill_all(&self, signal: Signal) {
        for process in self.processes() {
            super::signal::send_to_process(&process, super::signal::by_kernel(signal));
        }
    }

    /// Whether a process was killed because the memory limit was reached.
    pub fn oom_killed(&self) -> bool {
        self.0.oom.get()
    }

    pub(crate) fn note_oom_kill(&self) {
        for group in self.ancestry() {
            group.0.oom_kills.set(group.0.oom_kills.get() + 1);
            group.0.oom.set(true);
        }
    }

    /// Takes `bytes`; the group whose limit is in the way otherwise.
    pub(crate) fn charge(&self, bytes: u64) -> Result<(), Cgroup> {
        let over = self.ancestry().find(|group| {
            group
                .0
                .limits
                .get()
                .memory
                .is_some_and(|limit| group.0.memory.get().saturating_add(bytes) > limit)
        });
        match over {
            Some(group) => Err(group.clone()),
            None => {
                self.charge_anyway(bytes);
                Ok(())
            }
        }
    }

    /// Takes `bytes` whatever the limit says: for what the kernel can't refuse any more.
    pub(crate) fn charge_anyway(&self, bytes: u64) {
        for group in self.ancestry() {
            let now = group.0.memory.get().saturating_add(bytes);
            group.0.memory.set(now);
            group.0.memory_max.set(group.0.memory_max.get().max(now));
        }
    }

    /// Bytes beyond the limit.
    pub(crate) fn excess(&self) -> u64 {
        self.0
            .limits
            .get()
            .memory
            .map_or(0, |limit| self.0.memory.get().saturating_sub(limit))
    }

    /// The group around it (or itself) that uses more than its limit.
    pub(crate) fn over_limit(&self) -> Option<Cgroup> {
        self.ancestry()
            .find(|group| {
                group
                    .0
                    .limits
                    .get()
                    .memory
                    .is_some_and(|limit| group.0.memory.get() > limit)
            })
            .cloned()
    }

    pub(crate) fn uncharge(&self, bytes: u64) {
        for group in self.ancestry() {
            group
                .0
                .memory
                .set(group.0.memory.get().saturating_sub(bytes));
        }
    }

    /// Counts a new task; `EAGAIN` at the pids limit.
    pub(crate) fn add_task(&self) -> Result<(), Errno> {
        let full = |group: &Cgroup| {
            group
                .0
                .limits
                .get()
                .pids
                .is_some_and(|limit| group.0.tasks.get() >= limit)
        };
        if self.ancestry().any(full) {
            return Err(Errno::EAGAIN);
        }
        for group in self.ancestry() {
            group.0.tasks.set(group.0.tasks.get() + 1);
        }
        Ok(())
    }

    pub(crate) fn remove_task(&self) {
        for group in self.ancestry() {
            group.0.tasks.set(group.0.tasks.get().saturating_sub(1));
        }
    }

    pub(crate) fn add_process(&self, process: &Rc<Process>) {
        for group in self.ancestry() {
            let mut members = group.0.members.borrow_mut();
            if members.len() == members.capacity() {
                members.retain(|member| member.strong_count() > 0);
            }
            members.push(Rc::downgrade(process));
        }
    }

    /// Accounts CPU time, of which `system` in system calls.
    pub(crate) fn spend(&self, ns: u64, system: u64) {
        for group in self.ancestry() {
            group.0.cpu_ns.set(group.0.cpu_ns.get() + ns);
            group.0.system_ns.set(group.0.system_ns.get() + system);
            group.0.period_used.set(group.0.period_used.get() + ns);
        }
    }

    fn period_ns(&self) -> u64 {
        self.0
            .limits
            .get()
            .cpu_period
            .unwrap_or(100_000)
            .max(1000)
            .saturating_mul(1000)
    }

    /// Nanoseconds of quota left at `now`; `Err` with the time at which there is some again.
    pub(crate) fn allowance(&self, now: u64) -> Result<u64, u64> {
        let mut least = u64::MAX;
        for group in self.ancestry() {
            let Some(quota) = group.0.limits.get().cpu_quota else {
                continue;
            };
            let (period, quota) = (group.period_ns(), quota.max(1000).saturating_mul(1000));
            let started = group.0.period_start.get();
            let passed = now.saturating_sub(started) / period;
            if passed > 0 {
                let used = group
                    .0
                    .period_used
                    .get()
                    .saturating_sub(quota.saturating_mul(passed));
                group.0.period_used.set(used);
                group.0.period_start.set(started + passed * period);
            }
            let left = quota.saturating_sub(group.0.period_used.get());
            if left == 0 {
                group.0.throttled.set(group.0.throttled.get() + 1);
                return Err(group.0.period_start.get() + period);
            }
            least = least.min(left);
        }
        Ok(least)
    }

    /// Its share of a turn, in 1/1024.
    pub(crate) fn weight(&self) -> u64 {
        self.0
            .limits
            .get()
            .cpu_shares
            .unwrap_or(1024)
            .clamp(2, 262_144)
    }

    /// Sets a task aside until [`Cgroup::release`].
    pub(crate) fn set_aside(&self, task: Rc<Task>) {
        self.0.aside.borrow_mut().push(task);
    }

    /// Lets the tasks that were set aside run again.
    pub(crate) fn release(&self) {
        let aside = self.0.aside.take();
        for task in aside {
            self.0.sched.enqueue(&task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(limits: Limits) -> (Cgroup, Cgroup) {
        let sched = Rc::new(Sched::default());
        let root = Limits {
            memory: Some(1000),
            pids: Some(3),
            ..Limits::default()
        };
        let root = Cgroup::new("/".into(), None, root, sched.clone());
        (
            root.clone(),
            Cgroup::new("/a".into(), Some(root), limits, sched),
        )
    }

    #[test]
    fn memory_is_charged_up_the_tree() {
        let (root, group) = pair(Limits {
            memory: Some(500),
            ..Limits::default()
        });
        assert!(group.charge(400).is_ok());
        assert_eq!(
            group.charge(200).err().map(|g| g.path().to_owned()),
            Some("/a".to_owned())
        );
        assert!(root.charge(500).is_ok());
        assert_eq!(group.charge(100).err().map(|g| g.path().to_owned()), None);
        assert_eq!(
            group.charge(1).err().map(|g| g.path().to_owned()),
            Some("/a".to_owned())
        );
        group.uncharge(500);
        assert_eq!(
            (group.stats().memory_usage, root.stats().memory_usage),
            (0, 500)
        );
        assert_eq!(group.stats().memory_max_usage, 500);
    }

    #[test]
    fn tasks_are_counted_up_the_tree() {
        let (root, group) = pair(Limits {
            pids: Some(2),
            ..Limits::default()
        });
        assert!(root.add_task().is_ok() && root.add_task().is_ok() && group.add_task().is_ok());
        assert_eq!(group.add_task(), Err(Errno::EAGAIN));
        root.remove_task();
        assert!(group.add_task().is_ok());
        root.remove_task();
        assert_eq!(group.add_task(), Err(Errno::EAGAIN));
    }

    #[test]
    fn a_quota_lasts_for_its_period() {
        let (_, group) = pair(Limits {
            cpu_quota: Some(10_000),
            cpu_period: Some(100_000),
            ..Limits::default()
        });
        assert_eq!(group.allowance(0), Ok(10_000_000));
        group.spend(25_000_000, 0);
        assert_eq!(group.allowance(1), Err(100_000_000));
        // What was overdrawn counts against the next periods.
        assert_eq!(group.allowance(100_000_000), Err(200_000_000));
        assert_eq!(group.allowance(200_000_000), Ok(5_000_000));
        assert_eq!(group.stats().throttled, 2);
    }
}
