//! `bottleship doctor`: is this machine fit for hosted sessions?

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::hosted::config::Config;
use crate::hosted::doctor;

#[derive(Args)]
pub struct Doctor {
    /// Configuration of hosted sessions
    #[arg(long, env = "BOTTLESHIP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Doctor {
    pub fn run(self) -> Result<ExitCode> {
        let config = Config::load(self.config.as_deref())?;
        let findings = doctor::examine(&config, &std::env::temp_dir());
        match doctor::report(&findings) {
            true => Ok(ExitCode::SUCCESS),
            false => Ok(ExitCode::FAILURE),
        }
    }
}
