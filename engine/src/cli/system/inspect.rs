//! `docker inspect`: return low-level information on Docker objects.

use crate::cli::inspect::{Found, inspect};
use crate::cli::prelude::*;
use crate::cli::shapes::{self, Struct};

/// The command.
pub const COMMAND: Command = Command {
    names: &["inspect"],
    usage: "[OPTIONS] NAME|ID [NAME|ID...]",
    about: "Return low-level information on Docker objects",
    args: Args::Min(1),
    flags: &[
        Flag::new('f', "format", "string", FORMAT_INSPECT),
        Flag::new(
            's',
            "size",
            "",
            "Display total file sizes if the type is container",
        ),
        Flag::long("type", "string", "Only inspect objects of the given type"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let kind = m.str("type");
    const KINDS: [&str; 10] = [
        "",
        "config",
        "container",
        "image",
        "network",
        "node",
        "plugin",
        "secret",
        "service",
        "task",
    ];
    if m.given("type") && kind.is_empty() {
        return Err(Failure::new(
            "type is empty: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\"",
        ));
    }
    if !KINDS.contains(&kind) && kind != "volume" {
        return Err(Failure::new(format!(
            "unknown type: {}: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\"",
            quote(kind)
        )));
    }
    let size = m.on("size");
    inspect(cli, m.str("format"), &m.args, async |id| {
        find(cli, kind, id, size).await
    })
    .await
}

/// Looks for an object of that type, or of any type in docker's order.
async fn find(cli: &Cli<'_>, kind: &str, id: &str, size: bool) -> Result<Found, ApiFailure> {
    let sized = if size { "?size=1" } else { "" };
    let places: [(&str, String, Option<&'static Struct>); 8] = [
        (
            "container",
            format!("/containers/{}/json{sized}", segment(id)),
            Some(&shapes::CONTAINER),
        ),
        (
            "image",
            format!("/images/{}/json", segment(id)),
            Some(&shapes::IMAGE),
        ),
        (
            "network",
            format!("/networks/{}", segment(id)),
            Some(&shapes::NETWORK),
        ),
        (
            "volume",
            format!("/volumes/{}", segment(id)),
            Some(&shapes::VOLUME),
        ),
        ("service", format!("/services/{}", segment(id)), None),
        ("task", format!("/tasks/{}", segment(id)), None),
        ("node", format!("/nodes/{}", segment(id)), None),
        ("plugin", format!("/plugins/{}/json", segment(id)), None),
    ];
    for (name, path, shape) in places {
        if !(kind.is_empty() && !matches!(name, "service" | "task" | "node") || kind == name) {
            continue;
        }
        match cli.get_raw(path).await {
            Ok(raw) => {
                if size && name != "container" {
                    cli.err(&format!("WARNING: --size ignored for {name}\n"))
                        .await;
                }
                return Ok((raw, shape));
            }
            Err(e) if kind.is_empty() && (e.not_found() || passes(&e)) => {}
            Err(e) => return Err(e),
        }
    }
    match kind {
        "secret" | "config" => Err(cli
            .get_raw(format!("/{kind}s/{}", segment(id)))
            .await
            .err()
            .unwrap_or_else(|| ApiFailure::Other(format!("Bottleship does not support {kind}s")))),
        _ => Err(ApiFailure::Other(format!("Error: No such object: {id}"))),
    }
}

/// Refusals that only tell that an object of this type cannot have that name, or is not served.
fn passes(e: &ApiFailure) -> bool {
    let text = e.message();
    [
        "is not a valid",
        "invalid reference format",
        "not supported",
        "not implemented",
        "page not found",
    ]
    .iter()
    .any(|s| text.contains(s))
        || matches!(e, ApiFailure::Status(s, _) if s.as_u16() == 501)
}
