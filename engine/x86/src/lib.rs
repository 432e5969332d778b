//! An x86-64 user-mode processor: registers, memory, and an interpreter that runs until the guest needs its kernel.
//!
//! It knows no Linux. [`run`] carries out instructions of a [`Cpu`] in an [`AddressSpace`] and says in [`Exit`] why it
//! stopped.

mod code;
mod cpu;
mod decode;
mod exec;
mod exit;
mod flags;
mod mem;
mod ops;
mod x87;

pub use code::CodeCache;
pub use cpu::{Cpu, reg};
pub use exec::run;
pub use exit::{Access, Exit, Fault};
pub use mem::{AddressSpace, Mapping, Prot, VPN_END};
pub use x87::{F80, X87};
