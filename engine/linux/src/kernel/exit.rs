//! The end of threads and processes, and what their relatives learn of it.

use std::rc::Rc;

use bottleship_abi::signal::{
    CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, DefaultAction, SA_NOCLDSTOP,
    SA_NOCLDWAIT, SIG_IGN, SigDetail, SigInfo,
};
use bottleship_abi::{SigSet, Signal};

use super::Inner;
use super::ns::PidNs;
use super::signal::{Sent, by_kernel, send_to_group, send_to_process};
use super::task::{Body, ExitStatus, Life, Process, ProcessGroup, State, Task};

/// What happened to a child.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ChildChange {
    Exited(ExitStatus),
    Stopped(Signal),
    Continued,
}

impl ChildChange {
    fn code_and_status(self) -> (i32, i32) {
        match self {
            ChildChange::Exited(ExitStatus::Code(code)) => (CLD_EXITED, i32::from(code)),
            ChildChange::Exited(ExitStatus::Signal(signal)) => {
                let code = if signal.default_action() == DefaultAction::Core {
                    CLD_DUMPED
                } else {
                    CLD_KILLED
                };
                (code, signal.number() as i32)
            }
            ChildChange::Stopped(signal) => (CLD_STOPPED, signal.number() as i32),
            ChildChange::Continued => (CLD_CONTINUED, Signal::SIGCONT.number() as i32),
        }
    }
}

/// The `siginfo` that tells `ns` about a child.
pub fn child_info(process: &Process, ns: &Rc<PidNs>, change: ChildChange) -> SigInfo {
    let (code, status) = change.code_and_status();
    let uid = process.task().map_or(0, |task| task.creds.borrow().uid);
    let utime = process.instructions() / 2_000_000;
    let detail = SigDetail::Child {
        pid: process.pid_in(ns),
        uid,
        status,
        utime,
        stime: 0,
    };
    SigInfo {
        signal: Signal::SIGCHLD,
        code,
        detail,
    }
}

/// Sends the parent `SIGCHLD` (or the signal asked for) and wakes its `wait`.
pub fn notify_parent(process: &Rc<Process>, change: ChildChange) {
    let Some(parent) = process.parent.borrow().upgrade() else {
        return;
    };
    let signal = match change {
        ChildChange::Exited(_) => process.exit_signal.get(),
        _ => Some(Signal::SIGCHLD),
    };
    let handled = parent
        .task()
        .map(|task| task.sighand.borrow().get(Signal::SIGCHLD));
    let quiet = !matches!(change, ChildChange::Exited(_))
        && handled.is_some_and(|action| action.flags & SA_NOCLDSTOP != 0);
    if let (Some(signal), false) = (signal, quiet) {
        let info = SigInfo {
            signal,
            ..child_info(process, parent.pid_ns(), change)
        };
        send_to_process(&parent, Sent { info, from: None });
    }
    parent.child_wait.wake();
}

/// Removes a zombie for good; the parent takes over its times.
pub fn reap(process: &Rc<Process>) {
    process.life.set(Life::Reaped);
    PidNs::remove_process(process);
    let parent = process.parent.borrow().upgrade();
    if let Some(parent) = parent {
        parent
            .children
            .borrow_mut()
            .retain(|child| !Rc::ptr_eq(child, process));
        let spent = process.dead_instructions.get() + process.child_instructions.get();
        parent
            .child_instructions
            .set(parent.child_instructions.get() + spent);
    }
    let group = process.group.borrow().clone();
    group
        .members
        .borrow_mut()
        .retain(|member| !std::ptr::eq(member.as_ptr(), Rc::as_ptr(process)));
}

impl Inner {
    /// Ends a whole process; `task` is the caller, the others exit with it.
    pub fn exit_group(self: &Rc<Inner>, process: &Rc<Process>, status: ExitStatus) {
        if process.dying.get().is_none() {
            process.dying.set(Some(status));
        }
        for task in process.tasks() {
            self.exit_task(&task, status);
        }
    }

    /// Ends a thread, and with the last one the process.
    pub fn exit_task(self: &Rc<Inner>, task: &Rc<Task>, status: ExitStatus) {
        if task.state.replace(State::Dead) == State::Dead {
            return;
        }
        task.wait_number.set(task.wait_number.get() + 1);
        self.futexes.leave(task);
        task.resume.replace(None);
        task.parked.set(None);
        let process = &task.process;
        self.release_user_state(task);
        let last = process.tasks().is_empty();
        if last && let Ok(mm) = task.mm() {
            process
                .max_rss
                .set(process.max_rss.get().max(mm.peak_pages() * 4));
        }
        process
            .dead_instructions
            .set(process.dead_instructions.get() + task.instructions.get());
        task.body.replace(Body::None);
        let mm = task.mm.replace(None);
        drop(mm);
        self.release_vfork_parent(process, last);
        // Closing may run anything (pipes wake their readers), so no table is borrowed meanwhile.
        let files = task.files.replace(Rc::default());
        if Rc::strong_count(&files) == 1 {
            self.locks.release_process(process.pid);
            for slot in files.take_all() {
                drop(slot);
            }
        }
        PidNs::remove_task(&task.numbers);
        self.tasks.borrow_mut().remove(&task.tid);
        process
            .threads
            .borrow_mut()
            .retain(|thread| !std::ptr::eq(thread.as_ptr(), Rc::as_ptr(task)));
        process.cgroup.borrow().remove_task();
        if last {
            self.exit_process(process, task, process.dying.get().unwrap_or(status));
        }
    }

    fn release_vfork_parent(&self, process: &Rc<Process>, last: bool) {
        if last && !process.released.replace(true) {
            process.release_wait.wake();
        }
    }

    fn exit_process(self: &Rc<Inner>, process: &Rc<Process>, last: &Rc<Task>, status: ExitStatus) {
        *process.itimers.borrow_mut() = Default::default();
        process.timers.borrow_mut().clear();
        self.leave_session(process);
        let group = process.group.borrow().clone();
        process.life.set(Life::Zombie(status));
        process.final_status.set(Some(status));
        self.reparent_children(process, last);
        if process.is_ns_init() {
            self.kill_namespace(process);
        }
        self.hang_up_orphans(process, &group);
        let ignored = process
            .parent
            .borrow()
            .upgrade()
            .and_then(|parent| parent.task())
            .is_some_and(|task| {
                let action = task.sighand.borrow().get(Signal::SIGCHLD);
                action.handler == SIG_IGN || action.flags & SA_NOCLDWAIT != 0
            });
        notify_parent(process, ChildChange::Exited(status));
        let has_parent = process.parent.borrow().upgrade().is_some();
        if !has_parent || (ignored && process.exit_signal.get() == Some(Signal::SIGCHLD)) {
            reap(process);
        }
        process.exit_wait.wake();
    }

    /// Hands children to the nearest subreaper, or the namespace's first process.
    fn reparent_children(self: &Rc<Inner>, process: &Rc<Process>, last: &Rc<Task>) {
        let children = process.children.take();
        if children.is_empty() {
            return;
        }
        let mut reaper = process.parent.borrow().upgrade();
        while let Some(candidate) = &reaper {
            if candidate.subreaper.get()
                && !candidate.is_zombie()
                && Rc::ptr_eq(candidate.pid_ns(), last.pid_ns())
            {
                break;
            }
            let next = candidate.parent.borrow().upgrade();
            reaper = next;
        }
        let init = last.pid_ns().init.borrow().upgrade();
        let reaper = reaper
            .or(init)
            .filter(|reaper| !reaper.is_zombie() && !Rc::ptr_eq(reaper, process));
        for child in children {
            match &reaper {
                Some(reaper) => {
                    *child.parent.borrow_mut() = Rc::downgrade(reaper);
                    child.exit_signal.set(Some(Signal::SIGCHLD));
                    reaper.children.borrow_mut().push(child.clone());
                    if child.is_zombie()
                        && let Life::Zombie(status) = child.life.get()
                    {
                        notify_parent(&child, ChildChange::Exited(status));
                    }
                }
                None => {
                    *child.parent.borrow_mut() = std::rc::Weak::new();
                    if child.is_zombie() {
                        reap(&child);
                    }
                }
            }
            for task in child.tasks() {
                if let Some(signal) = task.pdeathsig.get() {
                    super::signal::send_to_task(&task, by_kernel(signal));
                }
            }
        }
    }

    /// With its first process, a PID namespace ends.
    fn kill_namespace(self: &Rc<Inner>, init: &Rc<Process>) {
        let ns = init.pid_ns().clone();
        ns.dead.set(true);
        for (_, process) in ns.processes() {
            if !Rc::ptr_eq(&process, init) && !process.is_zombie() {
                self.exit_group(&process, ExitStatus::Signal(Signal::SIGKILL));
            }
        }
        for (_, process) in ns.processes() {
            if !Rc::ptr_eq(&process, init) && process.is_zombie() {
                reap(&process);
            }
        }
    }

    /// A session leader's exit hangs up its terminal.
    fn leave_session(&self, process: &Rc<Process>) {
        let session = process.group.borrow().session.clone();
        let leads = session
            .leader
            .borrow()
            .upgrade()
            .is_some_and(|leader| Rc::ptr_eq(&leader, process));
        if !leads {
            return;
        }
        if let Some(tty) = session.tty.take() {
            if let Some(foreground) = tty.foreground() {
                send_to_group(&foreground, Signal::SIGHUP);
                send_to_group(&foreground, Signal::SIGCONT);
            }
            tty.disassociate();
        }
    }

    /// Groups that the exit orphaned and that have stopped members get `SIGHUP` and `SIGCONT`.
    fn hang_up_orphans(&self, process: &Rc<Process>, own: &Rc<ProcessGroup>) {
        let session = own.session.clone();
        let mut groups = vec![own.clone()];
        for child in process.children.borrow().iter() {
            groups.push(child.group.borrow().clone());
        }
        for group in groups {
            let stopped = group
                .processes()
                .iter()
                .any(|member| matches!(member.life.get(), Life::Stopped { .. }));
            if stopped && Rc::ptr_eq(&group.session, &session) && group.is_orphaned() {
                send_to_group(&group, Signal::SIGHUP);
                send_to_group(&group, Signal::SIGCONT);
            }
        }
    }

    /// Stops every thread of a process.
    pub fn stop_process(&self, process: &Rc<Process>, by: Signal) {
        process.life.set(Life::Stopped {
            by,
            reported: false,
        });
        process.continued.set(false);
        for task in process.tasks() {
            task.state.set(State::Stopped);
        }
        process
            .pending
            .borrow_mut()
            .remove(SigSet::of(Signal::SIGCONT));
        notify_parent(process, ChildChange::Stopped(by));
    }
}
