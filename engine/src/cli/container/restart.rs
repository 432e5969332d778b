//! `docker container restart`: restart one or more containers.

use super::stop;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container restart", "restart"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Restart one or more containers",
    args: Args::Min(1),
    flags: stop::FLAGS,
    run: |cli, m| Box::pin(stop::run(cli, m, "restart")),
};
