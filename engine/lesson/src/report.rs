//! What a teacher makes of a class's results: a table, and a page with a heat map of stuck steps and every learner's
//! commands.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::result::{LessonResult, ResultPayload, Signed};
use crate::session::What;

/// One learner's file.
#[derive(Clone, Debug)]
pub struct HandedIn {
    pub file: String,
    pub payload: ResultPayload,
    pub signed: Signed,
}

fn signed(signed: Signed) -> &'static str {
    match signed {
        Signed::Good => "good",
        Signed::Bad => "BAD",
        Signed::Unknown => "unknown",
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

/// A row for each learner and task.
pub fn csv(class: &[HandedIn]) -> String {
    let mut out = String::from(
        "learner,signature,lesson,task,state,seconds,hints,solution shown,points,of points\r\n",
    );
    for (learner, lesson) in lessons(class) {
        for task in &lesson.tasks {
            let seconds = lesson
                .seconds(task)
                .map(|s| s.to_string())
                .unwrap_or_default();
            let row = [
                cell(&learner.payload.learner),
                signed(learner.signed).to_owned(),
                cell(&lesson.lesson),
                cell(task),
                state(lesson, task).to_owned(),
                seconds,
                lesson.count(What::Hint, task).to_string(),
                (lesson.count(What::Solution, task) > 0).to_string(),
                lesson.points.to_string(),
                lesson.of_points.to_string(),
            ];
            out.push_str(&row.join(","));
            out.push_str("\r\n");
        }
    }
    out
}

fn lessons(class: &[HandedIn]) -> impl Iterator<Item = (&HandedIn, &LessonResult)> {
    class.iter().flat_map(|learner| {
        learner
            .payload
            .lessons
            .iter()
            .map(move |lesson| (learner, lesson))
    })
}

fn state(lesson: &LessonResult, task: &str) -> &'static str {
    if lesson.done(task).is_some() {
        "done"
    } else if lesson.count(What::Skipped, task) > 0 {
        "skipped"
    } else if lesson.stuck_at() == Some(task) {
        "stuck"
    } else {
        "open"
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

/// A page that needs no script: for each lesson who did which task, where learners are stuck, and what they entered.
pub fn html(class: &[HandedIn]) -> String {
    let mut out = String::from(HEAD);
    let mut by_lesson: BTreeMap<&str, Vec<(&HandedIn, &LessonResult)>> = BTreeMap::new();
    for (learner, lesson) in lessons(class) {
        by_lesson
            .entry(&lesson.lesson)
            .or_default()
            .push((learner, lesson));
    }
    // Writing to a String can't fail.
    let _ = writeln!(out, "<h1>{} results</h1>", class.len());
    for (name, results) in by_lesson {
        let tasks = results
            .first()
            .map(|(_, lesson)| lesson.tasks.as_slice())
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<table><tr><th>Learner</th>",
            escape(name)
        );
        for task in tasks {
            let _ = write!(out, "<th>{}</th>", escape(task));
        }
        let _ = writeln!(out, "<th>Signature</th></tr>");
        for (learner, lesson) in &results {
            let _ = write!(out, "<tr><th>{}</th>", escape(&learner.payload.learner));
            for task in tasks {
                let state = state(lesson, task);
                let time = lesson
                    .seconds(task)
                    .map(|s| format!(", {s} s"))
                    .unwrap_or_default();
                let hints = match lesson.count(What::Hint, task) {
                    0 => String::new(),
                    n => format!(", {n} hints"),
                };
                let _ = write!(out, "<td class=\"{state}\">{state}{time}{hints}</td>");
            }
            let bad = if learner.signed == Signed::Bad {
                " class=\"bad\""
            } else {
                ""
            };
            let _ = writeln!(out, "<td{bad}>{}</td></tr>", signed(learner.signed));
        }
        let _ = write!(out, "<tr><th>Stuck here</th>");
        for task in tasks {
            let stuck = results
                .iter()
                .filter(|(_, lesson)| lesson.stuck_at() == Some(task))
                .count();
            // From white to orange.
            let heat = 100 - 40 * stuck / results.len().max(1);
            let _ = write!(
                out,
                "<td style=\"background:hsl(24 90% {heat}%)\">{stuck}</td>"
            );
        }
        let _ = writeln!(out, "<td></td></tr></table>");
        for (learner, lesson) in &results {
            let _ = write!(
                out,
                "<details><summary>{}</summary><pre>",
                escape(&learner.payload.learner)
            );
            for entry in &lesson.commands {
                let _ = writeln!(out, "$ {}", escape(&entry.line));
                if let Some(error) = &entry.error {
                    let _ = writeln!(out, "<span class=\"bad\">{}</span>", escape(error));
                }
            }
            let _ = writeln!(out, "</pre></details>");
        }
    }
    out.push_str("</body></html>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Entry;
    use crate::session::Event;

    fn learner(name: &str, done: &[&str]) -> HandedIn {
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
        HandedIn {
            file: "x.json".into(),
            payload: ResultPayload {
                learner: name.into(),
                lessons: vec![lesson],
                version: 1,
                exported: 0,
            },
            signed: Signed::Good,
        }
    }

    #[test]
    fn a_table_and_a_heat_map() {
        let class = [
            learner("Amara, O.", &["pull", "run"]),
            learner("=HYPERLINK(\"x\")", &["pull"]),
            learner("C", &[]),
        ];
        let csv = csv(&class);
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows.len(), 7);
        assert_eq!(
            rows[1],
            "\"Amara, O.\",good,docker/01-run,pull,done,5,0,false,0,0"
        );
        assert!(
            rows[4].starts_with("\"'=HYPERLINK(\"\"x\"\")\",good,docker/01-run,run,stuck,"),
            "{}",
            rows[4]
        );
        let html = html(&class);
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
}
