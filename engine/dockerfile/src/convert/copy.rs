//! ADD and COPY.

use super::config::commit_step;
use super::graph::{Graph, Inputs, NodeId};
use super::plan::{CopyAction, FileAction, Mode, Op, Owner, Source, Step};
use super::stages::{Command, Converter, StageId};
use super::{check, names};
use crate::error::{Error, Result};
use crate::git::{self, NotGit};
use crate::instruction::{Add, Copy, Sources};
use crate::{goform, path};

/// What ADD and COPY differ in.
struct Variant {
    add: bool,
    /// The tree local paths are in.
    from: Option<NodeId>,
    /// They are the context's.
    context: bool,
    parents: bool,
    checksum: String,
    keep_git_dir: Option<bool>,
    unpack: Option<bool>,
}

impl Converter<'_> {
    pub(super) fn add(&mut self, id: StageId, command: &Command, add: Add) -> Result<()> {
        let variant = Variant {
            add: true,
            from: Some(Graph::CONTEXT),
            context: true,
            parents: false,
            checksum: add.checksum,
            keep_git_dir: add.keep_git_dir,
            unpack: add.unpack,
        };
        self.copy_step(id, command, &add.sources, &variant)?;
        let local = |p: &&String| !is_url(p);
        self.use_context(id, add.sources.paths.iter().filter(local));
        Ok(())
    }

    pub(super) fn copy(&mut self, id: StageId, command: &Command, copy: Copy) -> Result<()> {
        let source = command.sources.first().copied().flatten();
        let from = match source {
            None => Some(Graph::CONTEXT),
            Some(source) => {
                let other = &self.stages[source];
                if !other.dispatched {
                    return Err(Error::new(format!(
                        "cannot copy from stage {}, it needs to be defined before current stage {}",
                        goform::quote(&copy.from),
                        goform::quote(&self.stages[id].display_name)
                    )));
                }
                other.state.output
            }
        };
        let variant = Variant {
            add: false,
            from,
            context: source.is_none(),
            parents: copy.parents,
            checksum: String::new(),
            keep_git_dir: None,
            unpack: None,
        };
        self.copy_step(id, command, &copy.sources, &variant)?;
        if source.is_none() {
            self.use_context(id, copy.sources.paths.iter());
        }
        Ok(())
    }

    fn use_context<'p>(&mut self, id: StageId, paths: impl Iterator<Item = &'p String>) {
        let used = &mut self.stages[id].context_paths;
        used.extend(paths.map(|p| path::join("/", p)));
    }

    fn copy_step(
        &mut self,
        id: StageId,
        command: &Command,
        sources: &Sources,
        variant: &Variant,
    ) -> Result<()> {
        let location = command.instruction.location;
        let keyword = if variant.add { "ADD" } else { "COPY" };
        let stage = &self.stages[id];
        let dest = match sources.dest.as_str() {
            "" | "." => "./",
            dest => dest,
        };
        let template = CopyAction {
            from: None,
            src: String::new(),
            dest: path::normalize(&stage.state.dir, dest, true),
            owner: (!sources.chown.is_empty()).then(|| Owner::parse(&sources.chown)),
            mode: mode(&sources.chmod)?,
            follow_symlink: false,
            dir_contents: false,
            unpack: false,
            wildcard: false,
            include: Vec::new(),
            exclude: sources.exclude.clone(),
            required: Vec::new(),
            time: self.epoch,
        };
        check_checksum(sources, variant)?;
        let shown = names::shown(&self.lex, &command.instruction.source, &stage.state.env);
        let name = self.stages[id].numbered(&shown, command.on_build);

        let mut message = keyword.to_owned();
        for (given, flag) in [
            (variant.parents, "--parents".to_owned()),
            (
                !sources.chown.is_empty(),
                format!("--chown={}", sources.chown),
            ),
            (
                !sources.chmod.is_empty(),
                format!("--chmod={}", sources.chmod),
            ),
        ] {
            if given {
                message.push_str(&format!(" {flag}"));
            }
        }
        // Each action with the step its source is; steps become inputs below.
        let mut actions: Vec<(Option<NodeId>, CopyAction)> = Vec::new();
        for source in &sources.paths {
            message.push_str(&format!(" {source}"));
            actions.push(self.copy_source(command, source, variant, &template, &name)?);
        }
        for content in &sources.contents {
            message.push_str(&format!(" <<{}", content.path));
            let file = self.graph.inline_file(&content.path, 0o644, &content.data);
            let action = CopyAction {
                src: path::join("/", &content.path),
                ..template.clone()
            };
            actions.push((Some(file), action));
        }
        message.push_str(&format!(" {}", sources.dest));

        let mut inputs = Inputs::default();
        let input = if sources.link {
            None
        } else {
            inputs.index(self.stages[id].state.output)
        };
        // Inputs are numbered from the last action to the first, as BuildKit walks them.
        for (from, action) in actions.iter_mut().rev() {
            action.from = inputs.index(*from);
        }
        let mut output = self.graph.add(Step {
            name: name.clone(),
            inputs: inputs.0,
            op: Op::File {
                input,
                actions: actions
                    .into_iter()
                    .map(|(_, action)| FileAction::Copy(Box::new(action)))
                    .collect(),
            },
            location: Some(location),
            ignore_cache: self.options.no_cache,
        });
        let stage = &mut self.stages[id];
        if sources.link && stage.state.output.is_some() {
            let mut inputs = Inputs::default();
            let lower = inputs.index(stage.state.output);
            let upper = inputs.index(Some(output)).unwrap_or_default();
            output = self.graph.add(Step {
                name,
                inputs: inputs.0,
                op: Op::Merge { lower, upper },
                location: Some(location),
                ignore_cache: self.options.no_cache,
            });
        }
        stage.state.output = Some(output);
        commit_step(&mut stage.image, message, self.epoch);
        Ok(())
    }

    fn copy_source(
        &mut self,
        command: &Command,
        source: &str,
        variant: &Variant,
        template: &CopyAction,
        name: &str,
    ) -> Result<(Option<NodeId>, CopyAction)> {
        let location = command.instruction.location;
        let fetch = |graph: &mut Graph, source: Source| {
            graph.add(Step {
                name: name.to_owned(),
                inputs: Vec::new(),
                op: Op::Source(source),
                location: Some(location),
                ignore_cache: false,
            })
        };
        match git::parse(source) {
            Err(NotGit::Invalid(e)) => return Err(e),
            Ok(git) if !git.looks_local => {
                if !variant.add {
                    return Err(Error::new("source can't be a git ref for COPY"));
                }
                let keep_git_dir = match (variant.keep_git_dir, git.keep_git_dir) {
                    (Some(a), Some(b)) if a != b => {
                        return Err(Error::new("inconsistent keep-git-dir configuration"));
                    }
                    (flag, query) => query.or(flag).unwrap_or(false),
                };
                let checksum = match (variant.checksum.as_str(), git.checksum.as_str()) {
                    (flag, "") => flag,
                    (flag, query) if !flag.is_empty() && flag != query => {
                        return Err(Error::new(format!(
                            "checksum mismatch {} != {}",
                            goform::quote(flag),
                            goform::quote(query)
                        )));
                    }
                    (_, query) => query,
                };
                let node = fetch(
                    &mut self.graph,
                    Source::Git {
                        checksum: checksum.to_owned(),
                        keep_git_dir,
                        submodules: git.submodules.unwrap_or(true),
                        remote: git.remote,
                        reference: git.reference,
                        subdir: git.subdir,
                    },
                );
                let action = CopyAction {
                    src: "/".into(),
                    ..template.clone()
                };
                return Ok((Some(node), action));
            }
            _ => {}
        }
        if is_url(source) {
            if !variant.add {
                return Err(Error::new("source can't be a URL for COPY"));
            }
            let filename = url_filename(source);
            let action = CopyAction {
                src: path::join("/", &filename),
                unpack: variant.unpack.unwrap_or(false),
                ..template.clone()
            };
            let node = fetch(
                &mut self.graph,
                Source::Http {
                    url: source.to_owned(),
                    filename,
                    checksum: variant.checksum.clone(),
                },
            );
            return Ok((Some(node), action));
        }
        if variant.context {
            let verb = if variant.add { "Add" } else { "Copy" };
            let matcher = self.options.ignore.as_ref();
            check::ignored_source(matcher, verb, source, location, self.lint);
        }
        let mut action = CopyAction {
            follow_symlink: true,
            dir_contents: true,
            wildcard: true,
            unpack: variant.unpack.unwrap_or(variant.add),
            ..template.clone()
        };
        let mut root = source;
        if variant.parents {
            // What is before `/./` is not recreated at the destination.
            let (pivot, pattern) = source.split_once("/./").unwrap_or(("/", source));
            root = pivot;
            let pattern = path::normalize("/", pattern, false);
            if !has_wildcard(pivot) && !has_wildcard(&pattern) {
                action.required = vec![path::normalize("/", &path::join(pivot, &pattern), false)];
            }
            action.include = vec![pattern.trim_start_matches('/').to_owned()];
        }
        action.src = path::normalize("/", root, false);
        Ok((variant.from, action))
    }
}

fn check_checksum(sources: &Sources, variant: &Variant) -> Result<()> {
    if variant.checksum.is_empty() {
        return Ok(());
    }
    let [source] = sources.paths.as_slice() else {
        return Err(Error::new(
            "checksum can't be specified for multiple sources",
        ));
    };
    if !is_url(source) && git::parse(source).is_err() {
        return Err(Error::new("checksum requires HTTP(S) or Git sources"));
    }
    Ok(())
}

fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// The last part of a URL's path.
fn url_filename(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    match path::base(path) {
        "." | "/" => "__unnamed__".into(),
        base => base.to_owned(),
    }
}

fn has_wildcard(name: &str) -> bool {
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

/// Reads `--chmod`.
fn mode(text: &str) -> Result<Option<Mode>> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        Error::new(format!(
            "invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
        ))
    };
    match u32::from_str_radix(text, 8) {
        Ok(bits) if bits <= 0o7777 && !text.starts_with('+') => Ok(Some(Mode::Bits(bits))),
        Err(_) if is_symbolic(text) => Ok(Some(Mode::Symbolic(text.to_owned()))),
        _ => Err(invalid()),
    }
}

/// `u+x,go=rX`.
fn is_symbolic(text: &str) -> bool {
    text.split(',').all(|clause| {
        let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        rest.starts_with(['+', '-', '=']) && rest.chars().all(|c| "+-=rwxXstugo".contains(c))
    })
}
