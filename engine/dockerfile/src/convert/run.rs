//! RUN.

use super::config::{self, commit_step};
use super::graph::{Graph, Inputs, NodeId};
use super::plan::{
    Exec, ExecMount, ExecMountKind, FileAction, Op, Owner, Principal, SecretFile, Step,
};
use super::stages::{Command, Converter, StageId};
use super::{args, names};
use crate::error::{Error, Result};
use crate::instruction::{InlineFile, Mount, MountKind, Run, Sharing};
use crate::parser::{self, Heredoc};
use crate::shell::{Env, EnvList};
use crate::{goform, path};

/// What mounts add to a process.
#[derive(Default)]
struct Mounts {
    list: Vec<(Option<NodeId>, ExecMount)>,
    secret_env: Vec<(String, String, bool)>,
    ssh: usize,
}

impl Converter<'_> {
    pub(super) fn run_step(&mut self, id: StageId, command: &Command, run: Run) -> Result<()> {
        let location = command.instruction.location;
        let mut shown = command.instruction.source.clone();
        let mut mounts = Mounts::default();
        let mut words = run.command.args.clone();
        if let Some(first) = run.command.files.first() {
            let [line] = words.as_slice() else {
                return Err(Error::new(format!(
                    "parsing produced an invalid run command: {}",
                    goform::list(&words)
                )));
            };
            if matches!(Heredoc::parse(line), Ok(Some(_))) {
                shown.push_str(&format!(" ({})", names::summary(&first.data)));
                words = vec![self.document(first, &mut mounts)];
            } else {
                // The shell sees to it; give it the whole.
                let mut text = line.clone();
                for file in &run.command.files {
                    text.push_str(&format!("\n{}{}", file.data, file.name));
                }
                words = vec![text];
            }
        }
        if run.command.shell {
            words = config::with_shell(&self.stages[id].image, &words);
        }
        self.mounts(id, command, &run, &mut mounts)?;

        let stage = &mut self.stages[id];
        let mut lex = self.lex;
        lex.raw_quotes = true;
        lex.skip_unset = true;
        let mut masked = stage.state.env.clone();
        for (variable, _, _) in &mounts.secret_env {
            masked.set(variable, "****");
        }
        let name = stage.numbered(&names::shown(&lex, &shown, &masked), command.on_build);
        let message = format!(
            "RUN {}",
            history(&words, &stage.build_args, &stage.state.env)
        );

        let mut inputs = Inputs::default();
        let root = inputs.index(stage.state.output);
        let mut env = stage.state.env.to_strings();
        if mounts.ssh > 0 {
            env.push("SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0".into());
        }
        let mut list = Vec::new();
        for (node, mut mount) in mounts.list {
            let index = inputs.index(node);
            if let ExecMountKind::Bind { from, .. } | ExecMountKind::Cache { from, .. } =
                &mut mount.kind
            {
                *from = index;
            }
            list.push(mount);
        }
        let cwd = match stage.state.dir.as_str() {
            "" => "/".to_owned(),
            dir => dir.to_owned(),
        };
        stage.state.output = Some(self.graph.add(Step {
            name,
            inputs: inputs.0,
            op: Op::Exec(Box::new(Exec {
                root,
                args: words,
                env,
                cwd,
                user: stage.state.user.clone(),
                mounts: list,
                secret_env: mounts.secret_env,
                network: run.network,
                insecure: run.insecure,
                proxy: args::proxies(&self.options.build_args),
            })),
            location: Some(location),
            ignore_cache: self.options.no_cache,
        }));
        commit_step(&mut stage.image, message, self.epoch);
        Ok(())
    }

    /// A here-document that is the whole command: with `#!` a program to run, else text for the shell.
    fn document(&mut self, file: &InlineFile, mounts: &mut Mounts) -> String {
        let data = if file.chomp {
            parser::chomp(&file.data)
        } else {
            file.data.clone()
        };
        if !data.starts_with("#!") {
            return data;
        }
        let node = self.graph.inline_file(&file.name, 0o755, &data);
        let mount = ExecMount {
            target: "/dev/pipes/".into(),
            kind: ExecMountKind::Bind {
                from: None,
                selector: "/".into(),
            },
            read_only: true,
        };
        mounts.list.push((Some(node), mount));
        path::join("/dev/pipes", &file.name)
    }

    fn mounts(
        &mut self,
        id: StageId,
        command: &Command,
        run: &Run,
        out: &mut Mounts,
    ) -> Result<()> {
        for (mount, source) in run.mounts.iter().zip(&command.sources) {
            match mount.kind {
                MountKind::Secret => secret(mount, out)?,
                MountKind::Ssh => ssh(mount, out),
                _ => self.mount(id, mount, *source, out)?,
            }
        }
        Ok(())
    }

    fn mount(
        &mut self,
        id: StageId,
        mount: &Mount,
        source: Option<StageId>,
        out: &mut Mounts,
    ) -> Result<()> {
        let mut node = Some(Graph::CONTEXT);
        // A cache mount without `from` starts empty.
        let named = !mount.from.is_empty();
        if mount.kind == MountKind::Tmpfs || (mount.kind == MountKind::Cache && !named) {
            node = None;
        } else if let (true, Some(source)) = (named, source) {
            let other = &self.stages[source];
            if !other.dispatched {
                return Err(Error::new(format!(
                    "cannot mount from stage {} to {}, stage needs to be defined before current command",
                    goform::quote(&mount.from),
                    goform::quote(&mount.target)
                )));
            }
            node = other.state.output;
        }
        let target = path::normalize(&self.stages[id].state.dir, &mount.target, false);
        if mount.target.is_empty() || target == "/" {
            return Err(Error::new(format!(
                "invalid mount target {}",
                goform::quote(&mount.target)
            )));
        }
        let mut selector = path::join("/", &mount.source);
        if selector == "/" {
            selector.clear();
            if mount.mode.is_some() || mount.uid.is_some() || mount.gid.is_some() {
                node = Some(self.cache_root(mount, node));
                selector = "/cache".into();
            }
        }
        let kind = match mount.kind {
            MountKind::Tmpfs => ExecMountKind::Tmpfs { size: mount.size },
            MountKind::Cache => {
                let id = if mount.id.is_empty() {
                    path::clean(&target)
                } else {
                    mount.id.clone()
                };
                ExecMountKind::Cache {
                    from: None,
                    selector,
                    id: format!("{}/{id}", self.options.cache_namespace),
                    sharing: mount.sharing.unwrap_or(Sharing::Shared),
                }
            }
            _ => ExecMountKind::Bind {
                from: None,
                selector,
            },
        };
        if mount.kind == MountKind::Bind && !named {
            let used = path::join("/", &mount.source);
            self.stages[id].context_paths.insert(used);
        }
        let mount = ExecMount {
            target,
            kind,
            read_only: mount.read_only,
        };
        out.list.push((node, mount));
        Ok(())
    }

    /// The directory a cache mount with an owner or mode of its own starts as.
    fn cache_root(&mut self, mount: &Mount, node: Option<NodeId>) -> NodeId {
        let mut inputs = Inputs::default();
        let input = inputs.index(node);
        self.graph.add(Step {
            name: "[internal] setting cache mount permissions".into(),
            inputs: inputs.0,
            op: Op::File {
                input,
                actions: vec![FileAction::Mkdir {
                    path: "/cache".into(),
                    mode: mount.mode.unwrap_or(0o755),
                    parents: false,
                    owner: Some(Owner {
                        user: Principal::Id(mount.uid.unwrap_or(0)),
                        group: Some(Principal::Id(mount.gid.unwrap_or(0))),
                    }),
                    time: None,
                }],
            },
            location: None,
            ignore_cache: false,
        })
    }
}

fn secret_file(mount: &Mount, id: String, mode: u32) -> SecretFile {
    SecretFile {
        id,
        uid: mount.uid.unwrap_or(0),
        gid: mount.gid.unwrap_or(0),
        mode: mount.mode.unwrap_or(mode),
        required: mount.required,
    }
}

fn secret(mount: &Mount, out: &mut Mounts) -> Result<()> {
    let mut id = mount.id.clone();
    if !mount.source.is_empty() {
        id.clone_from(&mount.source);
    }
    if id.is_empty() {
        if mount.target.is_empty() {
            return Err(Error::new("one of source, target required"));
        }
        id = path::base(&mount.target).to_owned();
    }
    if let Some(variable) = &mount.env {
        out.secret_env
            .push((variable.clone(), id.clone(), mount.required));
        // As a variable it is a file only where a target says so.
        if mount.target.is_empty() {
            return Ok(());
        }
    }
    let target = if mount.target.is_empty() {
        format!("/run/secrets/{}", path::base(&id))
    } else {
        mount.target.clone()
    };
    let kind = ExecMountKind::Secret(secret_file(mount, id, 0o400));
    let mount = ExecMount {
        target,
        kind,
        read_only: false,
    };
    out.list.push((None, mount));
    Ok(())
}

fn ssh(mount: &Mount, out: &mut Mounts) {
    let id = if mount.source.is_empty() {
        mount.id.clone()
    } else {
        mount.source.clone()
    };
    let target = if mount.target.is_empty() {
        format!("/run/buildkit/ssh_agent.{}", out.ssh)
    } else {
        mount.target.clone()
    };
    out.ssh += 1;
    let kind = ExecMountKind::Ssh(secret_file(mount, id, 0o600));
    let mount = ExecMount {
        target,
        kind,
        read_only: false,
    };
    out.list.push((None, mount));
}

/// `|1 A=b /bin/sh -c …`: the build arguments in effect, then the command.
fn history(words: &[String], build_args: &[crate::instruction::Argument], env: &EnvList) -> String {
    let mut seen: Vec<(&str, String)> = Vec::new();
    for arg in build_args {
        let value = env.get(&arg.key).map(str::to_owned);
        let value = value.or_else(|| arg.value.clone()).unwrap_or_default();
        match seen.iter_mut().find(|(key, _)| *key == arg.key) {
            Some((_, slot)) => *slot = value,
            None => seen.push((&arg.key, value)),
        }
    }
    let mut out = Vec::new();
    if !seen.is_empty() {
        out.push(format!("|{}", seen.len()));
        out.extend(seen.iter().map(|(key, value)| format!("{key}={value}")));
    }
    out.extend(words.iter().cloned());
    out.join(" ")
}
