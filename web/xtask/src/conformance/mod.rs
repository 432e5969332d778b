//! `cargo xtask conformance`: the engine against what a real Docker, BuildKit and other people's tools say.
//!
//! [`SUITES`] lists the suites; each prints one line. tests/conformance/reached.toml keeps what each last reached; a
//! suite that falls below fails the command, `--keep` writes the new numbers. target/conformance/index.html lists
//! every case that differs, with the reason where it is known.

mod checks;
mod course_commands;
mod dockerfile;
mod host;
mod page;
mod reached;
mod transcripts;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{setup, sh, site};

/// All suites, in the order in which they run.
const SUITES: &[Suite] = &[
    Suite {
        name: "oracle-real",
        about: "a course's commands, the real client against our daemon",
        run: transcripts::oracle_real,
    },
    Suite {
        name: "oracle-ours",
        about: "the same with our own client",
        run: transcripts::oracle_ours,
    },
    Suite {
        name: "oracle-oci",
        about: "the real client against our daemon with containers on this machine's kernel (--runtime oci)",
        run: transcripts::oracle_oci,
    },
    Suite {
        name: "scenarios-real",
        about: "tests/conformance/scenarios, the real client against our daemon",
        run: transcripts::own_real,
    },
    Suite {
        name: "scenarios-ours",
        about: "the same with our own client",
        run: transcripts::own_ours,
    },
    Suite {
        name: "dockerfile",
        about: "what BuildKit's frontend makes of Dockerfiles, and its own test tables",
        run: dockerfile::run,
    },
    Suite {
        name: "course-commands",
        about: "docker commands of public courses, by uses: parsed, and done or honestly refused",
        run: course_commands::run,
    },
    Suite {
        name: "docker-py",
        about: "docker-py over a unix socket and over TCP (tests/conformance/docker_py.py)",
        run: checks::docker_py,
    },
    Suite {
        name: "peers",
        about: "images to and from skopeo, umoci, a real registry and a real Docker, by digest",
        run: checks::peers,
    },
    Suite {
        name: "distribution",
        about: "the registry image against the distribution specification's conformance tests",
        run: checks::distribution,
    },
    Suite {
        name: "load",
        about: "two hundred clients at once: no error, no leak, no growth of memory",
        run: checks::load_test,
    },
    Suite {
        name: "latency",
        about: "commands that take at most half of what they take with a real Docker",
        run: checks::latency,
    },
];

/// A row of [`SUITES`].
pub struct Suite {
    /// Its name on the command line and in reached.toml.
    pub name: &'static str,
    /// What is compared, for the page.
    pub about: &'static str,
    /// Runs it. An error is for what must not happen; a tool that is missing is [`Outcome::Skipped`].
    pub run: fn(&Env) -> Result<Outcome>,
}

/// What came of a suite.
pub enum Outcome {
    /// It could not run here: why, and what would let it.
    Skipped(String),
    /// It ran.
    Ran(Vec<Part>),
}

/// A scenario, a table, a tool: what a suite consists of.
pub struct Part {
    /// Its name.
    pub name: String,
    /// Cases that are as they should be.
    pub passed: usize,
    /// All cases.
    pub total: usize,
    /// Those that differ, and those that count as identical because a difference is documented.
    pub cases: Vec<Case>,
}

/// A case for the page.
pub struct Case {
    /// What was done, such as the command line.
    pub what: String,
    /// Counts as identical: the difference is one between Docker's versions.
    pub passed: bool,
    /// Why it differs, and the source of that, where they are known.
    pub reason: String,
    /// The difference, as lines of a unified diff.
    pub diff: String,
}

/// What suites are given.
pub struct Env {
    /// The directory with the recordings (`--shared`).
    pub shared: PathBuf,
    /// The `bottleship` program under test.
    pub bottleship: PathBuf,
    /// Where suites write, a directory for each.
    pub out: PathBuf,
    /// Parts whose name contains none of these are left out; empty: none is.
    pub only: Vec<String>,
}

impl Env {
    /// Whether the part of this name is to run.
    pub fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| part.contains(only.as_str()))
    }

    /// An empty directory for the suite.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn work(&self, suite: &str) -> Result<PathBuf> {
        let work = self.out.join(suite);
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).with_context(|| format!("can't make {}", work.display()))?;
        Ok(work)
    }
}

struct Options {
    shared: PathBuf,
    bottleship: Option<PathBuf>,
    keep: bool,
    suites: Vec<String>,
    only: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options> {
        let mut options = Options {
            shared: std::env::var_os("BOTTLESHIP_SHARED")
                .map_or_else(|| sh::root().join("../shared"), PathBuf::from),
            bottleship: None,
            keep: false,
            suites: Vec::new(),
            only: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--shared" => options.shared = sh::root().join(value()?),
                "--bottleship" => options.bottleship = Some(sh::root().join(value()?)),
                "--only" => options.only.push(value()?.clone()),
                "--keep" => options.keep = true,
                flag if flag.starts_with('-') => bail!("unknown flag {flag}"),
                name if SUITES.iter().any(|suite| suite.name == name) => {
                    options.suites.push(name.to_owned());
                }
                name => {
                    let all: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
                    bail!("there is no suite {name:?}; there are: {}", all.join(" "));
                }
            }
        }
        if options.keep && !options.only.is_empty() {
            bail!("--keep needs whole suites: leave --only out");
        }
        Ok(options)
    }
}

/// Runs the suites named on the command line, or all.
///
/// # Errors
/// When a suite falls below what it reached before, or can't run for a reason other than a missing tool.
pub fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    if !options.shared.join("oracle").is_dir() {
        println!(
            "skipped: {} is not there (name it with --shared or BOTTLESHIP_SHARED)",
            options.shared.display()
        );
        return Ok(());
    }
    setup::debian(setup::Need::Conformance)?;
    let bottleship = match &options.bottleship {
        Some(program) => program.clone(),
        None => {
            sh::run(sh::cargo().args(["build", "--locked", "--release", "-p", "bottleship"]))?;
            site::server_binary(site::Profile::Release)
        }
    };
    let env = Env {
        shared: canonical(&options.shared)?,
        bottleship: canonical(&bottleship)?,
        out: sh::target().join("conformance"),
        only: options.only.clone(),
    };
    let mut results = Vec::new();
    let mut reached = reached::Reached::read()?;
    let mut fell = Vec::new();
    for suite in SUITES {
        if !options.suites.is_empty() && !options.suites.iter().any(|name| name == suite.name) {
            continue;
        }
        let outcome = (suite.run)(&env).with_context(|| format!("suite {}", suite.name))?;
        match &outcome {
            Outcome::Skipped(why) => println!("{:<18} skipped: {why}", suite.name),
            Outcome::Ran(parts) => {
                let score = reached::Score::of(parts);
                let note = match reached.compare(suite.name, score) {
                    _ if !env.only.is_empty() => String::new(),
                    reached::Change::Fell(before) => {
                        fell.push(suite.name);
                        format!("  FELL from {before:.1} %")
                    }
                    reached::Change::Rose(before) => format!("  rose from {before:.1} %"),
                    reached::Change::Same => String::new(),
                };
                println!("{:<18} {score}{note}", suite.name);
                reached.set(suite.name, score);
            }
        }
        results.push((suite, outcome));
    }
    let index = env.out.join("index.html");
    fs::create_dir_all(&env.out)?;
    fs::write(&index, page::html(&results)).context("can't write the page")?;
    println!("differences: {}", index.display());
    if options.keep {
        return reached.write();
    }
    if !fell.is_empty() {
        bail!("fell below what was reached before: {}", fell.join(", "));
    }
    Ok(())
}

fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).with_context(|| format!("no {}", path.display()))
}
