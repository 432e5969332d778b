//! Branches, calls, runs of pushes and pops, and what stops the guest.

use super::liveness::{self, Set};
use super::lower::{
    Lower, Producer, Raise, Source, T0, ZERO, is_high, number, operand_size, size_of_bytes, with_ea,
};
use crate::cpu::reg;
use crate::ops::{Code, Flags, Form, Kind, Op, Size, pick};
use bottleship_page::PAGE_SIZE;
use iced_x86::{ConditionCode, FlowControl, Instruction, Mnemonic, OpKind, Register};

/// The longest run of pushes or pops in one op.
const RUN: usize = 6;

impl Lower<'_> {
    pub fn control(&mut self, i: &Instruction) -> bool {
        match i.mnemonic() {
            Mnemonic::Cmp | Mnemonic::Test if self.fuses(self.at) => return self.fused(i),
            Mnemonic::Jmp => self.jmp(i),
            Mnemonic::Call => self.call(i),
            Mnemonic::Ret => {
                if i.op_count() == 1 {
                    self.emit(Op {
                        imm: i32::from(i.immediate16()),
                        ..Op::new(Code::RetN)
                    });
                } else {
                    self.emit(Op::new(Code::Ret));
                }
            }
            Mnemonic::Syscall => self.emit_next(Code::Syscall, i),
            Mnemonic::Int3 => self.raise_after(Raise::Breakpoint, i),
            Mnemonic::Int1 => self.raise_after(Raise::Trap, i),
            Mnemonic::Int
            | Mnemonic::Hlt
            | Mnemonic::In
            | Mnemonic::Out
            | Mnemonic::Cli
            | Mnemonic::Sti => {
                self.raise(Raise::GeneralProtection);
            }
            Mnemonic::Insb
            | Mnemonic::Insd
            | Mnemonic::Insw
            | Mnemonic::Outsb
            | Mnemonic::Outsd
            | Mnemonic::Outsw => {
                self.raise(Raise::GeneralProtection);
            }
            Mnemonic::Ud0 | Mnemonic::Ud1 | Mnemonic::Ud2 | Mnemonic::INVALID => {
                self.raise(Raise::InvalidOpcode)
            }
            Mnemonic::Jrcxz => {
                self.next = [i.next_ip(), i.near_branch_target()];
                self.emit(Op {
                    s: reg::RCX as u8,
                    ..Op::new(Code::Jz64)
                });
            }
            Mnemonic::Jecxz => {
                self.next = [i.next_ip(), i.near_branch_target()];
                self.emit(Op {
                    s: reg::RCX as u8,
                    ..Op::new(Code::Jz32)
                });
            }
            Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne => self.loop_(i),
            Mnemonic::Push => return self.push(i),
            Mnemonic::Pop => return self.pop(i),
            _ if i.is_jcc_short_or_near() => self.jcc(i),
            _ => return false,
        }
        true
    }

    /// What is live where the block goes after its last instruction.
    pub fn live_out(&self, last: &Instruction, page: &[u8; PAGE_SIZE]) -> Set {
        let base = self.code.first().map_or(0, Instruction::ip);
        match last.flow_control() {
            FlowControl::ConditionalBranch => {
                liveness::at(page, base, last.near_branch_target())
                    | liveness::at(page, base, last.next_ip())
            }
            FlowControl::UnconditionalBranch => liveness::at(page, base, last.near_branch_target()),
            FlowControl::Next => liveness::at(page, base, last.next_ip()),
            _ => liveness::ALL,
        }
    }

    /// Whether instruction `n` becomes one op with its neighbour: a comparison with the branch after it, or a branch
    /// with the arithmetic before it, whose result it looks at. For a branch, that it doesn't read the flags then.
    pub fn fuses(&self, n: usize) -> bool {
        if self.alone {
            return false;
        }
        let Some(i) = self.code.get(n) else {
            return false;
        };
        if i.is_jcc_short_or_near() {
            return n > 0
                && (self.fused_kind(&self.code[n - 1], i).is_some()
                    || self.result_kind(&self.code[n - 1], i).is_some());
        }
        self.code
            .get(n + 1)
            .is_some_and(|jcc| self.fused_kind(i, jcc).is_some())
    }

    fn fused_kind(&self, i: &Instruction, jcc: &Instruction) -> Option<Kind> {
        if !jcc.is_jcc_short_or_near() {
            return None;
        }
        let kind = match (i.mnemonic(), cc(jcc) >> 1) {
            (Mnemonic::Cmp, 1) => Kind::CmpJB,
            (Mnemonic::Cmp, 2) => Kind::CmpJE,
            (Mnemonic::Cmp, 3) => Kind::CmpJBe,
            (Mnemonic::Cmp, 6) => Kind::CmpJL,
            (Mnemonic::Cmp, 7) => Kind::CmpJLe,
            (Mnemonic::Test, 2 | 3) => Kind::TestJE,
            (Mnemonic::Test, 4 | 6) => Kind::TestJS,
            (Mnemonic::Test, 7) => Kind::TestJLe,
            _ => return None,
        };
        let size = operand_size(i, 0);
        pick(kind, size, Form::Ri, Flags::None)?;
        Some(kind)
    }

    /// Whether a branch only looks at the result of the arithmetic before it, which is in a register.
    fn result_kind(&self, i: &Instruction, jcc: &Instruction) -> Option<Kind> {
        let computes = matches!(
            i.mnemonic(),
            Mnemonic::Add
                | Mnemonic::Sub
                | Mnemonic::And
                | Mnemonic::Or
                | Mnemonic::Xor
                | Mnemonic::Inc
                | Mnemonic::Dec
                | Mnemonic::Neg
        );
        if !computes || i.op0_kind() != OpKind::Register || i.op0_register().size() < 4 {
            return None;
        }
        match cc(jcc) >> 1 {
            2 => Some(Kind::Jz),
            4 => Some(Kind::Js),
            _ => None,
        }
    }

    /// A comparison and the branch after it.
    fn fused(&mut self, i: &Instruction) -> bool {
        let jcc = &self.code[self.at];
        let Some(kind) = self.fused_kind(i, jcc) else {
            return false;
        };
        let size = operand_size(i, 0);
        let at_memory = i.op0_kind() == OpKind::Memory;
        let memory_form = match (i.op0_kind(), i.op1_kind()) {
            (OpKind::Memory, OpKind::Register) if !is_high(i.op1_register()) => Some(Form::Mr),
            (OpKind::Memory, OpKind::Register) => None,
            (OpKind::Memory, _) => Some(Form::Mi),
            (OpKind::Register, OpKind::Memory) if !is_high(i.op0_register()) => Some(Form::Rm),
            _ => None,
        };
        let direct = memory_form.and_then(|form| pick(kind, size, form, Flags::None));
        let mut op = Op::new(Code::Jmp);
        if let Some(code) = direct {
            let ea = self.ea(i);
            op = with_ea(Op { code, ..op }, ea);
            match (i.op0_kind(), i.op1_kind()) {
                (OpKind::Memory, OpKind::Register) => op.s = number(i.op1_register()),
                (OpKind::Memory, _) => op.imm = i.immediate(1) as i32,
                _ => op.d = number(i.op0_register()),
            }
        } else {
            let d = if at_memory {
                self.load(i, size, super::lower::T2);
                super::lower::T2
            } else {
                self.low(i.op0_register(), super::lower::T2)
            };
            op.d = d;
            let form = match self.source(i, 1, size) {
                Source::Reg(s) => {
                    op.s = s;
                    Form::Rr
                }
                Source::Imm(imm) => {
                    op.imm = imm;
                    Form::Ri
                }
            };
            match pick(kind, size, form, Flags::None) {
                Some(code) => op.code = code,
                None => return false,
            }
        }
        self.at += 1;
        self.branch(&jcc.clone());
        self.emit(op);
        true
    }

    /// Where a conditional branch goes, swapped if its condition is a negated one.
    fn branch(&mut self, jcc: &Instruction) {
        self.next = [jcc.next_ip(), jcc.near_branch_target()];
        if cc(jcc) & 1 != 0 {
            self.next.swap(0, 1);
        }
    }

    fn jcc(&mut self, i: &Instruction) {
        self.branch(i);
        if self.at >= 2 && !self.alone {
            let before = self.code[self.at - 2];
            if let Some(kind) = self.result_kind(&before, i) {
                let size = size_of_bytes(before.op0_register().size());
                if let Some(code) = pick(kind, size, Form::R, Flags::None) {
                    return self.emit(Op {
                        s: number(before.op0_register()),
                        ..Op::new(code)
                    });
                }
            }
        }
        let kind = match (self.producer, cc(i) >> 1) {
            (Producer::Sub(size), 1) => Some((Kind::JSubB, size)),
            (Producer::Sub(size), 2) => Some((Kind::JSubE, size)),
            (Producer::Sub(size), 3) => Some((Kind::JSubBe, size)),
            (Producer::Sub(size), 6) => Some((Kind::JSubL, size)),
            (Producer::Sub(size), 7) => Some((Kind::JSubLe, size)),
            (Producer::Res(size), 2 | 3) => Some((Kind::JResE, size)),
            (Producer::Res(size), 4 | 6) => Some((Kind::JResS, size)),
            (Producer::Res(size), 7) => Some((Kind::JResLe, size)),
            _ => None,
        };
        let code = kind.and_then(|(kind, size)| pick(kind, size, Form::I, Flags::None));
        self.emit(Op {
            x: cc(i) & !1,
            ..Op::new(code.unwrap_or(Code::Jcc))
        });
    }

    fn loop_(&mut self, i: &Instruction) {
        let narrow = matches!(
            i.code(),
            iced_x86::Code::Loop_rel8_64_ECX
                | iced_x86::Code::Loope_rel8_64_ECX
                | iced_x86::Code::Loopne_rel8_64_ECX
        );
        let rcx = reg::RCX as u8;
        // Decrement without touching flags.
        let lea = if narrow { Code::Lea32Rm } else { Code::Lea64Rm };
        self.emit(Op {
            d: rcx,
            base: rcx,
            disp: -1,
            ..Op::new(lea)
        });
        self.next = [i.near_branch_target(), i.next_ip()];
        let jz = if narrow { Code::Jz32 } else { Code::Jz64 };
        match i.mnemonic() {
            Mnemonic::Loop => self.emit(Op {
                s: rcx,
                ..Op::new(jz)
            }),
            m => {
                // T0 = condition holds, as a mask over rcx: the loop ends if either is zero.
                let cc = if m == Mnemonic::Loope { 4 } else { 5 };
                self.wide(T0, 0);
                self.emit(Op {
                    d: super::lower::T2,
                    s: rcx,
                    ..Op::new(if narrow { Code::Mov32Rr } else { Code::Mov64Rr })
                });
                self.emit(Op {
                    d: T0,
                    s: super::lower::T2,
                    x: cc,
                    ..Op::new(Code::Cmov64)
                });
                self.emit(Op {
                    s: T0,
                    ..Op::new(Code::Jz64)
                });
            }
        }
    }

    /// Ends the block with a jump to a known address.
    pub fn jump(&mut self, target: u64) {
        let near = self
            .code
            .first()
            .is_some_and(|i| i.ip() >> 12 == target >> 12)
            && !self.alone;
        self.next = [target, target];
        self.emit(Op::new(if near { Code::Jmp } else { Code::JmpFar }));
    }

    fn jmp(&mut self, i: &Instruction) {
        if i.is_jmp_short_or_near() {
            // Followed by its target, in the middle of a block.
            if self.code.get(self.at).is_none() {
                self.jump(i.near_branch_target());
            }
        } else if i.op0_kind() == OpKind::Register {
            self.emit(Op {
                s: number(i.op0_register()),
                ..Op::new(Code::JmpReg)
            });
        } else if i.op0_kind() == OpKind::Memory && i.memory_size().size() == 8 {
            let ea = self.ea_or_absolute(i);
            if let Some(addr) = ea.absolute {
                let mut op = Op::new(Code::JmpMem);
                op.set_wide(addr);
                self.emit(op);
            } else {
                self.load_ea(ea, Size::B64, T0);
                self.emit(Op {
                    s: T0,
                    ..Op::new(Code::JmpReg)
                });
            }
        } else {
            self.raise(Raise::InvalidOpcode);
        }
    }

    fn call(&mut self, i: &Instruction) {
        let mut op = Op::new(Code::CallReg);
        if i.is_call_near() {
            let target = i.near_branch_target();
            self.next = [target, target];
            let near = self
                .code
                .first()
                .is_some_and(|i| i.ip() >> 12 == target >> 12)
                && !self.alone;
            op.code = if near { Code::Call } else { Code::CallFar };
        } else if i.op0_kind() == OpKind::Register {
            op.s = number(i.op0_register());
        } else if i.op0_kind() == OpKind::Memory && i.memory_size().size() == 8 {
            self.load(i, Size::B64, T0);
            op.s = T0;
        } else {
            return self.raise(Raise::InvalidOpcode);
        }
        op.set_wide(i.next_ip());
        self.emit(op);
    }

    pub fn emit_next(&mut self, code: Code, i: &Instruction) {
        let mut op = Op::new(code);
        op.set_wide(i.next_ip());
        self.emit(op);
    }

    fn raise_after(&mut self, why: Raise, i: &Instruction) {
        let mut op = Op {
            x: why as u8,
            ..Op::new(Code::Raise)
        };
        op.set_wide(i.next_ip());
        self.emit(op);
    }

    fn push(&mut self, i: &Instruction) -> bool {
        if i.stack_pointer_increment() == -2 {
            let s = if i.op0_kind() == OpKind::Register && !i.op0_register().is_gpr() {
                ZERO
            } else {
                self.source_reg(i, 0, Size::B16)
            };
            self.rr(Code::Push16, ZERO, s);
            return true;
        }
        match i.op0_kind() {
            OpKind::Register if i.op0_register().is_gpr64() => {
                let run = self.run(Mnemonic::Push);
                if run > 1 {
                    self.emit_run(Code::PushRun, run);
                } else {
                    self.rr(Code::Push64R, ZERO, number(i.op0_register()));
                }
            }
            OpKind::Register => self.rr(Code::Push64R, ZERO, ZERO),
            OpKind::Memory => {
                self.load(i, Size::B64, T0);
                self.rr(Code::Push64R, ZERO, T0);
            }
            _ => self.emit(Op {
                imm: i.immediate(0) as i32,
                ..Op::new(Code::Push64I)
            }),
        }
        true
    }

    fn pop(&mut self, i: &Instruction) -> bool {
        if i.op0_kind() == OpKind::Register && !i.op0_register().is_gpr() {
            self.raise(Raise::GeneralProtection);
            return true;
        }
        let short = i.stack_pointer_increment() == 2;
        if i.op0_kind() == OpKind::Register && !short {
            let run = self.run(Mnemonic::Pop);
            if run > 1 {
                self.emit_run(Code::PopRun, run);
            } else {
                self.rr(Code::Pop64R, number(i.op0_register()), ZERO);
            }
            return true;
        }
        let (size, bytes) = if short {
            (Size::B16, 2)
        } else {
            (Size::B64, 8)
        };
        let rsp = reg::RSP as u8;
        let top = super::lower::Ea {
            base: rsp,
            index: ZERO,
            scale: 0,
            disp: 0,
            absolute: None,
        };
        self.load_ea(top, size, T0);
        if i.op0_kind() == OpKind::Memory {
            // An address based on rsp is reckoned after the pop.
            let mut ea = self.ea(i);
            if ea.base == rsp {
                ea.disp = ea.disp.wrapping_add(bytes);
            }
            self.store_ea(ea, size, T0);
            self.emit(Op {
                d: rsp,
                base: rsp,
                disp: bytes,
                ..Op::new(Code::Lea64Rb)
            });
        } else {
            self.emit(Op {
                d: rsp,
                base: rsp,
                disp: bytes,
                ..Op::new(Code::Lea64Rb)
            });
            self.write_back(i, size, T0);
        }
        true
    }

    /// How many pushes (or pops) of 64-bit registers but rsp start with the instruction being lowered.
    fn run(&self, mnemonic: Mnemonic) -> usize {
        if self.alone {
            return 1;
        }
        let part = |i: &&Instruction| {
            i.mnemonic() == mnemonic
                && i.op0_kind() == OpKind::Register
                && i.op0_register().is_gpr64()
                && i.op0_register() != Register::RSP
        };
        self.code[self.at - 1..]
            .iter()
            .take(RUN)
            .take_while(part)
            .count()
    }

    fn emit_run(&mut self, code: Code, run: usize) {
        let mut r = [ZERO; RUN];
        for (slot, i) in r.iter_mut().zip(&self.code[self.at - 1..self.at - 1 + run]) {
            *slot = number(i.op0_register());
        }
        let [d, s, base, index, scale, x] = r;
        self.at += run - 1;
        self.emit(Op {
            d,
            s,
            base,
            index,
            scale,
            x,
            imm: run as i32,
            ..Op::new(code)
        });
    }
}

/// The condition as in the low four bits of the opcode.
pub fn cc(i: &Instruction) -> u8 {
    match i.condition_code() {
        ConditionCode::None => 0,
        code => code as u8 - 1,
    }
}
