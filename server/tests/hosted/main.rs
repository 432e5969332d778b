//! Hosted sessions, and the proofs that their walls hold: as root, with each OCI runtime that is installed.
//!
//! A proof asks the same of a session and of a container without walls. If the second did not succeed where the first
//! must fail, the question would prove nothing.

mod client;
mod machine;
mod plain;
mod probe;
mod proofs;
mod proofs_hogs;
mod proofs_remains;
mod visitors;

use std::time::Duration;

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");
/// The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);
