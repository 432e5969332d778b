//! `docker network`.

mod connect;
mod create;
mod disconnect;
mod inspect;
mod list;
pub(in crate::cli) mod prune;
mod remove;

pub(in crate::cli) use list::natural;

use super::prelude::*;

/// The commands.
pub const COMMANDS: &[&Command] = &[
    &connect::COMMAND,
    &create::COMMAND,
    &disconnect::COMMAND,
    &inspect::COMMAND,
    &list::COMMAND,
    &prune::COMMAND,
    &remove::COMMAND,
];
