//! What a teacher makes of a class's results: a table, and a page with a heat map of stuck steps and every learner's
//! commands.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::check::Entry;
use crate::result::{
    ClassCode, LessonResult, MAX_RESULT, ResultError, ResultPayload, Signed, read_result,
};
use crate::session::What;

/// Files of one class; a teacher with more has dropped the wrong folder.
pub const MAX_FILES: usize = 1000;
/// Bytes of all files of one class.
const MAX_CLASS: usize = 256 << 20;

/// One learner's file.
#[derive(Clone, Debug)]
struct HandedIn {
    file: String,
    payload: ResultPayload,
    signed: Signed,
}

/// What was handed in.
#[derive(Default)]
pub struct Class {
    code: Option<ClassCode>,
    handed_in: Vec<HandedIn>,
    refused: Vec<Refused>,
    bytes: usize,
}

/// A file that is not part of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    pub file: String,
    pub reason: String,
}

/// What a class did, to be drawn.
#[derive(Clone, Debug, Serialize)]
pub struct Report<'a> {
    pub lessons: Vec<LessonReport<'a>>,
    pub refused: &'a [Refused],
}

/// One lesson of a class.
#[derive(Clone, Debug, Serialize)]
pub struct LessonReport<'a> {
    pub lesson: &'a str,
    pub title: &'a str,
    /// All tasks that anyone has, in order.
    pub tasks: Vec<&'a str>,
    /// Of each task, how many learners are stuck at it.
    pub stuck: Vec<usize>,
    pub rows: Vec<Row<'a>>,
}

/// A learner in a lesson.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row<'a> {
    pub learner: &'a str,
    pub file: &'a str,
    pub signed: Signed,
    pub points: u32,
    pub of_points: u32,
    /// For each of the report's tasks; nothing where the learner's lesson has no such task.
    pub cells: Vec<Option<Cell>>,
    pub commands: &'a [Entry],
}

/// A learner at a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub state: TaskEnd,
    /// Seconds that it took, when it is done.
    pub seconds: Option<u64>,
    /// Hints that were asked for.
    pub hints: usize,
    /// Whether the solution was shown.
    pub shown: bool,
}

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskEnd {
    Done,
    Skipped,
    /// The first that is neither.
    Stuck,
    Open,
}

impl TaskEnd {
    fn word(self) -> &'static str {
        match self {
            TaskEnd::Done => "done",
            TaskEnd::Skipped => "skipped",
            TaskEnd::Stuck => "stuck",
            TaskEnd::Open => "open",
        }
    }
}

fn signed(signed: Signed) -> &'static str {
    match signed {
        Signed::Good => "good",
        Signed::Bad => "BAD",
        Signed::Unknown => "unknown",
    }
}

impl Cell {
    fn of(lesson: &LessonResult, task: &str) -> Cell {
        let state = if lesson.done(task).is_some() {
            TaskEnd::Done
        } else if lesson.count(What::Skipped, task) > 0 {
            TaskEnd::Skipped
        } else if lesson.stuck_at() == Some(task) {
            TaskEnd::Stuck
        } else {
            TaskEnd::Open
        };
        Cell {
            state,
            seconds: lesson.seconds(task),
            hints: lesson.count(What::Hint, task),
            shown: lesson.count(What::Solution, task) > 0,
        }
    }
}

impl Class {
    /// A class whose files are signed with a code, if it has one.
    pub fn new(code: Option<&str>) -> Class {
        Class {
            code: code.map(ClassCode::new),
            ..Class::default()
        }
    }

    /// Takes a file, or notes why not.
    pub fn add(&mut self, file: &str, text: &str) {
        self.bytes = self.bytes.saturating_add(text.len());
        let read = if self.handed_in.len() >= MAX_FILES {
            Err(ResultError(format!(
                "a class has at most {MAX_FILES} files"
            )))
        } else if self.bytes > MAX_CLASS {
            Err(ResultError(format!(
                "all files together have at most {MAX_CLASS} bytes"
            )))
        } else {
            read_result(text, self.code.as_ref())
        };
        match read {
            Ok((payload, signed)) => self.handed_in.push(HandedIn {
                file: file.to_owned(),
                payload,
                signed,
            }),
            Err(error) => self.refuse(file, &error.to_string()),
        }
    }

    /// Notes a file that could not be read.
    pub fn refuse(&mut self, file: &str, reason: &str) {
        if self.refused.len() < MAX_FILES {
            self.refused.push(Refused {
                file: file.to_owned(),
                reason: reason.to_owned(),
            });
        }
    }

    /// Refuses a file by its size alone; whether that was done.
    pub fn too_large(&mut self, file: &str, bytes: u64) -> bool {
        let large = bytes > MAX_RESULT as u64;
        if large {
            let reason = format!("it has {bytes} bytes; a result has at most {MAX_RESULT}");
            self.refuse(file, &reason);
        }
        large
    }

    /// Files that are no part of the report, with the reasons.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// How many files were taken.
    pub fn len(&self) -> usize {
        self.handed_in.len()
    }

    /// Whether no file was taken.
    pub fn is_empty(&self) -> bool {
        self.handed_in.is_empty()
    }

    fn learners(&self) -> Vec<&HandedIn> {
        let mut learners: Vec<&HandedIn> = self.handed_in.iter().collect();
        learners.sort_by(|a, b| (&a.payload.learner, &a.file).cmp(&(&b.payload.learner, &b.file)));
        learners
    }

    /// Lesson by lesson: who did what, and where learners are stuck.
    pub fn report(&self) -> Report<'_> {
        let mut by_lesson: BTreeMap<&str, Vec<(&HandedIn, &LessonResult)>> = BTreeMap::new();
        for learner in self.learners() {
            for lesson in &learner.payload.lessons {
                by_lesson
                    .entry(&lesson.lesson)
                    .or_default()
                    .push((learner, lesson));
            }
        }
        let lessons = by_lesson
            .into_iter()
            .map(|(name, results)| lesson_report(name, &results))
            .collect();
        Report {
            lessons,
            refused: &self.refused,
        }
    }

    /// A table: a row for each learner and task.
    pub fn csv(&self) -> String {
        let mut out = String::from(
            "learner,signature,lesson,task,state,seconds,hints,solution shown,points,of points\r\n",
        );
        for learner in self.learners() {
            for lesson in &learner.payload.lessons {
                for task in &lesson.tasks {
                    let at = Cell::of(lesson, task);
                    let row = [
                        cell(&learner.payload.learner),
                        signed(learner.signed).to_owned(),
                        cell(&lesson.lesson),
                        cell(task),
                        at.state.word().to_owned(),
                        at.seconds.map(|s| s.to_string()).unwrap_or_default(),
                        at.hints.to_string(),
                        at.shown.to_string(),
                        lesson.points.to_string(),
                        lesson.of_points.to_string(),
                    ];
                    out.push_str(&row.join(","));
                    out.push_str("\r\n");
                }
            }
        }
        out
    }

    /// A page that needs no script: for each lesson who did which task, where learners are stuck, and what they
    /// entered.
    pub fn html(&self) -> String {
        let mut out = String::from(HEAD);
        // Writing to a String can't fail.
        let _ = writeln!(out, "<h1>{} results</h1>", self.len());
        for lesson in self.report().lessons {
            write_lesson(&mut out, &lesson);
        }
        out.push_str("</body></html>\n");
        out
    }
}

fn lesson_report<'a>(
    lesson: &'a str,
    results: &[(&'a HandedIn, &'a LessonResult)],
) -> LessonReport<'a> {
    let mut tasks: Vec<&str> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for task in results.iter().flat_map(|(_, result)| &result.tasks) {
        if seen.insert(task.as_str()) {
            tasks.push(task);
        }
    }
    let row = |(learner, result): &(&'a HandedIn, &'a LessonResult)| Row {
        learner: &learner.payload.learner,
        file: &learner.file,
        signed: learner.signed,
        points: result.points,
        of_points: result.of_points,
        cells: tasks
            .iter()
            .map(|task| {
                let has = result.tasks.iter().any(|known| known == task);
                has.then(|| Cell::of(result, task))
            })
            .collect(),
        commands: &result.commands,
    };
    let rows: Vec<Row> = results.iter().map(row).collect();
    let stuck = (0..tasks.len()).map(|at| {
        let here = |row: &&Row| {
            let cell = row.cells.get(at).copied().flatten();
            cell.is_some_and(|cell| cell.state == TaskEnd::Stuck)
        };
        rows.iter().filter(here).count()
    });
    LessonReport {
        lesson,
        title: results.first().map_or("", |(_, result)| &result.title),
        stuck: stuck.collect(),
        tasks,
        rows,
    }
}

/// A cell of a table (RFC 4180) that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = format!(
        "{}{}",
        if formula { "'" } else { "" },
        text.replace('"', "\"\"")
    );
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{text}\""),
        false => text,
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::markdown::visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"content-security-policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<title>Class</title><style>\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #c8ccd1;padding:.3rem .6rem;text-align:left}\
.done{background:#d9f2e3}.stuck{background:#f6c9a8}.skipped{background:#eee}\
pre{background:#f5f6f7;padding:.8rem;overflow:auto}.bad{color:#b3261e}\
</style></head><body>\n";

fn write_lesson(out: &mut String, lesson: &LessonReport) {
    let _ = writeln!(
        out,
        "<h2>{}</h2>\n<table><tr><th>Learner</th>",
        escape(lesson.lesson)
    );
    for task in &lesson.tasks {
        let _ = write!(out, "<th>{}</th>", escape(task));
    }
    let _ = writeln!(out, "<th>Signature</th></tr>");
    for row in &lesson.rows {
        let _ = write!(out, "<tr><th>{}</th>", escape(row.learner));
        for cell in &row.cells {
            let Some(cell) = cell else {
                let _ = write!(out, "<td></td>");
                continue;
            };
            let state = cell.state.word();
            let time = cell.seconds.map(|s| format!(", {s} s")).unwrap_or_default();
            let hints = match cell.hints {
                0 => String::new(),
                n => format!(", {n} hints"),
            };
            let _ = write!(out, "<td class=\"{state}\">{state}{time}{hints}</td>");
        }
        let bad = if row.signed == Signed::Bad {
            " class=\"bad\""
        } else {
            ""
        };
        let _ = writeln!(out, "<td{bad}>{}</td></tr>", signed(row.signed));
    }
    let _ = write!(out, "<tr><th>Stuck here</th>");
    for stuck in &lesson.stuck {
        // From white to orange.
        let heat = 100 - 40 * stuck / lesson.rows.len().max(1);
        let _ = write!(
            out,
            "<td style=\"background:hsl(24 90% {heat}%)\">{stuck}</td>"
        );
    }
    let _ = writeln!(out, "<td></td></tr></table>");
    for row in &lesson.rows {
        let _ = write!(
            out,
            "<details><summary>{}</summary><pre>",
            escape(row.learner)
        );
        for entry in row.commands {
            let _ = writeln!(out, "$ {}", escape(&entry.line));
            if let Some(error) = &entry.error {
                let _ = writeln!(out, "<span class=\"bad\">{}</span>", escape(error));
            }
        }
        let _ = writeln!(out, "</pre></details>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::write_result;
    use crate::session::Event;

    fn learner(class: &mut Class, name: &str, done: &[&str]) {
        let mut events = vec![Event {
            at: 0,
            what: What::Started,
            of: String::new(),
        }];
        events.extend((1..).zip(done).map(|(n, task)| Event {
            at: n * 5000,
            what: What::Done,
            of: (*task).into(),
        }));
        let lesson = LessonResult {
            lesson: "docker/01-run".into(),
            tasks: vec!["pull".into(), "run".into()],
            events,
            commands: vec![Entry {
                line: "docker run '<script>'".into(),
                exit: Some(1),
                error: Some("<b>no</b>".into()),
                at: 1,
            }],
            ..LessonResult::default()
        };
        let payload = ResultPayload {
            learner: name.into(),
            lessons: vec![lesson],
            version: 1,
            exported: 0,
        };
        class.add("x.json", &write_result(&payload, class.code.as_ref()));
    }

    fn class() -> Class {
        let mut class = Class::new(Some("code"));
        learner(&mut class, "C", &[]);
        learner(&mut class, "Amara, O.", &["pull", "run"]);
        learner(&mut class, "=HYPERLINK(\"x\")", &["pull"]);
        class
    }

    #[test]
    fn a_table_and_a_heat_map() {
        let class = class();
        let csv = class.csv();
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows.len(), 7);
        assert_eq!(
            rows[3],
            "\"Amara, O.\",good,docker/01-run,pull,done,5,0,false,0,0"
        );
        assert!(
            rows[2].starts_with("\"'=HYPERLINK(\"\"x\"\")\",good,docker/01-run,run,stuck,"),
            "{}",
            rows[2]
        );
        let html = class.html();
        assert!(
            html.contains(
                "<tr><th>Stuck here</th><td style=\"background:hsl(24 90% 87%)\">1</td><td"
            )
        );
        assert!(
            !html.contains("<script") && !html.contains("<b>no"),
            "what learners wrote is text"
        );
        assert!(html.contains("$ docker run &#39;&lt;script&gt;&#39;"));
    }

    #[test]
    fn a_report_for_drawing() {
        let mut class = class();
        class.add("y.json", "{}");
        assert!(class.too_large("z.json", MAX_RESULT as u64 + 1));
        let json = serde_json::to_value(class.report()).unwrap();
        let lesson = &json["lessons"][0];
        assert_eq!(lesson["tasks"], serde_json::json!(["pull", "run"]));
        assert_eq!(lesson["stuck"], serde_json::json!([1, 1]));
        assert_eq!(lesson["rows"][2]["cells"][0]["state"], "stuck");
        assert_eq!(lesson["rows"][1]["signed"], "good");
        assert_eq!(json["refused"][0]["file"], "y.json");
        assert_eq!(json["refused"][1]["file"], "z.json");
    }

    #[test]
    fn a_class_is_bounded() {
        let mut class = Class::new(None);
        for n in 0..=MAX_FILES {
            learner(&mut class, &n.to_string(), &[]);
        }
        assert_eq!((class.len(), class.refused().len()), (MAX_FILES, 1));
        for n in 0..2 * MAX_FILES {
            class.refuse(&n.to_string(), "no");
        }
        assert_eq!(class.refused().len(), MAX_FILES);
    }
}
