//! `docker volume`.

mod create;
mod inspect;
mod list;
pub(in crate::cli) mod prune;
mod remove;

pub(in crate::cli) use list::{HEADERS, row};

use super::prelude::*;

/// The commands.
pub const COMMANDS: &[&Command] = &[
    &create::COMMAND,
    &inspect::COMMAND,
    &list::COMMAND,
    &prune::COMMAND,
    &remove::COMMAND,
];
