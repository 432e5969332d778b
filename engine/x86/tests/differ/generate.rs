//! Random instructions with registers that make sense for them.

use super::Rng;
use super::host::{self, DATA, DATA_SIZE, State};
use super::values::{float32, float64, float80, fx_image, value};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register, RflagsBits,
};

pub struct Case {
    pub code: Vec<u8>,
    pub name: String,
    pub before: State,
    /// Bits of rflags that the processor leaves undefined.
    pub undefined_flags: u64,
    pub ignore_gpr: [u64; 16],
    pub ignore_mxcsr: u16,
    pub ignore_status: u16,
    pub x87: bool,
    pub single: bool,
    /// The result may be off by the last bits.
    pub approximate: bool,
    /// Where its memory operand is.
    pub target: Option<(u64, usize)>,
}

impl Case {
    pub fn describe(&self) -> String {
        let hex: String = self.code.iter().map(|b| format!("{b:02x}")).collect();
        format!(
            "{} [{hex}] flags {:#x} rax {:#x} rcx {:#x} rdx {:#x} rbx {:#x} rsp {:#x} rbp {:#x} rsi {:#x} rdi {:#x} target {:x?}",
            self.name,
            self.before.flags,
            self.before.gpr[0],
            self.before.gpr[1],
            self.before.gpr[2],
            self.before.gpr[3],
            self.before.gpr[4],
            self.before.gpr[5],
            self.before.gpr[6],
            self.before.gpr[7],
            self.target
        )
    }
}

/// Puts a number of the right kind where the memory operand is.
pub fn operands(rng: &mut Rng, case: &Case, data: &mut [u8; DATA_SIZE]) {
    let Some((addr, size)) = case.target else {
        return;
    };
    let at = addr.wrapping_sub(DATA) as usize;
    let bytes: Vec<u8> = match (size, rng.below(3)) {
        (10, _) => float80(rng).to_vec(),
        (4, 0) => float32(rng).to_le_bytes().to_vec(),
        (8, 0) => float64(rng).to_le_bytes().to_vec(),
        (16, 0) => [float64(rng).to_le_bytes(), float64(rng).to_le_bytes()].concat(),
        (16, 1) => (0..4).flat_map(|_| float32(rng).to_le_bytes()).collect(),
        _ => (0..2)
            .flat_map(|_| value(rng).to_le_bytes())
            .take(size)
            .collect(),
    };
    for (i, b) in bytes.into_iter().enumerate() {
        if let Some(slot) = data.get_mut(at.wrapping_add(i)) {
            *slot = b;
        }
    }
}

pub struct Generator {
    only: Option<String>,
    info: InstructionInfoFactory,
}

/// What the host may do differently, or does with state that isn't the program's.
fn excluded(i: &Instruction) -> bool {
    use Mnemonic as M;
    matches!(
        i.mnemonic(),
        M::Cpuid
            | M::Rdtsc
            | M::Rdtscp
            | M::Rdpid
            | M::Rdpmc
            | M::Rcpps
            | M::Rcpss
            | M::Rsqrtps
            | M::Rsqrtss
            | M::Xgetbv
            | M::Syscall
            | M::Sysenter
            | M::Int
            | M::Int3
            | M::Int1
            | M::Into
            | M::Hlt
            | M::Fxsave
            | M::Fxsave64
            | M::Fxrstor
            | M::Fxrstor64
            | M::Fnstenv
            | M::Fldenv
            | M::Fnsave
            | M::Frstor
            | M::Fldcw
            | M::Fisttp
            | M::Ldmxcsr
            | M::Popf
            | M::Popfq
            | M::Lsl
            | M::Lar
            | M::Verr
            | M::Verw
            | M::Sldt
            | M::Str
            | M::Smsw
            | M::Sgdt
            | M::Sidt
            | M::Enter
            | M::Prefetchw
            | M::Prefetch
            | M::Clflush
            | M::Wait
            | M::Xlatb
            | M::Lfs
            | M::Fstpnce
            | M::Cvtpi2ps
            | M::Cvtpi2pd
            | M::Lgs
            | M::Lss
    ) || i.is_privileged()
        || i.flow_control() != FlowControl::Next
        || i.has_xacquire_prefix()
        || i.has_xrelease_prefix()
        || i.segment_prefix() != Register::None
        // Encodings that no compiler emits, and of which decoders have different opinions.
        || matches!(i.code(), iced_x86::Code::Movsxd_r16_rm16 | iced_x86::Code::Pause)
        || i.mnemonic() == Mnemonic::Reservednop
        || (0..i.op_count()).any(|n| {
            matches!(i.op_kind(n), OpKind::Register)
                && (i.op_register(n).is_segment_register()
                    || i.op_register(n).is_mm()
                    || i.op_register(n).is_dr()
                    || i.op_register(n).is_cr())
        })
        || i.memory_base().is_gpr32()
        || i.memory_index().is_gpr32()
        || (0..i.op_count()).any(|n| {
            matches!(
                i.op_kind(n),
                OpKind::MemorySegESI
                    | OpKind::MemorySegEDI
                    | OpKind::MemoryESEDI
                    | OpKind::MemorySegSI
                    | OpKind::MemoryESDI
            )
        })
        || i.cpuid_features().iter().any(|f| {
            use iced_x86::CpuidFeature as C;
            !matches!(
                f,
                C::INTEL8086
                    | C::INTEL186
                    | C::INTEL286
                    | C::INTEL386
                    | C::INTEL486
                    | C::X64
                    | C::SSE
                    | C::SSE2
                    | C::CMOV
                    | C::CX8
                    | C::CMPXCHG16B
                    | C::FPU
                    | C::FPU287
                    | C::FPU387
                    | C::BMI1
                    | C::LZCNT
                    | C::POPCNT
                    | C::MOVBE
                    | C::INTEL8086_ONLY
                    | C::MULTIBYTENOP
                    | C::PAUSE
            )
        })
}

impl Generator {
    pub fn new(only: Option<&str>) -> Generator {
        Generator {
            only: only.map(str::to_string),
            info: InstructionInfoFactory::new(),
        }
    }

    /// One instruction of a sequence: it can't fault, and reads memory only through r14 and r15, which none writes.
    fn member(&mut self, rng: &mut Rng) -> (Vec<u8>, Instruction) {
        loop {
            // Comparisons, and pushes and pops in runs, are what blocks are optimised for.
            let special = rng.below(8);
            if special == 0 {
                let bytes = vec![rng.pick(&[0x50u8, 0x50, 0x58]) + rng.below(8) as u8];
                if bytes[0] & 7 != 4 {
                    let i =
                        Decoder::with_ip(64, &bytes, host::slot(), DecoderOptions::NONE).decode();
                    return (bytes, i);
                }
                continue;
            }
            let Some((mut bytes, mut i)) = self.instruction(rng) else {
                continue;
            };
            if special == 1 {
                // A comparison of the same shape.
                let at = bytes
                    .iter()
                    .take_while(|b| matches!(b, 0x66 | 0x40..=0x4f))
                    .count();
                match bytes.get(at) {
                    Some(0..=0x3f) => bytes[at] = bytes[at] & 7 | 0x38,
                    Some(0x80..=0x83) => bytes[at + 1] |= 0x38,
                    _ => continue,
                }
                i = Decoder::with_ip(64, &bytes, host::slot(), DecoderOptions::NONE).decode();
                if i.is_invalid() || excluded(&i) || i.len() != bytes.len() {
                    continue;
                }
            }
            let division = matches!(i.mnemonic(), Mnemonic::Div | Mnemonic::Idiv);
            let implicit = (0..i.op_count()).any(|n| {
                matches!(
                    i.op_kind(n),
                    OpKind::MemorySegRSI | OpKind::MemoryESRDI | OpKind::MemorySegRDI
                )
            });
            let far_bits = matches!(
                i.mnemonic(),
                Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
            ) && i.op0_kind() == OpKind::Memory;
            let odd = matches!(
                i.mnemonic(),
                Mnemonic::Shld
                    | Mnemonic::Shrd
                    | Mnemonic::Bswap
                    | Mnemonic::Pushf
                    | Mnemonic::Pushfq
                    | Mnemonic::Lahf
                    | Mnemonic::Leave
                    | Mnemonic::Stmxcsr
            ) || i.has_lock_prefix()
                || i.is_stack_instruction();
            let x87 = format!("{:?}", i.mnemonic()).starts_with('F');
            if division || implicit || far_bits || odd || x87 || i.is_invalid() {
                continue;
            }
            let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
            if memory {
                let base = matches!(i.memory_base(), Register::R14 | Register::R15);
                let far = i.memory_displacement64().wrapping_add(1024) > 2048;
                let aligned = i.memory_size().size() == 16 && i.memory_displacement64() % 16 != 0;
                if !base || i.memory_index() != Register::None || far || aligned {
                    continue;
                }
            }
            let fixed = |r: Register| {
                matches!(
                    r.full_register(),
                    Register::R14 | Register::R15 | Register::RSP
                )
            };
            let writes = self.info.info(&i).used_registers().iter().any(|used| {
                fixed(used.register())
                    && !matches!(
                        used.access(),
                        OpAccess::Read | OpAccess::CondRead | OpAccess::None
                    )
            });
            if !writes {
                return (bytes, i);
            }
        }
    }

    /// A few instructions, with forward branches among them.
    pub fn sequence(&mut self, rng: &mut Rng) -> Option<Case> {
        let mut before = State {
            gpr: std::array::from_fn(|_| value(rng)),
            flags: 0x202 | rng.next() & 0x8d5,
            signal: 0,
            rip: 0,
            fault: 0,
            fx: fx_image(rng),
        };
        before.fx[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
        before.gpr[4] = DATA + 2048;
        before.gpr[14] = DATA + rng.pick(&[1024, 4096, 5120]);
        before.gpr[15] = DATA + rng.pick(&[2048, 4096, 6144]);
        let mut code: Vec<u8> = Vec::new();
        let mut branches: Vec<usize> = Vec::new();
        let mut starts = Vec::new();
        let (mut undefined, mut name) = (0, String::new());
        while code.len() < 34 && !(code.len() > 8 && rng.one_in(4)) {
            starts.push(code.len());
            if !code.is_empty() && rng.one_in(3) {
                let cc = rng.below(16) as u8;
                let mut bytes = vec![0x70 | cc, 0];
                let i = Decoder::with_ip(64, &bytes, 0, DecoderOptions::NONE).decode();
                if undefined & rflags(i.rflags_read()) != 0 {
                    return None;
                }
                name += &format!("{:?} ", i.mnemonic());
                branches.push(code.len() + 1);
                code.append(&mut bytes);
                continue;
            }
            let (mut bytes, i) = self.member(rng);
            if undefined & rflags(i.rflags_read()) != 0 {
                return None;
            }
            let shifts = matches!(
                i.mnemonic(),
                Mnemonic::Shl
                    | Mnemonic::Sal
                    | Mnemonic::Shr
                    | Mnemonic::Sar
                    | Mnemonic::Rol
                    | Mnemonic::Ror
                    | Mnemonic::Rcl
                    | Mnemonic::Rcr
            );
            let mut unknown = rflags(i.rflags_undefined());
            if shifts {
                unknown |= 0x811;
            }
            if branches.is_empty() && !shifts {
                undefined &= !rflags(i.rflags_modified());
            }
            undefined |= unknown;
            name += &format!("{:?} ", i.code());
            code.append(&mut bytes);
        }
        for at in branches {
            let later: Vec<usize> = starts
                .iter()
                .copied()
                .filter(|s| *s > at)
                .chain([code.len()])
                .collect();
            code[at] = (rng.pick(&later) - at - 1) as u8;
        }
        Some(Case {
            code,
            name,
            before,
            undefined_flags: undefined,
            ignore_gpr: [0; 16],
            ignore_mxcsr: 0x22,
            ignore_status: 0,
            x87: false,
            single: false,
            approximate: false,
            target: None,
        })
    }

    /// Random bytes that decode to one supported instruction.
    fn instruction(&mut self, rng: &mut Rng) -> Option<(Vec<u8>, Instruction)> {
        let mut bytes = Vec::new();
        let two = rng.below(5) < 3;
        match rng.below(8) {
            0 | 1 => bytes.push(0x66),
            2 if two => bytes.push(0xf2),
            3 if two => bytes.push(0xf3),
            4 if rng.one_in(3) => bytes.push(0xf3),
            5 if rng.one_in(6) => bytes.push(0xf2),
            6 if rng.one_in(6) => bytes.push(0xf0),
            _ => {}
        }
        if rng.one_in(2) {
            bytes.push(0x40 | rng.below(16) as u8);
        }
        if two {
            bytes.push(0x0f);
            bytes.push(rng.next() as u8);
        } else if rng.one_in(4) {
            bytes.push(0xd8 + rng.below(8) as u8);
        } else {
            bytes.push(rng.next() as u8);
        }
        let start = bytes.len();
        bytes.extend((0..14).map(|_| rng.next() as u8));
        // Registers more often than memory, and near displacements.
        if rng.one_in(3) {
            bytes[start] |= 0xc0;
        } else if rng.one_in(2) {
            bytes[start] = bytes[start] & 0x3f | 0x40;
        }
        let i = Decoder::with_ip(64, &bytes, host::slot(), DecoderOptions::NONE).decode();
        if i.is_invalid() || excluded(&i) {
            return None;
        }
        if let Some(only) = &self.only
            && !format!("{:?}", i.mnemonic()).eq_ignore_ascii_case(only)
        {
            return None;
        }
        bytes.truncate(i.len());
        Some((bytes, i))
    }

    pub fn case(&mut self, rng: &mut Rng) -> Option<Case> {
        let (code, i) = self.instruction(rng)?;
        let mut before = State {
            gpr: std::array::from_fn(|_| value(rng)),
            flags: 0x202 | rng.next() & 0x8d5,
            signal: 0,
            rip: 0,
            fault: 0,
            fx: fx_image(rng),
        };
        if rng.one_in(8) {
            before.flags |= 0x400;
        }
        let mut target = None;
        // A place in the data: mostly well inside, sometimes across its two pages, or reaching out of it.
        let place = |rng: &mut Rng, size: u64, align: u64| {
            let at = match rng.below(12) {
                0 => 4096 - rng.below(size + 8),
                1 => DATA_SIZE as u64 - rng.below(size + 8),
                2 => 0u64.wrapping_sub(rng.below(size + 8)),
                _ => 1024 + rng.below(2048),
            };
            (DATA.wrapping_add(at)) / align * align
        };
        let mut ignore_gpr = [0; 16];
        if (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory)
            && i.mnemonic() != Mnemonic::Lea
        {
            let size = i.memory_size().size().max(1);
            let align = if size == 16 && !rng.one_in(8) { 16 } else { 1 };
            let mut addr = place(rng, size as u64, align);
            let (base, index) = (i.memory_base(), i.memory_index());
            if base == Register::None || base == Register::RIP || base == index {
                return None;
            }
            let bits = matches!(
                i.mnemonic(),
                Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
            );
            if bits && i.op1_kind() == OpKind::Register {
                let r = i.op1_register().full_register().number();
                before.gpr[r] = (before.gpr[r] & !0xffff_ffff)
                    | (rng.next() as i32 % 4096) as i64 as u64 & 0xffff_ffff;
                if i.op1_register().size() != 4 {
                    before.gpr[r] = (rng.next() as i16 % 4096) as i64 as u64;
                }
                addr = DATA + 3000;
                if r == base.number() {
                    return None;
                }
            }
            let offset = if index == Register::None {
                0
            } else {
                before.gpr[index.number()].wrapping_mul(u64::from(i.memory_index_scale()))
            };
            before.gpr[base.number()] = addr
                .wrapping_sub(offset)
                .wrapping_sub(i.memory_displacement64());
            // pop [rsp+…] reckons with the rsp after it.
            if i.mnemonic() == Mnemonic::Pop && (base == Register::RSP || index == Register::RSP) {
                return None;
            }
            target = Some((addr, size));
        }
        let mut strings = false;
        for n in 0..i.op_count() {
            match i.op_kind(n) {
                OpKind::MemorySegRSI => {
                    before.gpr[6] = place(rng, 64, 1);
                    strings = true;
                }
                OpKind::MemorySegRDI => before.gpr[7] = place(rng, 16, 1),
                OpKind::MemoryESRDI => {
                    before.gpr[7] = place(rng, 64, 1);
                    strings = true;
                }
                _ => {}
            }
        }
        if strings {
            before.gpr[1] = rng.below(40);
            if rng.one_in(3) && before.gpr[6].wrapping_sub(DATA) < 0x1000 {
                before.gpr[7] = before.gpr[6].wrapping_add(rng.below(32)).wrapping_sub(16);
            }
        }
        if i.is_stack_instruction() || i.mnemonic() == Mnemonic::Leave {
            if target.is_some()
                && (i.memory_base() == Register::RSP || i.memory_index() == Register::RSP)
            {
                return None;
            }
            before.gpr[4] = place(rng, 16, 1);
            if i.mnemonic() == Mnemonic::Leave {
                before.gpr[5] = place(rng, 16, 1);
            }
        }
        let approximate = matches!(
            i.mnemonic(),
            Mnemonic::Fsin
                | Mnemonic::Fcos
                | Mnemonic::Fsincos
                | Mnemonic::Fptan
                | Mnemonic::Fpatan
                | Mnemonic::F2xm1
                | Mnemonic::Fyl2x
                | Mnemonic::Fyl2xp1
        );
        // Their results are defined for arguments well below 1.
        if matches!(i.mnemonic(), Mnemonic::F2xm1 | Mnemonic::Fyl2xp1)
            && !(1..0x3ffd).contains(&(u16::from_le_bytes([before.fx[40], before.fx[41]]) & 0x7fff))
        {
            return None;
        }
        let mut undefined = rflags(i.rflags_undefined());
        match i.mnemonic() {
            Mnemonic::Shl
            | Mnemonic::Sal
            | Mnemonic::Shr
            | Mnemonic::Sar
            | Mnemonic::Rol
            | Mnemonic::Ror
            | Mnemonic::Rcl
            | Mnemonic::Rcr
            | Mnemonic::Shld
            | Mnemonic::Shrd => {
                let last = i.op_count() - 1;
                let n = if i.op_kind(last) == OpKind::Register {
                    before.gpr[1]
                } else {
                    i.immediate(last)
                };
                let size = if i.op0_kind() == OpKind::Register {
                    i.op0_register().size()
                } else {
                    i.memory_size().size()
                };
                let n = n & if size == 8 { 63 } else { 31 };
                if n != 1 && n != 0 {
                    undefined |= 0x800;
                }
                let rotates = matches!(
                    i.mnemonic(),
                    Mnemonic::Rol | Mnemonic::Ror | Mnemonic::Rcl | Mnemonic::Rcr
                );
                if !rotates && n != 0 {
                    undefined |= 0x10;
                    if n as usize >= size * 8 {
                        undefined |= 1;
                    }
                }
                if matches!(i.mnemonic(), Mnemonic::Shld | Mnemonic::Shrd) && n as usize > size * 8
                {
                    return None;
                }
            }
            Mnemonic::Bsf | Mnemonic::Bsr if size_of_source(&i) == 2 => {}
            Mnemonic::Bswap if i.op0_register().size() == 2 => {
                ignore_gpr[i.op0_register().full_register().number()] = 0xffff
            }
            _ => {}
        }
        Some(Case {
            code,
            name: format!("{:?}", i.code()),
            before,
            undefined_flags: undefined,
            ignore_gpr,
            // The precision and denormal exceptions' flags aren't kept when the host computes.
            ignore_mxcsr: 0x22,
            ignore_status: 0,
            x87: format!("{:?}", i.mnemonic()).starts_with('F'),
            single: true,
            approximate,
            target,
        })
    }
}

fn size_of_source(i: &Instruction) -> usize {
    if i.op1_kind() == OpKind::Register {
        i.op1_register().size()
    } else {
        i.memory_size().size()
    }
}

fn rflags(bits: u32) -> u64 {
    [
        (RflagsBits::OF, 0x800),
        (RflagsBits::SF, 0x80),
        (RflagsBits::ZF, 0x40),
        (RflagsBits::AF, 0x10),
        (RflagsBits::CF, 1),
        (RflagsBits::PF, 4),
    ]
    .into_iter()
    .filter(|(bit, _)| bits & bit != 0)
    .map(|(_, flag)| flag)
    .sum()
}
