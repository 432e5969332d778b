//! `--change` of commit and import: Dockerfile instructions applied to a configuration.

use bottleship_dockerfile::instruction::{CommandLine, Instruction, Kind, parse_one};
use bottleship_dockerfile::lint::Linter;
use bottleship_dockerfile::path::normalize;
use bottleship_dockerfile::shell::{EnvList, Lex};
use bottleship_dockerfile::{Error, parser, ports};
use bottleship_oci::config::{ContainerConfig, Empty, HealthConfig, StringSet};

use crate::api::ApiError;

const ALLOWED: [&str; 11] = [
    "cmd",
    "entrypoint",
    "env",
    "expose",
    "healthcheck",
    "label",
    "onbuild",
    "stopsignal",
    "user",
    "volume",
    "workdir",
];

/// Applies Dockerfile instructions that only touch the configuration.
pub fn apply_changes(config: &mut ContainerConfig, changes: &[String]) -> Result<(), ApiError> {
    if changes.is_empty() {
        return Ok(());
    }
    let bad = |e: Error| ApiError::invalid(e.message);
    let ast = parser::parse(changes.join("\n").as_bytes()).map_err(bad)?;
    for node in &ast.nodes {
        let keyword = node.keyword.to_ascii_lowercase();
        if !ALLOWED.contains(&keyword.as_str()) {
            return Err(ApiError::invalid(format!(
                "{keyword} is not a valid change command"
            )));
        }
    }
    let mut lint = Linter::default();
    let mut cmd_set = false;
    for node in &ast.nodes {
        let instruction = parse_one(node, &mut lint).map_err(bad)?;
        apply(config, instruction, &mut cmd_set, &mut lint).map_err(bad)?;
    }
    Ok(())
}

fn apply(
    config: &mut ContainerConfig,
    instruction: Instruction,
    cmd_set: &mut bool,
    lint: &mut Linter,
) -> Result<(), Error> {
    let lex = Lex::new('\\');
    let env = EnvList::from_strings(config.env.as_deref().unwrap_or_default());
    let word = |text: &str| lex.word(text, &env);
    match instruction.kind {
        Kind::Env(pairs) => {
            let list = config.env.get_or_insert_default();
            for pair in pairs {
                set_env(list, &word(&pair.key)?, &word(&pair.value)?);
            }
        }
        Kind::Label(pairs) => {
            let labels = config.labels.get_or_insert_default();
            for pair in pairs {
                labels.insert(word(&pair.key)?, word(&pair.value)?);
            }
        }
        Kind::Cmd(line) => {
            config.cmd = Some(argv(config, line));
            *cmd_set = true;
        }
        Kind::Entrypoint(line) => {
            config.entrypoint = Some(argv(config, line));
            // The old command was meant for the old entrypoint.
            if !*cmd_set {
                config.cmd = None;
            }
        }
        Kind::Expose(specs) => {
            let mut words = Vec::new();
            for spec in &specs {
                words.extend(lex.words(spec, &env)?);
            }
            let ports = ports::parse_specs(&words, instruction.location, lint)?;
            add(&mut config.exposed_ports, ports);
        }
        Kind::Volume(paths) => {
            let paths: Result<Vec<String>, Error> = paths.iter().map(|p| word(p)).collect();
            add(&mut config.volumes, paths?);
        }
        Kind::Healthcheck(h) => {
            config.healthcheck = Some(HealthConfig {
                test: Some(h.test),
                interval: h.interval,
                timeout: h.timeout,
                start_period: h.start_period,
                start_interval: h.start_interval,
                retries: h.retries,
            });
        }
        Kind::OnBuild(trigger) => config.on_build.get_or_insert_default().push(trigger),
        Kind::StopSignal(signal) => config.stop_signal = word(&signal)?,
        Kind::User(user) => config.user = word(&user)?,
        Kind::Workdir(dir) => {
            config.working_dir = normalize(&config.working_dir, &word(&dir)?, false)
        }
        _ => {}
    }
    Ok(())
}

fn add(set: &mut Option<StringSet>, entries: Vec<String>) {
    set.get_or_insert_default()
        .extend(entries.into_iter().map(|e| (e, Empty {})));
}

fn argv(config: &ContainerConfig, line: CommandLine) -> Vec<String> {
    if !line.shell {
        return line.args;
    }
    let shell = config.shell.clone().filter(|s| !s.is_empty());
    let mut argv = shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
    argv.push(line.args.join(" "));
    argv
}

fn set_env(env: &mut Vec<String>, key: &str, value: &str) {
    let entry = format!("{key}={value}");
    match env.iter_mut().find(|e| e.split('=').next() == Some(key)) {
        Some(slot) => *slot = entry,
        None => env.push(entry),
    }
}

/// Fills in what `config` leaves open from its image's configuration (moby's `merge`), for a new
/// container and for a commit.
pub fn merge_config(config: &mut ContainerConfig, image: &ContainerConfig) {
    fn or(own: &mut String, other: &str) {
        if own.is_empty() {
            *own = other.into();
        }
    }
    fn union(own: &mut Option<StringSet>, other: &Option<StringSet>) {
        if let Some(other) = other.as_ref().filter(|o| !o.is_empty()) {
            own.get_or_insert_default()
                .extend(other.iter().map(|(k, v)| (k.clone(), *v)));
        }
    }
    or(&mut config.user, &image.user);
    or(&mut config.working_dir, &image.working_dir);
    or(&mut config.stop_signal, &image.stop_signal);
    union(&mut config.exposed_ports, &image.exposed_ports);
    union(&mut config.volumes, &image.volumes);
    if config.env.as_ref().is_none_or(Vec::is_empty) {
        config.env = image.env.clone();
    } else {
        let own = config.env.get_or_insert_default();
        for entry in image.env.iter().flatten() {
            let key = entry.split('=').next();
            if !own.iter().any(|e| e.split('=').next() == key) {
                own.push(entry.clone());
            }
        }
    }
    if let Some(labels) = &image.labels {
        let own = config.labels.get_or_insert_default();
        for (key, value) in labels {
            own.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd = image.cmd.clone();
            config.args_escaped = image.args_escaped;
        }
        if config.entrypoint.is_none() {
            config.entrypoint = image.entrypoint.clone();
        }
    }
    if let Some(inherited) = &image.healthcheck {
        let own = config.healthcheck.get_or_insert_default();
        if own.test.as_ref().is_none_or(Vec::is_empty) {
            own.test = inherited.test.clone();
        }
        for (own, other) in [
            (&mut own.interval, inherited.interval),
            (&mut own.timeout, inherited.timeout),
            (&mut own.start_period, inherited.start_period),
            (&mut own.start_interval, inherited.start_interval),
            (&mut own.retries, inherited.retries),
        ] {
            if *own == 0 {
                *own = other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(config: &mut ContainerConfig, changes: &[&str]) -> Result<(), String> {
        let changes: Vec<String> = changes.iter().map(|c| c.to_string()).collect();
        apply_changes(config, &changes).map_err(|e| e.message)
    }

    #[test]
    fn instructions_change_the_configuration() {
        let mut config = ContainerConfig {
            env: Some(vec!["PATH=/bin".into()]),
            cmd: Some(vec!["sh".into()]),
            ..Default::default()
        };
        let changes = [
            "ENV A=1 PATH=/x:$PATH",
            "LABEL k=v",
            "EXPOSE 80",
            "WORKDIR /new",
            "WORKDIR sub",
            "ENTRYPOINT [\"echo\"]",
            "VOLUME /data",
            "USER app",
            "ONBUILD RUN x",
        ];
        assert_eq!(apply(&mut config, &changes), Ok(()));
        assert_eq!(config.env, Some(vec!["PATH=/x:/bin".into(), "A=1".into()]));
        assert_eq!(config.working_dir, "/new/sub");
        assert_eq!(config.entrypoint, Some(vec!["echo".into()]));
        assert_eq!(config.cmd, None);
        assert_eq!(config.user, "app");
        assert!(
            config
                .exposed_ports
                .is_some_and(|p| p.contains_key("80/tcp"))
        );
        assert!(config.volumes.is_some_and(|v| v.contains_key("/data")));
        assert_eq!(config.on_build, Some(vec!["RUN x".into()]));
    }

    #[test]
    fn other_instructions_are_refused_in_dockers_words() {
        let mut config = ContainerConfig::default();
        assert_eq!(
            apply(&mut config, &["BOGUS x"]),
            Err("bogus is not a valid change command".into())
        );
        assert_eq!(
            apply(&mut config, &["RUN x"]),
            Err("run is not a valid change command".into())
        );
        assert_eq!(apply(&mut config, &[]), Ok(()));
    }

    #[test]
    fn what_is_left_open_comes_from_the_image() {
        let words = |w: &str| Some(vec![w.to_string()]);
        let image = ContainerConfig {
            cmd: words("c"),
            entrypoint: words("e"),
            env: words("A=1"),
            user: "u".into(),
            ..Default::default()
        };
        let merged = |mut config: ContainerConfig| {
            merge_config(&mut config, &image);
            config
        };
        let plain = merged(ContainerConfig::default());
        assert_eq!(
            (plain.cmd, plain.entrypoint, plain.user.as_str()),
            (words("c"), words("e"), "u")
        );
        let entrypoint = merged(ContainerConfig {
            entrypoint: words("x"),
            ..Default::default()
        });
        assert_eq!((entrypoint.cmd, entrypoint.entrypoint), (None, words("x")));
        let reset = merged(ContainerConfig {
            entrypoint: Some(vec![]),
            cmd: words("y"),
            ..Default::default()
        });
        assert_eq!((reset.cmd, reset.entrypoint), (words("y"), Some(vec![])));
        let env = merged(ContainerConfig {
            env: words("A=2"),
            ..Default::default()
        });
        assert_eq!(env.env, words("A=2"));
    }
}
