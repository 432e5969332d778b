//! Registries: logging in and out, searching.

mod login;
mod logout;
mod search;

use super::prelude::*;

/// The commands.
pub const COMMANDS: &[&Command] = &[&login::COMMAND, &logout::COMMAND, &search::COMMAND];
