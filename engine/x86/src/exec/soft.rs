//! Floating point in software, for what the host's can't: 80-bit numbers, rounding modes, and exception flags.
//!
//! Any format is unpacked to a [`Num`] with 64 bits of significand; results have 128 bits, the last of them sticky, and
//! are rounded once, to the format that is wanted.

/// Exception flags, as in mxcsr and the x87 status word.
pub const IE: u8 = 1;
pub const DE: u8 = 2;
pub const ZE: u8 = 4;
pub const OE: u8 = 8;
pub const UE: u8 = 16;
pub const PE: u8 = 32;

/// Rounding control, as in mxcsr and the x87 control word.
pub const NEAREST: u8 = 0;
pub const DOWN: u8 = 1;
pub const UP: u8 = 2;
pub const ZERO: u8 = 3;

/// A binary format with `precision` bits of significand (with the leading one) and exponents from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub precision: u32,
    pub min: i32,
    pub max: i32,
}

pub const F32: Format = Format {
    precision: 24,
    min: -126,
    max: 127,
};
pub const F64: Format = Format {
    precision: 53,
    min: -1022,
    max: 1023,
};
pub const F80: Format = Format {
    precision: 64,
    min: -16382,
    max: 16383,
};

/// Rounding mode and accumulated exceptions.
#[derive(Clone, Copy, Debug)]
pub struct Env {
    pub rounding: u8,
    pub flags: u8,
    /// Tiny results become zero.
    pub flush: bool,
    /// Whether the last rounding went away from zero.
    pub rounded_up: bool,
}

impl Env {
    pub fn new(rounding: u8) -> Env {
        Env {
            rounding,
            flags: 0,
            flush: false,
            rounded_up: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Zero,
    Finite,
    Infinite,
    QuietNan,
    SignalingNan,
}

/// A number: sig / 2^63 × 2^exp. A finite one has bit 63 of `sig` set, unless it was just rounded to a denormal one; a
/// NaN has its payload in `sig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Num {
    pub sign: bool,
    pub class: Class,
    pub exp: i32,
    pub sig: u64,
}

/// The NaN that an invalid operation gives.
pub const INDEFINITE: Num = Num {
    sign: true,
    class: Class::QuietNan,
    exp: 0,
    sig: 3 << 62,
};

impl Num {
    pub fn zero(sign: bool) -> Num {
        Num {
            sign,
            class: Class::Zero,
            exp: 0,
            sig: 0,
        }
    }

    pub fn infinite(sign: bool) -> Num {
        Num {
            sign,
            class: Class::Infinite,
            exp: 0,
            sig: 1 << 63,
        }
    }

    pub fn is_nan(&self) -> bool {
        matches!(self.class, Class::QuietNan | Class::SignalingNan)
    }

    pub fn quiet(self) -> Num {
        Num {
            class: Class::QuietNan,
            sig: self.sig | (3 << 62),
            ..self
        }
    }

    pub fn negated(self) -> Num {
        Num {
            sign: !self.sign,
            ..self
        }
    }

    /// An integer, exactly.
    pub fn from_integer(value: i64) -> Num {
        let magnitude = value.unsigned_abs();
        if magnitude == 0 {
            return Num::zero(false);
        }
        let shift = magnitude.leading_zeros();
        Num {
            sign: value < 0,
            class: Class::Finite,
            exp: 63 - shift as i32,
            sig: magnitude << shift,
        }
    }

    /// From the bits of a 32- or 64-bit float. `flags` gets DE for a denormal number.
    pub fn unpack(bits: u64, format: Format, flags: &mut u8) -> Num {
        let fraction_bits = format.precision - 1;
        let exponent_mask = (format.max * 2 + 1) as u64;
        let sign = bits >> (fraction_bits + exponent_mask.count_ones()) & 1 != 0;
        let exponent = bits >> fraction_bits & exponent_mask;
        let fraction = bits & ((1 << fraction_bits) - 1);
        let sig = fraction << (64 - format.precision);
        if exponent == exponent_mask {
            if fraction == 0 {
                return Num::infinite(sign);
            }
            let class = if sig >> 62 & 1 != 0 {
                Class::QuietNan
            } else {
                Class::SignalingNan
            };
            return Num {
                sign,
                class,
                exp: 0,
                sig: sig | (1 << 63),
            };
        }
        if exponent == 0 {
            if fraction == 0 {
                return Num::zero(sign);
            }
            *flags |= DE;
            let shift = sig.leading_zeros();
            return Num {
                sign,
                class: Class::Finite,
                exp: format.min - shift as i32,
                sig: sig << shift,
            };
        }
        Num {
            sign,
            class: Class::Finite,
            exp: exponent as i32 - format.max,
            sig: sig | (1 << 63),
        }
    }

    /// The bits of a 32- or 64-bit float. The number must have been rounded to the format, or be a NaN.
    pub fn pack(self, format: Format) -> u64 {
        let fraction_bits = format.precision - 1;
        let exponent_mask = (format.max * 2 + 1) as u64;
        let fraction = (self.sig << 1) >> (65 - format.precision);
        let (exponent, fraction) = match self.class {
            Class::Zero => (0, 0),
            Class::Infinite => (exponent_mask, 0),
            Class::QuietNan | Class::SignalingNan => (exponent_mask, fraction),
            Class::Finite if self.sig >> 63 == 0 => (0, fraction),
            Class::Finite => ((self.exp + format.max) as u64, fraction),
        };
        (u64::from(self.sign) << (fraction_bits + exponent_mask.count_ones()))
            | (exponent << fraction_bits)
            | fraction
    }
}

/// Shifts right, keeping track of lost ones in the last bit.
pub fn jam(sig: u128, shift: u32) -> u128 {
    match shift {
        0 => sig,
        1..=127 => (sig >> shift) | u128::from(sig << (128 - shift) != 0),
        _ => u128::from(sig != 0),
    }
}

/// Whether to round away from zero, given what is cut off, left-aligned (so that one half is 1 << 127).
fn rounds_up(rounding: u8, sign: bool, odd: bool, rest: u128) -> bool {
    const HALF: u128 = 1 << 127;
    match rounding {
        NEAREST => rest > HALF || rest == HALF && odd,
        DOWN => sign && rest != 0,
        UP => !sign && rest != 0,
        _ => false,
    }
}

/// Cuts a significand to `bits` bits, rounding; gives the bits and whether there was a carry out of them.
fn cut(env: &mut Env, sign: bool, sig: u128, bits: u32) -> (u64, bool, bool) {
    let kept = (sig >> (128 - bits)) as u64;
    let rest = sig << bits;
    let up = rounds_up(env.rounding, sign, kept & 1 != 0, rest);
    let (rounded, carry) = if bits == 64 {
        kept.overflowing_add(u64::from(up))
    } else {
        let sum = kept + u64::from(up);
        (sum, sum >> bits != 0)
    };
    env.rounded_up = up;
    (
        if carry { 1 << (bits - 1) } else { rounded },
        carry,
        rest != 0,
    )
}

/// Rounds sig / 2^127 × 2^exp to a format. `sig` has bit 127 set.
pub fn round(env: &mut Env, sign: bool, exp: i32, sig: u128, format: Format) -> Num {
    let p = format.precision;
    let (bits, carry, inexact) = cut(env, sign, sig, p);
    let rounded_exp = exp + i32::from(carry);
    if rounded_exp > format.max {
        env.flags |= OE | PE;
        let up = match env.rounding {
            NEAREST => true,
            DOWN => sign,
            UP => !sign,
            _ => false,
        };
        env.rounded_up = up;
        return if up {
            Num::infinite(sign)
        } else {
            Num {
                sign,
                class: Class::Finite,
                exp: format.max,
                sig: u64::MAX << (64 - p),
            }
        };
    }
    if exp < format.min {
        // Tiny, unless rounding to full precision reaches the least normal number.
        let tiny = rounded_exp < format.min;
        if tiny && env.flush {
            env.flags |= UE | PE;
            return Num::zero(sign);
        }
        let shifted = jam(sig, (format.min - exp).min(200) as u32);
        let (bits, _, inexact) = if shifted >> (128 - p) == 0 && shifted != 0 {
            cut_small(env, sign, shifted, p)
        } else {
            cut(env, sign, shifted, p)
        };
        if inexact {
            env.flags |= PE | if tiny { UE } else { 0 };
        }
        if bits == 0 {
            return Num::zero(sign);
        }
        return Num {
            sign,
            class: Class::Finite,
            exp: format.min,
            sig: bits << (64 - p),
        };
    }
    if inexact {
        env.flags |= PE;
    }
    Num {
        sign,
        class: Class::Finite,
        exp: rounded_exp,
        sig: bits << (64 - p),
    }
}

/// As `cut`, if nothing but a rest is left.
fn cut_small(env: &mut Env, sign: bool, sig: u128, p: u32) -> (u64, bool, bool) {
    let rest = sig << p;
    let up = rounds_up(env.rounding, sign, false, rest);
    env.rounded_up = up;
    (u64::from(up), false, rest != 0)
}

/// Rounds a number that may have more precision than the format, such as another format's.
pub fn convert(env: &mut Env, a: Num, format: Format) -> Num {
    match a.class {
        Class::Finite => round(env, a.sign, a.exp, u128::from(a.sig) << 64, format),
        Class::SignalingNan => {
            env.flags |= IE;
            a.quiet()
        }
        _ => a,
    }
}

fn normalized(sig: u128, exp: i32) -> (u128, i32) {
    let shift = sig.leading_zeros();
    (sig << shift, exp - shift as i32)
}

/// a + b, neither of them a NaN.
pub fn add(env: &mut Env, a: Num, b: Num, format: Format) -> Num {
    match (a.class, b.class) {
        (Class::Infinite, Class::Infinite) if a.sign != b.sign => {
            env.flags |= IE;
            INDEFINITE
        }
        (Class::Infinite, _) => a,
        (_, Class::Infinite) => b,
        (Class::Zero, Class::Zero) => Num::zero(if a.sign == b.sign {
            a.sign
        } else {
            env.rounding == DOWN
        }),
        (Class::Zero, _) => convert(env, b, format),
        (_, Class::Zero) => convert(env, a, format),
        _ => {
            let (big, small) = if (a.exp, a.sig) >= (b.exp, b.sig) {
                (a, b)
            } else {
                (b, a)
            };
            // One bit of headroom for the carry.
            let x = u128::from(big.sig) << 63;
            let y = jam(
                u128::from(small.sig) << 63,
                (big.exp - small.exp).min(200) as u32,
            );
            let sum = if big.sign == small.sign { x + y } else { x - y };
            if sum == 0 {
                return Num::zero(env.rounding == DOWN);
            }
            let (sig, exp) = normalized(sum, big.exp + 1);
            round(env, big.sign, exp, sig, format)
        }
    }
}

/// a × b, neither of them a NaN.
pub fn mul(env: &mut Env, a: Num, b: Num, format: Format) -> Num {
    let sign = a.sign != b.sign;
    match (a.class, b.class) {
        (Class::Infinite, Class::Zero) | (Class::Zero, Class::Infinite) => {
            env.flags |= IE;
            INDEFINITE
        }
        (Class::Infinite, _) | (_, Class::Infinite) => Num::infinite(sign),
        (Class::Zero, _) | (_, Class::Zero) => Num::zero(sign),
        _ => {
            let (sig, exp) = normalized(u128::from(a.sig) * u128::from(b.sig), a.exp + b.exp + 1);
            round(env, sign, exp, sig, format)
        }
    }
}

/// The significand of a / b with 128 bits, the last sticky, and the exponent; both finite.
pub fn quotient(a: Num, b: Num) -> (u128, i32) {
    let n = u128::from(a.sig) << 63;
    let d = u128::from(b.sig);
    let (high, rest) = (n / d, n % d);
    let (low, rest) = ((rest << 64) / d, (rest << 64) % d);
    // 127 bits of it are behind the point.
    let (sig, exp) = normalized((high << 64) | low, a.exp - b.exp);
    (sig | u128::from(rest != 0), exp)
}

/// a / b, neither of them a NaN.
pub fn div(env: &mut Env, a: Num, b: Num, format: Format) -> Num {
    let sign = a.sign != b.sign;
    match (a.class, b.class) {
        (Class::Infinite, Class::Infinite) | (Class::Zero, Class::Zero) => {
            env.flags |= IE;
            INDEFINITE
        }
        (Class::Infinite, _) => Num::infinite(sign),
        (Class::Zero, _) | (_, Class::Infinite) => Num::zero(sign),
        (_, Class::Zero) => {
            env.flags |= ZE;
            Num::infinite(sign)
        }
        _ => {
            let (sig, exp) = quotient(a, b);
            round(env, sign, exp, sig, format)
        }
    }
}

/// √a; not a NaN.
pub fn sqrt(env: &mut Env, a: Num, format: Format) -> Num {
    match a.class {
        Class::Zero => a,
        _ if a.sign => {
            env.flags |= IE;
            INDEFINITE
        }
        Class::Finite => {
            // √(sig / 2^63 × 2^exp), with an even exponent: the radicand's integer part is 1 to 3.
            let odd = a.exp & 1 != 0;
            let mut radicand = u128::from(a.sig) << if odd { 64 } else { 63 };
            let (mut root, mut rest) = (0u128, 0u128);
            for _ in 0..67 {
                rest = (rest << 2) | (radicand >> 126);
                radicand <<= 2;
                let trial = (root << 2) | 1;
                root <<= 1;
                if rest >= trial {
                    rest -= trial;
                    root |= 1;
                }
            }
            // 67 bits of root, of which the first is the one before the point.
            let sig = (root << 61) | u128::from(rest != 0);
            round(env, false, (a.exp - i32::from(odd)) / 2, sig, format)
        }
        _ => a,
    }
}

/// Compares; None if either is a NaN.
pub fn compare(a: Num, b: Num) -> Option<std::cmp::Ordering> {
    if a.is_nan() || b.is_nan() {
        return None;
    }
    let key = |n: Num| {
        let rank = match n.class {
            Class::Zero => 0,
            Class::Finite => 1,
            _ => 2,
        };
        (
            rank,
            if rank == 1 { n.exp } else { 0 },
            if rank == 1 { n.sig } else { 0 },
        )
    };
    let (x, y) = (key(a), key(b));
    Some(match (a.class == Class::Zero, b.class == Class::Zero) {
        (true, true) => std::cmp::Ordering::Equal,
        _ if a.class == Class::Zero => {
            if b.sign {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Less
            }
        }
        _ if b.class == Class::Zero => {
            if a.sign {
                std::cmp::Ordering::Less
            } else {
                std::cmp::Ordering::Greater
            }
        }
        _ if a.sign != b.sign => {
            if a.sign {
                std::cmp::Ordering::Less
            } else {
                std::cmp::Ordering::Greater
            }
        }
        _ if a.sign => y.cmp(&x),
        _ => x.cmp(&y),
    })
}

/// The integer nearest to `a` by the rounding mode, as sign and magnitude; None if it has more than 64 bits, or `a`
/// isn't a number. Sets PE if it isn't `a` itself.
pub fn to_integer(env: &mut Env, a: Num) -> Option<(bool, u64)> {
    match a.class {
        Class::Zero => Some((a.sign, 0)),
        Class::Finite if a.exp > 63 => None,
        Class::Finite => {
            // Integer part in the upper half.
            let fixed = jam(u128::from(a.sig) << 64, (63 - a.exp).min(200) as u32);
            let (kept, rest) = ((fixed >> 64) as u64, fixed << 64);
            let up = rounds_up(env.rounding, a.sign, kept & 1 != 0, rest);
            let magnitude = kept.checked_add(u64::from(up))?;
            if rest != 0 {
                env.flags |= PE;
                env.rounded_up = up;
            }
            Some((a.sign, magnitude))
        }
        _ => None,
    }
}

/// `a` as a signed integer of 16, 32 or 64 bits; the indefinite one, and IE, if it doesn't fit.
pub fn to_signed(env: &mut Env, a: Num, bits: u32) -> i64 {
    let indefinite = i64::MIN >> (64 - bits);
    let before = env.flags;
    let value = to_integer(env, a).and_then(|(sign, magnitude)| {
        let value = if sign {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        value.filter(|v| *v << (64 - bits) >> (64 - bits) == *v)
    });
    value.unwrap_or_else(|| {
        env.flags = before | IE;
        indefinite
    })
}

/// `a` rounded to an integer, in the same format.
pub fn to_integral(env: &mut Env, a: Num) -> Num {
    if a.class != Class::Finite || a.exp >= 63 {
        return a;
    }
    match to_integer(env, a) {
        Some((sign, 0)) => Num::zero(sign),
        Some((sign, magnitude)) => {
            let shift = magnitude.leading_zeros();
            Num {
                sign,
                class: Class::Finite,
                exp: 63 - shift as i32,
                sig: magnitude << shift,
            }
        }
        None => a,
    }
}
