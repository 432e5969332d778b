//! The command line: one file per subcommand.

mod daemon;
mod doctor;
pub mod serve;
mod shell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::docker;
use crate::images::Images;
use crate::lesson::{Class, Lesson};

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
    /// The Docker host of the tab in this terminal
    Shell(shell::Shell),
    /// Run a Docker daemon: emulated, or on the kernel with --runtime oci
    Daemon(daemon::Daemon),
    /// The docker command line, as `docker`; speaks to DOCKER_HOST
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Docker {
        /// What `docker` is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Say what this machine lacks for hosted sessions, and what each lack costs
    Doctor(doctor::Doctor),
    /// Write, test and import lessons
    Lesson(Lesson),
    /// Tables and pages of what a class handed in
    Class(Class),
    /// Build or list the offered images
    Images(Images),
}

/// Parses the arguments and runs what they ask for.
pub fn main() -> ExitCode {
    let called: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    if called
        .first()
        .is_some_and(|name| name.rsplit('/').next() == Some("docker"))
    {
        return docker::run(&called);
    }
    let result = match Arguments::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Daemon(daemon) => daemon.run(),
        Command::Shell(shell) => shell.run(),
        Command::Docker { mut arguments } => {
            arguments.insert(0, "docker".into());
            return docker::run(&arguments);
        }
        Command::Doctor(doctor) => doctor.run(),
        Command::Lesson(lesson) => lesson.run(),
        Command::Class(class) => class.run(),
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

/// Resolves when the program is told to end. From the call on, and not only once it is waited for, being told so does not
/// kill it: what it made is taken away.
pub fn terminated() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        let [Ok(mut int), Ok(mut term)] = signals else {
            return std::future::pending().await;
        };
        tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
    }
}

/// The directory of the built site: the one named, or the one beside this program's.
pub fn site_dir(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(dir) = named {
        return Ok(dir.to_path_buf());
    }
    let program = std::env::current_exe().context("can't tell where this program is")?;
    let beside = program.ancestors().nth(2).map(|dir| dir.join("site"));
    beside.context("can't tell where the site is: name it with --site")
}
