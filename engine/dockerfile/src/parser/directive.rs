//! Parser directives: `# syntax=…`, `# escape=…`, `# check=…` before everything else.

use crate::error::{Error, Result};

/// A directive found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name in lower case.
    pub name: String,
    /// Its value, trimmed.
    pub value: String,
    /// Its line, 1-based.
    pub line: usize,
}

/// Reads directives line by line until something else turns up.
#[derive(Debug, Default)]
pub(super) struct DirectiveParser {
    line: usize,
    seen: Vec<String>,
    done: bool,
}

impl DirectiveParser {
    pub(super) fn line(&mut self, line: &str) -> Result<Option<Directive>> {
        self.line += 1;
        if self.done {
            return Ok(None);
        }
        let Some((name, value)) = split(line) else {
            self.done = true;
            return Ok(None);
        };
        if self.seen.contains(&name) {
            return Err(Error::new(format!(
                "only one {name} parser directive can be used"
            )));
        }
        self.seen.push(name.clone());
        Ok(Some(Directive {
            name,
            value,
            line: self.line,
        }))
    }
}

fn split(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix('#')?.trim_start();
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    let value = value.trim_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    let ok = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && !value.is_empty();
    let name = name.to_ascii_lowercase();
    (ok && matches!(name.as_str(), "syntax" | "escape" | "check")).then(|| (name, value.to_owned()))
}

/// The value of the directive `name` in a Dockerfile (a first line `#!…` is passed over).
pub fn directive(name: &str, dockerfile: &[u8]) -> Option<Directive> {
    let text = String::from_utf8_lossy(dockerfile);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut parser = DirectiveParser::default();
    let mut lines = text.lines();
    if text.starts_with("#!") {
        lines.next();
        parser.line = 1;
    }
    for line in lines {
        match parser.line(line) {
            Ok(Some(found)) if found.name == name => return Some(found),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
    None
}
