//! The command line of an OCI runtime: crun, runc, or another that understands the same words.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bottleship_engine::runtime::RuntimeError;
use serde::Deserialize;

use super::os;

/// What the engine's processes are made with.
#[derive(Clone, Debug)]
pub struct Cli {
    /// The program.
    pub binary: PathBuf,
    /// `crun`, `runc`, or the file's name.
    pub name: String,
    /// As it says itself.
    pub version: String,
    /// Where it keeps its state; absolute, or crun breaks.
    root: PathBuf,
}

/// The three standard streams of a process to be made.
pub type Streams = [OwnedFd; 3];

#[derive(Deserialize)]
struct LogLine {
    #[serde(default)]
    level: String,
    #[serde(default)]
    msg: String,
}

/// Numbers the log files of calls at the same time.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// How often a call is tried again that failed for a reason that passes.
const TRIES: u32 = 3;

/// Where runtimes are installed.
const PLACES: [&str; 5] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
];

/// The file of a program in the usual places.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(PLACES)
        .filter(|dir| dir.starts_with('/'))
        .map(|dir| Path::new(dir).join(name))
        .find(|file| file.is_file())
}

impl Cli {
    /// The runtime of that name or path; without one, crun (it is several times as quick) or else runc.
    ///
    /// # Errors
    /// When there is none, or it does not say its version.
    pub fn find(wanted: Option<&str>, root: &Path) -> Result<Cli> {
        let binary = match wanted {
            Some(path) if path.contains('/') => fs::canonicalize(path)
                .with_context(|| format!("there is no OCI runtime at {path}"))?,
            Some(name) => find_program(name).with_context(|| {
                format!("the OCI runtime {name} is not installed: apt-get install {name}")
            })?,
            None => ["crun", "runc"]
                .into_iter()
                .find_map(find_program)
                .context("there is no OCI runtime: apt-get install crun (or runc)")?,
        };
        let output = Command::new(&binary)
            .arg("--version")
            .stdin(Stdio::piped())
            .output()
            .with_context(|| format!("can't run {}", binary.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = text.lines().next().unwrap_or_default();
        let (Some(name), Some(version)) = (
            first.split(' ').next().filter(|name| !name.is_empty()),
            first
                .rsplit(' ')
                .next()
                .filter(|v| v.starts_with(|c: char| c.is_ascii_digit())),
        ) else {
            bail!(
                "{} --version does not say what it is: {first:?}",
                binary.display()
            );
        };
        Ok(Cli {
            name: name.to_owned(),
            version: version.to_owned(),
            binary,
            root: root.to_owned(),
        })
    }

    /// The same runtime with its state elsewhere.
    pub fn with_root(&self, root: PathBuf) -> Cli {
        Cli {
            root,
            ..self.clone()
        }
    }

    /// Fixes that were published and that this version lacks; none when it has all that are known here.
    pub fn known_holes(&self) -> Option<String> {
        let version = numbers(&self.version);
        let (safe, holes) = match self.name.as_str() {
            // 1.2.8 and 1.3.3 fixed three ways to write to the host through masked paths and the console.
            "runc" => (
                version >= [1, 3, 3] || ([1, 2, 8]..[1, 3, 0]).contains(&version),
                "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881 (fixed in 1.2.8 and 1.3.3)",
            ),
            "crun" => (version >= [1, 20, 0], "CVE-2025-24965 (fixed in 1.20)"),
            _ => (true, ""),
        };
        (!safe).then(|| format!("{} {} lacks the fixes of {holes}", self.name, self.version))
    }

    /// Calls it and waits. With streams, they become those of the process it makes.
    ///
    /// # Errors
    /// What it said.
    pub fn call(&self, arguments: &[&str], streams: Option<Streams>) -> Result<(), RuntimeError> {
        let mut tries = 0;
        loop {
            let copies = match &streams {
                Some([stdin, stdout, stderr]) => {
                    let copy = |fd: &OwnedFd| {
                        fd.try_clone()
                            .map_err(|error| RuntimeError::Failed(error.to_string()))
                    };
                    Some([copy(stdin)?, copy(stdout)?, copy(stderr)?])
                }
                None => None,
            };
            match self.call_once(arguments, copies) {
                // crun's own cache of filters, which several of it write at a time.
                Err(RuntimeError::Start(text))
                    if text.starts_with("seccomp_export_bpf") && tries < TRIES =>
                {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    fn call_once(&self, arguments: &[&str], streams: Option<Streams>) -> Result<(), RuntimeError> {
        let log = self
            .root
            .join(format!("log-{}", CALLS.fetch_add(1, Ordering::Relaxed)));
        let mut command = Command::new(&self.binary);
        if self.name == "crun" {
            // Groups are made as files; there need not be a systemd.
            command.arg("--cgroup-manager=cgroupfs");
        }
        command
            .arg("--root")
            .arg(&self.root)
            .arg("--log")
            .arg(&log)
            .args(["--log-format", "json"])
            .args(arguments)
            .current_dir("/");
        // Never /dev/null: crun would give the host's to the container's root.
        match streams {
            Some([stdin, stdout, stderr]) => command.stdin(stdin).stdout(stdout).stderr(stderr),
            None => command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        };
        let failed = |error: std::io::Error| {
            RuntimeError::Failed(format!("{}: {error}", self.binary.display()))
        };
        let mut child = os::call(&mut command).map_err(failed)?;
        // It holds the other ends of the streams; they are to close with the process.
        drop(command);
        drop(child.stdin.take());
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            // Only calls that leave no process behind have one.
            let _ = stderr.by_ref().take(16 << 10).read_to_string(&mut said);
        }
        let ended = child.wait();
        os::called(child.id());
        let status = ended.map_err(failed)?;
        let logged = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        if status.success() {
            return Ok(());
        }
        os::reap_leftovers(&self.name);
        let mut errors = logged
            .lines()
            .filter_map(|line| serde_json::from_str::<LogLine>(line).ok())
            .filter(|line| line.level == "error" || line.level == "fatal")
            .map(|line| line.msg);
        let message = errors.next_back().unwrap_or_else(|| {
            let said = said.trim();
            match said.is_empty() {
                true => format!("{} ended with {status}", self.name),
                false => said.to_owned(),
            }
        });
        Err(RuntimeError::Start(message))
    }

    /// The ids of the containers it knows.
    pub fn list(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }
}

/// The first three numbers of a version.
fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// A failure in runc's words, whichever runtime it was, without prefix: what dockerd passes on.
pub fn in_runc_words(error: RuntimeError, program: &str) -> RuntimeError {
    let RuntimeError::Start(text) = error else {
        return error;
    };
    let mut text = text.as_str();
    for prefix in [
        "runc create failed: ",
        "exec failed: ",
        "unable to start container process: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    RuntimeError::Start(crun_in_runc_words(text, program).unwrap_or_else(|| text.to_owned()))
}

fn crun_in_runc_words(text: &str, program: &str) -> Option<String> {
    let quoted = |rest: &str| Some(rest.split_once('`')?.0.to_owned());
    if let Some(rest) = text.strip_prefix("executable file `") {
        let name = quoted(rest)?;
        return Some(match name.contains('/') {
            true => format!("exec: {name:?}: stat {name}: no such file or directory"),
            false => format!("exec: {name:?}: executable file not found in $PATH"),
        });
    }
    if let Some(reason) = text.strip_prefix("open executable: ") {
        let reason = match reason {
            "Operation not permitted" => "permission denied".to_owned(),
            reason => reason.to_lowercase(),
        };
        return Some(format!("exec: {program:?}: {reason}"));
    }
    if let Some(rest) = text.strip_prefix("chdir `") {
        let dir = quoted(rest)?;
        let reason = rest.rsplit(": ").next().unwrap_or_default().to_lowercase();
        return Some(format!(
            "chdir to cwd ({dir:?}) set in config.json failed: {reason}"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cli(name: &str, version: &str) -> Cli {
        Cli {
            binary: PathBuf::new(),
            name: name.into(),
            version: version.into(),
            root: PathBuf::new(),
        }
    }

    #[test]
    fn versions_without_published_fixes_are_known() {
        for (name, version, safe) in [
            ("runc", "1.1.5+ds1", false),
            ("runc", "1.1.12", false),
            ("runc", "1.2.7", false),
            ("runc", "1.2.8", true),
            ("runc", "1.3.2", false),
            ("runc", "1.3.3", true),
            ("runc", "1.4.0", true),
            ("crun", "1.8.1", false),
            ("crun", "1.20", true),
            ("runsc", "release-20240101.0", true),
        ] {
            assert_eq!(
                cli(name, version).known_holes().is_none(),
                safe,
                "{name} {version}"
            );
        }
    }

    #[test]
    fn both_runtimes_fail_in_the_same_words() {
        let words = |text: &str| match in_runc_words(RuntimeError::Start(text.into()), "/noexec") {
            RuntimeError::Start(text) => text,
            other => other.to_string(),
        };
        for (crun, runc) in [
            (
                "executable file `nosuch` not found in $PATH: No such file or directory",
                "runc create failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH",
            ),
            (
                "executable file `/nosuch` not found in $PATH: No such file or directory",
                "exec failed: unable to start container process: exec: \"/nosuch\": stat /nosuch: no such file or directory",
            ),
            (
                "open executable: Permission denied",
                "runc create failed: unable to start container process: exec: \"/noexec\": permission denied",
            ),
            (
                "chdir `/x`: Not a directory",
                "chdir to cwd (\"/x\") set in config.json failed: not a directory",
            ),
        ] {
            assert_eq!(words(crun), words(runc));
        }
    }
}
