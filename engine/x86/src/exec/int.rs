//! Operand sizes as types, and registers by size.
#![allow(unsafe_code)] // Registers are accessed without a check of their number, which was done at translation.

use crate::cpu::Cpu;

/// An operand size: what 64-bit words are cut to.
pub trait Int: Copy + PartialEq + PartialOrd {
    const LOG2: u32;
    const BYTES: u64 = 1 << Self::LOG2;
    const BITS: u32 = 8 << Self::LOG2;
    /// The low bits of a word.
    fn cut(word: u64) -> Self;
    /// Extended by zeros.
    fn z(self) -> u64;
    /// Extended by the sign.
    fn s(self) -> i64;
}

macro_rules! int {
    ($($type:ty, $signed:ty, $log2:literal;)*) => {$(
        impl Int for $type {
            const LOG2: u32 = $log2;
            #[inline(always)]
            fn cut(word: u64) -> $type {
                word as $type
            }
            #[inline(always)]
            fn z(self) -> u64 {
                self as u64
            }
            #[inline(always)]
            fn s(self) -> i64 {
                self as $signed as i64
            }
        }
    )*};
}

int! {
    u8, i8, 0;
    u16, i16, 1;
    u32, i32, 2;
    u64, i64, 3;
}

#[inline(always)]
pub fn gpr(cpu: &Cpu, r: u8) -> u64 {
    // SAFETY: `r` is from an op, and `code::Owned` only takes ops whose register numbers are below 32.
    unsafe { *cpu.gpr.get_unchecked(r as usize) }
}

/// Writes a register as an instruction of this operand size does: 32 bits extend by zeros, fewer leave the rest.
#[inline(always)]
pub fn set_gpr<T: Int>(cpu: &mut Cpu, r: u8, value: u64) {
    // SAFETY: `r` is from an op, and `code::Owned` only takes ops whose register numbers are below 32.
    let slot = unsafe { cpu.gpr.get_unchecked_mut(r as usize) };
    *slot = match T::LOG2 {
        3 => value,
        2 => value & 0xffff_ffff,
        1 => (*slot & !0xffff) | (value & 0xffff),
        _ => (*slot & !0xff) | (value & 0xff),
    };
}

/// The same, with the size as a logarithm.
pub fn set_gpr_sized(cpu: &mut Cpu, r: u8, log2: u8, value: u64) {
    match log2 {
        0 => set_gpr::<u8>(cpu, r, value),
        1 => set_gpr::<u16>(cpu, r, value),
        2 => set_gpr::<u32>(cpu, r, value),
        _ => set_gpr::<u64>(cpu, r, value),
    }
}

/// A word cut to a size and extended by zeros.
#[inline(always)]
pub fn zext(value: u64, log2: u8) -> u64 {
    value & (u64::MAX >> (64 - (8 << (log2 & 3))))
}

/// A word cut to a size and extended by the sign.
#[inline(always)]
pub fn sext(value: u64, log2: u8) -> i64 {
    let shift = 64 - (8 << (log2 & 3));
    ((value << shift) as i64) >> shift
}
