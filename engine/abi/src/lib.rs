//! Linux's user-space ABI: constants and structures, as `asm-generic` and `arch/x86` of the kernel define them.
#![forbid(unsafe_code)]

mod errno;
pub mod mode;

pub use errno::Errno;
