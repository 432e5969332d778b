//! What a build tells whoever draws it: one report per step, with the reason it was (not) taken from the cache.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde::Serialize;

/// A step of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// Its number, from 1.
    pub step: usize,
    /// How many there are.
    pub total: usize,
    /// The instruction, or the progress name.
    pub name: String,
    /// The lines of the Dockerfile, first and last.
    pub lines: Option<(usize, usize)>,
    /// What the cache had.
    pub cache: CacheOutcome,
    /// The image (classic) or layer (BuildKit) it made or found.
    pub result: String,
}

/// What the cache had for a step, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum CacheOutcome {
    /// The step was done before.
    Hit,
    /// It has nothing to do with the cache: FROM, or config only.
    None,
    /// It was done anew.
    Miss {
        /// Which input changed.
        reason: MissReason,
        /// In words.
        detail: String,
    },
}

/// Which input of a step changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MissReason {
    /// `--no-cache`.
    Disabled,
    /// An earlier step of the stage was done anew.
    EarlierStep,
    /// The files copied are not the same.
    Files,
    /// A build argument is not the same.
    BuildArgument,
    /// The instruction is not the same as last time on this base.
    Instruction,
    /// Nothing was ever built here on this base.
    NewBase,
}

/// Who is told of steps of a build.
pub type Observer = Rc<dyn Fn(&StepReport)>;

/// A step, and which of an engine's builds it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BuildStep {
    /// The build's number, from 1 for the engine's first.
    pub build: u64,
    /// The names it gives the image, as typed.
    pub tags: Vec<String>,
    /// The step.
    #[serde(flatten)]
    pub report: StepReport,
}

type Listener = Rc<dyn Fn(&BuildStep)>;

/// An engine's builds, for who watches them.
#[derive(Default)]
pub struct Builds {
    last: Cell<u64>,
    listener: RefCell<Option<Listener>>,
}

impl Builds {
    /// Has `listener` called with every step of every build from now on, instead of the one before it. It must not
    /// call the engine.
    pub fn watch(&self, listener: impl Fn(&BuildStep) + 'static) {
        self.listener.replace(Some(Rc::new(listener)));
    }

    /// Who is to be told of a new build's steps.
    pub(crate) fn observer(&self, tags: Vec<String>) -> Option<Observer> {
        let build = self.last.get() + 1;
        self.last.set(build);
        let listener = self.listener.borrow().clone()?;
        Some(Rc::new(move |report| {
            listener(&BuildStep {
                build,
                tags: tags.clone(),
                report: report.clone(),
            });
        }))
    }
}
