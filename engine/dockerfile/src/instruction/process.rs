//! RUN and HEALTHCHECK.

use super::flags::FlagKind::{Text, Texts};
use super::flags::Flags;
use super::mount::csv_fields;
use super::parse::{at_least_one, command_args, command_line};
use super::{Device, Kind, Mount, Network, Run};
use crate::error::{Error, Result};
use crate::image::Healthcheck;
use crate::parser::Node;
use crate::{goform, suggest};

pub(super) fn run(node: &Node, args: Vec<String>) -> Result<Kind> {
    let flags = Flags::parse(
        &node.flags,
        &[
            ("mount", Texts),
            ("network", Text),
            ("security", Text),
            ("device", Texts),
        ],
    )?;
    let mount_flags = flags.texts("mount");
    let mounts = mount_flags
        .iter()
        .map(|value| Mount::parse_deferred(value))
        .collect::<Result<_>>()?;
    let network = match flags.text("network").as_str() {
        "" | "default" => Network::Default,
        "none" => Network::None,
        "host" => Network::Host,
        other => {
            return Err(Error::new(suggest::suggest(
                format!("network {} is not valid", goform::quote(other)),
                other,
                ["default", "none", "host"],
                true,
            )));
        }
    };
    let insecure = match flags.text("security").as_str() {
        "" | "sandbox" => false,
        "insecure" => true,
        other => {
            return Err(Error::new(format!(
                "security {} is not valid",
                goform::quote(other)
            )));
        }
    };
    Ok(Kind::Run(Run {
        command: command_line(node, args),
        mount_flags,
        mounts,
        network,
        insecure,
        devices: flags
            .texts("device")
            .iter()
            .map(|value| device(value))
            .collect::<Result<_>>()?,
        flags_used: flags.used(),
    }))
}

fn device(value: &str) -> Result<Device> {
    let mut out = Device::default();
    for field in csv_fields(value)? {
        match field.as_str() {
            "required" => out.required = true,
            field => match field.split_once('=') {
                Some(("name", name)) => out.name = name.to_owned(),
                Some(("required", text)) => {
                    out.required = goform::parse_bool(text)
                        .ok_or_else(|| Error::new(format!("invalid value for required: {text}")))?;
                }
                // A CDI name holds a `=` itself: vendor.com/class=name.
                _ => out.name = field.to_owned(),
            },
        }
    }
    Ok(out)
}

pub(super) fn healthcheck(node: &Node, args: &[String]) -> Result<Kind> {
    at_least_one(args, "HEALTHCHECK")?;
    let kind = args[0].to_uppercase();
    let rest = args[1..].to_vec();
    if kind == "NONE" {
        if !rest.is_empty() {
            return Err(Error::new("HEALTHCHECK NONE takes no arguments"));
        }
        return Ok(Kind::Healthcheck(Healthcheck {
            test: vec![kind],
            ..Healthcheck::default()
        }));
    }
    let names = [
        "interval",
        "timeout",
        "start-period",
        "start-interval",
        "retries",
    ];
    let flags = Flags::parse(&node.flags, &names.map(|n| (n, Text)))?;
    if kind != "CMD" {
        return Err(Error::new(format!(
            "Unknown type {} in HEALTHCHECK (try CMD)",
            goform::quote(&kind)
        )));
    }
    let command = command_args(node, rest);
    if command.is_empty() {
        return Err(Error::new("Missing command after HEALTHCHECK CMD"));
    }
    let mut test = vec![if node.json { "CMD" } else { "CMD-SHELL" }.to_owned()];
    test.extend(command);
    let interval = |name: &str| -> Result<i64> {
        let text = flags.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        let nanos = goform::parse_duration(&text)?;
        if nanos != 0 && nanos < 1_000_000 {
            return Err(Error::new(format!(
                "Interval {} cannot be less than 1ms",
                goform::quote(name)
            )));
        }
        Ok(nanos)
    };
    let retries_text = flags.text("retries");
    let retries = if retries_text.is_empty() {
        0
    } else {
        let n: i32 = retries_text.parse().map_err(|_| {
            Error::new(format!(
                "strconv.ParseInt: parsing {}: invalid syntax",
                goform::quote(&retries_text)
            ))
        })?;
        if n < 0 {
            return Err(Error::new(format!("--retries cannot be negative ({n})")));
        }
        i64::from(n)
    };
    Ok(Kind::Healthcheck(Healthcheck {
        test,
        interval: interval("interval")?,
        timeout: interval("timeout")?,
        start_period: interval("start-period")?,
        start_interval: interval("start-interval")?,
        retries,
    }))
}
