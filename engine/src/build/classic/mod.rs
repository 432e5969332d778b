//! The classic builder: instructions one after another, an image for each.
//!
//! Its output, history and errors are those of the daemon the reference transcripts were recorded from (20.10):
//! `Removing intermediate container …`, `dockerfile parse error line N: …`.

mod args;
mod cache;
mod commit;
mod dispatch;
mod files;
mod process;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bottleship_dockerfile::instruction::{self, Instruction, KeyValue, Kind, MetaArg, Stage};
use bottleship_dockerfile::lint::Linter;
use bottleship_dockerfile::shell::{EnvList, Lex};
use bottleship_dockerfile::{LineRange, parser};
use bottleship_oci::ImageId;
use bottleship_oci::config::ContainerConfig;
use bottleship_vfs::InodeRef;

use self::args::BuildArgs;
use self::cache::Prober;
use super::ports::{BuildError, Ports, StoredImage};
use super::report::{CacheOutcome, StepReport};
use super::{BuildRequest, Context, Output};
use crate::api::ApiError;

type Result<T> = std::result::Result<T, BuildError>;

/// Builds an image and returns its id. Everything is reported on `output` except the error.
///
/// # Errors
/// See [`BuildError`].
pub async fn build(
    ports: &Ports,
    request: &BuildRequest,
    context: &Context,
    output: &Output,
) -> Result<ImageId> {
    let dockerfile = context.dockerfile(&request.dockerfile)?;
    let context = match context.ignore(&request.dockerfile)? {
        Some(matcher) => context.without(&matcher)?,
        None => context.clone(),
    };
    let ast = parser::parse(&dockerfile).map_err(|e| {
        BuildError::invalid(format!(
            "failed to parse {}: {}",
            match request.dockerfile.as_str() {
                "" => "Dockerfile",
                name => name,
            },
            without_line(&e.message)
        ))
    })?;
    let parsed = instruction::parse(&ast, &mut Linter::default())
        .map_err(|e| BuildError::invalid(parse_error(&e)))?;
    let mut stages = parsed.stages;
    if !request.target.is_empty() {
        let named = |s: &Stage| s.name.eq_ignore_ascii_case(&request.target);
        let at = stages.iter().position(named).ok_or_else(|| {
            BuildError::invalid(format!(
                "failed to reach build target {} in Dockerfile",
                request.target
            ))
        })?;
        stages.truncate(at + 1);
    }
    if let Some(last) = stages.last_mut() {
        last.instructions.extend(request.labels.iter().map(label));
    }
    for warning in &ast.warnings {
        output
            .show(format!("[WARNING]: {}\n", warning.short))
            .await?;
    }
    let mut builder = Builder {
        ports,
        request,
        context,
        output,
        lex: Lex::new(ast.escape),
        args: BuildArgs::new(request.build_args.clone()),
        prober: Prober::new(request.no_cache, sources(ports, &request.cache_from)?),
        done: Vec::new(),
        step: 0,
        total: parsed.meta_args.len()
            + stages
                .iter()
                .map(|s| 1 + s.instructions.len())
                .sum::<usize>(),
        outcome: RefCell::new(CacheOutcome::None),
        leftovers: RefCell::default(),
    };
    builder.run(&parsed.meta_args, &stages).await
}

/// The steps that `--cache-from` allows: its images and what they were made of. Those that are not here don't count.
fn sources(ports: &Ports, names: &[String]) -> Result<Option<BTreeSet<ImageId>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut steps = BTreeSet::new();
    for name in names {
        let mut next = ports.images.find(name)?;
        while let Some(image) = next {
            let parent = image.parent.as_ref().map(ToString::to_string);
            if !steps.insert(image.id()) {
                break;
            }
            next = match parent {
                Some(parent) => ports.images.find(&parent)?,
                None => None,
            };
        }
    }
    Ok(Some(steps))
}

/// The message without BuildKit's `dockerfile parse error on line N: `.
fn without_line(message: &str) -> &str {
    let after = message.strip_prefix("dockerfile parse error on line ");
    after
        .and_then(|rest| rest.split_once(": "))
        .map_or(message, |(_, message)| message)
}

/// A parse error as the classic builder words it.
fn parse_error(error: &bottleship_dockerfile::Error) -> String {
    let message = error.message.replacen(
        "dockerfile parse error on line",
        "dockerfile parse error line",
        1,
    );
    let Some(at) = message.find("unknown instruction: ") else {
        // The suggestion is BuildKit's.
        return match message.rfind(" (did you mean ") {
            Some(at) => message[..at].to_owned(),
            None => message,
        };
    };
    let (head, keyword) = message.split_at(at + "unknown instruction: ".len());
    let keyword = keyword.split(" (did you mean ").next().unwrap_or_default();
    format!("{head}{}", keyword.to_uppercase())
}

/// `--label` is a LABEL at the end.
fn label((key, value): (&String, &String)) -> Instruction {
    Instruction {
        keyword: "LABEL".into(),
        source: format!("LABEL {key}={value}"),
        location: LineRange::default(),
        comments: Vec::new(),
        kind: Kind::Label(vec![KeyValue {
            key: key.clone(),
            value: value.clone(),
            no_delim: false,
        }]),
    }
}

/// A stage that is built, for `FROM` and `--from`.
struct Finished {
    name: String,
    image: Option<ImageId>,
}

/// A stage while it is built.
struct State {
    config: ContainerConfig,
    /// `None` after `FROM scratch`, until something was made.
    image: Option<StoredImage>,
    maintainer: String,
    cmd_set: bool,
    args: BuildArgs,
}

struct Builder<'a> {
    ports: &'a Ports,
    request: &'a BuildRequest,
    context: Context,
    output: &'a Output,
    lex: Lex,
    args: BuildArgs,
    prober: Prober,
    done: Vec<Finished>,
    step: usize,
    total: usize,
    /// What the cache had for the step at hand.
    outcome: RefCell<CacheOutcome>,
    /// Containers of the step at hand: real ones, and ids that were only shown.
    leftovers: RefCell<Vec<(String, bool)>>,
}

impl Builder<'_> {
    async fn run(&mut self, meta_args: &[MetaArg], stages: &[Stage]) -> Result<ImageId> {
        for meta in meta_args {
            self.meta_arg(meta).await?;
        }
        let mut last = None;
        for stage in stages {
            last = self.stage(stage).await?;
        }
        let unused = self.args.unused();
        if !unused.is_empty() {
            let list = unused.join(" ");
            let text = format!("[Warning] One or more build-args [{list}] were not consumed\n");
            self.output.show(text).await?;
        }
        last.ok_or_else(|| {
            ApiError::system("No image was generated. Is your Dockerfile empty?").into()
        })
    }

    async fn announce(&mut self, text: &str) -> Result<()> {
        self.step += 1;
        let line = format!("Step {}/{} : {text}\n", self.step, self.total);
        self.output.show(line).await?;
        *self.outcome.borrow_mut() = CacheOutcome::None;
        Ok(())
    }

    fn report(&self, name: &str, lines: LineRange, state: Option<&State>) {
        if let Some(observer) = &self.ports.observer {
            let image = state.and_then(|s| s.image.as_ref());
            observer(&StepReport {
                step: self.step,
                total: self.total,
                name: name.to_owned(),
                lines: (lines.start > 0).then_some((lines.start, lines.end)),
                cache: self.outcome.borrow().clone(),
                result: image.map(|i| i.id().to_string()).unwrap_or_default(),
            });
        }
    }

    async fn meta_arg(&mut self, meta: &MetaArg) -> Result<()> {
        let words: Vec<String> = meta
            .args
            .iter()
            .map(|arg| match &arg.value {
                Some(value) => format!("{}={value}", arg.key),
                None => arg.key.clone(),
            })
            .collect();
        let text = format!("ARG {}", words.join(" "));
        self.announce(&text).await?;
        let env = env_of(&self.args.of_stage());
        for arg in &meta.args {
            let value = match &arg.value {
                Some(value) => Some(
                    self.lex
                        .word(value, &env)
                        .map_err(|e| BuildError::invalid(e.message))?,
                ),
                None => None,
            };
            self.args.declare_meta(&arg.key, value);
        }
        self.report(&text, meta.location, None);
        Ok(())
    }

    async fn stage(&mut self, stage: &Stage) -> Result<Option<ImageId>> {
        let taken = |f: &Finished| !stage.name.is_empty() && f.name == stage.name;
        if self.done.iter().any(taken) {
            let message = format!("{} stage name already used", stage.name);
            return Err(ApiError::invalid(message).into());
        }
        self.announce(&stage.source).await?;
        self.prober.reset();
        let mut state = self.begin(stage).await?;
        self.show_image(&state).await?;
        self.report(&stage.source, stage.location, Some(&state));
        for instruction in &stage.instructions {
            self.announce(&instruction.source).await?;
            self.dispatch(&mut state, instruction).await?;
            self.show_image(&state).await?;
            self.report(&instruction.source, instruction.location, Some(&state));
        }
        let id = state.image.as_ref().map(StoredImage::id);
        if let Some(id) = &id {
            self.output.image_id(id.as_str()).await?;
        }
        self.args.merge_referenced(&state.args);
        self.done.push(Finished {
            name: stage.name.clone(),
            image: id.clone(),
        });
        Ok(id)
    }

    async fn show_image(&self, state: &State) -> Result<()> {
        let short = match &state.image {
            Some(image) => image.id().short().to_owned(),
            None => String::new(),
        };
        Ok(self.output.show(format!(" ---> {short}\n")).await?)
    }

    /// FROM.
    async fn begin(&mut self, stage: &Stage) -> Result<State> {
        let env = env_of(&self.args.of_meta());
        let name = self
            .lex
            .word(&stage.base, &env)
            .map_err(|e| BuildError::invalid(e.message))?;
        if name.is_empty() {
            let message = format!("base name ({}) should not be blank", stage.base);
            return Err(ApiError::invalid(message).into());
        }
        let mut state = State {
            config: ContainerConfig::default(),
            image: None,
            maintainer: String::new(),
            cmd_set: false,
            args: self.args.for_stage(),
        };
        if name != "scratch" {
            let image = match self.finished(&name) {
                Some(finished) => self.local_image(finished)?,
                None => Some(self.image(&name).await?),
            };
            if let Some(image) = &image {
                state.config = image.config.config.config.clone().unwrap_or_default();
            }
            state.image = image;
        }
        let env = state.config.env.get_or_insert_default();
        if !env.iter().any(|e| e.starts_with("PATH=")) {
            env.push("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
        }
        state.config.open_stdin = false;
        state.config.stdin_once = false;
        state.note_image();
        let triggers = state.config.on_build.take().unwrap_or_default();
        if !triggers.is_empty() {
            self.triggers(&mut state, &triggers).await?;
        }
        Ok(state)
    }

    async fn triggers(&mut self, state: &mut State, triggers: &[String]) -> Result<()> {
        let plural = if triggers.len() > 1 { "s" } else { "" };
        let text = format!("# Executing {} build trigger{plural}\n", triggers.len());
        self.output.show(text).await?;
        for trigger in triggers {
            let ast =
                parser::parse(trigger.as_bytes()).map_err(|e| BuildError::invalid(e.message))?;
            let [node] = ast.nodes.as_slice() else {
                return Err(BuildError::invalid(
                    "onbuild trigger should be a single expression",
                ));
            };
            let instruction = instruction::parse_one(node, &mut Linter::default())
                .map_err(|e| BuildError::invalid(parse_error(&e)))?;
            self.dispatch(state, &instruction).await?;
        }
        Ok(())
    }

    /// The stage of a name.
    fn finished(&self, name: &str) -> Option<&Finished> {
        let name = name.to_lowercase();
        self.done
            .iter()
            .find(|f| !f.name.is_empty() && f.name == name)
    }

    fn local_image(&self, finished: &Finished) -> Result<Option<StoredImage>> {
        match &finished.image {
            None => Ok(None),
            Some(id) => Ok(self.ports.images.find(id.as_str())?),
        }
    }

    /// An image by name, pulled when it is not here or `--pull` says so.
    async fn image(&self, name: &str) -> Result<StoredImage> {
        if !self.request.pull
            && let Some(image) = self.ports.images.find(name)?
        {
            return Ok(image);
        }
        Ok(self.ports.images.pull(name, self.output).await?)
    }

    /// The tree `COPY --from` reads.
    async fn source_tree(&self, from: &str) -> Result<InodeRef> {
        let wrap = |e: ApiError| ApiError {
            message: format!("invalid from flag value {from}: {}", e.message),
            ..e
        };
        let image = if let Some(finished) = self.finished(from) {
            self.local_image(finished)?
        } else if let Ok(index) = from.parse::<i64>() {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            if index == self.done.len() {
                return Err(wrap(ApiError::invalid("refers to current build stage")).into());
            }
            let finished = self.done.get(index);
            let finished =
                finished.ok_or_else(|| wrap(ApiError::invalid("index out of bounds")))?;
            self.local_image(finished)?
        } else {
            Some(self.image(from).await.map_err(|e| wrap(e.error))?)
        };
        let top = image.and_then(|i| i.config.config.chain_id());
        let tree = self.ports.snapshots.view(top.as_ref()).await;
        Ok(tree.map_err(ApiError::from)?)
    }
}

impl State {
    /// The image's id is part of the next container's configuration.
    fn note_image(&mut self) {
        let id = self.image.as_ref().map(|i| i.id().to_string());
        self.config.image = id.unwrap_or_default();
    }

    fn env(&self) -> &[String] {
        self.config.env.as_deref().unwrap_or_default()
    }
}

fn env_of(values: &BTreeMap<String, String>) -> EnvList {
    let mut env = EnvList::default();
    for (key, value) in values {
        env.set(key, value);
    }
    env
}

#[cfg(test)]
mod tests;
