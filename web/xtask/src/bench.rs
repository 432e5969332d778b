//! `cargo xtask bench`: one table of figures beside their targets. Nothing fails here: machines are noisy, and a
//! figure is for reading.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::{setup, sh, site};

/// Figure of the page, and the most that it should be; `None` for what is only of interest.
const TARGETS: &[(&str, Option<f64>)] = &[
    ("navigation to prompt, cold, ms", Some(500.0)),
    ("transferred before the prompt, cold, MB", Some(2.5)),
    ("reload to prompt, warm, ms", Some(300.0)),
    ("echo hi, ms", Some(4.0)),
    ("docker run --rm busybox true, ms", Some(25.0)),
    ("200 x /bin/true, ms", Some(400.0)),
    ("build of 10 steps, classic, cold, ms", Some(250.0)),
    ("build of 10 steps, classic, cached, ms", Some(15.0)),
    ("build of 10 steps, BuildKit, cold, ms", None),
    ("build of 10 steps, BuildKit, cached, ms", None),
    ("ash loop to 100 000, ms", Some(9500.0)),
    ("sha256sum of 20 MB, ms", Some(5000.0)),
    ("wasm memory at the prompt, MB", Some(48.0)),
    ("an idle busybox container, in use, MB", Some(1.0)),
    ("left after its removal, in use, MB", Some(0.01)),
    ("wasm memory after 80 containers, MB", None),
    ("processor time of an idle tab in 10 s, ms", Some(100.0)),
];

/// What was measured of a figure.
#[derive(serde::Deserialize)]
struct Figure {
    median: f64,
    least: f64,
    runs: u32,
}

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
    let figures: BTreeMap<String, Figure> = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("web/bench.mjs printed no figures ({})", output.status))?;
    println!(
        "{:<42} {:>8} {:>9} {:>6} {:>9} {:>5}  within",
        "in the page (headless Chromium)", "at most", "median", "ratio", "least", "runs"
    );
    for (name, most) in TARGETS {
        let most_text = most.map_or("-".into(), |most| most.to_string());
        let Some(figure) = figures.get(*name) else {
            println!("{name:<42} {most_text:>8} {:>9}", "none");
            continue;
        };
        let Figure {
            median,
            least,
            runs,
        } = figure;
        let ratio = most.map_or("-".into(), |most| format!("{:.2}", median / most));
        let within = most.map_or("", |most| if *median <= most { "yes" } else { "no" });
        println!(
            "{name:<42} {most_text:>8} {median:>9.2} {ratio:>6} {least:>9.2} {runs:>5}  {within}"
        );
    }
    anyhow::ensure!(
        output.status.success(),
        "some figures could not be measured: see above"
    );
    Ok(())
}
