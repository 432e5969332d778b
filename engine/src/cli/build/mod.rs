//! `docker build` and `docker builder`.

#[allow(clippy::module_inception)]
mod build;
mod buildkit;
mod context;
mod progress;
pub(in crate::cli) mod prune;
mod trace;

use super::command::go_bool;
use super::prelude::*;

/// The commands.
pub const COMMANDS: &[&Command] = &[&build::COMMAND, &prune::COMMAND];

/// Which builder, and why.
#[derive(Clone, Copy, PartialEq)]
enum Builder {
    BuildKit,
    /// DOCKER_BUILDKIT=0 asks for it.
    ClassicAsked,
    /// There is no other.
    ClassicOnly,
}

fn builder(cli: &Cli<'_>) -> Result<Builder, Failure> {
    match cli.host.env("DOCKER_BUILDKIT").filter(|v| !v.is_empty()) {
        None if cli.host.has_buildkit() => Ok(Builder::BuildKit),
        None => Ok(Builder::ClassicOnly),
        Some(v) => match go_bool(&v) {
            Some(true) => Ok(Builder::BuildKit),
            Some(false) => Ok(Builder::ClassicAsked),
            None => Err(Failure::new(format!(
                "DOCKER_BUILDKIT environment variable expects boolean value: strconv.ParseBool: parsing {}: invalid syntax",
                quote(&v)
            ))),
        },
    }
}

const DEPRECATED: &str =
    "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n";
const ASKED: &str = "            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0\n            environment-variable.\n\n";
const ONLY: &str = "            Install the buildx component to build images with BuildKit:\n            https://docs.docker.com/go/buildx/\n\n";

/// Docker warns about the classic builder before anything else it says.
pub async fn warn(cli: &Cli<'_>, args: &[String]) {
    let word = |i: usize| args.get(i).map_or("", |a| a.as_str());
    let builds = matches!(word(0), "build" | "builder") || (word(0), word(1)) == ("image", "build");
    let why = match builder(cli) {
        Ok(Builder::ClassicAsked) => ASKED,
        Ok(Builder::ClassicOnly) => ONLY,
        _ => return,
    };
    if builds {
        cli.err(&format!("{DEPRECATED}{why}")).await;
    }
}
