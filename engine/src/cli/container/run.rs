//! `docker run`: create and run a new container from an image.

use super::create::{check_pull, create, help};
use super::flags;
use crate::cli::jsonmessage::Documents;
use crate::cli::prelude::*;
use crate::cli::stream::{Attachment, Ended, Target};

/// The command.
pub const COMMAND: Command = Command {
    names: &["container run", "run"],
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    about: "Create and run a new container from an image",
    args: Args::Min(1),
    flags: &OWN_AND_SHARED,
    run: |cli, m| Box::pin(run(cli, m)),
};

/// `--pull` reads differently here.
const OWN: [Flag; 4] = [
    Flag::new(
        'd',
        "detach",
        "",
        "Run container in background and print container ID",
    ),
    Flag::long(
        "detach-keys",
        "string",
        "Override the key sequence for detaching a container",
    ),
    Flag::long(
        "pull",
        "string",
        "Pull image before running (\"always\", \"missing\", \"never\") (default \"missing\")",
    ),
    Flag::long(
        "sig-proxy",
        "",
        "Proxy received signals to the process (default true)",
    ),
];

const OWN_AND_SHARED: [Flag; flags::COUNT + OWN.len()] = flags::with(&OWN);

/// The exit status docker gives an error of the daemon.
fn code(text: &str) -> i32 {
    let text = text.to_lowercase();
    let has = |s: &str| text.contains(s);
    if has("executable file not found")
        || has("no such file or directory")
        || has("system cannot find the file")
    {
        127
    } else if has("permission denied") || has("is a directory") {
        126
    } else {
        125
    }
}

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let wrong = |f: Failure| help(m, &f.text, 125);
    let refused = |f: Failure| help(m, &f.text, code(&f.text));
    check_pull(m).map_err(wrong)?;
    let mut spec = cli.container_spec(m).await.map_err(wrong)?;
    if m.on("detach") {
        if m.given("attach") {
            return Err(Failure::new(
                "conflicting options: cannot specify both --attach and --detach",
            ));
        }
        (spec.stdin, spec.stdout, spec.stderr) = (false, false, false);
        for field in ["AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"] {
            spec.body[field] = false.into();
        }
    } else {
        cli.check_tty(spec.stdin, spec.tty)?;
    }
    let id = create(cli, m, &spec).await.map_err(refused)?;
    if !spec.stdout && !spec.stderr {
        cli.out(&format!("{id}\n")).await;
    }
    let attached = spec.stdin || spec.stdout || spec.stderr;
    let path = format!("/containers/{}", segment(&id));
    let mut connection = None;
    let mut detach = Vec::new();
    if attached {
        detach = cli.detach_keys(m.str("detach-keys")).await?;
        let params = Params::new()
            .add_if(
                !m.str("detach-keys").is_empty(),
                "detachKeys",
                m.str("detach-keys"),
            )
            .add_if(spec.stderr, "stderr", "1")
            .add_if(spec.stdin, "stdin", "1")
            .add_if(spec.stdout, "stdout", "1")
            .add("stream", "1");
        connection = Some(
            cli.hijack(Request::post(format!("{path}/attach{params}")))
                .await?,
        );
    }
    // Asked before the start, so that a quick exit is not missed; the answer's headers come at once.
    let mut exit = None;
    if attached {
        let condition = if spec.auto_remove {
            "removed"
        } else {
            "next-exit"
        };
        exit = Some(
            cli.send(Request::post(format!("{path}/wait?condition={condition}")))
                .await?,
        );
    }
    if let Err(e) = cli.post(format!("{path}/start"), &J::Null).await {
        drop(connection);
        if let (true, Some(exit)) = (spec.auto_remove, exit) {
            let _ = Documents::new(exit).next().await;
        }
        return Err(refused(e.into()));
    }
    if let Some(duplex) = connection {
        if spec.tty && cli.host.is_tty(Stream::Stdout) {
            cli.resize(Target::Container(&id)).await;
        }
        let ended = cli
            .attach(
                duplex,
                Attachment {
                    tty: spec.tty,
                    stdin: spec.stdin,
                    stdout: spec.stdout,
                    stderr: spec.stderr,
                    detach,
                    target: Target::Container(&id),
                    sig_proxy: m.on_or("sig-proxy", true),
                },
            )
            .await?;
        if ended == Ended::Detached {
            return Ok(());
        }
    }
    match exit {
        Some(exit) => exit_status(cli, exit).await,
        None => Ok(()),
    }
}

/// The status a `wait` tells, as this process' own.
pub async fn exit_status(cli: &Cli<'_>, wait: Response) -> Result<(), Failure> {
    let Some(answer) = Documents::new(wait).next().await? else {
        return Err(Failure::status(125));
    };
    let error = answer.at("Error").text("Message");
    if !error.is_empty() {
        cli.err(&format!("Error waiting for container: {error}\n"))
            .await;
        return Err(Failure::status(125));
    }
    match answer.num("StatusCode") {
        0 => Ok(()),
        n => Err(Failure::status(i32::try_from(n).unwrap_or(125))),
    }
}
