//! `docker node`: manage Swarm nodes.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["node demote"],
        usage: "NODE [NODE...]",
        about: "Demote one or more nodes from manager in the swarm",
        args: Args::Min(1),
        flags: &[],
        run: refuse,
    },
    Command {
        names: &["node inspect"],
        usage: "[OPTIONS] self|NODE [NODE...]",
        about: "Display detailed information on one or more nodes",
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
        names: &["node ls", "node list"],
        usage: "[OPTIONS]",
        about: "List nodes in the swarm",
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
        names: &["node promote"],
        usage: "NODE [NODE...]",
        about: "Promote one or more nodes to manager in the swarm",
        args: Args::Min(1),
        flags: &[],
        run: refuse,
    },
    Command {
        names: &["node ps"],
        usage: "[OPTIONS] [NODE...]",
        about: "List tasks running on one or more nodes, defaults to current node",
        args: Args::Any,
        flags: &[
            Flag::new(
                'f',
                "filter",
                "filter",
                "Filter output based on conditions provided",
            ),
            Flag::long("format", "string", "Pretty-print tasks using a Go template"),
            Flag::long("no-resolve", "", "Do not map IDs to Names"),
            Flag::long("no-trunc", "", "Do not truncate output"),
            Flag::new('q', "quiet", "", "Only display task IDs"),
        ],
        run: refuse,
    },
    Command {
        names: &["node rm", "node remove"],
        usage: "[OPTIONS] NODE [NODE...]",
        about: "Remove one or more nodes from the swarm",
        args: Args::Min(1),
        flags: &[Flag::new(
            'f',
            "force",
            "",
            "Force remove a node from the swarm",
        )],
        run: refuse,
    },
    Command {
        names: &["node update"],
        usage: "[OPTIONS] NODE",
        about: "Update a node",
        args: Args::Exact(1),
        flags: &[
            Flag::long(
                "availability",
                "string",
                "Availability of the node (\"active\", \"pause\", \"drain\")",
            ),
            Flag::long(
                "label-add",
                "list",
                "Add or update a node label (\"key=value\")",
            ),
            Flag::long("label-rm", "list", "Remove a node label if exists"),
            Flag::long(
                "role",
                "string",
                "Role of the node (\"worker\", \"manager\")",
            ),
        ],
        run: refuse,
    },
];
