//! Lessons on an emulated Docker host: what checks look at, and the commands that were entered.

mod log;
mod world;

pub use bottleship_lesson as format;
pub use log::{CommandLog, Running};
pub use world::{HostWorld, set_up};

/// A variable that keeps a `docker` command out of the log: what a check runs is not what a learner entered.
pub const UNLOGGED: &str = "BOTTLESHIP_CHECK";
