//! SSE floating point. The host computes while mxcsr has its default and the result is an ordinary number; anything
//! else is done in software, with its exceptions. (So the precision exception's flag isn't kept in the default mode.)

use super::{env, is_default, raise, set_xmm, unpack, with_low32, with_low64, xmm};
use crate::cpu::Cpu;
use crate::exec::alu;
use crate::exec::soft::{self, F32, F64, Format, IE, Num};
use crate::exit::Exit;
use crate::flags::{CF, PF, ZF};
use crate::mem::{Inner, Stop};
use crate::ops::{Code, Op};
use std::cmp::Ordering;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Sqrt,
}

/// A float type of the host, by its bits.
trait Lane: Copy {
    const FORMAT: Format;
    fn host(operation: Operation, a: Self, b: Self) -> u64;
    fn of(bits: u64) -> Self;
    fn is_zero(self) -> bool;
    /// Whether the bits are those of an ordinary number: not zero, denormal, infinite, or a NaN.
    fn is_normal(bits: u64) -> bool;
}

macro_rules! lane {
    ($type:ty, $bits:ty, $format:expr) => {
        impl Lane for $type {
            const FORMAT: Format = $format;
            #[inline(always)]
            fn host(operation: Operation, a: $type, b: $type) -> u64 {
                let r = match operation {
                    Operation::Add => a + b,
                    Operation::Sub => a - b,
                    Operation::Mul => a * b,
                    Operation::Div => a / b,
                    Operation::Sqrt => b.sqrt(),
                    Operation::Min => {
                        if a < b {
                            a
                        } else {
                            b
                        }
                    }
                    Operation::Max => {
                        if a > b {
                            a
                        } else {
                            b
                        }
                    }
                };
                u64::from(r.to_bits())
            }
            fn of(bits: u64) -> $type {
                <$type>::from_bits(bits as $bits)
            }
            fn is_zero(self) -> bool {
                self == 0.0
            }
            #[inline(always)]
            fn is_normal(bits: u64) -> bool {
                <$type>::from_bits(bits as $bits).is_normal()
            }
        }
    };
}

lane!(f32, u32, F32);
lane!(f64, u64, F64);

/// One lane; adds exceptions to `flags`.
#[inline(always)]
fn lane<L: Lane>(operation: Operation, a: u64, b: u64, mxcsr: u32, flags: &mut u8) -> u64 {
    if is_default(mxcsr) {
        let r = L::host(operation, L::of(a), L::of(b));
        let additive = matches!(operation, Operation::Add | Operation::Sub);
        // A zero sum is exact; so is a product with zero.
        let ordinary = L::is_normal(r)
            || L::of(r).is_zero()
                && (additive
                    || operation == Operation::Mul && (L::of(a).is_zero() || L::of(b).is_zero()));
        let compares = matches!(operation, Operation::Min | Operation::Max);
        if ordinary && (!compares || L::is_normal(a) && L::is_normal(b)) {
            return r;
        }
    }
    soft_lane(operation, a, b, L::FORMAT, mxcsr, flags)
}

#[cold]
#[inline(never)]
fn soft_lane(
    operation: Operation,
    a: u64,
    b: u64,
    format: Format,
    mxcsr: u32,
    flags: &mut u8,
) -> u64 {
    let mut denormal = 0;
    let x = if operation == Operation::Sqrt {
        Num::zero(false)
    } else {
        unpack(a, format, mxcsr, &mut denormal)
    };
    let y = unpack(b, format, mxcsr, &mut denormal);
    if matches!(operation, Operation::Min | Operation::Max) {
        if x.is_nan() || y.is_nan() {
            *flags |= IE;
            return y_bits(b, y, format);
        }
        *flags |= denormal;
        let wanted = if operation == Operation::Min {
            Ordering::Less
        } else {
            Ordering::Greater
        };
        return if soft::compare(x, y) == Some(wanted) {
            y_bits(a, x, format)
        } else {
            y_bits(b, y, format)
        };
    }
    if x.is_nan() || y.is_nan() {
        if x.class == soft::Class::SignalingNan || y.class == soft::Class::SignalingNan {
            *flags |= IE;
        }
        return if x.is_nan() { x } else { y }.quiet().pack(format);
    }
    let mut env = env(mxcsr);
    let r = match operation {
        Operation::Add => soft::add(&mut env, x, y, format),
        Operation::Sub => soft::add(&mut env, x, y.negated(), format),
        Operation::Mul => soft::mul(&mut env, x, y, format),
        Operation::Div => soft::div(&mut env, x, y, format),
        _ => soft::sqrt(&mut env, y, format),
    };
    let invalid = env.flags & (IE | soft::ZE) != 0;
    *flags |= env.flags | if invalid { 0 } else { denormal };
    r.pack(format)
}

/// The bits of an operand, unless denormals are zeros and it is one.
fn y_bits(bits: u64, n: Num, format: Format) -> u64 {
    if n.class == soft::Class::Zero {
        n.pack(format)
    } else {
        bits
    }
}

fn scalar(cpu: &mut Cpu, mem: &mut Inner, op: &Op, operation: Operation, double: bool) -> bool {
    let (d, s, mut flags) = (xmm(cpu, op.d), xmm(cpu, op.s), 0);
    let r = if double {
        with_low64(
            d,
            lane::<f64>(operation, d as u64, s as u64, cpu.mxcsr, &mut flags),
        )
    } else {
        let r = lane::<f32>(
            operation,
            u64::from(d as u32),
            u64::from(s as u32),
            cpu.mxcsr,
            &mut flags,
        );
        with_low32(d, r as u32)
    };
    if flags != 0 && !raise(cpu, mem, flags) {
        return false;
    }
    set_xmm(cpu, op.d, r);
    true
}

fn packed(cpu: &mut Cpu, mem: &mut Inner, op: &Op, operation: Operation, double: bool) -> bool {
    let (d, s, mut flags, mut r) = (xmm(cpu, op.d), xmm(cpu, op.s), 0, 0u128);
    if double {
        for shift in [0, 64] {
            let lane = lane::<f64>(
                operation,
                (d >> shift) as u64,
                (s >> shift) as u64,
                cpu.mxcsr,
                &mut flags,
            );
            r |= u128::from(lane) << shift;
        }
    } else {
        for shift in [0, 32, 64, 96] {
            let (a, b) = (
                u64::from((d >> shift) as u32),
                u64::from((s >> shift) as u32),
            );
            r |= u128::from(lane::<f32>(operation, a, b, cpu.mxcsr, &mut flags)) << shift;
        }
    }
    if flags != 0 && !raise(cpu, mem, flags) {
        return false;
    }
    set_xmm(cpu, op.d, r);
    true
}

/// Whether predicate `imm` of cmpps and its like holds.
fn predicate(imm: i32, a: u64, b: u64, format: Format, mxcsr: u32, flags: &mut u8) -> bool {
    let mut denormal = 0;
    let (x, y) = (
        unpack(a, format, mxcsr, &mut denormal),
        unpack(b, format, mxcsr, &mut denormal),
    );
    let order = soft::compare(x, y);
    let signaling = x.class == soft::Class::SignalingNan || y.class == soft::Class::SignalingNan;
    if order.is_none() {
        if signaling || matches!(imm & 3, 1 | 2) {
            *flags |= IE;
        }
    } else {
        *flags |= denormal;
    }
    let yes = match imm & 3 {
        0 => order == Some(Ordering::Equal),
        1 => order == Some(Ordering::Less),
        2 => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        _ => order.is_none(),
    };
    yes != (imm & 4 != 0)
}

fn compare_lanes(cpu: &mut Cpu, mem: &mut Inner, op: &Op, bits: u32, all: bool) -> bool {
    let (d, s, mut flags) = (xmm(cpu, op.d), xmm(cpu, op.s), 0);
    let format = if bits == 64 { F64 } else { F32 };
    let lane_mask = u128::MAX >> (128 - bits);
    let mut r = d;
    for shift in (0..if all { 128 } else { bits }).step_by(bits as usize) {
        let (a, b) = (
            (d >> shift & lane_mask) as u64,
            (s >> shift & lane_mask) as u64,
        );
        let mask = lane_mask << shift;
        r = if predicate(op.imm, a, b, format, cpu.mxcsr, &mut flags) {
            r | mask
        } else {
            r & !mask
        };
    }
    if flags != 0 && !raise(cpu, mem, flags) {
        return false;
    }
    set_xmm(cpu, op.d, r);
    true
}

/// ucomis and comis: the order into ZF, PF and CF.
fn ordered(cpu: &mut Cpu, mem: &mut Inner, op: &Op, double: bool, quiet: bool) -> bool {
    let (d, s) = (xmm(cpu, op.d), xmm(cpu, op.s));
    let host = if double {
        f64::from_bits(d as u64).partial_cmp(&f64::from_bits(s as u64))
    } else {
        f32::from_bits(d as u32).partial_cmp(&f32::from_bits(s as u32))
    };
    let mut order = host;
    let normal = if double {
        <f64 as Lane>::is_normal(d as u64) && <f64 as Lane>::is_normal(s as u64)
    } else {
        <f32 as Lane>::is_normal(d as u64 & 0xffff_ffff)
            && <f32 as Lane>::is_normal(s as u64 & 0xffff_ffff)
    };
    if !normal {
        let format = if double { F64 } else { F32 };
        let cut = |v: u128| {
            if double {
                v as u64
            } else {
                u64::from(v as u32)
            }
        };
        let mut flags = 0;
        let x = unpack(cut(d), format, cpu.mxcsr, &mut flags);
        let y = unpack(cut(s), format, cpu.mxcsr, &mut flags);
        order = soft::compare(x, y);
        if order.is_none() {
            let signaling =
                x.class == soft::Class::SignalingNan || y.class == soft::Class::SignalingNan;
            flags = if signaling || !quiet { IE } else { 0 };
        }
        if flags != 0 && !raise(cpu, mem, flags) {
            return false;
        }
    }
    alu::set_raw(
        cpu,
        match order {
            None => ZF | PF | CF,
            Some(Ordering::Less) => CF,
            Some(Ordering::Equal) => ZF,
            Some(Ordering::Greater) => 0,
        },
    );
    true
}

/// rcpps and rsqrtps give about 12 bits, different ones on every processor; these are the exact ones, cut to 12 bits.
fn approximate(bits: u32, root: bool) -> u32 {
    let a = f32::from_bits(bits);
    let sign = bits & 0x8000_0000;
    if a.is_nan() {
        return bits | 0x40_0000;
    }
    if !a.is_normal() && !a.is_infinite() {
        return sign | 0x7f80_0000;
    }
    if root && a < 0.0 {
        return 0xffc0_0000;
    }
    let r = if root { 1.0 / a.sqrt() } else { 1.0 / a };
    if !r.is_normal() {
        return sign;
    }
    r.to_bits().wrapping_add(0x400) & !0x7ff
}

fn approximations(cpu: &mut Cpu, op: &Op, lanes: u32, root: bool) {
    let (d, s) = (xmm(cpu, op.d), xmm(cpu, op.s));
    let mut r = d;
    for lane in 0..lanes {
        let shift = lane * 32;
        let value = approximate((s >> shift) as u32, root);
        r = (r & !(0xffff_ffff << shift)) | (u128::from(value) << shift);
    }
    set_xmm(cpu, op.d, r);
}

pub fn call(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    use Operation::*;
    match op.code {
        Code::Addsd => scalar(cpu, mem, op, Add, true),
        Code::Subsd => scalar(cpu, mem, op, Sub, true),
        Code::Mulsd => scalar(cpu, mem, op, Mul, true),
        Code::Divsd => scalar(cpu, mem, op, Div, true),
        Code::Minsd => scalar(cpu, mem, op, Min, true),
        Code::Maxsd => scalar(cpu, mem, op, Max, true),
        Code::Sqrtsd => scalar(cpu, mem, op, Sqrt, true),
        Code::Addss => scalar(cpu, mem, op, Add, false),
        Code::Subss => scalar(cpu, mem, op, Sub, false),
        Code::Mulss => scalar(cpu, mem, op, Mul, false),
        Code::Divss => scalar(cpu, mem, op, Div, false),
        Code::Minss => scalar(cpu, mem, op, Min, false),
        Code::Maxss => scalar(cpu, mem, op, Max, false),
        Code::Sqrtss => scalar(cpu, mem, op, Sqrt, false),
        Code::Addpd => packed(cpu, mem, op, Add, true),
        Code::Subpd => packed(cpu, mem, op, Sub, true),
        Code::Mulpd => packed(cpu, mem, op, Mul, true),
        Code::Divpd => packed(cpu, mem, op, Div, true),
        Code::Minpd => packed(cpu, mem, op, Min, true),
        Code::Maxpd => packed(cpu, mem, op, Max, true),
        Code::Sqrtpd => packed(cpu, mem, op, Sqrt, true),
        Code::Addps => packed(cpu, mem, op, Add, false),
        Code::Subps => packed(cpu, mem, op, Sub, false),
        Code::Mulps => packed(cpu, mem, op, Mul, false),
        Code::Divps => packed(cpu, mem, op, Div, false),
        Code::Minps => packed(cpu, mem, op, Min, false),
        Code::Maxps => packed(cpu, mem, op, Max, false),
        Code::Sqrtps => packed(cpu, mem, op, Sqrt, false),
        Code::Cmpsd => compare_lanes(cpu, mem, op, 64, false),
        Code::Cmpss => compare_lanes(cpu, mem, op, 32, false),
        Code::Cmppd => compare_lanes(cpu, mem, op, 64, true),
        Code::Cmpps => compare_lanes(cpu, mem, op, 32, true),
        Code::Ucomisd => ordered(cpu, mem, op, true, true),
        Code::Comisd => ordered(cpu, mem, op, true, false),
        Code::Ucomiss => ordered(cpu, mem, op, false, true),
        Code::Comiss => ordered(cpu, mem, op, false, false),
        Code::Rcpss => {
            approximations(cpu, op, 1, false);
            true
        }
        Code::Rsqrtss => {
            approximations(cpu, op, 1, true);
            true
        }
        Code::Rcpps => {
            approximations(cpu, op, 4, false);
            true
        }
        Code::Rsqrtps => {
            approximations(cpu, op, 4, true);
            true
        }
        _ => {
            mem.stop = Some(Stop::Exit(Exit::InvalidOpcode));
            false
        }
    }
}
