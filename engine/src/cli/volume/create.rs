//! `docker volume create`: create a volume.

use crate::cli::container::opts::object;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["volume create"],
    usage: "[OPTIONS] [VOLUME]",
    about: "Create a volume",
    args: Args::Max(1),
    flags: &[
        Flag::hidden("name", "string"),
        Flag::long(
            "availability",
            "string",
            "Cluster Volume availability (\"active\", \"pause\", \"drain\") (default \"active\")",
        ).needs(Need::Swarm),
        Flag::new(
            'd',
            "driver",
            "string",
            "Specify volume driver name (default \"local\")",
        ),
        Flag::long("group", "string", "Cluster Volume group (cluster volumes)").needs(Need::Swarm),
        Flag::long("label", "list", "Set metadata for a volume"),
        Flag::long(
            "limit-bytes",
            "bytes",
            "Minimum size of the Cluster Volume in bytes",
        ).needs(Need::Swarm),
        Flag::new(
            'o',
            "opt",
            "map",
            "Set driver specific options (default map[])",
        ),
        Flag::long(
            "required-bytes",
            "bytes",
            "Maximum size of the Cluster Volume in bytes",
        ).needs(Need::Swarm),
        Flag::long(
            "scope",
            "string",
            "Cluster Volume access scope (\"single\", \"multi\") (default \"single\")",
        ).needs(Need::Swarm),
        Flag::long("secret", "map", "Cluster Volume secrets (default map[])").needs(Need::Swarm),
        Flag::long(
            "sharing",
            "string",
            "Cluster Volume access sharing (\"none\", \"readonly\", \"onewriter\", \"all\") (default \"none\")",
        ).needs(Need::Swarm),
        Flag::long(
            "topology-preferred",
            "list",
            "A topology that the Cluster Volume would be preferred in",
        ).needs(Need::Swarm),
        Flag::long(
            "topology-required",
            "list",
            "A topology that the Cluster Volume must be accessible from",
        ).needs(Need::Swarm),
        Flag::long(
            "type",
            "string",
            "Cluster Volume access type (\"mount\", \"block\") (default \"block\")",
        ).needs(Need::Swarm),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let name = m.arg(0);
    let name = match m.get("name") {
        Some(_) if !name.is_empty() => {
            return Err(Failure::new(
                "conflicting options: cannot specify a volume name through both --name and as a positional arg",
            ));
        }
        Some(n) => n,
        None => name,
    };
    let mut body = json!({"Driver": m.get("driver").unwrap_or("local"), "Name": name});
    // What was not given is not sent, and so not shown by inspect.
    for (flag, field) in [("opt", "DriverOpts"), ("label", "Labels")] {
        if m.given(flag) {
            body[field] = object(&m.list(flag));
        }
    }
    let answer = cli.post("/volumes/create", &body).await?;
    cli.out(&format!("{}\n", answer.text("Name"))).await;
    Ok(())
}
