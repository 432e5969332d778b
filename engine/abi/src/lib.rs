//! Linux's user-space ABI: constants and structures, as `asm-generic` and `arch/x86` of the kernel define them.
//!
//! Structures that live in guest memory have `to_bytes`/`from_bytes` in the x86-64 layout; nothing is transmuted.
#![forbid(unsafe_code)]

mod bytes;
pub mod caps;
mod errno;
pub mod fs;
pub mod mm;
pub mod mode;
pub mod poll;
pub mod process;
pub mod signal;
pub mod socket;
pub mod time;
pub mod tty;

pub use bytes::{Layout, get_u16, get_u32, get_u64};
pub use errno::Errno;
pub use signal::{SigSet, Signal};
