//! An x86-64 user-mode processor: registers, memory, and an interpreter that runs until the guest needs its kernel.
//!
//! It knows no Linux. [`run`] carries out instructions of a [`Cpu`] in an [`AddressSpace`] and says in [`Exit`] why it
//! stopped.
#![allow(dead_code)]

mod code;
mod cpu;
mod exit;
mod flags;
mod mem;
mod x87;

pub use code::CodeCache;
pub use cpu::{Cpu, reg};
pub use exit::{Access, Exit, Fault};
pub use mem::{AddressSpace, Mapping, Prot, VPN_END};
pub use x87::{F80, X87};

/// Runs the guest until something stops it, or `budget` instructions are used up (it may overshoot by a basic block).
pub fn run(_cpu: &mut Cpu, _mem: &mut AddressSpace, _budget: &mut u64) -> Exit {
    Exit::InvalidOpcode
}
