//! Runs a few bytes of code on the host's processor with all registers given, and says what became of them.
#![allow(unsafe_code)]

use std::sync::Once;

/// Registers before or after.
#[repr(C)]
#[derive(Clone, PartialEq)]
pub struct State {
    pub gpr: [u64; 16],
    pub flags: u64,
    /// The signal that stopped it, or 0.
    pub signal: u64,
    pub rip: u64,
    pub fault: u64,
    pub fx: [u8; 512],
}

/// Where everything is, in the host and in the guest alike: the code, then the registers, then (between unmapped
/// pages) the data.
pub const BASE: u64 = 0x1000_0000;
pub const DATA: u64 = BASE + 0x5000;
pub const DATA_SIZE: usize = 0x2000;
pub const SLOT_SIZE: usize = 64;

std::arch::global_asm!(
    ".balign 4096",
    ".globl differ_start, differ_slot, differ_after, differ_in, differ_out",
    "differ_start:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rip + differ_rsp], rsp",
    "fxrstor64 [rip + differ_in + 160]",
    "push qword ptr [rip + differ_in + 128]",
    "popfq",
    "mov rax, [rip + differ_in + 0]",
    "mov rcx, [rip + differ_in + 8]",
    "mov rdx, [rip + differ_in + 16]",
    "mov rbx, [rip + differ_in + 24]",
    "mov rbp, [rip + differ_in + 40]",
    "mov rsi, [rip + differ_in + 48]",
    "mov rdi, [rip + differ_in + 56]",
    "mov r8, [rip + differ_in + 64]",
    "mov r9, [rip + differ_in + 72]",
    "mov r10, [rip + differ_in + 80]",
    "mov r11, [rip + differ_in + 88]",
    "mov r12, [rip + differ_in + 96]",
    "mov r13, [rip + differ_in + 104]",
    "mov r14, [rip + differ_in + 112]",
    "mov r15, [rip + differ_in + 120]",
    "mov rsp, [rip + differ_in + 32]",
    "jmp differ_slot",
    ".balign 64",
    "differ_slot:",
    ".fill 64, 1, 0x90",
    "differ_after:",
    "mov [rip + differ_out + 0], rax",
    "mov [rip + differ_out + 8], rcx",
    "mov [rip + differ_out + 16], rdx",
    "mov [rip + differ_out + 24], rbx",
    "mov [rip + differ_out + 32], rsp",
    "mov [rip + differ_out + 40], rbp",
    "mov [rip + differ_out + 48], rsi",
    "mov [rip + differ_out + 56], rdi",
    "mov [rip + differ_out + 64], r8",
    "mov [rip + differ_out + 72], r9",
    "mov [rip + differ_out + 80], r10",
    "mov [rip + differ_out + 88], r11",
    "mov [rip + differ_out + 96], r12",
    "mov [rip + differ_out + 104], r13",
    "mov [rip + differ_out + 112], r14",
    "mov [rip + differ_out + 120], r15",
    "mov rsp, [rip + differ_rsp]",
    "pushfq",
    "pop qword ptr [rip + differ_out + 128]",
    "fxsave64 [rip + differ_out + 160]",
    "push 0x1f80",
    "ldmxcsr [rsp]",
    "pop rax",
    "fninit",
    "cld",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    ".balign 4096",
    "differ_in:",
    ".skip 1024",
    "differ_out:",
    ".skip 1024",
    "differ_rsp:",
    ".skip 2048",
    "differ_end:",
);

unsafe extern "C" {
    static differ_start: u8;
    static differ_slot: u8;
    static differ_after: u8;
    static differ_in: u8;
    static differ_out: u8;
}

fn offset(of: *const u8) -> u64 {
    of as u64 - &raw const differ_start as u64
}

/// The guest address of the code.
pub fn slot() -> u64 {
    BASE + offset(&raw const differ_slot)
}

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's pointers; only the prepared code faults while the handler is installed.
    unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        let out = (BASE + offset(&raw const differ_out)) as *mut State;
        let rip = &mut context.uc_mcontext.gregs[libc::REG_RIP as usize];
        if (*rip as u64) < slot() || *rip as u64 > slot() + SLOT_SIZE as u64 {
            eprintln!(
                "signal {signal} at {:#x} (slot {:#x}), address {:?}",
                *rip,
                slot(),
                (*info).si_addr()
            );
            libc::_exit(99);
        }
        (*out).signal = signal as u64;
        (*out).rip = *rip as u64;
        (*out).fault = (*info).si_addr() as u64;
        *rip = (BASE + offset(&raw const differ_after)) as i64;
        // The trap flag may have been set by popf.
        context.uc_mcontext.gregs[libc::REG_EFL as usize] &= !0x10100;
    }
}

fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: fixed mappings at addresses that nothing else uses, and handlers for this process.
        unsafe {
            let map = |addr: u64, size: usize| {
                let got = libc::mmap(
                    addr as *mut _,
                    size,
                    libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                    -1,
                    0,
                );
                assert_eq!(got as u64, addr, "the test's addresses are taken");
            };
            map(BASE, 0x2000);
            map(DATA, DATA_SIZE);
            std::ptr::copy_nonoverlapping(&raw const differ_start, BASE as *mut u8, 0x2000);
            let stack = libc::mmap(
                std::ptr::null_mut(),
                1 << 16,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            let alternative = libc::stack_t {
                ss_sp: stack,
                ss_flags: 0,
                ss_size: 1 << 16,
            };
            libc::sigaltstack(&alternative, std::ptr::null_mut());
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            for signal in [
                libc::SIGFPE,
                libc::SIGILL,
                libc::SIGSEGV,
                libc::SIGBUS,
                libc::SIGTRAP,
            ] {
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
    });
}

/// Runs `code` (at most [`SLOT_SIZE`] - 2 bytes) with these registers and data. One thread at a time.
pub fn run(code: &[u8], before: &State, data: &mut [u8; DATA_SIZE]) -> State {
    prepare();
    assert!(code.len() + 2 <= SLOT_SIZE);
    // SAFETY: the mappings exist; the code runs with nothing but them (the generator sees to that) and comes back
    // through `differ_after`, which restores what the ABI wants.
    unsafe {
        let slot = slot() as *mut u8;
        slot.write_bytes(0x90, SLOT_SIZE);
        std::ptr::copy_nonoverlapping(code.as_ptr(), slot, code.len());
        std::ptr::copy_nonoverlapping(data.as_ptr(), DATA as *mut u8, DATA_SIZE);
        let at = |p: *const u8| BASE + offset(p);
        let input = at(&raw const differ_in) as *mut State;
        let output = at(&raw const differ_out) as *mut State;
        input.write(before.clone());
        (*output).signal = 0;
        (*output).fault = 0;
        (*output).rip = 0;
        let enter: extern "C" fn() = std::mem::transmute(BASE as *const ());
        enter();
        std::ptr::copy_nonoverlapping(DATA as *const u8, data.as_mut_ptr(), DATA_SIZE);
        output.read()
    }
}
