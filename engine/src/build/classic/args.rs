//! Build arguments of the classic builder: which are known, where they count, and which nobody asked for.

use std::collections::{BTreeMap, BTreeSet};

/// Arguments that need no ARG and leave no trace in history.
const BUILTIN: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The arguments of a build, or of one stage of it.
#[derive(Clone, Debug, Default)]
pub struct BuildArgs {
    given: BTreeMap<String, Option<String>>,
    /// Of ARGs before the first FROM.
    meta: BTreeMap<String, Option<String>>,
    /// Of ARGs in the stage.
    allowed: BTreeMap<String, Option<String>>,
    referenced: BTreeSet<String>,
}

impl BuildArgs {
    pub(super) fn new(given: BTreeMap<String, Option<String>>) -> Self {
        BuildArgs {
            given,
            ..BuildArgs::default()
        }
    }

    /// The arguments at the start of a stage: none is declared yet.
    pub(super) fn for_stage(&self) -> Self {
        BuildArgs {
            allowed: BTreeMap::new(),
            ..self.clone()
        }
    }

    pub(super) fn declare(&mut self, key: &str, value: Option<String>) {
        self.allowed.insert(key.to_owned(), value);
        self.referenced.insert(key.to_owned());
    }

    pub(super) fn declare_meta(&mut self, key: &str, value: Option<String>) {
        self.declare(key, value.clone());
        self.meta.insert(key.to_owned(), value);
    }

    pub(super) fn merge_referenced(&mut self, stage: &BuildArgs) {
        self.referenced.extend(stage.referenced.iter().cloned());
    }

    fn value(&self, key: &str, default: Option<&Option<String>>) -> Option<String> {
        if let Some(Some(given)) = self.given.get(key) {
            return Some(given.clone());
        }
        match default {
            Some(Some(value)) => Some(value.clone()),
            _ => self.meta.get(key).cloned().flatten(),
        }
    }

    fn values(&self, from: &BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
        let keys = from.keys().map(String::as_str).chain(BUILTIN);
        keys.filter_map(|key| Some((key.to_owned(), self.value(key, from.get(key))?)))
            .collect()
    }

    /// What FROM may use.
    pub(super) fn of_meta(&self) -> BTreeMap<String, String> {
        self.values(&self.meta)
    }

    /// What the stage's instructions may use.
    pub(super) fn of_stage(&self) -> BTreeMap<String, String> {
        self.values(&self.allowed)
    }

    /// `KEY=value` of what is not in the environment anyway.
    pub(super) fn beyond(&self, env: &[String]) -> Vec<String> {
        let names: BTreeSet<&str> = env.iter().filter_map(|e| e.split('=').next()).collect();
        self.of_stage()
            .into_iter()
            .filter(|(key, _)| !names.contains(key.as_str()))
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    }

    /// Whether an argument is part of a RUN's key: a proxy only when it was declared.
    pub(super) fn counts(&self, key: &str) -> bool {
        self.allowed.contains_key(key) || !BUILTIN.contains(&key)
    }

    /// What was given and not asked for.
    pub(super) fn unused(&self) -> Vec<String> {
        self.given
            .keys()
            .filter(|key| !self.referenced.contains(*key) && !BUILTIN.contains(&key.as_str()))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_argument_counts_in_a_stage_only_when_declared_there() {
        let given = BTreeMap::from([("B".to_owned(), Some("given".to_owned()))]);
        let mut args = BuildArgs::new(given);
        args.declare_meta("A", Some("meta".into()));
        let mut stage = args.for_stage();
        assert!(stage.of_stage().is_empty());
        stage.declare("A", None);
        assert_eq!(stage.beyond(&[]), ["A=meta"]);
        assert_eq!(stage.beyond(&["A=env".into()]), [""; 0]);
        args.merge_referenced(&stage);
        assert_eq!(args.unused(), ["B"]);
    }
}
