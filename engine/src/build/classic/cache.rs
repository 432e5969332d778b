//! The classic builder's cache: an image made here on the same parent by a container configured the same.

use std::collections::BTreeSet;

use bottleship_oci::ImageId;
use bottleship_oci::config::ContainerConfig;

use crate::build::ports::{BuildImages, StoredImage};
use crate::build::report::{CacheOutcome, MissReason};

/// Looks steps up. The first miss of a stage ends it: what comes after builds on something new.
pub(super) struct Prober {
    disabled: bool,
    /// The images that may be taken; any without.
    sources: Option<BTreeSet<ImageId>>,
    missed: bool,
}

impl Prober {
    pub(super) fn new(disabled: bool, sources: Option<BTreeSet<ImageId>>) -> Self {
        Prober {
            disabled,
            sources,
            missed: false,
        }
    }

    /// At the start of a stage.
    pub(super) fn reset(&mut self) {
        self.missed = false;
    }

    /// The image an earlier build made of this step, and what to report.
    pub(super) fn probe(
        &mut self,
        images: &dyn BuildImages,
        parent: Option<&ImageId>,
        wanted: &ContainerConfig,
    ) -> (Option<StoredImage>, CacheOutcome) {
        let miss = |reason, detail: &str| {
            let detail = detail.to_owned();
            (None, CacheOutcome::Miss { reason, detail })
        };
        if self.disabled {
            return miss(MissReason::Disabled, "the cache is not used (--no-cache)");
        }
        if self.missed {
            return miss(
                MissReason::EarlierStep,
                "an earlier step was done anew, so this one has another base",
            );
        }
        let mut children = images.children(parent);
        // What was pulled or loaded is never taken for a step done here.
        children.retain(|image| {
            let allowed = self.sources.as_ref();
            image.local && allowed.is_none_or(|sources| sources.contains(&image.id()))
        });
        let hit = children
            .iter()
            .filter(|image| {
                let made_with = image.config.config.container_config.as_ref();
                made_with.is_some_and(|config| same(config, wanted))
            })
            .max_by_key(|image| image.config.config.created_at());
        if let Some(hit) = hit {
            return (Some(hit.clone()), CacheOutcome::Hit);
        }
        self.missed = true;
        let (reason, detail) = why(&children, wanted);
        (None, CacheOutcome::Miss { reason, detail })
    }
}

/// Whether two containers are configured the same, as far as a build step is concerned.
fn same(a: &ContainerConfig, b: &ContainerConfig) -> bool {
    // Go makes no difference between no list and an empty one here.
    fn list<T>(list: &Option<Vec<T>>) -> &[T] {
        list.as_deref().unwrap_or_default()
    }
    let maps = |a: &ContainerConfig| {
        (
            a.labels.clone().unwrap_or_default(),
            a.exposed_ports.clone().unwrap_or_default(),
            a.volumes.clone().unwrap_or_default(),
        )
    };
    !a.open_stdin
        && !b.open_stdin
        && a.user == b.user
        && a.working_dir == b.working_dir
        && a.stop_signal == b.stop_signal
        && a.tty == b.tty
        && a.healthcheck == b.healthcheck
        && list(&a.cmd) == list(&b.cmd)
        && list(&a.env) == list(&b.env)
        && list(&a.entrypoint) == list(&b.entrypoint)
        && list(&a.on_build) == list(&b.on_build)
        && list(&a.shell) == list(&b.shell)
        && maps(a) == maps(b)
}

/// Which input changed, judged by what was built on the same parent before.
fn why(children: &[StoredImage], wanted: &ContainerConfig) -> (MissReason, String) {
    let command = |config: &ContainerConfig| config.cmd.clone().unwrap_or_default().join(" ");
    let wanted = command(wanted);
    if children.is_empty() {
        let detail = "nothing was built here on this base before".to_owned();
        return (MissReason::NewBase, detail);
    }
    let earlier: Vec<String> = children
        .iter()
        .filter_map(|image| image.config.config.container_config.as_ref().map(command))
        .collect();
    if let Some((shape, _)) = without_hash(&wanted)
        && earlier
            .iter()
            .any(|e| without_hash(e).is_some_and(|(s, _)| s == shape))
    {
        let detail = "the content of the files it copies changed".to_owned();
        return (MissReason::Files, detail);
    }
    let (arguments, bare) = without_arguments(&wanted);
    let same_command = earlier
        .iter()
        .map(|e| without_arguments(e))
        .find(|(_, b)| *b == bare);
    if let Some((before, _)) = same_command {
        let changed: Vec<&str> = arguments
            .iter()
            .filter(|a| !before.contains(a))
            .copied()
            .collect();
        let detail = if changed.is_empty() {
            "the environment or settings it runs with changed".to_owned()
        } else {
            format!("build arguments changed: {}", changed.join(" "))
        };
        return (MissReason::BuildArgument, detail);
    }
    let detail = "this instruction was not built here on this base before".to_owned();
    (MissReason::Instruction, detail)
}

/// A COPY or ADD step's command with the hash taken out.
fn without_hash(command: &str) -> Option<(String, &str)> {
    let start = ["file:", "dir:", "multi:"]
        .iter()
        .filter_map(|prefix| command.find(prefix).map(|at| at + prefix.len()))
        .min()?;
    let hash = command.get(start..start + 64)?;
    let hex = hash.bytes().all(|b| b.is_ascii_hexdigit());
    let is_copy = command.contains("#(nop) COPY") || command.contains("#(nop) ADD");
    (hex && is_copy).then(|| {
        // A file that became a directory is still the same instruction.
        let head = command[..start].trim_end_matches(|c: char| c != ' ');
        (format!("{head}{}", &command[start + 64..]), hash)
    })
}

/// A RUN's command split into its build arguments and the rest.
fn without_arguments(command: &str) -> (Vec<&str>, &str) {
    let Some(rest) = command.strip_prefix('|') else {
        return (Vec::new(), command);
    };
    let Some((count, rest)) = rest.split_once(' ') else {
        return (Vec::new(), command);
    };
    let count: usize = count.parse().unwrap_or(0);
    let mut arguments = Vec::new();
    let mut rest = rest;
    // Values with blanks split in the wrong place, which only makes the report less exact.
    for _ in 0..count {
        let Some((argument, after)) = rest.split_once(' ') else {
            break;
        };
        arguments.push(argument);
        rest = after;
    }
    (arguments, rest)
}
