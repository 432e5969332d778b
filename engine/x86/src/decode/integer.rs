//! Moves and integer arithmetic.

use super::control::cc;
use super::liveness::CARRY;
use super::lower::{
    Ea, Lower, Raise, Source, T0, T1, T2, T3, ZERO, is_high, number, operand_size, size_of_bytes,
    with_ea,
};
use crate::cpu::reg;
use crate::ops::{Code, Flags, Form, Kind, Op, Size, pick};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

/// An operation with two operands, by the table or by helpers for a register and an immediate source.
#[derive(Clone, Copy)]
enum Binary {
    Table(Kind),
    Helper(Code, Code),
}

impl Lower<'_> {
    pub fn integer(&mut self, i: &Instruction) -> bool {
        use Mnemonic as M;
        match i.mnemonic() {
            M::Mov => self.mov(i),
            M::Movzx => self.extend(i, Kind::Movzx, Kind::Load),
            M::Movsx | M::Movsxd => self.extend_signed(i),
            M::Movnti => {
                let size = operand_size(i, 1);
                self.store(i, size, number(i.op1_register()));
            }
            M::Lea => self.lea(i),
            M::Add => self.binary(i, Binary::Table(Kind::Add)),
            M::Sub => self.binary(i, Binary::Table(Kind::Sub)),
            M::And => self.binary(i, Binary::Table(Kind::And)),
            M::Or => self.binary(i, Binary::Table(Kind::Or)),
            M::Xor
                if same_registers(i)
                    && self.flags(i) == Flags::None
                    && i.op0_register().size() >= 4 =>
            {
                self.wide(number(i.op0_register()), 0);
            }
            M::Xor => self.binary(i, Binary::Table(Kind::Xor)),
            M::Adc => self.binary(i, Binary::Helper(Code::AdcR, Code::AdcI)),
            M::Sbb => self.binary(i, Binary::Helper(Code::SbbR, Code::SbbI)),
            M::Cmp => self.compare(i, Kind::Cmp),
            M::Test => self.compare(i, Kind::Test),
            M::Inc => self.step(i, Kind::Add, Code::IncKeep),
            M::Dec => self.step(i, Kind::Sub, Code::DecKeep),
            M::Neg => self.unary(i, Kind::Neg),
            M::Not => self.unary(i, Kind::Not),
            M::Shl | M::Sal => self.shift(i, Some(Kind::Shl), Code::ShiftShl),
            M::Shr => self.shift(i, Some(Kind::Shr), Code::ShiftShr),
            M::Sar => self.shift(i, Some(Kind::Sar), Code::ShiftSar),
            M::Rol => self.shift(i, Some(Kind::Rol), Code::ShiftRol),
            M::Ror => self.shift(i, None, Code::ShiftRor),
            M::Rcl => self.shift(i, None, Code::ShiftRcl),
            M::Rcr => self.shift(i, None, Code::ShiftRcr),
            M::Shld => self.double_shift(i, Code::Shld),
            M::Shrd => self.double_shift(i, Code::Shrd),
            M::Mul => self.wide_arithmetic(i, Code::Mul),
            M::Imul if i.op_count() == 1 => self.wide_arithmetic(i, Code::ImulWide),
            M::Imul => self.imul(i),
            M::Div => self.wide_arithmetic(i, Code::Div),
            M::Idiv => self.wide_arithmetic(i, Code::Idiv),
            M::Cbw => self.sign_extend_ax(Size::B8, Size::B16),
            M::Cwde => self.sign_extend_ax(Size::B16, Size::B32),
            M::Cdqe => self.sign_extend_ax(Size::B32, Size::B64),
            M::Cwd => {
                let (rax, rdx) = (reg::RAX as u8, reg::RDX as u8);
                self.rr(Code::Movsx16To32Rr, T0, rax);
                self.emit(Op {
                    d: T0,
                    imm: 16,
                    ..Op::new(Code::Sar32Ri)
                });
                self.rr(Code::Mov16Rr, rdx, T0);
            }
            M::Cdq => self.emit(Op::new(Code::SignDx32)),
            M::Cqo => self.emit(Op::new(Code::SignDx64)),
            M::Bswap => match i.op0_register().size() {
                8 => self.rr(Code::Bswap64, number(i.op0_register()), ZERO),
                4 => self.rr(Code::Bswap32, number(i.op0_register()), ZERO),
                _ => {
                    self.wide(T0, 0);
                    self.rr(Code::Mov16Rr, number(i.op0_register()), T0);
                }
            },
            M::Xchg => self.exchange(i),
            M::Xadd => {
                let size = operand_size(i, 0);
                let s = i.op1_register();
                let low = self.low(s, T0);
                self.modify_fixed(i, size, |lower, d| {
                    lower.sized(Code::Xadd, d, low, log2(size));
                    if low == T0 {
                        lower.rr(Code::InsertHigh, number(s), T0);
                    }
                });
            }
            M::Cmpxchg => {
                let size = operand_size(i, 0);
                let s = self.low(i.op1_register(), T0);
                self.modify_fixed(i, size, |lower, d| {
                    lower.sized(Code::Cmpxchg, d, s, log2(size))
                });
            }
            M::Cmpxchg8b => self.with_memory(i, Code::Cmpxchg8b),
            M::Cmpxchg16b => self.with_memory(i, Code::Cmpxchg16b),
            M::Bt => self.bit_test(i, Code::Bt),
            M::Bts => self.bit_test(i, Code::Bts),
            M::Btr => self.bit_test(i, Code::Btr),
            M::Btc => self.bit_test(i, Code::Btc),
            M::Bsf => self.bit_scan(i, Code::Bsf),
            M::Bsr => self.bit_scan(i, Code::Bsr),
            M::Tzcnt => self.bit_scan(i, Code::Tzcnt),
            M::Lzcnt => self.bit_scan(i, Code::Lzcnt),
            M::Popcnt => self.bit_scan(i, Code::Popcnt),
            M::Lahf => self.emit(Op::new(Code::Lahf)),
            M::Sahf => self.emit(Op::new(Code::Sahf)),
            M::Clc => self.emit(Op::new(Code::Clc)),
            M::Stc => self.emit(Op::new(Code::Stc)),
            M::Cmc => self.emit(Op::new(Code::Cmc)),
            M::Cld => self.emit(Op::new(Code::Cld)),
            M::Std => self.emit(Op::new(Code::Std)),
            M::Pushfq => {
                self.rr(Code::GetFlags, T0, ZERO);
                self.rr(Code::Push64R, ZERO, T0);
            }
            M::Pushf => {
                self.rr(Code::GetFlags, T0, ZERO);
                self.rr(Code::Push16, ZERO, T0);
            }
            M::Popfq => {
                self.rr(Code::Pop64R, T0, ZERO);
                self.rr(Code::SetFlags, ZERO, T0);
                self.emit_next(Code::Refetch, i);
            }
            M::Popf => {
                self.rr(Code::GetFlags, T2, ZERO);
                self.rr(Code::Pop16, T2, ZERO);
                self.rr(Code::SetFlags, ZERO, T2);
                self.emit_next(Code::Refetch, i);
            }
            M::Leave => {
                let (rsp, rbp) = (reg::RSP as u8, reg::RBP as u8);
                let (size, bytes) = if i.code() == iced_x86::Code::Leavew {
                    (Size::B16, 2)
                } else {
                    (Size::B64, 8)
                };
                let frame = Ea {
                    base: rbp,
                    index: ZERO,
                    scale: 0,
                    disp: 0,
                    absolute: None,
                };
                self.load_ea(frame, size, T0);
                self.emit(Op {
                    d: rsp,
                    base: rbp,
                    disp: bytes,
                    ..Op::new(Code::Lea64Rb)
                });
                self.kind(Kind::Mov, size, Form::Rr, rbp, T0);
            }
            M::Enter => {
                self.emit(Op {
                    disp: i32::from(i.immediate16()),
                    imm: i32::from(i.immediate8_2nd()),
                    ..Op::new(Code::Enter)
                });
            }
            M::Xlatb => {
                let segment = segment(i);
                self.rr(Code::Movzx8Rr, T0, reg::RAX as u8);
                self.emit(Op {
                    d: T1,
                    base: reg::RBX as u8,
                    index: T0,
                    ..Op::new(Code::Lea64Rm)
                });
                self.emit(Op {
                    d: T0,
                    base: T1,
                    index: segment,
                    ..Op::new(Code::Load8Rm)
                });
                self.rr(Code::Mov8Rr, reg::RAX as u8, T0);
            }
            M::Cpuid => self.emit(Op::new(Code::Cpuid)),
            M::Rdtsc => self.emit(Op::new(Code::Rdtsc)),
            M::Rdtscp => self.emit(Op::new(Code::Rdtscp)),
            M::Rdpid => self.rr(Code::Rdpid, number(i.op0_register()), ZERO),
            M::Movbe => {
                let size = operand_size(i, 0);
                if i.op0_kind() == OpKind::Memory {
                    self.sized(Code::Movbe, T0, number(i.op1_register()), log2(size));
                    self.store(i, size, T0);
                } else {
                    self.load(i, size, T0);
                    self.sized(Code::Movbe, number(i.op0_register()), T0, log2(size));
                }
            }
            M::Crc32 => {
                let size = operand_size(i, 1);
                let s = self.source_reg(i, 1, size);
                self.sized(Code::Crc32, number(i.op0_register()), s, log2(size));
            }
            M::Movsb | M::Movsw | M::Movsq => self.string(i, Code::Movs),
            M::Movsd if i.op0_kind() != OpKind::Register && i.op1_kind() != OpKind::Register => {
                self.string(i, Code::Movs);
            }
            M::Stosb | M::Stosw | M::Stosd | M::Stosq => self.string(i, Code::Stos),
            M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq => self.string(i, Code::Lods),
            M::Scasb | M::Scasw | M::Scasd | M::Scasq => self.string(i, Code::Scas),
            M::Cmpsb | M::Cmpsw | M::Cmpsq => self.string(i, Code::Cmps),
            M::Cmpsd if is_string(i) => self.string(i, Code::Cmps),
            M::Nop
            | M::Endbr64
            | M::Endbr32
            | M::Pause
            | M::Prefetch
            | M::Prefetchnta
            | M::Prefetcht0
            | M::Prefetcht1
            | M::Prefetcht2
            | M::Prefetchw
            | M::Lfence
            | M::Mfence
            | M::Sfence
            | M::Clflush
            | M::Cldemote
            | M::Reservednop => {}
            _ if is_setcc(i) => {
                self.emit(Op {
                    d: T0,
                    x: cc(i),
                    ..Op::new(Code::Set8)
                });
                self.finish_setcc(i);
            }
            _ if is_cmov(i) => self.cmov(i),
            _ => return false,
        }
        true
    }

    fn mov(&mut self, i: &Instruction) {
        let (to, from) = (i.op0_kind(), i.op1_kind());
        let odd = |r: Register| r.is_segment_register() || r.is_cr() || r.is_dr() || r.is_tr();
        if to == OpKind::Register && odd(i.op0_register())
            || from == OpKind::Register && odd(i.op1_register())
        {
            return self.mov_segment(i);
        }
        let size = operand_size(i, 0);
        match (to, from) {
            (OpKind::Register, OpKind::Memory) if size == Size::B32 || size == Size::B64 => {
                self.load(i, size, number(i.op0_register()));
            }
            (OpKind::Register, OpKind::Memory) if is_high(i.op0_register()) => {
                self.load(i, size, T0);
                self.write_back(i, size, T0);
            }
            (OpKind::Register, OpKind::Memory) => {
                let ea = self.ea(i);
                if let Some(code) = pick(Kind::LoadLow, size, Form::Rm, Flags::None) {
                    self.emit(with_ea(
                        Op {
                            d: number(i.op0_register()),
                            ..Op::new(code)
                        },
                        ea,
                    ));
                }
            }
            (OpKind::Register, OpKind::Register) => {
                let s = self.low(i.op1_register(), T0);
                self.write_back(i, size, s);
            }
            (OpKind::Memory, OpKind::Register) => {
                let s = self.low(i.op1_register(), T0);
                self.store(i, size, s);
            }
            (OpKind::Memory, _) => {
                let ea = self.ea(i);
                if let Some(code) = pick(Kind::Store, size, Form::Mi, Flags::None) {
                    self.emit(with_ea(
                        Op {
                            imm: i.immediate(1) as i32,
                            ..Op::new(code)
                        },
                        ea,
                    ));
                }
            }
            _ => {
                let value = i.immediate(1);
                match size {
                    Size::B64 => self.wide(number(i.op0_register()), value),
                    Size::B32 => self.wide(number(i.op0_register()), value & 0xffff_ffff),
                    _ => {
                        self.wide(T0, value);
                        self.write_back(i, size, T0);
                    }
                }
            }
        }
    }

    /// The data segments' selectors read as zero, cs and ss as Linux's; only null ones may be loaded, which has no
    /// effect that user mode sees but for fs and gs, which Linux programs set through arch_prctl.
    fn mov_segment(&mut self, i: &Instruction) {
        if i.op1_kind() == OpKind::Register && i.op1_register().is_segment_register() {
            let value = match i.op1_register() {
                Register::CS => 0x33,
                Register::SS => 0x2b,
                _ => 0,
            };
            self.wide(T0, value);
            let size = if i.op0_kind() == OpKind::Memory {
                Size::B16
            } else {
                operand_size(i, 0)
            };
            self.write_back(i, size, T0);
        } else {
            self.raise(Raise::GeneralProtection);
        }
    }

    fn extend(&mut self, i: &Instruction, kind: Kind, load: Kind) {
        let size = operand_size(i, 1);
        let (d, wide) = (number(i.op0_register()), operand_size(i, 0) != Size::B16);
        let target = if wide { d } else { T0 };
        if i.op1_kind() == OpKind::Memory {
            debug_assert!(load == Kind::Load);
            self.load(i, size, target);
        } else {
            let s = self.low(i.op1_register(), T0);
            self.kind(kind, size, Form::Rr, target, s);
        }
        if !wide {
            self.rr(Code::Mov16Rr, d, T0);
        }
    }

    fn extend_signed(&mut self, i: &Instruction) {
        let (from, to) = (operand_size(i, 1), operand_size(i, 0));
        let d = number(i.op0_register());
        if from == to {
            // movsxd without REX.W is a plain move.
            let s = self.source_reg(i, 1, from);
            return self.kind(Kind::Mov, to, Form::Rr, d, s);
        }
        let target = if to == Size::B16 { T0 } else { d };
        let (load, mov) = if to == Size::B64 {
            (Kind::LoadSx64, Kind::Movsx64)
        } else {
            (Kind::LoadSx32, Kind::Movsx32)
        };
        if i.op1_kind() == OpKind::Memory {
            let ea = self.ea(i);
            if let Some(code) = pick(load, from, Form::Rm, Flags::None) {
                self.emit(with_ea(
                    Op {
                        d: target,
                        ..Op::new(code)
                    },
                    ea,
                ));
            }
        } else {
            let s = self.low(i.op1_register(), T0);
            self.kind(mov, from, Form::Rr, target, s);
        }
        if to == Size::B16 {
            self.rr(Code::Mov16Rr, d, T0);
        }
    }

    fn sign_extend_ax(&mut self, from: Size, to: Size) {
        let rax = reg::RAX as u8;
        match (from, to) {
            (Size::B8, _) => {
                self.rr(Code::Movsx8To32Rr, T0, rax);
                self.rr(Code::Mov16Rr, rax, T0);
            }
            (Size::B16, _) => self.rr(Code::Movsx16To32Rr, rax, rax),
            _ => self.rr(Code::Movsx32To64Rr, rax, rax),
        }
    }

    fn lea(&mut self, i: &Instruction) {
        // lea ignores segments.
        let mut plain = *i;
        plain.set_segment_prefix(Register::None);
        let ea = self.ea_or_absolute(&plain);
        let size = operand_size(i, 0);
        let d = number(i.op0_register());
        let target = if size == Size::B16 { T0 } else { d };
        if let Some(addr) = ea.absolute {
            self.wide(
                target,
                if size == Size::B32 {
                    addr & 0xffff_ffff
                } else {
                    addr
                },
            );
        } else {
            let code = match size {
                Size::B32 => Code::Lea32Rm,
                _ if ea.index == ZERO => Code::Lea64Rb,
                _ => Code::Lea64Rm,
            };
            self.emit(with_ea(
                Op {
                    d: target,
                    ..Op::new(code)
                },
                ea,
            ));
        }
        if size == Size::B16 {
            self.rr(Code::Mov16Rr, d, T0);
        }
    }

    fn binary(&mut self, i: &Instruction, operation: Binary) {
        let size = operand_size(i, 0);
        let flags = self.flags(i);
        if let Binary::Table(kind) = operation {
            let form = match (i.op0_kind(), i.op1_kind()) {
                (OpKind::Register, OpKind::Memory) => Some(Form::Rm),
                (OpKind::Memory, OpKind::Register) => Some(Form::Mr),
                (OpKind::Memory, _) => Some(Form::Mi),
                _ => None,
            };
            if let Some(code) = form.and_then(|form| pick(kind, size, form, flags)) {
                let ea = self.ea(i);
                let mut op = with_ea(Op::new(code), ea);
                match form {
                    Some(Form::Rm) => op.d = number(i.op0_register()),
                    Some(Form::Mr) => op.s = number(i.op1_register()),
                    _ => op.imm = i.immediate(1) as i32,
                }
                return self.emit(op);
            }
        }
        let source = self.source(i, 1, size);
        self.modify(i, size, |lower, d| {
            lower.apply(operation, size, flags, d, source)
        });
    }

    fn apply(&mut self, operation: Binary, size: Size, flags: Flags, d: u8, source: Source) {
        let (form, s, imm) = match source {
            Source::Reg(s) => (Form::Rr, s, 0),
            Source::Imm(imm) => (Form::Ri, ZERO, imm),
        };
        let code = match operation {
            Binary::Table(kind) => pick(kind, size, form, flags),
            Binary::Helper(register, immediate) => Some(if form == Form::Rr {
                register
            } else {
                immediate
            }),
        };
        match code {
            Some(code) => self.emit(Op {
                d,
                s,
                imm,
                x: log2(size),
                ..Op::new(code)
            }),
            None => self.raise(Raise::InvalidOpcode),
        }
    }

    /// cmp and test: operand 0 is only read.
    fn compare(&mut self, i: &Instruction, kind: Kind) {
        let size = operand_size(i, 0);
        let d = if i.op0_kind() == OpKind::Memory {
            self.load(i, size, T2);
            T2
        } else {
            self.low(i.op0_register(), T2)
        };
        let source = self.source(i, 1, size);
        self.apply(Binary::Table(kind), size, Flags::All, d, source);
    }

    /// inc and dec, which keep the carry flag if anyone reads it.
    fn step(&mut self, i: &Instruction, kind: Kind, keep: Code) {
        let size = operand_size(i, 0);
        let flags = self.flags(i);
        // Only in registers of 32 and 64 bits is there an addition that leaves the flags alone.
        let leaves = flags == Flags::None
            && i.op0_kind() == OpKind::Register
            && size as u8 >= Size::B32 as u8;
        let operation = if self.live_now() & CARRY != 0 && !leaves {
            Binary::Helper(keep, keep)
        } else {
            Binary::Table(kind)
        };
        if let (OpKind::Memory, Binary::Table(kind)) = (i.op0_kind(), operation)
            && let Some(code) = pick(kind, size, Form::Mi, flags)
        {
            let ea = self.ea(i);
            return self.emit(with_ea(
                Op {
                    imm: 1,
                    ..Op::new(code)
                },
                ea,
            ));
        }
        self.modify(i, size, |lower, d| {
            lower.apply(operation, size, flags, d, Source::Imm(1))
        });
    }

    fn unary(&mut self, i: &Instruction, kind: Kind) {
        let size = operand_size(i, 0);
        self.modify(i, size, |lower, d| {
            match (kind, pick(kind, size, Form::R, Flags::None)) {
                (_, Some(code)) => lower.rr(code, d, ZERO),
                (Kind::Not, None) => {
                    lower.rr(Code::Mov64Rr, T3, d);
                    lower.rr(Code::Not64, T3, ZERO);
                    lower.kind(Kind::Mov, size, Form::Rr, d, T3);
                }
                _ => {
                    // 0 - d, in a register of its own.
                    lower.wide(T3, 0);
                    lower.apply(
                        Binary::Table(Kind::Sub),
                        size,
                        Flags::All,
                        T3,
                        Source::Reg(d),
                    );
                    lower.kind(Kind::Mov, size, Form::Rr, d, T3);
                }
            }
        });
    }

    fn shift(&mut self, i: &Instruction, kind: Option<Kind>, helper: Code) {
        let size = operand_size(i, 0);
        let flags = self.flags(i);
        let mask = if size == Size::B64 { 63 } else { 31 };
        let count = if i.op1_kind() == OpKind::Register {
            None
        } else {
            Some(i.immediate(1) as i32 & mask)
        };
        self.modify(i, size, |lower, d| {
            let (form, s, imm) = match count {
                None => (Form::Rr, reg::RCX as u8, 0),
                Some(n) => (Form::Ri, ZERO, n),
            };
            let kind = if count == Some(0) {
                Some(Kind::Mov)
            } else {
                kind
            };
            let code = match kind {
                Some(Kind::Mov) => return lower.kind(Kind::Mov, size, Form::Rr, d, d),
                Some(kind) => pick(kind, size, form, flags),
                None if helper == Code::ShiftRor && form == Form::Ri && flags == Flags::None => {
                    if let Some(code) = pick(Kind::Rol, size, form, flags) {
                        return lower.emit(Op {
                            d,
                            imm: mask + 1 - imm,
                            ..Op::new(code)
                        });
                    }
                    None
                }
                None => None,
            };
            lower.emit(Op {
                d,
                s,
                imm,
                x: log2(size),
                ..Op::new(code.unwrap_or(helper))
            });
        });
    }

    fn double_shift(&mut self, i: &Instruction, helper: Code) {
        let size = operand_size(i, 0);
        let s = number(i.op1_register());
        let (index, imm) = match i.op2_kind() {
            OpKind::Register => (reg::RCX as u8, 0),
            _ => (ZERO, i.immediate(2) as i32),
        };
        self.modify(i, size, |lower, d| {
            lower.emit(Op {
                d,
                s,
                index,
                imm,
                x: log2(size),
                ..Op::new(helper)
            });
        });
    }

    /// mul, imul, div and idiv with one operand and the implicit rdx:rax.
    fn wide_arithmetic(&mut self, i: &Instruction, helper: Code) {
        let size = operand_size(i, 0);
        let s = self.source_reg(i, 0, size);
        self.sized(helper, ZERO, s, log2(size));
    }

    fn imul(&mut self, i: &Instruction) {
        let size = operand_size(i, 0);
        let flags = self.flags(i);
        let d = number(i.op0_register());
        let s = self.source_reg(i, 1, size);
        let (form, helper, imm) = if i.op_count() == 3 {
            (Form::Rri, Code::ImulI, i.immediate(2) as i32)
        } else {
            (Form::Rr, Code::ImulR, 0)
        };
        let code = pick(Kind::Imul, size, form, flags).unwrap_or(helper);
        self.emit(Op {
            d,
            s,
            imm,
            x: log2(size),
            ..Op::new(code)
        });
    }

    fn exchange(&mut self, i: &Instruction) {
        let size = operand_size(i, 0);
        if i.op0_kind() == OpKind::Memory || i.op1_kind() == OpKind::Memory {
            let ea = self.ea(i);
            let r = if i.op0_kind() == OpKind::Memory {
                i.op1_register()
            } else {
                i.op0_register()
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
            let s = self.low(r, T0);
            self.store_ea(ea, size, s);
            self.write_register(r, size, T2);
        } else {
            let (a, b) = (i.op0_register(), i.op1_register());
            let low_a = self.low(a, T2);
            self.rr(Code::Mov64Rr, T2, low_a);
            let low_b = self.low(b, T0);
            self.write_register(a, size, low_b);
            self.write_register(b, size, T2);
        }
    }

    fn write_register(&mut self, r: Register, size: Size, s: u8) {
        if super::lower::is_high(r) {
            self.rr(Code::InsertHigh, number(r), s);
        } else {
            self.kind(Kind::Mov, size, Form::Rr, number(r), s);
        }
    }

    fn bit_test(&mut self, i: &Instruction, helper: Code) {
        let size = operand_size(i, 0);
        let (s, imm) = match i.op1_kind() {
            OpKind::Register => (number(i.op1_register()), 0),
            _ => (ZERO, i.immediate(1) as i32),
        };
        let op = Op {
            s,
            imm,
            x: log2(size),
            ..Op::new(helper)
        };
        if i.op0_kind() == OpKind::Memory && s != ZERO {
            // The register addresses a bit anywhere around the operand.
            self.address(i);
            self.sized(Code::BitAddress, T1, s, log2(size));
            let kind = if helper == Code::Bt {
                Kind::Load
            } else {
                Kind::LoadForWrite
            };
            if let Some(code) = pick(kind, size, Form::Rm, Flags::None) {
                self.emit(Op {
                    d: T2,
                    base: T1,
                    ..Op::new(code)
                });
            }
            self.emit(Op { d: T2, ..op });
            if helper != Code::Bt {
                let ea = super::lower::Ea {
                    base: T1,
                    index: ZERO,
                    scale: 0,
                    disp: 0,
                    absolute: None,
                };
                self.store_ea(ea, size, T2);
            }
        } else if helper == Code::Bt {
            let d = self.source_reg(i, 0, size);
            self.emit(Op { d, ..op });
        } else {
            self.modify(i, size, |lower, d| lower.emit(Op { d, ..op }));
        }
    }

    fn bit_scan(&mut self, i: &Instruction, helper: Code) {
        let size = operand_size(i, 0);
        let s = self.source_reg(i, 1, size);
        self.sized(helper, number(i.op0_register()), s, log2(size));
    }

    /// A helper that takes its memory operand itself.
    pub fn with_memory(&mut self, i: &Instruction, helper: Code) {
        let ea = self.ea(i);
        self.emit(with_ea(Op::new(helper), ea));
    }

    fn finish_setcc(&mut self, i: &Instruction) {
        self.write_back(i, Size::B8, T0);
    }

    fn cmov(&mut self, i: &Instruction) {
        let size = operand_size(i, 0);
        let d = number(i.op0_register());
        let s = self.source_reg(i, 1, size);
        let code = match size {
            Size::B64 => Code::Cmov64,
            Size::B32 => Code::Cmov32,
            _ => {
                self.rr(Code::Mov64Rr, T2, d);
                self.emit(Op {
                    d: T2,
                    s,
                    x: cc(i),
                    ..Op::new(Code::Cmov64)
                });
                return self.rr(Code::Mov16Rr, d, T2);
            }
        };
        self.emit(Op {
            d,
            s,
            x: cc(i),
            ..Op::new(code)
        });
    }

    /// A string instruction: `x` is the size, `d` the repetition (0 none, 1 rep or repe, 2 repne), `s` is 1 for 32-bit
    /// addresses, `base` the source's segment.
    fn string(&mut self, i: &Instruction, helper: Code) {
        let bytes = i.memory_size().size();
        let repeat = if i.has_repne_prefix() {
            2
        } else {
            u8::from(i.has_rep_prefix())
        };
        let narrow = (0..i.op_count()).any(|n| {
            matches!(
                i.op_kind(n),
                OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI
            )
        });
        self.emit(Op {
            d: repeat,
            s: u8::from(narrow),
            base: segment(i),
            x: log2(size_of_bytes(bytes)),
            ..Op::new(helper)
        });
    }
}

fn segment(i: &Instruction) -> u8 {
    match i.segment_prefix() {
        Register::FS => reg::FS as u8,
        Register::GS => reg::GS as u8,
        _ => ZERO,
    }
}

pub fn log2(size: Size) -> u8 {
    size as u8
}

fn same_registers(i: &Instruction) -> bool {
    i.op0_kind() == OpKind::Register
        && i.op1_kind() == OpKind::Register
        && i.op0_register() == i.op1_register()
}

fn is_string(i: &Instruction) -> bool {
    matches!(i.op0_kind(), OpKind::MemorySegRSI | OpKind::MemorySegESI)
}

fn is_setcc(i: &Instruction) -> bool {
    (Mnemonic::Seta as u16..=Mnemonic::Sets as u16).contains(&(i.mnemonic() as u16))
        && i.op_count() == 1
        && i.condition_code() as u8 != 0
}

fn is_cmov(i: &Instruction) -> bool {
    (Mnemonic::Cmova as u16..=Mnemonic::Cmovs as u16).contains(&(i.mnemonic() as u16))
}
