//! `docker plugin`: manage plugins.

use super::refuse;
use crate::cli::prelude::*;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["plugin create"],
        usage: "[OPTIONS] PLUGIN PLUGIN-DATA-DIR",
        about: "Create a plugin from a rootfs and configuration. Plugin data directory must contain config.json and rootfs directory.",
        args: Args::Min(2),
        flags: &[Flag::long(
            "compress",
            "",
            "Compress the context using gzip",
        )],
        run: refuse,
    },
    Command {
        names: &["plugin disable"],
        usage: "[OPTIONS] PLUGIN",
        about: "Disable a plugin",
        args: Args::Exact(1),
        flags: &[Flag::new(
            'f',
            "force",
            "",
            "Force the disable of an active plugin",
        )],
        run: refuse,
    },
    Command {
        names: &["plugin enable"],
        usage: "[OPTIONS] PLUGIN",
        about: "Enable a plugin",
        args: Args::Exact(1),
        flags: &[Flag::long(
            "timeout",
            "int",
            "HTTP client timeout (in seconds) (default 30)",
        )],
        run: refuse,
    },
    Command {
        names: &["plugin inspect"],
        usage: "[OPTIONS] PLUGIN [PLUGIN...]",
        about: "Display detailed information on one or more plugins",
        args: Args::Min(1),
        flags: &[Flag::new('f', "format", "string", FORMAT_INSPECT)],
        run: refuse,
    },
    Command {
        names: &["plugin install"],
        usage: "[OPTIONS] PLUGIN [KEY=VALUE...]",
        about: "Install a plugin",
        args: Args::Min(1),
        flags: &[
            Flag::long("alias", "string", "Local name for plugin"),
            Flag::long("disable", "", "Do not enable the plugin on install"),
            Flag::long(
                "disable-content-trust",
                "",
                "Skip image verification (default true)",
            ),
            Flag::long(
                "grant-all-permissions",
                "",
                "Grant all permissions necessary to run the plugin",
            ),
        ],
        run: refuse,
    },
    Command {
        names: &["plugin ls", "plugin list"],
        usage: "[OPTIONS]",
        about: "List plugins",
        args: Args::None,
        flags: &[
            Flag::new(
                'f',
                "filter",
                "filter",
                "Provide filter values (e.g. \"enabled=true\")",
            ),
            Flag::long("format", "string", FORMAT_TABLE),
            Flag::long("no-trunc", "", "Don't truncate output"),
            Flag::new('q', "quiet", "", "Only display plugin IDs"),
        ],
        run: |cli, m| Box::pin(list(cli, m)),
    },
    Command {
        names: &["plugin push"],
        usage: "[OPTIONS] PLUGIN[:TAG]",
        about: "Push a plugin to a registry",
        args: Args::Exact(1),
        flags: &[Flag::long(
            "disable-content-trust",
            "",
            "Skip image signing (default true)",
        )],
        run: refuse,
    },
    Command {
        names: &["plugin rm", "plugin remove"],
        usage: "[OPTIONS] PLUGIN [PLUGIN...]",
        about: "Remove one or more plugins",
        args: Args::Min(1),
        flags: &[Flag::new(
            'f',
            "force",
            "",
            "Force the removal of an active plugin",
        )],
        run: refuse,
    },
    Command {
        names: &["plugin set"],
        usage: "PLUGIN KEY=VALUE [KEY=VALUE...]",
        about: "Change settings for a plugin",
        args: Args::Min(2),
        flags: &[],
        run: refuse,
    },
    Command {
        names: &["plugin upgrade"],
        usage: "[OPTIONS] PLUGIN [REMOTE]",
        about: "Upgrade an existing plugin",
        args: Args::Range(1, 2),
        flags: &[
            Flag::long(
                "disable-content-trust",
                "",
                "Skip image verification (default true)",
            ),
            Flag::long(
                "grant-all-permissions",
                "",
                "Grant all permissions necessary to run the plugin",
            ),
            Flag::long(
                "skip-remote-check",
                "",
                "Do not check if specified remote plugin matches existing plugin image",
            ),
        ],
        run: refuse,
    },
];

/// Lists what the daemon has, which is nothing here.
async fn list(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    const HEADERS: &[(&str, &str)] = &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("Enabled", "ENABLED"),
    ];
    let filters = parse_filters(&m.list("filter"))?;
    let list = cli
        .get(format!("/plugins{}", Params::new().filters(&filters)))
        .await?;
    let format = match (m.str("format"), m.on("quiet")) {
        (f, true) if formatter::is_table(f) => "{{.ID}}",
        (f, _) => f,
    };
    let rows = list
        .as_array()
        .map_or(&[][..], |a| a)
        .iter()
        .map(|p| {
            let id = p.text("Id");
            formatter::row(
                "*plugin.pluginContext",
                vec![
                    (
                        "ID",
                        if m.on("no-trunc") {
                            id
                        } else {
                            units::short_id(id)
                        }
                        .into(),
                    ),
                    ("Name", p.text("Name").into()),
                    ("Description", p.at("Config").text("Description").into()),
                    ("Enabled", p.flag("Enabled").into()),
                ],
                vec![],
            )
        })
        .collect();
    let table = "table {{.ID}}\t{{.Name}}\t{{.Description}}\t{{.Enabled}}";
    cli.out(&formatter::render(
        format,
        table,
        &Rows {
            headers: HEADERS,
            rows,
        },
    )?)
    .await;
    Ok(())
}
