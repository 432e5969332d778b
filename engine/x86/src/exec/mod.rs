//! The interpreter: one loop over the ops of a block, and from block to block.
//!
//! Ops inline in the loop are in [`hot`]; the others are helpers, `fn(&mut Cpu, &mut Inner, &Op) -> bool`, which can be
//! called alone.
#![allow(unsafe_code)] // Ops are walked by pointer, and blocks link by pointer.

mod alu;
mod bits;
mod helpers;
mod hot;
pub mod int;
mod interpret;
mod muldiv;
mod soft;
mod sse;
mod string;
mod system;
mod x87;

use crate::code::Block;
use crate::cpu::{Cpu, reg};
use crate::decode::{Raise, Translation, translate};
use crate::exit::{Access, Exit};
use crate::flags;
use crate::mem::{Inner, Stop, Tlb};
use crate::ops::Code;
use interpret::{At, Leave, interpret, join};

/// Whether condition `cc` holds.
fn cond(cpu: &Cpu, cc: u8) -> bool {
    hot::cond(cpu, cc)
}

/// Why the loop ended. `rip` is set.
enum Outcome {
    Exit(Exit),
    /// Look at the state anew, then go on.
    Refetch,
    /// Carry out the next instruction alone.
    Alone,
}

/// Runs the guest until something stops it, or `budget` instructions are used up: it is checked between basic blocks,
/// so a run may overshoot by part of one, and what is left is then 0. A fault in mid-block uses up the whole block.
pub fn run(cpu: &mut Cpu, mem: &mut crate::AddressSpace, budget: &mut u64) -> Exit {
    let mem = &mut *mem.0;
    let mut left = i64::try_from(*budget).unwrap_or(i64::MAX);
    let exit = run_inner(cpu, mem, &mut left);
    *budget = u64::try_from(left).unwrap_or(0);
    exit
}

fn run_inner(cpu: &mut Cpu, mem: &mut Inner, left: &mut i64) -> Exit {
    let mut alone = false;
    loop {
        mem.sync();
        if *left <= 0 {
            return Exit::Budget;
        }
        let trap = cpu.system_flags & flags::TF != 0;
        let outcome = if alone || trap {
            step(cpu, mem)
        } else {
            enter(cpu, mem, left)
        };
        match outcome {
            Outcome::Exit(Exit::Budget) if alone || trap => {
                *left -= 1;
                if trap {
                    return Exit::Trap;
                }
                alone = false;
            }
            Outcome::Exit(exit) => return exit,
            Outcome::Refetch => *left -= i64::from(alone || trap),
            Outcome::Alone => alone = true,
        }
    }
}

fn enter(cpu: &mut Cpu, mem: &mut Inner, left: &mut i64) -> Outcome {
    let block = match find(mem, cpu.rip) {
        Ok(block) => block,
        Err(stop) => return stopped(stop),
    };
    // SAFETY: the block comes fresh from the cache.
    unsafe { drive(cpu, mem, block, left, false) }
}

/// Carries out one instruction from a block made for it alone, with writes to translated pages going through.
fn step(cpu: &mut Cpu, mem: &mut Inner) -> Outcome {
    let block = match translate(mem, cpu.rip, true) {
        Ok(Translation { draft, .. }) => crate::code::Owned::new(draft, None),
        Err(stop) => return stopped(stop),
    };
    mem.code_writes = true;
    // SAFETY: the block lives until the end of this function, and a budget of 1 keeps the loop from leaving it for
    // another.
    let outcome = unsafe { drive(cpu, mem, block.block(), &mut 1, true) };
    mem.code_writes = false;
    outcome
}

/// Runs from the start of a block on, and does what the loop leaves to its caller. If `slow`, the loop over all of
/// memory does every op.
///
/// # Safety
/// `block` is live, and so are the blocks that it links to and those in the jump cache, until the cache's count of
/// writes changes; `find` is the only call in here that can change it.
unsafe fn drive(
    cpu: &mut Cpu,
    mem: &mut Inner,
    block: *const Block,
    left: &mut i64,
    slow: bool,
) -> Outcome {
    // SAFETY: the caller's promise.
    let Some(mut at) = (unsafe { At::start(block, *left) }) else {
        return Outcome::Exit(Exit::Budget);
    };
    let outcome = loop {
        let mut leave = if slow {
            Leave::Access
        } else {
            // SAFETY: `at` is a place in a live block.
            unsafe { interpret(cpu, &mut mem.tlb, &mut at) }
        };
        if leave == Leave::Access {
            // SAFETY: as above.
            leave = unsafe { interpret(cpu, mem, &mut at) };
        }
        match leave {
            Leave::Go => {}
            Leave::Budget => break Outcome::Exit(Exit::Budget),
            Leave::Access => break refused(cpu, mem, &at),
            // SAFETY: as above.
            Leave::Op => match unsafe { &*at.ip }.code {
                Code::Syscall | Code::Raise | Code::Refetch => break left_by_op(cpu, &at),
                _ => {
                    if !helper(cpu, mem, &mut at) {
                        break refused(cpu, mem, &at);
                    }
                }
            },
            Leave::Find => {
                let writes = mem.cache.writes();
                if at.left <= 0 {
                    break Outcome::Exit(Exit::Budget);
                }
                let found = match find(mem, cpu.rip) {
                    Ok(found) => found,
                    Err(stop) => break stopped(stop),
                };
                // The block before has to be there still.
                if mem.cache.writes() == writes {
                    // SAFETY: both are live.
                    unsafe { join(at.block, at.link, found) };
                }
                // SAFETY: `found` is live.
                match unsafe { At::start(found, at.left) } {
                    Some(next) => at = next,
                    None => break Outcome::Exit(Exit::Budget),
                }
            }
        }
    };
    *left = at.left;
    outcome
}

/// Carries out the helper op at `at`, and those that follow it at once. False if one couldn't be.
fn helper(cpu: &mut Cpu, mem: &mut Inner, at: &mut At) -> bool {
    loop {
        // SAFETY: `at` is a place in a live block; helpers don't end blocks.
        let op = unsafe { &*at.ip };
        if !op.code.is_helper() {
            return true;
        }
        if !helpers::call(cpu, mem, op) {
            return false;
        }
        at.ip = at.ip.wrapping_add(1);
    }
}

/// An op couldn't be carried out; `mem.stop` says why.
fn refused(cpu: &mut Cpu, mem: &mut Inner, at: &At) -> Outcome {
    // SAFETY: `at` is a place in a live block.
    cpu.rip = unsafe { Block::origin(at.block, at.ip) };
    stopped(mem.stop.take().unwrap_or(Stop::Exit(Exit::InvalidOpcode)))
}

/// An op that stops the guest, or wants the state looked at anew.
fn left_by_op(cpu: &mut Cpu, at: &At) -> Outcome {
    // SAFETY: `at` is a place in a live block.
    let (op, origin) = unsafe { (&*at.ip, Block::origin(at.block, at.ip)) };
    cpu.rip = op.wide();
    match op.code {
        Code::Syscall => {
            cpu.gpr[reg::RCX] = cpu.rip;
            cpu.gpr[reg::R11] = cpu.rflags();
            Outcome::Exit(Exit::Syscall)
        }
        Code::Refetch => Outcome::Refetch,
        _ => {
            let exit = Raise::exit(op.x);
            if !matches!(exit, Exit::Breakpoint | Exit::Trap) {
                cpu.rip = origin;
            }
            Outcome::Exit(exit)
        }
    }
}

fn stopped(stop: Stop) -> Outcome {
    match stop {
        Stop::Fault(fault) => Outcome::Exit(Exit::Fault(fault)),
        Stop::Exit(exit) => Outcome::Exit(exit),
        Stop::Alone => Outcome::Alone,
        Stop::Again => Outcome::Refetch,
    }
}

/// The block at `rip`, translated now if it has to be.
fn find(mem: &mut Inner, rip: u64) -> Result<*const Block, Stop> {
    let slot = Tlb::jump(rip);
    let known = mem.tlb.jumps[slot];
    // SAFETY: jump cache entries are valid as long as `sync` doesn't drop them, which precedes every run.
    if !known.is_null() && unsafe { (*known).start } == rip {
        return Ok(known);
    }
    let page = &mem
        .lookup(rip, Access::Exec)
        .map_err(|fault| fetch_fault(rip, fault))?
        .page;
    let beyond = || {
        Some(
            mem.lookup((rip | 0xfff).wrapping_add(1), Access::Exec)
                .ok()?
                .page
                .clone(),
        )
    };
    let block = match mem.cache.find(page, rip, beyond) {
        Some(block) => block,
        None => {
            let Translation {
                draft,
                page,
                beyond,
            } = translate(mem, rip, false)?;
            let block = mem.cache.add(&page, beyond.as_ref(), draft);
            mem.sync();
            block
        }
    };
    mem.tlb.jumps[slot] = block;
    Ok(block)
}

fn fetch_fault(rip: u64, fault: crate::Fault) -> Stop {
    if crate::mem::canonical(rip) {
        Stop::Fault(fault)
    } else {
        Stop::Exit(Exit::GeneralProtection)
    }
}
