//! Bit tests, bit scans, flags as a whole.

use super::alu::{flags_of, set_raw, set_result};
use super::int::{gpr, set_gpr, set_gpr_sized, sext, zext};
use crate::cpu::{Cpu, reg};
use crate::flags::{CF, DF, ZF};
use crate::ops::Op;

fn bits(log2: u8) -> u32 {
    8 << (log2 & 3)
}

/// The number of the bit, within the operand: from register `s`, or the immediate if there is none.
fn bit_number(cpu: &Cpu, op: &Op) -> u32 {
    let n = if op.s == reg::ZERO as u8 {
        op.imm as u64
    } else {
        gpr(cpu, op.s)
    };
    n as u32 % bits(op.x)
}

fn test(cpu: &mut Cpu, op: &Op) -> u64 {
    let mask = 1u64 << bit_number(cpu, op);
    let cf = u64::from(gpr(cpu, op.d) & mask != 0);
    let kept = flags_of(cpu) & !CF;
    set_raw(cpu, kept | cf);
    mask
}

pub fn bt(cpu: &mut Cpu, op: &Op) {
    test(cpu, op);
}

pub fn bts(cpu: &mut Cpu, op: &Op) {
    let mask = 1u64 << bit_number(cpu, op);
    let r = gpr(cpu, op.d) | mask;
    test(cpu, op);
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn btr(cpu: &mut Cpu, op: &Op) {
    let mask = 1u64 << bit_number(cpu, op);
    let r = gpr(cpu, op.d) & !mask;
    test(cpu, op);
    set_gpr_sized(cpu, op.d, op.x, r);
}

pub fn btc(cpu: &mut Cpu, op: &Op) {
    let mask = 1u64 << bit_number(cpu, op);
    let r = gpr(cpu, op.d) ^ mask;
    test(cpu, op);
    set_gpr_sized(cpu, op.d, op.x, r);
}

/// Moves the address in `d` by the whole operands that the bit number in `s` counts.
pub fn bit_address(cpu: &mut Cpu, op: &Op) {
    let units = sext(gpr(cpu, op.s), op.x) >> (3 + op.x);
    let addr = gpr(cpu, op.d).wrapping_add((units << op.x) as u64);
    set_gpr::<u64>(cpu, op.d, addr);
}

/// bsf; a source of zero leaves the destination as it is, as AMD says and Intel does.
pub fn bsf(cpu: &mut Cpu, op: &Op) {
    let a = zext(gpr(cpu, op.s), op.x);
    set_zero_flag(cpu, a == 0);
    if a != 0 {
        set_gpr_sized(cpu, op.d, op.x, u64::from(a.trailing_zeros()));
    }
}

pub fn bsr(cpu: &mut Cpu, op: &Op) {
    let a = zext(gpr(cpu, op.s), op.x);
    set_zero_flag(cpu, a == 0);
    if a != 0 {
        set_gpr_sized(cpu, op.d, op.x, u64::from(63 - a.leading_zeros()));
    }
}

fn set_zero_flag(cpu: &mut Cpu, zero: bool) {
    let kept = flags_of(cpu) & !ZF;
    set_raw(cpu, kept | if zero { ZF } else { 0 });
}

fn set_count(cpu: &mut Cpu, op: &Op, count: u32) {
    let kept = flags_of(cpu) & !(ZF | CF);
    let cf = if count == bits(op.x) { CF } else { 0 };
    set_raw(cpu, kept | cf | if count == 0 { ZF } else { 0 });
    set_gpr_sized(cpu, op.d, op.x, u64::from(count));
}

pub fn tzcnt(cpu: &mut Cpu, op: &Op) {
    let a = zext(gpr(cpu, op.s), op.x);
    set_count(cpu, op, a.trailing_zeros().min(bits(op.x)));
}

pub fn lzcnt(cpu: &mut Cpu, op: &Op) {
    let a = zext(gpr(cpu, op.s), op.x);
    set_count(cpu, op, a.leading_zeros() - (64 - bits(op.x)));
}

pub fn popcnt(cpu: &mut Cpu, op: &Op) {
    let a = zext(gpr(cpu, op.s), op.x);
    set_raw(cpu, if a == 0 { ZF } else { 0 });
    set_gpr_sized(cpu, op.d, op.x, u64::from(a.count_ones()));
}

pub fn movbe(cpu: &mut Cpu, op: &Op) {
    let swapped = gpr(cpu, op.s).swap_bytes() >> (64 - bits(op.x));
    set_gpr_sized(cpu, op.d, op.x, swapped);
}

/// crc32, with Castagnoli's polynomial, reflected.
pub fn crc32(cpu: &mut Cpu, op: &Op) {
    let mut crc = gpr(cpu, op.d) as u32;
    for byte in gpr(cpu, op.s).to_le_bytes().into_iter().take(1 << op.x) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 != 0 { 0x82f6_3b78 } else { 0 };
        }
    }
    set_gpr::<u32>(cpu, op.d, u64::from(crc));
}

pub fn lahf(cpu: &mut Cpu) {
    let flags = cpu.rflags() & 0xff;
    cpu.gpr[reg::RAX] = (cpu.gpr[reg::RAX] & !0xff00) | (flags << 8);
}

pub fn sahf(cpu: &mut Cpu) {
    let high = flags_of(cpu) & !0xff;
    let low = (cpu.gpr[reg::RAX] >> 8) & 0xff;
    set_raw(cpu, high | low);
}

pub fn set_carry(cpu: &mut Cpu, change: impl FnOnce(u64) -> u64) {
    let flags = flags_of(cpu);
    set_raw(cpu, (flags & !CF) | (change(flags & CF) & CF));
}

pub fn set_direction(cpu: &mut Cpu, down: bool) {
    cpu.system_flags = (cpu.system_flags & !DF) | if down { DF } else { 0 };
}

/// The flags of a product: CF and OF say whether its upper half is needed.
pub fn set_product(cpu: &mut Cpu, log2: u8, low: u64, wide: bool) {
    set_result(cpu, log2, low, if wide { CF | crate::flags::OF } else { 0 });
}
