//! The ops that are worth an arm of their own in the interpreter's loop, inlined there.
//!
//! Those that touch memory return false, with `mem.stop` set and nothing committed, if they can't.

#![allow(unsafe_code)] // Host pointers from the TLB.

mod alu;
pub use alu::*;

use super::int::{Int, gpr, set_gpr};
use crate::cpu::{Cpu, reg};
use crate::exec::sse::{set_xmm, xmm};
use crate::exit::Exit;
use crate::flags::FlagKind;
use crate::mem::{Memory, Stop};
use crate::ops::Op;

#[inline(always)]
pub fn ea_m(cpu: &Cpu, op: &Op) -> u64 {
    let index = gpr(cpu, op.index).wrapping_shl(u32::from(op.scale));
    gpr(cpu, op.base)
        .wrapping_add(index)
        .wrapping_add(op.disp as i64 as u64)
}

#[inline(always)]
pub fn ea_b(cpu: &Cpu, op: &Op) -> u64 {
    gpr(cpu, op.base).wrapping_add(op.disp as i64 as u64)
}

#[inline(always)]
pub fn ea_a(_: &Cpu, op: &Op) -> u64 {
    op.wide()
}

#[inline(always)]
fn imm(op: &Op) -> u64 {
    op.imm as i64 as u64
}

#[inline(always)]
fn set_flags<T: Int>(cpu: &mut Cpu, class: u32, a: u64, b: u64) {
    cpu.flag_kind = FlagKind::new(class, T::LOG2);
    cpu.flag_a = a;
    cpu.flag_b = b;
}

// Moves

#[inline(always)]
pub fn mov_rr<T: Int>(cpu: &mut Cpu, op: &Op) {
    set_gpr::<T>(cpu, op.d, gpr(cpu, op.s));
}

#[inline(always)]
pub fn mov_ri<T: Int>(cpu: &mut Cpu, op: &Op) {
    set_gpr::<T>(cpu, op.d, imm(op));
}

#[inline(always)]
pub fn mov_wide(cpu: &mut Cpu, op: &Op) {
    set_gpr::<u64>(cpu, op.d, op.wide());
}

#[inline(always)]
pub fn movzx_rr<T: Int>(cpu: &mut Cpu, op: &Op) {
    set_gpr::<u64>(cpu, op.d, T::cut(gpr(cpu, op.s)).z());
}

#[inline(always)]
pub fn movsx_rr<T: Int, D: Int>(cpu: &mut Cpu, op: &Op) {
    set_gpr::<D>(cpu, op.d, T::cut(gpr(cpu, op.s)).s() as u64);
}

#[inline(always)]
pub fn extract_high(cpu: &mut Cpu, op: &Op) {
    set_gpr::<u64>(cpu, op.d, (gpr(cpu, op.s) >> 8) & 0xff);
}

#[inline(always)]
pub fn insert_high(cpu: &mut Cpu, op: &Op) {
    let value = (gpr(cpu, op.d) & !0xff00) | ((gpr(cpu, op.s) & 0xff) << 8);
    set_gpr::<u64>(cpu, op.d, value);
}

#[inline(always)]
pub fn load<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op, addr: u64) -> bool {
    match mem.load::<T>(addr) {
        Some(value) => {
            set_gpr::<u64>(cpu, op.d, value.z());
            true
        }
        None => false,
    }
}

/// A load into the low 8 or 16 bits of a register.
#[inline(always)]
pub fn load_low<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    match mem.load::<T>(ea_m(cpu, op)) {
        Some(value) => {
            set_gpr::<T>(cpu, op.d, value.z());
            true
        }
        None => false,
    }
}

/// A load of 16 bytes into an xmm register; `ALIGNED` ones have to be.
#[inline(always)]
pub fn load_x128<const ALIGNED: bool>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let addr = ea_m(cpu, op);
    if ALIGNED && !addr.is_multiple_of(16) {
        return misaligned(mem);
    }
    let value = match mem.host_read(addr, 16) {
        // SAFETY: 16 bytes from `host` on are a readable page's.
        Some(host) => unsafe { host.cast::<u128>().read_unaligned() },
        None => match mem.load_u128(addr) {
            Some(value) => value,
            None => return false,
        },
    };
    set_xmm(cpu, op.d, value);
    true
}

/// A store of 16 bytes from an xmm register.
#[inline(always)]
pub fn store_x128<const ALIGNED: bool>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let addr = ea_m(cpu, op);
    if ALIGNED && !addr.is_multiple_of(16) {
        return misaligned(mem);
    }
    let value = xmm(cpu, op.s);
    match mem.host_write(addr, 16) {
        Some(host) => {
            // SAFETY: 16 bytes from `host` on are a writable page's.
            unsafe { host.cast::<u128>().write_unaligned(value) };
            true
        }
        None => mem.store_u128(addr, value),
    }
}

#[inline(always)]
fn misaligned(mem: &mut impl Memory) -> bool {
    mem.refuse(Stop::Exit(Exit::GeneralProtection))
}

/// A load of 8 bytes into an xmm register, whose upper half becomes zero.
#[inline(always)]
pub fn load_x64(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    match mem.load::<u64>(ea_m(cpu, op)) {
        Some(value) => {
            set_xmm(cpu, op.d, u128::from(value));
            true
        }
        None => false,
    }
}

#[inline(always)]
pub fn store_x64(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    mem.store::<u64>(ea_m(cpu, op), xmm(cpu, op.s) as u64)
}

/// A function of two xmm registers into the first.
#[inline(always)]
pub fn xmm_op(cpu: &mut Cpu, op: &Op, f: impl Fn(u128, u128) -> u128) {
    set_xmm(cpu, op.d, f(xmm(cpu, op.d), xmm(cpu, op.s)));
}

/// The top bits of all bytes into a register.
#[inline(always)]
pub fn mask_bytes(cpu: &mut Cpu, op: &Op) {
    let value = xmm(cpu, op.s);
    // Multiplying gathers bits 7, 15 … 63 in the top byte.
    let gather =
        |half: u64| (half >> 7 & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    let bits = gather(value as u64) | (gather((value >> 64) as u64) << 8);
    set_gpr::<u64>(cpu, op.d, bits);
}

#[inline(always)]
pub fn mov_xr<T: Int>(cpu: &mut Cpu, op: &Op) {
    set_xmm(cpu, op.d, u128::from(T::cut(gpr(cpu, op.s)).z()));
}

#[inline(always)]
pub fn mov_rx(cpu: &mut Cpu, op: &Op) {
    set_gpr::<u64>(cpu, op.d, xmm(cpu, op.s) as u64);
}

#[inline(always)]
pub fn mov_xx(cpu: &mut Cpu, op: &Op) {
    set_xmm(cpu, op.d, xmm(cpu, op.s));
}

#[inline(always)]
pub fn load_sx<T: Int, D: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    match mem.load::<T>(ea_m(cpu, op)) {
        Some(value) => {
            set_gpr::<D>(cpu, op.d, value.s() as u64);
            true
        }
        None => false,
    }
}

#[inline(always)]
pub fn load_for_write<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    match mem.load_for_write::<T>(ea_m(cpu, op)) {
        Some(value) => {
            set_gpr::<u64>(cpu, op.d, value.z());
            true
        }
        None => false,
    }
}

#[inline(always)]
pub fn store<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op, addr: u64) -> bool {
    mem.store::<T>(addr, T::cut(gpr(cpu, op.s)))
}

#[inline(always)]
pub fn store_imm<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    mem.store::<T>(ea_m(cpu, op), T::cut(imm(op)))
}

#[inline(always)]
pub fn lea_b(cpu: &mut Cpu, op: &Op) {
    set_gpr::<u64>(cpu, op.d, ea_b(cpu, op));
}

#[inline(always)]
pub fn lea<D: Int>(cpu: &mut Cpu, op: &Op) {
    set_gpr::<D>(cpu, op.d, ea_m(cpu, op));
}

// The stack

#[inline(always)]
pub fn push(cpu: &mut Cpu, mem: &mut impl Memory, value: u64) -> bool {
    let sp = cpu.gpr[reg::RSP].wrapping_sub(8);
    let ok = mem.store::<u64>(sp, value);
    if ok {
        cpu.gpr[reg::RSP] = sp;
    }
    ok
}

#[inline(always)]
pub fn pop(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let sp = cpu.gpr[reg::RSP];
    match mem.load::<u64>(sp) {
        Some(value) => {
            cpu.gpr[reg::RSP] = sp.wrapping_add(8);
            set_gpr::<u64>(cpu, op.d, value);
            true
        }
        None => false,
    }
}

/// The registers of a run of pushes or pops, in order; their number is in `imm`.
#[inline(always)]
fn run_registers(op: &Op) -> [u8; 6] {
    [op.d, op.s, op.base, op.index, op.scale, op.x]
}

/// Several pushes at once, of any registers but rsp. If they don't fit one page that is at hand, the instructions have
/// to be carried out alone.
#[inline(always)]
pub fn push_run(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let n = (op.imm as u64).min(6);
    let sp = cpu.gpr[reg::RSP].wrapping_sub(8 * n);
    let Some(host) = mem.host_write(sp, 8 * n) else {
        return mem.refuse(Stop::Alone);
    };
    for (i, r) in run_registers(op).into_iter().take(n as usize).enumerate() {
        // SAFETY: 8 * n bytes from `host` on are a writable page's, and i < n.
        unsafe { host.add(n as usize - 1 - i).write_unaligned(gpr(cpu, r)) };
    }
    cpu.gpr[reg::RSP] = sp;
    true
}

/// Several pops at once, into any registers but rsp.
#[inline(always)]
pub fn pop_run(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let n = (op.imm as u64).min(6);
    let sp = cpu.gpr[reg::RSP];
    let Some(host) = mem.host_read(sp, 8 * n) else {
        return mem.refuse(Stop::Alone);
    };
    for (i, r) in run_registers(op).into_iter().take(n as usize).enumerate() {
        // SAFETY: 8 * n bytes from `host` on are a readable page's, and i < n.
        set_gpr::<u64>(cpu, r, unsafe { host.add(i).read_unaligned() });
    }
    cpu.gpr[reg::RSP] = sp.wrapping_add(8 * n);
    true
}

// Arithmetic
