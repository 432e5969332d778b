//! The x87 unit. Every number is computed in software, in 80 bits, with its exceptions.
//!
//! An unmasked exception sets the status word's summary bit, and stops the guest at the next x87 instruction that
//! waits; an invalid operation that is unmasked leaves the registers as they are.

mod arithmetic;
mod memory;
mod transcendental;

use super::soft::{Class, DE, Env, F80 as FORMAT80, Format, IE, INDEFINITE, Num, ZE};
use crate::cpu::{Cpu, reg};
use crate::exit::Exit;
use crate::mem::{Inner, Stop};
use crate::ops::{Code, Op};
use crate::x87::{F80, X87};

pub const POP: u8 = 8;
pub const UNORDERED: u8 = 16;

pub const C0: u16 = 0x100;
pub const C1: u16 = 0x200;
pub const C2: u16 = 0x400;
pub const C3: u16 = 0x4000;
const STACK_FAULT: u16 = 0x40;
const SUMMARY: u16 = 0x8080;

/// An 80-bit operand: empty, in a format that isn't supported any more, or a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    Empty,
    Unsupported,
    Number(Num),
}

/// Unpacks; the second value is whether it is denormal.
pub fn unpack(a: F80) -> (Operand, bool) {
    let (sign, exponent, top) = (a.exp & 0x8000 != 0, a.exp & 0x7fff, a.sig >> 63 != 0);
    let finite = |exp, sig| {
        Operand::Number(Num {
            sign,
            class: Class::Finite,
            exp,
            sig,
        })
    };
    match exponent {
        0 if a.sig == 0 => (Operand::Number(Num::zero(sign)), false),
        0 => {
            let shift = a.sig.leading_zeros();
            (finite(FORMAT80.min - shift as i32, a.sig << shift), true)
        }
        _ if !top => (Operand::Unsupported, false),
        0x7fff if a.sig << 1 == 0 => (Operand::Number(Num::infinite(sign)), false),
        0x7fff => {
            let class = if a.sig >> 62 & 1 != 0 {
                Class::QuietNan
            } else {
                Class::SignalingNan
            };
            (
                Operand::Number(Num {
                    sign,
                    class,
                    exp: 0,
                    sig: a.sig,
                }),
                false,
            )
        }
        _ => (finite(i32::from(exponent) - FORMAT80.max, a.sig), false),
    }
}

/// Packs a number that was rounded to the format.
pub fn pack(n: Num) -> F80 {
    let exponent = match n.class {
        Class::Zero => 0,
        Class::Finite if n.sig >> 63 == 0 => 0,
        Class::Finite => (n.exp + FORMAT80.max) as u16,
        _ => 0x7fff,
    };
    let sig = if n.class == Class::Zero { 0 } else { n.sig };
    F80 {
        sig,
        exp: exponent | if n.sign { 0x8000 } else { 0 },
    }
}

impl X87 {
    fn physical(&self, i: u8) -> usize {
        (self.top.wrapping_add(i) & 7) as usize
    }

    pub fn is_empty(&self, i: u8) -> bool {
        self.used & (1 << self.physical(i)) == 0
    }

    /// Register st(i), as it is.
    pub fn st(&self, i: u8) -> F80 {
        self.regs[self.physical(i)]
    }

    pub fn set_st(&mut self, i: u8, value: F80) {
        let at = self.physical(i);
        self.regs[at] = value;
        self.used |= 1 << at;
    }

    pub fn free(&mut self, i: u8) {
        self.used &= !(1 << self.physical(i));
    }

    pub fn pop(&mut self) {
        self.free(0);
        self.top = self.top.wrapping_add(1) & 7;
    }

    /// Register st(i) unpacked. `flags` gets DE for a denormal number.
    pub fn operand(&self, i: u8, flags: &mut u8) -> Operand {
        if self.is_empty(i) {
            return Operand::Empty;
        }
        let (operand, denormal) = unpack(self.st(i));
        if denormal {
            *flags |= DE;
        }
        operand
    }

    /// The rounding mode that the control word asks for.
    pub fn env(&self) -> Env {
        Env::new((self.control >> 10) as u8 & 3)
    }

    /// The format that arithmetic rounds to: 24, 53 or 64 bits, with the exponents of 80-bit numbers.
    pub fn precision(&self) -> Format {
        let precision = match self.control >> 8 & 3 {
            0 => 24,
            2 => 53,
            _ => 64,
        };
        Format {
            precision,
            ..FORMAT80
        }
    }

    /// Records exceptions and C1. False if one of them is unmasked that forbids to store a result.
    pub fn raise(&mut self, flags: u8, c1: bool) -> bool {
        self.status = (self.status & !C1) | u16::from(flags) | if c1 { C1 } else { 0 };
        let unmasked = u16::from(flags) & !self.control & 0x3f;
        if unmasked != 0 {
            self.status |= SUMMARY;
        }
        unmasked & u16::from(IE | ZE | DE) == 0
    }

    /// A stack fault: underflow, or overflow if `c1`. False if it is unmasked.
    pub fn stack_fault(&mut self, c1: bool) -> bool {
        self.status |= STACK_FAULT;
        self.raise(IE, c1)
    }

    /// Pushes a value; onto a full stack, the indefinite NaN.
    pub fn push(&mut self, value: F80) {
        self.status &= !C1;
        let mut value = value;
        if !self.is_empty(7) {
            if !self.stack_fault(true) {
                return;
            }
            value = pack(INDEFINITE);
        }
        self.top = self.top.wrapping_sub(1) & 7;
        self.set_st(0, value);
    }

    pub fn set_conditions(&mut self, c3: bool, c2: bool, c0: bool) {
        self.status = (self.status & !(C0 | C2 | C3))
            | if c3 { C3 } else { 0 }
            | if c2 { C2 } else { 0 }
            | if c0 { C0 } else { 0 };
    }

    /// Recomputes the summary bits after the control or status word changed.
    pub fn update_summary(&mut self) {
        if self.status & !self.control & 0x3f != 0 {
            self.status |= SUMMARY;
        } else {
            self.status &= !SUMMARY;
        }
    }
}

/// Carries out an x87 op.
pub fn call(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let waits = !matches!(
        op.code,
        Code::Fnstcw
            | Code::Fnstsw
            | Code::FnstswAx
            | Code::Fnclex
            | Code::Fninit
            | Code::Fnstenv
            | Code::Fnsave
    );
    if waits && cpu.x87.status & 0x80 != 0 {
        mem.stop = Some(Stop::Exit(Exit::FpException));
        return false;
    }
    let code = op.code as u16;
    if code <= Code::Fld80 as u16
        || (Code::Fild16 as u16..=Code::Fst80 as u16).contains(&code)
        || (Code::Fist16 as u16..=Code::Fbstp as u16).contains(&code)
        || matches!(op.code, Code::Fnstcw | Code::Fldcw | Code::Fnstsw)
        || matches!(
            op.code,
            Code::Fnstenv | Code::Fldenv | Code::Fnsave | Code::Frstor
        )
        || matches!(
            op.code,
            Code::FarithM32 | Code::FarithM64 | Code::FarithI16 | Code::FarithI32
        )
        || matches!(
            op.code,
            Code::FcomM32 | Code::FcomM64 | Code::FcomI16 | Code::FcomI32
        )
    {
        return memory::call(cpu, mem, op);
    }
    if (Code::Fsin as u16..=Code::Fyl2xp1 as u16).contains(&code) {
        transcendental::call(&mut cpu.x87, op.code);
        return true;
    }
    match op.code {
        Code::Fcomi => arithmetic::compare_flags(cpu, op),
        Code::Fcmov => {
            let yes = super::cond(cpu, op.x);
            arithmetic::conditional_move(&mut cpu.x87, op.s, yes);
        }
        Code::FnstswAx => {
            let word = cpu.x87.status_word();
            super::int::set_gpr::<u16>(cpu, reg::RAX as u8, u64::from(word));
        }
        Code::Fnclex => cpu.x87.status &= 0x7f00,
        Code::Fninit => {
            let regs = cpu.x87.regs;
            cpu.x87 = X87 { regs, ..X87::new() };
        }
        Code::Fwait => {}
        _ => arithmetic::call(&mut cpu.x87, op),
    }
    true
}
