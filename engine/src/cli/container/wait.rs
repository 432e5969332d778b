//! `docker container wait`: block until one or more containers stop, then print their exit codes.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container wait", "wait"],
    usage: "CONTAINER [CONTAINER...]",
    about: "Block until one or more containers stop, then print their exit codes",
    args: Args::Min(1),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut failed = false;
    for id in &m.args {
        match cli
            .post(format!("/containers/{}/wait", segment(id)), &J::Null)
            .await
        {
            Ok(answer) => cli.out(&format!("{}\n", answer.num("StatusCode"))).await,
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
