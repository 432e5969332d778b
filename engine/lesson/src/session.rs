//! A learner in a lesson: which tasks are done, what was helped, what was answered.

use serde::{Deserialize, Serialize};

use crate::check::{Check, Outcome, World};
use crate::error::{LessonError, Result};
use crate::lesson::{Lesson, Task};
use crate::markdown::{Block, Inline};

/// Events kept of one lesson; later ones are dropped.
pub const MAX_EVENTS: usize = 2000;

/// What happened, for results and classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// What.
    pub what: What,
    /// Of which task, or `quiz-1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Started,
    Done,
    Skipped,
    Hint,
    Solution,
    Right,
    Wrong,
    Reset,
}

/// How far a learner is: what is kept between visits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    pub events: Vec<Event>,
}

/// A task's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// A task that it needs is not done.
    Waiting,
    /// It can be done now.
    Now,
    Done,
    Skipped,
}

/// What is shown of a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskState {
    pub id: String,
    pub stage: Stage,
    /// Of a task that can be done now, each check.
    pub checks: Vec<Outcome>,
    /// Hints from the host's state.
    pub nudges: Vec<Vec<Inline>>,
    /// Hints that were asked for.
    pub hints: Vec<Vec<Inline>>,
    /// Hints that can still be asked for.
    pub more_hints: usize,
    /// Whether the solution was shown.
    pub solved_for: bool,
}

/// What is shown of all tasks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub tasks: Vec<TaskState>,
    /// Tasks that this look at the host found done.
    pub news: Vec<String>,
    pub points: u32,
    pub of_points: u32,
    /// Whether every task is done or skipped.
    pub finished: bool,
    pub quizzes: Vec<QuizState>,
}

/// What was answered to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuizState {
    Open,
    Right,
    Wrong,
}

/// What is said to an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reply {
    pub right: bool,
    /// What the author says to the answers that were chosen.
    pub says: Vec<Block>,
}

/// A lesson that is being taken.
#[derive(Clone, Debug)]
pub struct Session {
    lesson: Lesson,
    progress: Progress,
}

impl Session {
    /// Begins a lesson, or goes on with it.
    pub fn new(lesson: Lesson, progress: Progress) -> Session {
        let mut session = Session { lesson, progress };
        session.progress.events.truncate(MAX_EVENTS);
        session
    }

    /// The lesson.
    pub fn lesson(&self) -> &Lesson {
        &self.lesson
    }

    /// What to keep.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Takes over what another copy of the session noted, but what is known already.
    pub fn add(&mut self, events: &[Event]) {
        for event in events {
            let once = event.what == What::Done && self.finished(&event.of);
            if !once {
                self.note(event.at, event.what, &event.of);
            }
        }
    }

    /// Events since the last start over.
    fn current(&self) -> &[Event] {
        let events = &self.progress.events;
        let from = events
            .iter()
            .rposition(|event| event.what == What::Reset)
            .map_or(0, |at| at + 1);
        events.get(from..).unwrap_or_default()
    }

    fn happened(&self, what: What, of: &str) -> bool {
        self.current()
            .iter()
            .any(|event| event.what == what && event.of == of)
    }

    fn note(&mut self, at: u64, what: What, of: &str) {
        if self.progress.events.len() < MAX_EVENTS {
            let of = of.to_owned();
            self.progress.events.push(Event { at, what, of });
        }
    }

    fn finished(&self, id: &str) -> bool {
        self.happened(What::Done, id) || self.happened(What::Skipped, id)
    }

    fn stage(&self, task: &Task) -> Stage {
        if self.happened(What::Done, &task.id) {
            Stage::Done
        } else if self.happened(What::Skipped, &task.id) {
            Stage::Skipped
        } else if task.needs.iter().all(|id| self.finished(id)) {
            Stage::Now
        } else {
            Stage::Waiting
        }
    }

    /// The lesson begins, or begins again. The host should be fresh and set up.
    pub fn start(&mut self, at: u64) {
        if !self.progress.events.is_empty() {
            self.note(at, What::Reset, "");
        }
        self.note(at, What::Started, "");
    }

    /// Looks at the host: which tasks are done now, and what is missing of those that can be done. A task stays done.
    pub async fn evaluate(&mut self, world: &dyn World, at: u64) -> State {
        let mut news = Vec::new();
        let mut looked: Vec<(String, Vec<Outcome>)> = Vec::new();
        // One after the other: a task that is found done opens the next.
        for index in 0..self.lesson.tasks.len() {
            let task = self.lesson.tasks[index].clone();
            if self.stage(&task) != Stage::Now {
                continue;
            }
            let outcomes = judge_all(&task.checks, world).await;
            if outcomes.iter().all(|outcome| outcome.ok) {
                self.note(at, What::Done, &task.id);
                news.push(task.id);
            } else {
                looked.push((task.id, outcomes));
            }
        }
        let mut state = self.state();
        state.news = news;
        for (id, outcomes) in looked {
            let nudges = match self.lesson.task(&id) {
                Some(task) => nudges(task, world).await,
                None => Vec::new(),
            };
            if let Some(shown) = state.tasks.iter_mut().find(|task| task.id == id) {
                shown.checks = outcomes;
                shown.nudges = nudges;
            }
        }
        state
    }

    /// What is known without looking at the host.
    pub fn state(&self) -> State {
        let show = |task: &Task| {
            let asked = self.asked(&task.id);
            let plain: Vec<_> = task
                .hints
                .iter()
                .filter(|hint| hint.when.is_empty())
                .collect();
            TaskState {
                id: task.id.clone(),
                stage: self.stage(task),
                checks: Vec::new(),
                nudges: Vec::new(),
                hints: plain
                    .iter()
                    .take(asked)
                    .map(|hint| hint.text.clone())
                    .collect(),
                more_hints: plain.len().saturating_sub(asked),
                solved_for: self.happened(What::Solution, &task.id),
            }
        };
        let tasks: Vec<TaskState> = self.lesson.tasks.iter().map(show).collect();
        let done = self
            .lesson
            .tasks
            .iter()
            .filter(|task| self.happened(What::Done, &task.id));
        let quiz = |index: usize| {
            let of = quiz_id(index);
            let last = self.current().iter().rfind(|event| event.of == of);
            match last.map(|event| event.what) {
                Some(What::Right) => QuizState::Right,
                Some(_) => QuizState::Wrong,
                None => QuizState::Open,
            }
        };
        State {
            points: done.map(|task| task.points).sum(),
            of_points: self.lesson.points(),
            finished: self.lesson.tasks.iter().all(|task| self.finished(&task.id)),
            quizzes: (0..self.lesson.quizzes.len()).map(quiz).collect(),
            tasks,
            news: Vec::new(),
        }
    }

    fn asked(&self, id: &str) -> usize {
        let hint = |event: &&Event| event.what == What::Hint && event.of == id;
        self.current().iter().filter(hint).count()
    }

    /// The next hint of a task.
    pub fn hint(&mut self, id: &str, at: u64) -> Option<Vec<Inline>> {
        let asked = self.asked(id);
        let task = self.lesson.task(id)?;
        let hint = task
            .hints
            .iter()
            .filter(|hint| hint.when.is_empty())
            .nth(asked)?
            .text
            .clone();
        self.note(at, What::Hint, id);
        Some(hint)
    }

    /// A task's solution.
    pub fn solution(&mut self, id: &str, at: u64) -> Option<String> {
        let solution = self.lesson.task(id)?.solution.clone();
        if !self.happened(What::Solution, id) {
            self.note(at, What::Solution, id);
        }
        Some(solution)
    }

    /// Goes on without doing a task.
    pub fn skip(&mut self, id: &str, at: u64) -> bool {
        let open = self.lesson.task(id).is_some() && !self.finished(id);
        if open {
            self.note(at, What::Skipped, id);
        }
        open
    }

    /// Answers a question: the choices' numbers from 0.
    ///
    /// # Errors
    /// When there is no such question or choice.
    pub fn answer(&mut self, quiz: usize, chosen: &[usize], at: u64) -> Result<Reply> {
        let answers = match self.lesson.quizzes.get(quiz) {
            Some(quiz) => &quiz.answers,
            None => return Err(LessonError::new(0, format!("there is no question {quiz}"))),
        };
        if let Some(odd) = chosen.iter().find(|choice| **choice >= answers.len()) {
            return Err(LessonError::new(
                0,
                format!("question {quiz} has no answer {odd}"),
            ));
        }
        let right = (0..)
            .zip(answers)
            .all(|(at, answer)| answer.right == chosen.contains(&at));
        let says = (0..).zip(answers).filter(|(at, _)| chosen.contains(at));
        let says = says.flat_map(|(_, answer)| answer.says.clone()).collect();
        let what = if right { What::Right } else { What::Wrong };
        self.note(at, what, &quiz_id(quiz));
        Ok(Reply { right, says })
    }
}

/// A question's name in events.
fn quiz_id(index: usize) -> String {
    format!("quiz-{}", index + 1)
}

/// All checks of a task or drill.
pub async fn judge_all(checks: &[Check], world: &dyn World) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for check in checks {
        outcomes.push(check.judge(world).await);
    }
    outcomes
}

/// Hints whose time has come.
async fn nudges(task: &Task, world: &dyn World) -> Vec<Vec<Inline>> {
    let mut nudges = Vec::new();
    for hint in task.hints.iter().filter(|hint| !hint.when.is_empty()) {
        if judge_all(&hint.when, world)
            .await
            .iter()
            .all(|outcome| outcome.ok)
        {
            nudges.push(hint.text.clone());
        }
    }
    nudges
}

#[cfg(test)]
mod tests;
