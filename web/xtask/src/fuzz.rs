//! `cargo xtask fuzz`: coverage-guided fuzzing by libFuzzer with the pinned stable compiler.
//!
//! The instrumentation is LLVM's own pass, switched on by compiler flags, so neither a nightly toolchain nor
//! cargo-fuzz is needed. What was found goes to target/fuzz/corpus and is the start of the next run; an input that
//! crashes is left in target/fuzz/crashes.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::sh;

/// The flags with which cargo-fuzz instruments.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks \
     --cfg fuzzing";

const HOST: &str = "x86_64-unknown-linux-gnu";

/// How long a target runs.
enum Length {
    /// About so many seconds, with new inputs each time.
    Seconds(u32),
    /// So many inputs, the same ones each time.
    Runs(u32),
}

/// Runs all targets, or the named ones, each for `--seconds` (10) or `--runs`.
pub fn run(args: &[String]) -> Result<()> {
    let mut length = Length::Seconds(10);
    let mut only = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" | "--runs" => {
                let number = args.next().and_then(|text| text.parse::<u32>().ok());
                let number = number.with_context(|| format!("{arg} needs a number"))?;
                length = match arg.as_str() {
                    "--seconds" => Length::Seconds(number),
                    _ => Length::Runs(number),
                };
            }
            name => only.push(format!("fuzz-{name}")),
        }
    }
    let target = sh::target().join("fuzz");
    sh::run(
        sh::cargo()
            .args([
                "build",
                "--locked",
                "--release",
                "-p",
                "bottleship-fuzz",
                "--bins",
                "--target",
                HOST,
            ])
            .env("RUSTFLAGS", FLAGS)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_RELEASE_LTO", "off"),
    )?;
    let programs = target.join(HOST).join("release");
    let mut names: Vec<String> = fs::read_dir(&programs)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("fuzz-") && !name.contains('.'))
        .collect();
    names.sort();
    if let Some(unknown) = only.iter().find(|name| !names.contains(name)) {
        bail!(
            "there is no fuzz target {unknown:?}; there are: {}",
            names.join(" ")
        );
    }
    let crashes = target.join("crashes/");
    fs::create_dir_all(&crashes)?;
    for name in names
        .iter()
        .filter(|name| only.is_empty() || only.contains(name))
    {
        let corpus = match length {
            Length::Seconds(_) => target.join("corpus").join(name),
            // The same inputs each time: nothing of former runs.
            Length::Runs(_) => {
                let fresh = target.join("fresh").join(name);
                let _ = fs::remove_dir_all(&fresh);
                fresh
            }
        };
        fs::create_dir_all(&corpus)?;
        let log = target.join(format!("{name}.log"));
        let output = fs::File::create(&log)?;
        let mut fuzz = sh::command(programs.join(name), &["-timeout=10", "-rss_limit_mb=1024"]);
        match length {
            Length::Seconds(seconds) => fuzz.arg(format!("-max_total_time={seconds}")),
            Length::Runs(runs) => fuzz.arg(format!("-runs={runs}")).arg("-seed=1"),
        };
        fuzz.arg(format!("-artifact_prefix={}", crashes.display()))
            .arg(&corpus)
            .stdout(output.try_clone()?)
            .stderr(output);
        let seeds = sh::root()
            .join("tests/fuzz/seeds")
            .join(name.trim_start_matches("fuzz-"));
        if seeds.is_dir() {
            fuzz.arg(seeds);
        }
        if let Err(error) = sh::run(&mut fuzz) {
            eprintln!("{}", fs::read_to_string(&log).unwrap_or_default());
            return Err(error.context(format!(
                "{name} crashed; the input is in {}",
                crashes.display()
            )));
        }
    }
    Ok(())
}
