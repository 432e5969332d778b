//! The string instructions. `x` is the element size as a logarithm, `d` the repetition (0 none, 1 rep or repe, 2
//! repne), `s` is 1 for 32-bit addresses, `base` the source's segment base.
//!
//! Repeated ones keep rcx, rsi and rdi up to date, so that they can stop for a fault, or so as not to take too long,
//! and be carried out again for the rest.
#![allow(unsafe_code)] // Blocks of memory are copied and filled through host pointers.

use super::int::{gpr, set_gpr_sized};
use crate::cpu::{Cpu, reg};
use crate::flags::{self, DF, FlagKind, ZF};
use crate::mem::{Inner, Stop};
use crate::ops::Op;
use bottleship_page::PAGE_SIZE;

/// How many elements are done before others get their turn.
const BATCH: u64 = 65_536;

/// What the string instructions share.
struct Walk {
    log2: u8,
    narrow: bool,
    down: bool,
    segment: u64,
}

impl Walk {
    fn new(cpu: &Cpu, op: &Op) -> Walk {
        Walk {
            log2: op.x & 3,
            narrow: op.s != 0,
            down: cpu.system_flags & DF != 0,
            segment: gpr(cpu, op.base),
        }
    }

    fn pointer(&self, cpu: &Cpu, r: usize) -> u64 {
        if self.narrow {
            cpu.gpr[r] & 0xffff_ffff
        } else {
            cpu.gpr[r]
        }
    }

    fn source(&self, cpu: &Cpu) -> u64 {
        self.pointer(cpu, reg::RSI).wrapping_add(self.segment)
    }

    fn dest(&self, cpu: &Cpu) -> u64 {
        self.pointer(cpu, reg::RDI)
    }

    fn advance(&self, cpu: &mut Cpu, r: usize, elements: u64) {
        let bytes = elements << self.log2;
        let moved = if self.down {
            cpu.gpr[r].wrapping_sub(bytes)
        } else {
            cpu.gpr[r].wrapping_add(bytes)
        };
        set_gpr_sized(cpu, r as u8, if self.narrow { 2 } else { 3 }, moved);
    }

    fn count(&self, cpu: &Cpu) -> u64 {
        self.pointer(cpu, reg::RCX)
    }

    fn counted(&self, cpu: &mut Cpu, elements: u64) {
        let left = cpu.gpr[reg::RCX].wrapping_sub(elements);
        set_gpr_sized(cpu, reg::RCX as u8, if self.narrow { 2 } else { 3 }, left);
    }

    /// How many elements from `addr` on, at most `limit`, lie in its page, going up.
    fn in_page(&self, addr: u64, limit: u64) -> u64 {
        ((PAGE_SIZE as u64 - addr % PAGE_SIZE as u64) >> self.log2).min(limit)
    }

    fn load(&self, mem: &mut Inner, addr: u64) -> Option<u64> {
        match self.log2 {
            0 => mem.load::<u8>(addr).map(u64::from),
            1 => mem.load::<u16>(addr).map(u64::from),
            2 => mem.load::<u32>(addr).map(u64::from),
            _ => mem.load::<u64>(addr),
        }
    }

    fn store(&self, mem: &mut Inner, addr: u64, value: u64) -> bool {
        match self.log2 {
            0 => mem.store(addr, value as u8),
            1 => mem.store(addr, value as u16),
            2 => mem.store(addr, value as u32),
            _ => mem.store(addr, value),
        }
    }
}

/// Repeats `some`, which does one or more elements (given how many at most) and says how many, or fails having done
/// none; without repetition, does one.
fn repeat(
    cpu: &mut Cpu,
    mem: &mut Inner,
    op: &Op,
    mut some: impl FnMut(&mut Cpu, &mut Inner, &Walk, u64) -> Option<u64>,
    mut go_on: impl FnMut(&Cpu) -> bool,
) -> bool {
    let walk = Walk::new(cpu, op);
    if op.d == 0 {
        return some(cpu, mem, &walk, 1).is_some();
    }
    let mut batch = BATCH;
    loop {
        let left = walk.count(cpu);
        if left == 0 {
            return true;
        }
        if batch == 0 {
            mem.stop = Some(Stop::Again);
            return false;
        }
        let Some(done) = some(cpu, mem, &walk, left.min(batch)) else {
            return false;
        };
        walk.counted(cpu, done);
        batch -= done.min(batch);
        if !go_on(cpu) {
            return true;
        }
    }
}

pub fn movs(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let some = |cpu: &mut Cpu, mem: &mut Inner, walk: &Walk, limit: u64| {
        let (from, to) = (walk.source(cpu), walk.dest(cpu));
        let n = walk.in_page(to, walk.in_page(from, limit));
        let bytes = n << walk.log2;
        // Copying upwards to a place shortly after the source repeats what lies between; that goes one by one.
        let done = if n > 1 && !walk.down && to.wrapping_sub(from) >= bytes {
            copy(mem, from, to, bytes).then_some(n)
        } else {
            None
        };
        let done = match done {
            Some(n) => n,
            None => {
                let value = walk.load(mem, from)?;
                walk.store(mem, to, value).then_some(())?;
                1
            }
        };
        walk.advance(cpu, reg::RSI, done);
        walk.advance(cpu, reg::RDI, done);
        Some(done)
    };
    repeat(cpu, mem, op, some, |_| true)
}

/// Copies within one page each, upwards; false and nothing done if either isn't at hand.
fn copy(mem: &mut Inner, from: u64, to: u64, bytes: u64) -> bool {
    let Some(to) = mem.host_write(to, bytes) else {
        return false;
    };
    let Some(from) = mem.host_read(from, bytes) else {
        return false;
    };
    let (from, to) = (from.cast::<u8>(), to.cast::<u8>());
    // Two addresses may show the same page, so the host's pointers have to be compared as well.
    if (to as usize).wrapping_sub(from as usize) < bytes as usize {
        return false;
    }
    // SAFETY: both point to `bytes` bytes of a page, and the copy may overlap.
    unsafe { std::ptr::copy(from, to, bytes as usize) };
    true
}

pub fn stos(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let some = |cpu: &mut Cpu, mem: &mut Inner, walk: &Walk, limit: u64| {
        let to = walk.dest(cpu);
        let value = cpu.gpr[reg::RAX];
        let n = walk.in_page(to, limit);
        let mut done = 1;
        match mem.host_write(to, n << walk.log2) {
            Some(host) if n > 1 && !walk.down => {
                fill(host.cast(), n as usize, walk.log2, value);
                done = n;
            }
            _ => walk.store(mem, to, value).then_some(())?,
        }
        walk.advance(cpu, reg::RDI, done);
        Some(done)
    };
    repeat(cpu, mem, op, some, |_| true)
}

fn fill(host: *mut u8, n: usize, log2: u8, value: u64) {
    // SAFETY: the caller has n elements of 1 << log2 bytes of a page from `host` on.
    unsafe {
        match log2 {
            0 => host.write_bytes(value as u8, n),
            1 => (0..n).for_each(|i| host.cast::<u16>().add(i).write_unaligned(value as u16)),
            2 => (0..n).for_each(|i| host.cast::<u32>().add(i).write_unaligned(value as u32)),
            _ => (0..n).for_each(|i| host.cast::<u64>().add(i).write_unaligned(value)),
        }
    }
}

pub fn lods(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let some = |cpu: &mut Cpu, mem: &mut Inner, walk: &Walk, _: u64| {
        let value = walk.load(mem, walk.source(cpu))?;
        set_gpr_sized(cpu, reg::RAX as u8, walk.log2, value);
        walk.advance(cpu, reg::RSI, 1);
        Some(1)
    };
    repeat(cpu, mem, op, some, |_| true)
}

fn compare(cpu: &mut Cpu, walk: &Walk, a: u64, b: u64) {
    cpu.flag_kind = FlagKind::new(FlagKind::SUB, u32::from(walk.log2));
    cpu.flag_a = a;
    cpu.flag_b = b;
}

fn go_on(cpu: &Cpu, repetition: u8) -> bool {
    let equal = flags::materialize(cpu.flag_kind, cpu.flag_a, cpu.flag_b) & ZF != 0;
    equal == (repetition == 1)
}

pub fn scas(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let repetition = op.d;
    let some = |cpu: &mut Cpu, mem: &mut Inner, walk: &Walk, _: u64| {
        let b = walk.load(mem, walk.dest(cpu))?;
        compare(cpu, walk, cpu.gpr[reg::RAX], b);
        walk.advance(cpu, reg::RDI, 1);
        Some(1)
    };
    repeat(cpu, mem, op, some, |cpu| go_on(cpu, repetition))
}

pub fn cmps(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let repetition = op.d;
    let some = |cpu: &mut Cpu, mem: &mut Inner, walk: &Walk, _: u64| {
        let b = walk.load(mem, walk.dest(cpu))?;
        let a = walk.load(mem, walk.source(cpu))?;
        compare(cpu, walk, a, b);
        walk.advance(cpu, reg::RSI, 1);
        walk.advance(cpu, reg::RDI, 1);
        Some(1)
    };
    repeat(cpu, mem, op, some, |cpu| go_on(cpu, repetition))
}
