//! `bottleship lesson new`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

const TEMPLATE: &str = include_str!("template.md");

pub fn run(file: &Path, title: &str) -> Result<ExitCode> {
    let title = title.replace(['"', '\\', '\n'], " ");
    let mut out = std::fs::File::create_new(file)
        .with_context(|| format!("can't make {}", file.display()))?;
    out.write_all(TEMPLATE.replace("TITLE", &title).as_bytes())?;
    let name = file.display();
    println!("{name} is written. Try it with `bottleship lesson test {name}`.");
    Ok(ExitCode::SUCCESS)
}
