//! `docker context ls`: list contexts.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["context ls", "context list"],
    usage: "[OPTIONS]",
    about: "List contexts",
    args: Args::None,
    flags: &[
        Flag::long("format", "string", FORMAT_TABLE),
        Flag::new('q', "quiet", "", "Only show context names"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

const HEADERS: &[(&str, &str)] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("DockerEndpoint", "DOCKER ENDPOINT"),
    ("Error", "ERROR"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let format = match (m.str("format"), m.on("quiet")) {
        (f, true) if formatter::is_table(f) => "{{.Name}}",
        (f, _) => f,
    };
    let name = if formatter::is_table(format) {
        "{{.Name}}{{if .Current}} *{{end}}"
    } else {
        "{{.Name}}"
    };
    let table =
        format!("table {name}\t{{{{.Description}}}}\t{{{{.DockerEndpoint}}}}\t{{{{.Error}}}}");
    let rows = vec![formatter::row(
        "*formatter.clientContextContext",
        vec![
            ("Current", true.into()),
            ("Name", "default".into()),
            (
                "Description",
                "Current DOCKER_HOST based configuration".into(),
            ),
            ("DockerEndpoint", cli.address().into()),
            ("Error", "".into()),
        ],
        vec![],
    )];
    cli.out(&formatter::render(
        format,
        &table,
        &Rows {
            headers: HEADERS,
            rows,
        },
    )?)
    .await;
    if !cli.address.is_empty() && cli.host.env("DOCKER_HOST").is_some_and(|h| !h.is_empty()) {
        cli.err("Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable.\n").await;
    }
    Ok(())
}
