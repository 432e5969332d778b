//! Lessons of other sites as lessons of ours. What can't be carried over is told with its file and line, never dropped
//! in silence.

mod details;
mod killercoda;
mod pwd;
mod text;
mod write;

pub use killercoda::killercoda;
pub use pwd::pwd;

use crate::error::LessonError;
use crate::lesson::Lesson;
use crate::variant::Seed;

/// Something that is not as it was, or that an author must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file that was read, below what was given.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// What is different, and what to do.
    pub message: String,
}

/// A lesson made from another site's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The lesson's file.
    pub text: String,
    /// In the order in which they were met.
    pub notes: Vec<Note>,
    /// Why `text` is no lesson yet; its line is one of `text`.
    pub problem: Option<LessonError>,
}

/// Tasks of one lesson; more than this are left out, with a note.
const MAX_TASKS: usize = 40;

/// What is being put together.
#[derive(Default)]
struct Draft {
    title: String,
    summary: String,
    level: &'static str,
    minutes: usize,
    files: Vec<(String, String)>,
    start: Vec<String>,
    tasks: Vec<DraftTask>,
    body: String,
    notes: Vec<Note>,
}

/// A task of a draft.
#[derive(Default)]
struct DraftTask {
    id: String,
    title: String,
    check: DraftCheck,
    hints: Vec<String>,
    /// Where the text holds none.
    solution: Option<String>,
}

/// How a task of a draft is checked: the other sites know scripts, or nothing.
enum DraftCheck {
    Entered(String),
    Runs(String),
}

impl Default for DraftCheck {
    fn default() -> Self {
        DraftCheck::Entered("*".into())
    }
}

impl Draft {
    fn note(&mut self, file: &str, line: u32, message: impl Into<String>) {
        let note = Note {
            file: file.to_owned(),
            line,
            message: message.into(),
        };
        // One habit of an author would otherwise fill the page.
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds a task at the end of the text, unless there are too many; false then.
    fn task(&mut self, mut task: DraftTask, file: &str, line: u32) -> bool {
        if self.tasks.len() >= MAX_TASKS {
            self.note(
                file,
                line,
                format!("a lesson has at most {MAX_TASKS} tasks; this section has none"),
            );
            return false;
        }
        task.id = self.free_id(&task.title);
        self.body
            .push_str(&format!("\n<!-- task {} -->\n\n", task.id));
        self.tasks.push(task);
        true
    }

    fn free_id(&self, title: &str) -> String {
        let mut base = String::new();
        for c in title.chars().map(|c| c.to_ascii_lowercase()) {
            match c {
                'a'..='z' | '0'..='9' => base.push(c),
                _ if !base.is_empty() && !base.ends_with('-') => base.push('-'),
                _ => {}
            }
        }
        let base: String = base.chars().take(30).collect();
        let base = match base.trim_matches('-') {
            "" => "task",
            trimmed => trimmed,
        };
        let taken = |id: &str| self.tasks.iter().any(|task| task.id == id);
        (1..)
            .map(|n| match n {
                1 => base.to_owned(),
                n => format!("{base}-{n}"),
            })
            .find(|id| !taken(id))
            .unwrap_or_default()
    }

    fn finish(self) -> Imported {
        let text = write::lesson(&self);
        let problem = Lesson::parse(&text, &Seed::new("import")).err();
        Imported {
            text,
            notes: self.notes,
            problem,
        }
    }
}

#[cfg(test)]
mod tests;
