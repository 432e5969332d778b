//! `docker container`.

mod attach;
mod commit;
mod cp;
mod create;
mod diff;
mod exec;
mod export;
mod flags;
mod inspect;
mod kill;
mod list;
mod logs;
mod mount;
pub mod opts;
mod pause;
mod port;
mod ports;
pub(in crate::cli) mod prune;
mod remove;
mod rename;
mod restart;
mod run;
mod spec;
mod start;
mod stats;
mod stop;
mod top;
mod unpause;
mod update;
mod wait;

pub(in crate::cli) use list::{HEADERS, labels, row};
pub(in crate::cli) use logs::timestamp;

use super::prelude::*;

/// The commands.
pub const COMMANDS: &[&Command] = &[
    &attach::COMMAND,
    &commit::COMMAND,
    &cp::COMMAND,
    &create::COMMAND,
    &diff::COMMAND,
    &exec::COMMAND,
    &export::COMMAND,
    &inspect::COMMAND,
    &kill::COMMAND,
    &list::COMMAND,
    &logs::COMMAND,
    &pause::COMMAND,
    &port::COMMAND,
    &prune::COMMAND,
    &remove::COMMAND,
    &rename::COMMAND,
    &restart::COMMAND,
    &run::COMMAND,
    &start::COMMAND,
    &stats::COMMAND,
    &stop::COMMAND,
    &top::COMMAND,
    &unpause::COMMAND,
    &update::COMMAND,
    &wait::COMMAND,
];

/// Does something to each argument, printing it when that worked and the error when not.
async fn each(
    cli: &Cli<'_>,
    m: &Matches,
    action: impl AsyncFn(&str) -> Result<(), ApiFailure>,
) -> Result<(), Failure> {
    let mut failed = false;
    for id in &m.args {
        match action(id).await {
            Ok(()) => cli.out(&format!("{id}\n")).await,
            Err(e) => {
                failed = true;
                cli.err(&format!("{e}\n")).await;
            }
        }
    }
    if failed {
        Err(Failure::status(1))
    } else {
        Ok(())
    }
}
