//! Sums, products, comparisons.

use super::super::liveness::CARRY;
use super::super::lower::{Lower, Raise, Source, T2, T3, ZERO, number, operand_size, with_ea};
use super::{Binary, log2};
use crate::ops::{Code, Flags, Form, Kind, Op, Size, pick};
use iced_x86::{Instruction, OpKind};

impl Lower<'_> {
    pub(super) fn binary(&mut self, i: &Instruction, operation: Binary) {
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

    pub(super) fn apply(
        &mut self,
        operation: Binary,
        size: Size,
        flags: Flags,
        d: u8,
        source: Source,
    ) {
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
    pub(super) fn compare(&mut self, i: &Instruction, kind: Kind) {
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
    pub(super) fn step(&mut self, i: &Instruction, kind: Kind, keep: Code) {
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

    pub(super) fn unary(&mut self, i: &Instruction, kind: Kind) {
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

    /// mul, imul, div and idiv with one operand and the implicit rdx:rax.
    pub(super) fn wide_arithmetic(&mut self, i: &Instruction, helper: Code) {
        let size = operand_size(i, 0);
        let s = self.source_reg(i, 0, size);
        self.sized(helper, ZERO, s, log2(size));
    }

    pub(super) fn imul(&mut self, i: &Instruction) {
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
}
