//! Build arguments: the predefined ones, and those before the first FROM.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::platform::Platform;
use crate::error::{Error, Result};
use crate::instruction::{Kind, MetaArg, Stage};
use crate::shell::{Env, EnvList, Lex};

/// Build arguments that become variables of no step.
pub(super) const NOT_ENV: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// The arguments every Dockerfile may ask for.
pub(super) fn predefined(options: &Options, target_platform: &Platform, target: &str) -> EnvList {
    let build = &options.build_platform;
    let target = if target.is_empty() { "default" } else { target };
    let values = [
        ("BUILDPLATFORM", build.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", String::new()),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", build.variant.clone()),
        ("TARGETPLATFORM", target_platform.to_string()),
        ("TARGETOS", target_platform.os.clone()),
        ("TARGETOSVERSION", String::new()),
        ("TARGETARCH", target_platform.architecture.clone()),
        ("TARGETVARIANT", target_platform.variant.clone()),
        ("TARGETSTAGE", target.to_owned()),
    ];
    let mut env = EnvList::default();
    for (key, value) in values {
        let value = options.build_args.get(key).unwrap_or(&value);
        env.set(key, value);
    }
    env
}

/// `global` with the ARGs before the first FROM, and the names of those.
pub(super) fn with_meta_args(
    global: &EnvList,
    lex: &Lex,
    meta_args: &[MetaArg],
    build_args: &BTreeMap<String, String>,
) -> Result<(EnvList, BTreeSet<String>)> {
    let mut env = global.clone();
    let mut names = BTreeSet::new();
    for meta in meta_args {
        for arg in &meta.args {
            names.insert(arg.key.clone());
            let value = match (build_args.get(&arg.key), &arg.value) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => {
                    Some(lex.word(default, &env).map_err(|e| e.at(meta.location))?)
                }
                (None, None) => None,
            };
            if let Some(value) = value {
                env.set(&arg.key, &value);
            }
        }
    }
    Ok((env, names))
}

/// The instant SOURCE_DATE_EPOCH asks for.
pub(super) fn epoch(
    options: &Options,
    global: &EnvList,
    stages: &[Stage],
    lex: &Lex,
) -> Result<Option<i64>> {
    const KEY: &str = "SOURCE_DATE_EPOCH";
    let given = options.build_args.get(KEY).map(String::as_str);
    let value = given.or_else(|| global.get(KEY)).unwrap_or_default();
    if value.is_empty() || value == "context" {
        return Ok(None);
    }
    if let Ok(seconds) = value.parse::<i64>() {
        return Ok(Some(seconds));
    }
    let stage = stages
        .iter()
        .find(|s| s.name.eq_ignore_ascii_case(value))
        .ok_or_else(|| Error::new(format!("invalid SOURCE_DATE_EPOCH: {value}")))?;
    // The time of a remote source is known only once it is fetched; the stage must be of the right form.
    source_only(stage, global, lex).map_err(|e| e.at(stage.location))?;
    Ok(None)
}

fn source_only(stage: &Stage, global: &EnvList, lex: &Lex) -> Result<()> {
    if lex.word(&stage.base, global)? != "scratch" {
        return Err(Error::new("SOURCE_DATE_EPOCH stage must use FROM scratch"));
    }
    let mut adds = 0;
    for instruction in &stage.instructions {
        match &instruction.kind {
            Kind::Arg(_) => {}
            Kind::Add(_) => adds += 1,
            _ => {
                return Err(Error::new(format!(
                    "SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported {} instruction",
                    instruction.keyword
                )));
            }
        }
    }
    if adds != 1 {
        return Err(Error::new(
            "SOURCE_DATE_EPOCH stage must contain exactly one remote ADD",
        ));
    }
    Ok(())
}

/// Proxies among the build arguments, for RUN's environment.
pub(super) fn proxies(build_args: &BTreeMap<String, String>) -> Vec<(String, String)> {
    const NAMES: [&str; 5] = [
        "http_proxy",
        "https_proxy",
        "ftp_proxy",
        "no_proxy",
        "all_proxy",
    ];
    build_args
        .iter()
        .filter(|(key, _)| NAMES.iter().any(|n| n.eq_ignore_ascii_case(key)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
