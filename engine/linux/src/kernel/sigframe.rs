//! Delivery: default actions, handlers on the guest's stack, and the way back.

use std::rc::Rc;

use bottleship_abi::signal::{
    DefaultAction, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_RESTORER, SIG_DFL, SIG_IGN,
    SS_AUTODISARM, SS_DISABLE, SigAction, SigInfo, frame,
};
use bottleship_abi::{Errno, Layout, SigSet, Signal, get_u32, get_u64};
use bottleship_x86::{Cpu, reg};

use super::Inner;
use super::signal::{BUILTIN_TAKES, force};
use super::task::{ExitStatus, Task};
use crate::syscall::{Cx, Restart};

/// How delivery left the task.
pub(super) enum Delivered {
    /// It goes on.
    Continue,
    /// It is stopped or gone.
    Over,
    /// Nothing was handled: the system call that was interrupted is made again.
    Redo,
}

const RED_ZONE: u64 = 128;
const FXSAVE: u64 = 512;
const USER_CS: u16 = 0x33;
const USER_SS: u16 = 0x2b;
/// DF and TF, clear when a handler starts.
const HANDLER_CLEARS: u64 = 0x400 | 0x100;

impl Inner {
    /// Takes signals until one has a handler, or none is left.
    pub(super) fn deliver_signals(self: &Rc<Inner>, cx: &Cx) -> Delivered {
        let task = cx.t;
        loop {
            if let Some(status) = task.process.dying.get() {
                self.exit_task(task, status);
                return Delivered::Over;
            }
            let mut wanted = !task.blocked.get();
            if task.is_builtin() {
                wanted = wanted & !self.taken_by_builtin(task);
            }
            if task
                .parked
                .get()
                .is_some_and(|call| call.restart == Restart::Uninterruptible)
            {
                wanted = SigSet::of(Signal::SIGKILL);
            }
            let Some(info) = task.take_signal(wanted) else {
                break;
            };
            let signal = info.signal;
            let sighand = task.sighand.borrow().clone();
            let action = sighand.get(signal);
            match action.handler {
                SIG_IGN => {}
                SIG_DFL => match signal.default_action() {
                    DefaultAction::Ignore | DefaultAction::Continue => {}
                    DefaultAction::Stop => {
                        let job_control = signal != Signal::SIGSTOP;
                        let orphaned = task.process.group.borrow().is_orphaned();
                        if !(job_control && orphaned) {
                            self.stop_process(&task.process, signal);
                            return Delivered::Over;
                        }
                    }
                    DefaultAction::Terminate | DefaultAction::Core => {
                        super::trace::killed(cx, &info);
                        self.exit_group(&task.process, ExitStatus::Signal(signal));
                        return Delivered::Over;
                    }
                },
                _ => {
                    self.interrupt_call(task, &action);
                    if action.flags & SA_RESETHAND != 0 {
                        sighand.set(
                            signal,
                            SigAction {
                                handler: SIG_DFL,
                                ..action
                            },
                        );
                    }
                    if self.push_frame(task, &info, &action).is_err() {
                        sighand.set(Signal::SIGSEGV, SigAction::default());
                        force(task, SigInfo::kernel(Signal::SIGSEGV));
                        continue;
                    }
                    return Delivered::Continue;
                }
            }
        }
        if task.parked.get().is_some() {
            return Delivered::Redo;
        }
        if let Some(mask) = task.saved_mask.take() {
            task.blocked.set(mask);
            if task.has_signal() {
                return self.deliver_signals(cx);
            }
        }
        Delivered::Continue
    }

    fn taken_by_builtin(&self, task: &Rc<Task>) -> SigSet {
        let sighand = task.sighand.borrow();
        let mut taken = SigSet::EMPTY;
        for (i, action) in sighand.0.borrow().iter().enumerate() {
            if action.handler == BUILTIN_TAKES {
                taken = taken | SigSet(1 << i);
            }
        }
        taken
    }

    /// A handler is about to run: the call that waited is restarted after it, or fails with `EINTR`.
    fn interrupt_call(&self, task: &Rc<Task>, action: &SigAction) {
        let Some(call) = task.parked.take() else {
            return;
        };
        self.futexes.leave(task);
        let partial =
            matches!(&*task.resume.borrow(), Some(super::task::Resume::Partial(done)) if *done > 0);
        if call.restart == Restart::Sys && action.flags & SA_RESTART != 0 && !partial {
            let _ = task.with_cpu(|cpu| {
                cpu.rip = cpu.rip.wrapping_sub(2);
                cpu.gpr[reg::RAX] = call.number;
            });
        } else {
            let result = self.interrupted_result(task);
            let _ = task.with_cpu(|cpu| cpu.gpr[reg::RAX] = result);
        }
        task.resume.replace(None);
        task.wait_number.set(task.wait_number.get() + 1);
    }

    fn push_frame(&self, task: &Rc<Task>, info: &SigInfo, action: &SigAction) -> Result<(), Errno> {
        if action.flags & SA_RESTORER == 0 {
            return Err(Errno::EFAULT);
        }
        let mm = task.mm()?;
        let mut cpu = task.with_cpu(|cpu| cpu.clone())?;
        let (base, size, flags) = task.altstack.get();
        let rsp = cpu.gpr[reg::RSP];
        let on_altstack = size > 0 && rsp > base && rsp - base <= size;
        let mut sp = rsp.wrapping_sub(RED_ZONE);
        if action.flags & SA_ONSTACK != 0 && size > 0 && flags & SS_DISABLE == 0 && !on_altstack {
            sp = base.wrapping_add(size);
        }
        let fpstate = sp.wrapping_sub(FXSAVE) & !63;
        let at = (fpstate.wrapping_sub(frame::SIZE) & !15).wrapping_sub(8);
        if on_altstack && at < base {
            return Err(Errno::EFAULT);
        }
        let mask = task.saved_mask.take().unwrap_or(task.blocked.get());
        let mut layout = Layout::<{ frame::SIZE as usize }>::new()
            .u64(frame::PRETCODE as usize, action.restorer)
            .u64(frame::UC_FLAGS as usize, frame::UC_FLAGS_VALUE)
            .u64(frame::UC_STACK as usize, base)
            .u32(
                frame::UC_STACK as usize + 8,
                if size == 0 { SS_DISABLE } else { flags },
            )
            .u64(frame::UC_STACK as usize + 16, size)
            .u64(frame::UC_SIGMASK as usize, mask.0)
            .bytes(frame::INFO as usize, &info.to_bytes());
        let context = frame::UC_MCONTEXT as usize;
        for (slot, &register) in frame::REGISTERS.iter().enumerate() {
            layout = layout.u64(context + slot * 8, cpu.gpr[register]);
        }
        let (trap, cr2) = match info.detail {
            bottleship_abi::signal::SigDetail::Fault { addr } => (14, addr),
            _ => (0, 0),
        };
        let layout = layout
            .u64(context + 128, cpu.rip)
            .u64(context + 136, cpu.rflags())
            .u16(context + 144, USER_CS)
            .u16(context + 150, USER_SS)
            .u64(context + 160, trap)
            .u64(context + 168, mask.0)
            .u64(context + 176, cr2)
            .u64(context + 184, fpstate);
        mm.write(fpstate, &cpu.fxsave())?;
        mm.write(at, &layout.done())?;

        cpu.gpr[reg::RSP] = at;
        cpu.gpr[reg::RDI] = u64::from(info.signal.number());
        cpu.gpr[reg::RSI] = at + frame::INFO;
        cpu.gpr[reg::RDX] = at + frame::UC;
        cpu.gpr[reg::RAX] = 0;
        cpu.rip = action.handler;
        let rflags = cpu.rflags() & !HANDLER_CLEARS;
        cpu.set_rflags(rflags);
        task.with_cpu(|own| *own = cpu)?;
        if flags & SS_AUTODISARM != 0 {
            task.altstack.set((0, 0, 0));
        }
        let mut blocked = task.blocked.get() | action.mask;
        if action.flags & SA_NODEFER == 0 {
            blocked.insert(info.signal);
        }
        task.set_blocked(blocked);
        Ok(())
    }
}

/// `rt_sigreturn`: the registers as the handler left them in its frame.
pub fn sigreturn(cx: &Cx) -> Result<(), Errno> {
    let mm = cx.t.mm()?;
    let rsp = cx.t.with_cpu(|cpu| cpu.gpr[reg::RSP])?;
    // The handler's `ret` took the return address.
    let at = rsp.wrapping_sub(8);
    let mut image = [0; frame::SIZE as usize];
    mm.read(at, &mut image)?;
    let context = frame::UC_MCONTEXT as usize;
    let fpstate = get_u64(&image, context + 184);
    let mut fx = [0; FXSAVE as usize];
    if fpstate != 0 {
        mm.read(fpstate, &mut fx)?;
    }
    let restore = |cpu: &mut Cpu| {
        for (slot, &register) in frame::REGISTERS.iter().enumerate() {
            cpu.gpr[register] = get_u64(&image, context + slot * 8);
        }
        cpu.rip = get_u64(&image, context + 128);
        cpu.set_rflags(get_u64(&image, context + 136));
        fpstate == 0 || cpu.fxrstor(&fx)
    };
    if !cx.t.with_cpu(restore)? {
        return Err(Errno::EFAULT);
    }
    cx.t.set_blocked(SigSet(get_u64(&image, frame::UC_SIGMASK as usize)));
    let stack = frame::UC_STACK as usize;
    let (base, flags, size) = (
        get_u64(&image, stack),
        get_u32(&image, stack + 8),
        get_u64(&image, stack + 16),
    );
    if flags & SS_DISABLE == 0 {
        cx.t.altstack.set((base, size, flags & SS_AUTODISARM));
    }
    Ok(())
}
