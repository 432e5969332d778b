//! The x87 unit's registers.

/// An 80-bit extended number: 64 bits of significand with an explicit integer bit; sign and 15 bits of exponent.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct F80 {
    pub sig: u64,
    pub exp: u16,
}

/// Control, status and tag words and the eight registers, physical (not relative to the top of the stack).
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X87 {
    pub regs: [F80; 8],
    pub control: u16,
    /// Without the top of stack, which is in `top`.
    pub status: u16,
    pub top: u8,
    /// Bit i: physical register i is in use.
    pub used: u8,
    /// Opcode and address of the last instruction are not kept: always zero, as AMD's say when no exception is pending.
    pub last_op: u16,
}

impl X87 {
    /// As after `fninit`.
    pub fn new() -> X87 {
        X87 {
            regs: [F80::default(); 8],
            control: 0x37f,
            status: 0,
            top: 0,
            used: 0,
            last_op: 0,
        }
    }

    /// The status word, with the top of stack in it.
    pub fn status_word(&self) -> u16 {
        (self.status & !0x3800) | (u16::from(self.top & 7) << 11)
    }

    /// Takes over a status word.
    pub fn set_status_word(&mut self, word: u16) {
        self.status = word & !0x3800;
        self.top = (word >> 11) as u8 & 7;
    }

    /// Writes the x87 part of an fxsave image.
    pub fn save(&self, image: &mut [u8; 512]) {
        image[0..2].copy_from_slice(&self.control.to_le_bytes());
        image[2..4].copy_from_slice(&self.status_word().to_le_bytes());
        image[4] = self.used;
        for i in 0..8 {
            let r = self.regs[(self.top as usize + i) % 8];
            let at = 32 + 16 * i;
            image[at..at + 8].copy_from_slice(&r.sig.to_le_bytes());
            image[at + 8..at + 10].copy_from_slice(&r.exp.to_le_bytes());
        }
    }

    /// Reads the x87 part of an fxsave image.
    pub fn restore(&mut self, image: &[u8; 512]) {
        let word = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
        self.control = word(0);
        self.set_status_word(word(2));
        self.used = image[4];
        for i in 0..8 {
            let at = 32 + 16 * i;
            let mut sig = [0; 8];
            sig.copy_from_slice(&image[at..at + 8]);
            self.regs[(self.top as usize + i) % 8] = F80 {
                sig: u64::from_le_bytes(sig),
                exp: word(at + 8),
            };
        }
    }
}

impl Default for X87 {
    fn default() -> X87 {
        X87::new()
    }
}
