//! The micro-ops, and the table that says of each what it is.
//!
//! A guest instruction becomes one micro-op where the table has one of its kind, size and form, and several through
//! the temporaries `T0…` where it hasn't. So a row and an arm in [`exec`](crate::exec) are all that a new fast path
//! needs: [`pick`] finds it.

mod sequences;
mod table;

pub use sequences::sequence;
pub(crate) use sequences::sequence_table;
pub use table::{Code, TABLE};

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
    /// A function of two xmm registers, or between one and a general one.
    X,
    /// Several ops in one: this one's code, and the next ones'.
    Sequence,
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

const SLOTS: usize = KINDS * 4 * FORMS * 2;

const fn slot(kind: Kind, size: Size, form: Form, flags: Flags) -> usize {
    ((kind as usize * 4 + size as usize) * FORMS + form as usize) * 2 + flags as usize
}

const INDEX: [Option<Code>; SLOTS] = {
    let mut index = [None; SLOTS];
    let mut i = 0;
    while i < TABLE.len() {
        let row = TABLE[i];
        if !matches!(
            row.kind,
            Kind::Helper | Kind::Leave | Kind::X | Kind::Sequence
        ) {
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
