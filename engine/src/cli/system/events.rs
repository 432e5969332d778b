//! `docker system events`: get real time events from the server.

use crate::cli::container::timestamp;
use crate::cli::jsonmessage::Documents;
use crate::cli::prelude::*;
use crate::cli::shapes::{Field, Shape, Struct};
use bottleship_gotmpl::{MissingKey, Template};

/// The command.
pub const COMMAND: Command = Command {
    names: &["system events", "events"],
    usage: "[OPTIONS]",
    about: "Get real time events from the server",
    args: Args::None,
    flags: &[
        Flag::new(
            'f',
            "filter",
            "filter",
            "Filter output based on conditions provided",
        ),
        Flag::long("format", "string", FORMAT_INSPECT),
        Flag::long("since", "string", "Show all events created since timestamp"),
        Flag::long("until", "string", "Stream events until this timestamp"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let format = match m.str("format") {
        "json" => "{{json .}}",
        f => f,
    };
    let template = if format.is_empty() {
        None
    } else {
        let bad = |e: bottleship_gotmpl::Error| {
            Failure::new(format!("Error parsing format: {e}")).with_code(64)
        };
        let t = Template::parse("", format).map_err(bad)?;
        // A template is tried before there is an event to show.
        t.execute(&MESSAGE.value(&J::Null), MissingKey::Invalid)
            .map_err(bad)?;
        Some(t)
    };
    let filters = parse_filters(&m.list("filter"))?;
    let mut params = Params::new().filters(&filters);
    for name in ["since", "until"] {
        if m.given(name) {
            params = params.add(name, timestamp(cli, m.str(name))?);
        }
    }
    let follow = async {
        let mut events = Documents::new(cli.send(Request::get(format!("/events{params}"))).await?);
        while let Some(e) = events.next().await? {
            let line = match &template {
                Some(t) => t
                    .execute(&MESSAGE.value(&e), MissingKey::Invalid)
                    .map_err(|e| Failure::new(e.to_string()))?,
                None => plain(&e),
            };
            cli.out(&format!("{line}\n")).await;
        }
        Ok(())
    };
    match cli.until_signal(follow).await {
        Ok(r) => r,
        Err(n) => Err(Failure::status(128 + n)),
    }
}

const ACTOR: Struct = Struct {
    name: "events.Actor",
    fields: &[
        Field::new("ID", "ID", Shape::Str),
        Field::new("Attributes", "Attributes", Shape::Map(&Shape::Str)),
    ],
};

const MESSAGE: Struct = Struct {
    name: "*events.Message",
    fields: &[
        Field::optional("Status", "status", Shape::Str),
        Field::optional("ID", "id", Shape::Str),
        Field::optional("From", "from", Shape::Str),
        Field::new("Type", "Type", Shape::Str),
        Field::new("Action", "Action", Shape::Str),
        Field::new("Actor", "Actor", Shape::Obj(&ACTOR)),
        Field::optional("Scope", "scope", Shape::Str),
        Field::optional("Time", "time", Shape::Int),
        Field::optional("TimeNano", "timeNano", Shape::Int),
    ],
};

/// `TIME TYPE ACTION ID (key=value, …)`.
fn plain(e: &J) -> String {
    let (nanos, seconds) = (e.num("timeNano"), e.num("time"));
    let (s, n) = if nanos != 0 {
        (
            nanos.div_euclid(1_000_000_000),
            nanos.rem_euclid(1_000_000_000),
        )
    } else {
        (seconds, 0)
    };
    let mut out = String::new();
    if s != 0 {
        let time = units::rfc3339(s);
        out = format!("{}.{n:09}Z ", time.trim_end_matches('Z'));
    }
    let actor = e.at("Actor");
    out.push_str(&format!(
        "{} {} {}",
        e.text("Type"),
        e.text("Action"),
        actor.text("ID")
    ));
    let mut all: Vec<String> = actor
        .entries("Attributes")
        .into_iter()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or("")))
        .collect();
    all.sort();
    if !all.is_empty() {
        out.push_str(&format!(" ({})", all.join(", ")));
    }
    out
}
