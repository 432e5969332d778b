//! `docker image import`: import the contents from a tarball to create a filesystem image.

use crate::cli::prelude::*;
use bottleship_oci::Reference;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image import", "import"],
    usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    about: "Import the contents from a tarball to create a filesystem image",
    args: Args::Min(1),
    flags: &[
        Flag::new(
            'c',
            "change",
            "list",
            "Apply Dockerfile instruction to the created image",
        ),
        Flag::new(
            'm',
            "message",
            "string",
            "Set commit message for imported image",
        ),
        Flag::long(
            "platform",
            "string",
            "Set platform if server is multi-platform capable",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let source = m.arg(0);
    let url = ["http://", "https://", "git://", "github.com/"]
        .iter()
        .any(|p| source.starts_with(p));
    if !url && source != "-" {
        cli.host
            .open(&cli.absolute(source))
            .await
            .map_err(|e| Failure::new(format!("open {source}: {e}")))?;
    }
    let mut params = Params::new();
    for c in m.list("change") {
        params = params.add("changes", c);
    }
    params = params
        .add("fromSrc", if url { source } else { "-" })
        .add_if(m.given("message"), "message", m.str("message"))
        .add_if(
            m.given("platform"),
            "platform",
            m.str("platform").to_lowercase(),
        );
    if m.args.len() > 1 {
        Reference::parse(m.arg(1)).map_err(|e| Failure::new(e.to_string()))?;
        params = params.add("repo", m.arg(1));
    }
    let request = Request::post(format!("/images/create{params}"));
    let show = async |response| cli.show_progress(response, Stream::Stdout, |_| {}).await;
    if url {
        return show(cli.send(request).await?).await;
    }
    cli.upload(request, async |w| cli.pump_file(source, w).await, show)
        .await
}
