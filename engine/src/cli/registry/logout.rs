//! `docker logout`: log out from a registry..

use crate::cli::config::{HUB, auth_key};
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["logout"],
    usage: "[SERVER]",
    about: "Log out from a registry.\nIf no server is specified, the default is defined by the daemon.",
    args: Args::Max(1),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let given = m
        .arg(0)
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let key = if given.is_empty() || m.arg(0) == HUB {
        HUB
    } else {
        auth_key(given.split('/').next().unwrap_or(given))
    };
    cli.out(&format!("Removing login credentials for {key}\n"))
        .await;
    let mut config = cli.load_config().await;
    if let Some(J::Object(auths)) = config.get_mut("auths")
        && auths.shift_remove(key).is_some()
    {
        cli.save_config(&config).await?;
    }
    Ok(())
}
