//! A lesson: front matter and text.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::error::{LessonError, Result};
use crate::fence::Fence;
use crate::markdown::{self, Block, Document, Inline, Quiz};
use crate::variant::{self, Seed, Variable};
use crate::yaml::{self, Fields, Node, Value};

/// Bytes of a lesson's file.
pub const MAX_LESSON: usize = 256 << 10;
const MAX_TASKS: usize = 40;
const MAX_TEXT: usize = 16 << 10;

/// How much a learner should know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    #[default]
    Beginner,
    Intermediate,
    Advanced,
}

impl Level {
    pub(crate) fn read(node: Node) -> Result<Level> {
        let line = node.line;
        match node.text("level")?.as_str() {
            "beginner" => Ok(Level::Beginner),
            "intermediate" => Ok(Level::Intermediate),
            "advanced" => Ok(Level::Advanced),
            other => Err(LessonError::new(
                line,
                format!("level `{other}`; known: beginner, intermediate, advanced"),
            )),
        }
    }
}

/// A lesson, with its variables filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    pub title: String,
    pub summary: String,
    pub level: Level,
    /// How long it takes.
    pub minutes: u32,
    /// BCP 47 tag of its language.
    pub lang: String,
    /// What is done before the learner begins.
    pub start: Setup,
    pub tasks: Vec<Task>,
    pub variables: Vec<Variable>,
    pub blocks: Vec<Block>,
    pub quizzes: Vec<Quiz>,
}

/// What is done to a fresh host first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Files of the host: path and content. Relative paths are in root's home.
    pub files: Vec<(String, String)>,
    /// Lines for the host's shell.
    pub lines: Vec<String>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub id: String,
    /// Its line in the file.
    pub line: u32,
    pub title: Vec<Inline>,
    pub points: u32,
    /// Tasks that must be done first.
    pub needs: Vec<String>,
    pub checks: Vec<Check>,
    pub hints: Vec<Hint>,
    /// What to type, a line each.
    pub solution: String,
    pub wrong: Vec<Wrong>,
}

/// Help, asked for one after the other; one with `when` comes by itself as soon as that is so.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    pub text: Vec<Inline>,
    pub when: Vec<Check>,
}

/// What looks like a solution and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub line: u32,
    /// What to type.
    pub run: String,
    /// A piece of what the learner must then be told.
    pub says: Option<String>,
}

/// The two halves of a file, and the line its text begins on.
struct Parts<'a> {
    front: &'a str,
    text: &'a str,
    text_line: u32,
}

/// The line of a front matter's first line.
const FRONT_LINE: u32 = 2;

fn split(source: &str) -> Result<Parts<'_>> {
    if source.len() > MAX_LESSON {
        let message = format!(
            "the file has {} bytes; a lesson has at most {MAX_LESSON}",
            source.len()
        );
        return Err(LessonError::new(1, message));
    }
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let front = source.strip_prefix("---\n").ok_or_else(|| {
        LessonError::new(
            1,
            "a lesson begins with a line `---`, its front matter, and another `---`",
        )
    })?;
    let end = if front.starts_with("---\n") {
        Some(0)
    } else {
        front.find("\n---\n").map(|at| at + 1)
    };
    let end =
        end.ok_or_else(|| LessonError::new(1, "the front matter has no end: a line `---`"))?;
    let (front, text) = front.split_at(end);
    Ok(Parts {
        front,
        text: &text[4..],
        text_line: FRONT_LINE + front.matches('\n').count() as u32 + 1,
    })
}

impl Lesson {
    /// Reads a lesson, in the variant of a seed.
    pub fn parse(source: &str, seed: &Seed) -> Result<Lesson> {
        let source = source.replace("\r\n", "\n");
        let parts = split(&source)?;
        let variables = variant::choose(parts.front, FRONT_LINE, seed)?;
        let front = variant::fill(parts.front, FRONT_LINE, &variables)?;
        let text = variant::fill(parts.text, parts.text_line, &variables)?;
        let document = markdown::parse(&text, parts.text_line)?;
        let mut fields = yaml::parse(&front, FRONT_LINE)?.fields("the front matter")?;
        let f = &mut fields;
        let mut lesson = Lesson {
            title: line_of_text(f.need("title")?, "title")?,
            summary: line_of_text(f.need("summary")?, "summary")?,
            level: f.opt("level").map_or(Ok(Level::default()), Level::read)?,
            minutes: f.need("minutes")?.number("minutes", 240)? as u32,
            lang: f.opt("lang").map_or(Ok("en".into()), language)?,
            start: Setup::read(f)?,
            tasks: Vec::new(),
            variables,
            blocks: Vec::new(),
            quizzes: Vec::new(),
        };
        f.opt("variables");
        let tasks = f.need("tasks")?;
        fields.finish()?;
        lesson.tasks = read_tasks(tasks)?;
        lesson.place(document)?;
        for task in &lesson.tasks {
            if task.solution.trim().is_empty() {
                let message = format!(
                    "task `{}` needs a `solution`, or fences with commands before its place",
                    task.id
                );
                return Err(LessonError::new(task.line, message));
            }
        }
        Ok(lesson)
    }

    /// The lesson in another language: `source` is a file with the front matter `lang`, `title`, `summary`, the tasks'
    /// titles and hints, and the text. Checks, solutions and what else is not told stay.
    pub fn translate(mut self, source: &str) -> Result<Lesson> {
        let source = source.replace("\r\n", "\n");
        let parts = split(&source)?;
        let front = variant::fill(parts.front, FRONT_LINE, &self.variables)?;
        let text = variant::fill(parts.text, parts.text_line, &self.variables)?;
        let document = markdown::parse(&text, parts.text_line)?;
        let mut fields = yaml::parse(&front, FRONT_LINE)?.fields("a translation's front matter")?;
        self.lang = language(fields.need("lang")?)?;
        self.title = line_of_text(fields.need("title")?, "title")?;
        self.summary = line_of_text(fields.need("summary")?, "summary")?;
        let tasks = fields.need("tasks")?.entries("tasks")?;
        fields.finish()?;
        for entry in tasks {
            let Some(task) = self.tasks.iter_mut().find(|task| task.id == entry.key) else {
                let message = format!("the lesson has no task `{}`", entry.key);
                return Err(LessonError::new(entry.line, message));
            };
            let mut fields = entry.node.fields("a translated task")?;
            let title = fields.need("title")?;
            let line = title.line;
            task.title = markdown::inline(&title.text("title")?, line)?;
            let hints = fields.opt("hints");
            fields.finish()?;
            if let Some(hints) = hints {
                let (line, hints) = (hints.line, hints.texts("hints")?);
                if hints.len() != task.hints.len() {
                    let message = format!(
                        "task `{}` has {} hints, not {}",
                        task.id,
                        task.hints.len(),
                        hints.len()
                    );
                    return Err(LessonError::new(line, message));
                }
                for (hint, text) in task.hints.iter_mut().zip(hints) {
                    hint.text = markdown::inline(&text, line)?;
                }
            }
        }
        let quizzes = (self.quizzes.len(), document.quizzes.len());
        if quizzes.0 != quizzes.1 {
            let message = format!(
                "the lesson has {} quizzes, the translation {}",
                quizzes.0, quizzes.1
            );
            return Err(LessonError::new(parts.text_line, message));
        }
        self.place(document)?;
        Ok(self)
    }

    /// Takes the text: tasks that it does not place come at the end, and a task without a solution gets the commands
    /// and files of the fences before its place.
    fn place(&mut self, document: Document) -> Result<()> {
        let mut placed = BTreeSet::new();
        for (id, line) in &document.tasks {
            if !self.tasks.iter().any(|task| task.id == *id) {
                return Err(LessonError::new(
                    *line,
                    format!("the front matter has no task `{id}`"),
                ));
            }
            if !placed.insert(id.clone()) {
                return Err(LessonError::new(
                    *line,
                    format!("task `{id}` stands in the text twice"),
                ));
            }
        }
        let mut before = String::new();
        for block in &document.blocks {
            match block {
                Block::Fence(fence) => before.push_str(&typed(fence)),
                Block::Task { task: id } => {
                    let commands = std::mem::take(&mut before);
                    let task = self.tasks.iter_mut().find(|task| task.id == *id);
                    if let Some(task) = task.filter(|task| task.solution.is_empty()) {
                        task.solution = commands;
                    }
                }
                _ => {}
            }
        }
        self.blocks = document.blocks;
        self.quizzes = document.quizzes;
        let missing = self.tasks.iter().filter(|task| !placed.contains(&task.id));
        let missing: Vec<Block> = missing
            .map(|task| Block::Task {
                task: task.id.clone(),
            })
            .collect();
        self.blocks.extend(missing);
        Ok(())
    }

    /// A task by its id.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// What one can get for all tasks.
    pub fn points(&self) -> u32 {
        self.tasks.iter().map(|task| task.points).sum()
    }

    /// A task and all that it needs, each after what it needs.
    pub fn path_to(&self, id: &str) -> Vec<&Task> {
        let mut wanted: BTreeSet<&str> = BTreeSet::from([id]);
        // Tasks only need earlier ones.
        for task in self.tasks.iter().rev() {
            if wanted.contains(task.id.as_str()) {
                wanted.extend(task.needs.iter().map(String::as_str));
            }
        }
        self.tasks
            .iter()
            .filter(|task| wanted.contains(task.id.as_str()))
            .collect()
    }
}

/// What a click on a fence's button does, as lines of a shell.
fn typed(fence: &Fence) -> String {
    if let Some(path) = &fence.save_as {
        return save_script(path, &fence.text);
    }
    fence.run.iter().map(|run| format!("{run}\n")).collect()
}

/// Lines of a shell that write a file below the working directory, whatever is in it.
pub fn save_script(path: &str, text: &str) -> String {
    let mut end = "END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    let dir = match path.rsplit_once('/') {
        Some((dir, _)) if !dir.is_empty() => format!("mkdir -p '{dir}'\n"),
        _ => String::new(),
    };
    format!("{dir}cat > '{path}' <<'{end}'\n{text}\n{end}\n")
}

fn line_of_text(node: Node, what: &str) -> Result<String> {
    let line = node.line;
    let text = node.text(what)?;
    if text.is_empty() || text.chars().count() > 300 || text.contains('\n') {
        return Err(LessonError::new(
            line,
            format!("{what} must be one line of at most 300 characters"),
        ));
    }
    Ok(markdown::visible(&text))
}

fn language(node: Node) -> Result<String> {
    let line = node.line;
    let text = node.text("lang")?;
    let fine = (2..=16).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match fine {
        true => Ok(text),
        false => Err(LessonError::new(
            line,
            format!("lang `{text}` is not a language tag like `en` or `pt-BR`"),
        )),
    }
}

/// Lines for a shell, in which nothing is hidden.
pub(crate) fn script(node: Node, what: &str) -> Result<String> {
    let line = node.line;
    let text = node.texts(what)?.join("\n");
    if text.len() > MAX_TEXT {
        return Err(LessonError::new(
            line,
            format!("{what} is longer than {MAX_TEXT} bytes"),
        ));
    }
    match text.chars().find(|c| markdown::hidden(*c)) {
        Some(c) => Err(crate::fence::hidden_error(line, c)),
        None => Ok(text),
    }
}

impl Setup {
    /// The keys `files` and `start`.
    pub(crate) fn read(fields: &mut Fields) -> Result<Setup> {
        let files = fields
            .opt("files")
            .map_or(Ok(Vec::new()), |node| node.pairs("files"))?;
        let lines = fields.opt("start").map_or(Ok(Vec::new()), |node| {
            node.one_or_list()
                .into_iter()
                .map(|line| script(line, "start"))
                .collect()
        })?;
        Ok(Setup { files, lines })
    }
}

fn read_tasks(node: Node) -> Result<Vec<Task>> {
    let line = node.line;
    let entries = node.entries("tasks")?;
    if entries.is_empty() || entries.len() > MAX_TASKS {
        return Err(LessonError::new(
            line,
            format!("a lesson has from 1 to {MAX_TASKS} tasks"),
        ));
    }
    let mut tasks: Vec<Task> = Vec::new();
    for entry in entries {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if entry.key.is_empty() || entry.key.len() > 40 || !entry.key.bytes().all(fine) {
            let message = format!("task `{}`: an id is made of a–z, 0–9 and -", entry.key);
            return Err(LessonError::new(entry.line, message));
        }
        let task = read_task(entry.key, entry.line, entry.node, &tasks)?;
        tasks.push(task);
    }
    Ok(tasks)
}

/// What one task and one drill have in common: checks, hints, solution and wrong answers.
pub(crate) struct Exercise {
    pub checks: Vec<Check>,
    pub hints: Vec<Hint>,
    pub solution: String,
    pub wrong: Vec<Wrong>,
}

impl Exercise {
    pub(crate) fn read(fields: &mut Fields) -> Result<Exercise> {
        Ok(Exercise {
            checks: Check::read_all(fields.need("check")?)?,
            hints: fields.opt("hints").map_or(Ok(Vec::new()), |node| {
                node.one_or_list().into_iter().map(hint).collect()
            })?,
            solution: fields
                .opt("solution")
                .map_or(Ok(String::new()), |node| script(node, "solution"))?,
            wrong: fields.opt("wrong").map_or(Ok(Vec::new()), |node| {
                node.one_or_list().into_iter().map(wrong).collect()
            })?,
        })
    }
}

fn read_task(id: String, line: u32, node: Node, before: &[Task]) -> Result<Task> {
    let mut fields = node.fields("a task")?;
    let title = fields.need("title")?;
    let title_line = title.line;
    let title = markdown::inline(&title.text("title")?, title_line)?;
    let points = fields
        .opt("points")
        .map_or(Ok(1), |node| node.number("points", 100))? as u32;
    let needs = match fields.opt("needs") {
        // In a row, unless it says otherwise.
        None => before
            .last()
            .map(|task| task.id.clone())
            .into_iter()
            .collect(),
        Some(node) => {
            let line = node.line;
            let needs = node.texts("needs")?;
            if let Some(unknown) = needs
                .iter()
                .find(|id| !before.iter().any(|task| task.id == **id))
            {
                let message = format!("task `{id}` needs `{unknown}`, which is no task before it");
                return Err(LessonError::new(line, message));
            }
            needs
        }
    };
    let exercise = Exercise::read(&mut fields)?;
    fields.finish()?;
    Ok(Task {
        id,
        line,
        title,
        points,
        needs,
        checks: exercise.checks,
        hints: exercise.hints,
        solution: exercise.solution,
        wrong: exercise.wrong,
    })
}

fn hint(node: Node) -> Result<Hint> {
    let line = node.line;
    if let Value::Text(text) = &node.value {
        return Ok(Hint {
            text: markdown::inline(text, line)?,
            when: Vec::new(),
        });
    }
    let mut fields = node.fields("a hint")?;
    let text = markdown::inline(&fields.need("says")?.text("says")?, line)?;
    let when = Check::read_all(fields.need("when")?)?;
    fields.finish()?;
    Ok(Hint { text, when })
}

fn wrong(node: Node) -> Result<Wrong> {
    let line = node.line;
    if matches!(node.value, Value::Text(_)) {
        let run = script(node, "wrong")?;
        return Ok(Wrong {
            line,
            run,
            says: None,
        });
    }
    let mut fields = node.fields("a wrong answer")?;
    let wrong = Wrong {
        line,
        run: script(fields.need("run")?, "run")?,
        says: fields.opt_text("says")?,
    };
    fields.finish()?;
    Ok(wrong)
}

#[cfg(test)]
mod tests;
