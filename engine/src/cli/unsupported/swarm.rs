//! `docker swarm`: manage Swarm.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["swarm ca"],
        usage: "[OPTIONS]",
        about: "Display and rotate the root CA",
        args: Args::None,
        flags: &[
            Flag::long(
                "ca-cert",
                "pem-file",
                "Path to the PEM-formatted root CA certificate to use for the new cluster",
            ),
            Flag::long(
                "ca-key",
                "pem-file",
                "Path to the PEM-formatted root CA key to use for the new cluster",
            ),
            Flag::long(
                "cert-expiry",
                "duration",
                "Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)",
            ),
            Flag::new(
                'd',
                "detach",
                "",
                "Exit immediately instead of waiting for the root rotation to converge",
            ),
            Flag::long(
                "external-ca",
                "external-ca",
                "Specifications of one or more certificate signing endpoints",
            ),
            Flag::new('q', "quiet", "", "Suppress progress output"),
            Flag::long(
                "rotate",
                "",
                "Rotate the swarm CA - if no certificate or key are provided, new ones will be generated",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["swarm init"],
        usage: "[OPTIONS]",
        about: "Initialize a swarm",
        args: Args::None,
        flags: &[
            Flag::long(
                "advertise-addr",
                "string",
                "Advertised address (format: \"<ip|interface>[:port]\")",
            ),
            Flag::long(
                "autolock",
                "",
                "Enable manager autolocking (requiring an unlock key to start a stopped manager)",
            ),
            Flag::long(
                "availability",
                "string",
                "Availability of the node (\"active\", \"pause\", \"drain\") (default \"active\")",
            ),
            Flag::long(
                "cert-expiry",
                "duration",
                "Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)",
            ),
            Flag::long(
                "data-path-addr",
                "string",
                "Address or interface to use for data path traffic (format: \"<ip|interface>\")",
            ),
            Flag::long(
                "data-path-port",
                "uint32",
                "Port number to use for data path traffic (1024 - 49151). If no value is set or is set to 0, the default port (4789) is used.",
            ),
            Flag::long(
                "default-addr-pool",
                "ipNetSlice",
                "default address pool in CIDR format (default [])",
            ),
            Flag::long(
                "default-addr-pool-mask-length",
                "uint32",
                "default address pool subnet mask length (default 24)",
            ),
            Flag::long(
                "dispatcher-heartbeat",
                "duration",
                "Dispatcher heartbeat period (ns|us|ms|s|m|h) (default 5s)",
            ),
            Flag::long(
                "external-ca",
                "external-ca",
                "Specifications of one or more certificate signing endpoints",
            ),
            Flag::long(
                "force-new-cluster",
                "",
                "Force create a new cluster from current state",
            ),
            Flag::long(
                "listen-addr",
                "node-addr",
                "Listen address (format: \"<ip|interface>[:port]\") (default 0.0.0.0:2377)",
            ),
            Flag::long(
                "max-snapshots",
                "uint",
                "Number of additional Raft snapshots to retain",
            ),
            Flag::long(
                "snapshot-interval",
                "uint",
                "Number of log entries between Raft snapshots (default 10000)",
            ),
            Flag::long(
                "task-history-limit",
                "int",
                "Task history retention limit (default 5)",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["swarm join"],
        usage: "[OPTIONS] HOST:PORT",
        about: "Join a swarm as a node and/or manager",
        args: Args::Exact(1),
        flags: &[
            Flag::long(
                "advertise-addr",
                "string",
                "Advertised address (format: \"<ip|interface>[:port]\")",
            ),
            Flag::long(
                "availability",
                "string",
                "Availability of the node (\"active\", \"pause\", \"drain\") (default \"active\")",
            ),
            Flag::long(
                "data-path-addr",
                "string",
                "Address or interface to use for data path traffic (format: \"<ip|interface>\")",
            ),
            Flag::long(
                "listen-addr",
                "node-addr",
                "Listen address (format: \"<ip|interface>[:port]\") (default 0.0.0.0:2377)",
            ),
            Flag::long("token", "string", "Token for entry into the swarm"),
        ],
        run: refuse,
    },
    Command {
        names: &["swarm join-token"],
        usage: "[OPTIONS] (worker|manager)",
        about: "Manage join tokens",
        args: Args::Exact(1),
        flags: &[
            Flag::new('q', "quiet", "", "Only display token"),
            Flag::long("rotate", "", "Rotate join token"),
        ],
        run: refuse,
    },
    Command {
        names: &["swarm leave"],
        usage: "[OPTIONS]",
        about: "Leave the swarm",
        args: Args::None,
        flags: &[Flag::new(
            'f',
            "force",
            "",
            "Force this node to leave the swarm, ignoring warnings",
        )],
        run: refuse,
    },
    Command {
        names: &["swarm unlock"],
        usage: "",
        about: "Unlock swarm",
        args: Args::None,
        flags: &[],
        run: refuse,
    },
    Command {
        names: &["swarm unlock-key"],
        usage: "[OPTIONS]",
        about: "Manage the unlock key",
        args: Args::None,
        flags: &[
            Flag::new('q', "quiet", "", "Only display token"),
            Flag::long("rotate", "", "Rotate unlock key"),
        ],
        run: refuse,
    },
    Command {
        names: &["swarm update"],
        usage: "[OPTIONS]",
        about: "Update the swarm",
        args: Args::None,
        flags: &[
            Flag::long(
                "autolock",
                "",
                "Change manager autolocking setting (true|false)",
            ),
            Flag::long(
                "cert-expiry",
                "duration",
                "Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)",
            ),
            Flag::long(
                "dispatcher-heartbeat",
                "duration",
                "Dispatcher heartbeat period (ns|us|ms|s|m|h) (default 5s)",
            ),
            Flag::long(
                "external-ca",
                "external-ca",
                "Specifications of one or more certificate signing endpoints",
            ),
            Flag::long(
                "max-snapshots",
                "uint",
                "Number of additional Raft snapshots to retain",
            ),
            Flag::long(
                "snapshot-interval",
                "uint",
                "Number of log entries between Raft snapshots (default 10000)",
            ),
            Flag::long(
                "task-history-limit",
                "int",
                "Task history retention limit (default 5)",
            ),
        ],
        run: refuse,
    },
];
