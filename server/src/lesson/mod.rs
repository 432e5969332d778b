//! `bottleship lesson`: for authors of lessons and drills.

mod class;
mod files;
mod import;
mod lab;
mod new;
mod serve;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use clap::{Args, Subcommand};

pub use class::Class;

#[derive(Args)]
pub struct Lesson {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a lesson to begin with
    New {
        /// The file to write
        file: PathBuf,
        /// Its title
        #[arg(long, default_value = "My lesson")]
        title: String,
    },
    /// Replay solutions and wrong answers of lessons (.md) and drills (.yaml)
    Test(test::Test),
    /// Show lessons in the page, anew as soon as a file is saved
    Serve(serve::Serve),
    /// Make lessons of other sites' pages; what can't be carried over is listed
    Import(import::Import),
}

impl Lesson {
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::New { file, title } => new::run(&file, &title),
            Command::Test(test) => test.run(),
            Command::Serve(serve) => serve.run(),
            Command::Import(import) => import.run(),
        }
    }
}
