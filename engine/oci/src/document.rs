//! Strict reading of JSON documents that are named by their digest.
//!
//! Two parsers that disagree about a document let one reader see another image than the next one.
//! So what parsers are known to disagree about is refused: keys given twice, keys in another case
//! (Go folds case, most others do not), sizes that are no whole numbers, and shapes that could be
//! both a manifest and an index (CVE-2021-41190).

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The largest manifest, index or configuration that is read, in bytes (as distribution's).
pub const MAX_DOCUMENT: usize = 4 << 20;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// More than [`MAX_DOCUMENT`] bytes.
    #[error("{what} is too large: {size} bytes, limit {MAX_DOCUMENT}")]
    TooLarge {
        /// Which kind of document.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
    },
    /// No JSON, or JSON of the wrong types.
    #[error("invalid {what}: {reason}")]
    Json {
        /// Which kind of document.
        what: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// A key in another case than the specification's.
    #[error("invalid {what}: key {found:?} must be spelt {expected:?}")]
    KeyCase {
        /// Which kind of document.
        what: &'static str,
        /// As found.
        found: String,
        /// As specified.
        expected: &'static str,
    },
    /// Both `manifests` and `layers` or `config`.
    #[error("invalid manifest: both an index and an image manifest")]
    Ambiguous,
    /// Neither.
    #[error("invalid manifest: neither an index nor an image manifest")]
    Shapeless,
    /// `Content-Type`, `mediaType` and the document's shape do not agree.
    #[error("invalid manifest: media type {declared:?} does not match {actual:?}")]
    MediaType {
        /// What was announced.
        declared: String,
        /// What the document is.
        actual: String,
    },
    /// A kind of document or layer that cannot be used.
    #[error("unsupported media type {0:?}")]
    Unsupported(String),
    /// Docker's schema 1, which today's Docker refuses as well.
    #[error("Docker image manifest version 2, schema 1 is not supported")]
    Schema1,
    /// Too many entries in a list.
    #[error("invalid {what}: {count} {of}, limit {limit}")]
    TooMany {
        /// Which kind of document.
        what: &'static str,
        /// Of what.
        of: &'static str,
        /// How many.
        count: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The configuration does not list the manifest's layers; the text is Docker's.
    #[error("invalid manifest, layers length mismatch: expected {layers}, got {diff_ids}")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// diffIDs in the configuration.
        diff_ids: usize,
    },
    /// The configuration is none of an image.
    #[error("invalid rootfs in image configuration")]
    RootFs,
}

/// Parses `bytes` after refusing oversize, deep nesting (128) and keys given twice.
pub fn parse_value(what: &'static str, bytes: &[u8]) -> Result<Value, DocumentError> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(DocumentError::TooLarge {
            what,
            size: bytes.len(),
        });
    }
    let fail = |e: serde_json::Error| DocumentError::Json {
        what,
        reason: printable(&e.to_string()),
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = UniqueKeys.deserialize(&mut reader).map_err(fail)?;
    reader.end().map_err(fail)?;
    Ok(value)
}

/// A typed view of a value that [`parse_value`] let through.
pub fn typed<T: DeserializeOwned>(what: &'static str, value: Value) -> Result<T, DocumentError> {
    serde_json::from_value(value).map_err(|e| DocumentError::Json {
        what,
        reason: printable(&e.to_string()),
    })
}

/// Refuses keys of `object` that differ from a `known` key only by case.
pub fn refuse_case_variants(
    what: &'static str,
    object: &Map<String, Value>,
    known: &[&'static str],
) -> Result<(), DocumentError> {
    for key in object.keys() {
        let folded = fold(key);
        if let Some(expected) = known.iter().find(|k| fold(k) == folded && **k != key) {
            return Err(DocumentError::KeyCase {
                what,
                found: key.clone(),
                expected,
            });
        }
    }
    Ok(())
}

/// Case folding as Go's encoding/json does it: also U+017F for `s` and U+212A for `k`.
fn fold(key: &str) -> String {
    key.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

/// `text` with control characters escaped, so that a hostile document cannot drive a terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped: Vec<char> = if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            };
            escaped
        })
        .collect()
}

/// As [`printable`], but line feeds and tabs stay.
pub fn printable_lines(text: &str) -> String {
    let escape = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(escape) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut out, c| {
        match escape(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
        out
    })
}

/// Builds a `Value`, refusing a key given twice in one object.
struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(UniqueKeys)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(serde::de::Error::custom(format!("key {key:?} given twice")));
            }
            object.insert(key, map.next_value_seed(UniqueKeys)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn duplicate_keys_deep_nesting_and_trailing_bytes_are_refused() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"digest":"a","digest":"b"}}"#,
            &deep,
            "{} {}",
            "",
            "{\"a\":",
        ] {
            assert!(parse_value("manifest", text.as_bytes()).is_err());
        }
        let large = vec![b' '; MAX_DOCUMENT + 1];
        assert!(matches!(
            parse_value("manifest", &large),
            Err(DocumentError::TooLarge { .. })
        ));
        assert!(parse_value("manifest", br#"{"a":[1,{"b":null,"c":1.5}]}"#).is_ok());
    }

    #[test]
    fn case_variants_are_refused() {
        let Ok(Value::Object(object)) = parse_value("x", "{\"Layer\u{17f}\":1}".as_bytes()) else {
            panic!("no object");
        };
        assert!(refuse_case_variants("x", &object, &["layers"]).is_err());
        assert!(refuse_case_variants("x", &object, &["config"]).is_ok());
    }

    #[test]
    fn errors_hold_no_control_characters() {
        let error = parse_value("x", b"{\"\x1b]0;t\x07\":1,\"\x1b]0;t\x07\":2}")
            .unwrap_err()
            .to_string();
        assert!(!error.chars().any(char::is_control), "{error:?}");
        assert_eq!(printable("a\u{1b}[1m"), "a\\u{1b}[1m");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let _ = parse_value("x", &bytes);
        }
    }
}
