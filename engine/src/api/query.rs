//! Query strings and Docker's way of reading booleans and numbers from them.

use super::error::ApiError;

/// A decoded query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes `a=1&b=two+words`.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        });
        Query(pairs.collect())
    }

    /// The first value of a name, or "".
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// Whether a name is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Every value of a name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// moby's `BoolValue`: anything but "", 0, no, false and none is true.
    pub fn bool(&self, name: &str) -> bool {
        !matches!(
            self.get(name).trim().to_ascii_lowercase().as_str(),
            "" | "0" | "no" | "false" | "none"
        )
    }

    /// moby's `BoolValueOrDefault`.
    pub fn bool_or(&self, name: &str, default: bool) -> bool {
        if self.has(name) {
            self.bool(name)
        } else {
            default
        }
    }

    /// moby's `Int64ValueOrZero`.
    pub fn int_or_zero(&self, name: &str) -> i64 {
        self.get(name).parse().unwrap_or(0)
    }

    /// A number, `None` when missing, an error (in Go's words) when it is none.
    pub fn int(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let bad = |_| ApiError::invalid(format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
        text.parse().map(Some).map_err(bad)
    }
}

/// Undoes percent-encoding; what is not an escape stays. Bytes that are not
/// UTF-8 become U+FFFD.
pub fn decode(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let escape = (byte == b'%')
            .then(|| text.get(index + 1..index + 3))
            .flatten();
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                index += 3;
            }
            None => {
                decoded.push(if byte == b'+' && plus_is_blank {
                    b' '
                } else {
                    byte
                });
                index += 1;
            }
        }
    }
    String::from_utf8(decoded)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Percent-encodes a query value.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(byte as char)
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries_decode() {
        let query = Query::parse("a=1&b=two+words&c=%7B%22x%22%3Atrue%7D&d&a=2&e=%zz%4");
        assert_eq!(query.get("a"), "1");
        assert_eq!(query.all("a"), ["1", "2"]);
        assert_eq!(query.get("b"), "two words");
        assert_eq!(query.get("c"), "{\"x\":true}");
        assert!(query.has("d") && !query.bool("d"));
        assert_eq!(query.get("e"), "%zz%4");
    }

    #[test]
    fn booleans_are_mobys() {
        let query = Query::parse("a=1&b=0&c=None&d=False&e=yes");
        assert_eq!(
            ["a", "b", "c", "d", "e", "f"].map(|n| query.bool(n)),
            [true, false, false, false, true, false]
        );
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_back(text in "\\PC{0,20}") {
            prop_assert_eq!(decode(&encode(&text), true), text);
        }

        #[test]
        fn decoding_never_panics(text in "(%|[0-9a-fé+]){0,20}") {
            decode(&text, true);
        }
    }
}
