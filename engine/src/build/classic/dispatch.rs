//! Instructions.

use bottleship_dockerfile::instruction::{Argument, CommandLine, Instruction, KeyValue, Kind};
use bottleship_dockerfile::lint::Linter;
use bottleship_dockerfile::{LineRange, goform, path, ports};
use bottleship_oci::config::{ContainerConfig, Empty, HealthConfig};

use super::{BuildError, Builder, Result, State, env_of};

impl Builder<'_> {
    /// Does one instruction, and removes its containers.
    pub(super) async fn dispatch(
        &mut self,
        state: &mut State,
        instruction: &Instruction,
    ) -> Result<()> {
        let done = self.instruction(state, instruction).await;
        self.remove_containers(done.is_ok()).await?;
        done
    }

    async fn instruction(&mut self, state: &mut State, instruction: &Instruction) -> Result<()> {
        let mut env = env_of(&state.args.of_stage());
        for entry in state.env() {
            let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
            env.set(key, value);
        }
        let mut kind = instruction.kind.clone();
        let lex = self.lex;
        kind.expand_words(&mut |word| lex.word(word, &env))
            .map_err(|e| BuildError::invalid(e.message))?;
        match kind {
            Kind::Env(pairs) => self.env(state, pairs).await,
            Kind::Label(pairs) => self.label(state, pairs).await,
            Kind::Maintainer(name) => {
                state.maintainer.clone_from(&name);
                self.commit_config(state, &format!("MAINTAINER {name}"))
                    .await
            }
            Kind::Add(add) => self.add(state, &add).await,
            Kind::Copy(copy) => self.copy(state, &copy).await,
            Kind::OnBuild(text) => {
                let triggers = state.config.on_build.get_or_insert_default();
                triggers.push(text.clone());
                self.commit_config(state, &format!("ONBUILD {text}")).await
            }
            Kind::Workdir(dir) => self.workdir(state, &dir).await,
            Kind::Run(run) => self.run_step(state, &run).await,
            Kind::Cmd(line) => self.cmd(state, &line).await,
            Kind::Entrypoint(line) => self.entrypoint(state, &line).await,
            Kind::Healthcheck(health) => {
                let health = HealthConfig {
                    test: Some(health.test),
                    interval: health.interval,
                    timeout: health.timeout,
                    start_period: health.start_period,
                    start_interval: health.start_interval,
                    retries: health.retries,
                };
                self.healthcheck(state, health).await
            }
            Kind::Expose(specs) => {
                let mut words = Vec::new();
                for spec in &specs {
                    let more = lex.words(spec, &env);
                    words.extend(more.map_err(|e| BuildError::invalid(e.message))?);
                }
                self.expose(state, words).await
            }
            Kind::User(user) => {
                state.config.user.clone_from(&user);
                self.commit_config(state, &format!("USER {user}")).await
            }
            Kind::Volume(volumes) => {
                let set = state.config.volumes.get_or_insert_default();
                for volume in &volumes {
                    if volume.is_empty() {
                        return Err(BuildError::invalid(
                            "VOLUME specified can not be an empty string",
                        ));
                    }
                    set.insert(volume.clone(), Empty {});
                }
                let comment = format!("VOLUME {}", goform::list(&volumes));
                self.commit_config(state, &comment).await
            }
            Kind::StopSignal(signal) => {
                if !bottleship_dockerfile::convert::is_signal(&signal) {
                    return Err(BuildError::invalid(format!("Invalid signal: {signal}")));
                }
                state.config.stop_signal.clone_from(&signal);
                self.commit_config(state, &format!("STOPSIGNAL {signal}"))
                    .await
            }
            Kind::Arg(args) => self.arg(state, args).await,
            Kind::Shell(words) => {
                let comment = format!("SHELL {}", goform::list(&words));
                state.config.shell = Some(words);
                self.commit_config(state, &comment).await
            }
        }
    }

    async fn env(&mut self, state: &mut State, pairs: Vec<KeyValue>) -> Result<()> {
        let mut comment = "ENV".to_owned();
        for pair in pairs {
            let entry = format!("{}={}", pair.key, pair.value);
            comment.push_str(&format!(" {entry}"));
            let env = state.config.env.get_or_insert_default();
            let same = |e: &&mut String| e.split('=').next() == Some(pair.key.as_str());
            match env.iter_mut().find(same) {
                Some(slot) => *slot = entry,
                None => env.push(entry),
            }
        }
        self.commit_config(state, &comment).await
    }

    async fn label(&mut self, state: &mut State, pairs: Vec<KeyValue>) -> Result<()> {
        let mut comment = "LABEL".to_owned();
        for pair in pairs {
            comment.push_str(&format!(" {}={}", pair.key, pair.value));
            let labels = state.config.labels.get_or_insert_default();
            labels.insert(pair.key, pair.value);
        }
        self.commit_config(state, &comment).await
    }

    async fn arg(&mut self, state: &mut State, args: Vec<Argument>) -> Result<()> {
        let mut env = env_of(&state.args.of_stage());
        for entry in state.env() {
            let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
            env.set(key, value);
        }
        let mut words = Vec::new();
        for arg in args {
            let value = match arg.value {
                Some(value) => Some(
                    self.lex
                        .word(&value, &env)
                        .map_err(|e| BuildError::invalid(e.message))?,
                ),
                None => None,
            };
            words.push(match &value {
                Some(value) => format!("{}={value}", arg.key),
                None => arg.key.clone(),
            });
            state.args.declare(&arg.key, value);
        }
        self.commit_config(state, &format!("ARG {}", words.join(" ")))
            .await
    }

    async fn workdir(&mut self, state: &mut State, dir: &str) -> Result<()> {
        if dir.is_empty() {
            return Err(BuildError::invalid("cannot normalize nothing"));
        }
        let full = path::normalize(&state.config.working_dir, dir, false);
        state.config.working_dir.clone_from(&full);
        self.commit_workdir(state, &format!("WORKDIR {full}")).await
    }

    async fn cmd(&mut self, state: &mut State, line: &CommandLine) -> Result<()> {
        let words = command_words(&state.config, line);
        let comment = format!("CMD {}", goform::quote_list(&words));
        state.config.cmd = Some(words);
        state.config.args_escaped = false;
        self.commit_config(state, &comment).await?;
        state.cmd_set |= !line.args.is_empty();
        Ok(())
    }

    async fn entrypoint(&mut self, state: &mut State, line: &CommandLine) -> Result<()> {
        let words = command_words(&state.config, line);
        let comment = format!("ENTRYPOINT {}", goform::quote_list(&words));
        state.config.entrypoint = (!words.is_empty()).then_some(words);
        state.config.args_escaped = false;
        if !state.cmd_set {
            state.config.cmd = None;
        }
        self.commit_config(state, &comment).await
    }

    async fn healthcheck(&mut self, state: &mut State, health: HealthConfig) -> Result<()> {
        let earlier = state
            .config
            .healthcheck
            .as_ref()
            .and_then(|h| h.test.clone());
        if let Some(test) = earlier.filter(|t| !t.is_empty() && t[0] != "NONE") {
            let list = goform::list(&test);
            let text = format!("Note: overriding previous HEALTHCHECK: {list}\n");
            self.output.show(text).await?;
        }
        let comment = format!("HEALTHCHECK {}", show_health(&health));
        state.config.healthcheck = Some(health);
        self.commit_config(state, &comment).await
    }

    async fn expose(&mut self, state: &mut State, words: Vec<String>) -> Result<()> {
        let list = ports::parse_specs(&words, LineRange::default(), &mut Linter::default())
            .map_err(|e| BuildError::invalid(capital(&e.message)))?;
        let set = state.config.exposed_ports.get_or_insert_default();
        for port in list {
            set.insert(port, Empty {});
        }
        self.commit_config(state, &format!("EXPOSE {}", words.join(" ")))
            .await
    }
}

/// Argv of CMD, ENTRYPOINT or RUN.
pub(super) fn command_words(config: &ContainerConfig, line: &CommandLine) -> Vec<String> {
    if !line.shell || line.args.is_empty() {
        return line.args.clone();
    }
    let mut words = match config.shell.as_deref() {
        None | Some([]) => vec!["/bin/sh".to_owned(), "-c".to_owned()],
        Some(words) => words.to_vec(),
    };
    words.extend(line.args.iter().cloned());
    words
}

/// Go's `%q` of the health check.
fn show_health(health: &HealthConfig) -> String {
    let test = goform::quote_list(health.test.as_deref().unwrap_or_default());
    let duration = |nanos| goform::quote(&goform::duration(nanos));
    format!(
        "&{{{test} {} {} {} '\\x{:02x}'}}",
        duration(health.interval),
        duration(health.timeout),
        duration(health.start_period),
        health.retries
    )
}

/// nat's errors start with a capital where the newer parser's don't.
fn capital(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
