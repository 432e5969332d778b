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
use crate::cpu::Cpu;
use crate::decode::{Translation, translate};
use crate::exit::{Access, Exit};
use crate::flags;
use crate::mem::{Inner, Stop, Tlb};
use interpret::interpret;

/// Whether condition `cc` holds; out of line, for setcc, cmov and unfused branches.
#[inline(never)]
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
    match find(mem, cpu.rip) {
        // SAFETY: the block comes fresh from the cache.
        Ok(block) => unsafe { interpret(cpu, mem, block, left) },
        Err(stop) => stopped(stop),
    }
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
    let outcome = unsafe { interpret(cpu, mem, block.block(), &mut 1) };
    mem.code_writes = false;
    outcome
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
