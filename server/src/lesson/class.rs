//! `bottleship class`: what learners handed in.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bottleship_engine::lesson::format;
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
        let mut class = format::Class::new(code.as_deref());
        for path in &files {
            hand_in(&mut class, path);
        }
        for refused in class.refused() {
            eprintln!("{}: {}", refused.file, refused.reason);
        }
        if class.is_empty() {
            bail!("no file could be read");
        }
        if table.as_os_str() == "-" {
            print!("{}", class.csv());
        } else {
            std::fs::write(&table, class.csv())
                .with_context(|| format!("can't write {}", table.display()))?;
        }
        if let Some(page) = page {
            std::fs::write(&page, class.html())
                .with_context(|| format!("can't write {}", page.display()))?;
        }
        Ok(if class.refused().is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn hand_in(class: &mut format::Class, path: &Path) {
    let file = path.display().to_string();
    // A hostile file is not read into memory first.
    let text = match std::fs::metadata(path) {
        Ok(about) if class.too_large(&file, about.len()) => return,
        Ok(_) => std::fs::read_to_string(path),
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => class.add(&file, &text),
        Err(error) => class.refuse(&file, &error.to_string()),
    }
}
