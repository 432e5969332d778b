//! `docker container attach`: attach local standard input, output, and error streams to a running container.

use super::run::exit_status;
use crate::cli::prelude::*;
use crate::cli::stream::{Attachment, Ended, Target};

/// The command.
pub const COMMAND: Command = Command {
    names: &["container attach", "attach"],
    usage: "[OPTIONS] CONTAINER",
    about: "Attach local standard input, output, and error streams to a running container",
    args: Args::Exact(1),
    flags: &[
        Flag::long(
            "detach-keys",
            "string",
            "Override the key sequence for detaching a container",
        ),
        Flag::long("no-stdin", "", "Do not attach STDIN"),
        Flag::long(
            "sig-proxy",
            "",
            "Proxy all received signals to the process (default true)",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let id = m.arg(0);
    let path = format!("/containers/{}", segment(id));
    let exit = cli.send(Request::post(format!("{path}/wait"))).await;
    let c = cli.get(format!("{path}/json")).await?;
    let state = c.at("State");
    if !state.flag("Running") {
        return Err(Failure::new(
            "You cannot attach to a stopped container, start it first",
        ));
    }
    if state.flag("Paused") {
        return Err(Failure::new(
            "You cannot attach to a paused container, unpause it first",
        ));
    }
    if state.flag("Restarting") {
        return Err(Failure::new(
            "You cannot attach to a restarting container, wait until it is running",
        ));
    }
    let config = c.at("Config");
    let tty = config.flag("Tty");
    let stdin = !m.on("no-stdin") && config.flag("OpenStdin");
    cli.check_tty(stdin, tty)?;
    let detach = cli.detach_keys(m.str("detach-keys")).await?;
    let params = Params::new()
        .add_if(m.given("detach-keys"), "detachKeys", m.str("detach-keys"))
        .add("stderr", "1")
        .add_if(stdin, "stdin", "1")
        .add("stdout", "1")
        .add("stream", "1");
    let duplex = cli
        .hijack(Request::post(format!("{path}/attach{params}")))
        .await?;
    if tty && cli.host.is_tty(Stream::Stdout) {
        // A change of size makes a shell draw its prompt anew.
        if let Some((columns, rows)) = cli.host.winsize(Stream::Stdout) {
            let params = Params::new()
                .add("h", (rows + 1).to_string())
                .add("w", (columns + 1).to_string());
            let _ = cli.post(format!("{path}/resize{params}"), &J::Null).await;
        }
        cli.resize(Target::Container(id)).await;
    }
    let ended = cli
        .attach(
            duplex,
            Attachment {
                tty,
                stdin,
                stdout: true,
                stderr: true,
                detach,
                target: Target::Container(id),
                sig_proxy: m.on_or("sig-proxy", true),
            },
        )
        .await?;
    if ended == Ended::Detached {
        return Err(Failure::new("read escape sequence"));
    }
    match exit {
        Ok(exit) => exit_status(cli, exit).await,
        Err(e) => Err(e.into()),
    }
}
