//! `.dockerignore`: reading it, and matching paths as moby/patternmatcher does.

mod glob;

use crate::error::{Error, Result};
use crate::path;
use glob::Glob;

/// The patterns of a `.dockerignore` file: comments and blank lines dropped, `!` kept in front, leading and
/// trailing slashes gone.
pub fn read(file: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(file);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut out = Vec::new();
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let (mark, body) = match line.strip_prefix('!') {
            Some(rest) => ("!", rest.trim()),
            None => ("", line),
        };
        let mut body = if body.is_empty() {
            String::new()
        } else {
            path::clean(body)
        };
        if body.len() > 1 && body.starts_with('/') {
            body.remove(0);
        }
        out.push(format!("{mark}{body}"));
    }
    out
}

/// An ordered list of patterns; the last that matches decides.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    exclusion: bool,
    glob: Glob,
}

/// Which patterns matched a directory, for the answer about what is in it.
#[derive(Clone, Debug, Default)]
pub struct Parent(Vec<bool>);

impl Matcher {
    /// Compiles `patterns`.
    ///
    /// # Errors
    /// `illegal exclusion pattern: "!"` and `syntax error in pattern`.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Matcher> {
        let mut out = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref().trim();
            if pattern.is_empty() {
                continue;
            }
            let cleaned = path::clean(pattern);
            let (exclusion, text) = match cleaned.strip_prefix('!') {
                Some("") => return Err(Error::new("illegal exclusion pattern: \"!\"")),
                Some(rest) => (true, rest.to_owned()),
                None => (false, cleaned),
            };
            out.push(Pattern {
                glob: Glob::parse(&text)?,
                text,
                exclusion,
            });
        }
        Ok(Matcher { patterns: out })
    }

    /// No patterns at all.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Some pattern starts with `!`, so a matching directory may hold files that are wanted.
    pub fn has_exclusions(&self) -> bool {
        self.patterns.iter().any(|p| p.exclusion)
    }

    /// The patterns that are no exclusions.
    pub(crate) fn inclusions(&self) -> impl Iterator<Item = &str> {
        let plain = self.patterns.iter().filter(|p| !p.exclusion);
        plain.map(|p| p.text.as_str())
    }

    /// Whether `file`, or a directory it is in, is matched.
    pub fn matches(&self, file: &str) -> bool {
        let mut matched = false;
        for pattern in &self.patterns {
            // A pattern that can't change the answer needs no look.
            if pattern.exclusion != matched {
                continue;
            }
            if pattern.glob.matches_or_parent(file) {
                matched = !pattern.exclusion;
            }
        }
        matched
    }

    /// [`Matcher::matches`] for a walk from the root down: `parent` is what this said of the directory.
    pub fn matches_under(&self, file: &str, parent: &Parent) -> (bool, Parent) {
        let mut matched = false;
        let mut info = vec![false; self.patterns.len()];
        for (i, pattern) in self.patterns.iter().enumerate() {
            let mut hit = parent.0.get(i).copied().unwrap_or(false);
            if !hit {
                if pattern.exclusion != matched {
                    continue;
                }
                hit = pattern.glob.matches(file);
            }
            info[i] = hit;
            if hit {
                matched = !pattern.exclusion;
            }
        }
        (matched, Parent(info))
    }

    /// Whether an exclusion names something under `dir`, so that it must be walked though it is matched. As in
    /// moby's archiver, a wildcard in the exclusion is not looked into.
    pub fn may_exclude_under(&self, dir: &str) -> bool {
        let prefix = format!("{dir}/");
        self.patterns
            .iter()
            .any(|p| p.exclusion && format!("{}/", p.text).starts_with(&prefix))
    }
}

/// How patternmatcher would match `pattern`: the kind, and the regular expression when it needs one.
///
/// # Errors
/// As [`Matcher::new`].
pub fn explain(pattern: &str) -> Result<(&'static str, String)> {
    Ok(Glob::parse(&path::clean(pattern))?.explain())
}

/// Go's `filepath.Match`: `*` and `?` stop at slashes and `**` is nothing special.
///
/// # Errors
/// `syntax error in pattern`.
pub fn file_match(pattern: &str, name: &str) -> Result<bool> {
    let mut single = pattern.to_owned();
    while single.contains("**") {
        single = single.replace("**", "*");
    }
    Ok(Glob::parse(&single)?.matches(name))
}
