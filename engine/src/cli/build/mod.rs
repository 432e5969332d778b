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

/// Whether the classic builder is wanted (DOCKER_BUILDKIT=0).
fn classic(cli: &Cli<'_>) -> Result<bool, Failure> {
    match cli.host.env("DOCKER_BUILDKIT").filter(|v| !v.is_empty()) {
        None => Ok(false),
        Some(v) => match go_bool(&v) {
            Some(on) => Ok(!on),
            None => Err(Failure::new(format!(
                "DOCKER_BUILDKIT environment variable expects boolean value: strconv.ParseBool: parsing {}: invalid syntax",
                quote(&v)
            ))),
        },
    }
}

const DEPRECATED: &str = "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0\n            environment-variable.\n\n";

/// Docker warns about the classic builder before anything else it says.
pub async fn warn(cli: &Cli<'_>, args: &[String]) {
    let word = |i: usize| args.get(i).map_or("", |a| a.as_str());
    let builds = matches!(word(0), "build" | "builder") || (word(0), word(1)) == ("image", "build");
    if builds && matches!(classic(cli), Ok(true)) {
        cli.err(DEPRECATED).await;
    }
}
