//! `bottleship class`: what learners handed in.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bottleship_engine::lesson::format::{HandedIn, MAX_RESULT, csv, html, read_result};
use clap::{Args, Subcommand};

#[derive(Args)]
pub struct Class {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A table, and a page with a heat map of stuck steps and what everyone entered
    Report {
        /// Result files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The class's code, to check signatures with
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        /// Where the table goes; `-` is standard output
        #[arg(long, value_name = "FILE", default_value = "-")]
        csv: PathBuf,
        /// Where the page goes
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
}

impl Class {
    pub fn run(self) -> Result<ExitCode> {
        let Command::Report {
            files,
            code,
            csv: table,
            html: page,
        } = self.command;
        let mut class = Vec::new();
        let mut refused = 0;
        for path in &files {
            match hand_in(path, code.as_deref()) {
                Ok(result) => class.push(result),
                Err(error) => {
                    refused += 1;
                    eprintln!("{}: {error:#}", path.display());
                }
            }
        }
        if class.is_empty() {
            bail!("no file could be read");
        }
        class.sort_by(|a, b| a.payload.learner.cmp(&b.payload.learner));
        if table.as_os_str() == "-" {
            print!("{}", csv(&class));
        } else {
            std::fs::write(&table, csv(&class))
                .with_context(|| format!("can't write {}", table.display()))?;
        }
        if let Some(page) = page {
            std::fs::write(&page, html(&class))
                .with_context(|| format!("can't write {}", page.display()))?;
        }
        Ok(if refused == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn hand_in(path: &std::path::Path, code: Option<&str>) -> Result<HandedIn> {
    // A hostile file is not read into memory first.
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MAX_RESULT as u64 {
        bail!("it has {bytes} bytes; a result has at most {MAX_RESULT}");
    }
    let (payload, signed) = read_result(&std::fs::read_to_string(path)?, code)?;
    Ok(HandedIn {
        file: path.display().to_string(),
        payload,
        signed,
    })
}
