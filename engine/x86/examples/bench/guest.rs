//! Just enough of Linux to run one static program for a measurement: no files but one, no signals, no processes.
//! The real thing is `bottleship-linux`.

use bottleship_page::{PAGE_SIZE, Page};
use bottleship_x86::{AddressSpace, CodeCache, Cpu, Exit, Prot, reg, run};

pub struct Guest {
    cpu: Cpu,
    mem: AddressSpace,
    brk: u64,
    mmap: u64,
    input: Vec<u8>,
    at: usize,
    pub output: Vec<u8>,
    pub instructions: u64,
    pub exit_code: Option<i32>,
}

const STACK_TOP: u64 = 0x7fff_ffff_0000;

fn word(bytes: &[u8], at: usize, n: usize) -> u64 {
    bytes[at..at + n]
        .iter()
        .rev()
        .fold(0, |v, &b| v << 8 | u64::from(b))
}

impl Guest {
    /// Loads a static ELF program. `input` is what descriptor 0, and every file that it opens, reads.
    pub fn new(elf: &[u8], argv: &[&str], input: Vec<u8>) -> Guest {
        let mut mem = AddressSpace::new(&CodeCache::new());
        let mut cpu = Cpu::new();
        assert_eq!(&elf[..4], b"\x7fELF");
        let base = if word(elf, 16, 2) == 3 {
            0x5555_5555_4000
        } else {
            0
        };
        let (entry, phoff) = (word(elf, 24, 8) + base, word(elf, 32, 8) as usize);
        let (phentsize, phnum) = (word(elf, 54, 2) as usize, word(elf, 56, 2) as usize);
        let (mut brk, mut phdr) = (0, 0);
        for n in 0..phnum {
            let ph = &elf[phoff + n * phentsize..];
            if word(ph, 0, 4) != 1 {
                continue;
            }
            let (flags, offset, vaddr) = (
                word(ph, 4, 4),
                word(ph, 8, 8) as usize,
                word(ph, 16, 8) + base,
            );
            let (filesz, memsz) = (word(ph, 32, 8) as usize, word(ph, 40, 8));
            let prot = Prot {
                r: flags & 4 != 0,
                w: flags & 2 != 0,
                x: flags & 1 != 0,
            };
            let (first, last) = (vaddr >> 12, (vaddr + memsz).div_ceil(4096));
            for vpn in first..last {
                let mut bytes = vec![0; PAGE_SIZE];
                for (i, byte) in bytes.iter_mut().enumerate() {
                    let at = ((vpn << 12) + i as u64).wrapping_sub(vaddr) as usize;
                    if at < filesz {
                        *byte = elf[offset + at];
                    }
                }
                mem.map(vpn, Page::from_slice(&bytes), prot, true);
            }
            if offset == 0 {
                phdr = vaddr + phoff as u64;
            }
            brk = brk.max(last << 12);
        }
        for vpn in (STACK_TOP >> 12) - 64..STACK_TOP >> 12 {
            mem.map(vpn, Page::zeroed(), Prot::RW, true);
        }
        let mut sp = STACK_TOP - 64;
        let mut strings = Vec::new();
        for arg in argv {
            sp -= arg.len() as u64 + 1;
            mem.write(sp, arg.as_bytes()).unwrap();
            strings.push(sp);
        }
        let random = sp - 16;
        sp = (random - 16) & !15;
        let mut words = vec![argv.len() as u64];
        words.extend(&strings);
        words.extend([0, 0]);
        for (kind, value) in [
            (3, phdr),
            (4, 56),
            (5, phnum as u64),
            (6, 4096),
            (9, entry),
            (25, random),
            (23, 0),
            (0, 0),
        ] {
            words.extend([kind, value]);
        }
        sp -= 8 * (words.len() as u64 + words.len() as u64 % 2);
        for (i, w) in words.iter().enumerate() {
            mem.write_u64(sp + 8 * i as u64, *w).unwrap();
        }
        cpu.gpr[reg::RSP] = sp;
        cpu.rip = entry;
        Guest {
            cpu,
            mem,
            brk,
            mmap: 0x7f00_0000_0000,
            input,
            at: 0,
            output: Vec::new(),
            instructions: 0,
            exit_code: None,
        }
    }

    /// Runs for about so many instructions; false once the program has ended.
    pub fn run(&mut self, instructions: u64) -> bool {
        let mut budget = instructions;
        while self.exit_code.is_none() {
            let before = budget;
            let exit = run(&mut self.cpu, &mut self.mem, &mut budget);
            self.instructions += before - budget;
            match exit {
                Exit::Syscall => self.syscall(),
                Exit::Budget => return true,
                other => panic!(
                    "{other:?} at {:#x} after {}",
                    self.cpu.rip,
                    String::from_utf8_lossy(&self.output)
                ),
            }
        }
        false
    }

    fn anonymous(&mut self, addr: u64, len: u64) {
        for vpn in addr >> 12..(addr + len).div_ceil(4096) {
            self.mem.map(vpn, Page::zeroed(), Prot::RW, true);
        }
    }

    fn syscall(&mut self) {
        let r = |n: usize| self.cpu.gpr[n];
        let (a, b, c) = (r(reg::RDI), r(reg::RSI), r(reg::RDX));
        const ENOSYS: u64 = -38i64 as u64;
        const EBADF: u64 = -9i64 as u64;
        let result = match r(reg::RAX) {
            0 => {
                let n = (c as usize).min(self.input.len() - self.at);
                self.mem
                    .write(b, &self.input[self.at..self.at + n])
                    .unwrap();
                self.at += n;
                n as u64
            }
            1 => {
                let mut bytes = vec![0; c as usize];
                self.mem.read(b, &mut bytes).unwrap();
                self.output.extend(bytes);
                c
            }
            2 | 257 => 3,
            3 => 0,
            9 => {
                let len = b.div_ceil(4096) << 12;
                self.mmap -= len;
                self.anonymous(self.mmap, len);
                self.mmap
            }
            10 => 0,
            11 => {
                self.mem.unmap(a >> 12..(a + b).div_ceil(4096));
                0
            }
            12 => {
                if a > self.brk {
                    self.anonymous(self.brk, a - self.brk);
                    self.brk = a.div_ceil(4096) << 12;
                    a
                } else {
                    self.brk
                }
            }
            39 | 102 | 104 | 107 | 108 | 110 | 218 => 1000,
            60 | 231 => {
                self.exit_code = Some(a as i32);
                0
            }
            79 => {
                self.mem.write(a, b"/\0").unwrap();
                2
            }
            158 if a == 0x1002 => {
                self.cpu.set_fs_base(b);
                0
            }
            13 | 14 | 72 | 96 | 228 => 0,
            16 => EBADF,
            _ => ENOSYS,
        };
        self.cpu.gpr[reg::RAX] = result;
    }
}
