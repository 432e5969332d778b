//! Shifts, rotations, single bits.

use super::super::lower::{Ea, Lower, T1, T2, ZERO, number, operand_size};
use super::log2;
use crate::cpu::reg;
use crate::ops::{Code, Flags, Form, Kind, Op, Size, pick};
use iced_x86::{Instruction, OpKind};

impl Lower<'_> {
    pub(super) fn shift(&mut self, i: &Instruction, kind: Option<Kind>, helper: Code) {
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

    pub(super) fn double_shift(&mut self, i: &Instruction, helper: Code) {
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

    pub(super) fn bit_test(&mut self, i: &Instruction, helper: Code) {
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
                let ea = Ea {
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

    pub(super) fn bit_scan(&mut self, i: &Instruction, helper: Code) {
        let size = operand_size(i, 0);
        let s = self.source_reg(i, 1, size);
        self.sized(helper, number(i.op0_register()), s, log2(size));
    }
}
