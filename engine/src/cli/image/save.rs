//! `docker image save`: save one or more images to a tar archive (streamed to STDOUT by default).

use crate::cli::platform;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image save", "save"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    about: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    args: Args::Min(1),
    flags: &[
        Flag::new(
            'o',
            "output",
            "string",
            "Write to a file, instead of STDOUT",
        ),
        Flag::long(
            "platform",
            "string",
            "Save only the given platform variant. Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut params = Params::new();
    for name in &m.args {
        params = params.add("names", name);
    }
    for p in m.list("platform") {
        params = platform::param(params, p)
            .map_err(|e| Failure::new(format!("invalid platform: {e}")))?;
    }
    cli.save_to(
        m.str("output"),
        async || cli.send(Request::get(format!("/images/get{params}"))).await,
        "save",
    )
    .await
}
