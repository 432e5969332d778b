//! SSE and SSE2: every instruction becomes an op on registers, after a load into `XT` if an operand is in memory.

use super::integer::log2;
use super::lower::{Lower, Raise, Source, T0, ZERO, number, operand_size, with_ea};
use crate::cpu::reg;
use crate::ops::{Code, Op, Size};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

const XT: u8 = reg::XT as u8;

impl Lower<'_> {
    pub fn sse(&mut self, i: &Instruction) -> bool {
        if uses_mmx(i) {
            return false;
        }
        use Mnemonic as M;
        match i.mnemonic() {
            M::Movaps | M::Movapd | M::Movdqa | M::Movntdq | M::Movntps | M::Movntpd => {
                self.move_all(i, Code::LoadX128Aligned, Code::StoreX128Aligned);
            }
            M::Movups | M::Movupd | M::Movdqu | M::Lddqu => {
                self.move_all(i, Code::LoadX128, Code::StoreX128)
            }
            M::Movss => self.move_scalar(i, Code::LoadX32, Code::StoreX32, Code::MovXLow32),
            M::Movsd => self.move_scalar(i, Code::LoadX64, Code::StoreX64, Code::MovXLow64),
            M::Movq if is_gpr(i, 0) => self.rr(Code::MovqRx, number(i.op0_register()), xmm(i, 1)),
            M::Movq if is_gpr(i, 1) => self.rr(Code::MovqXr, xmm(i, 0), number(i.op1_register())),
            M::Movq => self.move_scalar(i, Code::LoadX64, Code::StoreX64, Code::MovqXX),
            M::Movd if is_gpr(i, 0) => self.rr(Code::MovdRx, number(i.op0_register()), xmm(i, 1)),
            M::Movd if is_gpr(i, 1) => self.rr(Code::MovdXr, xmm(i, 0), number(i.op1_register())),
            M::Movd => self.move_scalar(i, Code::LoadX32, Code::StoreX32, Code::MovqXX),
            M::Movlps | M::Movlpd if i.op0_kind() == OpKind::Memory => {
                self.memory(i, Code::StoreX64, ZERO, xmm(i, 1))
            }
            M::Movlps | M::Movlpd => {
                self.memory(i, Code::LoadX64, XT, ZERO);
                self.rr(Code::MovXLow64, xmm(i, 0), XT);
            }
            M::Movhps | M::Movhpd if i.op0_kind() == OpKind::Memory => {
                self.memory(i, Code::StoreXHigh, ZERO, xmm(i, 1))
            }
            M::Movhps | M::Movhpd => self.memory(i, Code::LoadXHigh, xmm(i, 0), ZERO),
            M::Movlhps => self.rr(Code::Movlhps, xmm(i, 0), xmm(i, 1)),
            M::Movhlps => self.rr(Code::Movhlps, xmm(i, 0), xmm(i, 1)),
            M::Movmskps => self.rr(Code::Movmskps, number(i.op0_register()), xmm(i, 1)),
            M::Movmskpd => self.rr(Code::Movmskpd, number(i.op0_register()), xmm(i, 1)),
            M::Pmovmskb => self.rr(Code::Pmovmskb, number(i.op0_register()), xmm(i, 1)),
            M::Maskmovdqu => {
                let base = match i.segment_prefix() {
                    Register::FS => reg::FS as u8,
                    Register::GS => reg::GS as u8,
                    _ => ZERO,
                };
                self.emit(Op {
                    d: xmm(i, 1),
                    s: xmm(i, 2),
                    base,
                    ..Op::new(Code::Maskmovdqu)
                });
            }
            M::Ldmxcsr => self.with_memory(i, Code::Ldmxcsr),
            M::Stmxcsr => self.with_memory(i, Code::Stmxcsr),
            M::Fxsave | M::Fxsave64 => self.with_memory(i, Code::Fxsave),
            M::Fxrstor | M::Fxrstor64 => self.with_memory(i, Code::Fxrstor),
            M::Emms => {}
            M::Cvtsi2sd | M::Cvtsi2ss => {
                let size = operand_size(i, 1);
                let s = self.source_reg(i, 1, size);
                let code = if i.mnemonic() == M::Cvtsi2sd {
                    Code::Cvtsi2sd
                } else {
                    Code::Cvtsi2ss
                };
                self.sized(code, xmm(i, 0), s, log2(size));
            }
            M::Cvttsd2si => self.float_to_integer(i, Code::Cvttsd2si),
            M::Cvtsd2si => self.float_to_integer(i, Code::Cvtsd2si),
            M::Cvttss2si => self.float_to_integer(i, Code::Cvttss2si),
            M::Cvtss2si => self.float_to_integer(i, Code::Cvtss2si),
            M::Pinsrw => {
                let s = match self.source(i, 1, Size::B16) {
                    Source::Reg(s) => s,
                    Source::Imm(_) => T0,
                };
                self.emit(Op {
                    d: xmm(i, 0),
                    s,
                    imm: i.immediate(2) as i32,
                    ..Op::new(Code::Pinsrw)
                });
            }
            M::Pextrw if i.op0_kind() == OpKind::Register => {
                let imm = i.immediate(2) as i32;
                self.emit(Op {
                    d: number(i.op0_register()),
                    s: xmm(i, 1),
                    imm,
                    ..Op::new(Code::Pextrw)
                });
            }
            M::Psllw
            | M::Pslld
            | M::Psllq
            | M::Psrlw
            | M::Psrld
            | M::Psrlq
            | M::Psraw
            | M::Psrad
            | M::Pslldq
            | M::Psrldq => {
                let Some(code) = general(i.mnemonic()) else {
                    return false;
                };
                if i.op1_kind() == OpKind::Immediate8 {
                    let imm = i32::from(i.immediate8());
                    self.emit(Op {
                        d: xmm(i, 0),
                        x: 1,
                        imm,
                        ..Op::new(code)
                    });
                } else {
                    let s = self.xmm_source(i);
                    self.rr(code, xmm(i, 0), s);
                }
            }
            m => {
                let Some(code) = general(m) else {
                    return false;
                };
                let s = self.xmm_source(i);
                let imm = if i.op_count() == 3 {
                    i.immediate(2) as i32
                } else {
                    0
                };
                self.emit(Op {
                    d: xmm(i, 0),
                    s,
                    imm,
                    ..Op::new(code)
                });
            }
        }
        true
    }

    fn memory(&mut self, i: &Instruction, code: Code, d: u8, s: u8) {
        let ea = self.ea(i);
        self.emit(with_ea(
            Op {
                d,
                s,
                ..Op::new(code)
            },
            ea,
        ));
    }

    /// Operand 1 as an xmm register; from memory it has to be aligned if it has 16 bytes.
    fn xmm_source(&mut self, i: &Instruction) -> u8 {
        if i.op1_kind() != OpKind::Memory {
            return xmm(i, 1);
        }
        let code = match i.memory_size().size() {
            4 => Code::LoadX32,
            8 => Code::LoadX64,
            _ => Code::LoadX128Aligned,
        };
        self.memory(i, code, XT, ZERO);
        XT
    }

    fn move_all(&mut self, i: &Instruction, load: Code, store: Code) {
        if i.op0_kind() == OpKind::Memory {
            self.memory(i, store, ZERO, xmm(i, 1));
        } else if i.op1_kind() == OpKind::Memory {
            self.memory(i, load, xmm(i, 0), ZERO);
        } else {
            self.rr(Code::MovXX, xmm(i, 0), xmm(i, 1));
        }
    }

    fn move_scalar(&mut self, i: &Instruction, load: Code, store: Code, mov: Code) {
        if i.op0_kind() == OpKind::Memory {
            self.memory(i, store, ZERO, xmm(i, 1));
        } else if i.op1_kind() == OpKind::Memory {
            self.memory(i, load, xmm(i, 0), ZERO);
        } else {
            self.rr(mov, xmm(i, 0), xmm(i, 1));
        }
    }

    fn float_to_integer(&mut self, i: &Instruction, code: Code) {
        let s = self.xmm_source(i);
        if !i.op0_register().is_gpr() {
            return self.raise(Raise::InvalidOpcode);
        }
        self.sized(code, number(i.op0_register()), s, log2(operand_size(i, 0)));
    }
}

fn uses_mmx(i: &Instruction) -> bool {
    (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_mm())
}

fn is_gpr(i: &Instruction, n: u32) -> bool {
    i.op_kind(n) == OpKind::Register && i.op_register(n).is_gpr()
}

fn xmm(i: &Instruction, n: u32) -> u8 {
    i.op_register(n).number() as u8
}

macro_rules! general {
    ($($mnemonic:ident)*; $($other:ident = $code:ident)*) => {
        /// Instructions that compute on two xmm registers and perhaps an immediate.
        fn general(mnemonic: Mnemonic) -> Option<Code> {
            Some(match mnemonic {
                $(Mnemonic::$mnemonic => Code::$mnemonic,)*
                $(Mnemonic::$other => Code::$code,)*
                _ => return None,
            })
        }
    };
}

general! {
    Cvtsd2ss Cvtss2sd Cvtdq2ps Cvtps2dq Cvttps2dq Cvtdq2pd Cvtpd2dq Cvttpd2dq Cvtps2pd Cvtpd2ps
    Addsd Subsd Mulsd Divsd Minsd Maxsd Sqrtsd Addss Subss Mulss Divss Minss Maxss Sqrtss
    Addpd Subpd Mulpd Divpd Minpd Maxpd Sqrtpd Addps Subps Mulps Divps Minps Maxps Sqrtps
    Cmpsd Cmpss Cmppd Cmpps Ucomisd Comisd Ucomiss Comiss Rcpss Rsqrtss Rcpps Rsqrtps
    Unpcklps Unpckhps Unpcklpd Unpckhpd Shufps Shufpd
    Paddb Paddw Paddd Paddq Paddsb Paddsw Paddusb Paddusw Psubb Psubw Psubd Psubq Psubsb Psubsw Psubusb Psubusw
    Pmullw Pmulhw Pmulhuw Pmuludq Pmaddwd Psadbw Pavgb Pavgw Pminub Pmaxub Pminsw Pmaxsw
    Pcmpeqb Pcmpeqw Pcmpeqd Pcmpgtb Pcmpgtw Pcmpgtd Packsswb Packssdw Packuswb
    Punpcklbw Punpcklwd Punpckldq Punpcklqdq Punpckhbw Punpckhwd Punpckhdq Punpckhqdq Pshufd Pshuflw Pshufhw
    Psllw Pslld Psllq Psrlw Psrld Psrlq Psraw Psrad Pslldq Psrldq;
    Andps = Andp Andpd = Andp Pand = Andp Andnps = Andnp Andnpd = Andnp Pandn = Andnp
    Orps = Orp Orpd = Orp Por = Orp Xorps = Xorp Xorpd = Xorp Pxor = Xorp
}
