//! `docker context`: what would leave this host.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["context create"],
        usage: "[OPTIONS] CONTEXT",
        about: "Create a context\n\nDocker endpoint config:\n\nNAME                DESCRIPTION\nfrom                Copy named context's Docker endpoint configuration\nhost                Docker endpoint on which to connect\nca                  Trust certs signed only by this CA\ncert                Path to TLS certificate file\nkey                 Path to TLS key file\nskip-tls-verify     Skip TLS certificate validation\n\nExample:\n\n$ docker context create my-context --description \"some description\" --docker \"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\"",
        args: Args::Exact(1),
        flags: &[
            Flag::long("description", "string", "Description of the context"),
            Flag::long(
                "docker",
                "stringToString",
                "set the docker endpoint (default [])",
            ),
            Flag::long("from", "string", "create context from a named context"),
        ],
        run: refuse,
    },
    Command {
        names: &["context export"],
        usage: "[OPTIONS] CONTEXT [FILE|-]",
        about: "Export a context to a tar archive FILE or a tar stream on STDOUT.",
        args: Args::Range(1, 2),
        flags: &[],
        run: refuse,
    },
    Command {
        names: &["context import"],
        usage: "CONTEXT FILE|-",
        about: "Import a context from a tar or zip file",
        args: Args::Exact(2),
        flags: &[],
        run: refuse,
    },
    Command {
        names: &["context rm", "context remove"],
        usage: "CONTEXT [CONTEXT...]",
        about: "Remove one or more contexts",
        args: Args::Min(1),
        flags: &[Flag::new(
            'f',
            "force",
            "",
            "Force the removal of a context in use",
        )],
        run: refuse,
    },
    Command {
        names: &["context update"],
        usage: "[OPTIONS] CONTEXT",
        about: "Update a context\n\nDocker endpoint config:\n\nNAME                DESCRIPTION\nfrom                Copy named context's Docker endpoint configuration\nhost                Docker endpoint on which to connect\nca                  Trust certs signed only by this CA\ncert                Path to TLS certificate file\nkey                 Path to TLS key file\nskip-tls-verify     Skip TLS certificate validation\n\nExample:\n\n$ docker context update my-context --description \"some description\" --docker \"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\"",
        args: Args::Exact(1),
        flags: &[
            Flag::long("description", "string", "Description of the context"),
            Flag::long(
                "docker",
                "stringToString",
                "set the docker endpoint (default [])",
            ),
        ],
        run: refuse,
    },
];
