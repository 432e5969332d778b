//! `docker stack`: manage Swarm stacks.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["stack config"],
        usage: "[OPTIONS]",
        about: "Outputs the final config file, after doing merges and interpolations",
        args: Args::None,
        flags: &[
            Flag::new(
                'c',
                "compose-file",
                "strings",
                "Path to a Compose file, or \"-\" to read from stdin",
            ),
            Flag::long(
                "skip-interpolation",
                "",
                "Skip interpolation and output only merged config",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["stack deploy", "stack up"],
        usage: "[OPTIONS] STACK",
        about: "Deploy a new stack or update an existing stack",
        args: Args::Exact(1),
        flags: &[
            Flag::new(
                'c',
                "compose-file",
                "strings",
                "Path to a Compose file, or \"-\" to read from stdin",
            ),
            Flag::new(
                'd',
                "detach",
                "",
                "Exit immediately instead of waiting for the stack services to converge (default true)",
            ),
            Flag::long("prune", "", "Prune services that are no longer referenced"),
            Flag::new('q', "quiet", "", "Suppress progress output"),
            Flag::long(
                "resolve-image",
                "string",
                "Query the registry to resolve image digest and supported platforms (\"always\", \"changed\", \"never\") (default \"always\")",
            ),
            Flag::long(
                "with-registry-auth",
                "",
                "Send registry authentication details to Swarm agents",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["stack ls", "stack list"],
        usage: "[OPTIONS]",
        about: "List stacks",
        args: Args::None,
        flags: &[Flag::long("format", "string", FORMAT_TABLE)],
        run: refuse,
    },
    Command {
        names: &["stack ps"],
        usage: "[OPTIONS] STACK",
        about: "List the tasks in the stack",
        args: Args::Exact(1),
        flags: &[
            Flag::new(
                'f',
                "filter",
                "filter",
                "Filter output based on conditions provided",
            ),
            Flag::long("format", "string", FORMAT_TABLE),
            Flag::long("no-resolve", "", "Do not map IDs to Names"),
            Flag::long("no-trunc", "", "Do not truncate output"),
            Flag::new('q', "quiet", "", "Only display task IDs"),
        ],
        run: refuse,
    },
    Command {
        names: &["stack rm", "stack remove", "stack down"],
        usage: "[OPTIONS] STACK [STACK...]",
        about: "Remove one or more stacks",
        args: Args::Min(1),
        flags: &[Flag::new(
            'd',
            "detach",
            "",
            "Do not wait for stack removal (default true)",
        )],
        run: refuse,
    },
    Command {
        names: &["stack services"],
        usage: "[OPTIONS] STACK",
        about: "List the services in the stack",
        args: Args::Exact(1),
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
];
