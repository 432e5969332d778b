//! Suites that are programs of tests/conformance: they print `ok NAME` and `not ok NAME` (checks.py).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::host::Daemon;
use super::{Case, Env, Outcome, Part};
use crate::sh;

/// docker-py's version, and what it needs for WebSockets.
const DOCKER_PY: [&str; 2] = ["docker==7.1.0", "websocket-client==1.8.0"];
/// Seconds of load where nothing else is asked for; `BOTTLESHIP_LOAD_SECONDS=60` is the full test.
const LOAD_SECONDS: &str = "10";
/// How often each command's time is taken; `BOTTLESHIP_LATENCY_RUNS` says otherwise.
const LATENCY_RUNS: &str = "5";

fn script(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(sh::root().join("tests/conformance").join(name));
    command
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// The archive of the base images, or why it can't be made.
fn base_images(env: &Env, work: &Path) -> Result<PathBuf, String> {
    let base = work.join("base.tar");
    let made = Command::new("python3")
        .arg(env.shared.join("oracle/mkbase.py"))
        .arg(&base)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if made.is_ok_and(|status| status.success()) {
        Ok(base)
    } else {
        Err("the base images need python3, gcc and busybox-static".into())
    }
}

/// A daemon with the base images.
fn daemon(env: &Env, work: &Path, base: &Path) -> Result<Daemon> {
    let daemon = Daemon::start(env, work, None)?;
    load(env, &daemon.host(), base)?;
    Ok(daemon)
}

fn load(env: &Env, host: &str, base: &Path) -> Result<()> {
    let loaded = Command::new(&env.bottleship)
        .args(["docker", "load", "-q", "-i"])
        .arg(base)
        .env("DOCKER_HOST", host)
        .stdout(Stdio::null())
        .status()?;
    if !loaded.success() {
        bail!("can't load the base images ({loaded})");
    }
    Ok(())
}

/// Runs a program of checks and reads what it prints.
fn run(name: &str, command: &mut Command) -> Result<Part> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("can't run {name}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let part = read(name, &text);
    if part.total == 0 {
        bail!("{name} checked nothing ({}):\n{text}", output.status);
    }
    Ok(part)
}

fn read(name: &str, text: &str) -> Part {
    let mut part = Part {
        name: name.to_owned(),
        passed: 0,
        total: 0,
        cases: Vec::new(),
    };
    for line in text.lines() {
        if line.starts_with("ok ") {
            part.passed += 1;
            part.total += 1;
        } else if let Some(what) = line.strip_prefix("not ok ") {
            part.total += 1;
            part.cases.push(Case {
                what: what.to_owned(),
                passed: false,
                reason: String::new(),
                diff: String::new(),
            });
        } else if let Some(note) = line.strip_prefix("# ") {
            println!("  {name}: {note}");
        } else if let Some(case) = part.cases.last_mut() {
            case.diff.push_str(line);
            case.diff.push('\n');
        }
    }
    part
}

/// docker-py over a unix socket and over TCP.
pub fn docker_py(env: &Env) -> Result<Outcome> {
    let work = env.work("docker-py")?;
    let base = match base_images(env, &work) {
        Ok(base) => base,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let venv = sh::target().join("conformance/venv");
    let python = venv.join("bin/python");
    let has = |python: &Path| {
        Command::new(python)
            .args(["-c", "import docker, websocket"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !has(&python) {
        let made = Command::new("python3")
            .args(["-m", "venv"])
            .arg(&venv)
            .status();
        let installed = made.is_ok_and(|status| status.success())
            && Command::new(&python)
                .args(["-m", "pip", "install", "-q"])
                .args(DOCKER_PY)
                .status()
                .is_ok_and(|status| status.success());
        if !installed {
            let why = "docker-py can't be installed: it needs python3-venv, and PyPI within reach";
            return Ok(Outcome::Skipped(why.into()));
        }
    }
    let daemon = daemon(env, &work, &base)?;
    let checks = sh::root().join("tests/conformance/docker_py.py");
    let mut parts = Vec::new();
    for (name, host) in [("unix", daemon.host()), ("tcp", daemon.tcp()?)] {
        if env.wants(name) {
            let mut command = Command::new(&python);
            command.arg(&checks).env("DOCKER_HOST", host);
            parts.push(run(name, &mut command)?);
        }
    }
    Ok(Outcome::Ran(parts))
}

/// skopeo, umoci, a real registry and a real Docker.
pub fn peers(env: &Env) -> Result<Outcome> {
    let work = env.work("peers")?;
    if let Err(why) = base_images(env, &work) {
        return Ok(Outcome::Skipped(why));
    }
    in_short_directory("peers", |short| {
        let mut command = script("peers.py");
        command.arg(&env.bottleship).arg(short).arg(&env.shared);
        run("peers", &mut command)
    })
}

/// The registry image against the distribution specification's conformance tests.
pub fn distribution(env: &Env) -> Result<Outcome> {
    in_short_directory("distribution", |short| {
        let mut command = script("distribution.py");
        command.arg(&env.bottleship).arg(short);
        run("distribution", &mut command)
    })
}

/// The path of a unix socket must be short, and target/ may be deep.
fn in_short_directory(name: &str, checks: impl FnOnce(&Path) -> Result<Part>) -> Result<Outcome> {
    let short = std::env::temp_dir().join(format!("bottleship-{name}-{}", std::process::id()));
    fs::create_dir_all(&short)?;
    let part = checks(&short);
    let _ = fs::remove_dir_all(&short);
    Ok(Outcome::Ran(vec![part?]))
}

/// Two hundred clients at once.
pub fn load_test(env: &Env) -> Result<Outcome> {
    let work = env.work("load")?;
    let base = match base_images(env, &work) {
        Ok(base) => base,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let daemon = daemon(env, &work, &base)?;
    let mut command = script("load.py");
    command
        .arg(daemon.tcp()?)
        .arg(daemon.pid().to_string())
        .arg(setting("BOTTLESHIP_LOAD_SECONDS", LOAD_SECONDS));
    Ok(Outcome::Ran(vec![run("load", &mut command)?]))
}

/// The real client's commands against our daemon and a real Docker, in turn on the same machine.
pub fn latency(env: &Env) -> Result<Outcome> {
    let work = env.work("latency")?;
    let base = match base_images(env, &work) {
        Ok(base) => base,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let Some(client) = sh::find("docker") else {
        return Ok(Outcome::Skipped("no docker client on the PATH".into()));
    };
    let daemon = daemon(env, &work, &base)?;
    let mut command = script("latency.py");
    command
        .arg(&env.shared)
        .arg(daemon.host())
        .arg(&base)
        .arg(setting("BOTTLESHIP_LATENCY_RUNS", LATENCY_RUNS))
        .env("DOCKER_BIN", client);
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Some(why) = text.strip_prefix("skipped: ") {
        return Ok(Outcome::Skipped(why.trim().to_owned()));
    }
    let part = read("latency", &text);
    if part.total == 0 {
        bail!("nothing was measured ({}):\n{text}", output.status);
    }
    Ok(Outcome::Ran(vec![part]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_with_their_reasons() {
        let part = read(
            "x",
            "ok one\nnot ok two\n    because\n    of this\nok three\n",
        );
        assert_eq!((part.passed, part.total), (2, 3));
        assert_eq!(part.cases[0].what, "two");
        assert_eq!(part.cases[0].diff, "    because\n    of this\n");
    }
}
