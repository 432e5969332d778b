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

/// Runs all targets, or the named ones, each for `--seconds` (10).
pub fn run(args: &[String]) -> Result<()> {
    let mut seconds = 10;
    let mut only = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let text = args.next().context("--seconds needs a number")?;
                seconds = text.parse::<u32>().context("--seconds needs a number")?;
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
        let corpus = target.join("corpus").join(name);
        fs::create_dir_all(&corpus)?;
        let log = target.join(format!("{name}.log"));
        let output = fs::File::create(&log)?;
        let mut fuzz = sh::command(programs.join(name), &["-timeout=10", "-rss_limit_mb=1024"]);
        fuzz.arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}", crashes.display()))
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
