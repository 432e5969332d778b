//! The registers of one guest thread.

use crate::flags::{self, FlagKind};
use crate::x87::X87;

/// Indices into [`Cpu::gpr`].
pub mod reg {
    pub const RAX: usize = 0;
    pub const RCX: usize = 1;
    pub const RDX: usize = 2;
    pub const RBX: usize = 3;
    pub const RSP: usize = 4;
    pub const RBP: usize = 5;
    pub const RSI: usize = 6;
    pub const RDI: usize = 7;
    pub const R8: usize = 8;
    pub const R9: usize = 9;
    pub const R10: usize = 10;
    pub const R11: usize = 11;
    pub const R12: usize = 12;
    pub const R13: usize = 13;
    pub const R14: usize = 14;
    pub const R15: usize = 15;
    /// Always zero: stands for an absent base or index.
    pub(crate) const ZERO: usize = 16;
    pub(crate) const FS: usize = 17;
    pub(crate) const GS: usize = 18;
    /// Temporaries of micro-ops; their values mean nothing between instructions.
    pub(crate) const T0: usize = 19;
    pub(crate) const T1: usize = 20;
    pub(crate) const T2: usize = 21;
    pub(crate) const T3: usize = 22;
    /// Stands for an xmm operand that was loaded from memory.
    pub(crate) const XT: usize = 16;
}

/// The state of one guest thread. `repr(C)`, so that emitted code can address its fields.
#[repr(C)]
#[derive(Clone)]
pub struct Cpu {
    /// rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8…r15 (see [`reg`]); what follows is the interpreter's own.
    pub gpr: [u64; 32],
    pub rip: u64,
    /// The arithmetic flags, not yet worked out: the kind of the last operation that set them, and two words.
    pub(crate) flag_kind: FlagKind,
    pub(crate) flag_a: u64,
    pub(crate) flag_b: u64,
    /// The other bits of rflags (DF, TF, AC, ID …).
    pub(crate) system_flags: u64,
    /// xmm0…xmm15; what follows is the interpreter's own.
    pub xmm: [u128; 32],
    pub mxcsr: u32,
    pub x87: X87,
    /// What `rdtsc` reads. The host sets it; each `rdtsc` adds a little, so that it strictly increases.
    pub tsc: u64,
    /// What `rdtscp` and `rdpid` say: the number of the processor.
    pub tsc_aux: u32,
}

impl Cpu {
    /// Registers as Linux hands them to a new program: all zero, exceptions masked, x87 in extended precision.
    pub fn new() -> Cpu {
        Cpu {
            gpr: [0; 32],
            rip: 0,
            flag_kind: FlagKind::RAW,
            flag_a: 0,
            flag_b: 0,
            system_flags: flags::ALWAYS_ONE | flags::IF,
            xmm: [0; 32],
            mxcsr: 0x1f80,
            x87: X87::new(),
            tsc: 0,
            tsc_aux: 0,
        }
    }

    /// The value of rflags.
    pub fn rflags(&self) -> u64 {
        self.system_flags | flags::materialize(self.flag_kind, self.flag_a, self.flag_b)
    }

    /// Sets rflags as `popf` or `sigreturn` in user mode may: arithmetic flags, DF, TF, AC and ID.
    pub fn set_rflags(&mut self, value: u64) {
        self.flag_kind = FlagKind::RAW;
        self.flag_a = value & flags::ARITH;
        self.system_flags = flags::ALWAYS_ONE | flags::IF | (value & flags::USER_SYSTEM);
    }

    pub fn fs_base(&self) -> u64 {
        self.gpr[reg::FS]
    }

    pub fn set_fs_base(&mut self, base: u64) {
        self.gpr[reg::FS] = base;
    }

    pub fn gs_base(&self) -> u64 {
        self.gpr[reg::GS]
    }

    pub fn set_gs_base(&mut self, base: u64) {
        self.gpr[reg::GS] = base;
    }

    /// The 512-byte image that `fxsave64` writes: x87 and SSE state, as in a signal frame.
    pub fn fxsave(&self) -> [u8; 512] {
        let mut image = [0; 512];
        self.x87.save(&mut image);
        image[24..28].copy_from_slice(&self.mxcsr.to_le_bytes());
        image[28..32].copy_from_slice(&0xffffu32.to_le_bytes());
        for (slot, xmm) in image[160..416].chunks_exact_mut(16).zip(&self.xmm) {
            slot.copy_from_slice(&xmm.to_le_bytes());
        }
        image
    }

    /// Takes over an image as `fxrstor64` does. False, and nothing done, if it sets reserved bits of mxcsr.
    pub fn fxrstor(&mut self, image: &[u8; 512]) -> bool {
        let mxcsr = u32::from_le_bytes([image[24], image[25], image[26], image[27]]);
        if mxcsr & !0xffff != 0 {
            return false;
        }
        self.mxcsr = mxcsr;
        self.x87.restore(image);
        for (slot, xmm) in image[160..416].chunks_exact(16).zip(&mut self.xmm) {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(slot);
            *xmm = u128::from_le_bytes(bytes);
        }
        true
    }
}

impl Default for Cpu {
    fn default() -> Cpu {
        Cpu::new()
    }
}
