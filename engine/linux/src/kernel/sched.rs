//! The run queue.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use super::task::Task;

/// Instructions a task runs for before the next one's turn.
pub const SLICE: u64 = 200_000;

/// Tasks that want to run, first come first served.
#[derive(Default)]
pub struct Sched {
    queue: RefCell<VecDeque<Rc<Task>>>,
    /// Told when something becomes runnable while the kernel isn't running.
    waker: RefCell<Option<Rc<dyn Fn()>>>,
    /// Inside `Kernel::run`.
    pub running: Cell<bool>,
    /// Builtins woken by futures from outside. (`Waker` demands `Send`, hence the mutex; nothing here has threads.)
    woken: Arc<Mutex<Vec<u32>>>,
}

impl Sched {
    /// Adds a task to the end of the queue, unless it is in it.
    pub fn enqueue(&self, task: &Rc<Task>) {
        if !task.queued.replace(true) {
            self.queue.borrow_mut().push_back(task.clone());
            if !self.running.get() {
                let waker = self.waker.borrow().clone();
                if let Some(waker) = waker {
                    waker();
                }
            }
        }
    }

    /// The next task.
    pub fn next(&self) -> Option<Rc<Task>> {
        let task = self.queue.borrow_mut().pop_front()?;
        task.queued.set(false);
        Some(task)
    }

    /// Whether anything wants to run.
    pub fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty() && self.woken.lock().is_ok_and(|woken| woken.is_empty())
    }

    /// Sets whom to tell.
    pub fn set_waker(&self, waker: Rc<dyn Fn()>) {
        self.waker.replace(Some(waker));
    }

    /// The numbers of builtins woken since the last call.
    pub fn take_woken(&self) -> Vec<u32> {
        self.woken
            .lock()
            .map(|mut woken| std::mem::take(&mut *woken))
            .unwrap_or_default()
    }

    /// A waker for the builtin with this number.
    pub fn builtin_waker(&self, tid: u32) -> Waker {
        Waker::from(Arc::new(BuiltinWaker {
            tid,
            woken: self.woken.clone(),
        }))
    }
}

struct BuiltinWaker {
    tid: u32,
    woken: Arc<Mutex<Vec<u32>>>,
}

impl Wake for BuiltinWaker {
    fn wake(self: Arc<Self>) {
        if let Ok(mut woken) = self.woken.lock()
            && !woken.contains(&self.tid)
        {
            woken.push(self.tid);
        }
    }
}
