//! The tables of BuildKit and moby, and their frontend's answers, through the test of `engine/dockerfile`.

use anyhow::{Result, bail};

use super::{Env, Outcome, Part};
use crate::sh;

/// Runs the test and reads its lines `suite: passed/total`.
pub fn run(env: &Env) -> Result<Outcome> {
    let output = sh::cargo()
        .args(["test", "--locked", "-q", "-p", "bottleship-dockerfile"])
        .args(["--test", "corpus", "--", "--nocapture"])
        .env("BOTTLESHIP_SHARED", &env.shared)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let parts: Vec<Part> = text.lines().filter_map(part).collect();
    if parts.is_empty() {
        bail!(
            "the corpus test printed no suite:\n{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let parts = parts.into_iter().filter(|part| env.wants(&part.name));
    Ok(Outcome::Ran(parts.collect()))
}

fn part(line: &str) -> Option<Part> {
    let (name, counts) = line.split_once(": ")?;
    let (passed, total) = counts.split_once('/')?;
    Some(Part {
        name: name.to_owned(),
        passed: passed.parse().ok()?,
        total: total.parse().ok()?,
        cases: Vec::new(),
    })
}
