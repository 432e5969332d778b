//! Moves and integer arithmetic: which instruction is lowered by what.

mod arithmetic;
mod bits;
mod moves;

use super::control::cc;
use super::lower::{Ea, Lower, T0, T1, T2, ZERO, number, operand_size, size_of_bytes, with_ea};
use crate::cpu::reg;
use crate::ops::{Code, Flags, Form, Kind, Op, Size};
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

    /// A helper that takes its memory operand itself.
    pub fn with_memory(&mut self, i: &Instruction, helper: Code) {
        let ea = self.ea(i);
        self.emit(with_ea(Op::new(helper), ea));
    }

    fn finish_setcc(&mut self, i: &Instruction) {
        self.write_back(i, Size::B8, T0);
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
