//! `docker system`, and what concerns every kind of object.

mod df;
mod events;
mod info;
mod inspect;
mod prune;
mod version;

use super::prelude::*;

/// The commands.
pub const COMMANDS: &[&Command] = &[
    &df::COMMAND,
    &events::COMMAND,
    &info::COMMAND,
    &inspect::COMMAND,
    &prune::COMMAND,
    &version::COMMAND,
];
