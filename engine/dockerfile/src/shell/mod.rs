//! Word processing: quotes, escapes and `$` expansion, as BuildKit's `frontend/dockerfile/shell`.
//!
//! [`Lex`] holds the options, [`Lex::process`] does the work.

mod dollar;
mod lex;
mod pattern;

use std::collections::BTreeSet;

use crate::error::Result;

pub use pattern::Pattern;

/// Variables in scope.
pub trait Env {
    /// The value of `key`.
    fn get(&self, key: &str) -> Option<&str>;
    /// The names set.
    fn keys(&self) -> Vec<&str>;
}

/// An environment that remembers the order of setting; a name set again moves to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EnvList(Vec<(String, String)>);

impl EnvList {
    /// Sets `key`.
    pub fn set(&mut self, key: &str, value: &str) {
        self.remove(key);
        self.0.push((key.to_owned(), value.to_owned()));
    }

    /// Unsets `key`.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key);
    }

    /// `KEY=value` strings, as a process gets them; a later one wins.
    pub fn from_strings<S: AsRef<str>>(list: &[S]) -> Self {
        let mut env = EnvList::default();
        for entry in list {
            let (key, value) = entry
                .as_ref()
                .split_once('=')
                .unwrap_or((entry.as_ref(), ""));
            env.set(key, value);
        }
        env
    }

    /// The `KEY=value` strings.
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(|(k, v)| format!("{k}={v}")).collect()
    }
}

impl Env for EnvList {
    fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(k, _)| k.as_str()).collect()
    }
}

/// What became of a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processed {
    /// The whole, expanded.
    pub word: String,
    /// The whole, expanded and split at blanks outside quotes.
    pub words: Vec<String>,
    /// Variables that were set.
    pub matched: BTreeSet<String>,
    /// Variables that were not.
    pub unmatched: BTreeSet<String>,
}

/// The options of word processing.
#[derive(Clone, Copy, Debug)]
pub struct Lex {
    /// The escape character, `\` or `` ` ``.
    pub escape: char,
    /// Keep quotes in the result.
    pub raw_quotes: bool,
    /// Keep escape characters in the result.
    pub raw_escapes: bool,
    /// Give quotes no meaning (heredoc bodies).
    pub skip_quotes: bool,
    /// Leave `$unset` as it stands.
    pub skip_unset: bool,
}

impl Lex {
    /// Plain processing with the given escape character.
    pub fn new(escape: char) -> Self {
        Lex {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            skip_quotes: false,
            skip_unset: false,
        }
    }

    /// Expands `word` in `env`.
    ///
    /// # Errors
    /// Unbalanced quotes or braces, bad substitutions, `${x:?…}` of an unset variable, and expansions beyond
    /// [`crate::limits`].
    pub fn process(&self, word: &str, env: &dyn Env) -> Result<Processed> {
        lex::process(self, word, env)
    }

    /// Expands `word` to one string.
    ///
    /// # Errors
    /// As [`Lex::process`].
    pub fn word(&self, word: &str, env: &dyn Env) -> Result<String> {
        Ok(self.process(word, env)?.word)
    }

    /// Expands `word` and splits it.
    ///
    /// # Errors
    /// As [`Lex::process`].
    pub fn words(&self, word: &str, env: &dyn Env) -> Result<Vec<String>> {
        Ok(self.process(word, env)?.words)
    }
}
