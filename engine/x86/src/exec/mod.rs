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
use hot::{Add, And, Or, Sar, Shl, Shr, Sub, Xor};

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

/// Links a block to the one at `target`, if both lie in one page.
///
/// # Safety
/// `to` is live.
unsafe fn join(here: &Block, to: *const Block, target: u64) {
    // SAFETY: the caller's promise.
    if here.start >> 12 == target >> 12 && unsafe { (*to).single_page() } {
        for (next, link) in here.next.iter().zip(&here.links) {
            if *next == target {
                link.set(to);
            }
        }
    }
}

/// The loop.
///
/// # Safety
/// `block` is live, and so are the blocks that it links to and those in the jump cache, until the cache's count of
/// writes changes; `find` is the only call in here that can change it.
unsafe fn interpret(
    cpu: &mut Cpu,
    mem: &mut Inner,
    first: *const Block,
    left: &mut i64,
) -> Outcome {
    let mut block = first;
    let mut budget = *left;
    let outcome = 'run: loop {
        // SAFETY: `block` is live, see above.
        let here = unsafe { &*block };
        if budget <= 0 {
            cpu.rip = here.start;
            break Outcome::Exit(Exit::Budget);
        }
        budget -= i64::from(here.count);
        here.hot.set(here.hot.get().wrapping_add(1));
        let mut ip = Block::ops(block);
        let (target, link) = 'indirect: {
            let taken = loop {
                // SAFETY: `ip` starts at the block's first op and only moves past ops that don't end a block; the
                // last op of every block ends it.
                let op = unsafe { &*ip };
                macro_rules! mem {
                    ($ok:expr) => {
                        if !$ok {
                            // SAFETY: `op` is one of the live block's.
                            cpu.rip = unsafe { Block::origin(block, ip) };
                            break 'run stopped(
                                mem.stop.take().unwrap_or(Stop::Exit(Exit::InvalidOpcode)),
                            );
                        }
                    };
                }
                match op.code {
                    Code::Mov8Rr => hot::mov_rr::<u8>(cpu, op),
                    Code::Mov16Rr => hot::mov_rr::<u16>(cpu, op),
                    Code::Mov32Rr => hot::mov_rr::<u32>(cpu, op),
                    Code::Mov64Rr => hot::mov_rr::<u64>(cpu, op),
                    Code::Mov8Ri => hot::mov_ri::<u8>(cpu, op),
                    Code::Mov16Ri => hot::mov_ri::<u16>(cpu, op),
                    Code::MovWide => hot::mov_wide(cpu, op),
                    Code::Movzx8Rr => hot::movzx_rr::<u8>(cpu, op),
                    Code::Movzx16Rr => hot::movzx_rr::<u16>(cpu, op),
                    Code::Movsx8To32Rr => hot::movsx_rr::<u8, u32>(cpu, op),
                    Code::Movsx16To32Rr => hot::movsx_rr::<u16, u32>(cpu, op),
                    Code::Movsx8To64Rr => hot::movsx_rr::<u8, u64>(cpu, op),
                    Code::Movsx16To64Rr => hot::movsx_rr::<u16, u64>(cpu, op),
                    Code::Movsx32To64Rr => hot::movsx_rr::<u32, u64>(cpu, op),
                    Code::Load8Rb => mem!(hot::load::<u8>(cpu, mem, op, hot::ea_b(cpu, op))),
                    Code::Load8Rm => mem!(hot::load::<u8>(cpu, mem, op, hot::ea_m(cpu, op))),
                    Code::Load16Rm => mem!(hot::load::<u16>(cpu, mem, op, hot::ea_m(cpu, op))),
                    Code::Load32Rb => mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op))),
                    Code::Load32Rm => mem!(hot::load::<u32>(cpu, mem, op, hot::ea_m(cpu, op))),
                    Code::Load32Ra => mem!(hot::load::<u32>(cpu, mem, op, hot::ea_a(cpu, op))),
                    Code::Load64Rb => mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op))),
                    Code::Load64Rm => mem!(hot::load::<u64>(cpu, mem, op, hot::ea_m(cpu, op))),
                    Code::Load64Ra => mem!(hot::load::<u64>(cpu, mem, op, hot::ea_a(cpu, op))),
                    Code::LoadSx8To32Rm => mem!(hot::load_sx::<u8, u32>(cpu, mem, op)),
                    Code::LoadSx16To32Rm => mem!(hot::load_sx::<u16, u32>(cpu, mem, op)),
                    Code::LoadSx8To64Rm => mem!(hot::load_sx::<u8, u64>(cpu, mem, op)),
                    Code::LoadSx16To64Rm => mem!(hot::load_sx::<u16, u64>(cpu, mem, op)),
                    Code::LoadSx32To64Rm => mem!(hot::load_sx::<u32, u64>(cpu, mem, op)),
                    Code::LoadForWrite8Rm => mem!(hot::load_for_write::<u8>(cpu, mem, op)),
                    Code::LoadForWrite16Rm => mem!(hot::load_for_write::<u16>(cpu, mem, op)),
                    Code::LoadForWrite32Rm => mem!(hot::load_for_write::<u32>(cpu, mem, op)),
                    Code::LoadForWrite64Rm => mem!(hot::load_for_write::<u64>(cpu, mem, op)),
                    Code::Store8Br => mem!(hot::store::<u8>(cpu, mem, op, hot::ea_b(cpu, op))),
                    Code::Store8Mr => mem!(hot::store::<u8>(cpu, mem, op, hot::ea_m(cpu, op))),
                    Code::Store16Mr => mem!(hot::store::<u16>(cpu, mem, op, hot::ea_m(cpu, op))),
                    Code::Store32Br => mem!(hot::store::<u32>(cpu, mem, op, hot::ea_b(cpu, op))),
                    Code::Store32Mr => mem!(hot::store::<u32>(cpu, mem, op, hot::ea_m(cpu, op))),
                    Code::Store32Ar => mem!(hot::store::<u32>(cpu, mem, op, hot::ea_a(cpu, op))),
                    Code::Store64Br => mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op))),
                    Code::Store64Mr => mem!(hot::store::<u64>(cpu, mem, op, hot::ea_m(cpu, op))),
                    Code::Store64Ar => mem!(hot::store::<u64>(cpu, mem, op, hot::ea_a(cpu, op))),
                    Code::Store8Mi => mem!(hot::store_imm::<u8>(cpu, mem, op)),
                    Code::Store16Mi => mem!(hot::store_imm::<u16>(cpu, mem, op)),
                    Code::Store32Mi => mem!(hot::store_imm::<u32>(cpu, mem, op)),
                    Code::Store64Mi => mem!(hot::store_imm::<u64>(cpu, mem, op)),
                    Code::Lea64Rb => hot::lea_b(cpu, op),
                    Code::Lea64Rm => hot::lea::<u64>(cpu, op),
                    Code::Lea32Rm => hot::lea::<u32>(cpu, op),
                    Code::ExtractHigh => hot::extract_high(cpu, op),
                    Code::InsertHigh => hot::insert_high(cpu, op),
                    Code::Push64R => mem!(hot::push(cpu, mem, cpu.gpr[op.s as usize & 31])),
                    Code::Push64I => mem!(hot::push(cpu, mem, op.imm as i64 as u64)),
                    Code::Pop64R => mem!(hot::pop(cpu, mem, op)),
                    Code::PushRun => mem!(hot::push_run(cpu, mem, op)),
                    Code::PopRun => mem!(hot::pop_run(cpu, mem, op)),
                    Code::Add32Rr => hot::alu_rr::<u32, Add, false>(cpu, op),
                    Code::Add32RrF => hot::alu_rr::<u32, Add, true>(cpu, op),
                    Code::Add32Ri => hot::alu_ri::<u32, Add, false>(cpu, op),
                    Code::Add32RiF => hot::alu_ri::<u32, Add, true>(cpu, op),
                    Code::Add32Rm => mem!(hot::alu_rm::<u32, Add, false>(cpu, mem, op)),
                    Code::Add32RmF => mem!(hot::alu_rm::<u32, Add, true>(cpu, mem, op)),
                    Code::Add32MrF => mem!(hot::alu_mr::<u32, Add>(cpu, mem, op)),
                    Code::Add32MiF => mem!(hot::alu_mi::<u32, Add>(cpu, mem, op)),
                    Code::Add64Rr => hot::alu_rr::<u64, Add, false>(cpu, op),
                    Code::Add64RrF => hot::alu_rr::<u64, Add, true>(cpu, op),
                    Code::Add64Ri => hot::alu_ri::<u64, Add, false>(cpu, op),
                    Code::Add64RiF => hot::alu_ri::<u64, Add, true>(cpu, op),
                    Code::Add64Rm => mem!(hot::alu_rm::<u64, Add, false>(cpu, mem, op)),
                    Code::Add64RmF => mem!(hot::alu_rm::<u64, Add, true>(cpu, mem, op)),
                    Code::Add64MrF => mem!(hot::alu_mr::<u64, Add>(cpu, mem, op)),
                    Code::Add64MiF => mem!(hot::alu_mi::<u64, Add>(cpu, mem, op)),
                    Code::Add8RrF => hot::alu_rr::<u8, Add, true>(cpu, op),
                    Code::Add8RiF => hot::alu_ri::<u8, Add, true>(cpu, op),
                    Code::Add16RrF => hot::alu_rr::<u16, Add, true>(cpu, op),
                    Code::Add16RiF => hot::alu_ri::<u16, Add, true>(cpu, op),
                    Code::Sub32Rr => hot::alu_rr::<u32, Sub, false>(cpu, op),
                    Code::Sub32RrF => hot::alu_rr::<u32, Sub, true>(cpu, op),
                    Code::Sub32Ri => hot::alu_ri::<u32, Sub, false>(cpu, op),
                    Code::Sub32RiF => hot::alu_ri::<u32, Sub, true>(cpu, op),
                    Code::Sub32Rm => mem!(hot::alu_rm::<u32, Sub, false>(cpu, mem, op)),
                    Code::Sub32RmF => mem!(hot::alu_rm::<u32, Sub, true>(cpu, mem, op)),
                    Code::Sub32MrF => mem!(hot::alu_mr::<u32, Sub>(cpu, mem, op)),
                    Code::Sub32MiF => mem!(hot::alu_mi::<u32, Sub>(cpu, mem, op)),
                    Code::Sub64Rr => hot::alu_rr::<u64, Sub, false>(cpu, op),
                    Code::Sub64RrF => hot::alu_rr::<u64, Sub, true>(cpu, op),
                    Code::Sub64Ri => hot::alu_ri::<u64, Sub, false>(cpu, op),
                    Code::Sub64RiF => hot::alu_ri::<u64, Sub, true>(cpu, op),
                    Code::Sub64Rm => mem!(hot::alu_rm::<u64, Sub, false>(cpu, mem, op)),
                    Code::Sub64RmF => mem!(hot::alu_rm::<u64, Sub, true>(cpu, mem, op)),
                    Code::Sub64MrF => mem!(hot::alu_mr::<u64, Sub>(cpu, mem, op)),
                    Code::Sub64MiF => mem!(hot::alu_mi::<u64, Sub>(cpu, mem, op)),
                    Code::Sub8RrF => hot::alu_rr::<u8, Sub, true>(cpu, op),
                    Code::Sub8RiF => hot::alu_ri::<u8, Sub, true>(cpu, op),
                    Code::Sub16RrF => hot::alu_rr::<u16, Sub, true>(cpu, op),
                    Code::Sub16RiF => hot::alu_ri::<u16, Sub, true>(cpu, op),
                    Code::And32Rr => hot::alu_rr::<u32, And, false>(cpu, op),
                    Code::And32RrF => hot::alu_rr::<u32, And, true>(cpu, op),
                    Code::And32Ri => hot::alu_ri::<u32, And, false>(cpu, op),
                    Code::And32RiF => hot::alu_ri::<u32, And, true>(cpu, op),
                    Code::And32Rm => mem!(hot::alu_rm::<u32, And, false>(cpu, mem, op)),
                    Code::And32RmF => mem!(hot::alu_rm::<u32, And, true>(cpu, mem, op)),
                    Code::And32MrF => mem!(hot::alu_mr::<u32, And>(cpu, mem, op)),
                    Code::And32MiF => mem!(hot::alu_mi::<u32, And>(cpu, mem, op)),
                    Code::And64Rr => hot::alu_rr::<u64, And, false>(cpu, op),
                    Code::And64RrF => hot::alu_rr::<u64, And, true>(cpu, op),
                    Code::And64Ri => hot::alu_ri::<u64, And, false>(cpu, op),
                    Code::And64RiF => hot::alu_ri::<u64, And, true>(cpu, op),
                    Code::And64Rm => mem!(hot::alu_rm::<u64, And, false>(cpu, mem, op)),
                    Code::And64RmF => mem!(hot::alu_rm::<u64, And, true>(cpu, mem, op)),
                    Code::And64MrF => mem!(hot::alu_mr::<u64, And>(cpu, mem, op)),
                    Code::And64MiF => mem!(hot::alu_mi::<u64, And>(cpu, mem, op)),
                    Code::And8RrF => hot::alu_rr::<u8, And, true>(cpu, op),
                    Code::And8RiF => hot::alu_ri::<u8, And, true>(cpu, op),
                    Code::And16RrF => hot::alu_rr::<u16, And, true>(cpu, op),
                    Code::And16RiF => hot::alu_ri::<u16, And, true>(cpu, op),
                    Code::Or32Rr => hot::alu_rr::<u32, Or, false>(cpu, op),
                    Code::Or32RrF => hot::alu_rr::<u32, Or, true>(cpu, op),
                    Code::Or32Ri => hot::alu_ri::<u32, Or, false>(cpu, op),
                    Code::Or32RiF => hot::alu_ri::<u32, Or, true>(cpu, op),
                    Code::Or32Rm => mem!(hot::alu_rm::<u32, Or, false>(cpu, mem, op)),
                    Code::Or32RmF => mem!(hot::alu_rm::<u32, Or, true>(cpu, mem, op)),
                    Code::Or32MrF => mem!(hot::alu_mr::<u32, Or>(cpu, mem, op)),
                    Code::Or32MiF => mem!(hot::alu_mi::<u32, Or>(cpu, mem, op)),
                    Code::Or64Rr => hot::alu_rr::<u64, Or, false>(cpu, op),
                    Code::Or64RrF => hot::alu_rr::<u64, Or, true>(cpu, op),
                    Code::Or64Ri => hot::alu_ri::<u64, Or, false>(cpu, op),
                    Code::Or64RiF => hot::alu_ri::<u64, Or, true>(cpu, op),
                    Code::Or64Rm => mem!(hot::alu_rm::<u64, Or, false>(cpu, mem, op)),
                    Code::Or64RmF => mem!(hot::alu_rm::<u64, Or, true>(cpu, mem, op)),
                    Code::Or64MrF => mem!(hot::alu_mr::<u64, Or>(cpu, mem, op)),
                    Code::Or64MiF => mem!(hot::alu_mi::<u64, Or>(cpu, mem, op)),
                    Code::Or8RrF => hot::alu_rr::<u8, Or, true>(cpu, op),
                    Code::Or8RiF => hot::alu_ri::<u8, Or, true>(cpu, op),
                    Code::Or16RrF => hot::alu_rr::<u16, Or, true>(cpu, op),
                    Code::Or16RiF => hot::alu_ri::<u16, Or, true>(cpu, op),
                    Code::Xor32Rr => hot::alu_rr::<u32, Xor, false>(cpu, op),
                    Code::Xor32RrF => hot::alu_rr::<u32, Xor, true>(cpu, op),
                    Code::Xor32Ri => hot::alu_ri::<u32, Xor, false>(cpu, op),
                    Code::Xor32RiF => hot::alu_ri::<u32, Xor, true>(cpu, op),
                    Code::Xor32Rm => mem!(hot::alu_rm::<u32, Xor, false>(cpu, mem, op)),
                    Code::Xor32RmF => mem!(hot::alu_rm::<u32, Xor, true>(cpu, mem, op)),
                    Code::Xor32MrF => mem!(hot::alu_mr::<u32, Xor>(cpu, mem, op)),
                    Code::Xor32MiF => mem!(hot::alu_mi::<u32, Xor>(cpu, mem, op)),
                    Code::Xor64Rr => hot::alu_rr::<u64, Xor, false>(cpu, op),
                    Code::Xor64RrF => hot::alu_rr::<u64, Xor, true>(cpu, op),
                    Code::Xor64Ri => hot::alu_ri::<u64, Xor, false>(cpu, op),
                    Code::Xor64RiF => hot::alu_ri::<u64, Xor, true>(cpu, op),
                    Code::Xor64Rm => mem!(hot::alu_rm::<u64, Xor, false>(cpu, mem, op)),
                    Code::Xor64RmF => mem!(hot::alu_rm::<u64, Xor, true>(cpu, mem, op)),
                    Code::Xor64MrF => mem!(hot::alu_mr::<u64, Xor>(cpu, mem, op)),
                    Code::Xor64MiF => mem!(hot::alu_mi::<u64, Xor>(cpu, mem, op)),
                    Code::Xor8RrF => hot::alu_rr::<u8, Xor, true>(cpu, op),
                    Code::Xor8RiF => hot::alu_ri::<u8, Xor, true>(cpu, op),
                    Code::Xor16RrF => hot::alu_rr::<u16, Xor, true>(cpu, op),
                    Code::Xor16RiF => hot::alu_ri::<u16, Xor, true>(cpu, op),
                    Code::Cmp8Rr => hot::cmp_rr::<u8>(cpu, op),
                    Code::Cmp8Ri => hot::cmp_ri::<u8>(cpu, op),
                    Code::Test8Rr => hot::test_rr::<u8>(cpu, op),
                    Code::Test8Ri => hot::test_ri::<u8>(cpu, op),
                    Code::Cmp16Rr => hot::cmp_rr::<u16>(cpu, op),
                    Code::Cmp16Ri => hot::cmp_ri::<u16>(cpu, op),
                    Code::Test16Rr => hot::test_rr::<u16>(cpu, op),
                    Code::Test16Ri => hot::test_ri::<u16>(cpu, op),
                    Code::Cmp32Rr => hot::cmp_rr::<u32>(cpu, op),
                    Code::Cmp32Ri => hot::cmp_ri::<u32>(cpu, op),
                    Code::Test32Rr => hot::test_rr::<u32>(cpu, op),
                    Code::Test32Ri => hot::test_ri::<u32>(cpu, op),
                    Code::Cmp64Rr => hot::cmp_rr::<u64>(cpu, op),
                    Code::Cmp64Ri => hot::cmp_ri::<u64>(cpu, op),
                    Code::Test64Rr => hot::test_rr::<u64>(cpu, op),
                    Code::Test64Ri => hot::test_ri::<u64>(cpu, op),
                    Code::Shl32Ri => hot::shift_ri::<u32, Shl, false>(cpu, op),
                    Code::Shl32RiF => hot::shift_ri::<u32, Shl, true>(cpu, op),
                    Code::Shl32Cl => hot::shift_cl::<u32, Shl>(cpu, op),
                    Code::Shr32Ri => hot::shift_ri::<u32, Shr, false>(cpu, op),
                    Code::Shr32RiF => hot::shift_ri::<u32, Shr, true>(cpu, op),
                    Code::Shr32Cl => hot::shift_cl::<u32, Shr>(cpu, op),
                    Code::Sar32Ri => hot::shift_ri::<u32, Sar, false>(cpu, op),
                    Code::Sar32RiF => hot::shift_ri::<u32, Sar, true>(cpu, op),
                    Code::Sar32Cl => hot::shift_cl::<u32, Sar>(cpu, op),
                    Code::Rol32Ri => hot::rol_ri::<u32>(cpu, op),
                    Code::Imul32Rr => hot::imul_rr::<u32>(cpu, op),
                    Code::Imul32Rri => hot::imul_rri::<u32>(cpu, op),
                    Code::Neg32 => hot::neg::<u32>(cpu, op),
                    Code::Not32 => hot::not::<u32>(cpu, op),
                    Code::Bswap32 => hot::bswap32(cpu, op),
                    Code::Cmov32 => hot::cmov::<u32>(cpu, op),
                    Code::SignDx32 => hot::sign_dx::<u32>(cpu),
                    Code::Shl64Ri => hot::shift_ri::<u64, Shl, false>(cpu, op),
                    Code::Shl64RiF => hot::shift_ri::<u64, Shl, true>(cpu, op),
                    Code::Shl64Cl => hot::shift_cl::<u64, Shl>(cpu, op),
                    Code::Shr64Ri => hot::shift_ri::<u64, Shr, false>(cpu, op),
                    Code::Shr64RiF => hot::shift_ri::<u64, Shr, true>(cpu, op),
                    Code::Shr64Cl => hot::shift_cl::<u64, Shr>(cpu, op),
                    Code::Sar64Ri => hot::shift_ri::<u64, Sar, false>(cpu, op),
                    Code::Sar64RiF => hot::shift_ri::<u64, Sar, true>(cpu, op),
                    Code::Sar64Cl => hot::shift_cl::<u64, Sar>(cpu, op),
                    Code::Rol64Ri => hot::rol_ri::<u64>(cpu, op),
                    Code::Imul64Rr => hot::imul_rr::<u64>(cpu, op),
                    Code::Imul64Rri => hot::imul_rri::<u64>(cpu, op),
                    Code::Neg64 => hot::neg::<u64>(cpu, op),
                    Code::Not64 => hot::not::<u64>(cpu, op),
                    Code::Bswap64 => hot::bswap64(cpu, op),
                    Code::Cmov64 => hot::cmov::<u64>(cpu, op),
                    Code::SignDx64 => hot::sign_dx::<u64>(cpu),
                    Code::Set8 => hot::setcc(cpu, op),
                    Code::Cmp8RrJE => {
                        hot::cmp_rr::<u8>(cpu, op);
                        break hot::e::<u8>(cpu);
                    }
                    Code::Cmp8RiJE => {
                        hot::cmp_ri::<u8>(cpu, op);
                        break hot::e::<u8>(cpu);
                    }
                    Code::Cmp8RmJE => {
                        mem!(hot::cmp_rm::<u8>(cpu, mem, op));
                        break hot::e::<u8>(cpu);
                    }
                    Code::Cmp8MrJE => {
                        mem!(hot::cmp_mr::<u8>(cpu, mem, op));
                        break hot::e::<u8>(cpu);
                    }
                    Code::Cmp8MiJE => {
                        mem!(hot::cmp_mi::<u8>(cpu, mem, op));
                        break hot::e::<u8>(cpu);
                    }
                    Code::Cmp8RrJB => {
                        hot::cmp_rr::<u8>(cpu, op);
                        break hot::b::<u8>(cpu);
                    }
                    Code::Cmp8RiJB => {
                        hot::cmp_ri::<u8>(cpu, op);
                        break hot::b::<u8>(cpu);
                    }
                    Code::Cmp8RmJB => {
                        mem!(hot::cmp_rm::<u8>(cpu, mem, op));
                        break hot::b::<u8>(cpu);
                    }
                    Code::Cmp8MrJB => {
                        mem!(hot::cmp_mr::<u8>(cpu, mem, op));
                        break hot::b::<u8>(cpu);
                    }
                    Code::Cmp8MiJB => {
                        mem!(hot::cmp_mi::<u8>(cpu, mem, op));
                        break hot::b::<u8>(cpu);
                    }
                    Code::Cmp8RrJBe => {
                        hot::cmp_rr::<u8>(cpu, op);
                        break hot::be::<u8>(cpu);
                    }
                    Code::Cmp8RiJBe => {
                        hot::cmp_ri::<u8>(cpu, op);
                        break hot::be::<u8>(cpu);
                    }
                    Code::Cmp8RmJBe => {
                        mem!(hot::cmp_rm::<u8>(cpu, mem, op));
                        break hot::be::<u8>(cpu);
                    }
                    Code::Cmp8MrJBe => {
                        mem!(hot::cmp_mr::<u8>(cpu, mem, op));
                        break hot::be::<u8>(cpu);
                    }
                    Code::Cmp8MiJBe => {
                        mem!(hot::cmp_mi::<u8>(cpu, mem, op));
                        break hot::be::<u8>(cpu);
                    }
                    Code::Cmp8RrJL => {
                        hot::cmp_rr::<u8>(cpu, op);
                        break hot::l::<u8>(cpu);
                    }
                    Code::Cmp8RiJL => {
                        hot::cmp_ri::<u8>(cpu, op);
                        break hot::l::<u8>(cpu);
                    }
                    Code::Cmp8RmJL => {
                        mem!(hot::cmp_rm::<u8>(cpu, mem, op));
                        break hot::l::<u8>(cpu);
                    }
                    Code::Cmp8MrJL => {
                        mem!(hot::cmp_mr::<u8>(cpu, mem, op));
                        break hot::l::<u8>(cpu);
                    }
                    Code::Cmp8MiJL => {
                        mem!(hot::cmp_mi::<u8>(cpu, mem, op));
                        break hot::l::<u8>(cpu);
                    }
                    Code::Cmp8RrJLe => {
                        hot::cmp_rr::<u8>(cpu, op);
                        break hot::le::<u8>(cpu);
                    }
                    Code::Cmp8RiJLe => {
                        hot::cmp_ri::<u8>(cpu, op);
                        break hot::le::<u8>(cpu);
                    }
                    Code::Cmp8RmJLe => {
                        mem!(hot::cmp_rm::<u8>(cpu, mem, op));
                        break hot::le::<u8>(cpu);
                    }
                    Code::Cmp8MrJLe => {
                        mem!(hot::cmp_mr::<u8>(cpu, mem, op));
                        break hot::le::<u8>(cpu);
                    }
                    Code::Cmp8MiJLe => {
                        mem!(hot::cmp_mi::<u8>(cpu, mem, op));
                        break hot::le::<u8>(cpu);
                    }
                    Code::Test8RrJE => {
                        hot::test_rr::<u8>(cpu, op);
                        break hot::res_e::<u8>(cpu);
                    }
                    Code::Test8RiJE => {
                        hot::test_ri::<u8>(cpu, op);
                        break hot::res_e::<u8>(cpu);
                    }
                    Code::Test8MiJE => {
                        mem!(hot::test_mi::<u8>(cpu, mem, op));
                        break hot::res_e::<u8>(cpu);
                    }
                    Code::Test8RrJS => {
                        hot::test_rr::<u8>(cpu, op);
                        break hot::res_s::<u8>(cpu);
                    }
                    Code::Test8RiJS => {
                        hot::test_ri::<u8>(cpu, op);
                        break hot::res_s::<u8>(cpu);
                    }
                    Code::Test8MiJS => {
                        mem!(hot::test_mi::<u8>(cpu, mem, op));
                        break hot::res_s::<u8>(cpu);
                    }
                    Code::Test8RrJLe => {
                        hot::test_rr::<u8>(cpu, op);
                        break hot::res_le::<u8>(cpu);
                    }
                    Code::Test8RiJLe => {
                        hot::test_ri::<u8>(cpu, op);
                        break hot::res_le::<u8>(cpu);
                    }
                    Code::Test8MiJLe => {
                        mem!(hot::test_mi::<u8>(cpu, mem, op));
                        break hot::res_le::<u8>(cpu);
                    }
                    Code::Cmp32RrJE => {
                        hot::cmp_rr::<u32>(cpu, op);
                        break hot::e::<u32>(cpu);
                    }
                    Code::Cmp32RiJE => {
                        hot::cmp_ri::<u32>(cpu, op);
                        break hot::e::<u32>(cpu);
                    }
                    Code::Cmp32RmJE => {
                        mem!(hot::cmp_rm::<u32>(cpu, mem, op));
                        break hot::e::<u32>(cpu);
                    }
                    Code::Cmp32MrJE => {
                        mem!(hot::cmp_mr::<u32>(cpu, mem, op));
                        break hot::e::<u32>(cpu);
                    }
                    Code::Cmp32MiJE => {
                        mem!(hot::cmp_mi::<u32>(cpu, mem, op));
                        break hot::e::<u32>(cpu);
                    }
                    Code::Cmp32RrJB => {
                        hot::cmp_rr::<u32>(cpu, op);
                        break hot::b::<u32>(cpu);
                    }
                    Code::Cmp32RiJB => {
                        hot::cmp_ri::<u32>(cpu, op);
                        break hot::b::<u32>(cpu);
                    }
                    Code::Cmp32RmJB => {
                        mem!(hot::cmp_rm::<u32>(cpu, mem, op));
                        break hot::b::<u32>(cpu);
                    }
                    Code::Cmp32MrJB => {
                        mem!(hot::cmp_mr::<u32>(cpu, mem, op));
                        break hot::b::<u32>(cpu);
                    }
                    Code::Cmp32MiJB => {
                        mem!(hot::cmp_mi::<u32>(cpu, mem, op));
                        break hot::b::<u32>(cpu);
                    }
                    Code::Cmp32RrJBe => {
                        hot::cmp_rr::<u32>(cpu, op);
                        break hot::be::<u32>(cpu);
                    }
                    Code::Cmp32RiJBe => {
                        hot::cmp_ri::<u32>(cpu, op);
                        break hot::be::<u32>(cpu);
                    }
                    Code::Cmp32RmJBe => {
                        mem!(hot::cmp_rm::<u32>(cpu, mem, op));
                        break hot::be::<u32>(cpu);
                    }
                    Code::Cmp32MrJBe => {
                        mem!(hot::cmp_mr::<u32>(cpu, mem, op));
                        break hot::be::<u32>(cpu);
                    }
                    Code::Cmp32MiJBe => {
                        mem!(hot::cmp_mi::<u32>(cpu, mem, op));
                        break hot::be::<u32>(cpu);
                    }
                    Code::Cmp32RrJL => {
                        hot::cmp_rr::<u32>(cpu, op);
                        break hot::l::<u32>(cpu);
                    }
                    Code::Cmp32RiJL => {
                        hot::cmp_ri::<u32>(cpu, op);
                        break hot::l::<u32>(cpu);
                    }
                    Code::Cmp32RmJL => {
                        mem!(hot::cmp_rm::<u32>(cpu, mem, op));
                        break hot::l::<u32>(cpu);
                    }
                    Code::Cmp32MrJL => {
                        mem!(hot::cmp_mr::<u32>(cpu, mem, op));
                        break hot::l::<u32>(cpu);
                    }
                    Code::Cmp32MiJL => {
                        mem!(hot::cmp_mi::<u32>(cpu, mem, op));
                        break hot::l::<u32>(cpu);
                    }
                    Code::Cmp32RrJLe => {
                        hot::cmp_rr::<u32>(cpu, op);
                        break hot::le::<u32>(cpu);
                    }
                    Code::Cmp32RiJLe => {
                        hot::cmp_ri::<u32>(cpu, op);
                        break hot::le::<u32>(cpu);
                    }
                    Code::Cmp32RmJLe => {
                        mem!(hot::cmp_rm::<u32>(cpu, mem, op));
                        break hot::le::<u32>(cpu);
                    }
                    Code::Cmp32MrJLe => {
                        mem!(hot::cmp_mr::<u32>(cpu, mem, op));
                        break hot::le::<u32>(cpu);
                    }
                    Code::Cmp32MiJLe => {
                        mem!(hot::cmp_mi::<u32>(cpu, mem, op));
                        break hot::le::<u32>(cpu);
                    }
                    Code::Test32RrJE => {
                        hot::test_rr::<u32>(cpu, op);
                        break hot::res_e::<u32>(cpu);
                    }
                    Code::Test32RiJE => {
                        hot::test_ri::<u32>(cpu, op);
                        break hot::res_e::<u32>(cpu);
                    }
                    Code::Test32MiJE => {
                        mem!(hot::test_mi::<u32>(cpu, mem, op));
                        break hot::res_e::<u32>(cpu);
                    }
                    Code::Test32RrJS => {
                        hot::test_rr::<u32>(cpu, op);
                        break hot::res_s::<u32>(cpu);
                    }
                    Code::Test32RiJS => {
                        hot::test_ri::<u32>(cpu, op);
                        break hot::res_s::<u32>(cpu);
                    }
                    Code::Test32MiJS => {
                        mem!(hot::test_mi::<u32>(cpu, mem, op));
                        break hot::res_s::<u32>(cpu);
                    }
                    Code::Test32RrJLe => {
                        hot::test_rr::<u32>(cpu, op);
                        break hot::res_le::<u32>(cpu);
                    }
                    Code::Test32RiJLe => {
                        hot::test_ri::<u32>(cpu, op);
                        break hot::res_le::<u32>(cpu);
                    }
                    Code::Test32MiJLe => {
                        mem!(hot::test_mi::<u32>(cpu, mem, op));
                        break hot::res_le::<u32>(cpu);
                    }
                    Code::Cmp64RrJE => {
                        hot::cmp_rr::<u64>(cpu, op);
                        break hot::e::<u64>(cpu);
                    }
                    Code::Cmp64RiJE => {
                        hot::cmp_ri::<u64>(cpu, op);
                        break hot::e::<u64>(cpu);
                    }
                    Code::Cmp64RmJE => {
                        mem!(hot::cmp_rm::<u64>(cpu, mem, op));
                        break hot::e::<u64>(cpu);
                    }
                    Code::Cmp64MrJE => {
                        mem!(hot::cmp_mr::<u64>(cpu, mem, op));
                        break hot::e::<u64>(cpu);
                    }
                    Code::Cmp64MiJE => {
                        mem!(hot::cmp_mi::<u64>(cpu, mem, op));
                        break hot::e::<u64>(cpu);
                    }
                    Code::Cmp64RrJB => {
                        hot::cmp_rr::<u64>(cpu, op);
                        break hot::b::<u64>(cpu);
                    }
                    Code::Cmp64RiJB => {
                        hot::cmp_ri::<u64>(cpu, op);
                        break hot::b::<u64>(cpu);
                    }
                    Code::Cmp64RmJB => {
                        mem!(hot::cmp_rm::<u64>(cpu, mem, op));
                        break hot::b::<u64>(cpu);
                    }
                    Code::Cmp64MrJB => {
                        mem!(hot::cmp_mr::<u64>(cpu, mem, op));
                        break hot::b::<u64>(cpu);
                    }
                    Code::Cmp64MiJB => {
                        mem!(hot::cmp_mi::<u64>(cpu, mem, op));
                        break hot::b::<u64>(cpu);
                    }
                    Code::Cmp64RrJBe => {
                        hot::cmp_rr::<u64>(cpu, op);
                        break hot::be::<u64>(cpu);
                    }
                    Code::Cmp64RiJBe => {
                        hot::cmp_ri::<u64>(cpu, op);
                        break hot::be::<u64>(cpu);
                    }
                    Code::Cmp64RmJBe => {
                        mem!(hot::cmp_rm::<u64>(cpu, mem, op));
                        break hot::be::<u64>(cpu);
                    }
                    Code::Cmp64MrJBe => {
                        mem!(hot::cmp_mr::<u64>(cpu, mem, op));
                        break hot::be::<u64>(cpu);
                    }
                    Code::Cmp64MiJBe => {
                        mem!(hot::cmp_mi::<u64>(cpu, mem, op));
                        break hot::be::<u64>(cpu);
                    }
                    Code::Cmp64RrJL => {
                        hot::cmp_rr::<u64>(cpu, op);
                        break hot::l::<u64>(cpu);
                    }
                    Code::Cmp64RiJL => {
                        hot::cmp_ri::<u64>(cpu, op);
                        break hot::l::<u64>(cpu);
                    }
                    Code::Cmp64RmJL => {
                        mem!(hot::cmp_rm::<u64>(cpu, mem, op));
                        break hot::l::<u64>(cpu);
                    }
                    Code::Cmp64MrJL => {
                        mem!(hot::cmp_mr::<u64>(cpu, mem, op));
                        break hot::l::<u64>(cpu);
                    }
                    Code::Cmp64MiJL => {
                        mem!(hot::cmp_mi::<u64>(cpu, mem, op));
                        break hot::l::<u64>(cpu);
                    }
                    Code::Cmp64RrJLe => {
                        hot::cmp_rr::<u64>(cpu, op);
                        break hot::le::<u64>(cpu);
                    }
                    Code::Cmp64RiJLe => {
                        hot::cmp_ri::<u64>(cpu, op);
                        break hot::le::<u64>(cpu);
                    }
                    Code::Cmp64RmJLe => {
                        mem!(hot::cmp_rm::<u64>(cpu, mem, op));
                        break hot::le::<u64>(cpu);
                    }
                    Code::Cmp64MrJLe => {
                        mem!(hot::cmp_mr::<u64>(cpu, mem, op));
                        break hot::le::<u64>(cpu);
                    }
                    Code::Cmp64MiJLe => {
                        mem!(hot::cmp_mi::<u64>(cpu, mem, op));
                        break hot::le::<u64>(cpu);
                    }
                    Code::Test64RrJE => {
                        hot::test_rr::<u64>(cpu, op);
                        break hot::res_e::<u64>(cpu);
                    }
                    Code::Test64RiJE => {
                        hot::test_ri::<u64>(cpu, op);
                        break hot::res_e::<u64>(cpu);
                    }
                    Code::Test64MiJE => {
                        mem!(hot::test_mi::<u64>(cpu, mem, op));
                        break hot::res_e::<u64>(cpu);
                    }
                    Code::Test64RrJS => {
                        hot::test_rr::<u64>(cpu, op);
                        break hot::res_s::<u64>(cpu);
                    }
                    Code::Test64RiJS => {
                        hot::test_ri::<u64>(cpu, op);
                        break hot::res_s::<u64>(cpu);
                    }
                    Code::Test64MiJS => {
                        mem!(hot::test_mi::<u64>(cpu, mem, op));
                        break hot::res_s::<u64>(cpu);
                    }
                    Code::Test64RrJLe => {
                        hot::test_rr::<u64>(cpu, op);
                        break hot::res_le::<u64>(cpu);
                    }
                    Code::Test64RiJLe => {
                        hot::test_ri::<u64>(cpu, op);
                        break hot::res_le::<u64>(cpu);
                    }
                    Code::Test64MiJLe => {
                        mem!(hot::test_mi::<u64>(cpu, mem, op));
                        break hot::res_le::<u64>(cpu);
                    }
                    Code::Jz32 => break hot::jz::<u32>(cpu, op),
                    Code::Js32 => break hot::js::<u32>(cpu, op),
                    Code::Jz64 => break hot::jz::<u64>(cpu, op),
                    Code::Js64 => break hot::js::<u64>(cpu, op),
                    Code::Jcc => break usize::from(cond(cpu, op.x)),
                    Code::Jmp => break 0,
                    Code::LoadLow8 => mem!(hot::load_low::<u8>(cpu, mem, op)),
                    Code::LoadLow16 => mem!(hot::load_low::<u16>(cpu, mem, op)),
                    Code::LoadX64 => mem!(hot::load_x64(cpu, mem, op)),
                    Code::LoadX128 => mem!(hot::load_x128::<false>(cpu, mem, op)),
                    Code::LoadX128Aligned => mem!(hot::load_x128::<true>(cpu, mem, op)),
                    Code::StoreX64 => mem!(hot::store_x64(cpu, mem, op)),
                    Code::StoreX128 => mem!(hot::store_x128::<false>(cpu, mem, op)),
                    Code::StoreX128Aligned => mem!(hot::store_x128::<true>(cpu, mem, op)),
                    Code::MovXX => hot::mov_xx(cpu, op),
                    Code::JESub8 => break hot::e::<u8>(cpu),
                    Code::JBSub8 => break hot::b::<u8>(cpu),
                    Code::JBeSub8 => break hot::be::<u8>(cpu),
                    Code::JLSub8 => break hot::l::<u8>(cpu),
                    Code::JLeSub8 => break hot::le::<u8>(cpu),
                    Code::JERes8 => break hot::res_e::<u8>(cpu),
                    Code::JSRes8 => break hot::res_s::<u8>(cpu),
                    Code::JLeRes8 => break hot::res_le::<u8>(cpu),
                    Code::JESub16 => break hot::e::<u16>(cpu),
                    Code::JBSub16 => break hot::b::<u16>(cpu),
                    Code::JBeSub16 => break hot::be::<u16>(cpu),
                    Code::JLSub16 => break hot::l::<u16>(cpu),
                    Code::JLeSub16 => break hot::le::<u16>(cpu),
                    Code::JERes16 => break hot::res_e::<u16>(cpu),
                    Code::JSRes16 => break hot::res_s::<u16>(cpu),
                    Code::JLeRes16 => break hot::res_le::<u16>(cpu),
                    Code::JESub32 => break hot::e::<u32>(cpu),
                    Code::JBSub32 => break hot::b::<u32>(cpu),
                    Code::JBeSub32 => break hot::be::<u32>(cpu),
                    Code::JLSub32 => break hot::l::<u32>(cpu),
                    Code::JLeSub32 => break hot::le::<u32>(cpu),
                    Code::JERes32 => break hot::res_e::<u32>(cpu),
                    Code::JSRes32 => break hot::res_s::<u32>(cpu),
                    Code::JLeRes32 => break hot::res_le::<u32>(cpu),
                    Code::JESub64 => break hot::e::<u64>(cpu),
                    Code::JBSub64 => break hot::b::<u64>(cpu),
                    Code::JBeSub64 => break hot::be::<u64>(cpu),
                    Code::JLSub64 => break hot::l::<u64>(cpu),
                    Code::JLeSub64 => break hot::le::<u64>(cpu),
                    Code::JERes64 => break hot::res_e::<u64>(cpu),
                    Code::JSRes64 => break hot::res_s::<u64>(cpu),
                    Code::JLeRes64 => break hot::res_le::<u64>(cpu),
                    Code::JmpFar => break 'indirect (here.next[0], false),
                    Code::JmpReg => break 'indirect (int::gpr(cpu, op.s), false),
                    Code::JmpMem => {
                        let Some(target) = mem.load::<u64>(op.wide()) else {
                            mem!(false);
                            continue;
                        };
                        break 'indirect (target, false);
                    }
                    Code::Call => {
                        mem!(hot::push(cpu, mem, op.wide()));
                        break 0;
                    }
                    Code::CallFar => {
                        mem!(hot::push(cpu, mem, op.wide()));
                        break 'indirect (here.next[0], false);
                    }
                    Code::CallReg => {
                        let target = int::gpr(cpu, op.s);
                        mem!(hot::push(cpu, mem, op.wide()));
                        break 'indirect (target, false);
                    }
                    Code::Ret => {
                        let sp = cpu.gpr[reg::RSP];
                        let Some(target) = mem.load::<u64>(sp) else {
                            mem!(false);
                            continue;
                        };
                        cpu.gpr[reg::RSP] = sp.wrapping_add(8);
                        break 'indirect (target, false);
                    }
                    Code::RetN => {
                        let sp = cpu.gpr[reg::RSP];
                        let Some(target) = mem.load::<u64>(sp) else {
                            mem!(false);
                            continue;
                        };
                        cpu.gpr[reg::RSP] = sp.wrapping_add(8).wrapping_add(op.imm as u64);
                        break 'indirect (target, false);
                    }
                    Code::Syscall => {
                        cpu.rip = op.wide();
                        cpu.gpr[reg::RCX] = op.wide();
                        cpu.gpr[reg::R11] = cpu.rflags();
                        break 'run Outcome::Exit(Exit::Syscall);
                    }
                    Code::Raise => {
                        // SAFETY: `op` is one of the live block's.
                        cpu.rip = unsafe { Block::origin(block, ip) };
                        let exit = Raise::exit(op.x);
                        if matches!(exit, Exit::Breakpoint | Exit::Trap) {
                            cpu.rip = op.wide();
                        }
                        break 'run Outcome::Exit(exit);
                    }
                    Code::Refetch => {
                        cpu.rip = op.wide();
                        break 'run Outcome::Refetch;
                    }
                    _ => mem!(helpers::call(cpu, mem, op)),
                }
                ip = ip.wrapping_add(1);
            };
            let linked = here.links[taken].get();
            if !linked.is_null() {
                block = linked;
                continue 'run;
            }
            (here.next[taken], true)
        };
        let known = mem.tlb.jumps[Tlb::jump(target)];
        // SAFETY: what is in the jump cache is live, see above.
        if !known.is_null() && unsafe { (*known).start } == target {
            if link {
                // SAFETY: `known` is live.
                unsafe { join(here, known, target) };
            }
            block = known;
            continue;
        }
        cpu.rip = target;
        if budget <= 0 {
            break Outcome::Exit(Exit::Budget);
        }
        let writes = mem.cache.writes();
        match find(mem, target) {
            Ok(found) => {
                // `here` has to be there still.
                if link && mem.cache.writes() == writes {
                    // SAFETY: `found` is live.
                    unsafe { join(here, found, target) };
                }
                block = found;
            }
            Err(stop) => break stopped(stop),
        }
    };
    *left = budget;
    outcome
}
