//! x87 and memory: loads, stores, arithmetic with operands there, and the unit's own state.

use super::super::soft::{self, Class, F32, F64, IE, INDEFINITE, Num, PE};
use super::{Operand, POP, arithmetic, pack, unpack};
use crate::cpu::Cpu;
use crate::exec::hot::ea_m;
use crate::exec::int::sext;
use crate::mem::Inner;
use crate::ops::{Code, Op};
use crate::x87::{F80, X87};

pub fn call(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let addr = ea_m(cpu, op);
    let x87 = &mut cpu.x87;
    let done = match op.code {
        Code::Fld32 => mem
            .load::<u32>(addr)
            .map(|bits| load_float(x87, u64::from(bits), F32)),
        Code::Fld64 => mem.load::<u64>(addr).map(|bits| load_float(x87, bits, F64)),
        Code::Fld80 => load_f80(mem, addr).map(|value| x87.push(value)),
        Code::Fild16 => mem
            .load::<u16>(addr)
            .map(|v| x87.push(integer(sext(u64::from(v), 1)))),
        Code::Fild32 => mem
            .load::<u32>(addr)
            .map(|v| x87.push(integer(sext(u64::from(v), 2)))),
        Code::Fild64 => mem.load::<u64>(addr).map(|v| x87.push(integer(v as i64))),
        Code::FarithM32 => mem
            .load::<u32>(addr)
            .map(|bits| with_float(x87, op, u64::from(bits), F32)),
        Code::FarithM64 => mem
            .load::<u64>(addr)
            .map(|bits| with_float(x87, op, bits, F64)),
        Code::FarithI16 => mem
            .load::<u16>(addr)
            .map(|v| with_integer(x87, op, sext(u64::from(v), 1))),
        Code::FarithI32 => mem
            .load::<u32>(addr)
            .map(|v| with_integer(x87, op, sext(u64::from(v), 2))),
        Code::FcomM32 => mem
            .load::<u32>(addr)
            .map(|bits| with_float(x87, op, u64::from(bits), F32)),
        Code::FcomM64 => mem
            .load::<u64>(addr)
            .map(|bits| with_float(x87, op, bits, F64)),
        Code::FcomI16 => mem
            .load::<u16>(addr)
            .map(|v| with_integer(x87, op, sext(u64::from(v), 1))),
        Code::FcomI32 => mem
            .load::<u32>(addr)
            .map(|v| with_integer(x87, op, sext(u64::from(v), 2))),
        Code::Fst32 => store(x87, mem, op, addr, 4, |x87, flags, c1| {
            float(x87, F32, flags, c1)
        }),
        Code::Fst64 => store(x87, mem, op, addr, 8, |x87, flags, c1| {
            float(x87, F64, flags, c1)
        }),
        Code::Fst80 => store(x87, mem, op, addr, 10, |x87, _, _| {
            let value = x87.st(0);
            u128::from(value.sig) | (u128::from(value.exp) << 64)
        }),
        Code::Fist16 => store(x87, mem, op, addr, 2, |x87, flags, c1| {
            signed(x87, 16, false, flags, c1)
        }),
        Code::Fist32 => store(x87, mem, op, addr, 4, |x87, flags, c1| {
            signed(x87, 32, false, flags, c1)
        }),
        Code::Fist64 => store(x87, mem, op, addr, 8, |x87, flags, c1| {
            signed(x87, 64, false, flags, c1)
        }),
        Code::Fisttp16 => store(x87, mem, op, addr, 2, |x87, flags, c1| {
            signed(x87, 16, true, flags, c1)
        }),
        Code::Fisttp32 => store(x87, mem, op, addr, 4, |x87, flags, c1| {
            signed(x87, 32, true, flags, c1)
        }),
        Code::Fisttp64 => store(x87, mem, op, addr, 8, |x87, flags, c1| {
            signed(x87, 64, true, flags, c1)
        }),
        Code::Fbld => load_bytes::<10>(mem, addr).map(|bytes| x87.push(from_bcd(&bytes))),
        Code::Fbstp => store(x87, mem, op, addr, 10, to_bcd),
        Code::Fnstcw => mem.store(addr, x87.control).then_some(()),
        Code::Fnstsw => mem.store(addr, x87.status_word()).then_some(()),
        Code::Fldcw => mem.load::<u16>(addr).map(|word| {
            x87.control = word & 0x1f3f | 0x40;
            x87.update_summary();
        }),
        Code::Fnstenv => store_environment(x87, mem, addr),
        Code::Fldenv => load_bytes::<28>(mem, addr).map(|image| load_environment(x87, &image)),
        Code::Fnsave => save(x87, mem, addr),
        Code::Frstor => load_bytes::<108>(mem, addr).map(|image| restore(x87, &image)),
        _ => None,
    };
    done.is_some()
}

fn integer(value: i64) -> F80 {
    pack(Num::from_integer(value))
}

fn load_bytes<const N: usize>(mem: &mut Inner, addr: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    mem.guest_read(addr, &mut bytes)?;
    Some(bytes)
}

fn f80_of(bytes: &[u8]) -> F80 {
    let mut sig = [0; 8];
    sig.copy_from_slice(&bytes[..8]);
    F80 {
        sig: u64::from_le_bytes(sig),
        exp: u16::from_le_bytes([bytes[8], bytes[9]]),
    }
}

fn load_f80(mem: &mut Inner, addr: u64) -> Option<F80> {
    load_bytes::<10>(mem, addr).map(|bytes| f80_of(&bytes))
}

/// fld of a shorter format: exact, but for a signaling NaN.
fn load_float(x87: &mut X87, bits: u64, format: soft::Format) {
    if !x87.is_empty(7) {
        return x87.push(F80::default());
    }
    let mut flags = 0;
    let n = Num::unpack(bits, format, &mut flags);
    let n = if n.class == Class::SignalingNan {
        flags |= IE;
        n.quiet()
    } else {
        n
    };
    if x87.raise(flags, false) {
        x87.push(pack(n));
    }
}

/// Arithmetic or a comparison of st(0) with an operand from memory.
fn with_operand(x87: &mut X87, op: &Op, b: Operand, mut denormal: u8) {
    let a = x87.operand(0, &mut denormal);
    if matches!(
        op.code,
        Code::FcomM32 | Code::FcomM64 | Code::FcomI16 | Code::FcomI32
    ) {
        if let Some(order) = arithmetic::order(x87, a, b, denormal, false) {
            arithmetic::set_order(x87, order);
            if op.x & POP != 0 {
                x87.pop();
            }
        }
    } else if let Some(r) = arithmetic::binary(x87, op.x, a, b, denormal) {
        x87.set_st(0, r);
    }
}

fn with_float(x87: &mut X87, op: &Op, bits: u64, format: soft::Format) {
    let mut denormal = 0;
    let b = Operand::Number(Num::unpack(bits, format, &mut denormal));
    with_operand(x87, op, b, denormal);
}

fn with_integer(x87: &mut X87, op: &Op, value: i64) {
    with_operand(x87, op, Operand::Number(Num::from_integer(value)), 0);
}

/// Stores `bytes` bytes of what `value` makes of st(0); an empty one gives the indefinite value of the type.
fn store(
    x87: &mut X87,
    mem: &mut Inner,
    op: &Op,
    addr: u64,
    bytes: u64,
    value: impl FnOnce(&X87, &mut u8, &mut bool) -> u128,
) -> Option<()> {
    mem.may_write(addr, bytes)?;
    let mut after = x87.clone();
    let (mut flags, mut c1) = (0, false);
    let bits = if after.is_empty(0) {
        // What the same conversion makes of the indefinite NaN; itself, it raises nothing more.
        after.set_st(0, pack(INDEFINITE));
        let bits = value(&after, &mut flags, &mut c1);
        after = x87.clone();
        if !after.stack_fault(false) {
            *x87 = after;
            return Some(());
        }
        bits
    } else {
        let bits = value(&after, &mut flags, &mut c1);
        if !after.raise(flags, c1) {
            *x87 = after;
            return Some(());
        }
        bits
    };
    mem.guest_write(addr, &bits.to_le_bytes()[..bytes as usize])
        .then_some(())?;
    if op.x & POP != 0 {
        after.pop();
    }
    *x87 = after;
    Some(())
}

fn float(x87: &X87, format: soft::Format, flags: &mut u8, c1: &mut bool) -> u128 {
    let mut env = x87.env();
    let r = match unpack(x87.st(0)).0 {
        Operand::Number(n) => soft::convert(&mut env, n, format),
        _ => {
            env.flags = IE;
            INDEFINITE
        }
    };
    *flags = env.flags;
    *c1 = env.flags & PE != 0 && env.rounded_up;
    u128::from(r.pack(format))
}

fn signed(x87: &X87, bits: u32, truncate: bool, flags: &mut u8, c1: &mut bool) -> u128 {
    let mut env = x87.env();
    if truncate {
        env.rounding = soft::ZERO;
    }
    let value = match unpack(x87.st(0)).0 {
        Operand::Number(n) => soft::to_signed(&mut env, n, bits),
        _ => {
            env.flags = IE;
            i64::MIN >> (64 - bits)
        }
    };
    *flags = env.flags;
    *c1 = env.flags & PE != 0 && env.rounded_up;
    value as u64 as u128
}

/// 18 decimal digits and a sign.
fn to_bcd(x87: &X87, flags: &mut u8, c1: &mut bool) -> u128 {
    const INDEFINITE_BCD: u128 = 0xffff_c000_0000_0000_0000;
    let mut env = x87.env();
    let number = match unpack(x87.st(0)).0 {
        Operand::Number(n) => {
            soft::to_integer(&mut env, n).filter(|(_, m)| *m < 1_000_000_000_000_000_000)
        }
        _ => None,
    };
    let Some((sign, mut magnitude)) = number else {
        *flags = IE;
        return INDEFINITE_BCD;
    };
    *flags = env.flags;
    *c1 = env.flags & PE != 0 && env.rounded_up;
    let mut bcd = if sign { 0x80 << 72 } else { 0 };
    for digit in 0..18 {
        bcd |= u128::from(magnitude % 10) << (4 * digit);
        magnitude /= 10;
    }
    bcd
}

fn from_bcd(bytes: &[u8; 10]) -> F80 {
    let magnitude = bytes[..9].iter().rev().fold(0u64, |m, b| {
        m.wrapping_mul(100)
            .wrapping_add(u64::from(b >> 4) * 10 + u64::from(b & 15))
    });
    let mut n = Num::from_integer(magnitude as i64);
    n.sign = bytes[9] & 0x80 != 0;
    pack(n)
}

/// The tag word of fnstenv: two bits for each register.
fn full_tags(x87: &X87) -> u16 {
    (0..8).fold(0, |tags, i| {
        let tag = if x87.used & (1 << i) == 0 {
            3
        } else {
            match unpack(x87.regs[i]) {
                (Operand::Number(n), false) if n.class == Class::Zero => 1,
                (Operand::Number(n), false) if n.class == Class::Finite => 0,
                _ => 2,
            }
        };
        tags | (tag << (2 * i))
    })
}

fn environment(x87: &X87) -> [u8; 28] {
    let mut image = [0; 28];
    for (at, word) in [
        (0, x87.control),
        (4, x87.status_word()),
        (8, full_tags(x87)),
    ] {
        image[at..at + 2].copy_from_slice(&word.to_le_bytes());
    }
    for at in [2, 6, 10, 26] {
        image[at..at + 2].copy_from_slice(&[0xff, 0xff]);
    }
    image
}

fn store_environment(x87: &mut X87, mem: &mut Inner, addr: u64) -> Option<()> {
    mem.guest_write(addr, &environment(x87)).then_some(())?;
    x87.control |= 0x3f;
    x87.update_summary();
    Some(())
}

fn load_environment(x87: &mut X87, image: &[u8]) {
    let word = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
    x87.control = word(0) & 0x1f3f | 0x40;
    x87.set_status_word(word(4));
    let tags = word(8);
    x87.used = (0..8)
        .filter(|i| tags >> (2 * i) & 3 != 3)
        .fold(0, |used, i| used | 1 << i);
    x87.update_summary();
}

fn save(x87: &mut X87, mem: &mut Inner, addr: u64) -> Option<()> {
    let mut image = [0; 108];
    image[..28].copy_from_slice(&environment(x87));
    for i in 0..8 {
        let value = x87.st(i as u8);
        let at = 28 + 10 * i;
        image[at..at + 8].copy_from_slice(&value.sig.to_le_bytes());
        image[at + 8..at + 10].copy_from_slice(&value.exp.to_le_bytes());
    }
    mem.guest_write(addr, &image).then_some(())?;
    let regs = x87.regs;
    *x87 = X87 { regs, ..X87::new() };
    Some(())
}

fn restore(x87: &mut X87, image: &[u8; 108]) {
    load_environment(x87, &image[..28]);
    for i in 0..8 {
        let at = (x87.top as usize + i) & 7;
        x87.regs[at] = f80_of(&image[28 + 10 * i..]);
    }
}
