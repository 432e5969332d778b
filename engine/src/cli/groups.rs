//! The groups of commands, as `--help` lists them.

use super::command::{Group, Need};

/// Which daemons have a command or group.
pub fn need(name: &str) -> Need {
    match name {
        // Groups; the commands in them are told of.
        "config" | "node" | "secret" | "service" | "stack" => Need::Swarm,
        "swarm ca" | "swarm join-token" | "swarm leave" => Need::Swarm,
        "swarm unlock" | "swarm unlock-key" | "swarm update" => Need::Swarm,
        "volume update" => Need::Swarm,
        _ if name.split(' ').next() == Some("checkpoint") => Need::Experimental,
        _ => Need::Nothing,
    }
}

/// Every group; the first is `docker` itself.
pub const GROUPS: &[Group] = &[
    Group {
        name: "",
        usage: "[OPTIONS] COMMAND",
        about: "A self-sufficient runtime for containers",
        sections: &[
            (
                "Common Commands",
                &[
                    "run", "exec", "ps", "build", "pull", "push", "images", "login", "logout",
                    "search", "version", "info",
                ],
            ),
            (
                "Management Commands",
                &[
                    "builder",
                    "container",
                    "context",
                    "image",
                    "manifest",
                    "network",
                    "plugin",
                    "system",
                    "trust",
                    "volume",
                ],
            ),
            (
                "Swarm Commands",
                &["config", "node", "secret", "service", "stack", "swarm"],
            ),
            (
                "Commands",
                &[
                    "attach", "commit", "cp", "create", "diff", "events", "export", "history",
                    "import", "inspect", "kill", "load", "logs", "pause", "port", "rename",
                    "restart", "rm", "rmi", "save", "start", "stats", "stop", "tag", "top",
                    "unpause", "update", "wait",
                ],
            ),
        ],
    },
    Group {
        name: "builder",
        usage: "COMMAND",
        about: "Manage builds",
        sections: &[("Commands", &["build", "prune"])],
    },
    Group {
        name: "checkpoint",
        usage: "COMMAND",
        about: "Manage checkpoints",
        sections: &[("Commands", &["create", "ls", "rm"])],
    },
    Group {
        name: "container",
        usage: "COMMAND",
        about: "Manage containers",
        sections: &[(
            "Commands",
            &[
                "attach", "commit", "cp", "create", "diff", "exec", "export", "inspect", "kill",
                "logs", "ls", "pause", "port", "prune", "rename", "restart", "rm", "run", "start",
                "stats", "stop", "top", "unpause", "update", "wait",
            ],
        )],
    },
    Group {
        name: "context",
        usage: "COMMAND",
        about: "Manage contexts",
        sections: &[(
            "Commands",
            &[
                "create", "export", "import", "inspect", "ls", "rm", "show", "update", "use",
            ],
        )],
    },
    Group {
        name: "image",
        usage: "COMMAND",
        about: "Manage images",
        sections: &[(
            "Commands",
            &[
                "build", "history", "import", "inspect", "load", "ls", "prune", "pull", "push",
                "rm", "save", "tag",
            ],
        )],
    },
    Group {
        name: "manifest",
        usage: "COMMAND",
        about: "The **docker manifest** command has subcommands for managing image manifests and\nmanifest lists. A manifest list allows you to use one name to refer to the same image\nbuilt for multiple architectures.\n\nTo see help for a subcommand, use:\n\n    docker manifest CMD --help\n\nFor full details on using docker manifest lists, see the registry v2 specification.\n\nEXPERIMENTAL:\n  docker manifest is an experimental feature.\n  Experimental features provide early access to product functionality. These\n  features may change between releases without warning, or can be removed from a\n  future release. Learn more about experimental features in our documentation:\n  https://docs.docker.com/go/experimental/",
        sections: &[("Commands", &["annotate", "create", "inspect", "push", "rm"])],
    },
    Group {
        name: "network",
        usage: "COMMAND",
        about: "Manage networks",
        sections: &[(
            "Commands",
            &[
                "connect",
                "create",
                "disconnect",
                "inspect",
                "ls",
                "prune",
                "rm",
            ],
        )],
    },
    Group {
        name: "plugin",
        usage: "COMMAND",
        about: "Manage plugins",
        sections: &[(
            "Commands",
            &[
                "create", "disable", "enable", "inspect", "install", "ls", "push", "rm", "set",
                "upgrade",
            ],
        )],
    },
    Group {
        name: "system",
        usage: "COMMAND",
        about: "Manage Docker",
        sections: &[("Commands", &["df", "events", "info", "prune"])],
    },
    Group {
        name: "trust",
        usage: "COMMAND",
        about: "Manage trust on Docker images",
        sections: &[
            ("Management Commands", &["key", "signer"]),
            ("Commands", &["inspect", "revoke", "sign"]),
        ],
    },
    Group {
        name: "trust key",
        usage: "COMMAND",
        about: "Manage keys for signing Docker images",
        sections: &[("Commands", &["generate", "load"])],
    },
    Group {
        name: "trust signer",
        usage: "COMMAND",
        about: "Manage entities who can sign Docker images",
        sections: &[("Commands", &["add", "remove"])],
    },
    Group {
        name: "volume",
        usage: "COMMAND",
        about: "Manage volumes",
        sections: &[(
            "Commands",
            &["create", "inspect", "ls", "prune", "rm", "update"],
        )],
    },
    Group {
        name: "config",
        usage: "COMMAND",
        about: "Manage Swarm configs",
        sections: &[("Commands", &["create", "inspect", "ls", "rm"])],
    },
    Group {
        name: "node",
        usage: "COMMAND",
        about: "Manage Swarm nodes",
        sections: &[(
            "Commands",
            &["demote", "inspect", "ls", "promote", "ps", "rm", "update"],
        )],
    },
    Group {
        name: "secret",
        usage: "COMMAND",
        about: "Manage Swarm secrets",
        sections: &[("Commands", &["create", "inspect", "ls", "rm"])],
    },
    Group {
        name: "service",
        usage: "COMMAND",
        about: "Manage Swarm services",
        sections: &[(
            "Commands",
            &[
                "create", "inspect", "logs", "ls", "ps", "rm", "rollback", "scale", "update",
            ],
        )],
    },
    Group {
        name: "stack",
        usage: "COMMAND",
        about: "Manage Swarm stacks",
        sections: &[(
            "Commands",
            &["config", "deploy", "ls", "ps", "rm", "services"],
        )],
    },
    Group {
        name: "swarm",
        usage: "COMMAND",
        about: "Manage Swarm",
        sections: &[(
            "Commands",
            &[
                "ca",
                "init",
                "join",
                "join-token",
                "leave",
                "unlock",
                "unlock-key",
                "update",
            ],
        )],
    },
];
