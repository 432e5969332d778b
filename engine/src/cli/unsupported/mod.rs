//! Commands Docker has and Bottleship does not: they take the same flags, and say so.

mod checkpoint;
mod config;
mod context;
mod manifest;
mod node;
mod plugin;
mod secret;
mod service;
mod service_update;
mod stack;
mod swarm;
mod trust;
mod volume;

use super::prelude::*;
use futures::future::LocalBoxFuture;

/// The commands.
pub const COMMANDS: &[&[Command]] = &[
    checkpoint::COMMANDS,
    config::COMMANDS,
    context::COMMANDS,
    manifest::COMMANDS,
    node::COMMANDS,
    plugin::COMMANDS,
    secret::COMMANDS,
    service::COMMANDS,
    stack::COMMANDS,
    swarm::COMMANDS,
    trust::COMMANDS,
    &[volume::UPDATE, DIAL_STDIO],
];

/// Docker's client calls it over SSH; no list tells of it.
const DIAL_STDIO: Command = Command {
    names: &["system dial-stdio"],
    usage: "",
    about: "Proxy the stdio stream to the daemon connection. Should not be invoked manually.",
    args: Args::None,
    flags: &[],
    run: refuse,
};

/// Lists that a daemon refuses in words of its own.
const LISTS: &[(&str, &str)] = &[
    ("docker node ls", "/nodes"),
    ("docker service ls", "/services"),
    ("docker stack ls", "/services"),
    ("docker secret ls", "/secrets"),
    ("docker config ls", "/configs"),
];

/// Says that there is no such thing here.
pub fn refuse<'a>(cli: &'a Cli<'a>, m: &'a Matches) -> LocalBoxFuture<'a, Result<(), Failure>> {
    Box::pin(async move {
        let group = m.path.split(' ').nth(1).unwrap_or("");
        if let Some((_, path)) = LISTS.iter().find(|(p, _)| *p == m.path) {
            cli.get(*path).await?;
        }
        let why = match group {
            "swarm" | "node" | "service" | "stack" | "secret" | "config" | "volume" => {
                "there is one host here, and no swarm"
            }
            "plugin" => "there are no plugins",
            "checkpoint" => {
                return Err(Failure::new(format!(
                    "{} is only supported on a Docker daemon with experimental features enabled",
                    m.path
                )));
            }
            "trust" => "there is no notary to ask for signatures",
            "manifest" => "manifest lists are not made here",
            "system" => "hosts are not reached over SSH",
            "context" => "there is one context, \"default\"",
            _ => "it is not implemented",
        };
        Err(Failure::new(format!(
            "{}: not supported by Bottleship: {why}",
            m.path
        )))
    })
}
