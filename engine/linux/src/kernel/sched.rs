//! The run queue.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use super::task::Task;

/// Instructions a task runs for before the next one's turn.
pub const SLICE: u64 = 200_000;

/// Tasks that want to run, first come first served.
#[derive(Default)]
pub struct Sched {
    queue: RefCell<VecDeque<Rc<Task>>>,
    outside: Arc<Outside>,
}

/// What wakers touch. (`Waker` demands `Send`, hence mutexes and atomics; nothing here has threads.)
#[derive(Default)]
struct Outside {
    /// Inside `Kernel::run`, which looks at the queue and at `woken` before it returns.
    running: AtomicBool,
    /// Told when something becomes runnable while the kernel isn't running.
    host: Mutex<Option<Waker>>,
    /// Builtins woken by futures.
    woken: Mutex<Vec<u32>>,
}

impl Outside {
    fn tell_host(&self) {
        if self.running.load(Ordering::Relaxed) {
            return;
        }
        let host = self.host.lock().ok().and_then(|host| host.clone());
        if let Some(host) = host {
            host.wake();
        }
    }
}

impl Sched {
    /// Adds a task to the end of the queue, unless it is in it.
    pub fn enqueue(&self, task: &Rc<Task>) {
        if !task.queued.replace(true) {
            self.queue.borrow_mut().push_back(task.clone());
            self.outside.tell_host();
        }
    }

    /// The next task.
    pub fn next(&self) -> Option<Rc<Task>> {
        let task = self.queue.borrow_mut().pop_front()?;
        task.queued.set(false);
        Some(task)
    }

    /// Forgets all tasks. A kernel that ends does so, as tasks hold the queue that holds them.
    pub fn clear(&self) {
        self.queue.take();
    }

    /// Whether anything wants to run.
    pub fn is_empty(&self) -> bool {
        let woken = &self.outside.woken;
        self.queue.borrow().is_empty() && woken.lock().is_ok_and(|woken| woken.is_empty())
    }

    /// Sets whom to tell when something becomes runnable while the kernel isn't running.
    pub fn set_waker(&self, waker: Waker) {
        if let Ok(mut host) = self.outside.host.lock() {
            *host = Some(waker);
        }
    }

    /// Whether `Kernel::run` is at work.
    pub fn set_running(&self, running: bool) {
        self.outside.running.store(running, Ordering::Relaxed);
    }

    /// The numbers of builtins woken since the last call.
    pub fn take_woken(&self) -> Vec<u32> {
        let woken = &self.outside.woken;
        woken
            .lock()
            .map(|mut woken| std::mem::take(&mut *woken))
            .unwrap_or_default()
    }

    /// A waker for the builtin with this number.
    pub fn builtin_waker(&self, tid: u32) -> Waker {
        Waker::from(Arc::new(BuiltinWaker {
            tid,
            outside: self.outside.clone(),
        }))
    }
}

struct BuiltinWaker {
    tid: u32,
    outside: Arc<Outside>,
}

impl Wake for BuiltinWaker {
    fn wake(self: Arc<Self>) {
        if let Ok(mut woken) = self.outside.woken.lock()
            && !woken.contains(&self.tid)
        {
            woken.push(self.tid);
        }
        self.outside.tell_host();
    }
}
