//! The docker commands of public courses: our client must understand each as the real one does.
//!
//! Both clients run every command with no daemon to talk to, in an empty directory. What is understood ends in
//! "Cannot connect to the Docker daemon"; what is not, in the same words from both. Commands are weighed by how often
//! courses use them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Case, Env, Outcome, Part};
use crate::sh;

/// Families of commands that are about images, containers, networks, volumes and the system.
const FAMILIES: &[(&str, &[&str])] = &[
    (
        "containers",
        &[
            "attach",
            "commit",
            "container",
            "cp",
            "create",
            "diff",
            "exec",
            "export",
            "kill",
            "logs",
            "pause",
            "port",
            "ps",
            "rename",
            "restart",
            "rm",
            "run",
            "start",
            "stats",
            "stop",
            "top",
            "unpause",
            "update",
            "wait",
        ],
    ),
    (
        "images",
        &[
            "build", "builder", "history", "image", "images", "import", "load", "login", "logout",
            "pull", "push", "rmi", "save", "search", "tag",
        ],
    ),
    ("networks", &["network"]),
    ("volumes", &["volume"]),
    (
        "system",
        &["events", "info", "inspect", "system", "version"],
    ),
];

/// Runs both clients.
pub fn run(env: &Env) -> Result<Outcome> {
    let Some(real) = sh::find("docker") else {
        return Ok(Outcome::Skipped("no docker client on the PATH".into()));
    };
    let path = env.shared.join("corpus/commands.txt");
    let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
    let work = env.work("course-commands")?;
    let ours = work.join("docker");
    std::os::unix::fs::symlink(&env.bottleship, &ours)?;
    let empty = work.join("empty");
    let mut parts: Vec<Part> = FAMILIES
        .iter()
        .map(|(name, _)| Part {
            name: (*name).to_owned(),
            passed: 0,
            total: 0,
            cases: Vec::new(),
        })
        .collect();
    for (uses, line) in text.lines().filter_map(parse) {
        let args = words(line);
        let Some(family) = family(&args) else {
            continue;
        };
        let part = &mut parts[family];
        if !env.wants(&part.name) {
            continue;
        }
        let theirs = answer(&real, &args, &empty)?;
        let mine = answer(&ours, &args, &empty)?;
        part.total += uses;
        if mine == theirs {
            part.passed += uses;
            continue;
        }
        part.cases.push(Case {
            what: format!("{line} ({uses} uses)"),
            passed: false,
            reason: String::new(),
            diff: format!("docker said:\n{theirs}\nbottleship said:\n{mine}"),
        });
    }
    Ok(Outcome::Ran(parts))
}

/// From `COUNT<tab>COMMAND<tab>SOURCES`.
fn parse(line: &str) -> Option<(usize, &str)> {
    let mut columns = line.split('\t');
    let uses = columns.next()?.parse().ok()?;
    Some((uses, columns.next()?))
}

/// The words of the first command of a shell line, without `docker`.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace()
        .skip(1)
        .take_while(|word| {
            !matches!(*word, "|" | "||" | "&&" | ";" | "&" | "#" | "\\")
                && !word.contains(['>', '<', '`'])
        })
        .collect()
}

/// The index of the family that the command belongs to.
fn family(args: &[&str]) -> Option<usize> {
    let verb = args.first()?;
    FAMILIES.iter().position(|(_, verbs)| verbs.contains(verb))
}

/// What the client says and returns with no daemon to talk to.
fn answer(docker: &Path, args: &[&str], empty: &Path) -> Result<String> {
    let _ = fs::remove_dir_all(empty);
    fs::create_dir_all(empty)?;
    let output = Command::new(docker)
        .args(args)
        .current_dir(empty)
        .env_clear()
        .env("HOME", empty)
        .env("PATH", "/usr/bin:/bin")
        .env("DOCKER_HOST", "unix:///nowhere.sock")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("can't run {}", docker.display()))?;
    Ok(format!(
        "{}{}exit code {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        output.status.code().unwrap_or(-1)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_count_and_a_command() {
        assert_eq!(parse("41\tdocker ps -a\tx:3"), Some((41, "docker ps -a")));
        assert_eq!(parse("# count\tcommand"), None);
        assert_eq!(words("docker ps -a | wc -l"), ["ps", "-a"]);
        assert_eq!(family(&["volume", "ls"]), Some(3));
        assert_eq!(family(&["swarm", "init"]), None);
    }
}
