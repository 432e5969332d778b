//! Random instructions on the host's processor and through the interpreter, compared.

pub mod generate;
pub mod host;
pub mod values;

use bottleship_page::Page;
use bottleship_x86::{AddressSpace, CodeCache, Cpu, Exit, Prot, run};
use generate::Case;
use host::{DATA, DATA_SIZE, State};

/// xorshift64*.
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// The guest that cases run in.
pub struct Guest {
    mem: AddressSpace,
    code: Page,
    data: [Page; DATA_SIZE / 4096],
}

impl Guest {
    pub fn new() -> Guest {
        let cache = CodeCache::new();
        let mut mem = AddressSpace::new(&cache);
        let code = Page::zeroed();
        let data = std::array::from_fn(|_| Page::zeroed());
        mem.map(host::slot() >> 12, code.clone(), Prot::RX, false);
        for (i, page) in data.iter().enumerate() {
            mem.map((DATA >> 12) + i as u64, page.clone(), Prot::RW, false);
        }
        Guest { mem, code, data }
    }

    pub fn run(&mut self, case: &Case, data: &mut [u8; DATA_SIZE]) -> (State, Exit) {
        let mut cpu = self.prepare(case, data);
        let exit = run(&mut cpu, &mut self.mem, &mut 100_000);
        (self.after(case, &cpu, data), exit)
    }

    /// The same with the trap flag set.
    pub fn step(&mut self, case: &Case, data: &mut [u8; DATA_SIZE]) -> (State, Exit) {
        let mut cpu = self.prepare(case, data);
        cpu.set_rflags(case.before.flags | 0x100);
        let mut exit = Exit::Trap;
        while exit == Exit::Trap {
            exit = run(&mut cpu, &mut self.mem, &mut 100_000);
        }
        (self.after(case, &cpu, data), exit)
    }

    fn prepare(&mut self, case: &Case, data: &[u8; DATA_SIZE]) -> Cpu {
        let slot = host::slot();
        self.code.write(slot as usize % 4096, &case.code);
        self.code
            .write(slot as usize % 4096 + case.code.len(), &[0xcc]);
        for (page, bytes) in self.data.iter().zip(data.chunks_exact(4096)) {
            page.write(0, bytes);
        }
        let mut cpu = Cpu::new();
        cpu.gpr[..16].copy_from_slice(&case.before.gpr);
        cpu.set_rflags(case.before.flags);
        cpu.fxrstor(&case.before.fx);
        cpu.rip = slot;
        cpu
    }

    fn after(&self, case: &Case, cpu: &Cpu, data: &mut [u8; DATA_SIZE]) -> State {
        let mut after = case.before.clone();
        after.gpr.copy_from_slice(&cpu.gpr[..16]);
        after.flags = cpu.rflags();
        after.rip = cpu.rip;
        after.fx = cpu.fxsave();
        for (page, bytes) in self.data.iter().zip(data.chunks_exact_mut(4096)) {
            page.read(0, bytes);
        }
        after
    }
}

/// What differs between the host's and the guest's outcome; empty if nothing does.
pub fn compare(
    case: &Case,
    host: &State,
    host_data: &[u8],
    guest: &State,
    exit: Exit,
    guest_data: &[u8],
) -> Vec<String> {
    let mut differences = Vec::new();
    let expected = match host.signal as i32 {
        0 => "ok",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        _ => "SIGSEGV",
    };
    let got = match exit {
        Exit::Breakpoint => "ok",
        Exit::DivideError | Exit::FpException => "SIGFPE",
        Exit::InvalidOpcode => "SIGILL",
        Exit::Fault(_) | Exit::GeneralProtection => "SIGSEGV",
        Exit::Trap => "SIGTRAP",
        Exit::Budget => "budget",
        Exit::Syscall => "syscall",
    };
    if expected != got {
        differences.push(format!("outcome: host {expected}, guest {exit:?}"));
        return differences;
    }
    if expected != "ok" && host.rip != guest.rip && expected != "SIGTRAP" {
        differences.push(format!("rip: host {:#x}, guest {:#x}", host.rip, guest.rip));
    }
    if let (Exit::Fault(fault), "SIGSEGV") = (exit, expected) {
        // Processors don't agree with themselves which of two operands is looked at first.
        let either = case.name.starts_with("Maskmov") || case.name.starts_with("Cmps");
        if fault.addr != host.fault && host.fault != 0 && !either {
            differences.push(format!(
                "fault address: host {:#x}, guest {:#x}",
                host.fault, fault.addr
            ));
        }
    }
    for r in 0..16 {
        if (host.gpr[r] ^ guest.gpr[r]) & !case.ignore_gpr[r] != 0 {
            differences.push(format!(
                "gpr {r}: host {:#x}, guest {:#x}",
                host.gpr[r], guest.gpr[r]
            ));
        }
    }
    let flags = (host.flags ^ guest.flags) & 0xcd5 & !case.undefined_flags;
    if flags != 0 && (expected == "ok" || case.single) {
        differences.push(format!(
            "flags: host {:#x}, guest {:#x}, differing {flags:#x}",
            host.flags & 0xcd5,
            guest.flags & 0xcd5
        ));
    }
    for x in 0..16 {
        let at = 160 + 16 * x;
        if host.fx[at..at + 16] != guest.fx[at..at + 16] {
            differences.push(format!(
                "xmm{x}: host {:02x?}, guest {:02x?}",
                &host.fx[at..at + 16],
                &guest.fx[at..at + 16]
            ));
        }
    }
    let word = |fx: &[u8], at: usize| u16::from_le_bytes([fx[at], fx[at + 1]]);
    let mxcsr = (word(&host.fx, 24) ^ word(&guest.fx, 24)) & !case.ignore_mxcsr;
    if mxcsr != 0 {
        differences.push(format!(
            "mxcsr: host {:#x}, guest {:#x}",
            word(&host.fx, 24),
            word(&guest.fx, 24)
        ));
    }
    if case.x87 {
        for (name, at, ignore) in [
            ("control", 0, 0),
            ("status", 2, case.ignore_status),
            ("tag", 4, 0xff00),
        ] {
            // Whether a result was rounded up, and whether it became denormal, hangs on its last bits.
            let ignore = ignore
                | if case.approximate && at == 2 {
                    0x230
                } else {
                    0
                };
            let (h, g) = (word(&host.fx, at) & !ignore, word(&guest.fx, at) & !ignore);
            if h != g {
                differences.push(format!("x87 {name} word: host {h:#x}, guest {g:#x}"));
            }
        }
    }
    for r in 0..8 {
        let at = 32 + 16 * r;
        let near = case.approximate && distance(&host.fx[at..at + 10], &guest.fx[at..at + 10]) <= 3;
        if host.fx[at..at + 10] != guest.fx[at..at + 10] && !near {
            differences.push(format!(
                "st{r}: host {:02x?}, guest {:02x?}",
                &host.fx[at..at + 10],
                &guest.fx[at..at + 10]
            ));
        }
    }
    if let Some(at) = (0..DATA_SIZE).find(|&i| host_data[i] != guest_data[i]) {
        differences.push(format!(
            "data at {at:#x}: host {:02x}, guest {:02x}",
            host_data[at], guest_data[at]
        ));
    }
    differences
}

/// How many 80-bit numbers lie between two of the same sign.
fn distance(a: &[u8], b: &[u8]) -> u128 {
    let number = |bytes: &[u8]| {
        let mut n = [0; 16];
        n[..10].copy_from_slice(bytes);
        let n = u128::from_le_bytes(n);
        // Without the integer bit, consecutive numbers are consecutive.
        ((n >> 64) << 63) | (n & (u128::from(u64::MAX) >> 1))
    };
    number(a).abs_diff(number(b))
}

/// What a number of cases came to.
#[derive(Default)]
pub struct Report {
    pub cases: u64,
    pub faults: u64,
    pub failures: Vec<String>,
    pub by_mnemonic: std::collections::BTreeMap<String, u64>,
    pub failed_mnemonics: std::collections::BTreeMap<String, u64>,
}

/// Which cases to try.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Single instructions, faults and all.
    Single,
    /// Short sequences with branches, which become one block or a few.
    Sequence,
}

/// Runs `cases` cases from a seed on; keeps at most 40 failures.
pub fn campaign(kind: Kind, seed: u64, cases: u64, only: Option<&str>) -> Report {
    let mut rng = Rng(seed | 1);
    let mut guest = Guest::new();
    let mut report = Report::default();
    let mut generator = generate::Generator::new(only);
    let mut data = [0u8; DATA_SIZE];
    while report.cases < cases {
        let case = match kind {
            Kind::Single => generator.case(&mut rng),
            Kind::Sequence => generator.sequence(&mut rng),
        };
        let Some(case) = case else {
            continue;
        };
        for _ in 0..4 {
            let at = rng.below(DATA_SIZE as u64 / 8) as usize * 8;
            data[at..at + 8].copy_from_slice(&values::value(&mut rng).to_le_bytes());
        }
        generate::operands(&mut rng, &case, &mut data);
        let (mut host_data, mut guest_data) = (data, data);
        if std::env::var_os("DIFFER_TRACE").is_some() {
            eprintln!("{}", case.describe());
        }
        let host = host::run(&case.code, &case.before, &mut host_data);
        let (after, exit) = guest.run(&case, &mut guest_data);
        if kind == Kind::Sequence {
            // One instruction at a time has to come to the same.
            let mut stepped_data = data;
            let (stepped, _) = guest.step(&case, &mut stepped_data);
            let flags = (stepped.flags ^ after.flags) & 0xcd5 & !case.undefined_flags;
            if flags != 0
                || stepped.gpr != after.gpr
                || stepped.fx != after.fx
                || stepped_data != guest_data
            {
                report
                    .failures
                    .push(format!("{}\n    stepping differs", case.describe()));
            }
        }
        report.cases += 1;
        report.faults += u64::from(host.signal != 0);
        let name = if kind == Kind::Single {
            case.name.clone()
        } else {
            "sequence".to_string()
        };
        *report.by_mnemonic.entry(name.clone()).or_default() += 1;
        let differences = compare(&case, &host, &host_data, &after, exit, &guest_data);
        if !differences.is_empty() {
            *report
                .failed_mnemonics
                .entry(case.name.clone())
                .or_default() += 1;
            if report.failures.len() < 40 {
                report.failures.push(format!(
                    "{}\n    {}",
                    case.describe(),
                    differences.join("\n    ")
                ));
            }
        }
        data = host_data;
    }
    report
}
