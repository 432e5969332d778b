//! `docker image`.

mod history;
mod import_image;
mod inspect;
mod list;
mod load;
pub(in crate::cli) mod prune;
pub(in crate::cli) mod pull;
mod push;
mod remove;
mod save;
mod tag;

pub(in crate::cli) use list::{HEADERS, row};

use super::prelude::*;

/// The commands.
pub const COMMANDS: &[&Command] = &[
    &history::COMMAND,
    &import_image::COMMAND,
    &inspect::COMMAND,
    &list::COMMAND,
    &load::COMMAND,
    &prune::COMMAND,
    &pull::COMMAND,
    &push::COMMAND,
    &remove::COMMAND,
    &save::COMMAND,
    &tag::COMMAND,
];
