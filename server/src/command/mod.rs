//! The command line: one file per subcommand.

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::images::Images;

#[derive(Parser)]
#[command(name = "bottleship", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site: the page, the engine for the tab, and the offered images
    Serve(serve::Serve),
    /// Build or list the offered images
    Images(Images),
}

/// Parses the arguments and runs what they ask for.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Images(images) => images.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bottleship: {error:#}");
            ExitCode::FAILURE
        }
    }
}
