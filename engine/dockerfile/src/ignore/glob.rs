//! One pattern: Go's `filepath.Match` plus `**`.
//!
//! A pattern is a list of tokens; matching keeps the set of tokens reached and reads the path once, so the time
//! is path × pattern whatever the pattern.

use std::fmt::Write;

use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This character.
    Char(char),
    /// `?`: any but `/`.
    One,
    /// `*`: any number, `/` excepted.
    Star,
    /// `**` with something after it: nothing, or anything that ends in `/`. Two tokens, so that what is under
    /// way can't be left but at a `/`.
    DirsOpen,
    /// The second of them.
    DirsBody,
    /// `**` at the end: anything.
    Rest,
    /// `[a-z]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
        text: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exact,
    Prefix,
    Suffix,
    Tokens,
}

#[derive(Clone, Debug)]
pub(super) struct Glob {
    text: String,
    kind: Kind,
    tokens: Vec<Token>,
}

impl Token {
    /// Whether the token takes `c` and stays, and whether it takes it and is done.
    fn accepts(&self, c: char) -> (bool, bool) {
        match self {
            Token::Char(want) => (false, *want == c),
            Token::One => (false, c != '/'),
            Token::Star => (c != '/', false),
            Token::DirsOpen => (false, false),
            Token::DirsBody => (c != '\n', c == '/'),
            Token::Rest => (c != '\n', false),
            Token::Class {
                negated, ranges, ..
            } => {
                let inside = ranges.iter().any(|(a, b)| (*a..=*b).contains(&c));
                (false, inside != *negated)
            }
        }
    }
}

fn syntax() -> Error {
    Error::new("syntax error in pattern")
}

impl Glob {
    pub(super) fn parse(pattern: &str) -> Result<Glob> {
        let mut kind = Kind::Exact;
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.peek() == Some(&'*') => {
                    chars.next();
                    if chars.peek() == Some(&'/') {
                        chars.next();
                    }
                    if chars.peek().is_some() {
                        tokens.extend([Token::DirsOpen, Token::DirsBody]);
                        kind = Kind::Tokens;
                    } else if kind == Kind::Exact {
                        kind = Kind::Prefix;
                    } else {
                        tokens.push(Token::Rest);
                        kind = Kind::Tokens;
                    }
                    if first {
                        kind = Kind::Suffix;
                    }
                }
                '*' => {
                    tokens.push(Token::Star);
                    kind = Kind::Tokens;
                }
                '?' => {
                    tokens.push(Token::One);
                    kind = Kind::Tokens;
                }
                '[' => {
                    tokens.push(class(&mut chars)?);
                    kind = Kind::Tokens;
                }
                '\\' => {
                    tokens.push(Token::Char(chars.next().ok_or_else(syntax)?));
                    kind = Kind::Tokens;
                }
                ']' => {
                    tokens.push(Token::Char(c));
                    kind = Kind::Tokens;
                }
                c => tokens.push(Token::Char(c)),
            }
            first = false;
        }
        Ok(Glob {
            text: pattern.to_owned(),
            kind,
            tokens,
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match self.kind {
            Kind::Exact => path == self.text,
            Kind::Prefix => path.starts_with(&self.text[..self.text.len() - 2]),
            Kind::Suffix => {
                let suffix = &self.text[2..];
                // `**/foo` matches `foo` too.
                path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path)
            }
            Kind::Tokens => self.run(path, false),
        }
    }

    /// Whether `path`, or a directory it is in, is matched.
    pub(super) fn matches_or_parent(&self, path: &str) -> bool {
        match self.kind {
            Kind::Tokens => self.run(path, true),
            _ => {
                let mut parents = path.match_indices('/').map(|(at, _)| &path[..at]);
                self.matches(path) || parents.any(|parent| self.matches(parent))
            }
        }
    }

    /// Runs the tokens over `path`; with `parents`, a match that ends before a `/` will do.
    fn run(&self, path: &str, parents: bool) -> bool {
        let n = self.tokens.len();
        let mut states = vec![false; n + 1];
        let mut next = vec![false; n + 1];
        states[0] = true;
        self.close(&mut states);
        for c in path.chars() {
            if parents && c == '/' && states[n] {
                return true;
            }
            next.fill(false);
            let mut alive = false;
            for (i, token) in self.tokens.iter().enumerate() {
                if !states[i] {
                    continue;
                }
                let (stay, advance) = token.accepts(c);
                next[i] |= stay;
                next[i + 1] |= advance;
                alive |= stay || advance;
            }
            if !alive {
                return false;
            }
            self.close(&mut next);
            std::mem::swap(&mut states, &mut next);
        }
        states[n]
    }

    /// Steps over tokens that may match nothing.
    fn close(&self, states: &mut [bool]) {
        for (i, token) in self.tokens.iter().enumerate() {
            if !states[i] {
                continue;
            }
            match token {
                Token::Star | Token::Rest => states[i + 1] = true,
                Token::DirsOpen => {
                    states[i + 1] = true;
                    states[i + 2] = true;
                }
                _ => {}
            }
        }
    }

    pub(super) fn explain(&self) -> (&'static str, String) {
        let kind = match self.kind {
            Kind::Exact => "exactMatch",
            Kind::Prefix => "prefixMatch",
            Kind::Suffix => "suffixMatch",
            Kind::Tokens => "regexpMatch",
        };
        let mut out = String::new();
        if self.kind == Kind::Tokens {
            out.push('^');
            for token in &self.tokens {
                let _ = match token {
                    Token::Char(c) if ".+()|{}$\\".contains(*c) => write!(out, "\\{c}"),
                    Token::Char(c) => write!(out, "{c}"),
                    Token::One => write!(out, "[^/]"),
                    Token::Star => write!(out, "[^/]*"),
                    Token::DirsOpen => write!(out, "(.*/)?"),
                    Token::DirsBody => Ok(()),
                    Token::Rest => write!(out, ".*"),
                    Token::Class { text, .. } => write!(out, "[{text}]"),
                };
            }
            out.push('$');
        }
        (kind, out)
    }
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token> {
    let mut text = String::new();
    let negated = chars.peek() == Some(&'^');
    if negated {
        chars.next();
        text.push('^');
    }
    let mut ranges = Vec::new();
    loop {
        if chars.peek() == Some(&']') && !ranges.is_empty() {
            chars.next();
            return Ok(Token::Class {
                negated,
                ranges,
                text,
            });
        }
        let low = member(chars, &mut text)?;
        let mut high = low;
        if chars.peek() == Some(&'-') {
            chars.next();
            text.push('-');
            high = member(chars, &mut text)?;
        }
        if high < low {
            return Err(syntax());
        }
        ranges.push((low, high));
    }
}

fn member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, text: &mut String) -> Result<char> {
    let c = match chars.next() {
        None | Some('-' | ']') => return Err(syntax()),
        Some('\\') => {
            text.push('\\');
            chars.next().ok_or_else(syntax)?
        }
        Some(c) => c,
    };
    text.push(c);
    Ok(c)
}
