//! `docker context use`: set the current docker context.

use super::not_found;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["context use"],
    usage: "CONTEXT",
    about: "Set the current docker context",
    args: Args::Any,
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    if m.args.len() != 1 {
        return Err(Failure::new(format!(
            "accepts 1 arg(s), received {}",
            m.args.len()
        )));
    }
    let name = m.arg(0);
    let word = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
    if name.len() < 2
        || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !name.chars().all(word)
    {
        return Err(Failure::new(format!(
            "context name {} is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\"",
            quote(name)
        )));
    }
    if name != "default" {
        return Err(not_found(cli, m.arg(0)));
    }
    let mut config = cli.load_config().await;
    if let Some(o) = config.as_object_mut()
        && o.shift_remove("currentContext").is_some()
    {
        cli.save_config(&config).await?;
    }
    cli.out("default\n").await;
    cli.err("Current context is now \"default\"\n").await;
    Ok(())
}
