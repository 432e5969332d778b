//! The Dockerfile language, as BuildKit's own frontend reads it.
//!
//! Layers, each usable alone:
//! - [`parser`]: bytes → [`parser::Ast`] (directives, continuation lines, heredocs, JSON forms), with line ranges;
//! - [`instruction`]: AST → [`instruction::Stage`]s of typed instructions;
//! - [`shell`]: words, quotes and `${x:-…}` expansion;
//! - [`convert`]: stages + build arguments + base images → a graph of build steps and the final image config;
//! - [`ignore`]: `.dockerignore`; [`lint`]: the build checks, as data; [`git`]: Git URLs as contexts.
//!
//! Everything is pure: no IO, no clock. Input is taken for hostile: size, nesting and growth are bounded
//! ([`limits`]) and exceeding a bound is an error that names it.
#![forbid(unsafe_code)]

pub mod convert;
pub mod error;
pub mod git;
pub mod goform;
pub mod ignore;
pub mod image;
pub mod instruction;
pub mod limits;
pub mod lint;
pub mod parser;
pub mod path;
pub mod ports;
pub mod shell;
pub mod suggest;

pub use error::{Error, LineRange};
