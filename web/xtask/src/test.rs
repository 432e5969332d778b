//! All tests, in the order in which they fail fastest.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{fuzz, setup, sh, site};

type Part = (&'static str, fn() -> Result<()>);

const PARTS: &[Part] = &[
    ("fmt", fmt),
    ("clippy", clippy),
    ("native", native),
    ("fuzz", fuzz_briefly),
    ("lessons", lessons),
    ("wasm", wasm),
    ("e2e", e2e),
    ("conformance", conformance),
];

/// Runs the named parts, or all.
pub fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names
        .iter()
        .find(|n| !PARTS.iter().any(|(part, _)| part == n))
    {
        let all: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        bail!(
            "there is no test part {unknown:?}; there are: {}",
            all.join(" ")
        );
    }
    setup::wasm_target()?;
    setup::node_modules()?;
    setup::debian(setup::Need::Tests)?;
    let mut times = Vec::new();
    for (name, part) in PARTS {
        if names.is_empty() || names.iter().any(|n| n == name) {
            let start = Instant::now();
            part().with_context(|| format!("test part {name:?} failed"))?;
            times.push(format!("{name} {:.0} s", start.elapsed().as_secs_f64()));
        }
    }
    eprintln!("passed: {}", times.join(", "));
    Ok(())
}

fn fmt() -> Result<()> {
    sh::run(sh::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    sh::run(sh::cargo().args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    let web = sh::root().join("web");
    let mut types = sh::command("npm", &["run", "--silent", "check"]);
    sh::run(types.current_dir(web))
}

/// Properties are tried with the same cases each time, so that a change is judged by what it changes; with
/// PROPTEST_RNG_SEED, or by `cargo test`, with others.
fn native() -> Result<()> {
    let mut test = sh::cargo();
    test.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        test.env("PROPTEST_RNG_SEED", "1");
    }
    sh::run(&mut test)
}

/// So many inputs for each target, the same ones each time; half a minute in all.
fn fuzz_briefly() -> Result<()> {
    fuzz::run(&["--runs".to_owned(), "8000".to_owned()])
}

/// Replays every lesson and drill: solutions must solve, wrong answers must not.
fn lessons() -> Result<()> {
    // Unoptimised, unpacking the large images takes longer than all replays; the next parts need this build, too.
    site::native(site::Profile::Release)?;
    let mut test = sh::command(
        site::server_binary(site::Profile::Release),
        &["lesson", "test", "--site"],
    );
    test.arg(site::dir());
    sh::run(test.args(["static/lessons", "static/drills"].map(|dir| sh::root().join(dir))))
}

/// The tests that run in a real Chromium's worker.
fn wasm() -> Result<()> {
    sh::run(sh::cargo().args([
        "build",
        "--locked",
        "-p",
        "xtask",
        "--features",
        "wasm-test",
        "--bin",
        "wasm-test-runner",
    ]))?;
    let driver = sh::find("chromedriver").context("chromedriver is not on the PATH")?;
    sh::run(
        sh::cargo()
            .args([
                "test",
                "--locked",
                "-p",
                "bottleship-web",
                "--target",
                "wasm32-unknown-unknown",
            ])
            .env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
                sh::target().join("debug/wasm-test-runner"),
            )
            .env("CHROMEDRIVER", driver)
            .env("WASM_BINDGEN_TEST_TIMEOUT", "180"),
    )
}

/// Types into the page and reads the terminal.
fn e2e() -> Result<()> {
    site::build(site::Profile::Release)?;
    let mut npm = sh::command("npm", &["run", "--silent", "e2e"]);
    npm.current_dir(sh::root().join("web"))
        .env("BOTTLESHIP", site::server_binary(site::Profile::Release))
        .env("BOTTLESHIP_SITE", site::dir());
    sh::run(&mut npm)
}

/// Every suite of the comparison with a real Docker that can run here.
fn conformance() -> Result<()> {
    crate::conformance::run(&[])
}
