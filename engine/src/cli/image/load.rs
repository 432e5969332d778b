//! `docker image load`: load an image from a tar archive or STDIN.

use crate::cli::platform;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image load", "load"],
    usage: "[OPTIONS]",
    about: "Load an image from a tar archive or STDIN",
    args: Args::None,
    flags: &[
        Flag::new(
            'i',
            "input",
            "string",
            "Read from tar archive file, instead of STDIN",
        ),
        Flag::long(
            "platform",
            "string",
            "Load only the given platform variant. Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")",
        ),
        Flag::new('q', "quiet", "", "Suppress the load output"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let input = match m.str("input") {
        "" => {
            if cli.host.is_tty(Stream::Stdin) {
                return Err(Failure::new(
                    "requested load from stdin, but stdin is empty",
                ));
            }
            "-"
        }
        path => {
            // Told before anything is sent.
            cli.host
                .open(&cli.absolute(path))
                .await
                .map_err(|e| Failure::new(format!("open {path}: {e}")))?;
            path
        }
    };
    let quiet = m.on("quiet") || !cli.host.is_tty(Stream::Stdout);
    let mut params = Params::new().add("quiet", if quiet { "1" } else { "0" });
    for p in m.list("platform") {
        params = platform::param(params, p)
            .map_err(|e| Failure::new(format!("invalid platform: {e}")))?;
    }
    let request = Request::post(format!("/images/load{params}")).header(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/x-tar"),
    );
    cli.upload(
        request,
        async |w| cli.pump_file(input, w).await,
        async |response| cli.show_progress(response, Stream::Stdout, |_| {}).await,
    )
    .await
}
