//! x87 arithmetic between registers.

use super::super::soft::{self, Class, DE, F80 as FORMAT80, IE, INDEFINITE, Num, PE, ZE};
use super::{C0, C1, C2, C3, Operand, POP, UNORDERED, pack, unpack};
use crate::cpu::Cpu;
use crate::exec::alu;
use crate::flags::{CF, PF, ZF};
use crate::ops::{Code, Op};
use crate::x87::{F80, X87};
use std::cmp::Ordering;

/// Which NaN a NaN operand gives: the one with the larger significand, a quiet one before a signaling one.
fn nan(a: Num, b: Num) -> Num {
    let quiet_first = |n: Num| n.class == Class::QuietNan;
    let chosen = match (a.is_nan(), b.is_nan()) {
        (true, false) => a,
        (false, true) => b,
        _ if quiet_first(a) != quiet_first(b) => {
            if quiet_first(a) {
                a
            } else {
                b
            }
        }
        _ => match a.sig.cmp(&b.sig) {
            Ordering::Greater => a,
            Ordering::Less => b,
            Ordering::Equal => {
                if a.sign {
                    b
                } else {
                    a
                }
            }
        },
    };
    chosen.quiet()
}

/// The NaN that two operands give, if either is one.
pub fn any_nan(a: Num, b: Num) -> Option<Num> {
    (a.is_nan() || b.is_nan()).then(|| nan(a, b))
}

/// Two operands as numbers, or the result that they give without computing. Flags are added.
fn numbers(a: Operand, b: Operand, flags: &mut u8) -> Result<(Num, Num), Num> {
    let (Operand::Number(a), Operand::Number(b)) = (a, b) else {
        *flags = IE;
        return Err(INDEFINITE);
    };
    if a.is_nan() || b.is_nan() {
        let signaling = a.class == Class::SignalingNan || b.class == Class::SignalingNan;
        *flags = if signaling { IE } else { 0 };
        return Err(nan(a, b));
    }
    Ok((a, b))
}

/// The operation numbered in the low three bits of `x`: add, mul, sub, reversed sub, div, reversed div.
pub fn binary(x87: &mut X87, x: u8, a: Operand, b: Operand, denormal: u8) -> Option<F80> {
    if a == Operand::Empty || b == Operand::Empty {
        return x87.stack_fault(false).then(|| pack(INDEFINITE));
    }
    let mut env = x87.env();
    env.flags = denormal;
    let format = x87.precision();
    let r = match numbers(a, b, &mut env.flags) {
        Err(r) => r,
        Ok((a, b)) => {
            let r = match x & 7 {
                0 => soft::add(&mut env, a, b, format),
                1 => soft::mul(&mut env, a, b, format),
                2 => soft::add(&mut env, a, b.negated(), format),
                3 => soft::add(&mut env, b, a.negated(), format),
                4 => soft::div(&mut env, a, b, format),
                _ => soft::div(&mut env, b, a, format),
            };
            if env.flags & (IE | ZE) != 0 {
                env.flags &= !DE;
            }
            r
        }
    };
    let c1 = env.flags & PE != 0 && env.rounded_up;
    x87.raise(env.flags, c1).then(|| pack(r))
}

/// st(i) = st(i) op st(j).
fn register_arithmetic(x87: &mut X87, x: u8, d: u8, s: u8) {
    let mut denormal = 0;
    let (a, b) = (x87.operand(d, &mut denormal), x87.operand(s, &mut denormal));
    if let Some(r) = binary(x87, x, a, b, denormal) {
        x87.set_st(d, r);
        if x & POP != 0 {
            x87.pop();
        }
    }
}

/// The order of two operands, with the exceptions of a comparison; None if one of those is unmasked.
pub fn order(
    x87: &mut X87,
    a: Operand,
    b: Operand,
    denormal: u8,
    quiet: bool,
) -> Option<Option<Ordering>> {
    if a == Operand::Empty || b == Operand::Empty {
        return x87.stack_fault(false).then_some(None);
    }
    let (order, flags) = match (a, b) {
        (Operand::Number(a), Operand::Number(b)) => {
            let signaling = a.class == Class::SignalingNan || b.class == Class::SignalingNan;
            match soft::compare(a, b) {
                None => (None, if signaling || !quiet { IE } else { 0 }),
                order => (order, denormal),
            }
        }
        _ => (None, IE),
    };
    x87.raise(flags, false).then_some(order)
}

pub fn set_order(x87: &mut X87, order: Option<Ordering>) {
    let unordered = order.is_none();
    x87.set_conditions(
        unordered || order == Some(Ordering::Equal),
        unordered,
        unordered || order == Some(Ordering::Less),
    );
}

fn compare(x87: &mut X87, s: u8, x: u8, pops: u8) {
    let mut denormal = 0;
    let (a, b) = (x87.operand(0, &mut denormal), x87.operand(s, &mut denormal));
    if let Some(order) = order(x87, a, b, denormal, x & UNORDERED != 0) {
        set_order(x87, order);
        for _ in 0..pops {
            x87.pop();
        }
    }
}

/// fcomi and its like: the order into ZF, PF and CF.
pub fn compare_flags(cpu: &mut Cpu, op: &Op) {
    let mut denormal = 0;
    let x87 = &mut cpu.x87;
    let (a, b) = (
        x87.operand(0, &mut denormal),
        x87.operand(op.s, &mut denormal),
    );
    let c1 = x87.status & C1;
    let order = order(x87, a, b, denormal, op.x & UNORDERED != 0);
    if a != Operand::Empty && b != Operand::Empty {
        x87.status |= c1;
    }
    if let Some(order) = order {
        if op.x & POP != 0 {
            x87.pop();
        }
        let flags = match order {
            None => ZF | PF | CF,
            Some(Ordering::Less) => CF,
            Some(Ordering::Equal) => ZF,
            Some(Ordering::Greater) => 0,
        };
        alu::set_raw(cpu, flags);
    }
}

/// fcmov. An empty register is a fault whether it moves or not; C1 stays otherwise.
pub fn conditional_move(x87: &mut X87, s: u8, yes: bool) {
    if x87.is_empty(0) || x87.is_empty(s) {
        if x87.stack_fault(false) {
            x87.set_st(0, pack(INDEFINITE));
        }
    } else if yes {
        x87.set_st(0, x87.st(s));
    }
}

/// Replaces st(0) by a function of it, which gets a number that isn't a NaN.
fn unary(x87: &mut X87, f: impl FnOnce(&X87, &mut soft::Env, Num) -> Num) {
    let mut env = x87.env();
    let a = x87.operand(0, &mut env.flags);
    let r = match a {
        Operand::Empty => {
            if x87.stack_fault(false) {
                x87.set_st(0, pack(INDEFINITE));
            }
            return;
        }
        Operand::Unsupported => {
            env.flags = IE;
            INDEFINITE
        }
        Operand::Number(a) if a.is_nan() => {
            env.flags = if a.class == Class::SignalingNan {
                IE
            } else {
                0
            };
            a.quiet()
        }
        Operand::Number(a) => f(x87, &mut env, a),
    };
    if env.flags & IE != 0 {
        env.flags &= !DE;
    }
    let c1 = env.flags & PE != 0 && env.rounded_up;
    if x87.raise(env.flags, c1) {
        x87.set_st(0, pack(r));
    }
}

/// fchs and fabs, which don't look at what the number is.
fn change_sign(x87: &mut X87, f: impl FnOnce(u16) -> u16) {
    x87.status &= !C1;
    if x87.is_empty(0) {
        if x87.stack_fault(false) {
            x87.set_st(0, pack(INDEFINITE));
        }
        return;
    }
    let a = x87.st(0);
    x87.set_st(0, F80 { exp: f(a.exp), ..a });
}

fn examine(x87: &mut X87) {
    let a = x87.st(0);
    let (c3, c2, c0) = if x87.is_empty(0) {
        (true, false, true)
    } else {
        match unpack(a) {
            (Operand::Number(n), false) => match n.class {
                Class::Zero => (true, false, false),
                Class::Finite => (false, true, false),
                Class::Infinite => (false, true, true),
                _ => (false, false, true),
            },
            (Operand::Number(_), true) => (true, true, false),
            _ => (false, false, false),
        }
    };
    x87.set_conditions(c3, c2, c0);
    x87.status = (x87.status & !C1) | if a.exp & 0x8000 != 0 { C1 } else { 0 };
}

fn exchange(x87: &mut X87, s: u8) {
    x87.status &= !C1;
    if (x87.is_empty(0) || x87.is_empty(s)) && !x87.stack_fault(false) {
        return;
    }
    let value = |x87: &X87, i| {
        if x87.is_empty(i) {
            pack(INDEFINITE)
        } else {
            x87.st(i)
        }
    };
    let (a, b) = (value(x87, 0), value(x87, s));
    x87.set_st(0, b);
    x87.set_st(s, a);
}

fn store_register(x87: &mut X87, op: &Op) {
    x87.status &= !C1;
    let value = if x87.is_empty(0) {
        if !x87.stack_fault(false) {
            return;
        }
        pack(INDEFINITE)
    } else {
        x87.st(0)
    };
    x87.set_st(op.s, value);
    if op.x & POP != 0 {
        x87.pop();
    }
}

/// st(0) × 2^trunc(st(1)).
fn scale(x87: &mut X87) {
    let mut env = x87.env();
    let (a, b) = (
        x87.operand(0, &mut env.flags),
        x87.operand(1, &mut env.flags),
    );
    if a == Operand::Empty || b == Operand::Empty {
        if x87.stack_fault(false) {
            x87.set_st(0, pack(INDEFINITE));
        }
        return;
    }
    let r = match numbers(a, b, &mut env.flags) {
        Err(r) => r,
        Ok((a, b)) => match (a.class, b.class) {
            (Class::Infinite, Class::Infinite) if b.sign => invalid(&mut env),
            (Class::Zero, Class::Infinite) if !b.sign => invalid(&mut env),
            (Class::Infinite | Class::Zero, _) => a,
            (_, Class::Infinite) if b.sign => Num::zero(a.sign),
            (_, Class::Infinite) => Num::infinite(a.sign),
            _ => {
                let mut whole = soft::Env::new(soft::ZERO);
                let by = match soft::to_integer(&mut whole, b) {
                    Some((sign, n)) => {
                        let n = n.min(0x10000) as i32;
                        if sign { -n } else { n }
                    }
                    None => {
                        if b.sign {
                            -0x10000
                        } else {
                            0x10000
                        }
                    }
                };
                soft::round(
                    &mut env,
                    a.sign,
                    a.exp + by,
                    u128::from(a.sig) << 64,
                    FORMAT80,
                )
            }
        },
    };
    let c1 = env.flags & PE != 0 && env.rounded_up;
    if x87.raise(env.flags, c1) {
        x87.set_st(0, pack(r));
    }
}

fn invalid(env: &mut soft::Env) -> Num {
    env.flags = IE;
    INDEFINITE
}

/// st(0) into its exponent, and its significand on top of that.
fn extract(x87: &mut X87) {
    let mut flags = 0;
    let a = x87.operand(0, &mut flags);
    x87.status &= !C1;
    if a == Operand::Empty || !x87.is_empty(7) {
        if x87.stack_fault(a != Operand::Empty) {
            x87.set_st(0, pack(INDEFINITE));
            x87.top = x87.top.wrapping_sub(1) & 7;
            x87.set_st(0, pack(INDEFINITE));
        }
        return;
    }
    let (exponent, significand) = match a {
        Operand::Number(n) => match n.class {
            Class::Zero => {
                flags |= ZE;
                (Num::infinite(true), n)
            }
            Class::Infinite => (Num::infinite(false), n),
            Class::Finite => (Num::from_integer(i64::from(n.exp)), Num { exp: 0, ..n }),
            class => {
                flags = if class == Class::SignalingNan { IE } else { 0 };
                (n.quiet(), n.quiet())
            }
        },
        _ => {
            flags = IE;
            (INDEFINITE, INDEFINITE)
        }
    };
    if x87.raise(flags, false) {
        x87.set_st(0, pack(exponent));
        x87.top = x87.top.wrapping_sub(1) & 7;
        x87.set_st(0, pack(significand));
    }
}

/// The remainder of st(0) / st(1), with a quotient rounded to zero, or to the nearest integer.
fn remainder(x87: &mut X87, nearest: bool) {
    x87.status &= !C2;
    let mut env = x87.env();
    let (a, b) = (
        x87.operand(0, &mut env.flags),
        x87.operand(1, &mut env.flags),
    );
    if a == Operand::Empty || b == Operand::Empty {
        if x87.stack_fault(false) {
            x87.set_st(0, pack(INDEFINITE));
        }
        return;
    }
    let mut quotient = Some(0);
    let r = match numbers(a, b, &mut env.flags) {
        Err(r) => {
            quotient = None;
            r
        }
        Ok((a, b)) => match (a.class, b.class) {
            (Class::Infinite, _) | (_, Class::Zero) => {
                quotient = None;
                invalid(&mut env)
            }
            (Class::Zero, _) => a,
            // Itself; rounding only restores a denormal number's form.
            (_, Class::Infinite) => {
                soft::round(&mut env, a.sign, a.exp, u128::from(a.sig) << 64, FORMAT80)
            }
            _ => finite_remainder(&mut env, a, b, nearest, &mut quotient),
        },
    };
    let partial = quotient == Some(u64::MAX);
    if !x87.raise(env.flags, false) {
        return;
    }
    x87.set_st(0, pack(r));
    if partial {
        x87.status = (x87.status & !(C0 | C1 | C3)) | C2;
    } else if let Some(q) = quotient {
        x87.set_conditions(q & 2 != 0, false, q & 4 != 0);
        x87.status = (x87.status & !C1) | if q & 1 != 0 { C1 } else { 0 };
    }
}

/// Gives the low bits of the quotient, or `u64::MAX` for a reduction that isn't complete.
fn finite_remainder(
    env: &mut soft::Env,
    a: Num,
    b: Num,
    nearest: bool,
    quotient: &mut Option<u64>,
) -> Num {
    let mut difference = a.exp - b.exp;
    if difference < -1 || difference < 0 && !nearest {
        return soft::round(env, a.sign, a.exp, u128::from(a.sig) << 64, FORMAT80);
    }
    let partial = difference >= 64;
    let mut exp = b.exp;
    if partial {
        // As much as the processor's documentation allows: 32 to 63 bits of it at once.
        let step = 32 + difference % 32;
        exp = a.exp - step;
        difference = step;
    }
    // |a| and |b|, in units of 2^(exp - 64).
    let divisor = u128::from(b.sig) << 1;
    let (mut rest, mut q) = if difference >= 0 {
        (u128::from(a.sig) << 1, 0u64)
    } else {
        (u128::from(a.sig), 0)
    };
    for step in 0..=difference.max(0) {
        if step > 0 {
            rest <<= 1;
        }
        q <<= 1;
        if difference >= 0 && rest >= divisor {
            rest -= divisor;
            q |= 1;
        }
    }
    let mut sign = a.sign;
    if nearest && !partial {
        let twice = rest << 1;
        if twice > divisor || twice == divisor && q & 1 != 0 {
            rest = divisor - rest;
            sign = !sign;
            q = q.wrapping_add(1);
        }
    }
    *quotient = Some(if partial { u64::MAX } else { q & 7 });
    if rest == 0 {
        return Num::zero(a.sign);
    }
    let shift = rest.leading_zeros();
    // `rest` has 64 bits behind the point that stands at 2^exp.
    soft::round(env, sign, exp + 63 - shift as i32, rest << shift, FORMAT80)
}

pub fn call(x87: &mut X87, op: &Op) {
    match op.code {
        Code::FldSt => {
            let empty = x87.is_empty(op.s);
            if empty && !x87.stack_fault(false) {
                return;
            }
            let value = if empty {
                pack(INDEFINITE)
            } else {
                x87.st(op.s)
            };
            x87.push(value);
            if empty {
                x87.status &= !C1;
            }
        }
        Code::FstSt => store_register(x87, op),
        Code::FldConst => {
            let value = constant(x87, op.x);
            x87.push(value);
        }
        Code::FarithSt => register_arithmetic(x87, op.x, 0, op.s),
        Code::FarithSt0 => register_arithmetic(x87, op.x, op.s, 0),
        Code::Fcom => compare(x87, op.s, op.x, u8::from(op.x & POP != 0)),
        Code::Fcompp => compare(x87, 1, op.x, 2),
        Code::Ftst => {
            let mut denormal = 0;
            let a = x87.operand(0, &mut denormal);
            if let Some(order) = order(x87, a, Operand::Number(Num::zero(false)), denormal, false) {
                set_order(x87, order);
            }
        }
        Code::Fxam => examine(x87),
        Code::Fxch => exchange(x87, op.s),
        Code::Ffree => {
            x87.status &= !C1;
            x87.free(op.s);
            if op.x & POP != 0 {
                x87.pop();
            }
        }
        Code::Fincstp => {
            x87.status &= !C1;
            x87.top = x87.top.wrapping_add(1) & 7;
        }
        Code::Fdecstp => {
            x87.status &= !C1;
            x87.top = x87.top.wrapping_sub(1) & 7;
        }
        Code::Fchs => change_sign(x87, |exp| exp ^ 0x8000),
        Code::Fabs => change_sign(x87, |exp| exp & 0x7fff),
        Code::Fsqrt => unary(x87, |x87, env, a| soft::sqrt(env, a, x87.precision())),
        Code::Frndint => unary(x87, |_, env, a| soft::to_integral(env, a)),
        Code::Fscale => scale(x87),
        Code::Fxtract => extract(x87),
        Code::Fprem => remainder(x87, false),
        Code::Fprem1 => remainder(x87, true),
        _ => {}
    }
}

/// The constants, with 66 bits and more, rounded as the control word says.
fn constant(x87: &X87, which: u8) -> F80 {
    let (exp, sig): (i32, u128) = match which {
        0 => (0, 1 << 127),
        1 => (1, 0xd49a_784b_cd1b_8afe_492b_f6ff_4daf_db4c),
        2 => (0, 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e88),
        3 => (1, 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1),
        4 => (-2, 0x9a20_9a84_fbcf_f798_8f89_59ac_0b7c_9178),
        5 => (-1, 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af),
        _ => return F80::default(),
    };
    let mut env = x87.env();
    pack(soft::round(&mut env, false, exp, sig, FORMAT80))
}
