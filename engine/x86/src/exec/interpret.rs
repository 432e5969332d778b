//! The loop over the ops of a block, and from block to block.
//!
//! It is compiled twice. Over the [`Tlb`] it does what needs nothing else, and so calls no function: what it works with
//! stays in registers, which no engine would do across hundreds of calls. What it can't do there, an access that misses
//! or an op that isn't inline, it leaves to [`drive`](super::drive). Over all of memory it does one op at a time.
#![allow(unsafe_code)] // Ops are walked by pointer, and blocks link by pointer.

use super::hot::{self, Add, And, Or, Sar, Shl, Shr, Sub, Xor};
use super::int::gpr;
use super::sse::integer;
use crate::code::Block;
use crate::cpu::{Cpu, reg};
use crate::mem::{Memory, Tlb};
use crate::ops::{Code, Op, sequence_table};

/// Where the guest is.
pub struct At {
    pub block: *const Block,
    /// The next op of `block`.
    pub ip: *const Op,
    /// The budget left, `block` paid for.
    pub left: i64,
    /// Which of `block`'s links led to where [`Leave::Find`] wants to go; 2 if none did.
    pub link: usize,
}

/// Why the loop ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The budget is used up; `rip` is set.
    Budget,
    /// An access by the op failed, with nothing committed.
    Access,
    /// The op isn't one of the loop's.
    Op,
    /// Where to go, which is in `rip`, is not in the jump cache.
    Find,
    /// All is well, to go on at `ip`.
    Go,
}

/// In place of a link: the way is not one of the block's two.
const NO_LINK: usize = 2;

impl At {
    /// Goes to the start of a block; `None` if the budget is used up.
    ///
    /// # Safety
    /// `block` is live.
    pub unsafe fn start(block: *const Block, left: i64) -> Option<At> {
        if left <= 0 {
            return None;
        }
        // SAFETY: the caller's promise.
        let here = unsafe { &*block };
        here.hot.set(here.hot.get().wrapping_add(1));
        Some(At {
            block,
            ip: Block::ops(block),
            left: left - i64::from(here.count),
            link: NO_LINK,
        })
    }
}

/// Links a block to another, if `link` is one of its links and both lie in one page.
///
/// # Safety
/// Both are live.
#[inline(always)]
pub unsafe fn join(from: *const Block, link: usize, to: *const Block) {
    // SAFETY: the caller's promise.
    let (from, to) = unsafe { (&*from, &*to) };
    if let Some(slot) = from.links.get(link)
        && from.start >> 12 == to.start >> 12
        && to.single_page()
    {
        slot.set(to);
    }
}

/// The loop.
///
/// # Safety
/// `at.block` is live, `at.ip` one of its ops, and so are the blocks that it links to and those in the jump cache.
/// Nothing in here changes the cache of blocks.
pub unsafe fn interpret<M: Memory>(cpu: &mut Cpu, mem: &mut M, at: &mut At) -> Leave {
    let mut block = at.block;
    let mut ip = at.ip;
    let mut left = at.left;
    let leave = 'run: loop {
        // SAFETY: `ip` starts at an op of a live block and only moves past ops that don't end one; the last op of every
        // block ends it.
        let mut op = unsafe { &*ip };
        let code = if M::ONE_OP { op.code.first() } else { op.code };
        macro_rules! here {
            () => {
                // SAFETY: `block` is live, see above.
                unsafe { &*block }
            };
        }
        'enter: {
            let (target, link) = 'indirect: {
                let target = 'jump: {
                    let taken = 'link: {
                        macro_rules! mem {
                            ($ok:expr) => {
                                if !$ok {
                                    break 'run Leave::Access;
                                }
                            };
                        }
                        macro_rules! value {
                            ($value:expr) => {
                                match $value {
                                    Some(value) => value,
                                    None => break 'run Leave::Access,
                                }
                            };
                        }
                        macro_rules! fused {
                            ($compare:ident $size:ident $condition:ident) => {{
                                hot::$compare::<$size>(cpu, op);
                                break 'link hot::$condition::<$size>(cpu);
                            }};
                        }
                        macro_rules! fused_memory {
                            ($compare:ident $size:ident $condition:ident) => {{
                                mem!(hot::$compare::<$size>(cpu, mem, op));
                                break 'link hot::$condition::<$size>(cpu);
                            }};
                        }
                        /// Makes the match over all codes: the single ones, and sequences from their table.
                        macro_rules! arms {
                    ($d:tt $($name:ident => $arm:expr;)*) => {
                        macro_rules! arm {
                            $(($name) => { $arm };)*
                        }
                        macro_rules! more {
                            () => {};
                            ($d code:ident $d($d rest:ident)*) => {
                                ip = ip.wrapping_add(1);
                                // SAFETY: the ops of a sequence but the last don't end the block.
                                op = unsafe { &*ip };
                                let _ = op; // Some ops have no operands.
                                arm!($d code);
                                more!($d($d rest)*);
                            };
                        }
                        macro_rules! dispatch {
                            ($d($d sequence:ident = $d first:ident $d($d rest:ident)*;)*) => {
                                match code {
                                    $(Code::$name => arm!($name),)*
                                    $d(Code::$d sequence => {
                                        if M::ONE_OP {
                                            break 'run Leave::Op;
                                        }
                                        arm!($d first);
                                        more!($d($d rest)*);
                                    })*
                                    _ => break 'run Leave::Op,
                                }
                            };
                        }
                    };
                }
                        arms! { $
                            Mov8Rr => hot::mov_rr::<u8>(cpu, op);
                            Mov16Rr => hot::mov_rr::<u16>(cpu, op);
                            Mov32Rr => hot::mov_rr::<u32>(cpu, op);
                            Mov64Rr => hot::mov_rr::<u64>(cpu, op);
                            Mov8Ri => hot::mov_ri::<u8>(cpu, op);
                            Mov16Ri => hot::mov_ri::<u16>(cpu, op);
                            MovWide => hot::mov_wide(cpu, op);
                            Movzx8Rr => hot::movzx_rr::<u8>(cpu, op);
                            Movzx16Rr => hot::movzx_rr::<u16>(cpu, op);
                            Movsx8To32Rr => hot::movsx_rr::<u8, u32>(cpu, op);
                            Movsx16To32Rr => hot::movsx_rr::<u16, u32>(cpu, op);
                            Movsx8To64Rr => hot::movsx_rr::<u8, u64>(cpu, op);
                            Movsx16To64Rr => hot::movsx_rr::<u16, u64>(cpu, op);
                            Movsx32To64Rr => hot::movsx_rr::<u32, u64>(cpu, op);
                            Load8Rb => mem!(hot::load::<u8>(cpu, mem, op, hot::ea_b(cpu, op)));
                            Load8Rm => mem!(hot::load::<u8>(cpu, mem, op, hot::ea_m(cpu, op)));
                            Load16Rm => mem!(hot::load::<u16>(cpu, mem, op, hot::ea_m(cpu, op)));
                            Load32Rb => mem!(hot::load::<u32>(cpu, mem, op, hot::ea_b(cpu, op)));
                            Load32Rm => mem!(hot::load::<u32>(cpu, mem, op, hot::ea_m(cpu, op)));
                            Load32Ra => mem!(hot::load::<u32>(cpu, mem, op, hot::ea_a(cpu, op)));
                            Load64Rb => mem!(hot::load::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                            Load64Rm => mem!(hot::load::<u64>(cpu, mem, op, hot::ea_m(cpu, op)));
                            Load64Ra => mem!(hot::load::<u64>(cpu, mem, op, hot::ea_a(cpu, op)));
                            LoadSx8To32Rm => mem!(hot::load_sx::<u8, u32>(cpu, mem, op));
                            LoadSx16To32Rm => mem!(hot::load_sx::<u16, u32>(cpu, mem, op));
                            LoadSx8To64Rm => mem!(hot::load_sx::<u8, u64>(cpu, mem, op));
                            LoadSx16To64Rm => mem!(hot::load_sx::<u16, u64>(cpu, mem, op));
                            LoadSx32To64Rm => mem!(hot::load_sx::<u32, u64>(cpu, mem, op));
                            LoadForWrite8Rm => mem!(hot::load_for_write::<u8>(cpu, mem, op));
                            LoadForWrite16Rm => mem!(hot::load_for_write::<u16>(cpu, mem, op));
                            LoadForWrite32Rm => mem!(hot::load_for_write::<u32>(cpu, mem, op));
                            LoadForWrite64Rm => mem!(hot::load_for_write::<u64>(cpu, mem, op));
                            Store8Br => mem!(hot::store::<u8>(cpu, mem, op, hot::ea_b(cpu, op)));
                            Store8Mr => mem!(hot::store::<u8>(cpu, mem, op, hot::ea_m(cpu, op)));
                            Store16Mr => mem!(hot::store::<u16>(cpu, mem, op, hot::ea_m(cpu, op)));
                            Store32Br => mem!(hot::store::<u32>(cpu, mem, op, hot::ea_b(cpu, op)));
                            Store32Mr => mem!(hot::store::<u32>(cpu, mem, op, hot::ea_m(cpu, op)));
                            Store32Ar => mem!(hot::store::<u32>(cpu, mem, op, hot::ea_a(cpu, op)));
                            Store64Br => mem!(hot::store::<u64>(cpu, mem, op, hot::ea_b(cpu, op)));
                            Store64Mr => mem!(hot::store::<u64>(cpu, mem, op, hot::ea_m(cpu, op)));
                            Store64Ar => mem!(hot::store::<u64>(cpu, mem, op, hot::ea_a(cpu, op)));
                            Store8Mi => mem!(hot::store_imm::<u8>(cpu, mem, op));
                            Store16Mi => mem!(hot::store_imm::<u16>(cpu, mem, op));
                            Store32Mi => mem!(hot::store_imm::<u32>(cpu, mem, op));
                            Store64Mi => mem!(hot::store_imm::<u64>(cpu, mem, op));
                            Lea64Rb => hot::lea_b(cpu, op);
                            Lea64Rm => hot::lea::<u64>(cpu, op);
                            Lea32Rm => hot::lea::<u32>(cpu, op);
                            ExtractHigh => hot::extract_high(cpu, op);
                            InsertHigh => hot::insert_high(cpu, op);
                            Push64R => mem!(hot::push(cpu, mem, cpu.gpr[op.s as usize & 31]));
                            Push64I => mem!(hot::push(cpu, mem, op.imm as i64 as u64));
                            Pop64R => mem!(hot::pop(cpu, mem, op));
                            PushRun => mem!(hot::push_run(cpu, mem, op));
                            PopRun => mem!(hot::pop_run(cpu, mem, op));
                            Add32Rr => hot::alu_rr::<u32, Add, false>(cpu, op);
                            Add32RrF => hot::alu_rr::<u32, Add, true>(cpu, op);
                            Add32Ri => hot::alu_ri::<u32, Add, false>(cpu, op);
                            Add32RiF => hot::alu_ri::<u32, Add, true>(cpu, op);
                            Add32Rm => mem!(hot::alu_rm::<u32, Add, false>(cpu, mem, op));
                            Add32RmF => mem!(hot::alu_rm::<u32, Add, true>(cpu, mem, op));
                            Add32MrF => mem!(hot::alu_mr::<u32, Add>(cpu, mem, op));
                            Add32MiF => mem!(hot::alu_mi::<u32, Add>(cpu, mem, op));
                            Add64Rr => hot::alu_rr::<u64, Add, false>(cpu, op);
                            Add64RrF => hot::alu_rr::<u64, Add, true>(cpu, op);
                            Add64Ri => hot::alu_ri::<u64, Add, false>(cpu, op);
                            Add64RiF => hot::alu_ri::<u64, Add, true>(cpu, op);
                            Add64Rm => mem!(hot::alu_rm::<u64, Add, false>(cpu, mem, op));
                            Add64RmF => mem!(hot::alu_rm::<u64, Add, true>(cpu, mem, op));
                            Add64MrF => mem!(hot::alu_mr::<u64, Add>(cpu, mem, op));
                            Add64MiF => mem!(hot::alu_mi::<u64, Add>(cpu, mem, op));
                            Add8RrF => hot::alu_rr::<u8, Add, true>(cpu, op);
                            Add8RiF => hot::alu_ri::<u8, Add, true>(cpu, op);
                            Add16RrF => hot::alu_rr::<u16, Add, true>(cpu, op);
                            Add16RiF => hot::alu_ri::<u16, Add, true>(cpu, op);
                            Sub32Rr => hot::alu_rr::<u32, Sub, false>(cpu, op);
                            Sub32RrF => hot::alu_rr::<u32, Sub, true>(cpu, op);
                            Sub32Ri => hot::alu_ri::<u32, Sub, false>(cpu, op);
                            Sub32RiF => hot::alu_ri::<u32, Sub, true>(cpu, op);
                            Sub32Rm => mem!(hot::alu_rm::<u32, Sub, false>(cpu, mem, op));
                            Sub32RmF => mem!(hot::alu_rm::<u32, Sub, true>(cpu, mem, op));
                            Sub32MrF => mem!(hot::alu_mr::<u32, Sub>(cpu, mem, op));
                            Sub32MiF => mem!(hot::alu_mi::<u32, Sub>(cpu, mem, op));
                            Sub64Rr => hot::alu_rr::<u64, Sub, false>(cpu, op);
                            Sub64RrF => hot::alu_rr::<u64, Sub, true>(cpu, op);
                            Sub64Ri => hot::alu_ri::<u64, Sub, false>(cpu, op);
                            Sub64RiF => hot::alu_ri::<u64, Sub, true>(cpu, op);
                            Sub64Rm => mem!(hot::alu_rm::<u64, Sub, false>(cpu, mem, op));
                            Sub64RmF => mem!(hot::alu_rm::<u64, Sub, true>(cpu, mem, op));
                            Sub64MrF => mem!(hot::alu_mr::<u64, Sub>(cpu, mem, op));
                            Sub64MiF => mem!(hot::alu_mi::<u64, Sub>(cpu, mem, op));
                            Sub8RrF => hot::alu_rr::<u8, Sub, true>(cpu, op);
                            Sub8RiF => hot::alu_ri::<u8, Sub, true>(cpu, op);
                            Sub16RrF => hot::alu_rr::<u16, Sub, true>(cpu, op);
                            Sub16RiF => hot::alu_ri::<u16, Sub, true>(cpu, op);
                            And32Rr => hot::alu_rr::<u32, And, false>(cpu, op);
                            And32RrF => hot::alu_rr::<u32, And, true>(cpu, op);
                            And32Ri => hot::alu_ri::<u32, And, false>(cpu, op);
                            And32RiF => hot::alu_ri::<u32, And, true>(cpu, op);
                            And32Rm => mem!(hot::alu_rm::<u32, And, false>(cpu, mem, op));
                            And32RmF => mem!(hot::alu_rm::<u32, And, true>(cpu, mem, op));
                            And32MrF => mem!(hot::alu_mr::<u32, And>(cpu, mem, op));
                            And32MiF => mem!(hot::alu_mi::<u32, And>(cpu, mem, op));
                            And64Rr => hot::alu_rr::<u64, And, false>(cpu, op);
                            And64RrF => hot::alu_rr::<u64, And, true>(cpu, op);
                            And64Ri => hot::alu_ri::<u64, And, false>(cpu, op);
                            And64RiF => hot::alu_ri::<u64, And, true>(cpu, op);
                            And64Rm => mem!(hot::alu_rm::<u64, And, false>(cpu, mem, op));
                            And64RmF => mem!(hot::alu_rm::<u64, And, true>(cpu, mem, op));
                            And64MrF => mem!(hot::alu_mr::<u64, And>(cpu, mem, op));
                            And64MiF => mem!(hot::alu_mi::<u64, And>(cpu, mem, op));
                            And8RrF => hot::alu_rr::<u8, And, true>(cpu, op);
                            And8RiF => hot::alu_ri::<u8, And, true>(cpu, op);
                            And16RrF => hot::alu_rr::<u16, And, true>(cpu, op);
                            And16RiF => hot::alu_ri::<u16, And, true>(cpu, op);
                            Or32Rr => hot::alu_rr::<u32, Or, false>(cpu, op);
                            Or32RrF => hot::alu_rr::<u32, Or, true>(cpu, op);
                            Or32Ri => hot::alu_ri::<u32, Or, false>(cpu, op);
                            Or32RiF => hot::alu_ri::<u32, Or, true>(cpu, op);
                            Or32Rm => mem!(hot::alu_rm::<u32, Or, false>(cpu, mem, op));
                            Or32RmF => mem!(hot::alu_rm::<u32, Or, true>(cpu, mem, op));
                            Or32MrF => mem!(hot::alu_mr::<u32, Or>(cpu, mem, op));
                            Or32MiF => mem!(hot::alu_mi::<u32, Or>(cpu, mem, op));
                            Or64Rr => hot::alu_rr::<u64, Or, false>(cpu, op);
                            Or64RrF => hot::alu_rr::<u64, Or, true>(cpu, op);
                            Or64Ri => hot::alu_ri::<u64, Or, false>(cpu, op);
                            Or64RiF => hot::alu_ri::<u64, Or, true>(cpu, op);
                            Or64Rm => mem!(hot::alu_rm::<u64, Or, false>(cpu, mem, op));
                            Or64RmF => mem!(hot::alu_rm::<u64, Or, true>(cpu, mem, op));
                            Or64MrF => mem!(hot::alu_mr::<u64, Or>(cpu, mem, op));
                            Or64MiF => mem!(hot::alu_mi::<u64, Or>(cpu, mem, op));
                            Or8RrF => hot::alu_rr::<u8, Or, true>(cpu, op);
                            Or8RiF => hot::alu_ri::<u8, Or, true>(cpu, op);
                            Or16RrF => hot::alu_rr::<u16, Or, true>(cpu, op);
                            Or16RiF => hot::alu_ri::<u16, Or, true>(cpu, op);
                            Xor32Rr => hot::alu_rr::<u32, Xor, false>(cpu, op);
                            Xor32RrF => hot::alu_rr::<u32, Xor, true>(cpu, op);
                            Xor32Ri => hot::alu_ri::<u32, Xor, false>(cpu, op);
                            Xor32RiF => hot::alu_ri::<u32, Xor, true>(cpu, op);
                            Xor32Rm => mem!(hot::alu_rm::<u32, Xor, false>(cpu, mem, op));
                            Xor32RmF => mem!(hot::alu_rm::<u32, Xor, true>(cpu, mem, op));
                            Xor32MrF => mem!(hot::alu_mr::<u32, Xor>(cpu, mem, op));
                            Xor32MiF => mem!(hot::alu_mi::<u32, Xor>(cpu, mem, op));
                            Xor64Rr => hot::alu_rr::<u64, Xor, false>(cpu, op);
                            Xor64RrF => hot::alu_rr::<u64, Xor, true>(cpu, op);
                            Xor64Ri => hot::alu_ri::<u64, Xor, false>(cpu, op);
                            Xor64RiF => hot::alu_ri::<u64, Xor, true>(cpu, op);
                            Xor64Rm => mem!(hot::alu_rm::<u64, Xor, false>(cpu, mem, op));
                            Xor64RmF => mem!(hot::alu_rm::<u64, Xor, true>(cpu, mem, op));
                            Xor64MrF => mem!(hot::alu_mr::<u64, Xor>(cpu, mem, op));
                            Xor64MiF => mem!(hot::alu_mi::<u64, Xor>(cpu, mem, op));
                            Xor8RrF => hot::alu_rr::<u8, Xor, true>(cpu, op);
                            Xor8RiF => hot::alu_ri::<u8, Xor, true>(cpu, op);
                            Xor16RrF => hot::alu_rr::<u16, Xor, true>(cpu, op);
                            Xor16RiF => hot::alu_ri::<u16, Xor, true>(cpu, op);
                            Cmp8Rr => hot::cmp_rr::<u8>(cpu, op);
                            Cmp8Ri => hot::cmp_ri::<u8>(cpu, op);
                            Test8Rr => hot::test_rr::<u8>(cpu, op);
                            Test8Ri => hot::test_ri::<u8>(cpu, op);
                            Cmp16Rr => hot::cmp_rr::<u16>(cpu, op);
                            Cmp16Ri => hot::cmp_ri::<u16>(cpu, op);
                            Test16Rr => hot::test_rr::<u16>(cpu, op);
                            Test16Ri => hot::test_ri::<u16>(cpu, op);
                            Cmp32Rr => hot::cmp_rr::<u32>(cpu, op);
                            Cmp32Ri => hot::cmp_ri::<u32>(cpu, op);
                            Test32Rr => hot::test_rr::<u32>(cpu, op);
                            Test32Ri => hot::test_ri::<u32>(cpu, op);
                            Cmp64Rr => hot::cmp_rr::<u64>(cpu, op);
                            Cmp64Ri => hot::cmp_ri::<u64>(cpu, op);
                            Test64Rr => hot::test_rr::<u64>(cpu, op);
                            Test64Ri => hot::test_ri::<u64>(cpu, op);
                            Shl32Ri => hot::shift_ri::<u32, Shl, false>(cpu, op);
                            Shl32RiF => hot::shift_ri::<u32, Shl, true>(cpu, op);
                            Shl32Cl => hot::shift_cl::<u32, Shl>(cpu, op);
                            Shr32Ri => hot::shift_ri::<u32, Shr, false>(cpu, op);
                            Shr32RiF => hot::shift_ri::<u32, Shr, true>(cpu, op);
                            Shr32Cl => hot::shift_cl::<u32, Shr>(cpu, op);
                            Sar32Ri => hot::shift_ri::<u32, Sar, false>(cpu, op);
                            Sar32RiF => hot::shift_ri::<u32, Sar, true>(cpu, op);
                            Sar32Cl => hot::shift_cl::<u32, Sar>(cpu, op);
                            Rol32Ri => hot::rol_ri::<u32>(cpu, op);
                            Imul32Rr => hot::imul_rr::<u32>(cpu, op);
                            Imul32Rri => hot::imul_rri::<u32>(cpu, op);
                            Neg32 => hot::neg::<u32>(cpu, op);
                            Not32 => hot::not::<u32>(cpu, op);
                            Bswap32 => hot::bswap32(cpu, op);
                            Cmov32 => hot::cmov::<u32>(cpu, op);
                            SignDx32 => hot::sign_dx::<u32>(cpu);
                            Shl64Ri => hot::shift_ri::<u64, Shl, false>(cpu, op);
                            Shl64RiF => hot::shift_ri::<u64, Shl, true>(cpu, op);
                            Shl64Cl => hot::shift_cl::<u64, Shl>(cpu, op);
                            Shr64Ri => hot::shift_ri::<u64, Shr, false>(cpu, op);
                            Shr64RiF => hot::shift_ri::<u64, Shr, true>(cpu, op);
                            Shr64Cl => hot::shift_cl::<u64, Shr>(cpu, op);
                            Sar64Ri => hot::shift_ri::<u64, Sar, false>(cpu, op);
                            Sar64RiF => hot::shift_ri::<u64, Sar, true>(cpu, op);
                            Sar64Cl => hot::shift_cl::<u64, Sar>(cpu, op);
                            Rol64Ri => hot::rol_ri::<u64>(cpu, op);
                            Imul64Rr => hot::imul_rr::<u64>(cpu, op);
                            Imul64Rri => hot::imul_rri::<u64>(cpu, op);
                            Neg64 => hot::neg::<u64>(cpu, op);
                            Not64 => hot::not::<u64>(cpu, op);
                            Bswap64 => hot::bswap64(cpu, op);
                            Cmov64 => hot::cmov::<u64>(cpu, op);
                            SignDx64 => hot::sign_dx::<u64>(cpu);
                            Set8 => hot::setcc(cpu, op);
                            Cmp8RrJE => fused!(cmp_rr u8 e);
                            Cmp8RiJE => fused!(cmp_ri u8 e);
                            Cmp8RmJE => fused_memory!(cmp_rm u8 e);
                            Cmp8MrJE => fused_memory!(cmp_mr u8 e);
                            Cmp8MiJE => fused_memory!(cmp_mi u8 e);
                            Cmp8RrJB => fused!(cmp_rr u8 b);
                            Cmp8RiJB => fused!(cmp_ri u8 b);
                            Cmp8RmJB => fused_memory!(cmp_rm u8 b);
                            Cmp8MrJB => fused_memory!(cmp_mr u8 b);
                            Cmp8MiJB => fused_memory!(cmp_mi u8 b);
                            Cmp8RrJBe => fused!(cmp_rr u8 be);
                            Cmp8RiJBe => fused!(cmp_ri u8 be);
                            Cmp8RmJBe => fused_memory!(cmp_rm u8 be);
                            Cmp8MrJBe => fused_memory!(cmp_mr u8 be);
                            Cmp8MiJBe => fused_memory!(cmp_mi u8 be);
                            Cmp8RrJL => fused!(cmp_rr u8 l);
                            Cmp8RiJL => fused!(cmp_ri u8 l);
                            Cmp8RmJL => fused_memory!(cmp_rm u8 l);
                            Cmp8MrJL => fused_memory!(cmp_mr u8 l);
                            Cmp8MiJL => fused_memory!(cmp_mi u8 l);
                            Cmp8RrJLe => fused!(cmp_rr u8 le);
                            Cmp8RiJLe => fused!(cmp_ri u8 le);
                            Cmp8RmJLe => fused_memory!(cmp_rm u8 le);
                            Cmp8MrJLe => fused_memory!(cmp_mr u8 le);
                            Cmp8MiJLe => fused_memory!(cmp_mi u8 le);
                            Test8RrJE => fused!(test_rr u8 res_e);
                            Test8RiJE => fused!(test_ri u8 res_e);
                            Test8MiJE => fused_memory!(test_mi u8 res_e);
                            Test8RrJS => fused!(test_rr u8 res_s);
                            Test8RiJS => fused!(test_ri u8 res_s);
                            Test8MiJS => fused_memory!(test_mi u8 res_s);
                            Test8RrJLe => fused!(test_rr u8 res_le);
                            Test8RiJLe => fused!(test_ri u8 res_le);
                            Test8MiJLe => fused_memory!(test_mi u8 res_le);
                            Cmp32RrJE => fused!(cmp_rr u32 e);
                            Cmp32RiJE => fused!(cmp_ri u32 e);
                            Cmp32RmJE => fused_memory!(cmp_rm u32 e);
                            Cmp32MrJE => fused_memory!(cmp_mr u32 e);
                            Cmp32MiJE => fused_memory!(cmp_mi u32 e);
                            Cmp32RrJB => fused!(cmp_rr u32 b);
                            Cmp32RiJB => fused!(cmp_ri u32 b);
                            Cmp32RmJB => fused_memory!(cmp_rm u32 b);
                            Cmp32MrJB => fused_memory!(cmp_mr u32 b);
                            Cmp32MiJB => fused_memory!(cmp_mi u32 b);
                            Cmp32RrJBe => fused!(cmp_rr u32 be);
                            Cmp32RiJBe => fused!(cmp_ri u32 be);
                            Cmp32RmJBe => fused_memory!(cmp_rm u32 be);
                            Cmp32MrJBe => fused_memory!(cmp_mr u32 be);
                            Cmp32MiJBe => fused_memory!(cmp_mi u32 be);
                            Cmp32RrJL => fused!(cmp_rr u32 l);
                            Cmp32RiJL => fused!(cmp_ri u32 l);
                            Cmp32RmJL => fused_memory!(cmp_rm u32 l);
                            Cmp32MrJL => fused_memory!(cmp_mr u32 l);
                            Cmp32MiJL => fused_memory!(cmp_mi u32 l);
                            Cmp32RrJLe => fused!(cmp_rr u32 le);
                            Cmp32RiJLe => fused!(cmp_ri u32 le);
                            Cmp32RmJLe => fused_memory!(cmp_rm u32 le);
                            Cmp32MrJLe => fused_memory!(cmp_mr u32 le);
                            Cmp32MiJLe => fused_memory!(cmp_mi u32 le);
                            Test32RrJE => fused!(test_rr u32 res_e);
                            Test32RiJE => fused!(test_ri u32 res_e);
                            Test32MiJE => fused_memory!(test_mi u32 res_e);
                            Test32RrJS => fused!(test_rr u32 res_s);
                            Test32RiJS => fused!(test_ri u32 res_s);
                            Test32MiJS => fused_memory!(test_mi u32 res_s);
                            Test32RrJLe => fused!(test_rr u32 res_le);
                            Test32RiJLe => fused!(test_ri u32 res_le);
                            Test32MiJLe => fused_memory!(test_mi u32 res_le);
                            Cmp64RrJE => fused!(cmp_rr u64 e);
                            Cmp64RiJE => fused!(cmp_ri u64 e);
                            Cmp64RmJE => fused_memory!(cmp_rm u64 e);
                            Cmp64MrJE => fused_memory!(cmp_mr u64 e);
                            Cmp64MiJE => fused_memory!(cmp_mi u64 e);
                            Cmp64RrJB => fused!(cmp_rr u64 b);
                            Cmp64RiJB => fused!(cmp_ri u64 b);
                            Cmp64RmJB => fused_memory!(cmp_rm u64 b);
                            Cmp64MrJB => fused_memory!(cmp_mr u64 b);
                            Cmp64MiJB => fused_memory!(cmp_mi u64 b);
                            Cmp64RrJBe => fused!(cmp_rr u64 be);
                            Cmp64RiJBe => fused!(cmp_ri u64 be);
                            Cmp64RmJBe => fused_memory!(cmp_rm u64 be);
                            Cmp64MrJBe => fused_memory!(cmp_mr u64 be);
                            Cmp64MiJBe => fused_memory!(cmp_mi u64 be);
                            Cmp64RrJL => fused!(cmp_rr u64 l);
                            Cmp64RiJL => fused!(cmp_ri u64 l);
                            Cmp64RmJL => fused_memory!(cmp_rm u64 l);
                            Cmp64MrJL => fused_memory!(cmp_mr u64 l);
                            Cmp64MiJL => fused_memory!(cmp_mi u64 l);
                            Cmp64RrJLe => fused!(cmp_rr u64 le);
                            Cmp64RiJLe => fused!(cmp_ri u64 le);
                            Cmp64RmJLe => fused_memory!(cmp_rm u64 le);
                            Cmp64MrJLe => fused_memory!(cmp_mr u64 le);
                            Cmp64MiJLe => fused_memory!(cmp_mi u64 le);
                            Test64RrJE => fused!(test_rr u64 res_e);
                            Test64RiJE => fused!(test_ri u64 res_e);
                            Test64MiJE => fused_memory!(test_mi u64 res_e);
                            Test64RrJS => fused!(test_rr u64 res_s);
                            Test64RiJS => fused!(test_ri u64 res_s);
                            Test64MiJS => fused_memory!(test_mi u64 res_s);
                            Test64RrJLe => fused!(test_rr u64 res_le);
                            Test64RiJLe => fused!(test_ri u64 res_le);
                            Test64MiJLe => fused_memory!(test_mi u64 res_le);
                            Jz32 => break 'link hot::jz::<u32>(cpu, op);
                            Js32 => break 'link hot::js::<u32>(cpu, op);
                            Jz64 => break 'link hot::jz::<u64>(cpu, op);
                            Js64 => break 'link hot::js::<u64>(cpu, op);
                            Jcc => break 'link usize::from(hot::cond(cpu, op.x));
                            Jmp => break 'link 0;
                            LoadLow8 => mem!(hot::load_low::<u8>(cpu, mem, op));
                            LoadLow16 => mem!(hot::load_low::<u16>(cpu, mem, op));
                            LoadX64 => mem!(hot::load_x64(cpu, mem, op));
                            LoadX128 => mem!(hot::load_x128::<false>(cpu, mem, op));
                            LoadX128Aligned => mem!(hot::load_x128::<true>(cpu, mem, op));
                            StoreX64 => mem!(hot::store_x64(cpu, mem, op));
                            StoreX128 => mem!(hot::store_x128::<false>(cpu, mem, op));
                            StoreX128Aligned => mem!(hot::store_x128::<true>(cpu, mem, op));
                            Xorp => hot::xmm_op(cpu, op, |d, s| d ^ s);
                        Andp => hot::xmm_op(cpu, op, |d, s| d & s);
                        Orp => hot::xmm_op(cpu, op, |d, s| d | s);
                        Pcmpeqb => hot::xmm_op(cpu, op, integer::equal_bytes);
                        Pminub => hot::xmm_op(cpu, op, integer::min_bytes);
                        Psubb => hot::xmm_op(cpu, op, integer::sub_bytes);
                        Punpcklbw => hot::xmm_op(cpu, op, |d, s| integer::interleave(d, s, 8));
                        Punpcklwd => hot::xmm_op(cpu, op, |d, s| integer::interleave(d, s, 16));
                        Punpcklqdq => hot::xmm_op(cpu, op, |d, s| u128::from(d as u64) | (s << 64));
                        Pmovmskb => hot::mask_bytes(cpu, op);
                        MovdXr => hot::mov_xr::<u32>(cpu, op);
                        MovqXr => hot::mov_xr::<u64>(cpu, op);
                        MovqRx => hot::mov_rx(cpu, op);
                        MovXX => hot::mov_xx(cpu, op);
                            JESub8 => break 'link hot::e::<u8>(cpu);
                            JBSub8 => break 'link hot::b::<u8>(cpu);
                            JBeSub8 => break 'link hot::be::<u8>(cpu);
                            JLSub8 => break 'link hot::l::<u8>(cpu);
                            JLeSub8 => break 'link hot::le::<u8>(cpu);
                            JERes8 => break 'link hot::res_e::<u8>(cpu);
                            JSRes8 => break 'link hot::res_s::<u8>(cpu);
                            JLeRes8 => break 'link hot::res_le::<u8>(cpu);
                            JESub16 => break 'link hot::e::<u16>(cpu);
                            JBSub16 => break 'link hot::b::<u16>(cpu);
                            JBeSub16 => break 'link hot::be::<u16>(cpu);
                            JLSub16 => break 'link hot::l::<u16>(cpu);
                            JLeSub16 => break 'link hot::le::<u16>(cpu);
                            JERes16 => break 'link hot::res_e::<u16>(cpu);
                            JSRes16 => break 'link hot::res_s::<u16>(cpu);
                            JLeRes16 => break 'link hot::res_le::<u16>(cpu);
                            JESub32 => break 'link hot::e::<u32>(cpu);
                            JBSub32 => break 'link hot::b::<u32>(cpu);
                            JBeSub32 => break 'link hot::be::<u32>(cpu);
                            JLSub32 => break 'link hot::l::<u32>(cpu);
                            JLeSub32 => break 'link hot::le::<u32>(cpu);
                            JERes32 => break 'link hot::res_e::<u32>(cpu);
                            JSRes32 => break 'link hot::res_s::<u32>(cpu);
                            JLeRes32 => break 'link hot::res_le::<u32>(cpu);
                            JESub64 => break 'link hot::e::<u64>(cpu);
                            JBSub64 => break 'link hot::b::<u64>(cpu);
                            JBeSub64 => break 'link hot::be::<u64>(cpu);
                            JLSub64 => break 'link hot::l::<u64>(cpu);
                            JLeSub64 => break 'link hot::le::<u64>(cpu);
                            JERes64 => break 'link hot::res_e::<u64>(cpu);
                            JSRes64 => break 'link hot::res_s::<u64>(cpu);
                            JLeRes64 => break 'link hot::res_le::<u64>(cpu);
                            JmpFar => break 'jump here!().next[0];
                            JmpReg => break 'jump gpr(cpu, op.s);
                            JmpMem => {
                                let target = value!(mem.load::<u64>(op.wide()));
                                break 'jump target;
                            };
                            Call => {
                                mem!(hot::push(cpu, mem, op.wide()));
                                break 'link 0;
                            };
                            CallFar => {
                                mem!(hot::push(cpu, mem, op.wide()));
                                break 'jump here!().next[0];
                            };
                            CallReg => {
                                let target = gpr(cpu, op.s);
                                mem!(hot::push(cpu, mem, op.wide()));
                                break 'jump target;
                            };
                            Ret => {
                                let sp = cpu.gpr[reg::RSP];
                                let target = value!(mem.load::<u64>(sp));
                                cpu.gpr[reg::RSP] = sp.wrapping_add(8);
                                break 'jump target;
                            };
                            RetN => {
                                let sp = cpu.gpr[reg::RSP];
                                let target = value!(mem.load::<u64>(sp));
                                cpu.gpr[reg::RSP] = sp.wrapping_add(8).wrapping_add(op.imm as u64);
                                break 'jump target;
                            };
                            }
                        sequence_table!(dispatch);
                        ip = ip.wrapping_add(1);
                        if M::ONE_OP {
                            break 'run Leave::Go;
                        }
                        continue 'run;
                    };
                    let linked = here!().links[taken].get();
                    if !linked.is_null() {
                        block = linked;
                        break 'enter;
                    }
                    break 'indirect (here!().next[taken], taken);
                };
                (target, NO_LINK)
            };
            let known = mem.tlb().jumps[Tlb::jump(target)];
            // SAFETY: what is in the jump cache is live, see above.
            if known.is_null() || unsafe { (*known).start } != target {
                cpu.rip = target;
                at.link = link;
                break 'run Leave::Find;
            }
            // SAFETY: both are live.
            unsafe { join(block, link, known) };
            block = known;
        }
        // The next block.
        if left <= 0 {
            cpu.rip = here!().start;
            break Leave::Budget;
        }
        left -= i64::from(here!().count);
        here!().hot.set(here!().hot.get().wrapping_add(1));
        ip = Block::ops(block);
        if M::ONE_OP {
            break Leave::Go;
        }
    };
    at.block = block;
    at.ip = ip;
    at.left = left;
    leave
}
