//! `docker system info`: display system-wide information.

use crate::cli::prelude::*;
use crate::cli::{GIT_COMMIT, VERSION};
use bottleship_gotmpl::{Field, MissingKey, Struct, Template, Value};
use std::rc::Rc;

/// The command.
pub const COMMAND: Command = Command {
    names: &["system info", "info"],
    usage: "[OPTIONS]",
    about: "Display system-wide information",
    args: Args::None,
    flags: &[Flag::new('f', "format", "string", FORMAT_INSPECT)],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let format = match m.str("format") {
        "json" => "{{json .}}",
        f => f,
    };
    let whole = format == "{{json .}}";
    let template = if format.is_empty() {
        None
    } else {
        Some(
            Template::parse("", format)
                .map_err(|e| Failure::new(format!("template parsing error: {e}")).with_code(64))?,
        )
    };
    let server = cli.get("/info").await;
    let context = cli.context_name().await;
    if let Some(t) = template {
        let mut doc = server.as_ref().cloned().unwrap_or(json!({}));
        if let Err(e) = &server {
            doc["ServerErrors"] = json!([e.to_string()]);
        }
        // Go's names of what JSON spells otherwise.
        for (go, json) in [
            ("CPUCfsPeriod", "CpuCfsPeriod"),
            ("CPUCfsQuota", "CpuCfsQuota"),
            ("HTTPProxy", "HttpProxy"),
            ("HTTPSProxy", "HttpsProxy"),
        ] {
            if !whole && let Some(value) = doc.get(json).cloned() {
                doc[go] = value;
            }
        }
        doc["ClientInfo"] = json!({
            "Debug": false, "Platform": {"Name": "Bottleship"}, "Version": VERSION, "GitCommit": GIT_COMMIT,
            "GoVersion": "none (Rust)", "Os": "linux", "Arch": "amd64", "Context": context,
            "Plugins": [], "Warnings": null
        });
        let text = match t.execute(&structure(&doc, "system.dockerInfo"), MissingKey::Invalid) {
            Ok(text) => text,
            Err(e) => {
                cli.out("\n").await;
                return Err(Failure::new(e.to_string()));
            }
        };
        cli.out(&format!("{text}\n")).await;
        return server.map(drop).map_err(Failure::from);
    }
    cli.out(&format!(
        "Client: Bottleship\n Version:    {VERSION}\n Context:    {context}\n Debug Mode: false\n\nServer:\n"
    ))
    .await;
    match server {
        Ok(info) => {
            cli.out(&plain(&info)).await;
            for w in info.texts("Warnings") {
                cli.err(&format!("{w}\n")).await;
            }
            Ok(())
        }
        Err(e) => {
            cli.err(&format!("{e}\n")).await;
            Err(Failure::new("errors pretty printing info"))
        }
    }
}

/// A document as Go structs: fields in its order, integers as integers.
fn structure(doc: &J, name: &str) -> Value {
    match doc {
        J::Object(o) => {
            let map = matches!(name, "Runtimes" | "IndexConfigs" | "Status");
            if map {
                return Value::map(
                    "interface {}",
                    o.iter()
                        .map(|(k, v)| (k.as_str().into(), structure(v, k)))
                        .collect(),
                );
            }
            Value::Struct(Rc::new(Struct {
                name: name.to_string().into(),
                row: false,
                fields: o
                    .iter()
                    .map(|(k, v)| Field {
                        name: k.clone().into(),
                        json: k.clone().into(),
                        omit_empty: false,
                        value: structure(v, k),
                    })
                    .collect(),
            }))
        }
        J::Array(a) => {
            let elem = if a.iter().all(J::is_string) {
                "string"
            } else {
                "interface {}"
            };
            Value::list(elem, a.iter().map(|v| structure(v, "")).collect())
        }
        J::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => Value::Int(i),
            (None, f) => Value::Float(f.unwrap_or(0.0)),
        },
        other => Value::from(other),
    }
}

/// docker's `prettyPrintServerInfo`.
fn plain(i: &J) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!(" Containers: {}", i.num("Containers")));
    line(format!("  Running: {}", i.num("ContainersRunning")));
    line(format!("  Paused: {}", i.num("ContainersPaused")));
    line(format!("  Stopped: {}", i.num("ContainersStopped")));
    line(format!(" Images: {}", i.num("Images")));
    let given = |name: &str| Some(i.text(name)).filter(|t| !t.is_empty());
    if let Some(v) = given("ServerVersion") {
        line(format!(" Server Version: {v}"));
    }
    if let Some(v) = given("Driver") {
        line(format!(" Storage Driver: {v}"));
    }
    for pair in i.items("DriverStatus") {
        let text = |n: usize| pair.get(n).and_then(J::as_str).unwrap_or("");
        line(format!("  {}: {}", text(0), text(1)));
    }
    if let Some(v) = given("LoggingDriver") {
        line(format!(" Logging Driver: {v}"));
    }
    if let Some(v) = given("CgroupDriver") {
        line(format!(" Cgroup Driver: {v}"));
    }
    if let Some(v) = given("CgroupVersion") {
        line(format!(" Cgroup Version: {v}"));
    }
    line(" Plugins:".into());
    let plugins = i.at("Plugins");
    line(format!("  Volume: {}", plugins.texts("Volume").join(" ")));
    line(format!("  Network: {}", plugins.texts("Network").join(" ")));
    if !plugins.items("Authorization").is_empty() {
        line(format!(
            "  Authorization: {}",
            plugins.texts("Authorization").join(" ")
        ));
    }
    line(format!("  Log: {}", plugins.texts("Log").join(" ")));
    let swarm = i.at("Swarm");
    line(format!(" Swarm: {}", swarm.text("LocalNodeState")));
    if i.at("Runtimes").is_object() {
        let mut names: Vec<&str> = i.entries("Runtimes").iter().map(|(k, _)| *k).collect();
        names.sort_unstable();
        line(format!(" Runtimes: {}", names.join(" ")));
        line(format!(" Default Runtime: {}", i.text("DefaultRuntime")));
    }
    if i.text("OSType") == "linux" {
        line(format!(" Init Binary: {}", i.text("InitBinary")));
        for (label, field) in [
            ("containerd", "ContainerdCommit"),
            ("runc", "RuncCommit"),
            ("init", "InitCommit"),
        ] {
            line(format!(" {label} version: {}", i.at(field).text("ID")));
        }
        let options = i.texts("SecurityOptions");
        if !options.is_empty() {
            line(" Security Options:".into());
            for o in options {
                for part in o.split(',') {
                    match part.split_once('=') {
                        Some(("name", n)) => line(format!("  {n}")),
                        Some(("profile", p)) => line(format!("   Profile: {p}")),
                        Some((k, v)) => line(format!("   {k}: {v}")),
                        None => line(format!("  {part}")),
                    }
                }
            }
        }
    }
    if let Some(v) = given("KernelVersion") {
        line(format!(" Kernel Version: {v}"));
    }
    if let Some(v) = given("OperatingSystem") {
        line(format!(" Operating System: {v}"));
    }
    if let Some(v) = given("OSType") {
        line(format!(" OSType: {v}"));
    }
    if let Some(v) = given("Architecture") {
        line(format!(" Architecture: {v}"));
    }
    line(format!(" CPUs: {}", i.num("NCPU")));
    line(format!(
        " Total Memory: {}",
        units::bytes_size(i.num("MemTotal") as f64)
    ));
    line(format!(" Name: {}", i.text("Name")));
    line(format!(" ID: {}", i.text("ID")));
    line(format!(" Docker Root Dir: {}", i.text("DockerRootDir")));
    line(format!(" Debug Mode: {}", i.flag("Debug")));
    for (label, field) in [
        ("HTTP", "HttpProxy"),
        ("HTTPS", "HttpsProxy"),
        ("No", "NoProxy"),
    ] {
        if let Some(v) = given(field) {
            line(format!(" {label} Proxy: {v}"));
        }
    }
    let labels = i.texts("Labels");
    if !labels.is_empty() {
        line(" Labels:".into());
        labels.iter().for_each(|l| line(format!("  {l}")));
    }
    line(format!(" Experimental: {}", i.flag("ExperimentalBuild")));
    let registry = i.at("RegistryConfig");
    if registry.is_object() {
        let mut insecure: Vec<String> = registry
            .entries("IndexConfigs")
            .into_iter()
            .filter(|(_, c)| !c.flag("Secure"))
            .map(|(_, c)| c.text("Name").to_string())
            .collect();
        insecure.sort();
        insecure.extend(
            registry
                .texts("InsecureRegistryCIDRs")
                .into_iter()
                .map(str::to_string),
        );
        if !insecure.is_empty() {
            line(" Insecure Registries:".into());
            insecure.iter().for_each(|l| line(format!("  {l}")));
        }
        let mirrors = registry.texts("Mirrors");
        if !mirrors.is_empty() {
            line(" Registry Mirrors:".into());
            mirrors.iter().for_each(|l| line(format!("  {l}")));
        }
    }
    line(format!(
        " Live Restore Enabled: {}",
        i.flag("LiveRestoreEnabled")
    ));
    if let Some(v) = given("ProductLicense") {
        line(format!(" Product License: {v}"));
    }
    out.push('\n');
    out
}
