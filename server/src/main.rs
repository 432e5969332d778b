//! `bottleship`: serves the site, runs a Docker host natively, and is the docker command line.

mod buildkit;
mod command;
mod daemon;
mod docker;
mod host;
mod hosted;
mod images;
mod lesson;
mod listener;
mod oci;
mod oembed;
mod pump;
mod site;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
