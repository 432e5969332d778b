//! Timers: what happens at a time of the monotonic clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use bottleship_abi::Signal;
use bottleship_abi::signal::{SI_TIMER, SigDetail, SigInfo};

use super::cgroup::{Cgroup, Group};
use super::signal::{Sent, by_kernel, send_to_process};
use super::task::{Process, Task};
use super::timerfd::TimerFd;
use super::wait::WaitQueue;

/// One of `setitimer(2)`'s timers. For `ITIMER_REAL`, `next` is a time; for the others, CPU time left.
#[derive(Clone, Copy, Debug, Default)]
pub struct Itimer {
    pub next: Option<u64>,
    pub interval: u64,
}

/// A timer of `timer_create(2)`.
#[derive(Clone, Copy, Debug)]
pub struct PosixTimer {
    pub clock: u32,
    /// `None` for `SIGEV_NONE`.
    pub signal: Option<Signal>,
    pub value: u64,
    /// For `SIGEV_THREAD_ID`: the thread, in the host's PID namespace.
    pub thread: Option<u32>,
    pub next: Option<u64>,
    pub interval: u64,
    pub overrun: u32,
}

/// Who is told.
pub enum Alarm {
    /// A task in this wait.
    Task(Weak<Task>, u64),
    Itimer(Weak<Process>),
    Posix(Weak<Process>, usize),
    TimerFd(Weak<TimerFd>),
    /// Tasks out of CPU quota.
    Quota(Weak<Group>),
    /// Host-side futures (the sleep of a builtin).
    Queue(Weak<WaitQueue>),
}

/// All timers of a kernel, by time.
#[derive(Default)]
pub struct Timers {
    alarms: RefCell<BTreeMap<(u64, u64), Alarm>>,
    last: Cell<u64>,
    /// At this many entries, those that mean nothing any more are looked for.
    prune_at: Cell<usize>,
}

/// Fewer entries than this aren't worth looking through.
const PRUNE_MIN: usize = 1024;

impl Timers {
    /// Sets one.
    pub fn add(&self, at: u64, alarm: Alarm) {
        let id = self.last.get() + 1;
        self.last.set(id);
        let mut alarms = self.alarms.borrow_mut();
        if alarms.len() >= self.prune_at.get().max(PRUNE_MIN) {
            alarms.retain(|key, alarm| alarm.is_live(key.0));
            self.prune_at.set(alarms.len() * 2);
        }
        alarms.insert((at, id), alarm);
    }

    /// How many entries there are, those that mean nothing any more included.
    pub fn len(&self) -> usize {
        self.alarms.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time of the first one that still means something.
    pub fn next(&self) -> Option<u64> {
        let mut alarms = self.alarms.borrow_mut();
        while let Some(first) = alarms.first_entry() {
            if first.get().is_live(first.key().0) {
                return Some(first.key().0);
            }
            first.remove();
        }
        None
    }

    /// Carries out everything due at `now`.
    pub fn expire(&self, now: u64) {
        loop {
            let alarm = {
                let mut alarms = self.alarms.borrow_mut();
                match alarms.first_entry() {
                    Some(first) if first.key().0 <= now => first.remove_entry(),
                    _ => return,
                }
            };
            let ((at, _), alarm) = alarm;
            if alarm.is_live(at) {
                self.fire(alarm, at, now);
            }
        }
    }

    fn fire(&self, alarm: Alarm, at: u64, now: u64) {
        match alarm {
            Alarm::Task(task, wait) => {
                if let Some(task) = task.upgrade() {
                    task.wake_from(wait);
                }
            }
            Alarm::Itimer(weak) => {
                let Some(process) = weak.upgrade() else {
                    return;
                };
                let next = {
                    let timer = &mut process.itimers.borrow_mut()[0];
                    timer.next = following(at, timer.interval, now).map(|(next, _)| next);
                    timer.next
                };
                if let Some(next) = next {
                    self.add(next, Alarm::Itimer(weak));
                }
                send_to_process(&process, by_kernel(Signal::SIGALRM));
            }
            Alarm::Posix(weak, id) => {
                let Some(process) = weak.upgrade() else {
                    return;
                };
                let timer = {
                    let mut timers = process.timers.borrow_mut();
                    let Some(Some(timer)) = timers.get_mut(id) else {
                        return;
                    };
                    let following = following(at, timer.interval, now);
                    timer.next = following.map(|(next, _)| next);
                    timer.overrun =
                        following.map_or(0, |(_, missed)| missed.min(i32::MAX as u64) as u32);
                    *timer
                };
                if let Some(next) = timer.next {
                    self.add(next, Alarm::Posix(weak, id));
                }
                if let Some(signal) = timer.signal {
                    let detail = SigDetail::Timer {
                        id: id as u32,
                        overrun: timer.overrun,
                        value: timer.value,
                    };
                    let sent = Sent {
                        info: SigInfo {
                            signal,
                            code: SI_TIMER,
                            detail,
                        },
                        from: None,
                    };
                    let thread = process
                        .tasks()
                        .into_iter()
                        .find(|task| Some(task.tid) == timer.thread);
                    match thread {
                        Some(task) => super::signal::send_to_task(&task, sent),
                        None => send_to_process(&process, sent),
                    }
                }
            }
            Alarm::TimerFd(timer) => {
                if let Some(timer) = timer.upgrade()
                    && let Some(next) = timer.expired(at, now)
                {
                    self.add(next, Alarm::TimerFd(Rc::downgrade(&timer)));
                }
            }
            Alarm::Quota(group) => {
                if let Some(group) = group.upgrade() {
                    Cgroup(group).release();
                }
            }
            Alarm::Queue(queue) => {
                if let Some(queue) = queue.upgrade() {
                    queue.wake();
                }
            }
        }
    }
}

/// When a timer that was due at `at` is due again after `now`, and how many times it was missed.
pub fn following(at: u64, interval: u64, now: u64) -> Option<(u64, u64)> {
    if interval == 0 {
        return None;
    }
    let missed = now.saturating_sub(at) / interval;
    Some((
        at.saturating_add(interval.saturating_mul(missed + 1)),
        missed,
    ))
}

impl Alarm {
    fn is_live(&self, at: u64) -> bool {
        match self {
            Alarm::Task(task, wait) => task.upgrade().is_some_and(|task| task.wait_number.get() == *wait),
            Alarm::Itimer(process) => {
                process.upgrade().is_some_and(|process| process.itimers.borrow()[0].next == Some(at))
            }
            Alarm::Posix(process, id) => process.upgrade().is_some_and(|process| {
                matches!(process.timers.borrow().get(*id), Some(Some(timer)) if timer.next == Some(at))
            }),
            Alarm::TimerFd(timer) => timer.upgrade().is_some_and(|timer| timer.is_due_at(at)),
            Alarm::Quota(group) => group.strong_count() > 0,
            Alarm::Queue(queue) => queue.strong_count() > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_that_were_missed_are_counted() {
        assert_eq!(following(100, 0, 100), None);
        assert_eq!(following(100, 10, 100), Some((110, 0)));
        assert_eq!(following(100, 10, 135), Some((140, 3)));
    }

    #[test]
    fn what_means_nothing_any_more_is_forgotten() {
        let timers = Timers::default();
        let kept = Rc::new(WaitQueue::new());
        timers.add(5, Alarm::Queue(Rc::downgrade(&kept)));
        for at in 0..10_000 {
            timers.add(at, Alarm::Queue(Rc::downgrade(&Rc::new(WaitQueue::new()))));
        }
        assert!(timers.len() <= 2 * PRUNE_MIN, "{}", timers.len());
        assert_eq!(timers.next(), Some(5));
        timers.expire(5);
        assert_eq!(kept.events(), 1);
        assert_eq!(timers.next(), None);
    }
}
