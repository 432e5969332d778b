//! An x86-64 user-mode processor: registers, memory, and an interpreter that runs until the guest needs its kernel.
//!
//! It knows no Linux. [`run`] carries out instructions of a [`Cpu`] in an [`AddressSpace`] and says in [`Exit`] why it
//! stopped. Supported is the x86-64 baseline (SSE2, x87 with real 80-bit numbers) with popcnt, lzcnt, tzcnt and movbe; MMX
//! registers, segments but fs and gs, and everything privileged aren't. The precision and denormal flags of mxcsr are
//! only kept while it isn't in its default mode.
//!
//! # The way of an instruction
//! `decode` turns a page's bytes into basic blocks of micro-ops: `liveness` finds the flags that nobody reads, `lower` and
//! its families choose ops from the one table in `ops`, pairs of ops that are frequent become one. `code` keeps the
//! blocks by page, shared by all processes that map the page at the same address. `exec::interpret` walks them; what
//! isn't inline there is a helper. `mem` translates addresses through TLBs and copies on write.
//!
//! # What a JIT will find
//! 1. Blocks are pinned (`code::Block`, ops behind a header) with a `jit` cell, a `hot` counter, links and an op array;
//!    the interpreter can go on at any op, and each op knows its guest address (`Block::origin`).
//! 2. Temporaries are registers 19 to 22 of [`Cpu::gpr`]; no op commits anything before its last possible fault, so an
//!    instruction can be carried out again from its start. (A repeated string instruction commits whole elements.)
//! 3. `Cpu`, the memory's inside, TLB entries and the jump cache are `repr(C)`, passed by pointer; no statics have state.
//! 4. `ops::TABLE` says of each op its kind, size, form and flag effect; the form says what it reads and writes. Pairs
//!    can be taken apart again (`ops::pair`): the second op stays in place.
//! 5. Every op that isn't inline is a function of `(cpu, mem, &Op) -> bool`, callable alone: `exec::helpers::call`.
//! 6. Codes are specific: an operation, size, form and flag effect each.
//! 7. Flags are lazy, as a kind and two words (`flags`), plain numbers in `Cpu`.
//! 8. A TLB entry was checked for permission, and pages with translated code are never in the write TLB.
//!
//! # Invariants
//! - A page with translations is *watched* ([`bottleship_page::Page::watch`]): a store to it ends the block, is carried
//!   out alone, and ends the translations. So self-modifying code works, instruction by instruction.
//! - What the jump cache of an address space holds is valid until the code cache's count of writes changes;
//!   `mem::Inner::sync` catches up before the guest runs.
//! - A block links only to blocks of its own page; from page to page the jump cache, which is the process's own, leads.

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
