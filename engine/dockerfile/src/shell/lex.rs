//! The scanner: characters, quotes, escapes, and the splitting into words.

use std::collections::BTreeSet;

use super::{Env, Lex, Processed};
use crate::error::{Error, Result};
use crate::{goform, limits};

pub(super) struct Scanner<'a> {
    pub(super) lex: &'a Lex,
    pub(super) env: &'a dyn Env,
    chars: Vec<char>,
    at: usize,
    pub(super) raw_escapes: bool,
    pub(super) matched: BTreeSet<String>,
    pub(super) unmatched: BTreeSet<String>,
    depth: usize,
    /// Bytes produced so far, by every nested expansion.
    produced: usize,
}

pub(super) fn process(lex: &Lex, word: &str, env: &dyn Env) -> Result<Processed> {
    let mut scanner = Scanner {
        lex,
        env,
        chars: word.chars().collect(),
        at: 0,
        raw_escapes: lex.raw_escapes,
        matched: BTreeSet::new(),
        unmatched: BTreeSet::new(),
        depth: 0,
        produced: 0,
    };
    let raw = scanner.raw_escapes;
    let (text, words) = scanner
        .until(None, raw)
        .map_err(|e| e.context(format_args!("failed to process {}", goform::quote(word))))?;
    Ok(Processed {
        word: text,
        words,
        matched: scanner.matched,
        unmatched: scanner.unmatched,
    })
}

/// The words under way. Blanks split them unless they come from quotes or escapes.
#[derive(Default)]
struct Words {
    word: String,
    words: Vec<String>,
    in_word: bool,
}

impl Words {
    fn push(&mut self, c: char) {
        if !c.is_whitespace() {
            self.push_raw(c);
        } else if self.in_word && !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
            self.in_word = false;
        }
    }

    fn push_raw(&mut self, c: char) {
        self.word.push(c);
        self.in_word = true;
    }

    fn push_raw_str(&mut self, s: &str) {
        self.word.push_str(s);
        self.in_word = true;
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        self.words
    }
}

impl Scanner<'_> {
    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek();
        if c.is_some() {
            self.at += 1;
        }
        c
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.chars.len()
    }

    /// Counts bytes of output against the limit on growth.
    pub(super) fn account(&mut self, bytes: usize) -> Result<()> {
        self.produced = self.produced.saturating_add(bytes);
        if self.produced > limits::EXPANSION + 4 * self.chars.len() {
            return Err(Error::new(format!(
                "expansion is larger than the limit of {} bytes",
                limits::EXPANSION
            )));
        }
        Ok(())
    }

    /// Processes up to `stop` (consumed), or to the end when none.
    pub(super) fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>)> {
        if self.depth >= limits::EXPANSION_DEPTH {
            return Err(Error::new(format!(
                "substitutions are nested deeper than the limit of {}",
                limits::EXPANSION_DEPTH
            )));
        }
        let saved = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        self.depth += 1;
        let out = self.until_inner(stop);
        self.depth -= 1;
        self.raw_escapes = saved;
        out
    }

    fn until_inner(&mut self, stop: Option<char>) -> Result<(String, Vec<String>)> {
        let mut result = String::new();
        let mut words = Words::default();
        while let Some(c) = self.peek() {
            if stop == Some(c) {
                self.next();
                return Ok((result, words.finish()));
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    self.account(value.len())?;
                    result.push_str(&value);
                    value.chars().for_each(|c| words.push(c));
                }
                '\'' if !self.lex.skip_quotes => {
                    let value = self.single_quoted()?;
                    result.push_str(&value);
                    words.push_raw_str(&value);
                }
                '"' if !self.lex.skip_quotes => {
                    let value = self.double_quoted()?;
                    self.account(value.len())?;
                    result.push_str(&value);
                    words.push_raw_str(&value);
                }
                c if c == self.lex.escape => {
                    self.next();
                    if self.raw_escapes {
                        words.push_raw(c);
                        result.push(c);
                    }
                    // An escape at the very end stands for nothing.
                    let Some(c) = self.next() else { break };
                    words.push_raw(c);
                    result.push(c);
                }
                c => {
                    self.next();
                    words.push(c);
                    result.push(c);
                }
            }
        }
        match stop {
            Some(c) => Err(Error::new(format!(
                "unexpected end of statement while looking for matching {c}"
            ))),
            None => Ok((result, words.finish())),
        }
    }

    fn single_quoted(&mut self) -> Result<String> {
        let mut result = String::new();
        if let (Some(c), true) = (self.next(), self.lex.raw_quotes) {
            result.push(c);
        }
        loop {
            match self.next() {
                None => {
                    return Err(Error::new(
                        "unexpected end of statement while looking for matching single-quote",
                    ));
                }
                Some('\'') => {
                    if self.lex.raw_quotes {
                        result.push('\'');
                    }
                    return Ok(result);
                }
                Some(c) => result.push(c),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String> {
        let mut result = String::new();
        if let (Some(c), true) = (self.next(), self.lex.raw_quotes) {
            result.push(c);
        }
        loop {
            match self.peek() {
                None => {
                    return Err(Error::new(
                        "unexpected end of statement while looking for matching double-quote",
                    ));
                }
                Some('"') => {
                    self.next();
                    if self.lex.raw_quotes {
                        result.push('"');
                    }
                    return Ok(result);
                }
                Some('$') => {
                    let value = self.dollar()?;
                    self.account(value.len())?;
                    result.push_str(&value);
                }
                Some(mut c) => {
                    self.next();
                    if c == self.lex.escape {
                        if self.raw_escapes {
                            result.push(c);
                        }
                        match self.peek() {
                            None => continue,
                            // Only these can be escaped; before others the escape character stays.
                            Some(n) if n == '"' || n == '$' || n == self.lex.escape => {
                                self.next();
                                c = n;
                            }
                            Some(_) => {}
                        }
                    }
                    result.push(c);
                }
            }
        }
    }
}
