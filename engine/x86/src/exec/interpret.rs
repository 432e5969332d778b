//! The loop over the ops of a block, and from block to block.
#![allow(unsafe_code)] // Ops are walked by pointer, and blocks link by pointer.

use super::hot::{self, Add, And, Or, Sar, Shl, Shr, Sub, Xor};
use super::{Outcome, cond, find, helpers, int, stopped};
use crate::code::Block;
use crate::cpu::{Cpu, reg};
use crate::decode::Raise;
use crate::exit::Exit;
use crate::mem::{Inner, Stop, Tlb};
use crate::ops::Code;

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
pub unsafe fn interpret(
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
                let mut op = unsafe { &*ip };
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
                macro_rules! second {
                    () => {
                        ip = ip.wrapping_add(1);
                        // SAFETY: the first op of a pair doesn't end the block.
                        op = unsafe { &*ip };
                        let _ = op;
                    };
                }
                macro_rules! fused {
                    ($compare:ident $size:ident $condition:ident) => {{
                        hot::$compare::<$size>(cpu, op);
                        break hot::$condition::<$size>(cpu);
                    }};
                }
                macro_rules! fused_memory {
                    ($compare:ident $size:ident $condition:ident) => {{
                        mem!(hot::$compare::<$size>(cpu, mem, op));
                        break hot::$condition::<$size>(cpu);
                    }};
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
                    Code::Cmp8RrJE => fused!(cmp_rr u8 e),
                    Code::Cmp8RiJE => fused!(cmp_ri u8 e),
                    Code::Cmp8RmJE => fused_memory!(cmp_rm u8 e),
                    Code::Cmp8MrJE => fused_memory!(cmp_mr u8 e),
                    Code::Cmp8MiJE => fused_memory!(cmp_mi u8 e),
                    Code::Cmp8RrJB => fused!(cmp_rr u8 b),
                    Code::Cmp8RiJB => fused!(cmp_ri u8 b),
                    Code::Cmp8RmJB => fused_memory!(cmp_rm u8 b),
                    Code::Cmp8MrJB => fused_memory!(cmp_mr u8 b),
                    Code::Cmp8MiJB => fused_memory!(cmp_mi u8 b),
                    Code::Cmp8RrJBe => fused!(cmp_rr u8 be),
                    Code::Cmp8RiJBe => fused!(cmp_ri u8 be),
                    Code::Cmp8RmJBe => fused_memory!(cmp_rm u8 be),
                    Code::Cmp8MrJBe => fused_memory!(cmp_mr u8 be),
                    Code::Cmp8MiJBe => fused_memory!(cmp_mi u8 be),
                    Code::Cmp8RrJL => fused!(cmp_rr u8 l),
                    Code::Cmp8RiJL => fused!(cmp_ri u8 l),
                    Code::Cmp8RmJL => fused_memory!(cmp_rm u8 l),
                    Code::Cmp8MrJL => fused_memory!(cmp_mr u8 l),
                    Code::Cmp8MiJL => fused_memory!(cmp_mi u8 l),
                    Code::Cmp8RrJLe => fused!(cmp_rr u8 le),
                    Code::Cmp8RiJLe => fused!(cmp_ri u8 le),
                    Code::Cmp8RmJLe => fused_memory!(cmp_rm u8 le),
                    Code::Cmp8MrJLe => fused_memory!(cmp_mr u8 le),
                    Code::Cmp8MiJLe => fused_memory!(cmp_mi u8 le),
                    Code::Test8RrJE => fused!(test_rr u8 res_e),
                    Code::Test8RiJE => fused!(test_ri u8 res_e),
                    Code::Test8MiJE => fused_memory!(test_mi u8 res_e),
                    Code::Test8RrJS => fused!(test_rr u8 res_s),
                    Code::Test8RiJS => fused!(test_ri u8 res_s),
                    Code::Test8MiJS => fused_memory!(test_mi u8 res_s),
                    Code::Test8RrJLe => fused!(test_rr u8 res_le),
                    Code::Test8RiJLe => fused!(test_ri u8 res_le),
                    Code::Test8MiJLe => fused_memory!(test_mi u8 res_le),
                    Code::Cmp32RrJE => fused!(cmp_rr u32 e),
                    Code::Cmp32RiJE => fused!(cmp_ri u32 e),
                    Code::Cmp32RmJE => fused_memory!(cmp_rm u32 e),
                    Code::Cmp32MrJE => fused_memory!(cmp_mr u32 e),
                    Code::Cmp32MiJE => fused_memory!(cmp_mi u32 e),
                    Code::Cmp32RrJB => fused!(cmp_rr u32 b),
                    Code::Cmp32RiJB => fused!(cmp_ri u32 b),
                    Code::Cmp32RmJB => fused_memory!(cmp_rm u32 b),
                    Code::Cmp32MrJB => fused_memory!(cmp_mr u32 b),
                    Code::Cmp32MiJB => fused_memory!(cmp_mi u32 b),
                    Code::Cmp32RrJBe => fused!(cmp_rr u32 be),
                    Code::Cmp32RiJBe => fused!(cmp_ri u32 be),
                    Code::Cmp32RmJBe => fused_memory!(cmp_rm u32 be),
                    Code::Cmp32MrJBe => fused_memory!(cmp_mr u32 be),
                    Code::Cmp32MiJBe => fused_memory!(cmp_mi u32 be),
                    Code::Cmp32RrJL => fused!(cmp_rr u32 l),
                    Code::Cmp32RiJL => fused!(cmp_ri u32 l),
                    Code::Cmp32RmJL => fused_memory!(cmp_rm u32 l),
                    Code::Cmp32MrJL => fused_memory!(cmp_mr u32 l),
                    Code::Cmp32MiJL => fused_memory!(cmp_mi u32 l),
                    Code::Cmp32RrJLe => fused!(cmp_rr u32 le),
                    Code::Cmp32RiJLe => fused!(cmp_ri u32 le),
                    Code::Cmp32RmJLe => fused_memory!(cmp_rm u32 le),
                    Code::Cmp32MrJLe => fused_memory!(cmp_mr u32 le),
                    Code::Cmp32MiJLe => fused_memory!(cmp_mi u32 le),
                    Code::Test32RrJE => fused!(test_rr u32 res_e),
                    Code::Test32RiJE => fused!(test_ri u32 res_e),
                    Code::Test32MiJE => fused_memory!(test_mi u32 res_e),
                    Code::Test32RrJS => fused!(test_rr u32 res_s),
                    Code::Test32RiJS => fused!(test_ri u32 res_s),
                    Code::Test32MiJS => fused_memory!(test_mi u32 res_s),
                    Code::Test32RrJLe => fused!(test_rr u32 res_le),
                    Code::Test32RiJLe => fused!(test_ri u32 res_le),
                    Code::Test32MiJLe => fused_memory!(test_mi u32 res_le),
                    Code::Cmp64RrJE => fused!(cmp_rr u64 e),
                    Code::Cmp64RiJE => fused!(cmp_ri u64 e),
                    Code::Cmp64RmJE => fused_memory!(cmp_rm u64 e),
                    Code::Cmp64MrJE => fused_memory!(cmp_mr u64 e),
                    Code::Cmp64MiJE => fused_memory!(cmp_mi u64 e),
                    Code::Cmp64RrJB => fused!(cmp_rr u64 b),
                    Code::Cmp64RiJB => fused!(cmp_ri u64 b),
                    Code::Cmp64RmJB => fused_memory!(cmp_rm u64 b),
                    Code::Cmp64MrJB => fused_memory!(cmp_mr u64 b),
                    Code::Cmp64MiJB => fused_memory!(cmp_mi u64 b),
                    Code::Cmp64RrJBe => fused!(cmp_rr u64 be),
                    Code::Cmp64RiJBe => fused!(cmp_ri u64 be),
                    Code::Cmp64RmJBe => fused_memory!(cmp_rm u64 be),
                    Code::Cmp64MrJBe => fused_memory!(cmp_mr u64 be),
                    Code::Cmp64MiJBe => fused_memory!(cmp_mi u64 be),
                    Code::Cmp64RrJL => fused!(cmp_rr u64 l),
                    Code::Cmp64RiJL => fused!(cmp_ri u64 l),
                    Code::Cmp64RmJL => fused_memory!(cmp_rm u64 l),
                    Code::Cmp64MrJL => fused_memory!(cmp_mr u64 l),
                    Code::Cmp64MiJL => fused_memory!(cmp_mi u64 l),
                    Code::Cmp64RrJLe => fused!(cmp_rr u64 le),
                    Code::Cmp64RiJLe => fused!(cmp_ri u64 le),
                    Code::Cmp64RmJLe => fused_memory!(cmp_rm u64 le),
                    Code::Cmp64MrJLe => fused_memory!(cmp_mr u64 le),
                    Code::Cmp64MiJLe => fused_memory!(cmp_mi u64 le),
                    Code::Test64RrJE => fused!(test_rr u64 res_e),
                    Code::Test64RiJE => fused!(test_ri u64 res_e),
                    Code::Test64MiJE => fused_memory!(test_mi u64 res_e),
                    Code::Test64RrJS => fused!(test_rr u64 res_s),
                    Code::Test64RiJS => fused!(test_ri u64 res_s),
                    Code::Test64MiJS => fused_memory!(test_mi u64 res_s),
                    Code::Test64RrJLe => fused!(test_rr u64 res_le),
                    Code::Test64RiJLe => fused!(test_ri u64 res_le),
                    Code::Test64MiJLe => fused_memory!(test_mi u64 res_le),
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
                    // Pairs: the second op is the next in line, untouched.
                    Code::Mov64RrMov64Rr => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        hot::mov_rr::<u64>(cpu, op)
                    }
                    Code::StoreX128AlignedStoreX128Aligned => {
                        mem!(hot::store_x128::<true>(cpu, mem, op));
                        second!();
                        mem!(hot::store_x128::<true>(cpu, mem, op))
                    }
                    Code::PopRunRet => {
                        mem!(hot::pop_run(cpu, mem, op));
                        second!();
                        {
                            let sp = cpu.gpr[reg::RSP];
                            let Some(target) = mem.load::<u64>(sp) else {
                                mem!(false);
                                continue;
                            };
                            cpu.gpr[reg::RSP] = sp.wrapping_add(8);
                            break 'indirect (target, false);
                        }
                    }
                    Code::Push64RMov64Rr => {
                        mem!(hot::push(cpu, mem, cpu.gpr[op.s as usize & 31]));
                        second!();
                        hot::mov_rr::<u64>(cpu, op)
                    }
                    Code::Add64RiCmp8MiJE => {
                        hot::alu_ri::<u64, Add, false>(cpu, op);
                        second!();
                        fused_memory!(cmp_mi u8 e)
                    }
                    Code::Mov64RrPush64R => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        mem!(hot::push(cpu, mem, cpu.gpr[op.s as usize & 31]))
                    }
                    Code::PushRunMov64Rr => {
                        mem!(hot::push_run(cpu, mem, op));
                        second!();
                        hot::mov_rr::<u64>(cpu, op)
                    }
                    Code::Load8RbAdd64Ri => {
                        mem!(hot::load::<u8>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::alu_ri::<u64, Add, false>(cpu, op)
                    }
                    Code::Mov64RrCallFar => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        {
                            mem!(hot::push(cpu, mem, op.wide()));
                            break 'indirect (here.next[0], false);
                        }
                    }
                    Code::Pop64RRet => {
                        mem!(hot::pop(cpu, mem, op));
                        second!();
                        {
                            let sp = cpu.gpr[reg::RSP];
                            let Some(target) = mem.load::<u64>(sp) else {
                                mem!(false);
                                continue;
                            };
                            cpu.gpr[reg::RSP] = sp.wrapping_add(8);
                            break 'indirect (target, false);
                        }
                    }
                    Code::Load64RbLoad64Rb => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Load64RbSub64RmF => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::alu_rm::<u64, Sub, true>(cpu, mem, op))
                    }
                    Code::Load64RmStore64Br => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_m(cpu, op)));
                        second!();
                        mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Sub64RmFJz64 => {
                        mem!(hot::alu_rm::<u64, Sub, true>(cpu, mem, op));
                        second!();
                        break hot::jz::<u64>(cpu, op);
                    }
                    Code::Add64RiStore8Mi => {
                        hot::alu_ri::<u64, Add, false>(cpu, op);
                        second!();
                        mem!(hot::store_imm::<u8>(cpu, mem, op))
                    }
                    Code::Store8MiTest8RrJE => {
                        mem!(hot::store_imm::<u8>(cpu, mem, op));
                        second!();
                        fused!(test_rr u8 res_e)
                    }
                    Code::Add64RiFPopRun => {
                        hot::alu_ri::<u64, Add, true>(cpu, op);
                        second!();
                        mem!(hot::pop_run(cpu, mem, op))
                    }
                    Code::Load32RbLoad32Rb => {
                        mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Store64BrMovWide => {
                        mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::mov_wide(cpu, op)
                    }
                    Code::Load32RbAnd32Ri => {
                        mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::alu_ri::<u32, And, false>(cpu, op)
                    }
                    Code::Load64RbStore64Br => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::LoadLow8Test8RrJE => {
                        mem!(hot::load_low::<u8>(cpu, mem, op));
                        second!();
                        fused!(test_rr u8 res_e)
                    }
                    Code::Mov64RrPopRun => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        mem!(hot::pop_run(cpu, mem, op))
                    }
                    Code::Mov64RrSub64Ri => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        hot::alu_ri::<u64, Sub, false>(cpu, op)
                    }
                    Code::Load8RbCmp8Ri => {
                        mem!(hot::load::<u8>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::cmp_ri::<u8>(cpu, op)
                    }
                    Code::Mov32RrAnd32Ri => {
                        hot::mov_rr::<u32>(cpu, op);
                        second!();
                        hot::alu_ri::<u32, And, false>(cpu, op)
                    }
                    Code::LoadLow8Cmp8RmJE => {
                        mem!(hot::load_low::<u8>(cpu, mem, op));
                        second!();
                        fused_memory!(cmp_rm u8 e)
                    }
                    Code::Load32RbLoad64Rb => {
                        mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Push64RMov32Rr => {
                        mem!(hot::push(cpu, mem, cpu.gpr[op.s as usize & 31]));
                        second!();
                        hot::mov_rr::<u32>(cpu, op)
                    }
                    Code::Load64RbMov64Rr => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::mov_rr::<u64>(cpu, op)
                    }
                    Code::Mov64RrLoadLow8 => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        mem!(hot::load_low::<u8>(cpu, mem, op))
                    }
                    Code::Store64BrStore64Br => {
                        mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Store64BrLoad64Rb => {
                        mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Lea64RbJESub8 => {
                        hot::lea_b(cpu, op);
                        second!();
                        break hot::e::<u8>(cpu);
                    }
                    Code::Load64RbCallFar => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        {
                            mem!(hot::push(cpu, mem, op.wide()));
                            break 'indirect (here.next[0], false);
                        }
                    }
                    Code::Load64RbJmpReg => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        break 'indirect (int::gpr(cpu, op.s), false);
                    }
                    Code::Mov32RrMovsx32To64Rr => {
                        hot::mov_rr::<u32>(cpu, op);
                        second!();
                        hot::movsx_rr::<u32, u64>(cpu, op)
                    }
                    Code::LoadLow8Add64Rr => {
                        mem!(hot::load_low::<u8>(cpu, mem, op));
                        second!();
                        hot::alu_rr::<u64, Add, false>(cpu, op)
                    }
                    Code::Add64RrCmp8MrJE => {
                        hot::alu_rr::<u64, Add, false>(cpu, op);
                        second!();
                        fused_memory!(cmp_mr u8 e)
                    }
                    Code::LoadLow8Cmp8MrJE => {
                        mem!(hot::load_low::<u8>(cpu, mem, op));
                        second!();
                        fused_memory!(cmp_mr u8 e)
                    }
                    Code::Load64RbMovWide => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::mov_wide(cpu, op)
                    }
                    Code::PushRunSub64Ri => {
                        mem!(hot::push_run(cpu, mem, op));
                        second!();
                        hot::alu_ri::<u64, Sub, false>(cpu, op)
                    }
                    Code::Load64RbLea64Rb => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::lea_b(cpu, op)
                    }
                    Code::Load64RbTest64RrJE => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        fused!(test_rr u64 res_e)
                    }
                    Code::Mov64RrLoad32Rb => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Load64RbLoad64Rm => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_m(cpu, op)))
                    }
                    Code::Mov32RrPush64R => {
                        hot::mov_rr::<u32>(cpu, op);
                        second!();
                        mem!(hot::push(cpu, mem, cpu.gpr[op.s as usize & 31]))
                    }
                    Code::Push64RLea64Rb => {
                        mem!(hot::push(cpu, mem, cpu.gpr[op.s as usize & 31]));
                        second!();
                        hot::lea_b(cpu, op)
                    }
                    Code::Add64RiTest8RrJE => {
                        hot::alu_ri::<u64, Add, false>(cpu, op);
                        second!();
                        fused!(test_rr u8 res_e)
                    }
                    Code::Push64RSub64Ri => {
                        mem!(hot::push(cpu, mem, cpu.gpr[op.s as usize & 31]));
                        second!();
                        hot::alu_ri::<u64, Sub, false>(cpu, op)
                    }
                    Code::Load64RbMov32Rr => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::mov_rr::<u32>(cpu, op)
                    }
                    Code::Mov32RrMov64Rr => {
                        hot::mov_rr::<u32>(cpu, op);
                        second!();
                        hot::mov_rr::<u64>(cpu, op)
                    }
                    Code::Load64RmTest64RrJE => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_m(cpu, op)));
                        second!();
                        fused!(test_rr u64 res_e)
                    }
                    Code::Mov64RrTest64RrJE => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        fused!(test_rr u64 res_e)
                    }
                    Code::MovWideCmp8MiJE => {
                        hot::mov_wide(cpu, op);
                        second!();
                        fused_memory!(cmp_mi u8 e)
                    }
                    Code::Mov32RrMov32Rr => {
                        hot::mov_rr::<u32>(cpu, op);
                        second!();
                        hot::mov_rr::<u32>(cpu, op)
                    }
                    Code::And32RiFJz32 => {
                        hot::alu_ri::<u32, And, true>(cpu, op);
                        second!();
                        break hot::jz::<u32>(cpu, op);
                    }
                    Code::Mov32RrXor32Rr => {
                        hot::mov_rr::<u32>(cpu, op);
                        second!();
                        hot::alu_rr::<u32, Xor, false>(cpu, op)
                    }
                    Code::Rol32RiMov32Rr => {
                        hot::rol_ri::<u32>(cpu, op);
                        second!();
                        hot::mov_rr::<u32>(cpu, op)
                    }
                    Code::Mov32RrRol32Ri => {
                        hot::mov_rr::<u32>(cpu, op);
                        second!();
                        hot::rol_ri::<u32>(cpu, op)
                    }
                    Code::Rol32RiXor32Rr => {
                        hot::rol_ri::<u32>(cpu, op);
                        second!();
                        hot::alu_rr::<u32, Xor, false>(cpu, op)
                    }
                    Code::Xor32RrAnd32Rr => {
                        hot::alu_rr::<u32, Xor, false>(cpu, op);
                        second!();
                        hot::alu_rr::<u32, And, false>(cpu, op)
                    }
                    Code::Add32RrMov32Rr => {
                        hot::alu_rr::<u32, Add, false>(cpu, op);
                        second!();
                        hot::mov_rr::<u32>(cpu, op)
                    }
                    Code::MovWideCallFar => {
                        hot::mov_wide(cpu, op);
                        second!();
                        {
                            mem!(hot::push(cpu, mem, op.wide()));
                            break 'indirect (here.next[0], false);
                        }
                    }
                    Code::Mov64RrLoad64Rb => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Add64RiAdd64Ri => {
                        hot::alu_ri::<u64, Add, false>(cpu, op);
                        second!();
                        hot::alu_ri::<u64, Add, false>(cpu, op)
                    }
                    Code::Load32RbTest32RrJE => {
                        mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        fused!(test_rr u32 res_e)
                    }
                    Code::MovWideMovWide => {
                        hot::mov_wide(cpu, op);
                        second!();
                        hot::mov_wide(cpu, op)
                    }
                    Code::Add64RiCmp64RiJE => {
                        hot::alu_ri::<u64, Add, false>(cpu, op);
                        second!();
                        fused!(cmp_ri u64 e)
                    }
                    Code::Mov64RrCall => {
                        hot::mov_rr::<u64>(cpu, op);
                        second!();
                        {
                            mem!(hot::push(cpu, mem, op.wide()));
                            break 0;
                        }
                    }
                    Code::Add64RiCmp64RrJE => {
                        hot::alu_ri::<u64, Add, false>(cpu, op);
                        second!();
                        fused!(cmp_rr u64 e)
                    }
                    Code::Lea64RbCallFar => {
                        hot::lea_b(cpu, op);
                        second!();
                        {
                            mem!(hot::push(cpu, mem, op.wide()));
                            break 'indirect (here.next[0], false);
                        }
                    }
                    Code::Add32RiCmp32RrJE => {
                        hot::alu_ri::<u32, Add, false>(cpu, op);
                        second!();
                        fused!(cmp_rr u32 e)
                    }
                    Code::Store64BrStore32Br => {
                        mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        mem!(hot::store::<u32>(cpu, mem, op, hot::ea_b(cpu, op)))
                    }
                    Code::Load64RbAdd64Ri => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        hot::alu_ri::<u64, Add, false>(cpu, op)
                    }
                    Code::Load8RbTest8RrJE => {
                        mem!(hot::load::<u8>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        fused!(test_rr u8 res_e)
                    }
                    Code::Load32RbCmp32RrJE => {
                        mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        fused!(cmp_rr u32 e)
                    }
                    Code::Load64RbCmp64RrJE => {
                        mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                        second!();
                        fused!(cmp_rr u64 e)
                    }
                    // Leaving the block.
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
