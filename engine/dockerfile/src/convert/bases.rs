//! Base images: finding them, and the ONBUILD triggers they bring.

use super::plan::{Op, Source, Step};
use super::platform::Platform;
use super::stages::{Command, Converter, StageId};
use super::{Failure, config};
use crate::error::{Error, Result};
use crate::instruction::{Kind, parse_one};
use crate::lint::{Linter, Rule};
use crate::{goform, limits, parser, suggest};

impl Converter<'_> {
    /// Finds the base images of the stages needed, and the triggers they bring, which may need more.
    pub(super) fn resolve(&mut self, target: StageId) -> std::result::Result<Vec<bool>, Failure> {
        loop {
            let reachable = self.reachable(target);
            for (id, needed) in reachable.iter().enumerate() {
                let stage = &self.stages[id];
                if stage.base.is_none() && !stage.dispatched && !stage.resolved {
                    self.stages[id].resolved = *needed;
                    self.resolve_base(id, *needed)?;
                }
            }
            let mut more = false;
            for (id, needed) in reachable.iter().enumerate() {
                if *needed {
                    more |= self.take_triggers(id)?;
                }
            }
            if !more {
                return Ok(reachable);
            }
        }
    }

    fn resolve_base(&mut self, id: StageId, needed: bool) -> std::result::Result<(), Failure> {
        let unregistered = self.stages[id].unregistered;
        let result = if self.stages[id].stage.base == "scratch" {
            let stage = &mut self.stages[id];
            stage.image = config::empty(&self.target_platform);
            stage.platform = Some(self.target_platform.clone());
            Ok(())
        } else {
            self.resolve_image(id, needed)
        };
        if unregistered {
            self.stages[id].dispatched = true;
        }
        result
    }

    fn resolve_image(&mut self, id: StageId, needed: bool) -> std::result::Result<(), Failure> {
        let location = self.stages[id].stage.location;
        let original = self.stages[id].stage.base.clone();
        let reference = self.images.normalize(&original).map_err(|e| {
            Error::new(e)
                .context(format_args!(
                    "failed to parse stage name {}",
                    goform::quote(&original)
                ))
                .at(location)
        })?;
        if !needed {
            // BuildKit numbers the FROM now; should a trigger need the stage after all, it does so again.
            self.stages[id].index += 1;
            return Ok(());
        }
        let wanted = self.stages[id].platform.clone();
        let platform = wanted.unwrap_or_else(|| self.target_platform.clone());
        let found = self.images.resolve(&reference, &platform).map_err(|e| {
            let names: Vec<String> = self.stages.iter().map(|s| s.display_name.clone()).collect();
            let options = names.iter().map(String::as_str).chain(COMMON_IMAGES);
            Error::new(suggest::suggest(
                format!("{original}: {e}"),
                &original,
                options,
                true,
            ))
            .at(location)
        })?;
        let Some(found) = found else {
            return Err(Failure::Missing {
                reference,
                location,
            });
        };
        let mut image = found.image;
        image.created = None;
        if image.config.on_build.len() > limits::INSTRUCTIONS {
            return Err(Error::new(format!(
                "{original} has more than the limit of {} ONBUILD triggers",
                limits::INSTRUCTIONS
            ))
            .at(location)
            .into());
        }
        if (&platform.os, &platform.architecture) != (&image.os, &image.architecture) {
            let mut actual = Platform {
                os: image.os.clone(),
                architecture: image.architecture.clone(),
                variant: image.variant.clone(),
            };
            actual.normalize();
            self.lint.run(&Rule::INVALID_BASE_IMAGE_PLATFORM, location, || {
                format!(
                    "Base image {original} was pulled with platform \"{actual}\", expected \"{platform}\" for current build"
                )
            });
        }
        let tagged = reference.split('@').next().unwrap_or(&reference);
        let pinned = match found.digest.as_str() {
            "" => tagged.to_owned(),
            digest => format!("{tagged}@{digest}"),
        };
        let has_layers =
            !image.rootfs.diff_ids.is_empty() || image.history.iter().any(|h| !h.empty_layer);
        let stage = &mut self.stages[id];
        stage.image = image;
        stage.platform = Some(platform);
        if has_layers {
            let name = stage.numbered(&format!("FROM {pinned}"), false);
            stage.state.output = Some(self.graph.add(Step {
                name,
                inputs: Vec::new(),
                op: Op::Source(Source::Image(pinned)),
                location: Some(location),
                ignore_cache: false,
            }));
        }
        Ok(())
    }

    /// Puts the triggers of a stage's base in front of its instructions. True when they need other stages.
    fn take_triggers(&mut self, id: StageId) -> Result<bool> {
        let mut triggers = std::mem::take(&mut self.stages[id].image.config.on_build);
        if let Some(base) = self.stages[id].base
            && !std::mem::replace(&mut self.stages[id].triggers_taken, true)
        {
            let own = self.stages[base].commands.iter();
            triggers.extend(own.filter_map(|c| match &c.instruction.kind {
                Kind::OnBuild(text) => Some(text.clone()),
                _ => None,
            }));
        }
        let location = self.stages[id].stage.location;
        let mut commands = Vec::new();
        for trigger in &triggers {
            let command = self.trigger(id, trigger).map_err(|mut e| {
                e.location = Some(location);
                e
            })?;
            commands.push(command);
        }
        let more = commands.iter().any(|c| !c.sources.is_empty());
        let stage = &mut self.stages[id];
        stage.total += commands.len();
        commands.append(&mut stage.commands);
        stage.commands = commands;
        Ok(more)
    }

    fn trigger(&mut self, id: StageId, text: &str) -> Result<Command> {
        let mut ast = parser::parse(text.as_bytes())?;
        let (Some(mut node), true) = (ast.nodes.pop(), ast.nodes.is_empty()) else {
            return Err(Error::new("onbuild trigger should be a single expression"));
        };
        node.location = self.stages[id].stage.location;
        let instruction = parse_one(&node, &mut Linter::default())?;
        self.command(id, instruction, true)
    }
}

const COMMON_IMAGES: [&str; 14] = [
    "alpine",
    "alpine:latest",
    "busybox",
    "busybox:latest",
    "centos",
    "centos:latest",
    "debian",
    "debian:latest",
    "golang",
    "golang:latest",
    "ubuntu",
    "ubuntu:latest",
    "fedora",
    "fedora:latest",
];
