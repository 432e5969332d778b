//! Lines to instructions: comments, continuation, here-documents.

use super::ast::{Argument, Ast, Node, Warning};
use super::directive::DirectiveParser;
use super::heredoc::heredocs_of_line;
use super::line::parse_line;
use crate::error::{Error, LineRange, Result};
use crate::limits;

struct Lines<'a> {
    rest: std::str::SplitInclusive<'a, char>,
    /// Lines read so far.
    count: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Option<&'a str>> {
        let Some(line) = self.rest.next() else {
            return Ok(None);
        };
        self.count += 1;
        if line.len() > limits::LINE {
            return Err(Error::new(format!(
                "dockerfile line greater than max allowed size of {}",
                limits::LINE
            ))
            .at(LineRange {
                start: self.count,
                end: self.count,
            }));
        }
        Ok(Some(line))
    }
}

/// Parses a Dockerfile. Bytes that are no UTF-8 become U+FFFD.
///
/// # Errors
/// BuildKit's messages, and those of [`crate::limits`], with the lines they are about.
pub fn parse(dockerfile: &[u8]) -> Result<Ast> {
    if dockerfile.len() > limits::DOCKERFILE {
        return Err(Error::new(format!(
            "Dockerfile is larger than the limit of {} bytes",
            limits::DOCKERFILE
        )));
    }
    let text = String::from_utf8_lossy(dockerfile);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines = Lines {
        rest: text.split_inclusive('\n'),
        count: 0,
    };
    let mut directives = DirectiveParser::default();
    let mut ast = Ast {
        nodes: Vec::new(),
        escape: '\\',
        warnings: Vec::new(),
    };
    let mut comments: Vec<String> = Vec::new();

    while let Some(raw) = lines.next()? {
        let start = lines.count;
        let line = trim_newline(raw).trim_start();
        if is_comment(raw) {
            // BuildKit takes the first byte off the untrimmed line, so an indented comment keeps its `#`.
            let mut body = raw.chars();
            body.next();
            match body.as_str().trim() {
                "" => comments.clear(),
                comment => comments.push(comment.to_owned()),
            }
        }
        if let Some(found) = directives.line(line).map_err(|e| e.at(here(start)))? {
            comments.pop();
            if found.name == "escape" {
                ast.escape = escape_of(&found.value).map_err(|e| e.at(here(start)))?;
            }
        }
        if is_comment(line) {
            continue;
        }
        let (first, mut done) = trim_continuation(line, ast.escape);
        if done && first.is_empty() {
            continue;
        }
        let mut logical = first.to_owned();
        let mut empty_line = false;
        while !done {
            let Some(raw) = lines.next()? else { break };
            if is_comment(raw) {
                continue;
            }
            let line = trim_newline(raw);
            if line.trim_start().is_empty() {
                empty_line = true;
                continue;
            }
            let (part, last) = trim_continuation(line, ast.escape);
            logical.push_str(part);
            done = last;
        }
        if empty_line {
            ast.warnings.push(Warning {
                short: format!("Empty continuation line found in: {logical}"),
                line: lines.count,
            });
        }
        let location = |lines: &Lines<'_>| LineRange {
            start,
            end: lines.count,
        };
        let mut node = parse_line(&logical, ast.escape, 0).map_err(|e| e.at(location(&lines)))?;
        if takes_heredocs(&node) && logical.contains("<<") {
            let found = heredocs_of_line(&logical).map_err(|e| e.at(location(&lines)))?;
            for mut heredoc in found {
                let mut terminated = false;
                while let Some(raw) = lines.next()? {
                    let mut end = trim_newline(raw);
                    if heredoc.chomp {
                        end = end.trim_start_matches('\t');
                    }
                    if end == heredoc.name {
                        terminated = true;
                        break;
                    }
                    heredoc.content.push_str(raw);
                }
                if !terminated {
                    return Err(Error::new("unterminated heredoc").at(location(&lines)));
                }
                node.heredocs.push(heredoc);
            }
        }
        node.location = location(&lines);
        node.comments = std::mem::take(&mut comments);
        if ast.nodes.len() >= limits::INSTRUCTIONS {
            return Err(Error::new(format!(
                "Dockerfile has more than the limit of {} instructions",
                limits::INSTRUCTIONS
            ))
            .at(node.location));
        }
        ast.nodes.push(node);
    }
    if ast.nodes.is_empty() {
        return Err(Error::new("file with no instructions").at(here(lines.count)));
    }
    Ok(ast)
}

fn here(line: usize) -> LineRange {
    LineRange {
        start: line,
        end: line,
    }
}

fn escape_of(value: &str) -> Result<char> {
    match value {
        "\\" => Ok('\\'),
        "`" => Ok('`'),
        other => Err(Error::new(format!(
            "invalid escape token '{other}' does not match ` or \\"
        ))),
    }
}

fn takes_heredocs(node: &Node) -> bool {
    let node = match (
        node.keyword.eq_ignore_ascii_case("onbuild"),
        node.arguments.first(),
    ) {
        (true, Some(Argument::Nested(inner))) => inner,
        _ => node,
    };
    let keyword = node.keyword.to_ascii_lowercase();
    matches!(keyword.as_str(), "add" | "copy" | "run") && !node.json
}

fn trim_newline(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The line without a continuation character at its end, and whether it is the last of its instruction. An
/// escaped escape character (`\\`) continues nothing.
fn trim_continuation(line: &str, escape: char) -> (&str, bool) {
    let body = line.trim_end_matches([' ', '\t']);
    match body.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest, false),
        _ => (line, true),
    }
}
