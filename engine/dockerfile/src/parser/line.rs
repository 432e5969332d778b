//! The arguments of one instruction, by keyword.

use super::words::{is_blank, split_blank, split_command, split_words};
use super::{Argument, Node};
use crate::error::{Error, Result};
use crate::{goform, limits};

/// Parses one logical line.
pub(super) fn parse_line(line: &str, escape: char, depth: usize) -> Result<Node> {
    let (keyword, flags, rest) = split_command(line);
    let mut node = Node {
        keyword: keyword.to_owned(),
        original: line.to_owned(),
        flags,
        ..Node::default()
    };
    match keyword.to_ascii_lowercase().as_str() {
        "add" | "copy" | "volume" => maybe_json(&mut node, rest, true)?,
        "cmd" | "entrypoint" | "run" | "shell" => maybe_json(&mut node, rest, false)?,
        "arg" => node.arguments = split_words(rest, escape).into_iter().map(text).collect(),
        "env" => node.arguments = name_values(rest, "ENV", escape)?,
        "label" => node.arguments = name_values(rest, "LABEL", escape)?,
        "expose" | "from" => node.arguments = blank_separated(rest),
        "maintainer" | "stopsignal" | "user" | "workdir" if !rest.is_empty() => {
            node.arguments = vec![text(rest)];
        }
        "healthcheck" => healthcheck(&mut node, rest)?,
        "onbuild" if !rest.is_empty() => {
            if depth >= limits::ONBUILD_DEPTH {
                return Err(Error::new(
                    "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
                ));
            }
            let nested = parse_line(rest, escape, depth + 1)?;
            node.arguments = vec![Argument::Nested(Box::new(nested))];
        }
        // Unknown keywords keep an empty argument, as in BuildKit's tree; their instruction is refused later.
        keyword if !is_keyword(keyword) => node.arguments = vec![text("")],
        _ => {}
    }
    Ok(node)
}

fn is_keyword(word: &str) -> bool {
    crate::instruction::KEYWORDS.contains(&word)
}

fn text(s: impl Into<String>) -> Argument {
    Argument::Text(s.into())
}

fn blank_separated(rest: &str) -> Vec<Argument> {
    if rest.is_empty() {
        return Vec::new();
    }
    rest.split(is_blank)
        .filter(|w| !w.is_empty())
        .map(text)
        .collect()
}

/// `NAME=value …`, or the old `NAME value`. Three arguments each: name, value, and the separator or "".
fn name_values(rest: &str, keyword: &str, escape: char) -> Result<Vec<Argument>> {
    let words = split_words(rest, escape);
    let Some(first) = words.first() else {
        return Ok(Vec::new());
    };
    if !first.contains('=') {
        let (name, value) = split_blank(rest);
        let value =
            value.ok_or_else(|| Error::new(format!("{keyword} must have two arguments")))?;
        return Ok(vec![text(name), text(value), text("")]);
    }
    let mut out = Vec::new();
    for word in &words {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            Error::new(format!(
                "Syntax error - can't find = in {}. Must be of the form: name=value",
                goform::quote(word)
            ))
        })?;
        out.extend([text(name), text(value), text("=")]);
    }
    Ok(out)
}

fn maybe_json(node: &mut Node, rest: &str, list: bool) -> Result<()> {
    if rest.is_empty() {
        return Ok(());
    }
    match json_strings(rest)? {
        Some(strings) => {
            node.json = true;
            node.arguments = strings.into_iter().map(text).collect();
        }
        None if list => node.arguments = blank_separated(rest),
        None => node.arguments = vec![text(rest)],
    }
    Ok(())
}

/// Reads a JSON array of strings; `None` when it is not JSON at all (then it is shell form).
///
/// # Errors
/// An array with something else than strings in it.
pub fn json_strings(rest: &str) -> Result<Option<Vec<String>>> {
    let rest = rest.trim_start();
    if !rest.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(rest) else {
        return Ok(None);
    };
    values
        .into_iter()
        .map(|value| match value {
            serde_json::Value::String(s) => Ok(s),
            _ => Err(Error::new(
                "when using JSON array syntax, arrays must be comprised of strings only",
            )),
        })
        .collect::<Result<Vec<_>>>()
        .map(Some)
}

/// `HEALTHCHECK NONE` or `HEALTHCHECK CMD …`, the command in either form.
fn healthcheck(node: &mut Node, rest: &str) -> Result<()> {
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    if end == 0 {
        return Ok(());
    }
    let (kind, command) = rest.split_at(end);
    maybe_json(node, command.trim_start(), false)?;
    node.arguments.insert(0, text(kind));
    Ok(())
}
