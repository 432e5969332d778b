//! Help and usage errors, beside those of docker 28.2.2.

use super::{Canned, TestHost, run, shared};
use crate::cli::groups::GROUPS;
use crate::cli::tree;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

const HOME: &str = "/nonexistent-home";

fn docker(address: &str, words: &[&str]) -> (i32, String, String) {
    let o = Command::new("docker")
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", HOME)
        .env("DOCKER_HOST", address)
        .env("DOCKER_BUILDKIT", "0")
        .stdin(Stdio::null())
        .output()
        .expect("docker runs");
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (
        o.status.code().unwrap_or(-1),
        text(&o.stdout),
        text(&o.stderr),
    )
}

fn at_hand() -> bool {
    let version = Command::new("docker")
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let yes = version.is_ok_and(|o| o.stdout.starts_with(b"Docker version 28.2.2"));
    if !yes {
        eprintln!("skipped: docker 28.2.2 is not on PATH");
    }
    yes
}

fn ours(address: &str, words: &[&str], absent: bool) -> (i32, String, String) {
    let host = TestHost {
        env: [
            ("HOME", HOME),
            ("DOCKER_HOST", address),
            ("DOCKER_BUILDKIT", "0"),
        ]
        .map(|(k, v)| (k.into(), v.into()))
        .into(),
        ..TestHost::default()
    };
    let transport = Canned {
        absent,
        version: "1.50",
        ..Canned::default()
    };
    run(words, &host, &transport)
}

fn compare(address: &str, absent: bool, lines: impl IntoIterator<Item = String>) {
    let (mut bad, mut all) = (0, 0);
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (theirs, ours) = (docker(address, &words), ours(address, &words, absent));
        all += 1;
        if theirs != ours {
            bad += 1;
            eprintln!("docker {line}\n  docker: {theirs:?}\n  ours:   {ours:?}");
        }
    }
    assert_eq!(bad, 0, "{bad} of {all} command lines differ");
}

/// Help depends on what the daemon can do: this one is of today and without experiments.
#[test]
fn help_is_docker_s() {
    if !at_hand() {
        return;
    }
    let path = std::env::temp_dir().join(format!("bottleship-ping-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
                if line == "\r\n" {
                    let _ = reader.get_mut().write_all(
                        b"HTTP/1.1 200 OK\r\nApi-Version: 1.50\r\nOstype: linux\r\nDocker-Experimental: false\r\nContent-Length: 0\r\n\r\n",
                    );
                }
                line.clear();
            }
        }
    });
    let address = format!("unix://{}", path.display());
    let names = tree::names()
        .into_iter()
        .filter(|n| !n.starts_with("checkpoint"));
    // A daemon of today tells that there is no swarm; then `volume update` is not listed.
    let groups = GROUPS
        .iter()
        .map(|g| g.name)
        .filter(|n| !matches!(*n, "checkpoint" | "volume"));
    compare(
        &address,
        false,
        names.chain(groups).map(|n| format!("{n} --help")),
    );
    let _ = std::fs::remove_file(&path);
}

#[test]
fn usage_errors_are_docker_s() {
    if !at_hand() {
        return;
    }
    let lines = include_str!("usage.txt").lines().map(str::to_string);
    compare("unix:///nonexistent.sock", true, lines);
}

#[test]
fn recorded_help() {
    let Some(file) = shared("oracle/golden/34_help.json") else {
        return;
    };
    let text = std::fs::read(file).expect("readable");
    let golden: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let mut seen = 0;
    for step in golden["steps"].as_array().expect("steps") {
        let cmd = step["cmd"].as_str().unwrap_or("");
        let words: Vec<&str> = cmd.split_whitespace().skip(1).collect();
        let host = TestHost {
            env: [("HOME".to_string(), "HOME".to_string())].into(),
            ..TestHost::default()
        };
        let (code, out, _) = run(
            &words,
            &host,
            &Canned {
                version: "1.41",
                swarm: "inactive",
                ..Canned::default()
            },
        );
        // Recorded with API 1.41, where some flags were hidden; and the home directory is in it.
        if matches!(
            cmd,
            "docker --help" | "docker run --help" | "docker images --help"
        ) {
            continue;
        }
        assert_eq!(code, 0, "{cmd}");
        assert_eq!(out, step["out"].as_str().unwrap_or(""), "{cmd}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen} steps compared");
}
