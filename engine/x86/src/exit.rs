//! Why the guest stopped.

/// What a memory access wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    Exec,
}

/// A page fault: the guest address that could not be accessed, and whether a page was there that forbade it
/// (`SEGV_ACCERR`) or none was (`SEGV_MAPERR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub addr: u64,
    pub access: Access,
    pub present: bool,
}

/// Why [`run`](crate::run) returned. On everything but `Syscall`, `Breakpoint` and `Trap`, `rip` is the address of the
/// instruction that caused it, nothing of which was carried out; on these three it is the address of the next one.
/// (A `rep` string instruction that faults has counted its finished elements in rcx, rsi and rdi, as on a processor.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// `syscall`; rcx and r11 are set as the processor does.
    Syscall,
    /// A page fault (#PF).
    Fault(Fault),
    /// Division by zero, or a quotient out of range (#DE).
    DivideError,
    /// An instruction that does not exist here (#UD).
    InvalidOpcode,
    /// A privileged instruction, a non-canonical address, a misaligned SSE operand (#GP).
    GeneralProtection,
    /// `int3` (#BP).
    Breakpoint,
    /// An instruction was carried out with the trap flag set (#DB).
    Trap,
    /// An unmasked x87 or SSE exception (#MF, #XM).
    FpException,
    /// The budget is used up.
    Budget,
}
