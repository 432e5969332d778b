//! `docker build` with BuildKit's progress.

use super::build::{params, request, write_iidfile};
use super::progress::Progress;
use super::trace::Trace;
use crate::cli::jsonmessage::{Display, Documents};
use crate::cli::prelude::*;

/// The id of messages that carry a solve's status.
const TRACE: &str = "moby.buildkit.trace";

/// Builds.
pub async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let quiet = m.on("quiet");
    let error = |text: &str| Failure::new(format!("ERROR: failed to build: {text}"));
    let prepared = cli
        .build_context(m.arg(0), m.str("file"))
        .await
        .map_err(|f| error(&f.text))?;
    let params = params(cli, m, &prepared.dockerfile).add("version", "2");
    let request = request(cli, &prepared, params).await;
    let now = || cli.host.now().as_nanos() as i128;
    let mode = match m.str("progress") {
        "" => cli.host.env("BUILDKIT_PROGRESS").unwrap_or_default(),
        p => p.to_string(),
    };
    let size = cli.host.winsize(Stream::Stderr);
    let mut progress = match (mode.as_str(), size) {
        ("plain" | "quiet" | "rawjson", _) => Progress::plain(now()),
        ("" | "auto" | "tty", Some((columns, rows))) if cli.host.is_tty(Stream::Stderr) => {
            Progress::terminal(now(), columns, rows)
        }
        ("tty", _) => {
            return Err(Failure::new(
                "ERROR: failed to get console: provided file is not a console",
            ));
        }
        ("" | "auto", _) => Progress::plain(now()),
        (other, _) => {
            return Err(Failure::new(format!(
                "ERROR: invalid progress mode {}",
                quote(other)
            )));
        }
    };
    let shown = !quiet && mode != "quiet";
    let raw = mode == "rawjson" && shown;
    let mut trace = Trace::default();
    let mut id = String::new();
    let plain = matches!(mode.as_str(), "plain") || !cli.host.is_tty(Stream::Stderr);
    if shown && plain && !raw {
        cli.err("#0 building with \"default\" instance using docker driver\n\n")
            .await;
    }
    let result = cli
        .upload(
            request,
            async |w| cli.send_context(&prepared.context, w).await.map(drop),
            async |response| {
                let mut documents = Documents::new(response);
                let mut display = Display::new(cli, Stream::Stderr);
                while let Some(d) = documents.next().await? {
                    let aux = d.at("aux");
                    if d.text("id") == TRACE {
                        trace.update(aux);
                        if raw {
                            cli.err(&format!("{aux}\n")).await;
                        } else if shown {
                            let text = progress.show(&mut trace, now(), false);
                            cli.err(&text).await;
                        }
                    } else if !aux.is_null() {
                        id = aux.text("ID").to_string();
                    } else {
                        // A pull, or a daemon that builds in the classic way.
                        let text = display.message(&d)?;
                        let line = d.text("stream").trim();
                        if quiet && line.starts_with("sha256:") {
                            id = line.to_string();
                        }
                        if shown && !raw {
                            cli.err(&text).await;
                        }
                    }
                }
                Ok(())
            },
        )
        .await;
    if shown && !raw {
        let text = progress.show(&mut trace, now(), true);
        cli.err(&text).await;
        cli.err(&trace.warning_summary()).await;
    }
    if let Err(f) = result {
        if !trace.vertices.is_empty() {
            cli.err(&trace.error_summary()).await;
        }
        let text = f.text.trim_start_matches("Error response from daemon: ");
        return Err(
            if text.starts_with("failed to solve") || f.text.starts_with("Cannot connect") {
                error(text)
            } else {
                error(&format!("failed to solve: {text}"))
            },
        );
    }
    if quiet {
        cli.out(&format!("{id}\n")).await;
    }
    write_iidfile(cli, m, &id).await
}
