//! The engine's own executor: futures of one thread, polled when woken.
//!
//! Nothing here blocks or reads a clock. A host calls
//! [`Executor::run_until_stalled`] whenever it was woken, and
//! [`Executor::fire_timers`] with the monotonic time it knows.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use futures::channel::oneshot;
use futures::future::LocalBoxFuture;

/// What the engine would do next if it were run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Nothing to do until the host hands something in.
    Idle,
    /// There is work left; run again as soon as convenient.
    Runnable,
    /// Nothing to do before this monotonic time, in nanoseconds.
    Sleeping {
        /// Monotonic nanoseconds, the clock of [`crate::clock::Clock::monotonic`].
        until: u64,
    },
}

impl RunState {
    /// The more urgent of two states.
    pub fn soonest(self, other: RunState) -> RunState {
        use RunState::{Idle, Runnable, Sleeping};
        match (self, other) {
            (Runnable, _) | (_, Runnable) => Runnable,
            (Sleeping { until: a }, Sleeping { until: b }) => Sleeping { until: a.min(b) },
            (Idle, x) | (x, Idle) => x,
        }
    }
}

type TaskId = u64;

/// What wakers touch; the only shared part, as a `Waker` must be `Send`.
#[derive(Default)]
struct Ready {
    queue: Mutex<ReadyQueue>,
}

#[derive(Default)]
struct ReadyQueue {
    tasks: VecDeque<TaskId>,
    host: Option<Waker>,
}

impl Ready {
    fn queue(&self) -> MutexGuard<'_, ReadyQueue> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn push(&self, id: TaskId) {
        self.queue().tasks.push_back(id);
        self.wake_host();
    }

    fn wake_host(&self) {
        let host = self.queue().host.clone();
        if let Some(host) = host {
            host.wake();
        }
    }

    fn pop(&self) -> Option<TaskId> {
        self.queue().tasks.pop_front()
    }
}

/// Has the host run the engine again, for what no task waits for.
struct HostWaker(Arc<Ready>);

impl Wake for HostWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake_host();
    }
}

struct TaskWaker {
    id: TaskId,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.push(self.id);
    }
}

struct Task {
    future: LocalBoxFuture<'static, ()>,
    waker: Waker,
}

#[derive(Default)]
struct Timers {
    /// By deadline, then by order of arming.
    armed: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    sequence: u64,
}

struct Inner {
    ready: Arc<Ready>,
    tasks: RefCell<BTreeMap<TaskId, Option<Task>>>,
    next: Cell<TaskId>,
    timers: RefCell<Timers>,
}

/// A handle to an executor; clones share its tasks.
#[derive(Clone)]
pub struct Executor(Rc<Inner>);

impl Default for Executor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor {
    /// An executor without tasks.
    pub fn new() -> Self {
        Executor(Rc::new(Inner {
            ready: Arc::default(),
            tasks: RefCell::default(),
            next: Cell::new(0),
            timers: RefCell::default(),
        }))
    }

    /// Wakes the host's waker whenever a task becomes ready outside of a run.
    pub fn set_host_waker(&self, waker: Waker) {
        self.0.ready.queue().host = Some(waker);
    }

    /// Wakes the host, whichever waker it has set by then.
    pub fn host_waker(&self) -> Waker {
        Waker::from(Arc::new(HostWaker(self.0.ready.clone())))
    }

    /// Starts a future; it is dropped when it completes.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let id = self.0.next.get();
        self.0.next.set(id + 1);
        let waker = Waker::from(Arc::new(TaskWaker {
            id,
            ready: self.0.ready.clone(),
        }));
        let task = Task {
            future: Box::pin(future),
            waker,
        };
        self.0.tasks.borrow_mut().insert(id, Some(task));
        self.0.ready.push(id);
    }

    /// Starts a future and hands back a future of its result, which resolves
    /// even when nobody polls it meanwhile. Dropping the handle does not cancel.
    pub fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        let (send, receive) = oneshot::channel();
        self.spawn(async move {
            let _ = send.send(future.await);
        });
        JoinHandle(receive)
    }

    /// Polls ready tasks until none is ready. Returns whether any was polled.
    pub fn run_until_stalled(&self) -> bool {
        let mut polled = false;
        while let Some(id) = self.0.ready.pop() {
            let Some(mut task) = self
                .0
                .tasks
                .borrow_mut()
                .get_mut(&id)
                .and_then(Option::take)
            else {
                continue;
            };
            polled = true;
            let mut context = Context::from_waker(&task.waker);
            let done = Pin::new(&mut task.future).poll(&mut context).is_ready();
            let mut tasks = self.0.tasks.borrow_mut();
            if done {
                tasks.remove(&id);
                drop(tasks);
                drop(task);
            } else if let Some(slot) = tasks.get_mut(&id) {
                *slot = Some(task);
            }
        }
        polled
    }

    /// Resolves once `fire_timers` was called with a time of at least `until`
    /// (monotonic nanoseconds).
    pub fn sleep_until(&self, until: u64) -> impl Future<Output = ()> + use<> {
        let (send, receive) = oneshot::channel();
        let key = {
            let mut timers = self.0.timers.borrow_mut();
            let sequence = timers.sequence;
            timers.sequence += 1;
            timers.armed.insert((until, sequence), send);
            (until, sequence)
        };
        Sleep {
            inner: self.0.clone(),
            key,
            fired: receive,
        }
    }

    /// Completes the timers that are due. Returns the next deadline, if any.
    pub fn fire_timers(&self, now: u64) -> Option<u64> {
        loop {
            let mut timers = self.0.timers.borrow_mut();
            let (&key, _) = timers.armed.first_key_value()?;
            if key.0 > now {
                return Some(key.0);
            }
            let sender = timers.armed.remove(&key);
            drop(timers);
            if let Some(sender) = sender {
                let _ = sender.send(());
            }
        }
    }

    /// How many tasks have not completed.
    pub fn task_count(&self) -> usize {
        self.0.tasks.borrow().len()
    }
}

/// The result of a future started with [`Executor::run`].
pub struct JoinHandle<T>(oneshot::Receiver<T>);

impl<T> Future for JoinHandle<T> {
    /// `None` when the executor was dropped first.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

struct Sleep {
    inner: Rc<Inner>,
    key: (u64, u64),
    fired: oneshot::Receiver<()>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.fired).poll(context).map(|_| ())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.inner.timers.borrow_mut().armed.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_in_the_order_they_were_woken() {
        let executor = Executor::new();
        let log = Rc::new(RefCell::new(Vec::new()));
        for n in 0..3 {
            let log = log.clone();
            executor.spawn(async move { log.borrow_mut().push(n) });
        }
        assert!(executor.run_until_stalled());
        assert_eq!(*log.borrow(), [0, 1, 2]);
        assert_eq!(executor.task_count(), 0);
        assert!(!executor.run_until_stalled());
    }

    #[test]
    fn timers_fire_by_deadline_and_dropped_ones_are_forgotten() {
        let executor = Executor::new();
        let log = Rc::new(RefCell::new(Vec::new()));
        for deadline in [30, 10, 20] {
            let (log, sleep) = (log.clone(), executor.sleep_until(deadline));
            executor.spawn(async move {
                sleep.await;
                log.borrow_mut().push(deadline);
            });
        }
        drop(executor.sleep_until(5));
        executor.run_until_stalled();
        assert_eq!(executor.fire_timers(0), Some(10));
        assert_eq!(executor.fire_timers(20), Some(30));
        executor.run_until_stalled();
        assert_eq!(*log.borrow(), [10, 20]);
        assert_eq!(executor.fire_timers(40), None);
        executor.run_until_stalled();
        assert_eq!(*log.borrow(), [10, 20, 30]);
    }

    #[test]
    fn a_task_may_spawn_and_join_another() {
        let executor = Executor::new();
        let inner = executor.clone();
        let result = Rc::new(Cell::new(0));
        let seen = result.clone();
        executor.spawn(async move {
            let answer = inner.run(async { 42 }).await;
            seen.set(answer.unwrap_or(0));
        });
        executor.run_until_stalled();
        assert_eq!(result.get(), 42);
    }
}
