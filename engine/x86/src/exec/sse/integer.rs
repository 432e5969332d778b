//! SSE2's integers and bits.

use super::{set_xmm, xmm};
use crate::cpu::Cpu;
use crate::exec::int::{gpr, set_gpr};
use crate::ops::{Code, Op};

macro_rules! lanes {
    ($name:ident, $type:ty, $n:literal, $bytes:literal) => {
        /// Applies a function lane by lane.
        #[inline(always)]
        fn $name(a: u128, b: u128, f: impl Fn($type, $type) -> $type) -> u128 {
            let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
            let mut r = [0; 16];
            for i in 0..$n {
                let at = i * $bytes;
                let (mut x, mut y) = ([0; $bytes], [0; $bytes]);
                x.copy_from_slice(&a[at..at + $bytes]);
                y.copy_from_slice(&b[at..at + $bytes]);
                let z = f(<$type>::from_le_bytes(x), <$type>::from_le_bytes(y));
                r[at..at + $bytes].copy_from_slice(&z.to_le_bytes());
            }
            u128::from_le_bytes(r)
        }
    };
}

lanes!(u8s, u8, 16, 1);
lanes!(i8s, i8, 16, 1);
lanes!(u16s, u16, 8, 2);
lanes!(i16s, i16, 8, 2);
lanes!(u32s, u32, 4, 4);
lanes!(i32s, i32, 4, 4);
lanes!(u64s, u64, 2, 8);

fn word(v: u128, n: usize) -> u16 {
    (v >> (16 * n)) as u16
}

fn dword(v: u128, n: usize) -> u32 {
    (v >> (32 * n)) as u32
}

/// Spreads the lanes of `bits` (8, 16 or 32) bits of the low half of a word, leaving room for as many between them.
#[inline(always)]
fn spread(half: u64, bits: u32) -> u64 {
    let mut v = half & 0xffff_ffff;
    if bits <= 16 {
        v = (v | (v << 16)) & 0x0000_ffff_0000_ffff;
    }
    if bits <= 8 {
        v = (v | (v << 8)) & 0x00ff_00ff_00ff_00ff;
    }
    v
}

/// Interleaves the lanes of `bits` (8, 16 or 32) bits in the low halves of `a` and `b`.
#[inline(always)]
pub fn interleave(a: u128, b: u128, bits: u32) -> u128 {
    let (a, b) = (a as u64, b as u64);
    let low = spread(a, bits) | (spread(b, bits) << bits);
    let high = spread(a >> 32, bits) | (spread(b >> 32, bits) << bits);
    u128::from(low) | (u128::from(high) << 64)
}

/// Applies a function to both halves.
#[inline(always)]
fn halves(a: u128, b: u128, f: impl Fn(u64, u64) -> u64) -> u128 {
    let low = f(a as u64, b as u64);
    let high = f((a >> 64) as u64, (b >> 64) as u64);
    u128::from(low) | (u128::from(high) << 64)
}

const TOPS: u64 = 0x8080_8080_8080_8080;

/// Byte by byte, all ones where they are equal.
#[inline(always)]
pub fn equal_bytes(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| {
        let x = a ^ b;
        // The top bit of each byte that is zero.
        let zero = !(((x & !TOPS) + !TOPS) | x | !TOPS);
        (zero >> 7) * 0xff
    })
}

/// The smaller ones of unsigned bytes.
#[inline(always)]
pub fn min_bytes(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| {
        // The top bit of each byte of which a >= b: by its top bits where they differ, else by the lower ones.
        let lower = ((a | TOPS) - (b & !TOPS)) & TOPS;
        let at_least = ((a & !b) | (!(a ^ b) & lower)) & TOPS;
        let mask = (at_least >> 7) * 0xff;
        (b & mask) | (a & !mask)
    })
}

/// The differences of bytes.
#[inline(always)]
pub fn sub_bytes(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| ((a | TOPS) - (b & !TOPS)) ^ ((a ^ !b) & TOPS))
}

fn saturate_i8(v: i16) -> u8 {
    v.clamp(-128, 127) as u8
}

fn saturate_u8(v: i16) -> u8 {
    v.clamp(0, 255) as u8
}

fn pack_words(d: u128, s: u128, f: impl Fn(i16) -> u8) -> u128 {
    let mut r = [0; 16];
    for n in 0..8 {
        r[n] = f(word(d, n) as i16);
        r[n + 8] = f(word(s, n) as i16);
    }
    u128::from_le_bytes(r)
}

fn shuffle32(s: u128, control: i32) -> u128 {
    (0..4).fold(0, |r, n| {
        r | u128::from(dword(s, (control as usize >> (2 * n)) & 3)) << (32 * n)
    })
}

/// Shuffles the four words from word `first` on, leaving the others.
fn shuffle16(s: u128, control: i32, first: usize) -> u128 {
    (0..4).fold(s & !((u64::MAX as u128) << (16 * first)), |r, n| {
        r | u128::from(word(s, first + ((control as usize >> (2 * n)) & 3))) << (16 * (first + n))
    })
}

/// The count of a packed shift: immediate if `x` is 1, else the low half of `s`.
fn count(op: &Op, s: u128) -> u32 {
    let n = if op.x == 1 {
        u64::from(op.imm as u8)
    } else {
        s as u64
    };
    n.min(255) as u32
}

pub fn call(cpu: &mut Cpu, op: &Op) {
    let (d, s) = (xmm(cpu, op.d), xmm(cpu, op.s));
    let n = count(op, s);
    let imm = op.imm;
    let r = match op.code {
        Code::Andnp => !d & s,
        Code::Unpcklps | Code::Punpckldq => interleave(d, s, 32),
        Code::Unpckhps | Code::Punpckhdq => interleave(d >> 64, s >> 64, 32),
        Code::Unpcklpd => (d & u128::from(u64::MAX)) | (s << 64),
        Code::Unpckhpd | Code::Punpckhqdq => (d >> 64) | (s >> 64 << 64),
        Code::Punpckhbw => interleave(d >> 64, s >> 64, 8),
        Code::Punpckhwd => interleave(d >> 64, s >> 64, 16),
        Code::Shufps => {
            let low = shuffle32(d, imm) & u128::from(u64::MAX);
            low | (shuffle32(s, imm >> 4) << 64)
        }
        Code::Shufpd => {
            let half = |v: u128, high: i32| {
                if high & 1 != 0 {
                    v >> 64
                } else {
                    v & u128::from(u64::MAX)
                }
            };
            half(d, imm) | (half(s, imm >> 1) << 64)
        }
        Code::Paddb => u8s(d, s, u8::wrapping_add),
        Code::Paddw => u16s(d, s, u16::wrapping_add),
        Code::Paddd => u32s(d, s, u32::wrapping_add),
        Code::Paddq => u64s(d, s, u64::wrapping_add),
        Code::Paddsb => i8s(d, s, i8::saturating_add),
        Code::Paddsw => i16s(d, s, i16::saturating_add),
        Code::Paddusb => u8s(d, s, u8::saturating_add),
        Code::Paddusw => u16s(d, s, u16::saturating_add),
        Code::Psubw => u16s(d, s, u16::wrapping_sub),
        Code::Psubd => u32s(d, s, u32::wrapping_sub),
        Code::Psubq => u64s(d, s, u64::wrapping_sub),
        Code::Psubsb => i8s(d, s, i8::saturating_sub),
        Code::Psubsw => i16s(d, s, i16::saturating_sub),
        Code::Psubusb => u8s(d, s, u8::saturating_sub),
        Code::Psubusw => u16s(d, s, u16::saturating_sub),
        Code::Pmullw => u16s(d, s, u16::wrapping_mul),
        Code::Pmulhw => i16s(d, s, |a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16),
        Code::Pmulhuw => u16s(d, s, |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16),
        Code::Pmuludq => u64s(d, s, |a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff)),
        Code::Pmaddwd => i32s(d, s, |a, b| {
            let low = i32::from(a as i16) * i32::from(b as i16);
            low.wrapping_add((a >> 16) * (b >> 16))
        }),
        Code::Psadbw => u64s(d, s, |a, b| {
            a.to_le_bytes()
                .iter()
                .zip(b.to_le_bytes())
                .map(|(&x, y)| u64::from(x.abs_diff(y)))
                .sum()
        }),
        Code::Pavgb => u8s(d, s, |a, b| ((u16::from(a) + u16::from(b) + 1) >> 1) as u8),
        Code::Pavgw => u16s(d, s, |a, b| ((u32::from(a) + u32::from(b) + 1) >> 1) as u16),
        Code::Pmaxub => u8s(d, s, u8::max),
        Code::Pminsw => i16s(d, s, i16::min),
        Code::Pmaxsw => i16s(d, s, i16::max),
        Code::Pcmpeqw => u16s(d, s, |a, b| if a == b { 0xffff } else { 0 }),
        Code::Pcmpeqd => u32s(d, s, |a, b| if a == b { u32::MAX } else { 0 }),
        Code::Pcmpgtb => i8s(d, s, |a, b| -i8::from(a > b)),
        Code::Pcmpgtw => i16s(d, s, |a, b| -i16::from(a > b)),
        Code::Pcmpgtd => i32s(d, s, |a, b| -i32::from(a > b)),
        Code::Packsswb => pack_words(d, s, saturate_i8),
        Code::Packuswb => pack_words(d, s, saturate_u8),
        Code::Packssdw => (0..8).fold(0, |r, n| {
            let v = dword(if n < 4 { d } else { s }, n % 4) as i32;
            r | u128::from(v.clamp(-32768, 32767) as u16) << (16 * n)
        }),
        Code::Pshufd => shuffle32(s, imm),
        Code::Pshuflw => shuffle16(s, imm, 0),
        Code::Pshufhw => shuffle16(s, imm, 4),
        Code::Pinsrw => {
            let shift = 16 * (imm as u32 & 7);
            (d & !(0xffff << shift)) | (u128::from(gpr(cpu, op.s) as u16) << shift)
        }
        Code::Pextrw => {
            let value = word(s, imm as usize & 7);
            return set_gpr::<u64>(cpu, op.d, u64::from(value));
        }
        Code::Psllw => u16s(d, 0, |a, _| a.checked_shl(n).unwrap_or(0)),
        Code::Pslld => u32s(d, 0, |a, _| a.checked_shl(n).unwrap_or(0)),
        Code::Psllq => u64s(d, 0, |a, _| a.checked_shl(n).unwrap_or(0)),
        Code::Psrlw => u16s(d, 0, |a, _| a.checked_shr(n).unwrap_or(0)),
        Code::Psrld => u32s(d, 0, |a, _| a.checked_shr(n).unwrap_or(0)),
        Code::Psrlq => u64s(d, 0, |a, _| a.checked_shr(n).unwrap_or(0)),
        Code::Psraw => i16s(d, 0, |a, _| a >> n.min(15)),
        Code::Psrad => i32s(d, 0, |a, _| a >> n.min(31)),
        Code::Pslldq => d.checked_shl(8 * n).unwrap_or(0),
        Code::Psrldq => d.checked_shr(8 * n).unwrap_or(0),
        _ => d,
    };
    set_xmm(cpu, op.d, r);
}
