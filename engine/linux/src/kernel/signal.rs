//! Sending signals, what is pending, and who takes them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bottleship_abi::signal::{
    DefaultAction, SI_KERNEL, SI_TKILL, SI_USER, SIG_DFL, SIG_IGN, SigAction, SigDetail, SigInfo,
};
use bottleship_abi::{SigSet, Signal};

use super::ns::PidNs;
use super::task::{Life, Process, ProcessGroup, State, Task};
use crate::syscall::Cx;

/// The handler value by which a builtin says that it takes the signal from its queue.
pub const BUILTIN_TAKES: u64 = 2;
/// No more real-time signals than this are queued for one receiver.
const MAX_QUEUED: usize = 1024;

/// Signal actions; threads share one table.
pub struct SigHand(pub RefCell<[SigAction; 64]>);

impl Default for SigHand {
    fn default() -> Self {
        SigHand(RefCell::new([SigAction::default(); 64]))
    }
}

impl SigHand {
    /// The action for a signal.
    pub fn get(&self, signal: Signal) -> SigAction {
        self.0.borrow()[signal.number() as usize - 1]
    }

    /// Sets the action for a signal.
    pub fn set(&self, signal: Signal, action: SigAction) {
        self.0.borrow_mut()[signal.number() as usize - 1] = action;
    }

    /// Whether the signal would do nothing.
    pub fn ignores(&self, signal: Signal) -> bool {
        let handler = self.get(signal).handler;
        handler == SIG_IGN
            || (handler == SIG_DFL && signal.default_action() == DefaultAction::Ignore)
    }

    /// A copy for `fork`.
    pub fn fork(&self) -> SigHand {
        SigHand(RefCell::new(*self.0.borrow()))
    }

    /// What `exec` keeps: only what is ignored.
    pub fn reset_for_exec(&self) {
        for action in self.0.borrow_mut().iter_mut() {
            let handler = if action.handler == SIG_IGN {
                SIG_IGN
            } else {
                SIG_DFL
            };
            *action = SigAction {
                handler,
                ..SigAction::default()
            };
        }
    }
}

/// Signals that have been sent and not yet taken.
#[derive(Default)]
pub struct Pending {
    pub set: SigSet,
    queue: VecDeque<SigInfo>,
}

impl Pending {
    fn push(&mut self, info: SigInfo) {
        if self.set.contains(info.signal)
            && (info.signal.number() < 32 || self.queue.len() >= MAX_QUEUED)
        {
            return;
        }
        self.set.insert(info.signal);
        self.queue.push_back(info);
    }

    /// Takes the lowest signal of `wanted`.
    pub fn take(&mut self, wanted: SigSet) -> Option<SigInfo> {
        let signal = (self.set & wanted).first()?;
        let at = self.queue.iter().position(|info| info.signal == signal);
        let info = at
            .and_then(|at| self.queue.remove(at))
            .unwrap_or_else(|| SigInfo::kernel(signal));
        if !self.queue.iter().any(|other| other.signal == signal) {
            self.set.remove(signal);
        }
        Some(info)
    }

    /// Forgets all signals of `set`.
    pub fn remove(&mut self, set: SigSet) {
        self.set = self.set & !set;
        self.queue.retain(|info| !set.contains(info.signal));
    }
}

/// A signal from the kernel.
pub fn by_kernel(signal: Signal) -> Sent {
    Sent {
        info: SigInfo {
            signal,
            code: SI_KERNEL,
            detail: SigDetail::None,
        },
        from: None,
    }
}

/// A signal and the PID namespace that it was sent from (`None`: the kernel, or the host).
pub struct Sent {
    pub info: SigInfo,
    pub from: Option<Rc<PidNs>>,
}

/// `kill(2)` by the calling process, as `receiver` will see it.
pub fn by_process(cx: &Cx, receiver: &Process, signal: Signal, thread: bool) -> Sent {
    let pid = cx.t.process.pid_in(receiver.pid_ns());
    let detail = SigDetail::Sender {
        pid,
        uid: cx.t.creds.borrow().uid,
    };
    let code = if thread { SI_TKILL } else { SI_USER };
    Sent {
        info: SigInfo {
            signal,
            code,
            detail,
        },
        from: Some(cx.t.pid_ns().clone()),
    }
}

fn stop_signals() -> SigSet {
    [
        Signal::SIGSTOP,
        Signal::SIGTSTP,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
    ]
    .into_iter()
    .fold(SigSet::EMPTY, |set, signal| set | SigSet::of(signal))
}

/// Whether the first process of a PID namespace is spared: it takes no signal that it has no handler for, except
/// `SIGKILL` and `SIGSTOP` from outside.
fn is_spared(process: &Process, task: &Task, sent: &Sent) -> bool {
    if !process.is_ns_init() {
        return false;
    }
    let signal = sent.info.signal;
    if SigSet::UNBLOCKABLE.contains(signal) {
        return sent
            .from
            .as_ref()
            .is_some_and(|from| Rc::ptr_eq(from, process.pid_ns()));
    }
    task.sighand.borrow().get(signal).handler == SIG_DFL
}

/// Effects that a signal has when it is sent. True when it isn't to be queued.
fn prepare(process: &Rc<Process>, task: &Rc<Task>, sent: &Sent) -> bool {
    let signal = sent.info.signal;
    if is_spared(process, task, sent) {
        return true;
    }
    let forget = match signal.default_action() {
        DefaultAction::Continue => stop_signals(),
        DefaultAction::Stop => SigSet::of(Signal::SIGCONT),
        _ => SigSet::EMPTY,
    };
    if !forget.is_empty() {
        process.pending.borrow_mut().remove(forget);
        for thread in process.tasks() {
            thread.pending.borrow_mut().remove(forget);
        }
    }
    if signal == Signal::SIGCONT || signal == Signal::SIGKILL {
        resume(process, signal == Signal::SIGCONT);
    }
    let blocked = task.blocked.get() | task.sigwait.get();
    !blocked.contains(signal) && task.sighand.borrow().ignores(signal)
}

/// Ends a job-control stop.
fn resume(process: &Rc<Process>, tell: bool) {
    if !matches!(process.life.get(), Life::Stopped { .. }) {
        return;
    }
    process.life.set(Life::Running);
    for task in process.tasks() {
        if task.state.get() == State::Stopped {
            task.state.set(State::Runnable);
            task.sched.enqueue(&task);
        }
    }
    if tell {
        process.continued.set(true);
        super::exit::notify_parent(process, super::exit::ChildChange::Continued);
    }
}

/// Sends to a process: any thread that doesn't block the signal takes it.
pub fn send_to_process(process: &Rc<Process>, sent: Sent) {
    if process.is_zombie() {
        return;
    }
    let tasks = process.tasks();
    let Some(first) = tasks.first() else { return };
    if prepare(process, first, &sent) {
        return;
    }
    let signal = sent.info.signal;
    process.pending.borrow_mut().push(sent.info);
    process.signal_wait.wake();
    let takes = |task: &&Rc<Task>| {
        !task.blocked.get().contains(signal) || task.sigwait.get().contains(signal)
    };
    if signal == Signal::SIGKILL {
        tasks.iter().for_each(Task::wake_for_kill);
    } else if let Some(task) = tasks.iter().find(takes) {
        task.wake();
    }
}

/// Sends to one thread.
pub fn send_to_task(task: &Rc<Task>, sent: Sent) {
    if task.state.get() == State::Dead {
        return;
    }
    if sent.info.signal == Signal::SIGKILL {
        return send_to_process(&task.process, sent);
    }
    if prepare(&task.process, task, &sent) {
        return;
    }
    let signal = sent.info.signal;
    task.pending.borrow_mut().push(sent.info);
    task.process.signal_wait.wake();
    if !task.blocked.get().contains(signal) || task.sigwait.get().contains(signal) {
        task.wake();
    }
}

/// Sends to every process of a group.
pub fn send_to_group(group: &ProcessGroup, signal: Signal) {
    for process in group.processes() {
        send_to_process(&process, by_kernel(signal));
    }
}

/// A fault of the task itself: it can't be blocked, ignored, or spared.
pub fn force(task: &Rc<Task>, info: SigInfo) {
    let sighand = task.sighand.borrow().clone();
    let blocked = task.blocked.get().contains(info.signal);
    if blocked || sighand.get(info.signal).handler == SIG_IGN {
        sighand.set(info.signal, SigAction::default());
        let mut mask = task.blocked.get();
        mask.remove(info.signal);
        task.blocked.set(mask);
    }
    task.pending.borrow_mut().push(info);
}

impl Task {
    fn wake_for_kill(self: &Rc<Task>) {
        if self.state.get() == State::Held || self.state.get() == State::Stopped {
            self.state.set(State::Runnable);
        }
        self.wake();
    }

    /// Signals that would be taken now.
    pub fn deliverable(&self) -> SigSet {
        (self.pending.borrow().set | self.process.pending.borrow().set) & !self.blocked.get()
    }

    /// Whether it has to look at signals, or to exit with its process.
    pub fn has_signal(&self) -> bool {
        self.process.dying.get().is_some() || !self.deliverable().is_empty()
    }

    /// Whether it was told to die, which ends even waits that nothing else interrupts.
    pub fn is_killed(&self) -> bool {
        self.process.dying.get().is_some() || self.deliverable().contains(Signal::SIGKILL)
    }

    /// Takes the next signal of `wanted`, its own before the process's.
    pub fn take_signal(&self, wanted: SigSet) -> Option<SigInfo> {
        let own = self.pending.borrow_mut().take(wanted);
        own.or_else(|| self.process.pending.borrow_mut().take(wanted))
    }

    /// Sets the mask of blocked signals.
    pub fn set_blocked(&self, mask: SigSet) {
        self.blocked.set(mask & !SigSet::UNBLOCKABLE);
    }
}
