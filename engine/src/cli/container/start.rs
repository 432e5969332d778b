//! `docker container start`: start one or more stopped containers.

use super::run::exit_status;
use crate::cli::prelude::*;
use crate::cli::stream::{Attachment, Ended, Target};

/// The command.
pub const COMMAND: Command = Command {
    names: &["container start", "start"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Start one or more stopped containers",
    args: Args::Min(1),
    flags: &[
        Flag::new(
            'a',
            "attach",
            "",
            "Attach STDOUT/STDERR and forward signals",
        ),
        Flag::long("checkpoint", "string", "Restore from this checkpoint")
            .needs(Need::Experimental),
        Flag::long(
            "checkpoint-dir",
            "string",
            "Use a custom checkpoint storage directory",
        )
        .needs(Need::Experimental),
        Flag::long(
            "detach-keys",
            "string",
            "Override the key sequence for detaching a container",
        ),
        Flag::new('i', "interactive", "", "Attach container's STDIN"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    if m.on("attach") || m.on("interactive") {
        if m.args.len() > 1 {
            return Err(Failure::new(
                "you cannot start and attach multiple containers at once",
            ));
        }
        return attached(cli, m).await;
    }
    let mut failed = Vec::new();
    for id in &m.args {
        match cli
            .post(format!("/containers/{}/start", segment(id)), &J::Null)
            .await
        {
            Ok(_) => cli.out(&format!("{id}\n")).await,
            Err(e) => {
                cli.err(&format!("{e}\n")).await;
                failed.push(id.as_str());
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "Error: failed to start containers: {}",
            failed.join(", ")
        )))
    }
}

async fn attached(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let path = format!("/containers/{}", segment(m.arg(0)));
    let c = cli.get(format!("{path}/json")).await?;
    let id = c.text("Id");
    let config = c.at("Config");
    let tty = config.flag("Tty");
    let stdin = m.on("interactive") && config.flag("OpenStdin");
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
    let condition = if c.at("HostConfig").flag("AutoRemove") {
        "removed"
    } else {
        "next-exit"
    };
    let exit = cli
        .send(Request::post(format!(
            "/containers/{}/wait?condition={condition}",
            segment(id)
        )))
        .await?;
    cli.post(format!("{path}/start"), &J::Null).await?;
    if tty && cli.host.is_tty(Stream::Stdout) {
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
                sig_proxy: true,
            },
        )
        .await?;
    if ended == Ended::Detached {
        return Ok(());
    }
    exit_status(cli, exit).await
}
