//! `docker checkpoint`: manage checkpoints.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["checkpoint create"],
        usage: "[OPTIONS] CONTAINER CHECKPOINT",
        about: "Create a checkpoint from a running container",
        args: Args::Exact(2),
        flags: &[
            Flag::long(
                "checkpoint-dir",
                "string",
                "Use a custom checkpoint storage directory",
            ),
            Flag::long(
                "leave-running",
                "",
                "Leave the container running after checkpoint",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["checkpoint ls", "checkpoint list"],
        usage: "[OPTIONS] CONTAINER",
        about: "List checkpoints for a container",
        args: Args::Exact(1),
        flags: &[Flag::long(
            "checkpoint-dir",
            "string",
            "Use a custom checkpoint storage directory",
        )],
        run: refuse,
    },
    Command {
        names: &["checkpoint rm", "checkpoint remove"],
        usage: "[OPTIONS] CONTAINER CHECKPOINT",
        about: "Remove a checkpoint",
        args: Args::Exact(2),
        flags: &[Flag::long(
            "checkpoint-dir",
            "string",
            "Use a custom checkpoint storage directory",
        )],
        run: refuse,
    },
];
