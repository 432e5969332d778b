//! `docker container logs`: fetch the logs of a container.

use crate::api::stdcopy::Demux;
use crate::cli::prelude::*;
use futures::StreamExt;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container logs", "logs"],
    usage: "[OPTIONS] CONTAINER",
    about: "Fetch the logs of a container",
    args: Args::Exact(1),
    flags: &[
        Flag::long("details", "", "Show extra details provided to logs"),
        Flag::new('f', "follow", "", "Follow log output"),
        Flag::long(
            "since",
            "string",
            "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
        ),
        Flag::new(
            'n',
            "tail",
            "string",
            "Number of lines to show from the end of the logs (default \"all\")",
        ),
        Flag::new('t', "timestamps", "", "Show timestamps"),
        Flag::long(
            "until",
            "string",
            "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let path = format!("/containers/{}", segment(m.arg(0)));
    let container = cli.get(format!("{path}/json")).await?;
    let tail = m.get("tail").unwrap_or("all");
    let invalid = |flag: &str, f: &Failure| {
        Failure::new(format!("invalid value for {}: {}", quote(flag), f.text))
    };
    let mut params = Params::new()
        .add_if(m.on("details"), "details", "1")
        .add_if(m.on("follow"), "follow", "1");
    if let Some(since) = m.get("since") {
        params = params.add(
            "since",
            timestamp(cli, since).map_err(|f| invalid("since", &f))?,
        );
    }
    params = params
        .add("stderr", "1")
        .add("stdout", "1")
        .add("tail", tail)
        .add_if(m.on("timestamps"), "timestamps", "1");
    if let Some(until) = m.get("until") {
        params = params.add(
            "until",
            timestamp(cli, until).map_err(|f| invalid("until", &f))?,
        );
    }
    let logs = cli
        .send(Request::get(format!("{path}/logs{params}")))
        .await?;
    let tty = container.at("Config").flag("Tty");
    let mut stream = logs.body.into_stream();
    let mut demux = Demux::default();
    let copy = async {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|e| Failure::new(e.to_string()))?;
            if tty {
                cli.out_bytes(&chunk).await;
            } else {
                cli.show_frames(&mut demux, &chunk, true, true).await?;
            }
        }
        Ok(())
    };
    if m.on("follow") {
        match cli.until_signal(copy).await {
            Ok(r) => r,
            Err(n) => Err(Failure::status(128 + n)),
        }
    } else {
        copy.await
    }
}

/// `--since` and `--until`: a duration before now, a date, or a Unix time, as the API takes it.
///
/// # Errors
/// When it is none of them.
pub fn timestamp(cli: &Cli<'_>, value: &str) -> Result<String, Failure> {
    let now = cli.host.now();
    if let Some(d) = units::parse_duration(value) {
        let nanos = now.as_nanos() as i128 - i128::from(d);
        return Ok(format!(
            "{}.{:09}",
            nanos.div_euclid(1_000_000_000),
            nanos.rem_euclid(1_000_000_000)
        ));
    }
    let padded = match value.len() {
        10 if value.contains('-') => format!("{value}T00:00:00Z"),
        16 => format!("{value}:00Z"),
        13 if value.contains('T') => format!("{value}:00:00Z"),
        _ if value.contains('T')
            && !value.ends_with('Z')
            && value
                .get(10..)
                .is_some_and(|time| !time.contains(['+', '-'])) =>
        {
            format!("{value}Z")
        }
        _ => value.to_string(),
    };
    match units::parse_rfc3339(&padded) {
        Some((s, n)) => Ok(format!("{s}.{n:09}")),
        None if !value.contains(|c: char| !c.is_ascii_digit() && c != '.') => Ok(value.to_string()),
        None => Err(Failure::new(format!(
            "failed to parse value as time or duration: {}",
            quote(value)
        ))),
    }
}
