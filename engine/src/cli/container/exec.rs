//! `docker exec`: execute a command in a running container.

use crate::cli::prelude::*;
use crate::cli::stream::{Attachment, Ended, Target};

/// The command.
pub const COMMAND: Command = Command {
    names: &["container exec", "exec"],
    usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
    about: "Execute a command in a running container",
    args: Args::Min(2),
    flags: &[
        Flag::new(
            'd',
            "detach",
            "",
            "Detached mode: run command in the background",
        ),
        Flag::long(
            "detach-keys",
            "string",
            "Override the key sequence for detaching a container",
        ),
        Flag::new('e', "env", "list", "Set environment variables"),
        Flag::long(
            "env-file",
            "list",
            "Read in a file of environment variables",
        ),
        Flag::new(
            'i',
            "interactive",
            "",
            "Keep STDIN open even if not attached",
        ),
        Flag::long("privileged", "", "Give extended privileges to the command"),
        Flag::new('t', "tty", "", "Allocate a pseudo-TTY"),
        Flag::new(
            'u',
            "user",
            "string",
            "Username or UID (format: \"<name|uid>[:<group|gid>]\")",
        ),
        Flag::new(
            'w',
            "workdir",
            "string",
            "Working directory inside the container",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let (tty, detach) = (m.on("tty"), m.on("detach"));
    let stdin = m.on("interactive") && !detach;
    let env = cli.environment(m).await?;
    let keys = cli.detach_keys(m.str("detach-keys")).await?;
    // Asked first, so that a wrong name is told before the terminal is looked at.
    cli.get(format!("/containers/{}/json", segment(m.arg(0))))
        .await?;
    if !detach {
        cli.check_tty(stdin, tty)?;
    }
    let size = cli.host.winsize(Stream::Stdout).filter(|_| tty);
    let mut config = json!({
        "User": m.str("user"),
        "Privileged": m.on("privileged"),
        "Tty": tty,
        "AttachStdin": stdin,
        "AttachStderr": !detach,
        "AttachStdout": !detach,
        "DetachKeys": m.str("detach-keys"),
        "Env": env,
        "WorkingDir": m.str("workdir"),
        "Cmd": m.args[1..],
    });
    if let Some((columns, rows)) = size {
        config["ConsoleSize"] = json!([rows, columns]);
    }
    let created = cli
        .post(format!("/containers/{}/exec", segment(m.arg(0))), &config)
        .await?;
    let id = created.text("Id").to_string();
    if id.is_empty() {
        return Err(Failure::new("exec ID empty"));
    }
    let mut start = json!({"Detach": detach, "Tty": tty});
    if let Some((columns, rows)) = size {
        start["ConsoleSize"] = json!([rows, columns]);
    }
    let path = format!("/exec/{}", segment(&id));
    if detach {
        cli.post(format!("{path}/start"), &start).await?;
        return Ok(());
    }
    let duplex = cli
        .hijack(Request::post(format!("{path}/start")).json(&start))
        .await?;
    if tty && cli.host.is_tty(Stream::Stdout) {
        cli.resize(Target::Exec(&id)).await;
    }
    let ended = cli
        .attach(
            duplex,
            Attachment {
                tty,
                stdin,
                stdout: true,
                stderr: true,
                detach: keys,
                target: Target::Exec(&id),
                sig_proxy: false,
            },
        )
        .await?;
    if ended == Ended::Detached {
        return Err(Failure::new("read escape sequence"));
    }
    let state = cli.get(format!("{path}/json")).await?;
    match state.num("ExitCode") {
        0 => Ok(()),
        n => Err(Failure::status(i32::try_from(n).unwrap_or(-1))),
    }
}
