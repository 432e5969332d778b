//! Markdown of other sites, line by line: what their renderers know beyond Markdown is taken off and told.

use super::Draft;
use crate::markdown;

/// A part of a text.
pub(super) enum Piece {
    Line(u32, String),
    Fence(Fence),
}

/// Fenced code.
pub(super) struct Fence {
    pub line: u32,
    pub indent: String,
    /// What its first line says.
    pub info: String,
    pub text: String,
    /// What stands behind its end.
    pub mark: String,
}

/// The parts of a text whose first line is `first`. Comments are gone.
pub(super) fn pieces(source: &str, first: u32) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut open: Option<(Fence, String)> = None;
    let mut comment = false;
    for (number, line) in (first..).zip(source.lines()) {
        let trimmed = line.trim_start();
        if let Some((fence, marker)) = &mut open {
            let rest = trimmed.strip_prefix(marker.as_str());
            let end = rest.filter(|rest| {
                let rest = rest.trim();
                rest.is_empty() || rest.starts_with('{')
            });
            if let Some(rest) = end {
                fence.mark = rest.trim().to_owned();
                pieces.extend(open.take().map(|(fence, _)| Piece::Fence(fence)));
            } else {
                let inside = line.strip_prefix(fence.indent.as_str()).unwrap_or(trimmed);
                fence.text.push_str(inside);
                fence.text.push('\n');
            }
            continue;
        }
        let line = without_comments(line, &mut comment);
        let trimmed = line.trim_start();
        let ticks = trimmed.len() - trimmed.trim_start_matches(['`', '~']).len();
        let marker = &trimmed[..ticks];
        let info = &trimmed[ticks..];
        if (marker.starts_with("```") || marker.starts_with("~~~")) && !info.contains('`') {
            let indent = line[..line.len() - trimmed.len()].to_owned();
            let fence = Fence {
                line: number,
                indent,
                info: info.trim().to_owned(),
                text: String::new(),
                mark: String::new(),
            };
            open = Some((fence, marker.to_owned()));
        } else {
            pieces.push(Piece::Line(number, line));
        }
    }
    // A fence without an end goes to the end of the text.
    pieces.extend(open.map(|(fence, _)| Piece::Fence(fence)));
    pieces
}

fn without_comments(line: &str, inside: &mut bool) -> String {
    let mut out = String::new();
    let mut rest = line;
    loop {
        let mark = if *inside { "-->" } else { "<!--" };
        let Some(at) = rest.find(mark) else {
            if !*inside {
                out.push_str(rest);
            }
            return out;
        };
        if !*inside {
            out.push_str(&rest[..at]);
        }
        *inside = !*inside;
        rest = &rest[at + mark.len()..];
    }
}

/// Tags that other renderers know. What else stands between `<` and `>` is a placeholder, and text.
const TAGS: [&str; 47] = [
    "a",
    "b",
    "blockquote",
    "br",
    "button",
    "center",
    "code",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "iframe",
    "img",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "script",
    "small",
    "span",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "video",
];

/// A line of text without what only the other site's renderer knows.
pub(super) fn clean(line: &str, file: &str, number: u32, draft: &mut Draft) -> String {
    let line = seen(line, file, number, draft);
    let mut out = String::new();
    for (at, part) in line.split('`').enumerate() {
        if at > 0 {
            out.push('`');
        }
        match at % 2 {
            0 => out.push_str(&plain(part, file, number, draft)),
            _ => out.push_str(part),
        }
    }
    addresses(&out, file, number, draft);
    out
}

/// A whole text without characters that can't be seen; its first line is `first`.
pub(super) fn all_seen(source: &str, file: &str, first: u32, draft: &mut Draft) -> String {
    let mut out = String::with_capacity(source.len());
    for (number, line) in (first..).zip(source.lines()) {
        out.push_str(&seen(line, file, number, draft));
        out.push('\n');
    }
    out
}

/// A text without characters that can't be seen.
pub(super) fn seen(text: &str, file: &str, number: u32, draft: &mut Draft) -> String {
    if !text.chars().any(markdown::hidden) {
        return text.to_owned();
    }
    draft.note(file, number, "characters that can't be seen are taken out");
    text.chars().filter(|c| !markdown::hidden(*c)).collect()
}

fn plain(part: &str, file: &str, number: u32, draft: &mut Draft) -> String {
    let mut out = String::new();
    let mut rest = part;
    while let Some(at) = rest.find(['<', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let took = tag(rest, file, number, draft)
            .or_else(|| attributes(rest, file, number, draft))
            .or_else(|| liquid(rest, file, number, draft));
        let length = took.unwrap_or_else(|| {
            out.push_str(&rest[..1]);
            1
        });
        rest = &rest[length..];
    }
    out + rest
}

/// The length of an HTML tag at the beginning.
fn tag(text: &str, file: &str, number: u32, draft: &mut Draft) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    let end = inside.find('>')?;
    let name = inside[..end].trim_start_matches('/');
    let name = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .next()?
        .to_ascii_lowercase();
    if !TAGS.contains(&name.as_str()) {
        return None;
    }
    let closing = inside.starts_with('/');
    let only_looks = ["br", "p", "center", "font", "span", "div", "hr"].contains(&name.as_str());
    if !closing && !only_looks {
        draft.note(
            file,
            number,
            format!("HTML is not carried over; of <{name}> its text stays"),
        );
    }
    Some(end + 2)
}

/// The length of kramdown's attributes, `{: …}`, at the beginning.
fn attributes(text: &str, file: &str, number: u32, draft: &mut Draft) -> Option<usize> {
    let inside = text.strip_prefix("{:")?;
    let end = inside.find('}')?;
    if !inside[..end].trim_start().starts_with("target") {
        draft.note(
            file,
            number,
            format!(
                "the attributes {{:{}}} are not carried over",
                &inside[..end]
            ),
        );
    }
    Some(end + 3)
}

/// The length of Jekyll's `{% … %}` at the beginning.
fn liquid(text: &str, file: &str, number: u32, draft: &mut Draft) -> Option<usize> {
    let inside = text.strip_prefix("{%")?;
    let end = inside.find("%}")?;
    let word = inside[..end].trim().trim_matches('-').trim();
    if !["raw", "endraw"].contains(&word) {
        draft.note(
            file,
            number,
            format!("Jekyll's `{word}` is not carried over: write here what it makes"),
        );
    }
    Some(end + 4)
}

/// Tells of images and links that the text can't have.
fn addresses(line: &str, file: &str, number: u32, draft: &mut Draft) {
    let mut rest = line;
    let mut before = '\0';
    while let Some(at) = rest.find("](") {
        let opening = rest[..at].rfind('[');
        let image = opening.is_some_and(|open| rest[..open].ends_with('!')) || before == '!';
        let target = &rest[at + 2..];
        let end = target.find([')', ' ']).unwrap_or(target.len());
        let to = &target[..end];
        if image {
            draft.note(file, number, format!("the image {to} is not copied: put it beside the lesson, and write its relative path"));
        } else if to.starts_with('/') || to.starts_with("{{") {
            draft.note(
                file,
                number,
                format!("the link to {to} leads to another page of that site: its text stays"),
            );
        } else if to.starts_with("http://") {
            draft.note(
                file,
                number,
                format!("the link to {to} is without TLS, so that its text stays alone"),
            );
        }
        before = '\0';
        rest = &target[end..];
    }
}

/// Languages whose fences would get a Run button.
const SHELLS: [&str; 5] = ["sh", "shell", "bash", "console", "terminal"];

/// Writes a fence: one that runs, in a terminal, or one that is read.
pub(super) fn fence(fence: &Fence, runs: Option<u32>, file: &str, draft: &mut Draft) {
    let text = &fence.text;
    let named = |c: char| c.is_ascii_alphanumeric() || "+#-_".contains(c);
    let language: String = fence
        .info
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| named(*c))
        .collect();
    let info = match runs {
        Some(1) => "sh".to_owned(),
        Some(terminal) => format!("sh terminal={terminal}"),
        None if SHELLS.contains(&language.to_ascii_lowercase().as_str()) => {
            format!("{language} no-run")
        }
        None if language.starts_with("no-") => String::new(),
        None => language,
    };
    // Longer than any row of them inside.
    let mut marker = String::from("```");
    while text.contains(marker.as_str()) {
        marker.push('`');
    }
    let indent = &fence.indent;
    draft.body.push_str(&format!("{indent}{marker}{info}\n"));
    for line in text.lines() {
        draft.body.push_str(&format!("{indent}{line}\n"));
    }
    draft.body.push_str(&format!("{indent}{marker}\n"));
    if runs.is_some() {
        for (below, line) in (1..).zip(text.lines()) {
            if let Some(why) = absent(line) {
                draft.note(file, fence.line + below, why);
            }
        }
    }
}

/// Why a command of a lesson can't work here, where that is known beforehand.
fn absent(line: &str) -> Option<String> {
    let line = line
        .trim()
        .trim_start_matches("$ ")
        .trim_start_matches("sudo ");
    let words: Vec<&str> = line.split_whitespace().collect();
    let out = |what: &str| {
        Some(format!(
            "`{what}` needs the internet, which this host has not: put what it fetches into `files`, or use an offered image"
        ))
    };
    match words.as_slice() {
        [
            "docker",
            noun @ ("swarm" | "service" | "stack" | "node" | "secret" | "config" | "plugin"),
            ..,
        ] => Some(format!(
            "`docker {noun}` is not supported: this host is no swarm and has no plugins"
        )),
        [
            program @ ("kubectl" | "helm" | "minikube" | "docker-machine" | "systemctl" | "service"
            | "snap"),
            ..,
        ] => Some(format!("there is no `{program}` on this host")),
        [
            program @ ("apt" | "apt-get" | "apk" | "yum" | "dnf" | "pip" | "npm"),
            "install" | "add" | "update" | "upgrade",
            ..,
        ] => Some(format!(
            "`{program}` has nothing to install from on this host"
        )),
        ["git", "clone", ..] => out("git clone"),
        ["curl" | "wget" | "ssh" | "scp", ..]
            if line.contains("https://") || line.contains("ssh ") =>
        {
            out(words[0])
        }
        _ => None,
    }
}

/// A list's item with a box, `- [x] text` or `- (x) text`: what stands before the box, whether it is ticked, the text,
/// and whether the box is a round one.
pub(super) fn boxed(line: &str) -> Option<(&str, bool, &str, bool)> {
    let trimmed = line.trim_start();
    let item = trimmed.strip_prefix(['-', '*', '+'])?;
    let inside = item.trim_start();
    if inside.len() == item.len() {
        return None;
    }
    let open = inside.chars().next().filter(|c| "[(".contains(*c))?;
    let close = if open == '[' { ']' } else { ')' };
    let mut chars = inside.chars().skip(1);
    let mark = chars.next()?;
    let ticked = match mark {
        'x' | 'X' => true,
        ' ' => false,
        _ => return None,
    };
    (chars.next()? == close).then_some(())?;
    let indent = &line[..line.len() - trimmed.len()];
    let text = inside.get(3..)?;
    text.starts_with(' ')
        .then_some((indent, ticked, text.trim(), open == '('))
}

/// A heading's level and text.
pub(super) fn heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let text = text.strip_prefix([' ', '\t'])?;
    (1..=6)
        .contains(&level)
        .then(|| (level, text.trim().trim_end_matches('#').trim()))
}

/// The last command of a fence that stands on one line by itself, as a check's pattern.
pub(super) fn command_of(text: &str) -> Option<String> {
    let session = text.lines().any(|line| line.starts_with("$ "));
    let mut last = None;
    let mut continued = false;
    let mut until: Option<String> = None;
    for line in text.lines() {
        if let Some(end) = &until {
            if line.trim() == end {
                until = None;
            }
            continue;
        }
        let command = match session {
            true => line.strip_prefix("$ ").unwrap_or_default(),
            false => line,
        };
        let whole = !continued && !command.ends_with('\\') && !command.contains("<<");
        continued = command.ends_with('\\');
        if let Some((_, word)) = command.split_once("<<") {
            until = Some(
                word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .to_owned(),
            );
        }
        let command = command.trim();
        if whole && !command.is_empty() && !command.starts_with('#') && command.len() < 500 {
            last = Some(placeholders(command));
        }
    }
    last
}

/// `<container ID>` is for the learner to fill in.
fn placeholders(command: &str) -> String {
    let mut out = String::new();
    let mut rest = command;
    while let Some(at) = rest.find('<') {
        let inside = &rest[at + 1..];
        let Some(end) = inside.find('>').filter(|end| {
            let name = &inside[..*end];
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || " -_".contains(c))
                && !name.starts_with(' ')
        }) else {
            out.push_str(&rest[..at + 1]);
            rest = inside;
            continue;
        };
        out.push_str(&rest[..at]);
        out.push('*');
        rest = &inside[end + 1..];
    }
    out + rest
}

/// How long a text takes: a minute for 150 words and for two commands.
pub(super) fn minutes(words: usize, fences: usize) -> usize {
    (words / 150 + fences.div_ceil(2)).max(1)
}
