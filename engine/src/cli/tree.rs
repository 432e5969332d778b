//! From words to a command.

use super::client::Daemon;
use super::command::{Command, Group, Need, Refusal, parse};
use super::groups::{GROUPS, need};
use super::{Cli, Failure, help};
use super::{build, container, context, image, network, registry, system, unsupported, volume};

/// Every command, in lists.
fn lists() -> impl Iterator<Item = &'static Command> {
    [
        container::COMMANDS,
        image::COMMANDS,
        build::COMMANDS,
        network::COMMANDS,
        volume::COMMANDS,
        system::COMMANDS,
        registry::COMMANDS,
        context::COMMANDS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .chain(unsupported::COMMANDS.iter().copied().flatten())
}

fn find(name: &str) -> Option<&'static Command> {
    lists().find(|c| c.names.contains(&name))
}

fn find_group(name: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|g| g.name == name)
}

fn about(name: &str) -> &'static str {
    let text = match (find(name), find_group(name)) {
        (Some(c), _) => c.about,
        (None, Some(g)) => g.about,
        (None, None) => "",
    };
    // A few commands say more in their own help than in a list.
    match name {
        "login" => "Authenticate to a registry",
        "logout" => "Log out from a registry",
        "manifest" => "Manage Docker image manifests and manifest lists",
        "cp" | "container cp" => "Copy files/folders between a container and the local filesystem",
        "volume rm" => "Remove one or more volumes",
        _ => text.lines().next().unwrap_or(""),
    }
}

/// `docker GROUP --help`.
pub async fn group_help(name: &str, cli: &Cli<'_>) -> String {
    let Some(g) = find_group(name) else {
        return String::new();
    };
    let daemon = cli.daemon().await;
    if let Err(refusal) = supported(name, daemon) {
        return format!("{refusal}\n");
    }
    help::group(g, cli.width(), &cli.config_dir, |name| {
        help::told(need(name), daemon).then(|| about(name))
    })
}

/// `docker COMMAND --help`.
async fn command_help(cli: &Cli<'_>, command: &Command, path: &str) -> String {
    let daemon = cli.daemon().await;
    if let Err(refusal) = supported(command.names[0], daemon) {
        return format!("{refusal}\n");
    }
    help::command(command, path, cli.width(), daemon)
}

/// Whether the daemon knows the command (docker/cli isSupported); one that is not reached is not asked.
fn supported(name: &str, daemon: Option<Daemon>) -> Result<(), String> {
    match need(name) {
        Need::Experimental if daemon.is_some_and(|d| !d.has(Need::Experimental)) => Err(format!(
            "docker {name} is only supported on a Docker daemon with experimental features enabled"
        )),
        _ => Ok(()),
    }
}

/// The usage of a group in errors: three were declared with more than their name.
fn group_usage(path: &str) -> &'static str {
    match path {
        "docker volume" | "docker manifest" => " COMMAND",
        "docker stack" => " [OPTIONS]",
        _ => "",
    }
}

/// Every command's canonical and other names, for tests and completion.
#[cfg(test)]
pub fn names() -> Vec<&'static str> {
    lists().flat_map(|c| c.names.iter().copied()).collect()
}

fn unknown(path: &str, word: &str) -> Failure {
    let usage = if path == "docker" {
        String::new()
    } else {
        format!("Usage:  {path}{}\n\n", group_usage(path))
    };
    Failure::new(format!(
        "docker: unknown command: {path} {word}\n\n{usage}Run '{path} --help' for more information"
    ))
}

/// Finds and runs the command `args` begin with.
pub async fn dispatch(cli: &Cli<'_>, args: &[String]) -> Result<(), Failure> {
    build::warn(cli, args).await;
    let mut group = "";
    let mut rest = args;
    let mut helping = false;
    if rest.first().is_some_and(|a| a == "help") {
        helping = true;
        rest = &rest[1..];
    }
    loop {
        let path = if group.is_empty() {
            "docker".to_string()
        } else {
            format!("docker {group}")
        };
        let Some((word, tail)) = rest.split_first() else {
            let text = group_help(group, cli).await;
            if !helping {
                let gap = if group == "manifest" { "\n" } else { "" };
                cli.err(&format!("{gap}{text}")).await;
            } else {
                cli.out(&text).await;
            }
            return Ok(());
        };
        if word.starts_with('-') && word.len() > 1 && !group.is_empty() {
            return match parse(&[], false, rest) {
                Err(Refusal::Help { short }) => {
                    if short {
                        cli.out("Flag shorthand -h has been deprecated, use --help\n")
                            .await;
                    }
                    cli.out(&group_help(group, cli).await).await;
                    Ok(())
                }
                Err(Refusal::Usage(text)) => Err(Failure::new(format!(
                    "{text}\n\nUsage:  {path}{}\n\nRun '{path} --help' for more information",
                    group_usage(&path)
                ))
                .with_code(125)),
                Ok(_) => Err(unknown(&path, word)),
            };
        }
        let full = if group.is_empty() {
            word.clone()
        } else {
            format!("{group} {word}")
        };
        if let Some(g) = find_group(&full).filter(|g| !g.name.is_empty()) {
            group = g.name;
            rest = tail;
            continue;
        }
        let Some(command) = find(&full) else {
            if helping {
                return Err(Failure::new(format!(
                    "unknown help topic: {}",
                    rest.join(" ")
                )));
            }
            return Err(unknown(&path, word));
        };
        // An alias goes by the name of the command it stands beside.
        let parent = |n: &str| n.rsplit_once(' ').map_or("", |(p, _)| p).to_string();
        let known = command.names.iter().find(|n| parent(n) == group);
        let path = format!("docker {}", known.unwrap_or(&full.as_str()));
        if helping {
            if !tail.is_empty() {
                return Err(Failure::new(format!(
                    "unknown help topic: {}",
                    tail.join(" ")
                )));
            }
            cli.out(&command_help(cli, command, &path).await).await;
            return Ok(());
        }
        return execute(cli, command, path, tail).await;
    }
}

async fn execute(
    cli: &Cli<'_>,
    command: &'static Command,
    path: String,
    args: &[String],
) -> Result<(), Failure> {
    let mut matches = match parse(command.flags, command.interspersed(), args) {
        Ok(m) => m,
        Err(Refusal::Help { short }) => {
            if short {
                cli.out("Flag shorthand -h has been deprecated, use --help\n")
                    .await;
            }
            cli.out(&command_help(cli, command, &path).await).await;
            return Ok(());
        }
        Err(Refusal::Usage(text)) => {
            return Err(Failure::new(format!(
                "{text}\n\nUsage:  {}\n\nRun '{path} --help' for more information",
                command.usage_lines(&path)
            ))
            .with_code(125));
        }
    };
    if let Err(text) = command.check_args(&path, matches.args.len()) {
        return Err(Failure::new(text));
    }
    for f in command.flags.iter().filter(|f| matches.given(f.name)) {
        let what = match f.need {
            Need::Nothing | Need::Hidden | Need::Swarm => continue,
            Need::Experimental => "with experimental features enabled",
            Need::Windows => "running on windows, but the Docker daemon is running on linux",
        };
        if cli.daemon().await.is_none_or(|d| d.has(f.need)) {
            continue;
        }
        return Err(Failure::new(format!(
            "\"--{}\" is only supported on a Docker daemon {what}",
            f.name
        )));
    }
    matches.path = path;
    (command.run)(cli, &matches).await
}
