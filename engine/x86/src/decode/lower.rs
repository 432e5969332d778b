//! The lowering of a block: what all families of instructions share.

use super::liveness::{self, Set};
use crate::code::Draft;
use crate::cpu::reg;
use crate::exit::Exit;
use crate::ops::{Code, Flags, Form, Kind, Op, Size, pick, sequence};
use bottleship_page::PAGE_SIZE;
use iced_x86::{Instruction, OpKind, Register};

pub const ZERO: u8 = reg::ZERO as u8;
/// A value loaded or extracted as a source.
pub const T0: u8 = reg::T0 as u8;
/// An address.
pub const T1: u8 = reg::T1 as u8;
/// A destination that is read, changed and written back.
pub const T2: u8 = reg::T2 as u8;
/// One more.
pub const T3: u8 = reg::T3 as u8;

/// A memory operand as ops have it.
#[derive(Clone, Copy)]
pub struct Ea {
    pub base: u8,
    pub index: u8,
    pub scale: u8,
    pub disp: i32,
    /// Instead of the others: an address that doesn't fit `disp`.
    pub absolute: Option<u64>,
}

/// An integer operand as a source.
#[derive(Clone, Copy)]
pub enum Source {
    Reg(u8),
    Imm(i32),
}

pub struct Lower<'a> {
    ops: Vec<Op>,
    origins: Vec<u16>,
    /// The block's instructions.
    pub code: &'a [Instruction],
    /// What is live after each of them.
    pub live: Vec<Set>,
    /// The next one to lower.
    pub at: usize,
    /// Each instruction alone.
    pub alone: bool,
    pub next: [u64; 2],
    origin: u16,
    /// What the flags are from, at this point.
    pub producer: Producer,
}

/// What left the lazy flags.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// Something in another block, or of several kinds.
    Unknown,
    /// a - b.
    Sub(Size),
    /// A logical operation: the result, without carry or overflow.
    Res(Size),
}

impl Producer {
    fn after(before: Producer, code: Code) -> Producer {
        let info = code.info();
        match info.kind {
            Kind::Helper => {
                let compares = matches!(
                    code,
                    Code::Ucomisd | Code::Comisd | Code::Ucomiss | Code::Comiss | Code::Fcomi
                );
                if (code as u16) < Code::LoadX32 as u16 || compares {
                    Producer::Unknown
                } else {
                    before
                }
            }
            _ if info.flags == Flags::None => before,
            Kind::Cmp | Kind::Sub | Kind::Neg => Producer::Sub(info.size),
            Kind::Test | Kind::And | Kind::Or | Kind::Xor => Producer::Res(info.size),
            _ => Producer::Unknown,
        }
    }
}

impl<'a> Lower<'a> {
    /// Lowers a block. `page` holds the bytes of the page that it is in, if it may be looked at further.
    pub fn block(
        start: u64,
        code: &'a [Instruction],
        alone: bool,
        page: Option<&[u8; PAGE_SIZE]>,
    ) -> Draft {
        let mut lower = Lower {
            ops: Vec::with_capacity(code.len() * 2),
            origins: Vec::with_capacity(code.len() * 2),
            code,
            live: Vec::new(),
            at: 0,
            alone,
            next: [0; 2],
            origin: 0,
            producer: Producer::Unknown,
        };
        lower.live = lower.liveness(page.filter(|_| !alone));
        while lower.at < code.len() {
            let i = &code[lower.at];
            lower.origin = i.ip() as u16 & 0xfff;
            lower.at += 1;
            lower.instruction(i);
        }
        let ended = lower
            .ops
            .last()
            .is_some_and(|op| op.code.is_branch() || op.code.info().kind == Kind::Leave);
        if !ended {
            let next = code.last().map_or(start, |i| {
                if i.is_jmp_short_or_near() {
                    i.near_branch_target()
                } else {
                    i.next_ip()
                }
            });
            lower.jump(next);
        }
        if !alone {
            lower.join_sequences();
        }
        Draft {
            start,
            next: lower.next,
            count: code.len() as u16,
            ops: lower.ops,
            origins: lower.origins,
        }
    }

    /// Makes one op of two where there is a code for both.
    fn join_sequences(&mut self) {
        let mut at = 0;
        while at < self.ops.len() {
            match sequence(&self.ops[at..]) {
                Some((code, ops)) => {
                    self.ops[at].code = code;
                    at += ops;
                }
                None => at += 1,
            }
        }
    }

    fn liveness(&self, page: Option<&[u8; PAGE_SIZE]>) -> Vec<Set> {
        let mut live = match (self.code.last(), page) {
            (Some(last), Some(page)) => self.live_out(last, page),
            _ => liveness::ALL,
        };
        let mut after = vec![live; self.code.len()];
        for (n, i) in self.code.iter().enumerate().rev() {
            after[n] = live;
            let reads = if self.fuses(n) { 0 } else { liveness::reads(i) };
            live = (live & !liveness::kills(i)) | reads;
        }
        after
    }

    fn instruction(&mut self, i: &Instruction) {
        let done = self.control(i) || self.integer(i) || self.sse(i) || self.x87(i);
        if !done {
            self.raise(Raise::InvalidOpcode);
        }
    }

    /// What is live after the instruction being lowered.
    pub fn live_now(&self) -> Set {
        self.live[self.at - 1]
    }

    /// Whether the instruction being lowered has to set flags.
    pub fn flags(&self, i: &Instruction) -> Flags {
        if liveness::writes(i) & self.live_now() != 0 {
            Flags::All
        } else {
            Flags::None
        }
    }

    pub fn emit(&mut self, op: Op) {
        self.producer = Producer::after(self.producer, op.code);
        self.ops.push(op);
        self.origins.push(self.origin);
    }

    /// An op with two registers.
    pub fn rr(&mut self, code: Code, d: u8, s: u8) {
        self.emit(Op {
            d,
            s,
            ..Op::new(code)
        });
    }

    /// A helper with two registers and a size.
    pub fn sized(&mut self, code: Code, d: u8, s: u8, log2: u8) {
        self.emit(Op {
            d,
            s,
            x: log2,
            ..Op::new(code)
        });
    }

    /// An op found by kind, size and form; there must be one.
    pub fn kind(&mut self, kind: Kind, size: Size, form: Form, d: u8, s: u8) {
        if let Some(code) = pick(kind, size, form, Flags::None) {
            self.rr(code, d, s);
        } else {
            self.raise(Raise::InvalidOpcode);
        }
    }

    pub fn wide(&mut self, d: u8, value: u64) {
        let mut op = Op {
            d,
            ..Op::new(Code::MovWide)
        };
        op.set_wide(value);
        self.emit(op);
    }

    /// Ends the block by stopping the guest.
    pub fn raise(&mut self, why: Raise) {
        self.emit(Op {
            x: why as u8,
            ..Op::new(Code::Raise)
        });
        self.at = self.code.len();
    }

    // Memory operands

    /// The memory operand, in terms that every op understands: an absolute address goes through `T1`.
    pub fn ea(&mut self, i: &Instruction) -> Ea {
        let ea = self.ea_or_absolute(i);
        match ea.absolute {
            None => ea,
            Some(addr) => {
                self.wide(T1, addr);
                Ea {
                    base: T1,
                    absolute: None,
                    ..ea
                }
            }
        }
    }

    /// The memory operand; it may be absolute.
    pub fn ea_or_absolute(&mut self, i: &Instruction) -> Ea {
        let segment = match i.memory_segment() {
            Register::FS => reg::FS as u8,
            Register::GS => reg::GS as u8,
            _ => ZERO,
        };
        let plain = Ea {
            base: ZERO,
            index: ZERO,
            scale: 0,
            disp: 0,
            absolute: None,
        };
        let (base, index) = (i.memory_base(), i.memory_index());
        let mut ea = if base == Register::RIP || base == Register::EIP {
            absolute(i.ip_rel_memory_address(), plain)
        } else {
            let narrow = base.is_gpr32() || index.is_gpr32();
            let ea = match i32::try_from(i.memory_displacement64() as i64) {
                Ok(disp) => Ea {
                    base: number(base),
                    index: number(index),
                    scale: i.memory_index_scale().trailing_zeros() as u8,
                    disp,
                    absolute: None,
                },
                // Only an address without registers can have more than 32 bits, or 32 that aren't sign-extended.
                Err(_) => absolute(i.memory_displacement64(), plain),
            };
            if narrow {
                let ea = self.through_t1(ea, Code::Lea32Rm);
                if segment != ZERO {
                    Ea {
                        index: segment,
                        ..ea
                    }
                } else {
                    ea
                }
            } else {
                ea
            }
        };
        if segment != ZERO && ea.index != segment {
            if let Some(addr) = ea.absolute {
                self.wide(T1, addr);
                ea = Ea { base: T1, ..plain };
            } else if ea.index != ZERO && ea.base != ZERO {
                ea = self.through_t1(ea, Code::Lea64Rm);
            }
            if ea.index == ZERO {
                ea = Ea {
                    index: segment,
                    scale: 0,
                    ..ea
                };
            } else {
                ea.base = segment;
            }
        }
        ea
    }

    fn through_t1(&mut self, ea: Ea, lea: Code) -> Ea {
        if let Some(addr) = ea.absolute {
            self.wide(T1, addr);
        } else {
            self.emit(with_ea(
                Op {
                    d: T1,
                    ..Op::new(lea)
                },
                ea,
            ));
        }
        Ea {
            base: T1,
            index: ZERO,
            scale: 0,
            disp: 0,
            absolute: None,
        }
    }

    /// Puts the operand's address into `T1`.
    pub fn address(&mut self, i: &Instruction) {
        let ea = self.ea_or_absolute(i);
        self.through_t1(ea, Code::Lea64Rm);
    }

    /// Loads from memory, extending by zeros.
    pub fn load(&mut self, i: &Instruction, size: Size, d: u8) {
        let ea = self.ea_or_absolute(i);
        self.load_ea(ea, size, d);
    }

    pub fn load_ea(&mut self, ea: Ea, size: Size, d: u8) {
        self.access(
            Kind::Load,
            [Form::Ra, Form::Rb, Form::Rm],
            ea,
            size,
            d,
            ZERO,
        );
    }

    /// Stores to memory.
    pub fn store(&mut self, i: &Instruction, size: Size, s: u8) {
        let ea = self.ea_or_absolute(i);
        self.store_ea(ea, size, s);
    }

    pub fn store_ea(&mut self, ea: Ea, size: Size, s: u8) {
        self.access(
            Kind::Store,
            [Form::Ar, Form::Br, Form::Mr],
            ea,
            size,
            ZERO,
            s,
        );
    }

    fn access(
        &mut self,
        kind: Kind,
        [absolute, based, general]: [Form; 3],
        mut ea: Ea,
        size: Size,
        d: u8,
        s: u8,
    ) {
        if let Some(addr) = ea.absolute {
            if let Some(code) = pick(kind, size, absolute, Flags::None) {
                let mut op = Op {
                    d,
                    s,
                    ..Op::new(code)
                };
                op.set_wide(addr);
                return self.emit(op);
            }
            self.wide(T1, addr);
            ea = Ea {
                base: T1,
                absolute: None,
                ..ea
            };
        }
        let simple = pick(kind, size, based, Flags::None).filter(|_| ea.index == ZERO);
        if let Some(code) = simple.or_else(|| pick(kind, size, general, Flags::None)) {
            self.emit(with_ea(
                Op {
                    d,
                    s,
                    ..Op::new(code)
                },
                ea,
            ));
        }
    }

    // Integer operands

    /// Operand `n` as a source; one in memory is loaded into `T0`, a high byte is moved there.
    pub fn source(&mut self, i: &Instruction, n: u32, size: Size) -> Source {
        match i.op_kind(n) {
            OpKind::Memory => {
                self.load(i, size, T0);
                Source::Reg(T0)
            }
            OpKind::Register => Source::Reg(self.low(i.op_register(n), T0)),
            _ => Source::Imm(i.immediate(n) as i32),
        }
    }

    /// The same, always in a register.
    pub fn source_reg(&mut self, i: &Instruction, n: u32, size: Size) -> u8 {
        match self.source(i, n, size) {
            Source::Reg(r) => r,
            Source::Imm(value) => {
                self.wide(T0, i64::from(value) as u64);
                T0
            }
        }
    }

    /// The number of a register; a high byte is moved into `temp` first.
    pub fn low(&mut self, register: Register, temp: u8) -> u8 {
        if is_high(register) {
            self.rr(Code::ExtractHigh, temp, number(register));
            temp
        } else {
            number(register)
        }
    }

    /// Runs `change` on operand 0 as a register: its own, or `T2` if it is in memory or a high byte.
    pub fn modify(&mut self, i: &Instruction, size: Size, change: impl FnOnce(&mut Self, u8)) {
        if i.op0_kind() == OpKind::Memory {
            let ea = self.ea(i);
            if let Some(code) = pick(Kind::LoadForWrite, size, Form::Rm, Flags::None) {
                self.emit(with_ea(
                    Op {
                        d: T2,
                        ..Op::new(code)
                    },
                    ea,
                ));
            }
            change(self, T2);
            self.store_ea(ea, size, T2);
        } else if is_high(i.op0_register()) {
            self.low(i.op0_register(), T2);
            change(self, T2);
            self.rr(Code::InsertHigh, number(i.op0_register()), T2);
        } else {
            change(self, number(i.op0_register()));
        }
    }

    /// As `modify`, for a change that may write registers that the operand's address depends on.
    pub fn modify_fixed(
        &mut self,
        i: &Instruction,
        size: Size,
        change: impl FnOnce(&mut Self, u8),
    ) {
        if i.op0_kind() != OpKind::Memory {
            return self.modify(i, size, change);
        }
        self.address(i);
        let ea = Ea {
            base: T1,
            index: ZERO,
            scale: 0,
            disp: 0,
            absolute: None,
        };
        if let Some(code) = pick(Kind::LoadForWrite, size, Form::Rm, Flags::None) {
            self.emit(with_ea(
                Op {
                    d: T2,
                    ..Op::new(code)
                },
                ea,
            ));
        }
        change(self, T2);
        self.store_ea(ea, size, T2);
    }

    /// Writes register `s` to operand 0.
    pub fn write_back(&mut self, i: &Instruction, size: Size, s: u8) {
        if i.op0_kind() == OpKind::Memory {
            self.store(i, size, s);
        } else if is_high(i.op0_register()) {
            self.rr(Code::InsertHigh, number(i.op0_register()), s);
        } else {
            self.kind(Kind::Mov, size, Form::Rr, number(i.op0_register()), s);
        }
    }
}

/// Why a `Raise` op stops the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Raise {
    InvalidOpcode,
    GeneralProtection,
    Breakpoint,
    Trap,
}

impl Raise {
    /// The exit that the number in an op's `x` stands for.
    pub fn exit(x: u8) -> Exit {
        const BREAKPOINT: u8 = Raise::Breakpoint as u8;
        const TRAP: u8 = Raise::Trap as u8;
        const PROTECTION: u8 = Raise::GeneralProtection as u8;
        match x {
            BREAKPOINT => Exit::Breakpoint,
            TRAP => Exit::Trap,
            PROTECTION => Exit::GeneralProtection,
            _ => Exit::InvalidOpcode,
        }
    }
}

fn absolute(addr: u64, plain: Ea) -> Ea {
    match i32::try_from(addr as i64) {
        Ok(disp) => Ea { disp, ..plain },
        Err(_) => Ea {
            absolute: Some(addr),
            ..plain
        },
    }
}

pub fn with_ea(op: Op, ea: Ea) -> Op {
    Op {
        base: ea.base,
        index: ea.index,
        scale: ea.scale,
        disp: ea.disp,
        ..op
    }
}

pub fn is_high(register: Register) -> bool {
    matches!(
        register,
        Register::AH | Register::BH | Register::CH | Register::DH
    )
}

/// The number of a general register (of a high byte: that of the whole), `ZERO` for none.
pub fn number(register: Register) -> u8 {
    if register == Register::None {
        return ZERO;
    }
    let full = register.full_register();
    if full.is_gpr64() {
        full.number() as u8
    } else {
        ZERO
    }
}

/// The size of operand `n`.
pub fn operand_size(i: &Instruction, n: u32) -> Size {
    let bytes = match i.op_kind(n) {
        OpKind::Register => i.op_register(n).size(),
        OpKind::Memory => i.memory_size().size(),
        _ => operand_bytes(i),
    };
    size_of_bytes(bytes)
}

fn operand_bytes(i: &Instruction) -> usize {
    if i.op0_kind() == OpKind::Register {
        i.op0_register().size()
    } else {
        i.memory_size().size()
    }
}

pub fn size_of_bytes(bytes: usize) -> Size {
    match bytes {
        1 => Size::B8,
        2 => Size::B16,
        4 => Size::B32,
        _ => Size::B64,
    }
}
