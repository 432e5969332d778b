//! Loading programs: ELF images, scripts, the initial stack.

pub mod elf;
mod exec;
mod load;
mod stack;

pub(crate) use exec::read_strings;
pub use exec::{exec, find};
