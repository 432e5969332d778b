//! `cargo xtask conformance --shared DIR`: the engine against transcripts recorded from a real Docker.
//!
//! Each suite prints one line. The number of steps that it last reached is kept in tests/conformance/reached.txt; a
//! suite that falls below fails the command, one that rises says so, and `--keep` writes the new numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{sh, site};

/// The file with the numbers reached, one `suite passed total` a line.
const REACHED: &str = "tests/conformance/reached.txt";

struct Options {
    shared: PathBuf,
    keep: bool,
    verbose: bool,
    only: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options> {
        let mut options = Options {
            shared: sh::root().join("../shared"),
            keep: false,
            verbose: false,
            only: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--shared" => {
                    let dir = args.next().context("--shared needs a directory")?;
                    options.shared = sh::root().join(dir);
                }
                "--keep" => options.keep = true,
                "-v" | "--verbose" => options.verbose = true,
                flag if flag.starts_with('-') => bail!("unknown flag {flag}"),
                name => options.only.push(name.to_owned()),
            }
        }
        Ok(options)
    }
}

/// Passed and total steps of a suite.
type Score = (usize, usize);

/// Runs the suites.
pub fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let oracle = options.shared.join("oracle");
    if !oracle.is_dir() {
        println!(
            "skipped: {} is not there (name it with --shared)",
            oracle.display()
        );
        return Ok(());
    }
    sh::run(sh::cargo().args(["build", "--locked", "--release", "-p", "bottleship"]))?;
    let mut scores = BTreeMap::new();
    for (client, program) in clients()? {
        scores.append(&mut transcripts(&options, &oracle, client, &program)?);
    }
    settle(&options, &scores)
}

/// The clients to check with: the real one where it is installed, and ours under the name `docker`.
fn clients() -> Result<Vec<(&'static str, PathBuf)>> {
    let mut clients = Vec::new();
    match sh::find("docker") {
        Some(real) => clients.push(("real", real)),
        None => println!("skipped: no docker client on the PATH, so only our own is checked"),
    }
    let ours = sh::target().join("conformance/bin/docker");
    fs::create_dir_all(ours.parent().expect("has a parent"))?;
    let _ = fs::remove_file(&ours);
    let binary = fs::canonicalize(site::server_binary(site::Profile::Release))?;
    std::os::unix::fs::symlink(binary, &ours).context("can't link our docker")?;
    clients.push(("ours", ours));
    Ok(clients)
}

/// Runs every scenario against a fresh daemon with `program`.
fn transcripts(
    options: &Options,
    oracle: &Path,
    client: &str,
    program: &Path,
) -> Result<BTreeMap<String, Score>> {
    let work = sh::target().join("conformance").join(client);
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    let base = work.join("base.tar");
    let made = sh::command("python3", &[])
        .arg(oracle.join("mkbase.py"))
        .arg(&base)
        .stdout(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!(
            "skipped: transcripts with the {client} client (needs python3, gcc and busybox-static)"
        );
        return Ok(BTreeMap::new());
    }
    let daemon = Daemon::start(&work)?;
    let mut scenarios: Vec<PathBuf> = fs::read_dir(oracle.join("scenarios"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    scenarios.sort();
    scenarios.retain(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()))
    });
    let mut check = Command::new("python3");
    check
        .arg(oracle.join("transcript.py"))
        .args(["check", "-H", &daemon.host()])
        .arg("-d")
        .arg(program)
        .arg("-o")
        .arg(work.join("out"))
        .args(options.verbose.then_some("-v"))
        .args(&scenarios)
        .env("BASE_TAR", &base)
        .env("WORK", work.join("t"))
        .stderr(Stdio::inherit());
    if client == "ours" {
        check.env("DOCKER_BUILDKIT", "0");
    }
    let output = check.output().context("can't run the transcripts")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if options.verbose {
        println!("{text}");
    }
    Ok(text
        .lines()
        .filter_map(|line| score(client, line))
        .collect())
}

/// From a line such as `01_hello     14/ 15 steps identical   <--`.
fn score(client: &str, line: &str) -> Option<(String, Score)> {
    let (head, _) = line.split_once(" steps identical")?;
    let (name, counts) = head.trim().split_once(' ')?;
    let (passed, total) = counts.split_once('/')?;
    let score = (passed.trim().parse().ok()?, total.trim().parse().ok()?);
    Some((format!("{client}/{name}"), score))
}

/// Prints the scores, compares them with what was reached before.
fn settle(options: &Options, scores: &BTreeMap<String, Score>) -> Result<()> {
    let path = sh::root().join(REACHED);
    let mut reached: BTreeMap<String, Score> = fs::read_to_string(&path)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            Some((
                name,
                (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            ))
        })
        .collect();
    let mut fell = Vec::new();
    for client in ["real", "ours"] {
        let of: Vec<_> = scores
            .iter()
            .filter(|(name, _)| name.starts_with(client))
            .collect();
        let (passed, total) = of
            .iter()
            .fold((0, 0), |sum, (_, s)| (sum.0 + s.0, sum.1 + s.1));
        for (name, score) in of {
            let before = reached.get(name).map_or(0, |r| r.0);
            let note = match score.0.cmp(&before) {
                std::cmp::Ordering::Less => {
                    fell.push(format!("{name}: {} steps, {before} before", score.0));
                    "  FELL"
                }
                std::cmp::Ordering::Greater => "  rose",
                std::cmp::Ordering::Equal => "",
            };
            println!("{name:<32} {:>4}/{:<4}{note}", score.0, score.1);
        }
        if total > 0 {
            println!(
                "{client:<32} {passed:>4}/{total:<4} {:.1} %",
                100.0 * passed as f64 / total as f64
            );
        }
    }
    if options.keep {
        reached.extend(scores.iter().map(|(name, score)| (name.clone(), *score)));
        let text: String = reached
            .iter()
            .map(|(name, s)| format!("{name} {} {}\n", s.0, s.1))
            .collect();
        fs::create_dir_all(path.parent().expect("has a parent"))?;
        fs::write(&path, text)?;
    } else if !fell.is_empty() {
        bail!("fell below what was reached:\n  {}", fell.join("\n  "));
    }
    Ok(())
}

/// A daemon of ours on a socket of its own; killed when dropped.
struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    fn start(work: &Path) -> Result<Daemon> {
        let socket = work.join("docker.sock");
        let log = fs::File::create(work.join("daemon.log"))?;
        let child = Command::new(site::server_binary(site::Profile::Release))
            .args([
                "daemon",
                "--host",
                &format!("unix://{}", socket.display()),
                "--data",
            ])
            .arg(work.join("data"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("can't start bottleship daemon")?;
        let mut daemon = Daemon { child, socket };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(&daemon.socket).is_err() {
            if let Some(status) = daemon.child.try_wait()? {
                bail!(
                    "the daemon ended at once ({status}); see {}",
                    work.join("daemon.log").display()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "the daemon does not listen; see {}",
                    work.join("daemon.log").display()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
