//! `docker config`: manage Swarm configs.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["config create"],
        usage: "[OPTIONS] CONFIG file|-",
        about: "Create a config from a file or STDIN",
        args: Args::Exact(2),
        flags: &[
            Flag::new('l', "label", "list", "Config labels"),
            Flag::long("template-driver", "string", "Template driver"),
        ],
        run: refuse,
    },
    Command {
        names: &["config inspect"],
        usage: "[OPTIONS] CONFIG [CONFIG...]",
        about: "Display detailed information on one or more configs",
        args: Args::Min(1),
        flags: &[
            Flag::new('f', "format", "string", FORMAT_INSPECT),
            Flag::long(
                "pretty",
                "",
                "Print the information in a human friendly format",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["config ls", "config list"],
        usage: "[OPTIONS]",
        about: "List configs",
        args: Args::None,
        flags: &[
            Flag::new(
                'f',
                "filter",
                "filter",
                "Filter output based on conditions provided",
            ),
            Flag::long("format", "string", FORMAT_TABLE),
            Flag::new('q', "quiet", "", "Only display IDs"),
        ],
        run: refuse,
    },
    Command {
        names: &["config rm", "config remove"],
        usage: "CONFIG [CONFIG...]",
        about: "Remove one or more configs",
        args: Args::Min(1),
        flags: &[],
        run: refuse,
    },
];
