//! Loads, stores and moves of xmm registers.

use super::{set_xmm, with_low32, with_low64, xmm};
use crate::cpu::{Cpu, reg};
use crate::exec::hot::ea_m;
use crate::exec::int::{gpr, set_gpr};
use crate::exec::system;
use crate::exit::Exit;
use crate::mem::{Inner, Stop};
use crate::ops::{Code, Op};

pub fn call(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let (d, s) = (xmm(cpu, op.d), xmm(cpu, op.s));
    let addr = ea_m(cpu, op);
    match op.code {
        Code::LoadX32 => return loaded(cpu, op, mem.load::<u32>(addr).map(u128::from)),
        Code::LoadXHigh => {
            let high = mem.load::<u64>(addr);
            return loaded(
                cpu,
                op,
                high.map(|h| u128::from(d as u64) | (u128::from(h) << 64)),
            );
        }
        Code::StoreX32 => return mem.store(addr, s as u32),
        Code::StoreXHigh => return mem.store(addr, (s >> 64) as u64),
        Code::Maskmovdqu => return maskmovdqu(cpu, mem, op),
        Code::Ldmxcsr => return system::ldmxcsr(cpu, mem, op),
        Code::Stmxcsr => return system::stmxcsr(cpu, mem, op),
        Code::Fxsave => return system::fxsave(cpu, mem, op),
        Code::Fxrstor => return system::fxrstor(cpu, mem, op),
        Code::MovXLow32 => set_xmm(cpu, op.d, with_low32(d, s as u32)),
        Code::MovXLow64 => set_xmm(cpu, op.d, with_low64(d, s as u64)),
        Code::MovqXX => set_xmm(cpu, op.d, u128::from(s as u64)),
        Code::Movlhps => set_xmm(cpu, op.d, u128::from(d as u64) | (s << 64)),
        Code::Movhlps => set_xmm(cpu, op.d, with_low64(d, (s >> 64) as u64)),
        Code::MovdRx => set_gpr::<u64>(cpu, op.d, u64::from(s as u32)),
        Code::Movmskps => set_gpr::<u64>(cpu, op.d, signs(s, 32)),
        Code::Movmskpd => set_gpr::<u64>(cpu, op.d, signs(s, 64)),
        _ => {
            mem.stop = Some(Stop::Exit(Exit::InvalidOpcode));
            return false;
        }
    }
    true
}

fn loaded(cpu: &mut Cpu, op: &Op, value: Option<u128>) -> bool {
    if let Some(value) = value {
        set_xmm(cpu, op.d, value);
    }
    value.is_some()
}

fn signs(value: u128, bits: u32) -> u64 {
    (0..128 / bits)
        .map(|lane| ((value >> (lane * bits + bits - 1)) as u64 & 1) << lane)
        .sum()
}

/// Stores at rdi the bytes whose mask bytes have their top bit set.
fn maskmovdqu(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let (bytes, mask) = (xmm(cpu, op.d).to_le_bytes(), xmm(cpu, op.s).to_le_bytes());
    let addr = cpu.gpr[reg::RDI].wrapping_add(gpr(cpu, op.base));
    // All sixteen have to be writable, chosen or not, as on AMD's processors.
    mem.may_write(addr, 16).is_some()
        && (0..16)
            .filter(|&i| mask[i] & 0x80 != 0)
            .all(|i| mem.store(addr.wrapping_add(i as u64), bytes[i]))
}
