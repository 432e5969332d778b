//! `docker trust`: manage trust on Docker images.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["trust key generate"],
        usage: "NAME",
        about: "Generate and load a signing key-pair",
        args: Args::Exact(1),
        flags: &[Flag::long(
            "dir",
            "string",
            "Directory to generate key in, defaults to current directory",
        )],
        run: refuse,
    },
    Command {
        names: &["trust key load"],
        usage: "[OPTIONS] KEYFILE",
        about: "Load a private key file for signing",
        args: Args::Exact(1),
        flags: &[Flag::long(
            "name",
            "string",
            "Name for the loaded key (default \"signer\")",
        )],
        run: refuse,
    },
    Command {
        names: &["trust signer add"],
        usage: "OPTIONS NAME REPOSITORY [REPOSITORY...] ",
        about: "Add a signer",
        args: Args::Min(2),
        flags: &[Flag::long(
            "key",
            "list",
            "Path to the signer's public key file",
        )],
        run: refuse,
    },
    Command {
        names: &["trust signer remove"],
        usage: "[OPTIONS] NAME REPOSITORY [REPOSITORY...]",
        about: "Remove a signer",
        args: Args::Min(2),
        flags: &[Flag::new(
            'f',
            "force",
            "",
            "Do not prompt for confirmation before removing the most recent signer",
        )],
        run: refuse,
    },
    Command {
        names: &["trust inspect"],
        usage: "IMAGE[:TAG] [IMAGE[:TAG]...]",
        about: "Return low-level information about keys and signatures",
        args: Args::Min(1),
        flags: &[Flag::long(
            "pretty",
            "",
            "Print the information in a human friendly format",
        )],
        run: |cli, m| Box::pin(inspect(cli, m)),
    },
    Command {
        names: &["trust revoke"],
        usage: "[OPTIONS] IMAGE[:TAG]",
        about: "Remove trust for an image",
        args: Args::Exact(1),
        flags: &[Flag::new('y', "yes", "", "Do not prompt for confirmation")],
        run: refuse,
    },
    Command {
        names: &["trust sign"],
        usage: "IMAGE:TAG",
        about: "Sign an image",
        args: Args::Exact(1),
        flags: &[Flag::long("local", "", "Sign a locally tagged image")],
        run: refuse,
    },
];

/// Nothing is signed here.
async fn inspect(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    cli.out("[]\n").await;
    let lines: Vec<String> = m
        .args
        .iter()
        .map(|a| format!("no signatures or cannot access {a}"))
        .collect();
    Err(Failure::new(lines.join("\n")))
}
