//! x87: `s` is the number of a stack register, `x` a selector that the op's function explains.

use super::lower::{Lower, with_ea};
use crate::ops::{Code, Op};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

/// The arithmetic operations, as numbered in `x` of `Farith…`.
const ADD: u8 = 0;
const MUL: u8 = 1;
const SUB: u8 = 2;
const SUBR: u8 = 3;
const DIV: u8 = 4;
const DIVR: u8 = 5;
/// In `x`: pop afterwards.
const POP: u8 = 8;
/// In `x` of comparisons: quiet NaNs raise nothing.
const UNORDERED: u8 = 16;

impl Lower<'_> {
    pub fn x87(&mut self, i: &Instruction) -> bool {
        use Mnemonic as M;
        match i.mnemonic() {
            M::Fld => match i.op0_kind() {
                OpKind::Register => self.st(Code::FldSt, i.op0_register(), 0),
                _ => self.x87_memory(i, sized(i, [Code::Fld32, Code::Fld64, Code::Fld80]), 0),
            },
            M::Fst | M::Fstp | M::Fstpnce => {
                let pop = if i.mnemonic() == M::Fst { 0 } else { POP };
                match i.op0_kind() {
                    OpKind::Register => self.st(Code::FstSt, i.op0_register(), pop),
                    _ => self.x87_memory(i, sized(i, [Code::Fst32, Code::Fst64, Code::Fst80]), pop),
                }
            }
            M::Fild => {
                self.x87_memory(i, integer(i, [Code::Fild16, Code::Fild32, Code::Fild64]), 0)
            }
            M::Fist => {
                self.x87_memory(i, integer(i, [Code::Fist16, Code::Fist32, Code::Fist64]), 0)
            }
            M::Fistp => self.x87_memory(
                i,
                integer(i, [Code::Fist16, Code::Fist32, Code::Fist64]),
                POP,
            ),
            M::Fisttp => self.x87_memory(
                i,
                integer(i, [Code::Fisttp16, Code::Fisttp32, Code::Fisttp64]),
                POP,
            ),
            M::Fbld => self.x87_memory(i, Code::Fbld, 0),
            M::Fbstp => self.x87_memory(i, Code::Fbstp, POP),
            M::Fld1 => self.x87_plain(Code::FldConst, 0),
            M::Fldl2t => self.x87_plain(Code::FldConst, 1),
            M::Fldl2e => self.x87_plain(Code::FldConst, 2),
            M::Fldpi => self.x87_plain(Code::FldConst, 3),
            M::Fldlg2 => self.x87_plain(Code::FldConst, 4),
            M::Fldln2 => self.x87_plain(Code::FldConst, 5),
            M::Fldz => self.x87_plain(Code::FldConst, 6),
            M::Fadd => self.arithmetic(i, ADD),
            M::Faddp => self.arithmetic(i, ADD | POP),
            M::Fmul => self.arithmetic(i, MUL),
            M::Fmulp => self.arithmetic(i, MUL | POP),
            M::Fsub => self.arithmetic(i, SUB),
            M::Fsubp => self.arithmetic(i, SUB | POP),
            M::Fsubr => self.arithmetic(i, SUBR),
            M::Fsubrp => self.arithmetic(i, SUBR | POP),
            M::Fdiv => self.arithmetic(i, DIV),
            M::Fdivp => self.arithmetic(i, DIV | POP),
            M::Fdivr => self.arithmetic(i, DIVR),
            M::Fdivrp => self.arithmetic(i, DIVR | POP),
            M::Fiadd => self.x87_memory(i, integer(i, INTEGERS), ADD),
            M::Fimul => self.x87_memory(i, integer(i, INTEGERS), MUL),
            M::Fisub => self.x87_memory(i, integer(i, INTEGERS), SUB),
            M::Fisubr => self.x87_memory(i, integer(i, INTEGERS), SUBR),
            M::Fidiv => self.x87_memory(i, integer(i, INTEGERS), DIV),
            M::Fidivr => self.x87_memory(i, integer(i, INTEGERS), DIVR),
            M::Fcom => self.comparison(i, 0),
            M::Fcomp => self.comparison(i, POP),
            M::Fucom => self.st(Code::Fcom, i.op1_register(), UNORDERED),
            M::Fucomp => self.st(Code::Fcom, i.op1_register(), UNORDERED | POP),
            M::Ficom => self.x87_memory(
                i,
                integer(i, [Code::FcomI16, Code::FcomI32, Code::FcomI32]),
                0,
            ),
            M::Ficomp => self.x87_memory(
                i,
                integer(i, [Code::FcomI16, Code::FcomI32, Code::FcomI32]),
                POP,
            ),
            M::Fcompp => self.x87_plain(Code::Fcompp, 0),
            M::Fucompp => self.x87_plain(Code::Fcompp, UNORDERED),
            M::Fcomi => self.st(Code::Fcomi, i.op1_register(), 0),
            M::Fcomip => self.st(Code::Fcomi, i.op1_register(), POP),
            M::Fucomi => self.st(Code::Fcomi, i.op1_register(), UNORDERED),
            M::Fucomip => self.st(Code::Fcomi, i.op1_register(), UNORDERED | POP),
            // Selectors are conditions on the arithmetic flags.
            M::Fcmovb => self.st(Code::Fcmov, i.op1_register(), 2),
            M::Fcmovnb => self.st(Code::Fcmov, i.op1_register(), 3),
            M::Fcmove => self.st(Code::Fcmov, i.op1_register(), 4),
            M::Fcmovne => self.st(Code::Fcmov, i.op1_register(), 5),
            M::Fcmovbe => self.st(Code::Fcmov, i.op1_register(), 6),
            M::Fcmovnbe => self.st(Code::Fcmov, i.op1_register(), 7),
            M::Fcmovu => self.st(Code::Fcmov, i.op1_register(), 10),
            M::Fcmovnu => self.st(Code::Fcmov, i.op1_register(), 11),
            M::Fxch => self.st(Code::Fxch, i.op1_register(), 0),
            M::Ffree => self.st(Code::Ffree, i.op0_register(), 0),
            M::Ffreep => self.st(Code::Ffree, i.op0_register(), POP),
            M::Fnstcw => self.x87_memory(i, Code::Fnstcw, 0),
            M::Fldcw => self.x87_memory(i, Code::Fldcw, 0),
            M::Fnstsw if i.op0_kind() == OpKind::Register => self.x87_plain(Code::FnstswAx, 0),
            M::Fnstsw => self.x87_memory(i, Code::Fnstsw, 0),
            M::Fnstenv => self.x87_memory(i, Code::Fnstenv, 0),
            M::Fldenv => self.x87_memory(i, Code::Fldenv, 0),
            M::Fnsave => self.x87_memory(i, Code::Fnsave, 0),
            M::Frstor => self.x87_memory(i, Code::Frstor, 0),
            M::Fnop | M::Fneni | M::Fndisi | M::Fnsetpm => {}
            m => {
                let code = match m {
                    M::Ftst => Code::Ftst,
                    M::Fxam => Code::Fxam,
                    M::Fincstp => Code::Fincstp,
                    M::Fdecstp => Code::Fdecstp,
                    M::Fchs => Code::Fchs,
                    M::Fabs => Code::Fabs,
                    M::Fsqrt => Code::Fsqrt,
                    M::Frndint => Code::Frndint,
                    M::Fscale => Code::Fscale,
                    M::Fxtract => Code::Fxtract,
                    M::Fprem => Code::Fprem,
                    M::Fprem1 => Code::Fprem1,
                    M::Fsin => Code::Fsin,
                    M::Fcos => Code::Fcos,
                    M::Fsincos => Code::Fsincos,
                    M::Fptan => Code::Fptan,
                    M::Fpatan => Code::Fpatan,
                    M::F2xm1 => Code::F2xm1,
                    M::Fyl2x => Code::Fyl2x,
                    M::Fyl2xp1 => Code::Fyl2xp1,
                    M::Fnclex => Code::Fnclex,
                    M::Fninit => Code::Fninit,
                    M::Wait => Code::Fwait,
                    _ => return false,
                };
                self.x87_plain(code, 0);
            }
        }
        true
    }

    fn x87_plain(&mut self, code: Code, x: u8) {
        self.emit(Op { x, ..Op::new(code) });
    }

    fn st(&mut self, code: Code, register: Register, x: u8) {
        self.emit(Op {
            s: register.number() as u8 & 7,
            x,
            ..Op::new(code)
        });
    }

    fn x87_memory(&mut self, i: &Instruction, code: Code, x: u8) {
        let ea = self.ea(i);
        self.emit(with_ea(Op { x, ..Op::new(code) }, ea));
    }

    fn arithmetic(&mut self, i: &Instruction, x: u8) {
        if i.op0_kind() == OpKind::Memory {
            let code = if i.memory_size().size() == 4 {
                Code::FarithM32
            } else {
                Code::FarithM64
            };
            self.x87_memory(i, code, x);
        } else if i.op0_register() == Register::ST0 && x & POP == 0 && !to_sti(i) {
            self.st(Code::FarithSt, i.op1_register(), x);
        } else {
            self.st(Code::FarithSt0, i.op0_register(), x);
        }
    }

    fn comparison(&mut self, i: &Instruction, x: u8) {
        if i.op0_kind() == OpKind::Memory {
            let code = if i.memory_size().size() == 4 {
                Code::FcomM32
            } else {
                Code::FcomM64
            };
            self.x87_memory(i, code, x);
        } else {
            self.st(Code::Fcom, i.op1_register(), x);
        }
    }
}

const INTEGERS: [Code; 3] = [Code::FarithI16, Code::FarithI32, Code::FarithI32];

/// Whether operand 0 is st(i), which may be st(0) too.
fn to_sti(i: &Instruction) -> bool {
    use iced_x86::Code as C;
    matches!(
        i.code(),
        C::Fadd_sti_st0
            | C::Fmul_sti_st0
            | C::Fsub_sti_st0
            | C::Fsubr_sti_st0
            | C::Fdiv_sti_st0
            | C::Fdivr_sti_st0
    )
}

fn sized(i: &Instruction, [four, eight, ten]: [Code; 3]) -> Code {
    match i.memory_size().size() {
        4 => four,
        8 => eight,
        _ => ten,
    }
}

fn integer(i: &Instruction, [two, four, eight]: [Code; 3]) -> Code {
    match i.memory_size().size() {
        2 => two,
        4 => four,
        _ => eight,
    }
}
