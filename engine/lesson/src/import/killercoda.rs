//! Scenarios of Killercoda (and Katacoda before it): a directory with an index.json, Markdown for an introduction, steps
//! and an end, scripts that prepare and verify, and marks behind code, `{{exec}}` and `{{copy}}`.

use std::collections::BTreeMap;

use super::details::{Details, Folded};
use super::text::{self, Fence, Piece};
use super::{Draft, DraftCheck, DraftTask, Imported};
use crate::error::{LessonError, Result};
use crate::markdown;
use crate::yaml::{self, Entry, Node, Value};

/// Where scripts and what they need are put.
const PLACE: &str = "/opt/scenario";
/// Characters of a folded part that still is a hint.
const MAX_HINT: usize = 600;

/// Makes a lesson of a scenario's files, by their paths below its directory.
pub fn killercoda(files: &BTreeMap<String, Vec<u8>>) -> Result<Imported> {
    let index = files
        .get("index.json")
        .ok_or_else(|| LessonError::new(1, "there is no index.json in this directory"))?;
    let index =
        std::str::from_utf8(index).map_err(|_| LessonError::new(1, "index.json is not UTF-8"))?;
    let mut import = Import {
        files,
        draft: Draft {
            level: "beginner",
            ..Draft::default()
        },
        words: 0,
        fences: 0,
    };
    // JSON is YAML, and this reader knows its lines.
    for entry in yaml::parse(index, 1)?.entries("index.json")? {
        import.top(entry)?;
    }
    let Import {
        mut draft,
        words,
        fences,
        ..
    } = import;
    if draft.title.is_empty() {
        return Err(LessonError::new(1, "index.json has no `title`"));
    }
    if draft.tasks.is_empty() {
        return Err(LessonError::new(
            1,
            "no step has a `verify` script or a command to click, so there is nothing to do",
        ));
    }
    if draft.summary.is_empty() {
        draft.summary = draft.title.clone();
    }
    if draft.minutes == 0 {
        draft.minutes = text::minutes(words, fences);
        let minutes = draft.minutes;
        draft.note(
            "index.json",
            1,
            format!("how long it takes is guessed: {minutes} minutes"),
        );
    }
    Ok(draft.finish())
}

struct Import<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    draft: Draft,
    words: usize,
    fences: usize,
}

/// A part of a scenario: the introduction, a step, the end.
#[derive(Default)]
struct Part {
    line: u32,
    title: String,
    text: Option<(u32, String)>,
    verify: Option<(u32, String)>,
}

/// What stands behind code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Exec,
    Copy,
    None,
}

impl Import<'_> {
    fn note(&mut self, line: u32, message: impl Into<String>) {
        self.draft.note("index.json", line, message);
    }

    fn top(&mut self, entry: Entry) -> Result<()> {
        let line = entry.line;
        match entry.key.as_str() {
            "title" => {
                let title = entry.node.text("title")?;
                self.draft.title = text::seen(title.trim(), "index.json", line, &mut self.draft);
            }
            "description" => {
                let words = entry.node.text("description")?;
                let words = text::seen(&words, "index.json", line, &mut self.draft);
                self.draft.summary = words.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            "difficulty" => {
                self.draft.level =
                    match entry.node.text("difficulty")?.to_ascii_lowercase().as_str() {
                        "intermediate" | "medium" => "intermediate",
                        "advanced" | "hard" => "advanced",
                        _ => "beginner",
                    };
            }
            "time" => {
                let time = entry.node.text("time")?;
                let number: String = time.chars().take_while(char::is_ascii_digit).collect();
                self.draft.minutes = number.parse().unwrap_or_default();
            }
            "details" => self.details(entry.node)?,
            "backend" => {
                for entry in entry.node.entries("backend")? {
                    if let ("imageid", Value::Text(image)) = (entry.key.as_str(), &entry.node.value)
                    {
                        let what = match image.contains("kube") {
                            true => "there is no Kubernetes on this host",
                            false => {
                                "this host is a small Linux with Docker: no apt, no systemd, and `sh` is busybox's"
                            }
                        };
                        self.note(
                            entry.line,
                            format!("it was made for the machine `{image}`; {what}"),
                        );
                    }
                }
            }
            "interface" | "environment" => self.note(
                line,
                format!(
                    "`{}` is not carried over: the page has its own panes",
                    entry.key
                ),
            ),
            other => self.note(line, format!("`{other}` is not carried over")),
        }
        Ok(())
    }

    fn details(&mut self, node: Node) -> Result<()> {
        let mut entries = node.entries("details")?;
        let mut take = |key: &str| {
            let at = entries.iter().position(|entry| entry.key == key)?;
            Some(entries.remove(at))
        };
        let (assets, intro, steps, finish) =
            (take("assets"), take("intro"), take("steps"), take("finish"));
        for entry in entries {
            self.note(entry.line, format!("`{}` is not carried over", entry.key));
        }
        if let Some(assets) = assets {
            self.assets(assets.node)?;
        }
        if let Some(intro) = intro {
            let part = self.part(intro.node, true)?;
            self.step(part, false)?;
        }
        for step in steps.map_or(Ok(Vec::new()), |steps| steps.node.list("steps"))? {
            let part = self.part(step, false)?;
            self.step(part, true)?;
        }
        if let Some(finish) = finish {
            let part = self.part(finish.node, false)?;
            self.step(part, false)?;
        }
        Ok(())
    }

    /// Reads a part. Scripts of the introduction prepare the host.
    fn part(&mut self, node: Node, first: bool) -> Result<Part> {
        let mut part = Part {
            line: node.line,
            ..Part::default()
        };
        for entry in node.entries("a step")? {
            let (line, key) = (entry.line, entry.key);
            match key.as_str() {
                "title" => part.title = entry.node.text("title")?,
                "text" => part.text = Some((line, entry.node.text("text")?)),
                "verify" => part.verify = Some((line, entry.node.text("verify")?)),
                "foreground" | "background" | "courseData" | "code" if first => {
                    let path = entry.node.text("a script")?;
                    if let Some(run) = self.script(&path, line) {
                        self.draft.start.push(run);
                        self.note(line, format!("{path} runs before the learner begins, out of sight and to its end"));
                    }
                }
                "foreground" | "background" | "courseData" | "code" => self.note(
                    line,
                    format!("`{key}` of a later step is not carried over: a lesson prepares its host once, in `start`"),
                ),
                other => self.note(line, format!("`{other}` of a step is not carried over")),
            }
        }
        Ok(part)
    }

    /// A file of the scenario as text. Paths don't leave its directory: there are no others in the map.
    fn text_of(&mut self, path: &str, line: u32) -> Option<String> {
        let Some(bytes) = self.files.get(path.trim_start_matches("./")) else {
            self.note(line, format!("there is no file {path}"));
            return None;
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text.replace("\r\n", "\n")),
            Err(_) => {
                self.note(line, format!("{path} is not text, and is not carried over"));
                None
            }
        }
    }

    /// Puts a script on the host; how it is run.
    fn script(&mut self, path: &str, line: u32) -> Option<String> {
        let text = self.text_of(path, line)?;
        let path = path.trim_start_matches("./");
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        if !path.bytes().all(plain) {
            self.note(line, format!("the name of {path} has more than letters, digits and -_./: it is not carried over"));
            return None;
        }
        let first = text.lines().next().unwrap_or_default();
        if first.starts_with("#!") && !first.ends_with("/sh") {
            self.draft.note(
                path,
                1,
                format!(
                    "`{}` is run by busybox's sh here: what only bash knows fails",
                    first.trim()
                ),
            );
        }
        let place = format!("{PLACE}/{path}");
        if !self.draft.files.iter().any(|(known, _)| *known == place) {
            self.draft.files.push((place.clone(), text));
        }
        Some(format!("sh {place}"))
    }

    fn assets(&mut self, node: Node) -> Result<()> {
        for host in node.entries("assets")? {
            if host.key != "host01" {
                self.note(
                    host.line,
                    format!(
                        "files for {} are not carried over: there is one host",
                        host.key
                    ),
                );
                continue;
            }
            for asset in host.node.list("files")? {
                let line = asset.line;
                let fields = asset.pairs("a file")?;
                let get = |key: &str| {
                    fields
                        .iter()
                        .find(|(known, _)| known == key)
                        .map(|(_, value)| value.as_str())
                };
                let (Some(file), Some(target)) = (get("file"), get("target")) else {
                    self.note(
                        line,
                        "a file without `file` and `target` is not carried over",
                    );
                    continue;
                };
                let target = match target.strip_prefix('~') {
                    Some(rest) => format!("/root{rest}"),
                    None => target.to_owned(),
                };
                if file.contains('*') {
                    self.note(
                        line,
                        format!("`{file}` stands for several files: write each into `files`"),
                    );
                    continue;
                }
                let Some(text) = self.text_of(&format!("assets/{file}"), line) else {
                    continue;
                };
                let name = file.rsplit('/').next().unwrap_or(file);
                let place = format!("{}/{name}", target.trim_end_matches('/'));
                let safe = |text: &str| {
                    text.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_./+=,".contains(&b))
                };
                if !safe(&place) || place.split('/').any(|part| part == "..") {
                    self.note(
                        line,
                        format!("{place} is no plain path: it is not carried over"),
                    );
                    continue;
                }
                match get("chmod") {
                    Some(mode) if safe(mode) => {
                        self.draft.start.push(format!("chmod {mode} {place}"))
                    }
                    Some(mode) => self.note(line, format!("the mode `{mode}` is not carried over")),
                    None => {}
                }
                self.draft.files.push((place, text));
            }
        }
        Ok(())
    }

    fn step(&mut self, part: Part, is_step: bool) -> Result<()> {
        if !part.title.is_empty() {
            let title = text::clean(&part.title, "index.json", part.line, &mut self.draft);
            self.draft.body.push_str(&format!("\n## {title}\n\n"));
        }
        let mut folded = Folded::default();
        let (mut file, mut command, mut last) = (String::new(), None, part.line);
        if let Some((line, path)) = &part.text
            && let Some(source) = self.text_of(path, *line)
        {
            file = path.trim_start_matches("./").to_owned();
            last = source.lines().count() as u32;
            command = self.prose(&file, &source, &mut folded);
        }
        if !is_step {
            if let Some((line, path)) = part.verify {
                self.note(
                    line,
                    format!("{path} is not carried over: only steps are verified"),
                );
            }
            return Ok(());
        }
        let check = match part.verify {
            Some((line, path)) => self.script(&path, line).map(|run| {
                self.note(line, format!("the task runs {path}, which can't say what is missing: a check of the host's state is better"));
                DraftCheck::Runs(run)
            }),
            None => None,
        };
        let check = match (check, command.clone()) {
            (Some(check), _) => check,
            (None, Some(command)) => {
                self.note(
                    part.line,
                    "a step without `verify`: its task asks for its last command",
                );
                DraftCheck::Entered(command)
            }
            (None, None) => return Ok(()),
        };
        let mut solution = folded.solution;
        if solution.is_none() && command.is_none() {
            self.note(
                part.line,
                "the step shows no commands: write the task's `solution`",
            );
            solution = Some("# Write here what solves it.\n".into());
        }
        let title = match part.title.is_empty() {
            true => "Do what this step says".to_owned(),
            false => part.title.replace('`', ""),
        };
        let title = text::seen(&title, "index.json", part.line, &mut self.draft);
        let task = DraftTask {
            title,
            check,
            hints: folded.hints,
            solution,
            ..DraftTask::default()
        };
        let file = if file.is_empty() {
            "index.json".to_owned()
        } else {
            file
        };
        self.draft.task(task, &file, last);
        Ok(())
    }

    /// Writes a part's text; its last command.
    fn prose(&mut self, file: &str, source: &str, folded: &mut Folded) -> Option<String> {
        let mut writing = Writing::default();
        let mut open: Option<Details> = None;
        let source = text::all_seen(source, file, 1, &mut self.draft);
        for piece in text::pieces(&source, 1) {
            let lower = match &piece {
                Piece::Line(_, line) => line.to_ascii_lowercase(),
                Piece::Fence(_) => String::new(),
            };
            if open.is_none() && lower.contains("<details") {
                open = Some(Details::default());
            }
            let Some(details) = &mut open else {
                self.piece(piece, file, &mut writing);
                continue;
            };
            details.pieces.push(piece);
            if lower.contains("</details") {
                let details = open.take().unwrap_or_default();
                self.details_part(details, file, folded, &mut writing);
            }
        }
        if let Some(details) = open {
            self.details_part(details, file, folded, &mut writing);
        }
        self.flush(&mut writing.waiting, file);
        writing.command
    }

    /// What was folded away: a solution, a hint, or text.
    fn details_part(
        &mut self,
        details: Details,
        file: &str,
        folded: &mut Folded,
        writing: &mut Writing,
    ) {
        let (line, name, pieces) = details.open();
        let kind = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
        if has(&["solution", "answer"]) {
            let fences: Vec<(&Fence, Mark)> = pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Fence(fence) => Some((fence, self.mark(&fence.mark, file, fence.line))),
                    Piece::Line(..) => None,
                })
                .collect();
            let run = fences.iter().any(|(_, mark)| *mark == Mark::Exec);
            let text: String = fences
                .iter()
                .filter(|(_, mark)| !run || *mark == Mark::Exec)
                .map(|(fence, _)| fence.text.as_str())
                .collect();
            if !text.trim().is_empty() {
                let before = folded.solution.take().unwrap_or_default();
                folded.solution = Some(before + &text);
                self.draft.note(file, line, format!("the commands under “{name}” are the task's solution, all of them in a row; the words between them are not carried over"));
                return;
            }
        }
        if has(&["tip", "hint"]) {
            let mut words = String::new();
            for piece in &pieces {
                match piece {
                    Piece::Line(number, line) => {
                        words.push_str(&text::clean(line, file, *number, &mut self.draft))
                    }
                    Piece::Fence(fence) => words.push_str(&fence.text),
                }
                words.push(' ');
            }
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            if !words.is_empty()
                && words.chars().count() <= MAX_HINT
                && markdown::inline(&words, line).is_ok()
            {
                folded.hints.push(words);
                return;
            }
        }
        self.draft.note(
            file,
            line,
            format!("“{name}” was folded away, and stands open here"),
        );
        if !name.is_empty() {
            let name = text::clean(&name, file, line, &mut self.draft);
            self.draft
                .body
                .push_str(&format!("\n**{}**\n\n", name.trim()));
        }
        for piece in pieces {
            self.piece(piece, file, writing);
        }
    }

    fn piece(&mut self, piece: Piece, file: &str, writing: &mut Writing) {
        match piece {
            Piece::Fence(fence) => {
                let mark = self.mark(&fence.mark, file, fence.line);
                self.flush(&mut writing.waiting, file);
                if mark == Mark::Exec {
                    self.fences += 1;
                    writing.command = text::command_of(&fence.text).or(writing.command.take());
                }
                text::fence(
                    &fence,
                    (mark == Mark::Exec).then_some(1),
                    file,
                    &mut self.draft,
                );
            }
            Piece::Line(number, line) => {
                self.words += line.split_whitespace().count();
                let line = self.inline(&line, file, number, &mut writing.waiting);
                if let Some(last) = writing.waiting.last() {
                    writing.command = text::command_of(&last.text).or(writing.command.take());
                }
                if line.trim().is_empty() {
                    self.flush(&mut writing.waiting, file);
                }
                let line = match text::boxed(&line) {
                    Some((indent, _, item, _)) => {
                        self.draft.note(
                            file,
                            number,
                            "a list with boxes would be a quiz: its boxes are taken off",
                        );
                        format!("{indent}- {item}")
                    }
                    None => line,
                };
                let line = text::clean(&line, file, number, &mut self.draft);
                let line = match text::heading(&line) {
                    // Below the step's own title.
                    Some((level, title)) => format!("{} {title}", "#".repeat((level + 2).min(6))),
                    None => line,
                };
                self.draft.body.push_str(&line);
                self.draft.body.push('\n');
            }
        }
    }

    fn flush(&mut self, waiting: &mut Vec<Fence>, file: &str) {
        for fence in waiting.drain(..) {
            self.draft.body.push('\n');
            text::fence(&fence, Some(1), file, &mut self.draft);
        }
    }

    fn mark(&mut self, mark: &str, file: &str, line: u32) -> Mark {
        let Some(inside) = mark.strip_prefix("{{").and_then(|m| m.split("}}").next()) else {
            return Mark::None;
        };
        let mut words = inside.split_whitespace();
        let first = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        if !rest.is_empty() && matches!(first, "exec" | "execute") {
            self.draft.note(file, line, format!("`{{{{{inside}}}}}` runs like any other here: what still runs is not interrupted, and there is one terminal and one host"));
        }
        match first {
            "exec" | "execute" => Mark::Exec,
            "copy" => Mark::Copy,
            "" => Mark::None,
            other => {
                self.draft.note(
                    file,
                    line,
                    format!("the mark `{{{{{other}}}}}` is not carried over"),
                );
                Mark::None
            }
        }
    }

    /// Takes marks off a line; commands that they make wait for the end of the paragraph.
    fn inline(&mut self, line: &str, file: &str, number: u32, waiting: &mut Vec<Fence>) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) = rest.find("{{") {
            let before = &rest[..at];
            let Some(end) = rest[at..].find("}}") else {
                break;
            };
            let inside = &rest[at + 2..at + end];
            out.push_str(before);
            rest = &rest[at + end + 2..];
            if let Some(port) = inside
                .strip_prefix("TRAFFIC_HOST")
                .and_then(|t| t.split_once('_'))
            {
                let port: String = port.1.chars().filter(char::is_ascii_digit).collect();
                self.draft.note(file, number, format!("port {port} is shown in the page's preview: say so, as there is no address to link to"));
                out.push_str(&format!("http://localhost:{port}"));
            } else if inside.starts_with("TRAFFIC_SELECTOR") {
                self.draft.note(file, number, "published ports are shown in the page's preview: say so, as there is no address to link to");
                out.push('#');
            } else if let Some(code) = before.strip_suffix('`').and_then(|b| b.rsplit_once('`')) {
                if self.mark(&format!("{{{{{inside}}}}}"), file, number) == Mark::Exec {
                    self.fences += 1;
                    waiting.push(Fence {
                        line: number,
                        indent: String::new(),
                        info: String::new(),
                        text: format!("{}\n", code.1),
                        mark: String::new(),
                    });
                }
            } else {
                // No mark: Go's templates look the same.
                out.push_str(&format!("{{{{{inside}}}}}"));
            }
        }
        out + rest
    }
}

/// What a part's text has come to.
#[derive(Default)]
struct Writing {
    command: Option<String>,
    /// Commands from the middle of a sentence, which come after it.
    waiting: Vec<Fence>,
}
