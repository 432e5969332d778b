//! `docker version`: show the Docker version information.

use crate::cli::prelude::*;
use crate::cli::shapes::{Field, Shape, Struct};
use crate::cli::{API_VERSION, GIT_COMMIT, VERSION, tabwriter};
use bottleship_gotmpl::{MissingKey, Template};

/// The command.
pub const COMMAND: Command = Command {
    names: &["version"],
    usage: "[OPTIONS]",
    about: "Show the Docker version information",
    args: Args::None,
    flags: &[Flag::new('f', "format", "string", FORMAT_INSPECT)],
    run: |cli, m| Box::pin(run(cli, m)),
};

const BUILD: &str = concat!("Bottleship ", env!("CARGO_PKG_VERSION"));

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let format = match m.str("format") {
        "json" => "{{json .}}",
        f => f,
    };
    let template = if format.is_empty() {
        None
    } else {
        Some(
            Template::parse("version", format)
                .map_err(|e| Failure::new(format!("template parsing error: {e}")).with_code(64))?,
        )
    };
    let server = cli.get("/version").await;
    let client = json!({
        "Platform": {"Name": "Bottleship"},
        "Version": VERSION,
        "ApiVersion": cli.api_version().await,
        "DefaultAPIVersion": API_VERSION,
        "GitCommit": GIT_COMMIT,
        "GoVersion": "none (Rust)",
        "Os": "linux",
        "Arch": "amd64",
        "BuildTime": BUILD,
        "Context": cli.context_name().await,
    });
    let mut server_doc = server.as_ref().cloned().unwrap_or(J::Null);
    fix_times(&mut server_doc);
    let shown = match &template {
        Some(t) => {
            let v = INFO.value(&json!({"Client": client, "Server": server_doc}));
            match t.execute(&v, MissingKey::Invalid) {
                Ok(text) => format!("{text}\n"),
                Err(e) => {
                    cli.out("\n").await;
                    return Err(Failure::new(e.to_string()));
                }
            }
        }
        None => plain(&client, &server_doc),
    };
    cli.out(&shown).await;
    server.map(drop).map_err(Failure::from)
}

/// The engine's build time as docker prints it.
fn fix_times(server: &mut J) {
    let Some(J::Array(components)) = server.get_mut("Components") else {
        return;
    };
    for c in components {
        let details = &mut c["Details"];
        if let Some((s, _)) = units::parse_rfc3339(details.text("BuildTime")) {
            details["BuildTime"] = ansic(s).into();
        }
    }
}

/// Go's `time.ANSIC`: `Thu May  7 21:09:36 2026`.
fn ansic(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (y, mo, d, h, mi, s) = units::civil(seconds);
    let day = DAYS[seconds.div_euclid(86_400).rem_euclid(7) as usize];
    let month = MONTHS.get(mo as usize - 1).unwrap_or(&"");
    format!("{day} {month} {d:>2} {h:02}:{mi:02}:{s:02} {y}")
}

fn plain(client: &J, server: &J) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let api = client.text("ApiVersion");
    let downgraded = if api == API_VERSION {
        String::new()
    } else {
        format!(" (downgraded from {API_VERSION})")
    };
    let _ = write!(
        out,
        "Client: {}\n Version:\t{}\n API version:\t{api}{downgraded}\n Go version:\t{}\n Git commit:\t{}\n Built:\t{}\n OS/Arch:\t{}/{}\n Context:\t{}\n",
        client.at("Platform").text("Name"),
        client.text("Version"),
        client.text("GoVersion"),
        client.text("GitCommit"),
        client.text("BuildTime"),
        client.text("Os"),
        client.text("Arch"),
        client.text("Context"),
    );
    if !server.is_null() {
        let platform = match server.at("Platform").text("Name") {
            "" => String::new(),
            n => format!(" {n}"),
        };
        let _ = write!(out, "\nServer:{platform}\n");
        for c in server.items("Components") {
            let d = c.at("Details");
            if c.text("Name") == "Engine" {
                let _ = write!(
                    out,
                    " Engine:\n  Version:\t{}\n  API version:\t{} (minimum version {})\n  Go version:\t{}\n  Git commit:\t{}\n  Built:\t{}\n  OS/Arch:\t{}/{}\n  Experimental:\t{}\n",
                    c.text("Version"),
                    d.text("ApiVersion"),
                    d.text("MinAPIVersion"),
                    d.text("GoVersion"),
                    d.text("GitCommit"),
                    d.text("BuildTime"),
                    d.text("Os"),
                    d.text("Arch"),
                    d.text("Experimental"),
                );
                continue;
            }
            let _ = write!(
                out,
                " {}:\n  Version:\t{}\n",
                c.text("Name"),
                c.text("Version")
            );
            let mut details: Vec<(&str, &J)> = c.entries("Details");
            details.sort_by_key(|(k, _)| *k);
            for (k, v) in details {
                let _ = writeln!(out, "  {k}:\t{}", v.as_str().unwrap_or(""));
            }
        }
    }
    tabwriter::align(&out, 20, 1)
}

const PLATFORM: Struct = Struct {
    name: "struct { Name string }",
    fields: &[Field::new("Name", "Name", Shape::Str)],
};
const CLIENT: Struct = Struct {
    name: "system.clientVersion",
    fields: &[
        Field::optional("Platform", "Platform", Shape::Ptr(&Shape::Obj(&PLATFORM))),
        Field::new("Version", "Version", Shape::Str),
        Field::new("APIVersion", "ApiVersion", Shape::Str),
        Field::new("DefaultAPIVersion", "DefaultAPIVersion", Shape::Str),
        Field::new("GitCommit", "GitCommit", Shape::Str),
        Field::new("GoVersion", "GoVersion", Shape::Str),
        Field::new("Os", "Os", Shape::Str),
        Field::new("Arch", "Arch", Shape::Str),
        Field::optional("BuildTime", "BuildTime", Shape::Str),
        Field::new("Context", "Context", Shape::Str),
    ],
};
const COMPONENT: Struct = Struct {
    name: "types.ComponentVersion",
    fields: &[
        Field::new("Name", "Name", Shape::Str),
        Field::new("Version", "Version", Shape::Str),
        Field::optional("Details", "Details", Shape::Map(&Shape::Str)),
    ],
};
const SERVER: Struct = Struct {
    name: "types.Version",
    fields: &[
        Field::new("Platform", "Platform", Shape::Obj(&PLATFORM)),
        Field::optional(
            "Components",
            "Components",
            Shape::List(&Shape::Obj(&COMPONENT)),
        ),
        Field::new("Version", "Version", Shape::Str),
        Field::new("APIVersion", "ApiVersion", Shape::Str),
        Field::optional("MinAPIVersion", "MinAPIVersion", Shape::Str),
        Field::new("GitCommit", "GitCommit", Shape::Str),
        Field::new("GoVersion", "GoVersion", Shape::Str),
        Field::new("Os", "Os", Shape::Str),
        Field::new("Arch", "Arch", Shape::Str),
        Field::optional("KernelVersion", "KernelVersion", Shape::Str),
        Field::optional("Experimental", "Experimental", Shape::Bool),
        Field::optional("BuildTime", "BuildTime", Shape::Str),
    ],
};
const INFO: Struct = Struct {
    name: "system.versionInfo",
    fields: &[
        Field::new("Client", "Client", Shape::Obj(&CLIENT)),
        Field::new("Server", "Server", Shape::Ptr(&Shape::Obj(&SERVER))),
    ],
};
