//! Shell scenarios against transcripts of a real Docker.
//!
//! The oracle's `transcript.py` runs them; tests/conformance/score.py compares them, with
//! tests/conformance/differences.toml for what differs between the recorded Docker and today's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::host::{Daemon, Kernel};
use super::{Case, Env, Outcome, Part};
use crate::sh;

/// The client whose words the transcripts hold.
const RECORDED_CLIENT: &str = "28.2.";

#[derive(Clone, Copy, PartialEq)]
enum Client {
    Real,
    Ours,
}

/// The oracle's scenarios with the real client.
pub fn oracle_real(env: &Env) -> Result<Outcome> {
    let scenarios = env.shared.join("oracle");
    suite(
        env,
        "oracle-real",
        Client::Real,
        Kernel::Emulated,
        &scenarios,
    )
}

/// The oracle's scenarios with the real client, and containers on this machine's kernel.
pub fn oracle_oci(env: &Env) -> Result<Outcome> {
    let scenarios = env.shared.join("oracle");
    suite(env, "oracle-oci", Client::Real, Kernel::Real, &scenarios)
}

/// The oracle's scenarios with our client.
pub fn oracle_ours(env: &Env) -> Result<Outcome> {
    let scenarios = env.shared.join("oracle");
    suite(
        env,
        "oracle-ours",
        Client::Ours,
        Kernel::Emulated,
        &scenarios,
    )
}

/// Our scenarios with the real client.
pub fn own_real(env: &Env) -> Result<Outcome> {
    suite(
        env,
        "scenarios-real",
        Client::Real,
        Kernel::Emulated,
        &own(),
    )
}

/// Our scenarios with our client.
pub fn own_ours(env: &Env) -> Result<Outcome> {
    suite(
        env,
        "scenarios-ours",
        Client::Ours,
        Kernel::Emulated,
        &own(),
    )
}

fn own() -> PathBuf {
    sh::root().join("tests/conformance")
}

/// Runs the scenarios of `dir` against `dir`'s golden transcripts. What differs is run once more: a machine that is
/// slow for a moment shows a container that has not started yet.
fn suite(env: &Env, name: &str, client: Client, kernel: Kernel, dir: &Path) -> Result<Outcome> {
    if let Some(why) = kernel.missing() {
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    if !dir.join("scenarios").is_dir() {
        return Ok(Outcome::Skipped(format!(
            "no scenarios in {}",
            dir.display()
        )));
    }
    let work = env.work(name)?;
    let program = match program(env, client, &work)? {
        Ok(program) => program,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let Some(base) = base_images(env, &work)? else {
        return Ok(Outcome::Skipped(
            "the base images need python3, gcc and busybox-static".into(),
        ));
    };
    let mut scenarios: Vec<PathBuf> = fs::read_dir(dir.join("scenarios"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    scenarios.sort();
    scenarios.retain(|path| env.wants(&stem(path)));
    if scenarios.is_empty() {
        return Ok(Outcome::Skipped("no scenario of that name".into()));
    }
    let daemon = Daemon::start_on(env, &work, Some(&base), kernel)?;
    let run = Run {
        env,
        work: &work,
        base: &base,
        golden: dir.join("golden"),
        program,
        client,
        daemon: &daemon,
    };
    let mut parts = run.compare(&scenarios)?;
    scenarios.retain(|path| {
        let name = stem(path);
        parts
            .iter()
            .any(|part| part.name == name && part.passed < part.total)
    });
    if !scenarios.is_empty() {
        for again in run.compare(&scenarios)? {
            if let Some(part) = parts.iter_mut().find(|part| part.name == again.name)
                && again.passed > part.passed
            {
                *part = again;
            }
        }
    }
    Ok(Outcome::Ran(parts))
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The client to run, or why it can't be.
fn program(env: &Env, client: Client, work: &Path) -> Result<Result<PathBuf, String>> {
    if client == Client::Ours {
        let ours = work.join("docker");
        std::os::unix::fs::symlink(&env.bottleship, &ours).context("can't link our docker")?;
        return Ok(Ok(ours));
    }
    let Some(real) = sh::find("docker") else {
        return Ok(Err("no docker client on the PATH".into()));
    };
    let version = Command::new(&real).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if !version.contains(&format!("version {RECORDED_CLIENT}")) {
        return Ok(Err(format!(
            "the transcripts hold the words of client {RECORDED_CLIENT}x, and this is {}",
            version.trim()
        )));
    }
    Ok(Ok(real))
}

/// The archive of the base images; none when a tool is missing.
fn base_images(env: &Env, work: &Path) -> Result<Option<PathBuf>> {
    let base = work.join("base.tar");
    let made = Command::new("python3")
        .arg(env.shared.join("oracle/mkbase.py"))
        .arg(&base)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    Ok(made.is_ok_and(|status| status.success()).then_some(base))
}

struct Run<'a> {
    env: &'a Env,
    work: &'a Path,
    base: &'a Path,
    golden: PathBuf,
    program: PathBuf,
    client: Client,
    daemon: &'a Daemon,
}

impl Run<'_> {
    fn compare(&self, scenarios: &[PathBuf]) -> Result<Vec<Part>> {
        let oracle = self.env.shared.join("oracle");
        let out = self.work.join("out");
        let _ = fs::remove_dir_all(&out);
        let mut record = Command::new("python3");
        record
            .arg(oracle.join("transcript.py"))
            .args(["record", "-H", &self.daemon.host(), "-d"])
            .arg(&self.program)
            .arg("-o")
            .arg(&out)
            .args(scenarios)
            .env("BASE_TAR", self.base)
            // paths are in transcripts, and /tmp/t is where they were recorded
            .env(
                "WORK",
                std::env::temp_dir().join(format!("t{}", std::process::id())),
            )
            .stdout(fs::File::create(self.work.join("record.log"))?);
        if let Some(reset) = &self.daemon.reset {
            record.env("RESET_HOOK", reset);
        }
        if self.client == Client::Ours {
            // the transcripts are the classic builder's
            record.env("DOCKER_BUILDKIT", "0");
        }
        let status = record.status().context("can't run transcript.py")?;
        if !status.success() {
            bail!("transcript.py failed ({status})");
        }
        let scored = Command::new("python3")
            .arg(own().join("score.py"))
            .arg(&oracle)
            .arg(&self.golden)
            .arg(&out)
            .env("BASE_TAR", self.base)
            .stderr(Stdio::inherit())
            .output()
            .context("can't run score.py")?;
        if !scored.status.success() {
            bail!("score.py failed ({})", scored.status);
        }
        let parts: Value = serde_json::from_slice(&scored.stdout).context("score.py's answer")?;
        let parts = parts.as_array().context("score.py's answer is no list")?;
        Ok(parts.iter().map(part).collect())
    }
}

fn part(value: &Value) -> Part {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let count = |key: &str| {
        let count = value[key].as_u64().unwrap_or_default();
        usize::try_from(count).unwrap_or(usize::MAX)
    };
    let cases = value["cases"].as_array().into_iter().flatten();
    Part {
        name: text(value, "name"),
        passed: count("passed"),
        total: count("total"),
        cases: cases
            .map(|case| Case {
                what: text(case, "what"),
                passed: case["passed"].as_bool().unwrap_or_default(),
                reason: text(case, "reason"),
                diff: text(case, "diff"),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scored_scenario_becomes_a_part() {
        let part = part(&serde_json::json!({
            "name": "01_x", "passed": 1, "total": 2,
            "cases": [{"what": "docker ps", "passed": false, "reason": "r", "diff": "-a\n+b"}],
        }));
        assert_eq!((part.passed, part.total), (1, 2));
        assert_eq!(part.cases[0].what, "docker ps");
        assert!(!part.cases[0].passed);
    }
}
