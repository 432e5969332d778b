//! Builds, without processors: containers whose shell is a few lines of Rust.

mod buildkit;
mod classic;
mod golden;
mod shell;
mod world;
