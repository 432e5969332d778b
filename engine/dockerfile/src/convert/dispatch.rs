//! Instructions: what each does to the state and the config.

use super::config::{self, commit};
use super::graph::Inputs;
use super::plan::{FileAction, Op, Owner, Step};
use super::stages::{Command, Converter, StageId};
use super::{check, names};
use crate::error::{Error, LineRange, Result};
use crate::image::Empty;
use crate::instruction::{Argument, CommandLine, KeyValue, Kind};
use crate::lint::Rule;
use crate::shell::{Env, Lex};
use crate::{goform, path, ports};

impl Converter<'_> {
    pub(super) fn dispatch(&mut self, id: StageId, command: &Command) -> Result<()> {
        let location = command.instruction.location;
        let keyword = &command.instruction.keyword;
        let mut kind = command.instruction.kind.clone();
        self.expand(id, &mut kind, location)?;
        match kind {
            Kind::Env(pairs) => self.env(id, keyword, pairs, location),
            Kind::Label(pairs) => self.label(id, keyword, pairs, location),
            Kind::Arg(args) => return self.arg(id, args, location),
            Kind::Add(add) => {
                self.add(id, command, add)?;
            }
            Kind::Copy(copy) => self.copy(id, command, copy)?,
            Kind::Run(run) => self.run_step(id, command, run)?,
            Kind::Workdir(dir) => self.workdir(id, command, &dir),
            Kind::Cmd(line) => self.cmd(id, keyword, &line, location),
            Kind::Entrypoint(line) => self.entrypoint(id, keyword, &line, location),
            Kind::Expose(specs) => self.expose(id, specs, location)?,
            Kind::Healthcheck(health) => {
                let stage = &mut self.stages[id];
                check::used_once(&mut stage.healthcheck, keyword, location, self.lint);
                let message = format!("HEALTHCHECK {}", config::show_healthcheck(&health));
                stage.image.config.healthcheck = Some(health);
                commit(&mut stage.image, message, false, self.epoch);
            }
            Kind::Maintainer(text) => {
                let image = &mut self.stages[id].image;
                commit(image, format!("MAINTAINER {text}"), false, self.epoch);
                image.author = text;
            }
            Kind::OnBuild(text) => self.stages[id].image.config.on_build.push(text),
            Kind::Shell(words) => {
                let image = &mut self.stages[id].image;
                let message = format!("SHELL {}", goform::list(&words));
                image.config.shell = words;
                commit(image, message, false, self.epoch);
            }
            Kind::StopSignal(signal) => {
                if !config::is_signal(&signal) {
                    return Err(Error::new(format!("invalid signal: {signal}")));
                }
                let image = &mut self.stages[id].image;
                commit(image, format!("STOPSIGNAL {signal}"), false, self.epoch);
                image.config.stop_signal = signal;
            }
            Kind::User(user) => {
                let stage = &mut self.stages[id];
                stage.state.user.clone_from(&user);
                commit(&mut stage.image, format!("USER {user}"), false, self.epoch);
                stage.image.config.user = user;
            }
            Kind::Volume(volumes) => {
                let image = &mut self.stages[id].image;
                for volume in &volumes {
                    if volume.is_empty() {
                        return Err(Error::new("VOLUME specified can not be an empty string"));
                    }
                    image.config.volumes.insert(volume.clone(), Empty {});
                }
                let message = format!("VOLUME {}", goform::list(&volumes));
                commit(image, message, false, self.epoch);
            }
        }
        Ok(())
    }

    fn expand(&mut self, id: StageId, kind: &mut Kind, location: LineRange) -> Result<()> {
        let stage = &self.stages[id];
        let lint = &mut *self.lint;
        let mut with = |lex: &Lex, word: &str| {
            let env = &stage.state.env;
            let done = lex.process(word, env)?;
            check::undefined_variables(&done.unmatched, &stage.build_args, env, location, lint);
            Ok(done.word)
        };
        let lex = self.lex;
        kind.expand_words(&mut |word| with(&lex, word))?;
        let mut raw = Lex::new('\\');
        raw.skip_quotes = true;
        kind.expand_raw(&mut |word| with(&raw, word))
    }

    fn env(&mut self, id: StageId, keyword: &str, pairs: Vec<KeyValue>, location: LineRange) {
        let mut message = "ENV".to_owned();
        let stage = &mut self.stages[id];
        for pair in pairs {
            legacy_format(&pair, keyword, location, self.lint);
            check::secret_name("ENV", &pair.key, location, self.lint);
            message.push_str(&format!(" {}={}", pair.key, pair.value));
            stage.state.env.set(&pair.key, &pair.value);
            config::set_env(&mut stage.image.config.env, &pair.key, &pair.value);
        }
        commit(&mut stage.image, message, false, self.epoch);
    }

    fn label(&mut self, id: StageId, keyword: &str, pairs: Vec<KeyValue>, location: LineRange) {
        let mut message = "LABEL".to_owned();
        let image = &mut self.stages[id].image;
        for pair in pairs {
            legacy_format(&pair, keyword, location, self.lint);
            message.push_str(&format!(" {}={}", pair.key, pair.value));
            image.config.labels.insert(pair.key, pair.value);
        }
        commit(image, message, false, self.epoch);
    }

    fn arg(&mut self, id: StageId, args: Vec<Argument>, location: LineRange) -> Result<()> {
        let mut shown = Vec::new();
        for mut arg in args {
            check::secret_name("ARG", &arg.key, location, self.lint);
            let stage = &mut self.stages[id];
            if let Some(given) = self.options.build_args.get(&arg.key) {
                arg.value = Some(given.clone());
            } else if let Some(default) = &arg.value {
                let env = &stage.state.env;
                let done = self.lex.process(default, env)?;
                let unmatched = &done.unmatched;
                check::undefined_variables(unmatched, &stage.build_args, env, location, self.lint);
                arg.value = Some(done.word);
            } else {
                arg.value = self.global_args.get(&arg.key).map(str::to_owned);
            }
            if let Some(value) = &arg.value
                && !super::args::NOT_ENV.contains(&arg.key.as_str())
            {
                stage.state.env.set(&arg.key, value);
            }
            shown.push(match &arg.value {
                Some(value) => format!("{}={value}", arg.key),
                None => arg.key.clone(),
            });
            stage.build_args.push(arg);
        }
        let image = &mut self.stages[id].image;
        commit(image, format!("ARG {}", shown.join(" ")), false, self.epoch);
        Ok(())
    }

    fn workdir(&mut self, id: StageId, command: &Command, dir: &str) {
        let location = command.instruction.location;
        let stage = &mut self.stages[id];
        // A relative first WORKDIR depends on what the base image says.
        if !std::mem::replace(&mut stage.workdir_set, true) && !dir.starts_with('/') {
            self.lint.run(&Rule::WORKDIR_RELATIVE_PATH, location, || {
                format!(
                    "Relative workdir {} can have unexpected results if the base image changes",
                    goform::quote(dir)
                )
            });
        }
        let config = &mut stage.image.config;
        // As BuildKit has it, an absolute path stays as written.
        let full = if dir.starts_with('/') {
            dir.to_owned()
        } else {
            path::normalize(&config.working_dir, dir, false)
        };
        config.working_dir.clone_from(&full);
        stage.state.dir.clone_from(&full);
        let layer = full != "/";
        if layer {
            let user = &config.user;
            let owner = (!user.is_empty()).then(|| Owner::parse(user));
            let shown = names::shown(&self.lex, &command.instruction.source, &stage.state.env);
            let name = stage.numbered(&shown, command.on_build);
            let mut inputs = Inputs::default();
            let input = inputs.index(stage.state.output);
            stage.state.output = Some(self.graph.add(Step {
                name,
                inputs: inputs.0,
                op: Op::File {
                    input,
                    actions: vec![FileAction::Mkdir {
                        path: path::clean(&full),
                        mode: 0o755,
                        parents: true,
                        owner,
                        time: self.epoch,
                    }],
                },
                location: Some(location),
                ignore_cache: false,
            }));
        }
        commit(
            &mut stage.image,
            format!("WORKDIR {full}"),
            layer,
            self.epoch,
        );
    }

    /// The argv of CMD or ENTRYPOINT.
    fn command_line(
        &mut self,
        id: StageId,
        keyword: &str,
        line: &CommandLine,
        location: LineRange,
    ) -> Vec<String> {
        if !line.shell {
            return line.args.clone();
        }
        let image = &self.stages[id].image;
        if image.config.shell.is_empty() {
            self.lint.run(&Rule::JSON_ARGS_RECOMMENDED, location, || {
                format!(
                    "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
                )
            });
        }
        config::with_shell(image, &line.args)
    }

    fn cmd(&mut self, id: StageId, keyword: &str, line: &CommandLine, location: LineRange) {
        check::used_once(&mut self.stages[id].cmd, keyword, location, self.lint);
        let args = self.command_line(id, keyword, line, location);
        let image = &mut self.stages[id].image;
        let message = format!("CMD {}", goform::quote_list(&args));
        image.config.cmd = args;
        image.config.args_escaped = true;
        commit(image, message, false, self.epoch);
    }

    fn entrypoint(&mut self, id: StageId, keyword: &str, line: &CommandLine, location: LineRange) {
        check::used_once(
            &mut self.stages[id].entrypoint,
            keyword,
            location,
            self.lint,
        );
        let args = self.command_line(id, keyword, line, location);
        let stage = &mut self.stages[id];
        // The base's CMD was meant for the base's ENTRYPOINT.
        if stage.cmd.is_none() {
            stage.image.config.cmd.clear();
        }
        let message = format!("ENTRYPOINT {}", goform::quote_list(&args));
        stage.image.config.entrypoint = args;
        commit(&mut stage.image, message, false, self.epoch);
    }

    fn expose(&mut self, id: StageId, specs: Vec<String>, location: LineRange) -> Result<()> {
        let stage = &mut self.stages[id];
        let mut words = Vec::new();
        for spec in &specs {
            words.extend(self.lex.words(spec, &stage.state.env)?);
        }
        let ports = ports::parse_specs(&words, location, self.lint)?;
        for port in &ports {
            let exposed = &mut stage.image.config.exposed_ports;
            exposed.insert(port.clone(), Empty {});
        }
        let message = format!("EXPOSE {}", goform::list(&ports));
        commit(&mut stage.image, message, false, self.epoch);
        Ok(())
    }
}

fn legacy_format(
    pair: &KeyValue,
    keyword: &str,
    location: LineRange,
    lint: &mut crate::lint::Linter,
) {
    if pair.no_delim {
        lint.run(&Rule::LEGACY_KEY_VALUE_FORMAT, location, || {
            format!(
                "\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format"
            )
        });
    }
}
