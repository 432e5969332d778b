//! Conversions between integers and floats. `x` is the integer's size as a logarithm (2 or 3).

use super::{env, is_default, raise, set_xmm, unpack, with_low32, with_low64, xmm};
use crate::cpu::Cpu;
use crate::exec::int::{gpr, set_gpr_sized, sext};
use crate::exec::soft::{self, F32, F64, Format, Num};
use crate::exit::Exit;
use crate::mem::{Inner, Stop};
use crate::ops::{Code, Op};

/// An integer to a float.
fn from_integer(value: i64, format: Format, mxcsr: u32, flags: &mut u8) -> u64 {
    if is_default(mxcsr) {
        return if format == F64 {
            (value as f64).to_bits()
        } else {
            u64::from((value as f32).to_bits())
        };
    }
    let mut env = env(mxcsr);
    let r = soft::convert(&mut env, Num::from_integer(value), format);
    *flags |= env.flags;
    r.pack(format)
}

/// A float to an integer of 32 or 64 bits.
fn to_integer(
    bits: u64,
    format: Format,
    width: u32,
    truncate: bool,
    mxcsr: u32,
    flags: &mut u8,
) -> i64 {
    let host = if format == F64 {
        f64::from_bits(bits)
    } else {
        f64::from(f32::from_bits(bits as u32))
    };
    // Below 2^31 the host's conversion is exact but for the fraction.
    if is_default(mxcsr) && host.abs() < 2_147_483_000.0 {
        return if truncate {
            host as i64
        } else {
            host.round_ties_even() as i64
        };
    }
    let mut env = env(mxcsr);
    if truncate {
        env.rounding = soft::ZERO;
    }
    // A denormal operand is no exception here, but may count as zero.
    let n = unpack(bits, format, mxcsr, &mut 0);
    let value = soft::to_signed(&mut env, n, width);
    *flags |= env.flags;
    value
}

/// From one float format to the other.
fn to_float(bits: u64, from: Format, to: Format, mxcsr: u32, flags: &mut u8) -> u64 {
    if is_default(mxcsr) {
        if from == F32 {
            let a = f32::from_bits(bits as u32);
            if a.is_normal() {
                return f64::from(a).to_bits();
            }
        } else {
            let r = f64::from_bits(bits) as f32;
            if r.is_normal() {
                return u64::from(r.to_bits());
            }
        }
    }
    let mut env = env(mxcsr);
    let mut denormal = 0;
    let n = unpack(bits, from, mxcsr, &mut denormal);
    let r = soft::convert(&mut env, n, to);
    *flags |= env.flags | denormal;
    r.pack(to)
}

fn low32(v: u128) -> u64 {
    u64::from(v as u32)
}

pub fn call(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let (d, s, mxcsr) = (xmm(cpu, op.d), xmm(cpu, op.s), cpu.mxcsr);
    let mut flags = 0;
    let f = &mut flags;
    let lane32 = |n: u32| u64::from((s >> (32 * n)) as u32);
    let lane64 = |n: u32| (s >> (64 * n)) as u64;
    let width = 8 << (op.x & 3);
    let truncate = matches!(
        op.code,
        Code::Cvttsd2si | Code::Cvttss2si | Code::Cvttps2dq | Code::Cvttpd2dq
    );
    let mut integer = None;
    let r = match op.code {
        Code::Cvtsi2sd => with_low64(d, from_integer(sext(gpr(cpu, op.s), op.x), F64, mxcsr, f)),
        Code::Cvtsi2ss => with_low32(
            d,
            from_integer(sext(gpr(cpu, op.s), op.x), F32, mxcsr, f) as u32,
        ),
        Code::Cvttsd2si | Code::Cvtsd2si => {
            integer = Some(to_integer(s as u64, F64, width, truncate, mxcsr, f));
            d
        }
        Code::Cvttss2si | Code::Cvtss2si => {
            integer = Some(to_integer(low32(s), F32, width, truncate, mxcsr, f));
            d
        }
        Code::Cvtsd2ss => with_low32(d, to_float(s as u64, F64, F32, mxcsr, f) as u32),
        Code::Cvtss2sd => with_low64(d, to_float(low32(s), F32, F64, mxcsr, f)),
        Code::Cvtdq2ps => pack32(
            |n| from_integer(i64::from(lane32(n) as i32), F32, mxcsr, f) as u32,
            4,
        ),
        Code::Cvtps2dq | Code::Cvttps2dq => pack32(
            |n| to_integer(lane32(n), F32, 32, truncate, mxcsr, f) as u32,
            4,
        ),
        Code::Cvtdq2pd => pack64(|n| from_integer(i64::from(lane32(n) as i32), F64, mxcsr, f)),
        Code::Cvtpd2dq | Code::Cvttpd2dq => pack32(
            |n| to_integer(lane64(n), F64, 32, truncate, mxcsr, f) as u32,
            2,
        ),
        Code::Cvtps2pd => pack64(|n| to_float(lane32(n), F32, F64, mxcsr, f)),
        Code::Cvtpd2ps => pack32(|n| to_float(lane64(n), F64, F32, mxcsr, f) as u32, 2),
        _ => {
            mem.stop = Some(Stop::Exit(Exit::InvalidOpcode));
            return false;
        }
    };
    if flags != 0 && !raise(cpu, mem, flags) {
        return false;
    }
    match integer {
        Some(value) => set_gpr_sized(cpu, op.d, op.x, value as u64),
        None => set_xmm(cpu, op.d, r),
    }
    true
}

fn pack32(mut lane: impl FnMut(u32) -> u32, lanes: u32) -> u128 {
    (0..lanes).fold(0, |r, n| r | (u128::from(lane(n)) << (32 * n)))
}

fn pack64(mut lane: impl FnMut(u32) -> u64) -> u128 {
    u128::from(lane(0)) | (u128::from(lane(1)) << 64)
}
