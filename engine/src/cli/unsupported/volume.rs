//! `docker volume update`, which is for swarm clusters.

use super::refuse;
use crate::cli::prelude::*;

/// The command.
pub const UPDATE: Command = Command {
    names: &["volume update"],
    usage: "[OPTIONS] [VOLUME]",
    about: "Update a volume (cluster volumes only)",
    args: Args::Exact(1),
    flags: &[Flag::long(
        "availability",
        "string",
        "Cluster Volume availability (\"active\", \"pause\", \"drain\") (default \"active\")",
    )
    .needs(Need::Swarm)],
    run: refuse,
};
