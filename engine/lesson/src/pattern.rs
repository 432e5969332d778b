//! How a check compares text and numbers.

use std::fmt;

use crate::error::{LessonError, Result};
use crate::yaml::Node;

/// Text in which `*` stands for anything, `\*` for a star. Matching takes at most text × pattern steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    source: String,
    /// What lies between the stars.
    parts: Vec<String>,
}

impl Glob {
    /// From its source.
    pub fn new(source: &str) -> Glob {
        let mut parts = vec![String::new()];
        let mut chars = source.chars().peekable();
        while let Some(c) = chars.next() {
            let last = parts.len() - 1;
            match c {
                '\\' if chars.peek() == Some(&'*') => {
                    chars.next();
                    parts[last].push('*');
                }
                '*' => parts.push(String::new()),
                c => parts[last].push(c),
            }
        }
        Glob {
            source: source.to_owned(),
            parts,
        }
    }

    /// Whether it describes the whole text.
    pub fn is(&self, text: &str) -> bool {
        let (first, rest) = match self.parts.split_first() {
            Some((first, [])) => return text == first,
            Some(parts) => parts,
            None => return text.is_empty(),
        };
        let Some(mut text) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return false;
        };
        for part in middle {
            match text.find(part.as_str()) {
                Some(at) => text = &text[at + part.len()..],
                None => return false,
            }
        }
        text.ends_with(last.as_str())
    }

    /// Whether it describes a piece of the text.
    pub fn is_in(&self, text: &str) -> bool {
        let mut text = text;
        for part in &self.parts {
            match text.find(part.as_str()) {
                Some(at) => text = &text[at + part.len()..],
                None => return false,
            }
        }
        true
    }

    /// Whether it has no star.
    pub fn is_plain(&self) -> bool {
        self.parts.len() == 1
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// A bound on a number: `3`, `">= 2"`, `"< 20MB"`, `"2..4"` (both ends count). Units are Docker's: 1 MB is 10⁶ bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    source: String,
    low: i128,
    high: i128,
}

impl Bound {
    /// From a node.
    pub fn read(node: Node, what: &str) -> Result<Bound> {
        let line = node.line;
        let text = node.text(what)?;
        Bound::parse(&text).ok_or_else(|| {
            LessonError::new(
                line,
                format!("{what} must be a number or a bound like `>= 2`, `< 20MB`, `2..4`, and is `{text}`"),
            )
        })
    }

    fn parse(text: &str) -> Option<Bound> {
        let bound = |low, high| {
            Some(Bound {
                source: text.to_owned(),
                low,
                high,
            })
        };
        let t = text.trim();
        if let Some((low, high)) = t.split_once("..") {
            return bound(quantity(low)?, quantity(high)?);
        }
        let digits = t.find(|c: char| c.is_ascii_digit())?;
        let value = quantity(&t[digits..])?;
        match t[..digits].trim() {
            "" | "=" | "==" => bound(value, value),
            "<" => bound(i128::MIN, value - 1),
            "<=" => bound(i128::MIN, value),
            ">" => bound(value + 1, i128::MAX),
            ">=" => bound(value, i128::MAX),
            _ => None,
        }
    }

    /// Whether the number is inside.
    pub fn holds(&self, number: i128) -> bool {
        (self.low..=self.high).contains(&number)
    }

    /// Whether zero is inside.
    pub fn allows_none(&self) -> bool {
        self.holds(0)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.source.trim();
        let digits = t.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
        let value = t[digits..].trim();
        match t[..digits].trim() {
            "<" => write!(f, "less than {value}"),
            "<=" => write!(f, "at most {value}"),
            ">" => write!(f, "more than {value}"),
            ">=" => write!(f, "at least {value}"),
            _ => f.write_str(&t[digits..].replace("..", " to ")),
        }
    }
}

/// A number with one of Docker's units.
fn quantity(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<i64>() {
        return Some(i128::from(whole) * factor);
    }
    let number: f64 = number.parse().ok()?;
    (number < 1e15).then_some((number * factor as f64) as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        let is = |glob: &str, text: &str| Glob::new(glob).is(text);
        assert!(is("web", "web") && !is("web", "web2"));
        assert!(is("web-*", "web-1") && !is("web-*", "a-web-1"));
        assert!(is("*a*a", "aa") && !is("*a*a", "a"));
        assert!(is("a*b*c", "a.b.b.c") && !is("a*b*c", "acb"));
        assert!(is(r"\*", "*") && !is(r"\*", "x"));
        assert!(is("*", "") && !is("", "x"));
        assert!(Glob::new("b*d").is_in("abcde") && !Glob::new("d*b").is_in("abcde"));
    }

    #[test]
    fn a_hostile_glob_takes_linear_steps() {
        let glob = Glob::new(&"*a".repeat(2000));
        assert!(!glob.is(&"a".repeat(1999)));
        assert!(!glob.is_in(&"b".repeat(100_000)));
    }

    #[test]
    fn bounds_have_dockers_units() {
        let holds = |bound: &str, n: i128| Bound::parse(bound).unwrap().holds(n);
        assert!(holds("3", 3) && !holds("3", 4));
        assert!(holds(">= 2", 2) && !holds("> 2", 2));
        assert!(holds("<20MB", 19_999_999) && !holds("<20MB", 20_000_000));
        assert!(holds("<= 1.5kB", 1500) && holds("2..4", 4) && !holds("2..4", 5));
        assert!(holds("64MiB", 67_108_864));
        for bad in ["", "x", ">> 2", "2 cows", "..", "1..", "-1"] {
            assert!(Bound::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Bound::parse("<20MB").unwrap().to_string(), "less than 20MB");
    }
}
