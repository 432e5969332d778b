//! Seeded variants: names, tags and ports that differ between learners.
//!
//! ```yaml
//! variables:
//!   name: [web, shop, blog]
//!   port: 8000..8999
//! ```
//!
//! `{{name}}` then stands for one of them, in the front matter and in the text. `{{.Names}}` and other Go templates
//! stay as they are.

use sha2::{Digest, Sha256};

use crate::error::{LessonError, Result};
use crate::yaml::{self, Value};

const MAX_VARIABLES: usize = 32;
const MAX_CHOICES: usize = 64;
/// Words of Go's templates, which stand between braces without a dot.
const GO: [&str; 6] = ["end", "else", "break", "continue", "nil", "template"];

/// What chooses a variant. The same seed gives the same variant, everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed(String);

impl Seed {
    /// From any text.
    pub fn new(text: impl Into<String>) -> Seed {
        Seed(text.into())
    }

    /// A number below `below` for a purpose; 0 when there is no choice.
    pub fn pick(&self, purpose: &str, below: u64) -> u64 {
        let digest = Sha256::new()
            .chain_update((self.0.len() as u64).to_be_bytes())
            .chain_update(&self.0)
            .chain_update(purpose)
            .finalize();
        let mut number = [0; 8];
        number.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(number).checked_rem(below).unwrap_or(0)
    }
}

/// A chosen variable.
pub type Variable = (String, String);

/// The variables that front matter declares, chosen by the seed. `first_line` is the line of the front matter's first.
pub fn choose(front: &str, first_line: u32, seed: &Seed) -> Result<Vec<Variable>> {
    let mut block = String::new();
    let mut at = 0;
    for (number, line) in (first_line..).zip(front.lines()) {
        if block.is_empty() {
            if line.starts_with("variables:") {
                block = format!("{line}\n");
                at = number;
            }
        } else if line.starts_with([' ', '#']) || line.trim().is_empty() {
            block.push_str(line);
            block.push('\n');
        } else {
            break;
        }
    }
    if block.is_empty() {
        return Ok(Vec::new());
    }
    let mut fields = yaml::parse(&block, at)?.fields("variables")?;
    let entries = fields.need("variables")?.entries("variables")?;
    if entries.len() > MAX_VARIABLES {
        return Err(LessonError::new(
            at,
            format!("more than {MAX_VARIABLES} variables"),
        ));
    }
    let mut chosen = Vec::new();
    for entry in entries {
        let line = entry.line;
        if !entry
            .key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            let message = format!("variable `{}`: a name is made of a–z and _", entry.key);
            return Err(LessonError::new(line, message));
        }
        let value = match entry.node.value {
            Value::Text(range) => in_range(&range, seed, &entry.key),
            Value::List(choices) if (1..=MAX_CHOICES).contains(&choices.len()) => {
                let at = seed.pick(&entry.key, choices.len() as u64) as usize;
                let texts: Result<Vec<String>> = choices
                    .into_iter()
                    .map(|node| node.text("a choice"))
                    .collect();
                texts?.into_iter().nth(at)
            }
            _ => None,
        };
        let value = value.ok_or_else(|| {
            let message = format!(
                "variable `{}` must be a list of at most {MAX_CHOICES} texts or a range like 8000..8999",
                entry.key
            );
            LessonError::new(line, message)
        })?;
        // So that no value can change what the file means.
        let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
        if value.is_empty() || value.ends_with(':') || !value.chars().all(harmless) {
            let message = format!(
                "variable `{}`: `{value}` has more than letters, digits and -_./:",
                entry.key
            );
            return Err(LessonError::new(line, message));
        }
        chosen.push((entry.key, value));
    }
    Ok(chosen)
}

fn in_range(range: &str, seed: &Seed, name: &str) -> Option<String> {
    let (low, high) = range.split_once("..")?;
    let (low, high): (u32, u32) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    let span = u64::from(high.checked_sub(low)?) + 1;
    Some((u64::from(low) + seed.pick(name, span)).to_string())
}

/// Puts the variables in their places. A name that was not declared is an error.
pub fn fill(source: &str, first_line: u32, variables: &[Variable]) -> Result<String> {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut line = first_line;
    while let Some(open) = rest.find("{{") {
        let (before, after) = rest.split_at(open);
        line += before.matches('\n').count() as u32;
        out.push_str(before);
        let name = after[2..].find("}}").map(|end| &after[2..2 + end]);
        let name = name.filter(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        });
        let value = name.and_then(|name| variables.iter().find(|(known, _)| known == name));
        match (name, value) {
            (Some(name), Some((_, value))) => {
                out.push_str(value);
                rest = &after[name.len() + 4..];
            }
            (Some(name), None) if !GO.contains(&name) && !variables.is_empty() => {
                return Err(LessonError::new(
                    line,
                    format!("`{{{{{name}}}}}` is not among the variables"),
                ));
            }
            _ => {
                out.push_str("{{");
                rest = &after[2..];
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: &str =
        "title: x\nvariables:\n  name: [web, shop, blog]\n  port: 8000..8999\ntasks: {}\n";

    #[test]
    fn a_seed_always_gives_the_same_and_another_another() {
        let of = |seed: &str| choose(FRONT, 2, &Seed::new(seed)).unwrap();
        assert_eq!(of("amara"), of("amara"));
        let all: std::collections::BTreeSet<_> = (0..50).map(|n| of(&n.to_string())).collect();
        assert!(all.len() > 30, "{}", all.len());
        for (name, port) in all
            .iter()
            .map(|v| (&v[0].1, v[1].1.parse::<u32>().unwrap()))
        {
            assert!(
                ["web", "shop", "blog"].contains(&name.as_str()) && (8000..=8999).contains(&port)
            );
        }
    }

    #[test]
    fn go_templates_stay() {
        let variables = vec![("name".to_owned(), "web".to_owned())];
        let text = "docker ps --format '{{.Names}} {{json .}}{{end}}' {{name}}";
        let filled = fill(text, 1, &variables).unwrap();
        assert_eq!(
            filled,
            "docker ps --format '{{.Names}} {{json .}}{{end}}' web"
        );
        let error = fill("a\nb {{nmae}}", 5, &variables).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 6: `{{nmae}}` is not among the variables"
        );
    }

    #[test]
    fn values_cannot_change_the_file() {
        for bad in [
            "[\"a: b\"]",
            "[\"x\\ny\"]",
            "9..1",
            "{a: b}",
            "[]",
            "1..99999999999",
        ] {
            let front = format!("variables:\n  name: {bad}\n");
            assert!(choose(&front, 1, &Seed::default()).is_err(), "{bad}");
        }
    }
}
