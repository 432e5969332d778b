//! What a processor says about itself, the 16-bit stack, and state in memory.

use super::int::{gpr, set_gpr};
use crate::cpu::{Cpu, reg};
use crate::exit::Exit;
use crate::flags::{ARITH, USER_SYSTEM};
use crate::mem::{Inner, Stop};
use crate::ops::Op;

/// CPUID: an AMD processor of the x86-64 baseline (SSE2), so that programs choose code that is translated well. It
/// names cache sizes, from which glibc takes the thresholds of memcpy.
pub fn cpuid(cpu: &mut Cpu) {
    const FEATURES_EDX: u32 = 0x0788_8111;
    const CX16: u32 = 1 << 13;
    let name = |part: usize| -> [u32; 4] {
        let mut text = [0u8; 48];
        let brand = b"Bottleship x86-64 emulator";
        text[..brand.len()].copy_from_slice(brand);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(text[16 * part..].chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        words
    };
    let [eax, ebx, ecx, edx] = match cpu.gpr[reg::RAX] as u32 {
        0 => [1, 0x6874_7541, 0x444d_4163, 0x6974_6e65],
        1 => [0x0010_0f00, 0x0001_0800, CX16, FEATURES_EDX],
        0x8000_0000 => [0x8000_0008, 0x6874_7541, 0x444d_4163, 0x6974_6e65],
        // LAHF in 64-bit mode; syscall, NX, rdtscp, long mode.
        0x8000_0001 => [
            0x0010_0f00,
            0,
            1,
            (1 << 11) | (1 << 20) | (1 << 27) | (1 << 29),
        ],
        0x8000_0002 => name(0),
        0x8000_0003 => name(1),
        0x8000_0004 => name(2),
        0x8000_0005 => [0, 0, 0x2008_0140, 0x2008_0140],
        0x8000_0006 => [0, 0, 0x0200_6140, 0x0040_8140],
        0x8000_0007 => [0, 0, 0, 1 << 8],
        0x8000_0008 => [0x3030, 0, 0, 0],
        _ => [0; 4],
    };
    for (r, value) in [
        (reg::RAX, eax),
        (reg::RBX, ebx),
        (reg::RCX, ecx),
        (reg::RDX, edx),
    ] {
        cpu.gpr[r] = u64::from(value);
    }
}

pub fn rdtsc(cpu: &mut Cpu) {
    cpu.tsc = cpu.tsc.wrapping_add(20);
    cpu.gpr[reg::RAX] = cpu.tsc & 0xffff_ffff;
    cpu.gpr[reg::RDX] = cpu.tsc >> 32;
}

pub fn rdtscp(cpu: &mut Cpu) {
    rdtsc(cpu);
    cpu.gpr[reg::RCX] = u64::from(cpu.tsc_aux);
}

pub fn set_flags(cpu: &mut Cpu, op: &Op) {
    cpu.set_rflags(gpr(cpu, op.s) & (ARITH | USER_SYSTEM));
}

pub fn push16(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let sp = cpu.gpr[reg::RSP].wrapping_sub(2);
    let ok = mem.store(sp, gpr(cpu, op.s) as u16);
    if ok {
        cpu.gpr[reg::RSP] = sp;
    }
    ok
}

pub fn pop16(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let sp = cpu.gpr[reg::RSP];
    let Some(value) = mem.load::<u16>(sp) else {
        return false;
    };
    cpu.gpr[reg::RSP] = sp.wrapping_add(2);
    set_gpr::<u16>(cpu, op.d, u64::from(value));
    true
}

/// enter: `disp` bytes of locals, `imm` nested frame pointers.
pub fn enter(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let level = op.imm as u64 & 31;
    let frame = cpu.gpr[reg::RSP].wrapping_sub(8);
    let bytes = 8 * (level + 1);
    if mem
        .may_write(cpu.gpr[reg::RSP].wrapping_sub(bytes), bytes)
        .is_none()
    {
        return false;
    }
    let mut display = [0u64; 32];
    for n in 1..level {
        let Some(value) = mem.load::<u64>(cpu.gpr[reg::RBP].wrapping_sub(8 * n)) else {
            return false;
        };
        display[n as usize] = value;
    }
    let mut sp = frame;
    if !mem.store(sp, cpu.gpr[reg::RBP]) {
        return false;
    }
    for n in 1..=level {
        sp = sp.wrapping_sub(8);
        let value = if n == level {
            frame
        } else {
            display[n as usize]
        };
        if !mem.store(sp, value) {
            return false;
        }
    }
    cpu.gpr[reg::RBP] = frame;
    cpu.gpr[reg::RSP] = sp.wrapping_sub(op.disp as u64 & 0xffff);
    true
}

pub fn cmpxchg8b(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let addr = super::hot::ea_m(cpu, op);
    let Some(old) = mem.load_for_write::<u64>(addr) else {
        return false;
    };
    let low = |r: usize| cpu.gpr[r] & 0xffff_ffff;
    let equal = old == (low(reg::RAX) | (low(reg::RDX) << 32));
    let new = if equal {
        low(reg::RBX) | (low(reg::RCX) << 32)
    } else {
        old
    };
    if !mem.store(addr, new) {
        return false;
    }
    if !equal {
        cpu.gpr[reg::RAX] = old & 0xffff_ffff;
        cpu.gpr[reg::RDX] = old >> 32;
    }
    set_zero(cpu, equal);
    true
}

pub fn cmpxchg16b(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let addr = super::hot::ea_m(cpu, op);
    if !addr.is_multiple_of(16) {
        mem.stop = Some(Stop::Exit(Exit::GeneralProtection));
        return false;
    }
    if mem.may_write(addr, 16).is_none() {
        return false;
    }
    let Some(old) = mem.load_u128(addr) else {
        return false;
    };
    let pair =
        |low: usize, high: usize| u128::from(cpu.gpr[low]) | (u128::from(cpu.gpr[high]) << 64);
    let equal = old == pair(reg::RAX, reg::RDX);
    let new = if equal { pair(reg::RBX, reg::RCX) } else { old };
    if !mem.store_u128(addr, new) {
        return false;
    }
    if !equal {
        cpu.gpr[reg::RAX] = old as u64;
        cpu.gpr[reg::RDX] = (old >> 64) as u64;
    }
    set_zero(cpu, equal);
    true
}

fn set_zero(cpu: &mut Cpu, equal: bool) {
    use crate::flags::ZF;
    let kept = super::alu::flags_of(cpu) & !ZF;
    super::alu::set_raw(cpu, kept | if equal { ZF } else { 0 });
}

/// An aligned operand of 16 bytes, or a general protection fault.
fn aligned(mem: &mut Inner, addr: u64) -> bool {
    let ok = addr.is_multiple_of(16);
    if !ok {
        mem.stop = Some(Stop::Exit(Exit::GeneralProtection));
    }
    ok
}

pub fn fxsave(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let addr = super::hot::ea_m(cpu, op);
    if !aligned(mem, addr) || mem.may_write(addr, 512).is_none() {
        return false;
    }
    // The last 96 bytes are the program's own.
    mem.guest_write(addr, &cpu.fxsave()[..416])
}

pub fn fxrstor(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let addr = super::hot::ea_m(cpu, op);
    let mut image = [0; 512];
    if !aligned(mem, addr) || mem.guest_read(addr, &mut image).is_none() {
        return false;
    }
    let ok = cpu.fxrstor(&image);
    if !ok {
        mem.stop = Some(Stop::Exit(Exit::GeneralProtection));
    }
    ok
}

pub fn ldmxcsr(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let Some(value) = mem.load::<u32>(super::hot::ea_m(cpu, op)) else {
        return false;
    };
    if value & !0xffff != 0 {
        mem.stop = Some(Stop::Exit(Exit::GeneralProtection));
        return false;
    }
    cpu.mxcsr = value;
    true
}

pub fn stmxcsr(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    mem.store(super::hot::ea_m(cpu, op), cpu.mxcsr)
}
