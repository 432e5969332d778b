//! `filters={"name":{"web":true}}`, and the older `{"name":["web"]}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::ApiError;
use super::query::Query;

/// Filters of a list: for every name, its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// From a query's `filters`, refusing names that are not among `known`.
    pub fn from_query(query: &Query, known: &[&str]) -> Result<Self, ApiError> {
        let filters = Self::parse(query.get("filters"))?;
        match filters
            .0
            .keys()
            .find(|name| !known.contains(&name.as_str()))
        {
            Some(name) => Err(ApiError::invalid(format!("invalid filter '{name}'"))),
            None => Ok(filters),
        }
    }

    /// Parses the JSON; empty is no filter.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        if text.is_empty() {
            return Ok(Filters::default());
        }
        let bad = || {
            ApiError::invalid("invalid filter: filters must be a JSON object of names and values")
        };
        let value: Value = serde_json::from_str(text)
            .map_err(|e| ApiError::invalid(format!("invalid filter: {e}")))?;
        let mut filters = BTreeMap::new();
        for (name, values) in value.as_object().ok_or_else(bad)? {
            let values: Vec<String> = match values {
                Value::Object(set) => set
                    .iter()
                    .filter(|(_, on)| *on == &Value::Bool(true))
                    .map(|(v, _)| v.clone())
                    .collect(),
                Value::Array(list) => list
                    .iter()
                    .map(|v| v.as_str().map(str::to_owned))
                    .collect::<Option<_>>()
                    .ok_or_else(bad)?,
                _ => return Err(bad()),
            };
            filters.insert(name.clone(), values);
        }
        Ok(Filters(filters))
    }

    /// No filters at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a filter is given.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|values| !values.is_empty())
    }

    /// Values of a filter.
    pub fn get(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// No such filter, or one of its values equals.
    pub fn matches_exactly(&self, name: &str, value: &str) -> bool {
        let wanted = self.get(name);
        wanted.is_empty() || wanted.iter().any(|w| w == value)
    }

    /// No such filter, or one of its values is contained. (moby matches a
    /// regular expression; names rarely hold its special characters, of which
    /// `^` and `$` at the ends are understood.)
    pub fn matches(&self, name: &str, value: &str) -> bool {
        let wanted = self.get(name);
        wanted.is_empty() || wanted.iter().any(|w| pattern_matches(w, value))
    }

    /// No such filter, or one of its values is how this begins or ends ([`pattern_matches`] aside: moby's `FuzzyMatch`).
    pub fn matches_prefix(&self, name: &str, value: &str) -> bool {
        let wanted = self.get(name);
        wanted.is_empty() || wanted.iter().any(|w| value.starts_with(w.as_str()))
    }

    /// Every `label=key` or `label=key=value` holds, and no `label!` does.
    pub fn matches_labels<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let holds = |wanted: &String| match wanted.split_once('=') {
            Some((key, value)) => label(key) == Some(value),
            None => label(wanted).is_some(),
        };
        self.get("label").iter().all(holds) && !self.get("label!").iter().any(holds)
    }

    /// A boolean filter: `Some(true)` for true or 1, `Some(false)` for false or 0.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let values = self.get(name);
        let any = |of: [&str; 2]| values.iter().any(|value| of.contains(&value.as_str()));
        match (any(["1", "true"]), any(["0", "false"])) {
            _ if values.is_empty() => Ok(None),
            // Beside one that is understood, others are of no account (moby's GetBoolOrDefault).
            (true, false) => Ok(Some(true)),
            (false, true) => Ok(Some(false)),
            _ => {
                let values = values.join(" ");
                Err(ApiError::invalid(format!(
                    "invalid filter '{name}=[{values}]'"
                )))
            }
        }
    }

    /// The names of the filters given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// `^` anchors at the start, `$` at the end, the rest is literal.
fn pattern_matches(pattern: &str, value: &str) -> bool {
    let (start, pattern) = pattern
        .strip_prefix('^')
        .map_or((false, pattern), |rest| (true, rest));
    let (end, pattern) = pattern
        .strip_suffix('$')
        .map_or((false, pattern), |rest| (true, rest));
    match (start, end) {
        (true, true) => value == pattern,
        (true, false) => value.starts_with(pattern),
        (false, true) => value.ends_with(pattern),
        (false, false) => value.contains(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        let modern = Filters::parse(r#"{"name":{"web":true,"db":false}}"#);
        assert_eq!(
            modern.as_ref().map(|f| f.get("name").to_vec()),
            Ok(vec!["web".to_owned()])
        );
        assert_eq!(Filters::parse(r#"{"name":["web"]}"#), modern);
        assert!(Filters::parse("[1]").is_err());
        assert!(Filters::parse(r#"{"a":[1]}"#).is_err());
    }

    #[test]
    fn unknown_names_are_refused() {
        let query = Query::parse("filters=%7B%22bogus%22%3A%7B%22x%22%3Atrue%7D%7D");
        let error = Filters::from_query(&query, &["name"]).map_err(|e| e.message);
        assert_eq!(error, Err("invalid filter 'bogus'".into()));
    }

    #[test]
    fn names_match_as_substrings_or_anchored() {
        let filters = Filters::parse(r#"{"name":["^/web$"]}"#).unwrap_or_default();
        assert!(filters.matches("name", "/web"));
        assert!(!filters.matches("name", "/web2"));
        assert!(Filters::default().matches("name", "anything"));
    }

    #[test]
    fn labels_match_by_key_or_value() {
        let filters = Filters::parse(r#"{"label":["a=1","b"],"label!":["c"]}"#).unwrap_or_default();
        let labels = |pairs: &'static [(&'static str, &'static str)]| {
            move |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
        };
        assert!(filters.matches_labels(labels(&[("a", "1"), ("b", "x")])));
        assert!(!filters.matches_labels(labels(&[("a", "2"), ("b", "x")])));
        assert!(!filters.matches_labels(labels(&[("a", "1"), ("b", "x"), ("c", "")])));
    }
}
