//! Pages of Play with Docker's classroom: Jekyll's Markdown, where a fence ` ```.term1` types itself into the first
//! terminal when it is clicked, and a list behind `{:.quiz}` is a question.

use super::text::{self, Piece};
use super::{Draft, DraftCheck, DraftTask, Imported};
use crate::error::{LessonError, Result};
use crate::yaml::{self, Value};

/// A section whose fences run.
struct Section {
    title: String,
    command: Option<String>,
}

/// Makes a lesson of a page. `name` is what notes call its file.
pub fn pwd(name: &str, source: &str) -> Result<Imported> {
    let source = source.replace("\r\n", "\n");
    let source = source.strip_prefix('\u{feff}').unwrap_or(&source);
    let mut draft = Draft {
        level: "beginner",
        ..Draft::default()
    };
    let (front, body, first) = halves(source)?;
    read_front(&front, name, &mut draft)?;
    let mut section = Section {
        title: draft.title.clone(),
        command: None,
    };
    let (mut words, mut fences) = (0, 0);
    let mut quiz: Option<Quiz> = None;
    let body = text::all_seen(body, name, first, &mut draft);
    for piece in &text::pieces(&body, first) {
        match piece {
            Piece::Fence(fence) => {
                if let Some(quiz) = quiz.take() {
                    quiz.write(name, &mut draft);
                }
                let terminal = terminal(&fence.info);
                if let Some(terminal) = terminal {
                    fences += 1;
                    if let Some(command) = text::command_of(&fence.text) {
                        section.command = Some(command);
                    }
                    if terminal > 9 {
                        draft.note(
                            name,
                            fence.line,
                            "terminals are numbered from 1 to 9; this fence runs in the ninth",
                        );
                    }
                }
                text::fence(fence, terminal.map(|n| n.clamp(1, 9)), name, &mut draft);
            }
            Piece::Line(number, line) => {
                if line.trim().starts_with("{:.quiz}") || line.trim() == "{: .quiz}" {
                    if let Some(quiz) = quiz.take() {
                        quiz.write(name, &mut draft);
                    }
                    quiz = Some(Quiz::new(*number));
                    continue;
                }
                if let Some(open) = &mut quiz {
                    let answer = text::boxed(line)
                        .map(|(_, right, text, round)| (right, text.to_owned(), round));
                    if let Some((right, answer, round)) = answer {
                        let answer = text::clean(&answer, name, *number, &mut draft);
                        open.round |= round;
                        open.answers.push((right, answer));
                        continue;
                    }
                    if !open.answers.is_empty()
                        && !line.trim().is_empty()
                        && let Some(quiz) = quiz.take()
                    {
                        quiz.write(name, &mut draft);
                    }
                }
                words += line.split_whitespace().count();
                if let Some((level, title)) = text::heading(line) {
                    end_section(&mut section, name, *number, &mut draft);
                    let title = text::clean(title, name, *number, &mut draft);
                    section.title = plain(&title);
                    // The page's title is the only one of its level.
                    draft
                        .body
                        .push_str(&format!("\n{} {title}\n", "#".repeat(level.max(2))));
                    continue;
                }
                let line = match text::boxed(line) {
                    Some((indent, _, item, _)) => {
                        draft.note(
                            name,
                            *number,
                            "a list with boxes that is no quiz: its boxes are taken off",
                        );
                        format!("{indent}- {item}")
                    }
                    None => line.clone(),
                };
                let line = text::clean(&line, name, *number, &mut draft);
                if draft.summary.is_empty() {
                    draft.summary = first_sentence(&line);
                }
                draft.body.push_str(&line);
                draft.body.push('\n');
            }
        }
    }
    if let Some(quiz) = quiz.take() {
        quiz.write(name, &mut draft);
    }
    let last = first + body.lines().count() as u32;
    end_section(&mut section, name, last, &mut draft);
    if draft.tasks.is_empty() {
        return Err(LessonError::new(
            first,
            "there is no fence to click (```.term1), so there is nothing to do in this page",
        ));
    }
    if draft.summary.is_empty() {
        draft.summary = draft.title.clone();
    }
    if draft.minutes == 0 {
        draft.minutes = text::minutes(words, fences);
        let minutes = draft.minutes;
        draft.note(
            name,
            1,
            format!("how long it takes is guessed: {minutes} minutes"),
        );
    }
    draft.note(name, 1, "the page checks nothing: each section's task asks for its last command. A check of what is then true of the host is better");
    Ok(draft.finish())
}

fn halves(source: &str) -> Result<(String, &str, u32)> {
    let missing = || {
        LessonError::new(
            1,
            "a page of Play with Docker begins with a line `---`, its front matter, and another `---`",
        )
    };
    let rest = source.strip_prefix("---\n").ok_or_else(missing)?;
    let end = rest.find("\n---").ok_or_else(missing)?;
    let front = rest[..end + 1].to_owned();
    let body = rest[end + 4..]
        .split_once('\n')
        .map_or("", |(_, body)| body);
    let first = 3 + front.matches('\n').count() as u32;
    Ok((front, body, first))
}

fn read_front(front: &str, name: &str, draft: &mut Draft) -> Result<()> {
    for entry in yaml::parse(front, 2)?.entries("the front matter")? {
        let texts = match entry.node.value {
            Value::Text(text) => vec![text],
            Value::List(nodes) => nodes
                .into_iter()
                .filter_map(|node| node.text("it").ok())
                .collect(),
            _ => Vec::new(),
        };
        match entry.key.as_str() {
            "title" => {
                let title = texts.join(" ");
                draft.title = plain(&text::seen(title.trim(), name, entry.line, draft));
            }
            "description" => draft.summary = first_sentence(&texts.join(" ")),
            "categories" | "tags" | "level" => {
                for word in texts.iter().flat_map(|text| text.split([' ', ','])) {
                    match word.to_ascii_lowercase().as_str() {
                        "intermediate" => draft.level = "intermediate",
                        "advanced" | "expert" => draft.level = "advanced",
                        _ => {}
                    }
                }
            }
            "image" | "stack" | "windows" => draft.note(
                name,
                entry.line,
                format!(
                    "`{}` asks for another kind of host: this one is Linux, with Docker",
                    entry.key
                ),
            ),
            // What a blog wants, and how many terminals there are, which fences say themselves.
            _ => {}
        }
    }
    if draft.title.is_empty() {
        return Err(LessonError::new(2, "the front matter has no `title`"));
    }
    Ok(())
}

/// The terminal of ` ```.term2`.
fn terminal(info: &str) -> Option<u32> {
    let word = info.split_whitespace().next()?;
    let number = word.trim_start_matches(['{', '.']).strip_prefix("term")?;
    number.trim_end_matches('}').parse().ok()
}

fn end_section(section: &mut Section, name: &str, line: u32, draft: &mut Draft) {
    let Some(command) = section.command.take() else {
        return;
    };
    let title = match section.title.is_empty() {
        true => command.clone(),
        false => section.title.clone(),
    };
    let task = DraftTask {
        title,
        check: DraftCheck::Entered(command),
        ..DraftTask::default()
    };
    draft.task(task, name, line);
}

/// A heading without its marks, for a title.
fn plain(text: &str) -> String {
    text.replace(['*', '_'], "").trim().to_owned()
}

/// What a summary may be made of; nothing of a line that is no text.
fn first_sentence(line: &str) -> String {
    let line = line.trim();
    if !line.starts_with(|c: char| c.is_alphabetic()) {
        return String::new();
    }
    match line.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => line.to_owned(),
    }
}

/// A question that is being read.
struct Quiz {
    line: u32,
    answers: Vec<(bool, String)>,
    round: bool,
}

impl Quiz {
    fn new(line: u32) -> Quiz {
        Quiz {
            line,
            answers: Vec::new(),
            round: false,
        }
    }

    fn write(self, name: &str, draft: &mut Draft) {
        let right = self.answers.iter().filter(|(right, _)| *right).count();
        let boxes = right > 0 && right < self.answers.len();
        if !boxes {
            draft.note(
                name,
                self.line,
                "a quiz needs a right answer and a wrong one; this one is a plain list",
            );
        } else if self.round && right > 1 {
            draft.note(name, self.line, "one answer could be chosen there, and several are right: here all of them must be chosen");
        } else if !self.round && right == 1 {
            draft.note(
                name,
                self.line,
                "several answers could be chosen there; here it is one, as one is right",
            );
        }
        draft.body.push('\n');
        for (right, text) in &self.answers {
            let mark = match (boxes, right) {
                (false, _) => "",
                (true, true) => "[x] ",
                (true, false) => "[ ] ",
            };
            draft.body.push_str(&format!("- {mark}{text}\n"));
        }
        draft.body.push('\n');
    }
}
