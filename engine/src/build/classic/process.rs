//! RUN and WORKDIR: the steps with a container's file system.

use bottleship_dockerfile::goform;
use bottleship_dockerfile::instruction::Run;
use bottleship_oci::config::{ContainerConfig, HealthConfig};
use bottleship_vfs::CreatePerm;

use super::commit::one_word_comment_config;
use super::dispatch::command_words;
use super::{BuildError, Builder, Result, State};
use crate::api::ApiError;
use crate::build::tree;
use crate::clock::random_id;

/// What needs BuildKit says so.
pub(super) fn needs_buildkit(what: &str) -> BuildError {
    BuildError::invalid(format!(
        "the {what} requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled"
    ))
}

impl Builder<'_> {
    pub(super) async fn run_step(&mut self, state: &mut State, run: &Run) -> Result<()> {
        if let Some(flag) = run.flags_used.first() {
            return Err(needs_buildkit(&format!("--{flag} option")));
        }
        if !run.command.files.is_empty() {
            return Err(needs_buildkit("heredoc syntax"));
        }
        let words = command_words(&state.config, &run.command);
        let args = state.args.beyond(state.env());
        let mut saved = words.clone();
        if !args.is_empty() {
            let counted: Vec<String> = args
                .iter()
                .filter(|arg| state.args.counts(arg.split('=').next().unwrap_or_default()))
                .cloned()
                .collect();
            saved = vec![format!("|{}", counted.len())];
            saved.extend(counted);
            saved.extend(words.iter().cloned());
        }
        let key = ContainerConfig {
            entrypoint: if saved.is_empty() {
                state.config.entrypoint.clone()
            } else {
                None
            },
            cmd: Some(saved),
            args_escaped: false,
            ..state.config.clone()
        };
        if self.probe(state, &key).await? {
            return Ok(());
        }
        let mut env = state.env().to_vec();
        env.extend(args);
        let config = ContainerConfig {
            cmd: Some(words.clone()),
            env: Some(env),
            entrypoint: Some(vec![String::new()]),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".into()]),
                ..HealthConfig::default()
            }),
            attach_stdout: true,
            attach_stderr: true,
            ..state.config.clone()
        };
        if state.image.is_none() {
            // There is no image a container could be made of.
            let program = words.first().map_or("", String::as_str);
            let why = match program.contains('/') {
                true => format!("stat {program}: no such file or directory"),
                false => "executable file not found in $PATH".to_owned(),
            };
            let program = goform::quote(program);
            return Err(ApiError::invalid(format!(
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: {program}: {why}: unknown"
            ))
            .into());
        }
        let containers = &self.ports.containers;
        let id = containers.create(&config, &self.request.host).await?;
        self.running_in(&id, true).await?;
        let code = containers.run(&id, self.output).await?;
        if code != 0 {
            return Err(BuildError {
                code,
                error: ApiError::system(format!(
                    "The command '{}' returned a non-zero code: {code}",
                    words.join(" ")
                )),
            });
        }
        let layer = self.ports.snapshots.commit(&id).await;
        let layer = layer.map_err(ApiError::from)?.map(|l| l.diff_id);
        self.make_image(state, key, Some(id), layer).await
    }

    /// WORKDIR makes the directory, if it is not there.
    pub(super) async fn commit_workdir(&mut self, state: &mut State, comment: &str) -> Result<()> {
        let config = one_word_comment_config(&state.config, comment);
        if self.probe(state, &config).await? {
            return Ok(());
        }
        let id = random_id(&*self.ports.entropy);
        self.running_in(&id, false).await?;
        let dir = state.config.working_dir.clone();
        let layer = self
            .changed(state, &id, |root| {
                let perm = CreatePerm {
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                };
                tree::mkdir_all(root, &dir, perm)
                    .map(|_| ())
                    .map_err(|e| ApiError::invalid(e.to_string()).into())
            })
            .await?;
        self.make_image(state, config, Some(id), layer).await
    }
}
