//! The Docker host as the page sees it: its files, its shells.

pub mod files;
pub mod machine;
pub mod shell;

pub use machine::Machine;
