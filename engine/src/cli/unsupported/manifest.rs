//! `docker manifest`: the **docker manifest** command has subcommands for managing image manifests and.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["manifest annotate"],
        usage: "[OPTIONS] MANIFEST_LIST MANIFEST",
        about: "Add additional information to a local image manifest\n\nEXPERIMENTAL:\n  docker manifest annotate is an experimental feature.\n  Experimental features provide early access to product functionality. These\n  features may change between releases without warning, or can be removed from a\n  future release. Learn more about experimental features in our documentation:\n  https://docs.docker.com/go/experimental/",
        args: Args::Exact(2),
        flags: &[
            Flag::long("arch", "string", "Set architecture"),
            Flag::long("os", "string", "Set operating system"),
            Flag::long("os-features", "strings", "Set operating system feature"),
            Flag::long("os-version", "string", "Set operating system version"),
            Flag::long("variant", "string", "Set architecture variant"),
        ],
        run: refuse,
    },
    Command {
        names: &["manifest create"],
        usage: "MANIFEST_LIST MANIFEST [MANIFEST...]",
        about: "Create a local manifest list for annotating and pushing to a registry\n\nEXPERIMENTAL:\n  docker manifest create is an experimental feature.\n  Experimental features provide early access to product functionality. These\n  features may change between releases without warning, or can be removed from a\n  future release. Learn more about experimental features in our documentation:\n  https://docs.docker.com/go/experimental/",
        args: Args::Min(2),
        flags: &[
            Flag::new('a', "amend", "", "Amend an existing manifest list"),
            Flag::long(
                "insecure",
                "",
                "Allow communication with an insecure registry",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["manifest inspect"],
        usage: "[OPTIONS] [MANIFEST_LIST] MANIFEST",
        about: "Display an image manifest, or manifest list\n\nEXPERIMENTAL:\n  docker manifest inspect is an experimental feature.\n  Experimental features provide early access to product functionality. These\n  features may change between releases without warning, or can be removed from a\n  future release. Learn more about experimental features in our documentation:\n  https://docs.docker.com/go/experimental/",
        args: Args::Range(1, 2),
        flags: &[
            Flag::long(
                "insecure",
                "",
                "Allow communication with an insecure registry",
            ),
            Flag::new(
                'v',
                "verbose",
                "",
                "Output additional info including layers and platform",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["manifest push"],
        usage: "[OPTIONS] MANIFEST_LIST",
        about: "Push a manifest list to a repository\n\nEXPERIMENTAL:\n  docker manifest push is an experimental feature.\n  Experimental features provide early access to product functionality. These\n  features may change between releases without warning, or can be removed from a\n  future release. Learn more about experimental features in our documentation:\n  https://docs.docker.com/go/experimental/",
        args: Args::Exact(1),
        flags: &[
            Flag::long("insecure", "", "Allow push to an insecure registry"),
            Flag::new(
                'p',
                "purge",
                "",
                "Remove the local manifest list after push",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["manifest rm"],
        usage: "MANIFEST_LIST [MANIFEST_LIST...]",
        about: "Delete one or more manifest lists from local storage\n\nEXPERIMENTAL:\n  docker manifest rm is an experimental feature.\n  Experimental features provide early access to product functionality. These\n  features may change between releases without warning, or can be removed from a\n  future release. Learn more about experimental features in our documentation:\n  https://docs.docker.com/go/experimental/",
        args: Args::Min(1),
        flags: &[],
        run: refuse,
    },
];
