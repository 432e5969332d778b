//! A draft as a lesson's file.

use super::{Draft, DraftCheck};

pub(super) fn lesson(draft: &Draft) -> String {
    let mut out = String::from("---\n");
    let mut row = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    row(format!("title: {}", scalar(&cut(&draft.title, 300))));
    row(format!("summary: {}", scalar(&cut(&draft.summary, 300))));
    row(format!("level: {}", draft.level));
    row(format!("minutes: {}", draft.minutes.clamp(1, 240)));
    if !draft.files.is_empty() {
        row("files:".into());
        for (path, text) in &draft.files {
            row(format!("  {}: {}", scalar(path), block(text, 4)));
        }
    }
    if !draft.start.is_empty() {
        row("start:".into());
        for line in &draft.start {
            row(format!("  - {}", scalar(line)));
        }
    }
    row("tasks:".into());
    for task in &draft.tasks {
        row(format!("  {}:", task.id));
        row(format!("    title: {}", scalar(&cut(&task.title, 300))));
        row("    check:".into());
        let check = match &task.check {
            DraftCheck::Entered(like) => format!("command: {}", scalar(like)),
            DraftCheck::Runs(line) => format!("run: {}", scalar(line)),
        };
        row(format!("      - {check}"));
        if matches!(task.check, DraftCheck::Runs(_)) {
            row(format!("        says: {}", scalar(&cut(&task.title, 300))));
        }
        if !task.hints.is_empty() {
            row("    hints:".into());
            for hint in &task.hints {
                row(format!("      - {}", scalar(hint)));
            }
        }
        if let Some(solution) = &task.solution {
            row(format!("    solution: {}", block(solution, 6)));
        }
    }
    row("---".into());
    row(String::new());
    row(format!("# {}", draft.title));
    row(String::new());
    let mut blank = true;
    for line in draft.body.trim().lines() {
        let empty = line.trim().is_empty();
        if !(empty && blank) {
            row(line.to_owned());
        }
        blank = empty;
    }
    out
}

fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// A text in quotation marks: what JSON calls a string, YAML calls one, too.
fn scalar(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text of several lines as an author would write it, where YAML allows that.
fn block(text: &str, indent: usize) -> String {
    let plain = text.ends_with('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\n', '\t'])
        && text.lines().count() > 1
        && !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t');
    if !plain {
        return scalar(text);
    }
    let mut out = String::from("|");
    for line in text.lines() {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
    out
}
