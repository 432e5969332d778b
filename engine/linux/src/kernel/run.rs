//! The loop that runs tasks: their code, their system calls, their faults and signals.

use std::rc::Rc;
use std::task::{Context, Poll};

use bottleship_abi::signal::{
    BUS_ADRERR, FPE_FLTINV, FPE_INTDIV, ILL_ILLOPN, SEGV_ACCERR, SEGV_MAPERR, SI_KERNEL, SigDetail,
    SigInfo, TRAP_BRKPT, TRAP_TRACE,
};
use bottleship_abi::{Errno, Signal};
use bottleship_x86::{Exit, Fault, reg};

use super::cgroup::Cgroup;
use super::sched::SLICE;
use super::sigframe::Delivered;
use super::signal::{by_kernel, force, send_to_process};
use super::task::{Body, ExitStatus, ParkedCall, Resume, State, Task};
use super::timer::Alarm;
use super::{Inner, NS_PER_INSTRUCTION, NS_PER_SYSCALL};
use crate::mm::MemoryFault;
use crate::syscall::{Cx, Stop, dispatch};

/// What the kernel is up to after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Everything waits for something from outside.
    Idle,
    /// The instructions ran out.
    Runnable,
    /// Everything waits; something is due at this time of the monotonic clock.
    Sleeping {
        /// In ns.
        until_monotonic_ns: u64,
    },
}

/// What a system call costs of the budget, in instructions, so that a task that only makes calls is bounded too.
const SYSCALL_COST: u64 = 200;

/// How a task's turn ended.
enum Turn {
    /// It wants another one.
    Again,
    /// It waits, is stopped, or is gone.
    Over,
}

impl Inner {
    pub(super) fn run(self: &Rc<Inner>, instructions: u64) -> RunState {
        self.sched.set_running(true);
        let mut budget = instructions;
        loop {
            self.wake_builtins();
            if budget == 0 {
                break;
            }
            let Some(task) = self.sched.next() else { break };
            if task.state.get() != State::Runnable {
                continue;
            }
            if !task.is_killed() && !self.may_run(&task) {
                continue;
            }
            self.set_current(&task);
            self.context_switches.set(self.context_switches.get() + 1);
            let slice =
                (SLICE * task.process.cgroup.borrow().weight() / 1024).clamp(2_000, 8 * SLICE);
            let mut left = slice.min(budget);
            let given = left;
            let turn = self.take_turn(&task, &mut left);
            let used = given - left.min(given);
            budget = budget.saturating_sub(used.max(1));
            if matches!(turn, Turn::Again) && task.state.get() == State::Runnable {
                self.sched.enqueue(&task);
            }
        }
        self.sched.set_running(false);
        if !self.sched.is_empty() {
            return RunState::Runnable;
        }
        match self.timers.next() {
            Some(until_monotonic_ns) => RunState::Sleeping { until_monotonic_ns },
            None => RunState::Idle,
        }
    }

    /// Builtins woken from outside get their turn.
    fn wake_builtins(&self) {
        for tid in self.sched.take_woken() {
            let task = self.tasks.borrow().get(&tid).cloned();
            if let Some(task) = task {
                task.wake();
            }
        }
    }

    /// Sets a task aside whose group is frozen or out of CPU time.
    fn may_run(&self, task: &Rc<Task>) -> bool {
        let group = task.process.cgroup.borrow().clone();
        if group.is_frozen() {
            group.set_aside(task.clone());
            return false;
        }
        if let Err(until) = group.allowance(self.monotonic()) {
            group.set_aside(task.clone());
            self.timers
                .add(until, Alarm::Quota(Rc::downgrade(&group.0)));
            return false;
        }
        true
    }

    fn take_turn(self: &Rc<Inner>, task: &Rc<Task>, left: &mut u64) -> Turn {
        if task.is_builtin() && !matches!(&*task.body.borrow(), Body::Machine(_)) {
            return self.poll_builtin(task);
        }
        let cx = Cx { k: self, t: task };
        loop {
            if let Some(status) = task.process.dying.get() {
                self.exit_task(task, status);
                return Turn::Over;
            }
            if let Some(call) = task.parked.take() {
                // What it registered with before is stale from here on.
                task.wait_number.set(task.wait_number.get() + 1);
                *left = left.saturating_sub(SYSCALL_COST);
                if let Some(turn) = self.system_call(&cx, call) {
                    return turn;
                }
            }
            if task.has_signal() || task.saved_mask.get().is_some() {
                match self.deliver_signals(&cx) {
                    Delivered::Continue => {}
                    Delivered::Over => return Turn::Over,
                    Delivered::Redo => continue,
                }
            }
            if *left == 0 {
                return Turn::Again;
            }
            match self.run_machine(task, left) {
                Exit::Budget => return Turn::Again,
                Exit::Syscall => {
                    *left = left.saturating_sub(SYSCALL_COST);
                    let call = task.with_cpu(|cpu| ParkedCall {
                        number: cpu.gpr[reg::RAX],
                        args: [reg::RDI, reg::RSI, reg::RDX, reg::R10, reg::R8, reg::R9]
                            .map(|r| cpu.gpr[r]),
                        restart: crate::syscall::Restart::Sys,
                    });
                    if let Ok(call) = call {
                        task.resume.replace(None);
                        if let Some(turn) = self.system_call(&cx, call) {
                            return turn;
                        }
                    }
                }
                Exit::Fault(fault) => {
                    if let Some(turn) = self.page_fault(task, fault) {
                        return turn;
                    }
                }
                exit => self.trap(task, exit),
            }
        }
    }

    /// Runs machine code, and accounts for it.
    fn run_machine(self: &Rc<Inner>, task: &Rc<Task>, left: &mut u64) -> Exit {
        let Ok(mm) = task.mm() else {
            return Exit::InvalidOpcode;
        };
        let mut body = task.body.borrow_mut();
        let Body::Machine(cpu) = &mut *body else {
            return Exit::InvalidOpcode;
        };
        let before = *left;
        cpu.tsc = cpu.tsc.max(self.monotonic());
        let exit = bottleship_x86::run(cpu, &mut mm.space.borrow_mut(), left);
        let used = before.saturating_sub(*left);
        drop(body);
        mm.account();
        self.spend(task, used, 0);
        if let Exit::Budget = exit {
            // Copies on write may have gone over the limit; nobody could refuse them.
            let over = task.process.cgroup.borrow().over_limit();
            if let Some(group) = over {
                self.out_of_memory(&group);
            }
        }
        exit
    }

    fn spend(&self, task: &Rc<Task>, instructions: u64, system_ns: u64) {
        task.instructions
            .set(task.instructions.get() + instructions);
        self.instructions
            .set(self.instructions.get() + instructions);
        let ns = instructions * NS_PER_INSTRUCTION + system_ns;
        task.process.cgroup.borrow().spend(ns, system_ns);
        let mut timers = task.process.itimers.borrow_mut();
        for (timer, signal) in timers[1..]
            .iter_mut()
            .zip([Signal::SIGVTALRM, Signal::SIGPROF])
        {
            if let Some(rest) = timer.next {
                timer.next = if rest > ns {
                    Some(rest - ns)
                } else {
                    Some(timer.interval).filter(|&i| i > 0)
                };
                if rest <= ns {
                    task.process.pending_later(signal);
                }
            }
        }
        drop(timers);
        if let Some(signal) = task.process.take_later() {
            send_to_process(&task.process, by_kernel(signal));
        }
    }

    /// Carries out a call; `None` when the task goes on.
    fn system_call(self: &Rc<Inner>, cx: &Cx, call: ParkedCall) -> Option<Turn> {
        let task = cx.t;
        task.syscalls.set(task.syscalls.get() + 1);
        self.spend(task, 0, NS_PER_SYSCALL);
        let result = dispatch(cx, &call);
        let starved = task.mm().ok().and_then(|mm| {
            mm.account();
            mm.starved
                .take()
                .or_else(|| task.process.cgroup.borrow().over_limit())
        });
        if let Some(group) = starved {
            self.out_of_memory(&group);
        }
        if self.trace.borrow().is_some() {
            super::trace::call(cx, &call, &result);
        }
        let value = match result {
            Ok(value) => value,
            Err(Stop::Fail(errno)) => (-i64::from(errno.0)) as u64,
            Err(Stop::NoReturn) => {
                // A builtin that was just executed is polled in a turn of its own.
                let over = task.state.get() == State::Dead || task.is_builtin();
                return over.then_some(Turn::Over);
            }
            Err(Stop::Yield) => {
                self.finish_call(task, 0);
                return Some(Turn::Again);
            }
            Err(Stop::Park(restart)) => {
                task.parked.set(Some(ParkedCall { restart, ..call }));
                let interrupted = match restart {
                    crate::syscall::Restart::Uninterruptible => task.is_killed(),
                    _ => task.has_signal(),
                };
                if interrupted {
                    return match self.deliver_signals(cx) {
                        Delivered::Continue => None,
                        Delivered::Over => Some(Turn::Over),
                        // Nothing was handled after all: it waits on, with the registrations it just made.
                        Delivered::Redo => {
                            self.park(task);
                            Some(Turn::Over)
                        }
                    };
                }
                self.park(task);
                return Some(Turn::Over);
            }
        };
        self.finish_call(task, value);
        None
    }

    fn park(&self, task: &Rc<Task>) {
        if task.state.get() == State::Runnable {
            task.state.set(State::Parked);
        }
    }

    /// A call is over: its result goes to the registers, its waits are stale.
    fn finish_call(&self, task: &Rc<Task>, value: u64) {
        let _ = task.with_cpu(|cpu| cpu.gpr[reg::RAX] = value);
        task.wait_number.set(task.wait_number.get() + 1);
        task.resume.replace(None);
    }

    fn page_fault(self: &Rc<Inner>, task: &Rc<Task>, fault: Fault) -> Option<Turn> {
        let Ok(mm) = task.mm() else {
            return Some(Turn::Over);
        };
        let (signal, code) = match mm.fault(fault.addr, fault.access, false) {
            Ok(()) => return None,
            Err(MemoryFault::NoMemory(group)) => {
                self.out_of_memory(&group);
                // If another one was chosen, it dies first, and this one tries again.
                return Some(Turn::Again);
            }
            Err(MemoryFault::Unmapped) => (Signal::SIGSEGV, SEGV_MAPERR),
            Err(MemoryFault::Forbidden) => (Signal::SIGSEGV, SEGV_ACCERR),
            Err(MemoryFault::Bus) => (Signal::SIGBUS, BUS_ADRERR),
        };
        force(
            task,
            SigInfo {
                signal,
                code,
                detail: SigDetail::Fault { addr: fault.addr },
            },
        );
        None
    }

    fn trap(&self, task: &Rc<Task>, exit: Exit) {
        let rip = task.with_cpu(|cpu| cpu.rip).unwrap_or(0);
        let (signal, code, addr) = match exit {
            Exit::DivideError => (Signal::SIGFPE, FPE_INTDIV, rip),
            Exit::FpException => (Signal::SIGFPE, FPE_FLTINV, rip),
            Exit::InvalidOpcode => (Signal::SIGILL, ILL_ILLOPN, rip),
            Exit::Breakpoint => (Signal::SIGTRAP, TRAP_BRKPT, rip),
            Exit::Trap => (Signal::SIGTRAP, TRAP_TRACE, rip),
            _ => (Signal::SIGSEGV, SI_KERNEL, 0),
        };
        force(
            task,
            SigInfo {
                signal,
                code,
                detail: SigDetail::Fault { addr },
            },
        );
    }

    /// Kills the process of a group that uses most memory.
    fn out_of_memory(self: &Rc<Inner>, group: &Cgroup) {
        let score = |process: &Rc<super::task::Process>| {
            let mm = process.task().and_then(|task| task.mm().ok());
            let pages = mm.map_or(0, |mm| mm.resident_pages());
            match process.oom_score_adj.get() {
                // Only if there is no one else.
                ..=-1000 => i64::MIN,
                adjust => pages as i64 + i64::from(adjust) * 262,
            }
        };
        let victims = group.processes();
        if victims.iter().any(|process| process.dying.get().is_some()) {
            return;
        }
        if let Some(victim) = victims.iter().max_by_key(|process| score(process)) {
            victim.dying.set(Some(ExitStatus::Signal(Signal::SIGKILL)));
            victim.cgroup.borrow().note_oom_kill();
            for task in victim.tasks() {
                task.state.set(State::Runnable);
                self.sched.enqueue(&task);
            }
        }
    }

    /// Polls a builtin program.
    fn poll_builtin(self: &Rc<Inner>, task: &Rc<Task>) -> Turn {
        let cx = Cx { k: self, t: task };
        if let Some(status) = task.process.dying.get() {
            self.exit_task(task, status);
            return Turn::Over;
        }
        if task.has_signal() {
            match self.deliver_signals(&cx) {
                Delivered::Over => return Turn::Over,
                Delivered::Continue | Delivered::Redo => {}
            }
        }
        let Body::Builtin(mut future) = task.body.replace(Body::None) else {
            return Turn::Over;
        };
        let waker = self.sched.builtin_waker(task.tid);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        self.spend(task, 0, NS_PER_SYSCALL);
        match polled {
            Poll::Ready(code) => {
                drop(future);
                self.exit_group(&task.process, ExitStatus::Code(code as u8));
            }
            Poll::Pending => {
                if task.state.get() != State::Dead {
                    task.body.replace(Body::Builtin(future));
                }
                // Woken meanwhile (it may have signalled itself): it is in the queue already.
                if task.state.get() == State::Runnable && !task.queued.get() {
                    task.state.set(State::Parked);
                }
            }
        }
        Turn::Over
    }

    /// How an interrupted call ends: what it did so far, or `EINTR`.
    pub(super) fn interrupted_result(&self, task: &Rc<Task>) -> u64 {
        match task.resume.take() {
            Some(Resume::Partial(done)) if done > 0 => done,
            _ => (-i64::from(Errno::EINTR.0)) as u64,
        }
    }
}
