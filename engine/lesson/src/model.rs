//! What a page shows of a lesson, as JSON.

use serde::Serialize;

use crate::lesson::{Lesson, Level, Task};
use crate::markdown::{Block, Inline};

/// A lesson without its answers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Model<'a> {
    pub title: &'a str,
    pub summary: &'a str,
    pub level: Level,
    pub minutes: u32,
    pub lang: &'a str,
    pub blocks: &'a [Block],
    pub tasks: Vec<ModelTask<'a>>,
    pub points: u32,
    /// The variant's values, by name.
    pub variables: Vec<(&'a str, &'a str)>,
}

/// A task without its answers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelTask<'a> {
    pub id: &'a str,
    pub title: &'a [Inline],
    pub points: u32,
    pub needs: &'a [String],
    /// What must be true, in words.
    pub goals: Vec<String>,
    pub hints: usize,
}

impl Lesson {
    /// What a page shows.
    pub fn model(&self) -> Model<'_> {
        let task = |task: &'_ Task| {
            task.checks
                .iter()
                .map(|check| check.goal())
                .collect::<Vec<_>>()
        };
        Model {
            title: &self.title,
            summary: &self.summary,
            level: self.level,
            minutes: self.minutes,
            lang: &self.lang,
            blocks: &self.blocks,
            tasks: self
                .tasks
                .iter()
                .map(|t| ModelTask {
                    id: &t.id,
                    title: &t.title,
                    points: t.points,
                    needs: &t.needs,
                    goals: task(t),
                    hints: t.hints.iter().filter(|hint| hint.when.is_empty()).count(),
                })
                .collect(),
            points: self.points(),
            variables: self
                .variables
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect(),
        }
    }
}
