//! `docker context`: the one context there is.

mod inspect;
mod list;
mod show;
mod use_context;

use super::prelude::*;

/// The commands.
pub const COMMANDS: &[&Command] = &[
    &inspect::COMMAND,
    &list::COMMAND,
    &show::COMMAND,
    &use_context::COMMAND,
];

impl Cli<'_> {
    /// The context in use: `--context`, DOCKER_CONTEXT, or the configuration's, unless an address overrides it.
    pub async fn context_name(&self) -> String {
        if let Some(c) = &self.context {
            return c.clone();
        }
        if self.address.is_empty() {
            let config = self.load_config().await;
            let current = config.text("currentContext");
            if !current.is_empty() {
                return current.to_string();
            }
        }
        "default".into()
    }
}

/// Docker's text for a context that is not there.
pub(in crate::cli) fn not_found(cli: &Cli<'_>, name: &str) -> Failure {
    use sha2::{Digest, Sha256};
    let id = hex::encode(Sha256::digest(name.as_bytes()));
    Failure::new(format!(
        "context {}: context not found: open {}/contexts/meta/{id}/meta.json: no such file or directory",
        quote(name),
        cli.config_dir
    ))
}
