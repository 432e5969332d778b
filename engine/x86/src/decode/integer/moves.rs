//! Moves, extensions, addresses, exchanges.

use super::super::control::cc;
use super::super::lower::{Lower, Raise, T0, T2, ZERO, is_high, number, operand_size, with_ea};
use crate::cpu::reg;
use crate::ops::{Code, Flags, Form, Kind, Op, Size, pick};
use iced_x86::{Instruction, OpKind, Register};

impl Lower<'_> {
    pub(super) fn mov(&mut self, i: &Instruction) {
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
    pub(super) fn mov_segment(&mut self, i: &Instruction) {
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

    pub(super) fn extend(&mut self, i: &Instruction, kind: Kind, load: Kind) {
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

    pub(super) fn extend_signed(&mut self, i: &Instruction) {
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

    pub(super) fn sign_extend_ax(&mut self, from: Size, to: Size) {
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

    pub(super) fn lea(&mut self, i: &Instruction) {
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

    pub(super) fn exchange(&mut self, i: &Instruction) {
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

    pub(super) fn write_register(&mut self, r: Register, size: Size, s: u8) {
        if is_high(r) {
            self.rr(Code::InsertHigh, number(r), s);
        } else {
            self.kind(Kind::Mov, size, Form::Rr, number(r), s);
        }
    }

    pub(super) fn cmov(&mut self, i: &Instruction) {
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
}
