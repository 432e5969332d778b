//! Futexes.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};

use super::task::{Resume, Task};

/// What a futex is known by: the memory and address of a private one, the file and offset of a shared one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    pub object: usize,
    pub offset: u64,
}

/// A task in a futex's queue.
pub struct Waiter {
    task: Weak<Task>,
    tid: u32,
    wait: Cell<u64>,
    bitset: u32,
    pub woken: Cell<bool>,
    key: Cell<Key>,
}

impl Waiter {
    /// The task waits again, in the same place of the queue.
    pub fn renew(&self, task: &Task) {
        self.wait.set(task.wait_number.get());
    }
}

/// What a waiting task keeps of it, with its deadline.
pub type FutexWait = (Rc<Waiter>, Option<u64>);

/// All futexes that someone waits on.
#[derive(Default)]
pub struct Futexes {
    queues: RefCell<HashMap<Key, VecDeque<Rc<Waiter>>>>,
}

impl Futexes {
    /// Adds the task to a queue.
    pub fn join(&self, key: Key, task: &Rc<Task>, bitset: u32) -> Rc<Waiter> {
        let waiter = Rc::new(Waiter {
            task: Rc::downgrade(task),
            tid: task.tid,
            wait: Cell::new(task.wait_number.get()),
            bitset,
            woken: Cell::new(false),
            key: Cell::new(key),
        });
        self.queues
            .borrow_mut()
            .entry(key)
            .or_default()
            .push_back(waiter.clone());
        waiter
    }

    /// Takes a task out of the queue it is in, if any.
    pub fn leave(&self, task: &Rc<Task>) {
        let resume = task.resume.borrow();
        if let Some(Resume::Futex((waiter, _))) = &*resume {
            self.remove(waiter);
        }
    }

    /// Takes a waiter out of its queue.
    pub fn remove(&self, waiter: &Rc<Waiter>) {
        let mut queues = self.queues.borrow_mut();
        let key = waiter.key.get();
        if let Some(queue) = queues.get_mut(&key) {
            queue.retain(|other| !Rc::ptr_eq(other, waiter));
            if queue.is_empty() {
                queues.remove(&key);
            }
        }
    }

    /// Wakes up to `count` waiters whose bits meet `bitset`; how many there were.
    pub fn wake(&self, key: Key, count: u32, bitset: u32) -> u32 {
        let mut woken = Vec::new();
        {
            let mut queues = self.queues.borrow_mut();
            let Some(queue) = queues.get_mut(&key) else {
                return 0;
            };
            let mut kept = VecDeque::new();
            while let Some(waiter) = queue.pop_front() {
                if (woken.len() as u32) < count && waiter.bitset & bitset != 0 {
                    woken.push(waiter);
                } else {
                    kept.push_back(waiter);
                }
            }
            if kept.is_empty() {
                queues.remove(&key);
            } else {
                *queue = kept;
            }
        }
        let mut n = 0;
        for waiter in woken {
            waiter.woken.set(true);
            if let Some(task) = waiter.task.upgrade() {
                task.wake_from(waiter.wait.get());
                n += 1;
            }
        }
        n
    }

    /// Wakes up to `wake` waiters and moves up to `move_` of the rest to another futex; both counts.
    pub fn requeue(&self, from: Key, wake: u32, to: Key, move_: u32) -> (u32, u32) {
        let woken = self.wake(from, wake, u32::MAX);
        let mut queues = self.queues.borrow_mut();
        let mut moved = Vec::new();
        if let Some(queue) = queues.get_mut(&from) {
            while (moved.len() as u32) < move_ {
                match queue.pop_front() {
                    Some(waiter) => moved.push(waiter),
                    None => break,
                }
            }
            if queue.is_empty() {
                queues.remove(&from);
            }
        }
        let n = moved.len() as u32;
        for waiter in moved {
            waiter.key.set(to);
            queues.entry(to).or_default().push_back(waiter);
        }
        (woken, n)
    }

    /// Whether this task waits in the queue of `key` (for tests and diagnostics).
    pub fn waits(&self, key: Key, tid: u32) -> bool {
        self.queues
            .borrow()
            .get(&key)
            .is_some_and(|queue| queue.iter().any(|waiter| waiter.tid == tid))
    }
}
