//! SSE and SSE2. An operand in memory was loaded into `xmm[XT]` by an op before, so all of these work on registers.
#![allow(unsafe_code)] // Registers are accessed without a check of their number, which was done at translation.

mod convert;
mod float;
pub mod integer;
mod moves;

use super::soft;
use crate::cpu::Cpu;
use crate::exit::Exit;
use crate::mem::{Inner, Stop};
use crate::ops::{Code, Op};

#[inline(always)]
pub fn xmm(cpu: &Cpu, r: u8) -> u128 {
    // SAFETY: `r` is from an op, and `code::Owned` only takes ops whose register numbers are below 32.
    unsafe { *cpu.xmm.get_unchecked(r as usize) }
}

#[inline(always)]
pub fn set_xmm(cpu: &mut Cpu, r: u8, value: u128) {
    // SAFETY: `r` is from an op, and `code::Owned` only takes ops whose register numbers are below 32.
    unsafe { *cpu.xmm.get_unchecked_mut(r as usize) = value };
}

/// Replaces the low 32 bits.
fn with_low32(value: u128, low: u32) -> u128 {
    (value & !0xffff_ffff) | u128::from(low)
}

/// Replaces the low 64 bits.
fn with_low64(value: u128, low: u64) -> u128 {
    (value >> 64 << 64) | u128::from(low)
}

/// mxcsr's default: all exceptions masked, round to nearest, no flushing.
fn is_default(mxcsr: u32) -> bool {
    mxcsr & 0xffc0 == 0x1f80
}

fn env(mxcsr: u32) -> soft::Env {
    let mut env = soft::Env::new((mxcsr >> 13) as u8 & 3);
    // Flushing works only while underflow is masked.
    env.flush = mxcsr & 0x8800 == 0x8800;
    env
}

fn unpack(bits: u64, format: soft::Format, mxcsr: u32, flags: &mut u8) -> soft::Num {
    let mut denormal = 0;
    let n = soft::Num::unpack(bits, format, &mut denormal);
    if denormal != 0 && mxcsr & 0x40 != 0 {
        return soft::Num::zero(n.sign);
    }
    *flags |= denormal;
    n
}

/// Records exceptions; false, with the guest stopped, if one of them is unmasked.
fn raise(cpu: &mut Cpu, mem: &mut Inner, flags: u8) -> bool {
    cpu.mxcsr |= u32::from(flags);
    let unmasked = u32::from(flags) & !(cpu.mxcsr >> 7) & 0x3f;
    if unmasked != 0 {
        mem.stop = Some(Stop::Exit(Exit::FpException));
    }
    unmasked == 0
}

/// Carries out an SSE op.
pub fn call(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let code = op.code as u16;
    if code < Code::Cvtsi2sd as u16 {
        moves::call(cpu, mem, op)
    } else if code < Code::Addsd as u16 {
        convert::call(cpu, mem, op)
    } else if code < Code::Andnp as u16 {
        float::call(cpu, mem, op)
    } else {
        integer::call(cpu, op);
        true
    }
}
