//! `$name` and `${name…}`.

use super::lex::Scanner;
use super::pattern::Pattern;
use crate::error::{Error, Result};

impl Scanner<'_> {
    /// Expands the `$…` at the cursor.
    pub(super) fn dollar(&mut self) -> Result<String> {
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".into());
            }
            return Ok(match self.variable(&name) {
                None if self.lex.skip_unset => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        self.next();
        match self.peek() {
            None => return Err(Error::new("syntax error: missing '}'")),
            Some('{' | '}' | ':') => return Err(Error::new("syntax error: bad substitution")),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            Some('}') => Ok(match self.variable(&name) {
                None if self.lex.skip_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            Some(':') => {
                let modifier = self.next();
                self.modified(&name, modifier, true)
            }
            modifier @ Some('+' | '-' | '?' | '#' | '%') => self.modified(&name, modifier, false),
            Some('/') => self.replaced(&name),
            other => Err(unsupported(other, false)),
        }
    }

    /// `${name-word}`, `${name:-word}` and their kin; the cursor is after the modifier.
    fn modified(&mut self, name: &str, modifier: Option<char>, colon: bool) -> Result<String> {
        let raw_escapes = matches!(modifier, Some('#' | '%'));
        let word = self
            .until(Some('}'), raw_escapes)
            .map_err(|e| self.missing(e, "syntax error: missing '}'"))?
            .0;
        let value = self.variable(name);
        if self.lex.skip_unset && value.is_none() {
            let colon = if colon { ":" } else { "" };
            let modifier = modifier.map(String::from).unwrap_or_default();
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let usable = match &value {
            None => false,
            Some(v) => !(colon && v.is_empty()),
        };
        let message = |default: &str| {
            let message = if word.is_empty() { default } else { &word };
            Error::new(format!("{name}: {message}"))
        };
        match modifier {
            Some('-') => Ok(if usable {
                value.unwrap_or_default()
            } else {
                word
            }),
            Some('+') => Ok(if usable { word } else { String::new() }),
            Some('?') => match value {
                None => Err(message("is not allowed to be unset")),
                Some(v) if colon && v.is_empty() => Err(message("is not allowed to be empty")),
                Some(v) => Ok(v),
            },
            Some(side @ ('#' | '%')) if !colon => {
                let value = value.unwrap_or_default();
                let (pattern, greedy) = match word.strip_prefix(side) {
                    Some(rest) => (rest, true),
                    None => (word.as_str(), false),
                };
                let parsed = Pattern::parse(pattern).map_err(|e| {
                    Error::new(format!("invalid pattern ({pattern}) in substitution: {e}"))
                })?;
                Ok(if side == '#' {
                    parsed.trim_prefix(&value, greedy)
                } else {
                    parsed.trim_suffix(&value, greedy)
                })
            }
            other => Err(unsupported(other, colon)),
        }
    }

    /// `${name/pattern/replacement}` and `${name//pattern/replacement}`; the cursor is after the first `/`.
    fn replaced(&mut self, name: &str) -> Result<String> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern = self
            .until(Some('/'), true)
            .map_err(|e| self.missing(e, "syntax error: missing '/' in ${}"))?
            .0;
        let replacement = self
            .until(Some('}'), true)
            .map_err(|e| self.missing(e, "syntax error: missing '}'"))?
            .0;
        let value = self.variable(name);
        if self.lex.skip_unset && value.is_none() {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let parsed = Pattern::parse(&pattern)
            .map_err(|e| Error::new(format!("invalid pattern ({pattern}) in substitution: {e}")))?;
        let out = parsed.replace(&value.unwrap_or_default(), &replacement, all);
        self.account(out.len())?;
        Ok(out)
    }

    fn missing(&self, error: Error, message: &str) -> Error {
        if self.at_end() {
            Error::new(message)
        } else {
            error
        }
    }

    /// A variable's name: a special parameter, digits, or letters, digits and `_`.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if name.is_empty() && c.is_numeric() && !c.is_alphabetic() {
                while let Some(c) = self.peek().filter(|c| c.is_numeric()) {
                    self.next();
                    name.push(c);
                }
                return name;
            }
            if name.is_empty() && matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
                self.next();
                return c.to_string();
            }
            if !(c.is_alphanumeric() || c == '_') {
                break;
            }
            self.next();
            name.push(c);
        }
        name
    }

    fn variable(&mut self, name: &str) -> Option<String> {
        match self.env.get(name) {
            Some(value) => {
                self.matched.insert(name.to_owned());
                Some(value.to_owned())
            }
            None => {
                self.unmatched.insert(name.to_owned());
                None
            }
        }
    }
}

fn unsupported(modifier: Option<char>, colon: bool) -> Error {
    // Go prints the end of input, -1 as a rune, as U+FFFD.
    let modifier = modifier.unwrap_or(char::REPLACEMENT_CHARACTER);
    let colon = if colon { ":" } else { "" };
    Error::new(format!(
        "unsupported modifier ({colon}{modifier}) in substitution"
    ))
}
