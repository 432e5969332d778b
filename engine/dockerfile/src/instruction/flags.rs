//! `--flag=value` of instructions.

use crate::error::{Error, Result};
use crate::suggest;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagKind {
    Bool,
    Text,
    /// May be given more than once.
    Texts,
}

/// The flags given, checked against those an instruction has.
pub(super) struct Flags {
    values: Vec<(String, String)>,
}

impl Flags {
    pub(super) fn parse(args: &[String], known: &[(&str, FlagKind)]) -> Result<Self> {
        let mut values: Vec<(String, String)> = Vec::new();
        for arg in args {
            let Some(bare) = arg.strip_prefix("--") else {
                return Err(Error::new(format!("arg should start with -- : {arg}")));
            };
            if bare.is_empty() {
                break;
            }
            let (name, value) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (bare, None),
            };
            let Some((_, kind)) = known.iter().find(|(k, _)| *k == name) else {
                let names = known.iter().map(|(k, _)| *k);
                return Err(Error::new(suggest::suggest(
                    format!("unknown flag: --{name}"),
                    name,
                    names,
                    true,
                )));
            };
            if *kind != FlagKind::Texts && values.iter().any(|(n, _)| n == name) {
                return Err(Error::new(format!("duplicate flag specified: --{name}")));
            }
            let missing = || Error::new(format!("missing a value on flag: --{name}"));
            let value = match (kind, value) {
                (FlagKind::Bool, None) => "true".to_owned(),
                (FlagKind::Bool, Some("")) => return Err(missing()),
                (FlagKind::Bool, Some(value)) => match value.to_ascii_lowercase().as_str() {
                    lower @ ("true" | "false") => lower.to_owned(),
                    _ => {
                        return Err(Error::new(format!(
                            "expecting boolean value for flag --{name}, not: {value}"
                        )));
                    }
                },
                (_, value) => value.ok_or_else(missing)?.to_owned(),
            };
            values.push((name.to_owned(), value));
        }
        Ok(Flags { values })
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.values
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
            .unwrap_or_default()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.values
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
            .collect()
    }

    pub(super) fn given(&self, name: &str) -> Option<bool> {
        self.values
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v == "true")
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.given(name) == Some(true)
    }

    /// The names given, sorted, once each.
    pub(super) fn used(&self) -> Vec<String> {
        let mut names: Vec<String> = self.values.iter().map(|(n, _)| n.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}
