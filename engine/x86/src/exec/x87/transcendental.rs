//! fsin, fpatan, fyl2x and their like, by series on numbers with 128 bits of significand, rounded once at the end. So
//! they are right to the last bit but in rare cases; processors' own may be off by one.

use super::super::soft::{self, Class, DE, Env, F80 as FORMAT80, IE, INDEFINITE, Num, PE, ZE};
use super::{C1, C2, Operand, pack};
use crate::ops::Code;
use crate::x87::{F80, X87};

/// sig / 2^127 × 2^exp, with bit 127 of `sig` set, or zero.
#[derive(Clone, Copy)]
struct Wide {
    sign: bool,
    exp: i32,
    sig: u128,
}

const ONE: Wide = Wide {
    sign: false,
    exp: 0,
    sig: 1 << 127,
};
const LN_2: Wide = Wide {
    sign: false,
    exp: -1,
    sig: 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af,
};
const LOG2_E: Wide = Wide {
    sign: false,
    exp: 0,
    sig: 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e88,
};
const PI: Wide = Wide {
    sign: false,
    exp: 1,
    sig: 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1,
};
/// π / 2 × 2^65, cut to 66 bits, which is what processors reduce arguments by.
const HALF_PI_66: u128 = 0x3_243f_6a88_85a3_08d3;

impl Wide {
    fn zero() -> Wide {
        Wide {
            sign: false,
            exp: 0,
            sig: 0,
        }
    }

    fn new(sign: bool, exp: i32, sig: u128) -> Wide {
        if sig == 0 {
            return Wide::zero();
        }
        let shift = sig.leading_zeros();
        Wide {
            sign,
            exp: exp - shift as i32,
            sig: sig << shift,
        }
    }

    fn of(n: Num) -> Wide {
        Wide::new(
            n.sign,
            n.exp,
            if n.class == Class::Finite {
                u128::from(n.sig) << 64
            } else {
                0
            },
        )
    }

    fn negated(self) -> Wide {
        Wide {
            sign: !self.sign,
            ..self
        }
    }

    fn magnitude(self) -> Wide {
        Wide {
            sign: false,
            ..self
        }
    }

    fn doubled(self, by: i32) -> Wide {
        Wide {
            exp: self.exp + by,
            ..self
        }
    }

    fn less(self, other: Wide) -> bool {
        if self.sig == 0 || other.sig == 0 {
            return other.sig != 0;
        }
        (self.exp, self.sig) < (other.exp, other.sig)
    }

    fn add(self, other: Wide) -> Wide {
        if self.sig == 0 {
            return other;
        }
        if other.sig == 0 {
            return self;
        }
        let (big, small) = if self.magnitude().less(other.magnitude()) {
            (other, self)
        } else {
            (self, other)
        };
        let (x, y) = (
            big.sig >> 1,
            soft::jam(small.sig >> 1, (big.exp - small.exp).min(200) as u32),
        );
        Wide::new(
            big.sign,
            big.exp + 1,
            if big.sign == small.sign { x + y } else { x - y },
        )
    }

    fn mul(self, other: Wide) -> Wide {
        if self.sig == 0 || other.sig == 0 {
            return Wide::zero();
        }
        let half = |v: u128| (v >> 64, v & u128::from(u64::MAX));
        let ((a, b), (c, d)) = (half(self.sig), half(other.sig));
        let (middle, carry) = (a * d).overflowing_add(b * c);
        let low = (b * d) >> 64;
        let (middle, more) = middle.overflowing_add(low);
        let high = a * c + (middle >> 64) + (u128::from(carry) << 64) + (u128::from(more) << 64);
        Wide::new(self.sign != other.sign, self.exp + other.exp + 1, high)
    }

    /// Divided by a small number.
    fn over(self, n: u32) -> Wide {
        let n = u128::from(n);
        let (quotient, rest) = (self.sig / n, self.sig % n);
        if quotient == 0 {
            return Wide::zero();
        }
        let shift = quotient.leading_zeros();
        let sig = (quotient << shift) | ((rest << shift) / n);
        Wide {
            sign: self.sign,
            exp: self.exp - shift as i32,
            sig,
        }
    }

    fn div(self, other: Wide) -> Wide {
        if self.sig == 0 || other.sig == 0 {
            return Wide::zero();
        }
        let mut rest = self.sig;
        let mut carry = false;
        let mut quotient = 0u128;
        for _ in 0..128 {
            quotient <<= 1;
            if carry || rest >= other.sig {
                rest = rest.wrapping_sub(other.sig);
                quotient |= 1;
            }
            carry = rest >> 127 != 0;
            rest <<= 1;
        }
        Wide::new(self.sign != other.sign, self.exp - other.exp, quotient)
    }

    /// Rounded to the 80-bit format. Such results are never exact.
    fn round(self, env: &mut Env) -> Num {
        if self.sig == 0 {
            return Num::zero(self.sign);
        }
        soft::round(env, self.sign, self.exp, self.sig | 1, FORMAT80)
    }
}

/// first + first × ratio(1) + that × ratio(2) …, until the terms no longer count.
fn series(
    first: Wide,
    mut next: impl FnMut(Wide, u32) -> Wide,
    mut value: impl FnMut(Wide, u32) -> Wide,
) -> Wide {
    let (mut power, mut sum) = (first, value(first, 0));
    for k in 1..200 {
        power = next(power, k);
        let term = value(power, k);
        if term.sig == 0 || term.exp < sum.exp - 130 {
            break;
        }
        sum = sum.add(term);
    }
    sum
}

/// e^y - 1, for |y| < 1.
fn expm1(y: Wide) -> Wide {
    series(y, |p, k| p.mul(y).over(k + 1), |p, _| p)
}

/// 2 atanh(s) = s + s³/3 + …, doubled; with alternating signs, 2 atan(s).
fn double_arc(s: Wide, circular: bool) -> Wide {
    let square = s.mul(s);
    let square = if circular { square.negated() } else { square };
    series(s, |p, _| p.mul(square), |p, k| p.over(2 * k + 1)).doubled(1)
}

/// log₂ of a number that is finite and positive.
fn log2(x: Wide) -> Wide {
    // The square root of 2 divides: significands above it count as below 1.
    let above = x.sig > 0xb504_f333_f9de_6484_597d_89b3_754a_be9f;
    let e = x.exp + i32::from(above);
    let m = Wide {
        sign: false,
        exp: x.exp - e,
        sig: x.sig,
    };
    let s = m.add(ONE.negated()).div(m.add(ONE));
    Wide::of(Num::from_integer(i64::from(e))).add(double_arc(s, false).mul(LOG2_E))
}

/// The angle of the point (x, y), both positive.
fn arctangent(y: Wide, x: Wide) -> Wide {
    let steep = x.less(y);
    let t = if steep { x.div(y) } else { y.div(x) };
    // Above tan(π/8), by the difference from π/4.
    let limit = Wide {
        sign: false,
        exp: -2,
        sig: 0xd413_cccf_e779_9211_65f6_26cd_d52a_fa7c,
    };
    let angle = if limit.less(t) {
        let u = t.add(ONE.negated()).div(t.add(ONE));
        PI.doubled(-2).add(double_arc(u, true).doubled(-1))
    } else {
        double_arc(t, true).doubled(-1)
    };
    if steep {
        PI.doubled(-1).add(angle.negated())
    } else {
        angle
    }
}

/// Sine and cosine of an angle below 2^63.
fn sine_cosine(a: Num) -> (Wide, Wide) {
    // The angle modulo π/2 in units of 2^-65, and the quadrant.
    let (mut angle, mut quadrant) = (Wide::of(a).magnitude(), 0u32);
    let mut beyond = None;
    if a.exp >= -2 {
        let mut rest = u128::from(a.sig);
        for step in 0..=a.exp + 2 {
            if step > 0 {
                rest <<= 1;
                quadrant <<= 1;
            }
            while rest >= HALF_PI_66 {
                rest -= HALF_PI_66;
                quadrant = quadrant.wrapping_add(1);
            }
        }
        angle = Wide::new(false, 62, rest);
        let other = HALF_PI_66 - rest;
        if other < rest {
            beyond = Some(Wide::new(false, 62, other));
        }
    }
    let small = beyond.unwrap_or(angle);
    let square = small.mul(small).negated();
    let sine = series(
        small,
        |p, k| p.mul(square).over(2 * k * (2 * k + 1)),
        |p, _| p,
    );
    let cosine = series(
        ONE,
        |p, k| p.mul(square).over((2 * k - 1) * 2 * k),
        |p, _| p,
    );
    let (sine, cosine) = if beyond.is_some() {
        (cosine, sine)
    } else {
        (sine, cosine)
    };
    let (sine, cosine) = match quadrant & 3 {
        0 => (sine, cosine),
        1 => (cosine, sine.negated()),
        2 => (sine.negated(), cosine.negated()),
        _ => (cosine.negated(), sine),
    };
    (if a.sign { sine.negated() } else { sine }, cosine)
}

fn invalid(env: &mut Env) -> Num {
    env.flags = IE;
    INDEFINITE
}

fn one(sign: bool) -> Num {
    Num {
        sign,
        class: Class::Finite,
        exp: 0,
        sig: 1 << 63,
    }
}

fn f2xm1(env: &mut Env, x: Num) -> Num {
    match x.class {
        Class::Infinite if x.sign => one(true),
        Class::Infinite | Class::Zero => x,
        // Beyond -1 to 1 the result isn't defined; this is what it would be.
        _ if x.exp > 14 => {
            if x.sign {
                one(true)
            } else {
                Num::infinite(false)
            }
        }
        _ if x.exp >= 0 => {
            let whole = soft::to_integer(&mut Env::new(soft::ZERO), x).map_or(0, |(_, m)| m as i32);
            let whole = if x.sign { -whole } else { whole };
            let part = Wide::of(x).add(Wide::of(Num::from_integer(i64::from(whole))).negated());
            expm1(part.mul(LN_2))
                .add(ONE)
                .doubled(whole)
                .add(ONE.negated())
                .round(env)
        }
        _ => expm1(Wide::of(x).mul(LN_2)).round(env),
    }
}

fn fyl2x(env: &mut Env, y: Num, x: Num) -> Num {
    let below_one = x.class == Class::Finite && x.exp < 0;
    let is_one = x.class == Class::Finite && x.exp == 0 && x.sig == 1 << 63;
    match (x.class, y.class) {
        (Class::Zero, Class::Zero) => invalid(env),
        (Class::Zero, Class::Infinite) => Num::infinite(!y.sign),
        (Class::Zero, _) => {
            env.flags = ZE;
            Num::infinite(!y.sign)
        }
        _ if x.sign => invalid(env),
        (Class::Infinite, Class::Zero) => invalid(env),
        (Class::Infinite, _) => Num::infinite(y.sign),
        (_, Class::Infinite) if is_one => invalid(env),
        (_, Class::Infinite) => Num::infinite(y.sign != below_one),
        (_, Class::Zero) => Num::zero(y.sign != below_one),
        _ if is_one => Num::zero(y.sign),
        _ => Wide::of(y).mul(log2(Wide::of(x))).round(env),
    }
}

fn fyl2xp1(env: &mut Env, y: Num, x: Num) -> Num {
    match (x.class, y.class) {
        (Class::Zero, Class::Infinite) => invalid(env),
        (Class::Zero, _) | (Class::Finite, Class::Zero) => Num::zero(x.sign != y.sign),
        (Class::Infinite, _) if x.sign || y.class == Class::Zero => invalid(env),
        (Class::Infinite, _) | (_, Class::Infinite) => Num::infinite(x.sign != y.sign),
        _ => {
            let x = Wide::of(x);
            let sum = x.add(ONE);
            let log = if x.exp < -2 {
                double_arc(x.div(sum.add(ONE)), false).mul(LOG2_E)
            } else if sum.sign || sum.sig == 0 {
                return invalid(env);
            } else {
                log2(sum)
            };
            Wide::of(y).mul(log).round(env)
        }
    }
}

fn fpatan(env: &mut Env, y: Num, x: Num) -> Num {
    let angle = |eighths: u32| {
        PI.mul(Wide::of(Num::from_integer(i64::from(eighths))))
            .doubled(-3)
    };
    let magnitude = match (y.class, x.class) {
        (Class::Zero, _) if !x.sign => return Num::zero(y.sign),
        (Class::Zero, _) => angle(8),
        (Class::Infinite, Class::Infinite) => angle(if x.sign { 6 } else { 2 }),
        (Class::Infinite, _) | (_, Class::Zero) => angle(4),
        (_, Class::Infinite) if !x.sign => return Num::zero(y.sign),
        (_, Class::Infinite) => angle(8),
        _ => {
            let acute = arctangent(Wide::of(y).magnitude(), Wide::of(x).magnitude());
            if x.sign {
                PI.add(acute.negated())
            } else {
                acute
            }
        }
    };
    Wide {
        sign: y.sign,
        ..magnitude
    }
    .round(env)
}

/// The operands as numbers, or the result that they give at once.
fn operands(x87: &X87, env: &mut Env, count: u8) -> Result<[Num; 2], Option<Num>> {
    if (0..count).any(|i| x87.is_empty(i)) {
        return Err(None);
    }
    let mut numbers = [Num::zero(false); 2];
    for i in 0..count {
        match x87.operand(i, &mut env.flags) {
            Operand::Number(n) => numbers[i as usize] = n,
            _ => {
                env.flags = IE;
                return Err(Some(INDEFINITE));
            }
        }
    }
    if let Some(nan) = super::arithmetic::any_nan(numbers[0], numbers[1]) {
        let signaling = numbers.iter().any(|n| n.class == Class::SignalingNan);
        env.flags = if signaling { IE } else { 0 };
        return Err(Some(nan));
    }
    Ok(numbers)
}

pub fn call(x87: &mut X87, code: Code) {
    let two = matches!(code, Code::Fpatan | Code::Fyl2x | Code::Fyl2xp1);
    let pushes = matches!(code, Code::Fsincos | Code::Fptan);
    if matches!(code, Code::Fsin | Code::Fcos | Code::Fsincos | Code::Fptan) {
        x87.status &= !C2;
    }
    let mut env = x87.env();
    if pushes && !x87.is_empty(7) {
        if x87.stack_fault(true) {
            x87.set_st(0, pack(INDEFINITE));
            x87.top = x87.top.wrapping_sub(1) & 7;
            x87.set_st(0, pack(INDEFINITE));
        }
        return;
    }
    let (result, pushed) = match operands(x87, &mut env, if two { 2 } else { 1 }) {
        Err(None) => {
            if x87.stack_fault(false) {
                finish(x87, two, pack(INDEFINITE), pushes.then(|| pack(INDEFINITE)));
            }
            return;
        }
        Err(Some(nan)) => (nan, nan),
        Ok([a, b]) => match code {
            Code::F2xm1 => (f2xm1(&mut env, a), a),
            Code::Fyl2x => (fyl2x(&mut env, b, a), a),
            Code::Fyl2xp1 => (fyl2xp1(&mut env, b, a), a),
            Code::Fpatan => (fpatan(&mut env, b, a), a),
            _ => {
                if a.class == Class::Finite && a.exp >= 63 {
                    x87.status = (x87.status & !C1) | C2;
                    return;
                }
                trigonometric(&mut env, code, a)
            }
        },
    };
    if env.flags & (IE | ZE) != 0 {
        env.flags &= !DE;
    }
    let c1 = env.flags & PE != 0 && env.rounded_up;
    if x87.raise(env.flags, c1) {
        finish(x87, two, pack(result), pushes.then(|| pack(pushed)));
    }
}

/// The result for st(0), and what is pushed after it.
fn trigonometric(env: &mut Env, code: Code, a: Num) -> (Num, Num) {
    match a.class {
        Class::Infinite => {
            let nan = invalid(env);
            return (nan, nan);
        }
        Class::Zero => return (if code == Code::Fcos { one(false) } else { a }, one(false)),
        _ => {}
    }
    let (sine, cosine) = sine_cosine(a);
    match code {
        Code::Fcos => (cosine.round(env), a),
        Code::Fptan => (sine.div(cosine).round(env), one(false)),
        Code::Fsincos => (sine.round(env), cosine.round(env)),
        _ => (sine.round(env), a),
    }
}

fn finish(x87: &mut X87, two: bool, result: F80, pushed: Option<F80>) {
    if two {
        x87.pop();
    }
    x87.set_st(0, result);
    if let Some(value) = pushed {
        x87.top = x87.top.wrapping_sub(1) & 7;
        x87.set_st(0, value);
    }
}
