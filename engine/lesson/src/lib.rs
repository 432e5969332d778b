//! Lessons and drills: their format, checks as data, grading, and result files. No IO: what checks look at is a
//! [`World`], what is drawn is by a [`Seed`], what time it is says the caller.
//!
//! A page takes a lesson like this (the same as methods of the page's `BottleshipLesson`, whose answers are these
//! types as JSON):
//!
//! 1. [`Lesson::parse`] reads a file in the variant of a seed, [`Lesson::translate`] puts another language's text in.
//!    An error names its line. [`Lesson::model`] is what is shown: blocks and inlines that hold nothing a browser
//!    could run ([`Block`], [`Inline`]), fences with their buttons ([`Fence`]), places of tasks, quizzes without their
//!    answers, tasks with goals in words.
//! 2. [`Session::new`] takes it, with the [`Progress`] kept from last time. [`Session::start`] begins on a fresh host
//!    that was given the lesson's [`Setup`].
//! 3. [`Session::evaluate`] after each command: which tasks are done, waiting or next, for those that are next each
//!    check with why it fails, and hints whose time has come ("nudges"). `news` names what this look found done.
//! 4. [`Session::hint`], [`Session::solution`], [`Session::skip`], [`Session::answer`] as asked; each is an [`Event`].
//! 5. [`Session::progress`] is what to keep.
#![forbid(unsafe_code)]

mod check;
#[cfg(test)]
mod documented;
mod drill;
mod error;
mod fence;
pub mod import;
mod lesson;
mod markdown;
mod model;
mod pattern;
mod report;
mod result;
mod schedule;
mod session;
#[cfg(test)]
mod testing;
mod variant;
mod yaml;

pub use check::{Check, Entry, FileState, Outcome, Output, World, WorldError};
pub use drill::{Bank, Drill, DrillModel, Listed, MAX_BANK, commands, daily, golf};
pub use error::LessonError;
pub use fence::Fence;
pub use lesson::{Hint, Lesson, Level, MAX_LESSON, Setup, Task, Wrong, save_script};
pub use markdown::{Answer, Block, Inline, Quiz, plain};
pub use model::{Model, ModelTask};
pub use report::{Cell, Class, LessonReport, MAX_FILES, Refused, Report, Row, TaskEnd};
pub use result::{
    ClassCode, LessonResult, MAX_RESULT, ResultError, ResultPayload, Signed, read_result,
    write_result,
};
pub use schedule::{Attempt, Card, Deck};
pub use session::{
    Event, Progress, QuizState, Reply, Session, Stage, State, TaskState, What, judge_all,
};
pub use variant::{Seed, Variable};
