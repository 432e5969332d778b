//! tests/conformance/reached.toml: what each suite last reached.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Part;
use crate::sh;

/// Passed and all cases of a suite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Cases that are as they should be.
    pub passed: usize,
    /// All cases.
    pub total: usize,
}

impl Score {
    /// The sum of the parts.
    pub fn of(parts: &[Part]) -> Score {
        Score {
            passed: parts.iter().map(|part| part.passed).sum(),
            total: parts.iter().map(|part| part.total).sum(),
        }
    }

    /// Of one hundred; nothing to do is all done.
    pub fn percent(self) -> f64 {
        if self.total == 0 {
            return 100.0;
        }
        100.0 * self.passed as f64 / self.total as f64
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>5}/{:<5} {:>5.1} %",
            self.passed,
            self.total,
            self.percent()
        )
    }
}

/// How a score compares with what was reached before, in percent.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// It is worse.
    Fell(f64),
    /// It is better.
    Rose(f64),
    /// As before, or the suite is new.
    Same,
}

/// The file.
pub struct Reached(Table);

fn path() -> PathBuf {
    sh::root().join("tests/conformance/reached.toml")
}

impl Reached {
    /// Reads it.
    ///
    /// # Errors
    /// When it is missing or is not TOML.
    pub fn read() -> Result<Reached> {
        let path = path();
        let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
        let table = text
            .parse()
            .with_context(|| format!("{} is not TOML", path.display()))?;
        Ok(Reached(table))
    }

    /// What the suite reached before.
    fn get(&self, suite: &str) -> Option<Score> {
        let count = |name: &str| {
            let value = self.0.get(suite)?.get(name)?.as_integer()?;
            usize::try_from(value).ok()
        };
        Some(Score {
            passed: count("passed")?,
            total: count("total")?,
        })
    }

    /// Compares shares, so that a suite may grow.
    pub fn compare(&self, suite: &str, score: Score) -> Change {
        let Some(before) = self.get(suite) else {
            return Change::Same;
        };
        // a/b against c/d without division
        let now = score.passed * before.total;
        let then = before.passed * score.total;
        match now.cmp(&then) {
            std::cmp::Ordering::Less => Change::Fell(before.percent()),
            std::cmp::Ordering::Greater => Change::Rose(before.percent()),
            std::cmp::Ordering::Equal => Change::Same,
        }
    }

    /// Notes what the suite reached now.
    pub fn set(&mut self, suite: &str, score: Score) {
        let count = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let entry = Table::from_iter([
            ("passed".to_owned(), count(score.passed)),
            ("total".to_owned(), count(score.total)),
        ]);
        self.0.insert(suite.to_owned(), Value::Table(entry));
    }

    /// Writes it back.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self) -> Result<()> {
        fs::write(path(), self.0.to_string()).context("can't write reached.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(passed: usize, total: usize) -> Score {
        Score { passed, total }
    }

    #[test]
    fn a_lower_share_has_fallen() {
        let mut reached = Reached(Table::new());
        assert_eq!(reached.compare("a", score(1, 2)), Change::Same);
        reached.set("a", score(98, 100));
        assert_eq!(reached.compare("a", score(97, 100)), Change::Fell(98.0));
        assert_eq!(reached.compare("a", score(99, 100)), Change::Rose(98.0));
        assert_eq!(reached.compare("a", score(196, 200)), Change::Same);
        assert_eq!(reached.compare("a", score(98, 101)), Change::Fell(98.0));
    }

    #[test]
    fn the_checked_in_file_is_read() {
        Reached::read().expect("reached.toml");
    }
}
