//! The micro-ops, and the table that says of each what it is.
//!
//! A guest instruction becomes one micro-op where the table has one of its kind, size and form, and several through
//! the temporaries `T0…` where it hasn't. So a row and an arm in [`exec`](crate::exec) are all that a new fast path
//! needs: [`pick`] finds it.

use crate::cpu::reg;

/// A micro-op: 16 bytes. `base`, `index`, `scale` and `disp` address memory; an absent register is `reg::ZERO`.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    pub code: Code,
    /// Destination register (and first source).
    pub d: u8,
    /// Source register.
    pub s: u8,
    pub base: u8,
    pub index: u8,
    /// Left shift of the index.
    pub scale: u8,
    /// Condition, operand size as a logarithm, or a selector; depends on the code.
    pub x: u8,
    pub disp: i32,
    pub imm: i32,
}

impl Op {
    /// An op without operands.
    pub fn new(code: Code) -> Op {
        let zero = reg::ZERO as u8;
        Op {
            code,
            d: zero,
            s: zero,
            base: zero,
            index: zero,
            scale: 0,
            x: 0,
            disp: 0,
            imm: 0,
        }
    }

    /// `disp` and `imm` as one 64-bit number: an absolute address or a wide immediate.
    #[inline(always)]
    pub fn wide(&self) -> u64 {
        u64::from(self.disp as u32) | (u64::from(self.imm as u32) << 32)
    }

    pub fn set_wide(&mut self, value: u64) {
        self.disp = value as i32;
        self.imm = (value >> 32) as i32;
    }
}

/// The operand size, in bits, of what the op does (not of what it writes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    B8,
    B16,
    B32,
    B64,
}

/// Where the operands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One register, `d`; or `s` if it is only read.
    R,
    /// An immediate or nothing.
    I,
    /// Registers `d` and `s`.
    Rr,
    /// Register `d` and `imm`.
    Ri,
    /// Registers `d`, `s` and `imm`.
    Rri,
    /// Register `d` and memory at base + index << scale + disp.
    Rm,
    /// Register `d` and memory at base + disp.
    Rb,
    /// Register `d` and memory at the absolute address `wide`.
    Ra,
    /// Memory at base + index << scale + disp, and register `s`.
    Mr,
    /// Memory at base + disp, and register `s`.
    Br,
    /// Memory at the absolute address `wide`, and register `s`.
    Ar,
    /// Memory at base + index << scale + disp, and `imm`.
    Mi,
}

const FORMS: usize = 12;

/// Which arithmetic flags an op sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flags {
    None,
    All,
}

/// What an op does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mov,
    MovWide,
    Movzx,
    Movsx32,
    Movsx64,
    Load,
    LoadSx32,
    LoadSx64,
    LoadForWrite,
    LoadLow,
    LoadX,
    StoreX,
    MovX,
    Store,
    Lea,
    ExtractHigh,
    InsertHigh,
    Push,
    Pop,
    PushRun,
    PopRun,
    Add,
    Sub,
    And,
    Or,
    Xor,
    Cmp,
    Test,
    Shl,
    Shr,
    Sar,
    Rol,
    Imul,
    Neg,
    Not,
    Bswap,
    Cmov,
    SignDx,
    Set,
    CmpJE,
    CmpJB,
    CmpJBe,
    CmpJL,
    CmpJLe,
    TestJE,
    TestJS,
    TestJLe,
    Jz,
    Js,
    Jcc,
    /// A branch on flags that a comparison or subtraction left earlier in the block.
    JSubE,
    JSubB,
    JSubBe,
    JSubL,
    JSubLe,
    /// The same after a logical operation.
    JResE,
    JResS,
    JResLe,
    Jmp,
    /// Two ops in one: this one's code, and the next one's.
    Pair,
    /// Leaves the block by a computed address, or stops the guest.
    Leave,
    /// A function of `(cpu, mem, &Op) -> bool`, callable alone.
    Helper,
}

const KINDS: usize = Kind::Helper as usize + 1;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    pub code: Code,
    pub kind: Kind,
    pub size: Size,
    pub form: Form,
    pub flags: Flags,
}

macro_rules! ops {
    ($($name:ident = $kind:ident, $size:ident, $form:ident, $flags:ident;)* ; helpers: $($helper:ident)*) => {
        /// The code of a micro-op. Those up to `FIRST_HELPER` are arms of the interpreter's loop.
        #[repr(u16)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($name,)* $($helper,)* }

        /// One row per code, in their order.
        pub const TABLE: &[Info] = &[
            $(Info {
                code: Code::$name, kind: Kind::$kind, size: Size::$size, form: Form::$form,
                flags: Flags::$flags,
            },)*
            $(Info {
                code: Code::$helper, kind: Kind::Helper, size: Size::B64, form: Form::I,
                flags: Flags::All,
            },)*
        ];
    };
}

ops! {
    Mov8Rr = Mov, B8, Rr, None;
    Mov16Rr = Mov, B16, Rr, None;
    Mov32Rr = Mov, B32, Rr, None;
    Mov64Rr = Mov, B64, Rr, None;
    Mov8Ri = Mov, B8, Ri, None;
    Mov16Ri = Mov, B16, Ri, None;
    MovWide = MovWide, B64, Ri, None;
    Movzx8Rr = Movzx, B8, Rr, None;
    Movzx16Rr = Movzx, B16, Rr, None;
    Movsx8To32Rr = Movsx32, B8, Rr, None;
    Movsx16To32Rr = Movsx32, B16, Rr, None;
    Movsx8To64Rr = Movsx64, B8, Rr, None;
    Movsx16To64Rr = Movsx64, B16, Rr, None;
    Movsx32To64Rr = Movsx64, B32, Rr, None;
    Load8Rb = Load, B8, Rb, None;
    Load8Rm = Load, B8, Rm, None;
    Load16Rm = Load, B16, Rm, None;
    Load32Rb = Load, B32, Rb, None;
    Load32Rm = Load, B32, Rm, None;
    Load32Ra = Load, B32, Ra, None;
    Load64Rb = Load, B64, Rb, None;
    Load64Rm = Load, B64, Rm, None;
    Load64Ra = Load, B64, Ra, None;
    LoadSx8To32Rm = LoadSx32, B8, Rm, None;
    LoadSx16To32Rm = LoadSx32, B16, Rm, None;
    LoadSx8To64Rm = LoadSx64, B8, Rm, None;
    LoadSx16To64Rm = LoadSx64, B16, Rm, None;
    LoadSx32To64Rm = LoadSx64, B32, Rm, None;
    LoadForWrite8Rm = LoadForWrite, B8, Rm, None;
    LoadForWrite16Rm = LoadForWrite, B16, Rm, None;
    LoadForWrite32Rm = LoadForWrite, B32, Rm, None;
    LoadForWrite64Rm = LoadForWrite, B64, Rm, None;
    Store8Br = Store, B8, Br, None;
    Store8Mr = Store, B8, Mr, None;
    Store16Mr = Store, B16, Mr, None;
    Store32Br = Store, B32, Br, None;
    Store32Mr = Store, B32, Mr, None;
    Store32Ar = Store, B32, Ar, None;
    Store64Br = Store, B64, Br, None;
    Store64Mr = Store, B64, Mr, None;
    Store64Ar = Store, B64, Ar, None;
    Store8Mi = Store, B8, Mi, None;
    Store16Mi = Store, B16, Mi, None;
    Store32Mi = Store, B32, Mi, None;
    Store64Mi = Store, B64, Mi, None;
    Lea64Rb = Lea, B64, Rb, None;
    Lea64Rm = Lea, B64, Rm, None;
    Lea32Rm = Lea, B32, Rm, None;
    ExtractHigh = ExtractHigh, B8, Rr, None;
    InsertHigh = InsertHigh, B8, Rr, None;
    Push64R = Push, B64, R, None;
    Push64I = Push, B64, Ri, None;
    Pop64R = Pop, B64, R, None;
    PushRun = PushRun, B64, Rr, None;
    PopRun = PopRun, B64, Rr, None;
    Add32Rr = Add, B32, Rr, None;
    Add32RrF = Add, B32, Rr, All;
    Add32Ri = Add, B32, Ri, None;
    Add32RiF = Add, B32, Ri, All;
    Add32Rm = Add, B32, Rm, None;
    Add32RmF = Add, B32, Rm, All;
    Add32MrF = Add, B32, Mr, All;
    Add32MiF = Add, B32, Mi, All;
    Add64Rr = Add, B64, Rr, None;
    Add64RrF = Add, B64, Rr, All;
    Add64Ri = Add, B64, Ri, None;
    Add64RiF = Add, B64, Ri, All;
    Add64Rm = Add, B64, Rm, None;
    Add64RmF = Add, B64, Rm, All;
    Add64MrF = Add, B64, Mr, All;
    Add64MiF = Add, B64, Mi, All;
    Add8RrF = Add, B8, Rr, All;
    Add8RiF = Add, B8, Ri, All;
    Add16RrF = Add, B16, Rr, All;
    Add16RiF = Add, B16, Ri, All;
    Sub32Rr = Sub, B32, Rr, None;
    Sub32RrF = Sub, B32, Rr, All;
    Sub32Ri = Sub, B32, Ri, None;
    Sub32RiF = Sub, B32, Ri, All;
    Sub32Rm = Sub, B32, Rm, None;
    Sub32RmF = Sub, B32, Rm, All;
    Sub32MrF = Sub, B32, Mr, All;
    Sub32MiF = Sub, B32, Mi, All;
    Sub64Rr = Sub, B64, Rr, None;
    Sub64RrF = Sub, B64, Rr, All;
    Sub64Ri = Sub, B64, Ri, None;
    Sub64RiF = Sub, B64, Ri, All;
    Sub64Rm = Sub, B64, Rm, None;
    Sub64RmF = Sub, B64, Rm, All;
    Sub64MrF = Sub, B64, Mr, All;
    Sub64MiF = Sub, B64, Mi, All;
    Sub8RrF = Sub, B8, Rr, All;
    Sub8RiF = Sub, B8, Ri, All;
    Sub16RrF = Sub, B16, Rr, All;
    Sub16RiF = Sub, B16, Ri, All;
    And32Rr = And, B32, Rr, None;
    And32RrF = And, B32, Rr, All;
    And32Ri = And, B32, Ri, None;
    And32RiF = And, B32, Ri, All;
    And32Rm = And, B32, Rm, None;
    And32RmF = And, B32, Rm, All;
    And32MrF = And, B32, Mr, All;
    And32MiF = And, B32, Mi, All;
    And64Rr = And, B64, Rr, None;
    And64RrF = And, B64, Rr, All;
    And64Ri = And, B64, Ri, None;
    And64RiF = And, B64, Ri, All;
    And64Rm = And, B64, Rm, None;
    And64RmF = And, B64, Rm, All;
    And64MrF = And, B64, Mr, All;
    And64MiF = And, B64, Mi, All;
    And8RrF = And, B8, Rr, All;
    And8RiF = And, B8, Ri, All;
    And16RrF = And, B16, Rr, All;
    And16RiF = And, B16, Ri, All;
    Or32Rr = Or, B32, Rr, None;
    Or32RrF = Or, B32, Rr, All;
    Or32Ri = Or, B32, Ri, None;
    Or32RiF = Or, B32, Ri, All;
    Or32Rm = Or, B32, Rm, None;
    Or32RmF = Or, B32, Rm, All;
    Or32MrF = Or, B32, Mr, All;
    Or32MiF = Or, B32, Mi, All;
    Or64Rr = Or, B64, Rr, None;
    Or64RrF = Or, B64, Rr, All;
    Or64Ri = Or, B64, Ri, None;
    Or64RiF = Or, B64, Ri, All;
    Or64Rm = Or, B64, Rm, None;
    Or64RmF = Or, B64, Rm, All;
    Or64MrF = Or, B64, Mr, All;
    Or64MiF = Or, B64, Mi, All;
    Or8RrF = Or, B8, Rr, All;
    Or8RiF = Or, B8, Ri, All;
    Or16RrF = Or, B16, Rr, All;
    Or16RiF = Or, B16, Ri, All;
    Xor32Rr = Xor, B32, Rr, None;
    Xor32RrF = Xor, B32, Rr, All;
    Xor32Ri = Xor, B32, Ri, None;
    Xor32RiF = Xor, B32, Ri, All;
    Xor32Rm = Xor, B32, Rm, None;
    Xor32RmF = Xor, B32, Rm, All;
    Xor32MrF = Xor, B32, Mr, All;
    Xor32MiF = Xor, B32, Mi, All;
    Xor64Rr = Xor, B64, Rr, None;
    Xor64RrF = Xor, B64, Rr, All;
    Xor64Ri = Xor, B64, Ri, None;
    Xor64RiF = Xor, B64, Ri, All;
    Xor64Rm = Xor, B64, Rm, None;
    Xor64RmF = Xor, B64, Rm, All;
    Xor64MrF = Xor, B64, Mr, All;
    Xor64MiF = Xor, B64, Mi, All;
    Xor8RrF = Xor, B8, Rr, All;
    Xor8RiF = Xor, B8, Ri, All;
    Xor16RrF = Xor, B16, Rr, All;
    Xor16RiF = Xor, B16, Ri, All;
    Cmp8Rr = Cmp, B8, Rr, All;
    Cmp8Ri = Cmp, B8, Ri, All;
    Test8Rr = Test, B8, Rr, All;
    Test8Ri = Test, B8, Ri, All;
    Cmp16Rr = Cmp, B16, Rr, All;
    Cmp16Ri = Cmp, B16, Ri, All;
    Test16Rr = Test, B16, Rr, All;
    Test16Ri = Test, B16, Ri, All;
    Cmp32Rr = Cmp, B32, Rr, All;
    Cmp32Ri = Cmp, B32, Ri, All;
    Test32Rr = Test, B32, Rr, All;
    Test32Ri = Test, B32, Ri, All;
    Cmp64Rr = Cmp, B64, Rr, All;
    Cmp64Ri = Cmp, B64, Ri, All;
    Test64Rr = Test, B64, Rr, All;
    Test64Ri = Test, B64, Ri, All;
    Shl32Ri = Shl, B32, Ri, None;
    Shl32RiF = Shl, B32, Ri, All;
    Shl32Cl = Shl, B32, Rr, None;
    Shr32Ri = Shr, B32, Ri, None;
    Shr32RiF = Shr, B32, Ri, All;
    Shr32Cl = Shr, B32, Rr, None;
    Sar32Ri = Sar, B32, Ri, None;
    Sar32RiF = Sar, B32, Ri, All;
    Sar32Cl = Sar, B32, Rr, None;
    Rol32Ri = Rol, B32, Ri, None;
    Imul32Rr = Imul, B32, Rr, None;
    Imul32Rri = Imul, B32, Rri, None;
    Neg32 = Neg, B32, R, All;
    Not32 = Not, B32, R, None;
    Bswap32 = Bswap, B32, R, None;
    Cmov32 = Cmov, B32, Rr, None;
    SignDx32 = SignDx, B32, R, None;
    Shl64Ri = Shl, B64, Ri, None;
    Shl64RiF = Shl, B64, Ri, All;
    Shl64Cl = Shl, B64, Rr, None;
    Shr64Ri = Shr, B64, Ri, None;
    Shr64RiF = Shr, B64, Ri, All;
    Shr64Cl = Shr, B64, Rr, None;
    Sar64Ri = Sar, B64, Ri, None;
    Sar64RiF = Sar, B64, Ri, All;
    Sar64Cl = Sar, B64, Rr, None;
    Rol64Ri = Rol, B64, Ri, None;
    Imul64Rr = Imul, B64, Rr, None;
    Imul64Rri = Imul, B64, Rri, None;
    Neg64 = Neg, B64, R, All;
    Not64 = Not, B64, R, None;
    Bswap64 = Bswap, B64, R, None;
    Cmov64 = Cmov, B64, Rr, None;
    SignDx64 = SignDx, B64, R, None;
    Set8 = Set, B8, R, None;
    Cmp8RrJE = CmpJE, B8, Rr, All;
    Cmp8RiJE = CmpJE, B8, Ri, All;
    Cmp8RmJE = CmpJE, B8, Rm, All;
    Cmp8MrJE = CmpJE, B8, Mr, All;
    Cmp8MiJE = CmpJE, B8, Mi, All;
    Cmp8RrJB = CmpJB, B8, Rr, All;
    Cmp8RiJB = CmpJB, B8, Ri, All;
    Cmp8RmJB = CmpJB, B8, Rm, All;
    Cmp8MrJB = CmpJB, B8, Mr, All;
    Cmp8MiJB = CmpJB, B8, Mi, All;
    Cmp8RrJBe = CmpJBe, B8, Rr, All;
    Cmp8RiJBe = CmpJBe, B8, Ri, All;
    Cmp8RmJBe = CmpJBe, B8, Rm, All;
    Cmp8MrJBe = CmpJBe, B8, Mr, All;
    Cmp8MiJBe = CmpJBe, B8, Mi, All;
    Cmp8RrJL = CmpJL, B8, Rr, All;
    Cmp8RiJL = CmpJL, B8, Ri, All;
    Cmp8RmJL = CmpJL, B8, Rm, All;
    Cmp8MrJL = CmpJL, B8, Mr, All;
    Cmp8MiJL = CmpJL, B8, Mi, All;
    Cmp8RrJLe = CmpJLe, B8, Rr, All;
    Cmp8RiJLe = CmpJLe, B8, Ri, All;
    Cmp8RmJLe = CmpJLe, B8, Rm, All;
    Cmp8MrJLe = CmpJLe, B8, Mr, All;
    Cmp8MiJLe = CmpJLe, B8, Mi, All;
    Test8RrJE = TestJE, B8, Rr, All;
    Test8RiJE = TestJE, B8, Ri, All;
    Test8MiJE = TestJE, B8, Mi, All;
    Test8RrJS = TestJS, B8, Rr, All;
    Test8RiJS = TestJS, B8, Ri, All;
    Test8MiJS = TestJS, B8, Mi, All;
    Test8RrJLe = TestJLe, B8, Rr, All;
    Test8RiJLe = TestJLe, B8, Ri, All;
    Test8MiJLe = TestJLe, B8, Mi, All;
    Cmp32RrJE = CmpJE, B32, Rr, All;
    Cmp32RiJE = CmpJE, B32, Ri, All;
    Cmp32RmJE = CmpJE, B32, Rm, All;
    Cmp32MrJE = CmpJE, B32, Mr, All;
    Cmp32MiJE = CmpJE, B32, Mi, All;
    Cmp32RrJB = CmpJB, B32, Rr, All;
    Cmp32RiJB = CmpJB, B32, Ri, All;
    Cmp32RmJB = CmpJB, B32, Rm, All;
    Cmp32MrJB = CmpJB, B32, Mr, All;
    Cmp32MiJB = CmpJB, B32, Mi, All;
    Cmp32RrJBe = CmpJBe, B32, Rr, All;
    Cmp32RiJBe = CmpJBe, B32, Ri, All;
    Cmp32RmJBe = CmpJBe, B32, Rm, All;
    Cmp32MrJBe = CmpJBe, B32, Mr, All;
    Cmp32MiJBe = CmpJBe, B32, Mi, All;
    Cmp32RrJL = CmpJL, B32, Rr, All;
    Cmp32RiJL = CmpJL, B32, Ri, All;
    Cmp32RmJL = CmpJL, B32, Rm, All;
    Cmp32MrJL = CmpJL, B32, Mr, All;
    Cmp32MiJL = CmpJL, B32, Mi, All;
    Cmp32RrJLe = CmpJLe, B32, Rr, All;
    Cmp32RiJLe = CmpJLe, B32, Ri, All;
    Cmp32RmJLe = CmpJLe, B32, Rm, All;
    Cmp32MrJLe = CmpJLe, B32, Mr, All;
    Cmp32MiJLe = CmpJLe, B32, Mi, All;
    Test32RrJE = TestJE, B32, Rr, All;
    Test32RiJE = TestJE, B32, Ri, All;
    Test32MiJE = TestJE, B32, Mi, All;
    Test32RrJS = TestJS, B32, Rr, All;
    Test32RiJS = TestJS, B32, Ri, All;
    Test32MiJS = TestJS, B32, Mi, All;
    Test32RrJLe = TestJLe, B32, Rr, All;
    Test32RiJLe = TestJLe, B32, Ri, All;
    Test32MiJLe = TestJLe, B32, Mi, All;
    Cmp64RrJE = CmpJE, B64, Rr, All;
    Cmp64RiJE = CmpJE, B64, Ri, All;
    Cmp64RmJE = CmpJE, B64, Rm, All;
    Cmp64MrJE = CmpJE, B64, Mr, All;
    Cmp64MiJE = CmpJE, B64, Mi, All;
    Cmp64RrJB = CmpJB, B64, Rr, All;
    Cmp64RiJB = CmpJB, B64, Ri, All;
    Cmp64RmJB = CmpJB, B64, Rm, All;
    Cmp64MrJB = CmpJB, B64, Mr, All;
    Cmp64MiJB = CmpJB, B64, Mi, All;
    Cmp64RrJBe = CmpJBe, B64, Rr, All;
    Cmp64RiJBe = CmpJBe, B64, Ri, All;
    Cmp64RmJBe = CmpJBe, B64, Rm, All;
    Cmp64MrJBe = CmpJBe, B64, Mr, All;
    Cmp64MiJBe = CmpJBe, B64, Mi, All;
    Cmp64RrJL = CmpJL, B64, Rr, All;
    Cmp64RiJL = CmpJL, B64, Ri, All;
    Cmp64RmJL = CmpJL, B64, Rm, All;
    Cmp64MrJL = CmpJL, B64, Mr, All;
    Cmp64MiJL = CmpJL, B64, Mi, All;
    Cmp64RrJLe = CmpJLe, B64, Rr, All;
    Cmp64RiJLe = CmpJLe, B64, Ri, All;
    Cmp64RmJLe = CmpJLe, B64, Rm, All;
    Cmp64MrJLe = CmpJLe, B64, Mr, All;
    Cmp64MiJLe = CmpJLe, B64, Mi, All;
    Test64RrJE = TestJE, B64, Rr, All;
    Test64RiJE = TestJE, B64, Ri, All;
    Test64MiJE = TestJE, B64, Mi, All;
    Test64RrJS = TestJS, B64, Rr, All;
    Test64RiJS = TestJS, B64, Ri, All;
    Test64MiJS = TestJS, B64, Mi, All;
    Test64RrJLe = TestJLe, B64, Rr, All;
    Test64RiJLe = TestJLe, B64, Ri, All;
    Test64MiJLe = TestJLe, B64, Mi, All;
    Jz32 = Jz, B32, R, None;
    Js32 = Js, B32, R, None;
    Jz64 = Jz, B64, R, None;
    Js64 = Js, B64, R, None;
    Jcc = Jcc, B64, I, None;
    Jmp = Jmp, B64, I, None;
    LoadLow8 = LoadLow, B8, Rm, None;
    LoadLow16 = LoadLow, B16, Rm, None;
    LoadX64 = LoadX, B64, Rm, None;
    LoadX128 = LoadX, B64, Rm, None;
    LoadX128Aligned = LoadX, B64, Rm, None;
    StoreX64 = StoreX, B64, Mr, None;
    StoreX128 = StoreX, B64, Mr, None;
    StoreX128Aligned = StoreX, B64, Mr, None;
    MovXX = MovX, B64, Rr, None;
    JESub8 = JSubE, B8, I, None;
    JBSub8 = JSubB, B8, I, None;
    JBeSub8 = JSubBe, B8, I, None;
    JLSub8 = JSubL, B8, I, None;
    JLeSub8 = JSubLe, B8, I, None;
    JERes8 = JResE, B8, I, None;
    JSRes8 = JResS, B8, I, None;
    JLeRes8 = JResLe, B8, I, None;
    JESub16 = JSubE, B16, I, None;
    JBSub16 = JSubB, B16, I, None;
    JBeSub16 = JSubBe, B16, I, None;
    JLSub16 = JSubL, B16, I, None;
    JLeSub16 = JSubLe, B16, I, None;
    JERes16 = JResE, B16, I, None;
    JSRes16 = JResS, B16, I, None;
    JLeRes16 = JResLe, B16, I, None;
    JESub32 = JSubE, B32, I, None;
    JBSub32 = JSubB, B32, I, None;
    JBeSub32 = JSubBe, B32, I, None;
    JLSub32 = JSubL, B32, I, None;
    JLeSub32 = JSubLe, B32, I, None;
    JERes32 = JResE, B32, I, None;
    JSRes32 = JResS, B32, I, None;
    JLeRes32 = JResLe, B32, I, None;
    JESub64 = JSubE, B64, I, None;
    JBSub64 = JSubB, B64, I, None;
    JBeSub64 = JSubBe, B64, I, None;
    JLSub64 = JSubL, B64, I, None;
    JLeSub64 = JSubLe, B64, I, None;
    JERes64 = JResE, B64, I, None;
    JSRes64 = JResS, B64, I, None;
    JLeRes64 = JResLe, B64, I, None;
    Mov64RrMov64Rr = Pair, B64, I, None;
    StoreX128AlignedStoreX128Aligned = Pair, B64, I, None;
    PopRunRet = Pair, B64, I, None;
    Push64RMov64Rr = Pair, B64, I, None;
    Add64RiCmp8MiJE = Pair, B64, I, None;
    Mov64RrPush64R = Pair, B64, I, None;
    PushRunMov64Rr = Pair, B64, I, None;
    Load8RbAdd64Ri = Pair, B64, I, None;
    Mov64RrCallFar = Pair, B64, I, None;
    Pop64RRet = Pair, B64, I, None;
    Load64RbLoad64Rb = Pair, B64, I, None;
    Load64RbSub64RmF = Pair, B64, I, None;
    Load64RmStore64Br = Pair, B64, I, None;
    Sub64RmFJz64 = Pair, B64, I, None;
    Add64RiStore8Mi = Pair, B64, I, None;
    Store8MiTest8RrJE = Pair, B64, I, None;
    Add64RiFPopRun = Pair, B64, I, None;
    Load32RbLoad32Rb = Pair, B64, I, None;
    Store64BrMovWide = Pair, B64, I, None;
    Load32RbAnd32Ri = Pair, B64, I, None;
    Load64RbStore64Br = Pair, B64, I, None;
    LoadLow8Test8RrJE = Pair, B64, I, None;
    Mov64RrPopRun = Pair, B64, I, None;
    Mov64RrSub64Ri = Pair, B64, I, None;
    Load8RbCmp8Ri = Pair, B64, I, None;
    Mov32RrAnd32Ri = Pair, B64, I, None;
    LoadLow8Cmp8RmJE = Pair, B64, I, None;
    Load32RbLoad64Rb = Pair, B64, I, None;
    Push64RMov32Rr = Pair, B64, I, None;
    Load64RbMov64Rr = Pair, B64, I, None;
    Mov64RrLoadLow8 = Pair, B64, I, None;
    Store64BrStore64Br = Pair, B64, I, None;
    Store64BrLoad64Rb = Pair, B64, I, None;
    Lea64RbJESub8 = Pair, B64, I, None;
    Load64RbCallFar = Pair, B64, I, None;
    Load64RbJmpReg = Pair, B64, I, None;
    Mov32RrMovsx32To64Rr = Pair, B64, I, None;
    LoadLow8Add64Rr = Pair, B64, I, None;
    Add64RrCmp8MrJE = Pair, B64, I, None;
    LoadLow8Cmp8MrJE = Pair, B64, I, None;
    Load64RbMovWide = Pair, B64, I, None;
    PushRunSub64Ri = Pair, B64, I, None;
    Load64RbLea64Rb = Pair, B64, I, None;
    Load64RbTest64RrJE = Pair, B64, I, None;
    Mov64RrLoad32Rb = Pair, B64, I, None;
    Load64RbLoad64Rm = Pair, B64, I, None;
    Mov32RrPush64R = Pair, B64, I, None;
    Push64RLea64Rb = Pair, B64, I, None;
    Add64RiTest8RrJE = Pair, B64, I, None;
    Push64RSub64Ri = Pair, B64, I, None;
    Load64RbMov32Rr = Pair, B64, I, None;
    Mov32RrMov64Rr = Pair, B64, I, None;
    Load64RmTest64RrJE = Pair, B64, I, None;
    Mov64RrTest64RrJE = Pair, B64, I, None;
    MovWideCmp8MiJE = Pair, B64, I, None;
    Mov32RrMov32Rr = Pair, B64, I, None;
    And32RiFJz32 = Pair, B64, I, None;
    Mov32RrXor32Rr = Pair, B64, I, None;
    Rol32RiMov32Rr = Pair, B64, I, None;
    Mov32RrRol32Ri = Pair, B64, I, None;
    Rol32RiXor32Rr = Pair, B64, I, None;
    Xor32RrAnd32Rr = Pair, B64, I, None;
    Add32RrMov32Rr = Pair, B64, I, None;
    MovWideCallFar = Pair, B64, I, None;
    Mov64RrLoad64Rb = Pair, B64, I, None;
    Add64RiAdd64Ri = Pair, B64, I, None;
    Load32RbTest32RrJE = Pair, B64, I, None;
    MovWideMovWide = Pair, B64, I, None;
    Add64RiCmp64RiJE = Pair, B64, I, None;
    Mov64RrCall = Pair, B64, I, None;
    Add64RiCmp64RrJE = Pair, B64, I, None;
    Lea64RbCallFar = Pair, B64, I, None;
    Add32RiCmp32RrJE = Pair, B64, I, None;
    Store64BrStore32Br = Pair, B64, I, None;
    Load64RbAdd64Ri = Pair, B64, I, None;
    Load8RbTest8RrJE = Pair, B64, I, None;
    Load32RbCmp32RrJE = Pair, B64, I, None;
    Load64RbCmp64RrJE = Pair, B64, I, None;
    JmpFar = Leave, B64, I, None;
    JmpReg = Leave, B64, R, None;
    JmpMem = Leave, B64, Ra, None;
    Call = Leave, B64, I, None;
    CallFar = Leave, B64, I, None;
    CallReg = Leave, B64, R, None;
    Ret = Leave, B64, I, None;
    RetN = Leave, B64, Ri, None;
    Syscall = Leave, B64, I, None;
    Raise = Leave, B64, I, None;
    Refetch = Leave, B64, I, None;
    ; helpers:
    AdcR AdcI SbbR SbbI IncKeep DecKeep ShiftShl ShiftShr ShiftSar ShiftRol
    ShiftRor ShiftRcl ShiftRcr Shld Shrd Mul ImulWide Div Idiv ImulR
    ImulI Xchg Xadd Cmpxchg Cmpxchg8b Cmpxchg16b Bt Bts Btr Btc
    BitAddress Bsf Bsr Tzcnt Lzcnt Popcnt Lahf Sahf GetFlags SetFlags
    Clc Stc Cmc Cld Std Cpuid Rdtsc Rdtscp Xgetbv Rdpid
    Enter Push16 Pop16 Movbe Crc32 Movs Stos Lods Scas Cmps
    LoadX32 StoreX32 LoadXHigh StoreXHigh
    MovXLow32 MovXLow64 MovqXX Movlhps Movhlps MovdXr MovdRx MovqXr MovqRx
    Movmskps Movmskpd Pmovmskb Maskmovdqu Ldmxcsr Stmxcsr Fxsave Fxrstor Cvtsi2sd Cvtsi2ss
    Cvttsd2si Cvtsd2si Cvttss2si Cvtss2si Cvtsd2ss Cvtss2sd Cvtdq2ps Cvtps2dq Cvttps2dq Cvtdq2pd
    Cvtpd2dq Cvttpd2dq Cvtps2pd Cvtpd2ps Addsd Subsd Mulsd Divsd Minsd Maxsd
    Sqrtsd Addss Subss Mulss Divss Minss Maxss Sqrtss Addpd Subpd
    Mulpd Divpd Minpd Maxpd Sqrtpd Addps Subps Mulps Divps Minps
    Maxps Sqrtps Cmpsd Cmpss Cmppd Cmpps Ucomisd Comisd Ucomiss Comiss
    Rcpss Rsqrtss Rcpps Rsqrtps Andp Andnp Orp Xorp Unpcklps Unpckhps
    Unpcklpd Unpckhpd Shufps Shufpd Paddb Paddw Paddd Paddq Paddsb Paddsw
    Paddusb Paddusw Psubb Psubw Psubd Psubq Psubsb Psubsw Psubusb Psubusw
    Pmullw Pmulhw Pmulhuw Pmuludq Pmaddwd Psadbw Pavgb Pavgw Pminub Pmaxub
    Pminsw Pmaxsw Pcmpeqb Pcmpeqw Pcmpeqd Pcmpgtb Pcmpgtw Pcmpgtd Packsswb Packssdw
    Packuswb Punpcklbw Punpcklwd Punpckldq Punpcklqdq Punpckhbw Punpckhwd Punpckhdq Punpckhqdq Pshufd
    Pshuflw Pshufhw Pinsrw Pextrw Psllw Pslld Psllq Psrlw Psrld Psrlq
    Psraw Psrad Pslldq Psrldq Fld32 Fld64 Fld80 FldSt Fild16 Fild32
    Fild64 Fst32 Fst64 Fst80 FstSt Fist16 Fist32 Fist64 Fisttp16 Fisttp32
    Fisttp64 Fbld Fbstp FldConst FarithSt FarithSt0 FarithM32 FarithM64 FarithI16 FarithI32
    Fcom FcomM32 FcomM64 FcomI16 FcomI32 Fcomi Fcompp Ftst Fxam Fxch
    Ffree Fincstp Fdecstp Fchs Fabs Fsqrt Frndint Fscale Fxtract Fprem
    Fprem1 Fsin Fcos Fsincos Fptan Fpatan F2xm1 Fyl2x Fyl2xp1 Fcmov
    Fnstcw Fldcw Fnstsw FnstswAx Fnclex Fninit Fnstenv Fldenv Fnsave Frstor
    Fwait
}

const SLOTS: usize = KINDS * 4 * FORMS * 2;

const fn slot(kind: Kind, size: Size, form: Form, flags: Flags) -> usize {
    ((kind as usize * 4 + size as usize) * FORMS + form as usize) * 2 + flags as usize
}

const INDEX: [Option<Code>; SLOTS] = {
    let mut index = [None; SLOTS];
    let mut i = 0;
    while i < TABLE.len() {
        let row = TABLE[i];
        if !matches!(row.kind, Kind::Helper | Kind::Leave | Kind::Pair) {
            index[slot(row.kind, row.size, row.form, row.flags)] = Some(row.code);
        }
        i += 1;
    }
    index
};

/// The op of this kind, size and form; if `flags` are live, one that sets them.
pub fn pick(kind: Kind, size: Size, form: Form, flags: Flags) -> Option<Code> {
    static SLOT: [Option<Code>; SLOTS] = INDEX;
    SLOT[slot(kind, size, form, flags)].or_else(|| match flags {
        Flags::None => SLOT[slot(kind, size, form, Flags::All)],
        Flags::All => None,
    })
}

impl Code {
    /// Whether it is a branch that goes by `Block::next`.
    pub fn is_branch(self) -> bool {
        let kind = self.info().kind as u8;
        self.is_fused() || (Kind::Jz as u8..=Kind::Jmp as u8).contains(&kind)
    }

    /// Whether it is a comparison and a branch in one.
    pub fn is_fused(self) -> bool {
        (Kind::CmpJE as u8..=Kind::TestJLe as u8).contains(&(self.info().kind as u8))
    }

    /// Whether it is a function that can be called alone, and none of the loop's.
    pub fn is_helper(self) -> bool {
        self as u16 >= Code::AdcR as u16
    }

    pub fn info(self) -> &'static Info {
        static ROWS: &[Info] = TABLE;
        &ROWS[self as usize]
    }
}

/// Calls a macro with the table of pairs: the first op's code, the second's, and the one that does the work of both.
/// These are the most frequent ones of shells, awk, sort, gzip, sed and hashes.
macro_rules! pair_table {
    ($then:ident) => {
        $then! {
            Mov64Rr Mov64Rr = Mov64RrMov64Rr;
            StoreX128Aligned StoreX128Aligned = StoreX128AlignedStoreX128Aligned;
            PopRun Ret = PopRunRet;
            Push64R Mov64Rr = Push64RMov64Rr;
            Add64Ri Cmp8MiJE = Add64RiCmp8MiJE;
            Mov64Rr Push64R = Mov64RrPush64R;
            PushRun Mov64Rr = PushRunMov64Rr;
            Load8Rb Add64Ri = Load8RbAdd64Ri;
            Mov64Rr CallFar = Mov64RrCallFar;
            Pop64R Ret = Pop64RRet;
            Load64Rb Load64Rb = Load64RbLoad64Rb;
            Load64Rb Sub64RmF = Load64RbSub64RmF;
            Load64Rm Store64Br = Load64RmStore64Br;
            Sub64RmF Jz64 = Sub64RmFJz64;
            Add64Ri Store8Mi = Add64RiStore8Mi;
            Store8Mi Test8RrJE = Store8MiTest8RrJE;
            Add64RiF PopRun = Add64RiFPopRun;
            Load32Rb Load32Rb = Load32RbLoad32Rb;
            Store64Br MovWide = Store64BrMovWide;
            Load32Rb And32Ri = Load32RbAnd32Ri;
            Load64Rb Store64Br = Load64RbStore64Br;
            LoadLow8 Test8RrJE = LoadLow8Test8RrJE;
            Mov64Rr PopRun = Mov64RrPopRun;
            Mov64Rr Sub64Ri = Mov64RrSub64Ri;
            Load8Rb Cmp8Ri = Load8RbCmp8Ri;
            Mov32Rr And32Ri = Mov32RrAnd32Ri;
            LoadLow8 Cmp8RmJE = LoadLow8Cmp8RmJE;
            Load32Rb Load64Rb = Load32RbLoad64Rb;
            Push64R Mov32Rr = Push64RMov32Rr;
            Load64Rb Mov64Rr = Load64RbMov64Rr;
            Mov64Rr LoadLow8 = Mov64RrLoadLow8;
            Store64Br Store64Br = Store64BrStore64Br;
            Store64Br Load64Rb = Store64BrLoad64Rb;
            Lea64Rb JESub8 = Lea64RbJESub8;
            Load64Rb CallFar = Load64RbCallFar;
            Load64Rb JmpReg = Load64RbJmpReg;
            Mov32Rr Movsx32To64Rr = Mov32RrMovsx32To64Rr;
            LoadLow8 Add64Rr = LoadLow8Add64Rr;
            Add64Rr Cmp8MrJE = Add64RrCmp8MrJE;
            LoadLow8 Cmp8MrJE = LoadLow8Cmp8MrJE;
            Load64Rb MovWide = Load64RbMovWide;
            PushRun Sub64Ri = PushRunSub64Ri;
            Load64Rb Lea64Rb = Load64RbLea64Rb;
            Load64Rb Test64RrJE = Load64RbTest64RrJE;
            Mov64Rr Load32Rb = Mov64RrLoad32Rb;
            Load64Rb Load64Rm = Load64RbLoad64Rm;
            Mov32Rr Push64R = Mov32RrPush64R;
            Push64R Lea64Rb = Push64RLea64Rb;
            Add64Ri Test8RrJE = Add64RiTest8RrJE;
            Push64R Sub64Ri = Push64RSub64Ri;
            Load64Rb Mov32Rr = Load64RbMov32Rr;
            Mov32Rr Mov64Rr = Mov32RrMov64Rr;
            Load64Rm Test64RrJE = Load64RmTest64RrJE;
            Mov64Rr Test64RrJE = Mov64RrTest64RrJE;
            MovWide Cmp8MiJE = MovWideCmp8MiJE;
            Mov32Rr Mov32Rr = Mov32RrMov32Rr;
            And32RiF Jz32 = And32RiFJz32;
            Mov32Rr Xor32Rr = Mov32RrXor32Rr;
            Rol32Ri Mov32Rr = Rol32RiMov32Rr;
            Mov32Rr Rol32Ri = Mov32RrRol32Ri;
            Rol32Ri Xor32Rr = Rol32RiXor32Rr;
            Xor32Rr And32Rr = Xor32RrAnd32Rr;
            Add32Rr Mov32Rr = Add32RrMov32Rr;
            MovWide CallFar = MovWideCallFar;
            Mov64Rr Load64Rb = Mov64RrLoad64Rb;
            Add64Ri Add64Ri = Add64RiAdd64Ri;
            Load32Rb Test32RrJE = Load32RbTest32RrJE;
            MovWide MovWide = MovWideMovWide;
            Add64Ri Cmp64RiJE = Add64RiCmp64RiJE;
            Mov64Rr Call = Mov64RrCall;
            Add64Ri Cmp64RrJE = Add64RiCmp64RrJE;
            Lea64Rb CallFar = Lea64RbCallFar;
            Add32Ri Cmp32RrJE = Add32RiCmp32RrJE;
            Store64Br Store32Br = Store64BrStore32Br;
            Load64Rb Add64Ri = Load64RbAdd64Ri;
            Load8Rb Test8RrJE = Load8RbTest8RrJE;
            Load32Rb Cmp32RrJE = Load32RbCmp32RrJE;
            Load64Rb Cmp64RrJE = Load64RbCmp64RrJE;
        }
    };
}
pub(crate) use pair_table;

macro_rules! pairs {
    ($($first:ident $second:ident = $pair:ident;)*) => {
        /// The code that does the work of two ops in a row. It replaces the first one's; their operands stay.
        pub fn pair(first: Code, second: Code) -> Option<Code> {
            match (first, second) {
                $((Code::$first, Code::$second) => Some(Code::$pair),)*
                _ => None,
            }
        }
    };
}

pair_table!(pairs);
