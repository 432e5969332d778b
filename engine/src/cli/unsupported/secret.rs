//! `docker secret`: manage Swarm secrets.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["secret create"],
        usage: "[OPTIONS] SECRET [file|-]",
        about: "Create a secret from a file or STDIN as content",
        args: Args::Range(1, 2),
        flags: &[
            Flag::new('d', "driver", "string", "Secret driver"),
            Flag::new('l', "label", "list", "Secret labels"),
            Flag::long("template-driver", "string", "Template driver"),
        ],
        run: refuse,
    },
    Command {
        names: &["secret inspect"],
        usage: "[OPTIONS] SECRET [SECRET...]",
        about: "Display detailed information on one or more secrets",
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
        names: &["secret ls", "secret list"],
        usage: "[OPTIONS]",
        about: "List secrets",
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
        names: &["secret rm", "secret remove"],
        usage: "SECRET [SECRET...]",
        about: "Remove one or more secrets",
        args: Args::Min(1),
        flags: &[],
        run: refuse,
    },
];
