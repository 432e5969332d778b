//! Stages: which there are, what they need, and the order they are converted in.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Graph, NodeId};
use super::plan::Plan;
use super::platform::Platform;
use super::{BaseImages, Failure, Options, args, check, config};
use crate::error::{Error, LineRange, Result};
use crate::image::Image;
use crate::instruction::{Argument, Instruction, Kind, Parsed, Stage};
use crate::lint::{Linter, Rule};
use crate::shell::{Env, EnvList, Lex};
use crate::{goform, path, suggest};

/// A file system and what the next process in it inherits.
#[derive(Clone, Default)]
pub(super) struct State {
    /// The step that made it; none for an empty one.
    pub(super) output: Option<NodeId>,
    pub(super) env: EnvList,
    pub(super) dir: String,
    pub(super) user: String,
}

pub(super) type StageId = usize;

/// An instruction of a stage, with the stages it uses: of COPY one, of RUN one per mount.
#[derive(Clone)]
pub(super) struct Command {
    pub(super) instruction: Instruction,
    pub(super) sources: Vec<Option<StageId>>,
    pub(super) on_build: bool,
}

/// A stage while it is converted.
#[derive(Default)]
pub(super) struct StageState {
    pub(super) stage: Stage,
    pub(super) base: Option<StageId>,
    pub(super) state: State,
    pub(super) image: Image,
    pub(super) platform: Option<Platform>,
    /// Stands for an image named in COPY or RUN, not for a FROM.
    pub(super) unregistered: bool,
    pub(super) resolved: bool,
    pub(super) dispatched: bool,
    pub(super) triggers_taken: bool,
    deps: Vec<StageId>,
    pub(super) commands: Vec<Command>,
    pub(super) build_args: Vec<Argument>,
    pub(super) context_paths: BTreeSet<String>,
    pub(super) display_name: String,
    pub(super) index: usize,
    pub(super) total: usize,
    pub(super) workdir_set: bool,
    pub(super) cmd: Option<LineRange>,
    pub(super) entrypoint: Option<LineRange>,
    pub(super) healthcheck: Option<LineRange>,
}

pub(super) struct Converter<'a> {
    pub(super) options: &'a Options,
    pub(super) images: &'a dyn BaseImages,
    pub(super) lint: &'a mut Linter,
    pub(super) lex: Lex,
    escape: char,
    pub(super) target_platform: Platform,
    pub(super) global_args: EnvList,
    declared: BTreeSet<String>,
    pub(super) epoch: Option<i64>,
    pub(super) graph: Graph,
    pub(super) stages: Vec<StageState>,
    by_name: BTreeMap<String, StageId>,
}

impl<'a> Converter<'a> {
    pub(super) fn new(
        parsed: Parsed,
        escape: char,
        options: &'a Options,
        images: &'a dyn BaseImages,
        lint: &'a mut Linter,
    ) -> Result<Self> {
        let lex = Lex::new(escape);
        let target_platform = options
            .target_platform
            .clone()
            .unwrap_or_else(|| options.build_platform.clone());
        let target = match (options.target.as_str(), parsed.stages.last()) {
            ("", Some(last)) => last.name.as_str(),
            (target, _) => target,
        };
        let predefined = args::predefined(options, &target_platform, target);
        default_args_name_images(&parsed, &lex, &predefined, images, lint);
        let (mut global_args, names) =
            args::with_meta_args(&predefined, &lex, &parsed.meta_args, &options.build_args)?;
        let epoch = args::epoch(options, &global_args, &parsed.stages, &lex)?;
        if global_args.get("SOURCE_DATE_EPOCH").is_some() && epoch.is_none() {
            global_args.remove("SOURCE_DATE_EPOCH");
        }
        let mut declared = names;
        declared.extend(global_args.keys().into_iter().map(str::to_owned));
        let mut converter = Converter {
            options,
            images,
            lint,
            lex,
            escape,
            target_platform,
            global_args,
            declared,
            epoch,
            graph: Graph::new(),
            stages: Vec::new(),
            by_name: BTreeMap::new(),
        };
        for (i, stage) in parsed.stages.into_iter().enumerate() {
            converter.add_from(i, stage)?;
        }
        Ok(converter)
    }

    pub(super) fn run(mut self) -> std::result::Result<Plan, Failure> {
        let target = self.target()?;
        self.link()?;
        let reachable = self.resolve(target)?;
        self.dispatch_stages(&reachable)?;
        self.finish(target)
    }

    fn add_from(&mut self, number: usize, mut stage: Stage) -> Result<()> {
        let location = stage.location;
        self.lint.scope(&stage.comments);
        let name = self.lex.process(&stage.base, &self.global_args);
        if let Ok(name) = &name {
            check::undeclared_from_args(&self.declared, &name.unmatched, location, self.lint);
        }
        let name = name.map_err(|e| e.at(location))?;
        if name.word.is_empty() {
            let message = format!("base name ({}) should not be blank", stage.base);
            return Err(Error::new(message).at(location));
        }
        stage.base = name.word;
        let platform = self.platform_of(&stage).map_err(|e| e.at(location))?;
        let display_name = if stage.name.is_empty() {
            format!("stage-{number}")
        } else {
            stage.name.clone()
        };
        let steps = stage.instructions.iter().filter(|i| {
            matches!(
                i.kind,
                Kind::Add(_) | Kind::Copy(_) | Kind::Run(_) | Kind::Workdir(_)
            )
        });
        let steps = steps.count();
        let id = self.register(StageState {
            platform,
            display_name,
            stage,
            ..StageState::default()
        });
        let added = &mut self.stages[id];
        added.total = steps + usize::from(added.stage.base != "scratch" && added.base.is_none());
        Ok(())
    }

    fn platform_of(&mut self, stage: &Stage) -> Result<Option<Platform>> {
        if stage.platform.is_empty() {
            return Ok(None);
        }
        let expanded = self.lex.process(&stage.platform, &self.global_args)?;
        check::undeclared_from_args(
            &self.declared,
            &expanded.unmatched,
            stage.location,
            self.lint,
        );
        let default = &self.target_platform;
        check::from_platform(stage, &expanded, &self.global_args, default, self.lint);
        let near = |message: String| {
            let options = self.global_args.keys();
            let hit = expanded
                .unmatched
                .iter()
                .find_map(|name| suggest::nearest(name, options.iter().copied(), true));
            match hit {
                Some(near) => format!("{message} (did you mean {near}?)"),
                None => message,
            }
        };
        if expanded.word.is_empty() {
            let message = format!("empty platform value from expression {}", stage.platform);
            return Err(Error::new(near(message)));
        }
        Platform::parse(&expanded.word, default)
            .map(Some)
            .map_err(|e| {
                Error::new(near(e.message))
                    .context(format_args!("failed to parse platform {}", stage.platform))
            })
    }

    fn register(&mut self, mut state: StageState) -> StageId {
        let id = self.stages.len();
        state.base = self.by_name.get(&state.stage.base).copied();
        if !state.stage.name.is_empty() {
            self.by_name.insert(state.stage.name.clone(), id);
        }
        self.stages.push(state);
        id
    }

    fn target(&self) -> Result<StageId> {
        let wanted = &self.options.target;
        if wanted.is_empty() {
            return Ok(self.stages.len() - 1);
        }
        self.by_name
            .get(&wanted.to_lowercase())
            .copied()
            .ok_or_else(|| {
                let names = self.stages.iter().map(|s| s.display_name.as_str());
                Error::new(suggest::suggest(
                    format!("target stage {} could not be found", goform::quote(wanted)),
                    wanted,
                    names,
                    true,
                ))
            })
    }

    /// Finds the stages each instruction uses.
    fn link(&mut self) -> Result<()> {
        // Stages added on the way stand for images; they have no instructions.
        for id in 0..self.stages.len() {
            let instructions = std::mem::take(&mut self.stages[id].stage.instructions);
            for instruction in instructions {
                let command = self.command(id, instruction, false)?;
                self.stages[id].commands.push(command);
            }
        }
        self.refuse_cycles()?;
        if let [only] = self.stages.as_mut_slice() {
            only.display_name.clear();
        }
        Ok(())
    }

    pub(super) fn command(
        &mut self,
        id: StageId,
        instruction: Instruction,
        on_build: bool,
    ) -> Result<Command> {
        let location = instruction.location;
        let mut sources = Vec::new();
        match &instruction.kind {
            Kind::Copy(copy) if !copy.from.is_empty() => {
                if self.lex.word(&copy.from, &EnvList::default())? != copy.from {
                    return Err(Error::new(
                        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
                    ));
                }
                let source = match copy.from.parse::<i64>() {
                    Ok(index) => usize::try_from(index)
                        .ok()
                        .filter(|i| *i < self.stages.len())
                        .ok_or_else(|| Error::new(format!("invalid stage index {index}")))?,
                    Err(_) => self.stage_or_image(&copy.from, location),
                };
                sources.push(Some(source));
            }
            Kind::Run(run) => {
                for mount in &run.mounts {
                    // Whether a mount without `from` needs a source isn't known yet: its type may be a variable.
                    let from = if mount.from.is_empty() {
                        "scratch"
                    } else {
                        &mount.from
                    };
                    sources.push(Some(self.stage_or_image(from, location)));
                }
            }
            _ => {}
        }
        self.stages[id].deps.extend(sources.iter().flatten());
        Ok(Command {
            instruction,
            sources,
            on_build,
        })
    }

    fn stage_or_image(&mut self, name: &str, location: LineRange) -> StageId {
        if let Some(&id) = self.by_name.get(&name.to_lowercase()) {
            return id;
        }
        self.register(StageState {
            stage: Stage {
                base: name.to_owned(),
                location,
                ..Stage::default()
            },
            unregistered: true,
            ..StageState::default()
        })
    }

    fn refuse_cycles(&self) -> Result<()> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.stages.len()];
        for root in 0..self.stages.len() {
            let mut stack = vec![(root, 0)];
            while let Some((id, next)) = stack.pop() {
                if next == 0 {
                    if marks[id] != Mark::New {
                        continue;
                    }
                    marks[id] = Mark::Open;
                }
                match self.stages[id].deps.get(next) {
                    None => marks[id] = Mark::Done,
                    Some(&dep) if marks[dep] == Mark::Open => {
                        return Err(Error::new(format!(
                            "circular dependency detected on stage: {}",
                            self.stages[root].display_name
                        ))
                        .at(self.stages[root].stage.location));
                    }
                    Some(&dep) => {
                        stack.push((id, next + 1));
                        stack.push((dep, 0));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn reachable(&self, target: StageId) -> Vec<bool> {
        let mut seen = vec![false; self.stages.len()];
        let mut todo = vec![target];
        while let Some(id) = todo.pop() {
            if !std::mem::replace(&mut seen[id], true) {
                todo.extend(self.stages[id].base);
                todo.extend(&self.stages[id].deps);
            }
        }
        seen
    }

    fn dispatch_stages(&mut self, reachable: &[bool]) -> Result<()> {
        for (id, needed) in reachable.iter().enumerate() {
            if !needed || self.stages[id].dispatched {
                continue;
            }
            self.stages[id].dispatched = true;
            self.inherit(id);
            let commands = std::mem::take(&mut self.stages[id].commands);
            for command in &commands {
                let location = command.instruction.location;
                self.lint.scope(&command.instruction.comments);
                self.dispatch(id, command).map_err(|e| e.at(location))?;
            }
            self.stages[id].commands = commands;
        }
        Ok(())
    }

    /// Takes over what the base stage or image leaves.
    fn inherit(&mut self, id: StageId) {
        if let Some(base) = self.stages[id].base {
            let base = &self.stages[base];
            let (state, platform, image) = (
                base.state.clone(),
                base.platform.clone(),
                base.image.clone(),
            );
            let (workdir_set, build_args) = (base.workdir_set, base.build_args.clone());
            let stage = &mut self.stages[id];
            stage.state = state;
            stage.platform = platform;
            stage.image = image;
            stage.image.config.on_build.clear();
            stage.workdir_set = workdir_set;
            stage.build_args = build_args;
        }
        let stage = &mut self.stages[id];
        let platform = stage
            .platform
            .get_or_insert_with(|| self.target_platform.clone());
        let config = &mut stage.image.config;
        let has_path = EnvList::from_strings(&config.env).get("PATH").is_some();
        if !has_path && platform.os != "windows" {
            config.env.push(format!("PATH={}", config::DEFAULT_PATH));
        }
        for entry in &config.env {
            let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
            stage.state.env.set(key, value);
        }
        if !config.working_dir.is_empty() {
            config.working_dir = path::normalize("/", &config.working_dir, false);
            stage.state.dir.clone_from(&config.working_dir);
        }
        if !config.user.is_empty() {
            stage.state.user.clone_from(&config.user);
        }
    }

    fn finish(mut self, target: StageId) -> std::result::Result<Plan, Failure> {
        self.lint.error()?;
        let mut paths = BTreeSet::new();
        for stage in &self.stages {
            paths.extend(stage.context_paths.iter().cloned());
        }
        let all = paths.contains("/");
        self.graph.set_context_paths(if all {
            Vec::new()
        } else {
            paths
                .iter()
                .map(|p| path::clean(&format!("./{p}")))
                .collect()
        });
        let stage = &mut self.stages[target];
        let mut image = std::mem::take(&mut stage.image);
        for (key, value) in &self.options.labels {
            image.config.labels.insert(key.clone(), value.clone());
        }
        let mut platform = match &self.options.target_platform {
            Some(platform) => platform.clone(),
            None => Platform {
                os: image.os.clone(),
                architecture: image.architecture.clone(),
                variant: image.variant.clone(),
            },
        };
        platform.normalize();
        image.os = platform.os;
        image.architecture = platform.architecture;
        image.variant = platform.variant;
        let (steps, result) = self.graph.finish(self.stages[target].state.output);
        Ok(Plan {
            steps,
            result,
            image,
            escape: self.escape,
        })
    }
}

/// Base names must be possible with the defaults alone, though it is the build's arguments that count.
fn default_args_name_images(
    parsed: &Parsed,
    lex: &Lex,
    predefined: &EnvList,
    images: &dyn BaseImages,
    lint: &mut Linter,
) {
    let none = BTreeMap::new();
    let Ok((defaults, _)) = args::with_meta_args(predefined, lex, &parsed.meta_args, &none) else {
        return;
    };
    for stage in &parsed.stages {
        let Ok(name) = lex.word(&stage.base, &defaults) else {
            return;
        };
        if images.normalize(&name).is_err() {
            lint.scope(&stage.comments);
            lint.run(&Rule::INVALID_DEFAULT_ARG_IN_FROM, stage.location, || {
                format!(
                    "Default value for ARG {} results in empty or invalid base image name",
                    stage.base
                )
            });
        }
    }
}
