//! Wait queues: what a task, a host-side future or an epoll instance sleeps on.
//!
//! Entries are one-shot: waking drains the queue, and whoever still isn't satisfied registers again. A task's entry
//! carries the number of the wait it belongs to, so an entry left behind in another queue can't wake a later wait.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;

use super::task::Task;

enum Waiter {
    Task(Weak<Task>, u64),
    Future(Waker),
}

impl Waiter {
    fn is_stale(&self) -> bool {
        match self {
            Waiter::Task(task, wait) => task
                .upgrade()
                .is_none_or(|task| task.wait_number.get() != *wait),
            Waiter::Future(_) => false,
        }
    }
}

/// A queue of sleepers, with a count of the events that it has seen.
#[derive(Default)]
pub struct WaitQueue {
    waiters: RefCell<Vec<Waiter>>,
    events: Cell<u64>,
}

/// Above this many entries, stale ones are looked for before another is added.
const PRUNE_AT: usize = 32;

impl WaitQueue {
    /// An empty queue.
    pub fn new() -> WaitQueue {
        WaitQueue::default()
    }

    fn push(&self, waiter: Waiter) {
        let mut waiters = self.waiters.borrow_mut();
        if waiters.len() >= PRUNE_AT && waiters.len() == waiters.capacity() {
            waiters.retain(|waiter| !waiter.is_stale());
        }
        waiters.push(waiter);
    }

    /// Wakes `task` at the next event, if it then still is in the wait that it is about to begin.
    pub fn add_task(&self, task: &Rc<Task>) {
        self.push(Waiter::Task(Rc::downgrade(task), task.wait_number.get()));
    }

    /// Wakes a future at the next event.
    pub fn add_waker(&self, waker: &Waker) {
        let known =
            |waiter: &Waiter| matches!(waiter, Waiter::Future(other) if other.will_wake(waker));
        if !self.waiters.borrow().iter().any(known) {
            self.push(Waiter::Future(waker.clone()));
        }
    }

    /// Something happened: everyone looks again.
    pub fn wake(&self) {
        self.events.set(self.events.get().wrapping_add(1));
        if self.waiters.borrow().is_empty() {
            return;
        }
        let waiters = std::mem::take(&mut *self.waiters.borrow_mut());
        for waiter in waiters {
            match waiter {
                Waiter::Task(task, wait) => {
                    if let Some(task) = task.upgrade() {
                        task.wake_from(wait);
                    }
                }
                Waiter::Future(waker) => waker.wake(),
            }
        }
    }

    /// How often it was woken; edge-triggered epoll compares this.
    pub fn events(&self) -> u64 {
        self.events.get()
    }
}

/// Who asks a file for its readiness, and whether they want to be woken when it changes.
pub struct PollTable<'a> {
    who: Who<'a>,
    events: u64,
}

enum Who<'a> {
    Nobody,
    Task(&'a Rc<Task>),
    Future(&'a Waker),
}

impl<'a> PollTable<'a> {
    /// Only asks.
    pub fn peek() -> PollTable<'static> {
        PollTable {
            who: Who::Nobody,
            events: 0,
        }
    }

    /// Asks, and wakes the task at a change.
    pub fn for_task(task: &'a Rc<Task>) -> PollTable<'a> {
        PollTable {
            who: Who::Task(task),
            events: 0,
        }
    }

    /// Asks, and wakes the future at a change.
    pub fn for_future(waker: &'a Waker) -> PollTable<'a> {
        PollTable {
            who: Who::Future(waker),
            events: 0,
        }
    }

    /// A file names each queue that announces changes of its readiness.
    pub fn add(&mut self, queue: &WaitQueue) {
        self.events = self.events.wrapping_add(queue.events());
        match self.who {
            Who::Nobody => {}
            Who::Task(task) => queue.add_task(task),
            Who::Future(waker) => queue.add_waker(waker),
        }
    }

    /// The sum of the queues' event counts: it changes whenever any of them was woken.
    pub fn events(&self) -> u64 {
        self.events
    }
}
