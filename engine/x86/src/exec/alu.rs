//! Arithmetic that needs the carry flag, or sets flags in ways of its own. `x` is the operand size as a logarithm.

use super::int::{gpr, set_gpr_sized, sext, zext};
use crate::cpu::{Cpu, reg};
use crate::flags::{self, AF, CF, FlagKind, OF};
use crate::ops::Op;

pub fn flags_of(cpu: &Cpu) -> u64 {
    flags::materialize(cpu.flag_kind, cpu.flag_a, cpu.flag_b)
}

pub fn set_raw(cpu: &mut Cpu, flags: u64) {
    cpu.flag_kind = FlagKind::RAW;
    cpu.flag_a = flags & flags::ARITH;
}

/// SF, ZF and PF from a result, the others as given.
pub fn set_result(cpu: &mut Cpu, log2: u8, result: u64, others: u64) {
    cpu.flag_kind = FlagKind::new(FlagKind::RES, u32::from(log2));
    cpu.flag_a = result;
    cpu.flag_b = others;
}

fn imm(op: &Op) -> u64 {
    op.imm as i64 as u64
}

fn bits(log2: u8) -> u32 {
    8 << (log2 & 3)
}

fn top(value: u64, log2: u8) -> u64 {
    (value >> (bits(log2) - 1)) & 1
}

fn add_carry(cpu: &mut Cpu, log2: u8, a: u64, b: u64) -> u64 {
    let (a, b) = (zext(a, log2), zext(b, log2));
    let sum = u128::from(a) + u128::from(b) + u128::from(flags_of(cpu) & CF);
    let r = zext(sum as u64, log2);
    let cf = (sum >> bits(log2)) as u64 & 1;
    let of = top((a ^ r) & (b ^ r), log2) << 11;
    set_result(cpu, log2, r, cf | of | ((a ^ b ^ r) & AF));
    r
}

fn sub_borrow(cpu: &mut Cpu, log2: u8, a: u64, b: u64) -> u64 {
    let (a, b) = (zext(a, log2), zext(b, log2));
    let carry = flags_of(cpu) & CF;
    let r = zext(a.wrapping_sub(b).wrapping_sub(carry), log2);
    let cf = u64::from(u128::from(a) < u128::from(b) + u128::from(carry));
    let of = top((a ^ b) & (a ^ r), log2) << 11;
    set_result(cpu, log2, r, cf | of | ((a ^ b ^ r) & AF));
    r
}

pub fn adc_r(cpu: &mut Cpu, op: &Op) {
    let r = add_carry(cpu, op.x, gpr(cpu, op.d), gpr(cpu, op.s));
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn adc_i(cpu: &mut Cpu, op: &Op) {
    let r = add_carry(cpu, op.x, gpr(cpu, op.d), imm(op));
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn sbb_r(cpu: &mut Cpu, op: &Op) {
    let r = sub_borrow(cpu, op.x, gpr(cpu, op.d), gpr(cpu, op.s));
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn sbb_i(cpu: &mut Cpu, op: &Op) {
    let r = sub_borrow(cpu, op.x, gpr(cpu, op.d), imm(op));
    set_gpr_sized(cpu, op.d, op.x, r);
}

/// The carry flag alone.
fn carry(cpu: &Cpu) -> u64 {
    let shift = 64 - (8 << (cpu.flag_kind.0 & 3));
    let (a, b) = (cpu.flag_a, cpu.flag_b);
    match cpu.flag_kind.0 & !3 {
        FlagKind::RES => b & CF,
        FlagKind::ADD => u64::from((a.wrapping_add(b) << shift) < (a << shift)),
        FlagKind::SUB => u64::from((a << shift) < (b << shift)),
        _ => a & CF,
    }
}

/// inc that keeps the carry flag.
pub fn inc_keep(cpu: &mut Cpu, op: &Op) {
    let cf = carry(cpu);
    let r = zext(gpr(cpu, op.d).wrapping_add(1), op.x);
    let of = u64::from(r == 1 << (bits(op.x) - 1)) << 11;
    set_result(cpu, op.x, r, cf | of | if r & 0xf == 0 { AF } else { 0 });
    set_gpr_sized(cpu, op.d, op.x, r);
}

/// dec that keeps the carry flag.
pub fn dec_keep(cpu: &mut Cpu, op: &Op) {
    let cf = carry(cpu);
    let a = zext(gpr(cpu, op.d), op.x);
    let r = zext(a.wrapping_sub(1), op.x);
    let of = u64::from(a == 1 << (bits(op.x) - 1)) << 11;
    set_result(cpu, op.x, r, cf | of | if r & 0xf == 0xf { AF } else { 0 });
    set_gpr_sized(cpu, op.d, op.x, r);
}

/// The masked count of a shift: from cl if `s` is rcx, else the immediate.
fn count(cpu: &Cpu, register: u8, imm: i32, log2: u8) -> u32 {
    let n = if register == reg::RCX as u8 {
        cpu.gpr[reg::RCX] as u32
    } else {
        imm as u32
    };
    n & if log2 == 3 { 63 } else { 31 }
}

fn bit(value: u64, n: u32) -> u64 {
    if n < 64 { (value >> n) & 1 } else { 0 }
}

pub fn shl(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.s, op.imm, op.x);
    let a = zext(gpr(cpu, op.d), op.x);
    let r = zext(a << n, op.x);
    if n > 0 {
        let cf = if n <= bits(op.x) {
            bit(a, bits(op.x) - n)
        } else {
            0
        };
        set_result(cpu, op.x, r, cf | ((cf ^ top(r, op.x)) << 11));
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn shr(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.s, op.imm, op.x);
    let a = zext(gpr(cpu, op.d), op.x);
    let r = a >> n;
    if n > 0 {
        set_result(cpu, op.x, r, bit(a, n - 1) | (top(a, op.x) << 11));
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn sar(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.s, op.imm, op.x);
    let a = sext(gpr(cpu, op.d), op.x);
    let r = zext((a >> n) as u64, op.x);
    if n > 0 {
        set_result(cpu, op.x, r, (a >> (n - 1)) as u64 & 1);
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

fn set_carry_overflow(cpu: &mut Cpu, cf: u64, of: u64) {
    let kept = flags_of(cpu) & !(CF | OF);
    set_raw(cpu, kept | cf | (of << 11));
}

pub fn rol(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.s, op.imm, op.x);
    let (a, size) = (zext(gpr(cpu, op.d), op.x), bits(op.x));
    let m = n % size;
    let r = if m == 0 {
        a
    } else {
        zext((a << m) | (a >> (size - m)), op.x)
    };
    if n > 0 {
        set_carry_overflow(cpu, r & 1, top(r, op.x) ^ (r & 1));
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn ror(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.s, op.imm, op.x);
    let (a, size) = (zext(gpr(cpu, op.d), op.x), bits(op.x));
    let m = n % size;
    let r = if m == 0 {
        a
    } else {
        zext((a >> m) | (a << (size - m)), op.x)
    };
    if n > 0 {
        set_carry_overflow(cpu, top(r, op.x), top(r, op.x) ^ bit(r, size - 2));
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn rcl(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.s, op.imm, op.x);
    let (mut r, size) = (zext(gpr(cpu, op.d), op.x), bits(op.x));
    let mut cf = flags_of(cpu) & CF;
    for _ in 0..n % (size + 1) {
        let out = top(r, op.x);
        r = zext((r << 1) | cf, op.x);
        cf = out;
    }
    if n > 0 {
        set_carry_overflow(cpu, cf, top(r, op.x) ^ cf);
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn rcr(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.s, op.imm, op.x);
    let (mut r, size) = (zext(gpr(cpu, op.d), op.x), bits(op.x));
    let mut cf = flags_of(cpu) & CF;
    for _ in 0..n % (size + 1) {
        let out = r & 1;
        r = (r >> 1) | (cf << (size - 1));
        cf = out;
    }
    if n > 0 {
        set_carry_overflow(cpu, cf, top(r, op.x) ^ bit(r, size - 2));
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

/// shld: the high bits of `s` move into the low end of `d`.
pub fn shld(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.index, op.imm, op.x);
    let (a, b, size) = (
        zext(gpr(cpu, op.d), op.x),
        zext(gpr(cpu, op.s), op.x),
        bits(op.x),
    );
    let r = match op.x {
        // With 16 bits and a count above 16 the result is undefined; processors shift d:s:d.
        1 => (((a << 32) | (b << 16) | a) << n >> 32) & 0xffff,
        _ => zext(
            (((u128::from(a) << size) | u128::from(b)) << n >> size) as u64,
            op.x,
        ),
    };
    if n > 0 {
        let cf = if n <= size {
            bit(a, size - n)
        } else {
            bit(b, 2 * size - n)
        };
        set_result(cpu, op.x, r, cf | (top(a ^ r, op.x) << 11));
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

/// shrd: the low bits of `s` move into the high end of `d`.
pub fn shrd(cpu: &mut Cpu, op: &Op) {
    let n = count(cpu, op.index, op.imm, op.x);
    let (a, b, size) = (
        zext(gpr(cpu, op.d), op.x),
        zext(gpr(cpu, op.s), op.x),
        bits(op.x),
    );
    let r = match op.x {
        1 => (((a << 32) | (b << 16) | a) >> n) & 0xffff,
        _ => zext(
            (((u128::from(b) << size) | u128::from(a)) >> n) as u64,
            op.x,
        ),
    };
    if n > 0 {
        let cf = if n <= size {
            bit(a, n - 1)
        } else {
            bit(b, n - 1 - size)
        };
        set_result(cpu, op.x, r, cf | (top(a ^ r, op.x) << 11));
    }
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn xadd(cpu: &mut Cpu, op: &Op) {
    let (a, b) = (gpr(cpu, op.d), gpr(cpu, op.s));
    cpu.flag_kind = FlagKind::new(FlagKind::ADD, u32::from(op.x));
    cpu.flag_a = a;
    cpu.flag_b = b;
    set_gpr_sized(cpu, op.s, op.x, a);
    set_gpr_sized(cpu, op.d, op.x, a.wrapping_add(b));
}

pub fn cmpxchg(cpu: &mut Cpu, op: &Op) {
    let (rax, old, new) = (cpu.gpr[reg::RAX], gpr(cpu, op.d), gpr(cpu, op.s));
    cpu.flag_kind = FlagKind::new(FlagKind::SUB, u32::from(op.x));
    cpu.flag_a = rax;
    cpu.flag_b = old;
    if zext(rax, op.x) == zext(old, op.x) {
        set_gpr_sized(cpu, op.d, op.x, new);
    } else {
        set_gpr_sized(cpu, reg::RAX as u8, op.x, old);
    }
}
