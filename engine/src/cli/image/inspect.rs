//! `docker image inspect`: display detailed information on one or more images.

use crate::cli::inspect::inspect;
use crate::cli::platform;
use crate::cli::prelude::*;
use crate::cli::shapes;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image inspect"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    about: "Display detailed information on one or more images",
    args: Args::Min(1),
    flags: &[
        Flag::new('f', "format", "string", FORMAT_INSPECT),
        Flag::long(
            "platform",
            "string",
            "Inspect a specific platform of the multi-platform image.\nIf the image or the server is not multi-platform capable, the command will error out if the platform does not match.\n'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let params = platform::param(Params::new(), m.str("platform")).map_err(Failure::new)?;
    inspect(cli, m.str("format"), &m.args, async |id| {
        let raw = cli
            .get_raw(format!("/images/{}/json{params}", segment(id)))
            .await?;
        Ok((raw, Some(&shapes::IMAGE)))
    })
    .await
}
