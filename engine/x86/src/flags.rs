//! Lazy arithmetic flags: an operation leaves its kind and two words, and only who reads flags works them out.

pub const CF: u64 = 1;
pub const ALWAYS_ONE: u64 = 2;
pub const PF: u64 = 4;
pub const AF: u64 = 0x10;
pub const ZF: u64 = 0x40;
pub const SF: u64 = 0x80;
pub const TF: u64 = 0x100;
pub const IF: u64 = 0x200;
pub const DF: u64 = 0x400;
pub const OF: u64 = 0x800;
pub const AC: u64 = 0x4_0000;
pub const ID: u64 = 0x20_0000;
/// The flags that arithmetic sets.
pub const ARITH: u64 = CF | PF | AF | ZF | SF | OF;
/// The others that user mode may change.
pub const USER_SYSTEM: u64 = TF | DF | AC | ID;

/// What `flag_a` and `flag_b` mean. Class × 4 + log₂ of the operand size in bytes; plain numbers, so that emitted code
/// can store them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct FlagKind(pub u32);

impl FlagKind {
    /// a = the flags themselves.
    pub const RAW: FlagKind = FlagKind(0);
    /// a = a result, from which SF, ZF and PF follow; b = CF, AF and OF as in rflags.
    pub const RES: u32 = 4;
    /// a + b.
    pub const ADD: u32 = 8;
    /// a - b.
    pub const SUB: u32 = 12;

    #[inline(always)]
    pub const fn new(class: u32, size_log2: u32) -> FlagKind {
        FlagKind(class + size_log2)
    }
}

/// PF as rflags has it: set if the low byte has an even number of ones.
#[inline(always)]
fn parity(result: u64) -> u64 {
    u64::from((result as u8).count_ones() & 1 == 0) << 2
}

/// SF, ZF and PF of a result whose size is 8 << `log2` bits.
#[inline(always)]
fn szp(result: u64, log2: u32) -> u64 {
    let shift = 64 - (8 << log2);
    let top = result << shift;
    (u64::from(top == 0) << 6) | ((top >> 63) << 7) | parity(result)
}

/// The arithmetic flags, as rflags has them.
pub fn materialize(kind: FlagKind, a: u64, b: u64) -> u64 {
    let log2 = kind.0 & 3;
    let shift = 64 - (8 << log2);
    match kind.0 & !3 {
        FlagKind::RES => szp(a, log2) | b,
        FlagKind::ADD => {
            let r = a.wrapping_add(b);
            let carry = u64::from((r << shift) < (a << shift));
            let overflow = (((a ^ r) & (b ^ r)) << shift) >> 63;
            szp(r, log2) | carry | ((a ^ b ^ r) & AF) | (overflow << 11)
        }
        FlagKind::SUB => {
            let r = a.wrapping_sub(b);
            let carry = u64::from((a << shift) < (b << shift));
            let overflow = (((a ^ b) & (a ^ r)) << shift) >> 63;
            szp(r, log2) | carry | ((a ^ b ^ r) & AF) | (overflow << 11)
        }
        _ => a,
    }
}

/// Whether condition `cc` (as in the low four bits of jcc's opcode) holds for these flags.
#[inline(always)]
pub fn holds(cc: u8, flags: u64) -> bool {
    let sf_ne_of = ((flags >> 7) ^ (flags >> 11)) & 1 != 0;
    let yes = match cc >> 1 {
        0 => flags & OF != 0,
        1 => flags & CF != 0,
        2 => flags & ZF != 0,
        3 => flags & (CF | ZF) != 0,
        4 => flags & SF != 0,
        5 => flags & PF != 0,
        6 => sf_ne_of,
        _ => sf_ne_of || flags & ZF != 0,
    };
    yes != (cc & 1 != 0)
}
