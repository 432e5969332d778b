//! `bottleship doctor`: what this machine lacks for hosted sessions, and what each lack costs.

use std::path::Path;

use super::config::Config;
use crate::oci::cgroup::Layout;
use crate::oci::cli::{Cli, find_program};

/// What was looked at.
pub struct Finding {
    /// What it is about.
    pub what: &'static str,
    /// What is wrong, and what that costs; nothing when all is well.
    pub lack: Option<String>,
    /// What is there.
    pub there: String,
    /// Whether hosted sessions are refused for it.
    pub needed: bool,
}

fn program(what: &'static str, name: &str, package: &str, cost: &str, needed: bool) -> Finding {
    let found = find_program(name);
    Finding {
        what,
        there: found
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        lack: match found {
            Some(_) => None,
            None => Some(format!(
                "{name} is not installed (apt-get install {package}): {cost}"
            )),
        },
        needed,
    }
}

fn kernel() -> Finding {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Finding {
        what: "kernel",
        lack: (version < (5, 19)).then(|| {
            format!("{release} is older than 5.19: layers can't be shown with mapped owners below an overlay")
        }),
        there: release,
        needed: true,
    }
}

fn file_system(kind: &'static str) -> Finding {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let there = known
        .lines()
        .any(|line| line.split_whitespace().last() == Some(kind));
    Finding {
        what: kind,
        lack: (!there).then(|| format!("the kernel has no {kind} (modprobe {kind})")),
        there: if there {
            "in the kernel".into()
        } else {
            String::new()
        },
        needed: true,
    }
}

fn exists(what: &'static str, path: &str, cost: &str) -> Finding {
    let there = Path::new(path).exists();
    Finding {
        what,
        lack: (!there).then(|| format!("{path} is not there: {cost}")),
        there: if there { path.into() } else { String::new() },
        needed: true,
    }
}

/// Looks at this machine.
pub fn examine(config: &Config, data: &Path) -> Vec<Finding> {
    let layout = Layout::detect();
    let missing = layout.missing();
    let mut findings = vec![
        Finding {
            what: "root",
            lack: (!rustix::process::geteuid().is_root())
                .then(|| "this is not root: no ranges of ids, no bridges, no disks".into()),
            there: "yes".into(),
            needed: true,
        },
        kernel(),
        file_system("overlay"),
        file_system("ext4"),
        exists(
            "user namespaces",
            "/proc/self/ns/user",
            "the root of a container would be the host's",
        ),
        exists(
            "seccomp",
            "/proc/sys/kernel/seccomp/actions_avail",
            "every system call could be made",
        ),
        exists(
            "loop devices",
            "/dev/loop-control",
            "a visitor could fill the disk",
        ),
        Finding {
            what: "control groups",
            lack: (!missing.is_empty()).then(|| {
                format!(
                    "no controller for {}: sessions would have no limits",
                    missing.join(", ")
                )
            }),
            there: format!("version {}", layout.version()),
            needed: true,
        },
    ];
    let wanted = Some(config.runtime.as_str()).filter(|name| !name.is_empty());
    findings.push(match Cli::find(wanted, data) {
        Err(error) => Finding {
            what: "runtime",
            lack: Some(format!("{error:#}")),
            there: String::new(),
            needed: true,
        },
        Ok(cli) => Finding {
            what: "runtime",
            there: format!("{} {}", cli.name, cli.version),
            lack: super::check_runtime(&cli, config)
                .err()
                .map(|error| error.to_string()),
            needed: true,
        },
    });
    findings.push(program("ip", "ip", "iproute2", "no networks", true));
    findings.push(program(
        "unshare",
        "unshare",
        "util-linux",
        "no user namespaces",
        true,
    ));
    findings.push(program(
        "mkfs.ext4",
        "mkfs.ext4",
        "e2fsprogs",
        "no disks for sessions",
        true,
    ));
    findings.push(program(
        "ldd",
        "ldd",
        "libc-bin",
        "no docker in sessions",
        true,
    ));
    findings.push(program(
        "nft",
        "nft",
        "nftables",
        "containers of `daemon --runtime oci` have no way out; sessions never have one",
        false,
    ));
    findings
}

/// Prints what was found; whether hosted sessions are possible.
pub fn report(findings: &[Finding]) -> bool {
    let mut possible = true;
    for finding in findings {
        match &finding.lack {
            None => println!("ok      {:<16} {}", finding.what, finding.there),
            Some(lack) if finding.needed => {
                possible = false;
                println!("MISSING {:<16} {lack}", finding.what);
            }
            Some(lack) => println!("lacking {:<16} {lack}", finding.what),
        }
    }
    println!();
    match possible {
        true => println!("Hosted sessions are possible here."),
        false => println!(
            "Hosted sessions are refused here, rather than run with weaker walls. The Docker host in the tab needs none of this."
        ),
    }
    possible
}
