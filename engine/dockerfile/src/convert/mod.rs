//! From a Dockerfile to the steps that build it and the config of the image they make, as BuildKit's
//! `dockerfile2llb`.
//!
//! [`convert`] is pure. Base images come from [`BaseImages`]; when one isn't at hand the answer is
//! [`Failure::Missing`], and the caller fetches it and asks again. The steps are those of the stages the target
//! needs, each once, in an order in which inputs come first.

mod args;
mod bases;
mod check;
mod config;
mod copy;
mod dispatch;
mod graph;
mod names;
mod plan;
mod platform;
mod run;
mod stages;

use std::collections::BTreeMap;

use crate::error::{Error, LineRange};
use crate::image::Image;
use crate::lint::Linter;
use crate::{ignore, instruction, parser};

pub use config::{HISTORY_COMMENT, is_signal};
pub use plan::{
    CopyAction, Exec, ExecMount, ExecMountKind, FileAction, Mode, Op, Owner, Plan, Principal,
    SecretFile, Source, Step,
};
pub use platform::Platform;

/// What a build is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--target`; empty for the last stage.
    pub target: String,
    /// What the builder runs on.
    pub build_platform: Platform,
    /// `--platform`.
    pub target_platform: Option<Platform>,
    /// `--no-cache`.
    pub no_cache: bool,
    /// The context's `.dockerignore`, for a check.
    pub ignore: Option<ignore::Matcher>,
    /// Prefix of cache mounts' ids.
    pub cache_namespace: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            target: String::new(),
            build_platform: Platform::new("linux", "amd64"),
            target_platform: None,
            no_cache: false,
            ignore: None,
            cache_namespace: String::new(),
        }
    }
}

/// A base image found.
#[derive(Clone, Debug)]
pub struct BaseImage {
    /// Digest of its manifest; empty for one that is only known by name, such as an image made here.
    pub digest: String,
    /// Its config.
    pub image: Image,
}

/// Where base images come from.
pub trait BaseImages {
    /// The full form of an image's name: `busybox` → `docker.io/library/busybox:latest`.
    ///
    /// # Errors
    /// `invalid reference format` and its kin.
    fn normalize(&self, name: &str) -> Result<String, String>;

    /// The image a full name stands for; `None` when it has to be fetched first.
    ///
    /// # Errors
    /// Why it can't be had.
    fn resolve(&self, reference: &str, platform: &Platform) -> Result<Option<BaseImage>, String>;
}

/// Why a Dockerfile can't be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It is wrong.
    #[error("{0}")]
    Invalid(#[from] Error),
    /// An image has to be fetched first.
    #[error("{reference} has to be fetched first")]
    Missing {
        /// Its full name.
        reference: String,
        /// The FROM or COPY that names it.
        location: LineRange,
    },
}

/// Converts a Dockerfile. Findings of the build checks go to `lint`, also those before a failure.
///
/// # Errors
/// BuildKit's messages, with lines; [`Failure::Missing`].
pub fn convert(
    dockerfile: &[u8],
    options: &Options,
    images: &dyn BaseImages,
    lint: &mut Linter,
) -> Result<Plan, Failure> {
    if dockerfile.is_empty() {
        return Err(Error::new("the Dockerfile cannot be empty").into());
    }
    let ast = parser::parse(dockerfile)?;
    check::continuation_lines(&ast, lint);
    let parsed = instruction::parse(&ast, lint)?;
    if parsed.stages.is_empty() {
        return Err(Error::new("dockerfile contains no stages to build").into());
    }
    check::stage_names(&parsed.stages, lint);
    check::keyword_casing(&parsed.stages, lint);
    stages::Converter::new(parsed, ast.escape, options, images, lint)?.run()
}
