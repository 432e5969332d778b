//! `cargo xtask bench`: one table of figures beside their targets. Nothing fails here: machines are noisy, and a
//! figure is for reading.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::{setup, sh, site};

/// Figure of the page, and the most that it should be.
const TARGETS: &[(&str, f64)] = &[
    ("navigation to prompt, cold, ms", 500.0),
    ("transferred cold, MB", 2.5),
    ("reload to prompt, warm, ms", 300.0),
    ("echo hi, ms", 4.0),
    ("docker run --rm busybox true, ms", 25.0),
    ("200 x /bin/true, ms", 400.0),
    ("build of 10 steps, cold, ms", 250.0),
    ("build of 10 steps, cached, ms", 15.0),
    ("ash loop to 100 000, ms", 9500.0),
    ("sha256sum of 20 MB, ms", 5000.0),
    ("wasm memory at the prompt, MB", 48.0),
    ("an idle busybox container, MB", 1.0),
    ("left after its removal, MB", 0.1),
    ("processor time of an idle tab in 10 s, ms", 100.0),
];

/// Builds the release site, measures it in headless Chromium, and prints the table.
pub fn run(args: &[String]) -> Result<()> {
    setup::debian(setup::Need::Tests)?;
    if !args.iter().any(|arg| arg == "--no-build") {
        site::build(site::Profile::Release)?;
    }
    let output = sh::command("node", &["web/bench.mjs"])
        .env("BOTTLESHIP", site::server_binary(site::Profile::Release))
        .env("BOTTLESHIP_SITE", site::dir())
        .stderr(Stdio::inherit())
        .output()
        .context("can't run web/bench.mjs")?;
    anyhow::ensure!(
        output.status.success(),
        "web/bench.mjs failed ({})",
        output.status
    );
    let figures: BTreeMap<String, f64> =
        serde_json::from_slice(&output.stdout).context("web/bench.mjs printed no figures")?;
    println!(
        "{:<46} {:>10} {:>10}",
        "in the page (headless Chromium)", "measured", "at most"
    );
    for (name, most) in TARGETS {
        match figures.get(*name) {
            Some(figure) => {
                let note = if figure > most { "  over" } else { "" };
                println!("{name:<46} {figure:>10.2} {most:>10}{note}");
            }
            None => println!("{name:<46} {:>10} {most:>10}", "none"),
        }
    }
    Ok(())
}
