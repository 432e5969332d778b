//! Arithmetic, shifts, comparisons and what depends on their flags.

use super::{ea_m, imm, set_flags};
use crate::cpu::{Cpu, reg};
use crate::exec::int::{Int, gpr, set_gpr};
use crate::flags::{self, FlagKind};
use crate::mem::Memory;
use crate::ops::Op;

/// An operation on two words, and how it leaves the flags.
pub trait Alu {
    fn apply(a: u64, b: u64) -> u64;
    fn flags<T: Int>(cpu: &mut Cpu, a: u64, b: u64, result: u64);
}

macro_rules! alu {
    ($($name:ident |$a:ident, $b:ident| $result:expr, $class:ident;)*) => {$(
        pub struct $name;
        impl Alu for $name {
            #[inline(always)]
            fn apply($a: u64, $b: u64) -> u64 {
                $result
            }
            #[inline(always)]
            fn flags<T: Int>(cpu: &mut Cpu, a: u64, b: u64, result: u64) {
                if FlagKind::$class == FlagKind::RES {
                    set_flags::<T>(cpu, FlagKind::RES, result, 0);
                } else {
                    set_flags::<T>(cpu, FlagKind::$class, a, b);
                }
            }
        }
    )*};
}

alu! {
    Add |a, b| a.wrapping_add(b), ADD;
    Sub |a, b| a.wrapping_sub(b), SUB;
    And |a, b| a & b, RES;
    Or |a, b| a | b, RES;
    Xor |a, b| a ^ b, RES;
}

#[inline(always)]
fn alu<T: Int, O: Alu, const F: bool>(cpu: &mut Cpu, a: u64, b: u64) -> u64 {
    let result = O::apply(a, b);
    if F {
        O::flags::<T>(cpu, a, b, result);
    }
    result
}

#[inline(always)]
pub fn alu_rr<T: Int, O: Alu, const F: bool>(cpu: &mut Cpu, op: &Op) {
    let result = alu::<T, O, F>(cpu, gpr(cpu, op.d), gpr(cpu, op.s));
    set_gpr::<T>(cpu, op.d, result);
}

#[inline(always)]
pub fn alu_ri<T: Int, O: Alu, const F: bool>(cpu: &mut Cpu, op: &Op) {
    let result = alu::<T, O, F>(cpu, gpr(cpu, op.d), imm(op));
    set_gpr::<T>(cpu, op.d, result);
}

#[inline(always)]
pub fn alu_rm<T: Int, O: Alu, const F: bool>(
    cpu: &mut Cpu,
    mem: &mut impl Memory,
    op: &Op,
) -> bool {
    let Some(b) = mem.load::<T>(ea_m(cpu, op)) else {
        return false;
    };
    let result = alu::<T, O, F>(cpu, gpr(cpu, op.d), b.z());
    set_gpr::<T>(cpu, op.d, result);
    true
}

#[inline(always)]
fn alu_m<T: Int, O: Alu>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op, b: u64) -> bool {
    let addr = ea_m(cpu, op);
    if let Some(host) = mem.host_write(addr, T::BYTES) {
        // SAFETY: T::BYTES bytes from `host` on are a writable page's.
        unsafe {
            let host = host.cast::<T>();
            let a = host.read_unaligned().z();
            host.write_unaligned(T::cut(alu::<T, O, true>(cpu, a, b)));
        }
        return true;
    }
    let Some(a) = mem.load_for_write::<T>(addr) else {
        return false;
    };
    let result = T::cut(alu::<T, O, true>(cpu, a.z(), b));
    mem.store::<T>(addr, result)
}

#[inline(always)]
pub fn alu_mr<T: Int, O: Alu>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    alu_m::<T, O>(cpu, mem, op, gpr(cpu, op.s))
}

#[inline(always)]
pub fn alu_mi<T: Int, O: Alu>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    alu_m::<T, O>(cpu, mem, op, imm(op))
}

#[inline(always)]
pub fn neg<T: Int>(cpu: &mut Cpu, op: &Op) {
    let b = gpr(cpu, op.d);
    set_flags::<T>(cpu, FlagKind::SUB, 0, b);
    set_gpr::<T>(cpu, op.d, b.wrapping_neg());
}

#[inline(always)]
pub fn not<T: Int>(cpu: &mut Cpu, op: &Op) {
    set_gpr::<T>(cpu, op.d, !gpr(cpu, op.d));
}

#[inline(always)]
pub fn bswap32(cpu: &mut Cpu, op: &Op) {
    set_gpr::<u32>(cpu, op.d, u64::from((gpr(cpu, op.d) as u32).swap_bytes()));
}

#[inline(always)]
pub fn bswap64(cpu: &mut Cpu, op: &Op) {
    set_gpr::<u64>(cpu, op.d, gpr(cpu, op.d).swap_bytes());
}

#[inline(always)]
pub fn imul_rr<T: Int>(cpu: &mut Cpu, op: &Op) {
    set_gpr::<T>(cpu, op.d, gpr(cpu, op.d).wrapping_mul(gpr(cpu, op.s)));
}

#[inline(always)]
pub fn imul_rri<T: Int>(cpu: &mut Cpu, op: &Op) {
    set_gpr::<T>(cpu, op.d, gpr(cpu, op.s).wrapping_mul(imm(op)));
}

/// `cdq` and `cqo`: the sign of rax into all of rdx.
#[inline(always)]
pub fn sign_dx<T: Int>(cpu: &mut Cpu) {
    let sign = T::cut(cpu.gpr[reg::RAX]).s() >> 63;
    set_gpr::<T>(cpu, reg::RDX as u8, sign as u64);
}

// Shifts whose count is in 1..bits, or whose flags nobody reads

/// A shift by less than the operand's size.
pub trait Shift {
    fn apply<T: Int>(a: u64, n: u32) -> u64;
    /// The last bit shifted out, and the overflow flag.
    fn out<T: Int>(a: u64, n: u32, result: u64) -> (u64, u64);
}

pub struct Shl;
pub struct Shr;
pub struct Sar;

impl Shift for Shl {
    #[inline(always)]
    fn apply<T: Int>(a: u64, n: u32) -> u64 {
        a << n
    }
    #[inline(always)]
    fn out<T: Int>(a: u64, n: u32, result: u64) -> (u64, u64) {
        let cf = (a >> (T::BITS - n)) & 1;
        (cf, cf ^ ((result >> (T::BITS - 1)) & 1))
    }
}

impl Shift for Shr {
    #[inline(always)]
    fn apply<T: Int>(a: u64, n: u32) -> u64 {
        T::cut(a).z() >> n
    }
    #[inline(always)]
    fn out<T: Int>(a: u64, n: u32, _: u64) -> (u64, u64) {
        ((a >> (n - 1)) & 1, (a >> (T::BITS - 1)) & 1)
    }
}

impl Shift for Sar {
    #[inline(always)]
    fn apply<T: Int>(a: u64, n: u32) -> u64 {
        (T::cut(a).s() >> n) as u64
    }
    #[inline(always)]
    fn out<T: Int>(a: u64, n: u32, _: u64) -> (u64, u64) {
        ((T::cut(a).s() >> (n - 1)) as u64 & 1, 0)
    }
}

#[inline(always)]
pub fn shift_ri<T: Int, S: Shift, const F: bool>(cpu: &mut Cpu, op: &Op) {
    let a = gpr(cpu, op.d);
    let n = op.imm as u32 & (T::BITS - 1);
    let result = S::apply::<T>(a, n);
    if F {
        let (cf, of) = S::out::<T>(a, n.max(1), result);
        set_flags::<T>(cpu, FlagKind::RES, result, cf | (of << 11));
    }
    set_gpr::<T>(cpu, op.d, result);
}

#[inline(always)]
pub fn shift_cl<T: Int, S: Shift>(cpu: &mut Cpu, op: &Op) {
    let n = cpu.gpr[reg::RCX] as u32 & (T::BITS - 1);
    set_gpr::<T>(cpu, op.d, S::apply::<T>(gpr(cpu, op.d), n));
}

#[inline(always)]
pub fn rol_ri<T: Int>(cpu: &mut Cpu, op: &Op) {
    let a = T::cut(gpr(cpu, op.d)).z();
    let n = op.imm as u32 & (T::BITS - 1);
    set_gpr::<T>(cpu, op.d, (a << n) | (a >> ((T::BITS - n) & (T::BITS - 1))));
}

// Comparisons; they leave the flags for `e`, `b` … or for who reads them later

#[inline(always)]
fn cmp<T: Int>(cpu: &mut Cpu, a: u64, b: u64) {
    set_flags::<T>(cpu, FlagKind::SUB, a, b);
}

#[inline(always)]
fn test<T: Int>(cpu: &mut Cpu, result: u64) {
    set_flags::<T>(cpu, FlagKind::RES, result, 0);
}

#[inline(always)]
pub fn cmp_rr<T: Int>(cpu: &mut Cpu, op: &Op) {
    cmp::<T>(cpu, gpr(cpu, op.d), gpr(cpu, op.s));
}

#[inline(always)]
pub fn cmp_ri<T: Int>(cpu: &mut Cpu, op: &Op) {
    cmp::<T>(cpu, gpr(cpu, op.d), imm(op));
}

#[inline(always)]
pub fn cmp_rm<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let b = mem.load::<T>(ea_m(cpu, op));
    b.inspect(|b| cmp::<T>(cpu, gpr(cpu, op.d), b.z()))
        .is_some()
}

#[inline(always)]
pub fn cmp_mr<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let a = mem.load::<T>(ea_m(cpu, op));
    a.inspect(|a| cmp::<T>(cpu, a.z(), gpr(cpu, op.s)))
        .is_some()
}

#[inline(always)]
pub fn cmp_mi<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let a = mem.load::<T>(ea_m(cpu, op));
    a.inspect(|a| cmp::<T>(cpu, a.z(), imm(op))).is_some()
}

#[inline(always)]
pub fn test_rr<T: Int>(cpu: &mut Cpu, op: &Op) {
    test::<T>(cpu, gpr(cpu, op.d) & gpr(cpu, op.s));
}

#[inline(always)]
pub fn test_ri<T: Int>(cpu: &mut Cpu, op: &Op) {
    test::<T>(cpu, gpr(cpu, op.d) & imm(op));
}

#[inline(always)]
pub fn test_mi<T: Int>(cpu: &mut Cpu, mem: &mut impl Memory, op: &Op) -> bool {
    let a = mem.load::<T>(ea_m(cpu, op));
    a.inspect(|a| test::<T>(cpu, a.z() & imm(op))).is_some()
}

macro_rules! after_cmp {
    ($($name:ident |$a:ident, $b:ident| $cond:expr;)*) => {$(
        /// 1 if the condition holds after a comparison of this size.
        #[inline(always)]
        pub fn $name<T: Int>(cpu: &Cpu) -> usize {
            let ($a, $b) = (T::cut(cpu.flag_a), T::cut(cpu.flag_b));
            usize::from($cond)
        }
    )*};
}

after_cmp! {
    e |a, b| a == b;
    b |a, b| a < b;
    be |a, b| a <= b;
    l |a, b| a.s() < b.s();
    le |a, b| a.s() <= b.s();
}

macro_rules! after_test {
    ($($name:ident |$r:ident| $cond:expr;)*) => {$(
        /// 1 if the condition holds after a `test` of this size.
        #[inline(always)]
        pub fn $name<T: Int>(cpu: &Cpu) -> usize {
            let $r = T::cut(cpu.flag_a);
            usize::from($cond)
        }
    )*};
}

after_test! {
    res_e |r| r.z() == 0;
    res_s |r| r.s() < 0;
    res_le |r| r.s() <= 0;
}

#[inline(always)]
pub fn jz<T: Int>(cpu: &Cpu, op: &Op) -> usize {
    usize::from(T::cut(gpr(cpu, op.s)).z() == 0)
}

#[inline(always)]
pub fn js<T: Int>(cpu: &Cpu, op: &Op) -> usize {
    usize::from(T::cut(gpr(cpu, op.s)).s() < 0)
}

/// Whether a condition holds for the flags as they are.
#[inline(always)]
pub fn cond(cpu: &Cpu, cc: u8) -> bool {
    flags::holds(
        cc,
        flags::materialize(cpu.flag_kind, cpu.flag_a, cpu.flag_b),
    )
}

#[inline(always)]
pub fn setcc(cpu: &mut Cpu, op: &Op) {
    let value = u64::from(super::cond(cpu, op.x));
    set_gpr::<u8>(cpu, op.d, value);
}

#[inline(always)]
pub fn cmov<T: Int>(cpu: &mut Cpu, op: &Op) {
    let value = if super::cond(cpu, op.x) {
        gpr(cpu, op.s)
    } else {
        gpr(cpu, op.d)
    };
    set_gpr::<T>(cpu, op.d, value);
}
