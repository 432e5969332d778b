//! Image references: Docker's grammar and normalisation (`distribution/reference`), with its
//! error texts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, DigestError};
use crate::pattern::{PatternError, path_match};

/// The registry that short names mean.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag that a name without tag and digest means.
pub const DEFAULT_TAG: &str = "latest";
const LEGACY_DOMAIN: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const MAX_PATH: usize = 255;

/// Why a string is no reference; the texts are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The grammar does not match.
    #[error("invalid reference format")]
    Format,
    /// The repository's path has an upper-case letter.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// The reference would be fine in lower case.
    #[error("repository name must be lowercase")]
    NameUppercase,
    /// Nothing given.
    #[error("repository name must have at least one component")]
    Empty,
    /// Longer than 255 characters.
    #[error("repository name must not be more than {MAX_PATH} characters")]
    TooLong,
    /// A bare image ID where a name is wanted.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Identifier(String),
    /// The part after `@` is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The tag to be set is not in the grammar.
    #[error("invalid tag format")]
    Tag,
}

/// A normalised reference: registry, repository path, and a tag or digest or both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses a name as a user types it (`ParseNormalizedNamed`): `busybox` means
    /// `docker.io/library/busybox`. No tag is added; see [`Reference::with_default_tag`].
    pub fn parse(s: &str) -> Result<Reference, ReferenceError> {
        if is_identifier(s) {
            return Err(ReferenceError::Identifier(s.into()));
        }
        let (domain, remainder) = split_domain(s);
        let remote = remainder.split(':').next().unwrap_or_default();
        if remote.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase(remote.into()));
        }
        parse_full(&domain, &remainder)
    }

    /// A reference to `path` at `domain`, both in normalised form.
    pub fn from_parts(domain: &str, path: &str) -> Result<Reference, ReferenceError> {
        parse_full(domain, path)
    }

    /// The registry: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository's path inside the registry: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if any.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if any.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and path: `docker.io/library/busybox`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The shortest form of the name: `busybox`, `me/app`, `localhost:5000/me/app`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL) {
            Some(rest) if !rest.contains('/') => rest.into(),
            _ => self.path.clone(),
        }
    }

    /// The familiar name with tag and digest.
    pub fn familiar(&self) -> String {
        self.suffixed(self.familiar_name())
    }

    /// Whether there is neither tag nor digest.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// The same, with the tag `latest` if there was neither tag nor digest.
    pub fn with_default_tag(mut self) -> Reference {
        if self.is_name_only() {
            self.tag = Some(DEFAULT_TAG.into());
        }
        self
    }

    /// The same repository with this tag (and no digest).
    pub fn with_tag(&self, tag: &str) -> Result<Reference, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::Tag);
        }
        Ok(Reference {
            tag: Some(tag.into()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same repository by digest (and no tag).
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The repository alone.
    pub fn name_only(&self) -> Reference {
        Reference {
            tag: None,
            digest: None,
            ..self.clone()
        }
    }

    /// What a registry is asked for: the digest, else the tag, else `latest`.
    pub fn manifest_key(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(d), _) => d.to_string(),
            (None, Some(t)) => t.clone(),
            (None, None) => DEFAULT_TAG.into(),
        }
    }

    /// Whether both name the same repository.
    pub fn same_repository(&self, other: &Reference) -> bool {
        self.domain == other.domain && self.path == other.path
    }

    /// Docker's `reference` filter: the pattern (Go `path.Match`) matches the familiar reference or
    /// the familiar name. `Err` for a malformed pattern.
    pub fn familiar_match(&self, pattern: &str) -> Result<bool, PatternError> {
        Ok(path_match(pattern, &self.familiar())? || path_match(pattern, &self.familiar_name())?)
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_str());
        }
        name
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suffixed(self.name()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(s: &str) -> Result<Self, ReferenceError> {
        Reference::parse(s)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Either a name or an image ID's digest, as `docker inspect` takes them (`ParseAnyReference`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyReference {
    /// 64 hexadecimal digits or `sha256:…`.
    Digest(Digest),
    /// A name.
    Named(Reference),
}

impl AnyReference {
    /// Parses either form.
    pub fn parse(s: &str) -> Result<AnyReference, ReferenceError> {
        if is_identifier(s)
            && let Ok(digest) = format!("sha256:{s}").parse()
        {
            return Ok(AnyReference::Digest(digest));
        }
        match s.parse() {
            Ok(digest) => Ok(AnyReference::Digest(digest)),
            Err(_) => Reference::parse(s).map(AnyReference::Named),
        }
    }
}

fn is_identifier(s: &str) -> bool {
    s.len() == 64 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Which registry a typed name means, and the rest.
fn split_domain(name: &str) -> (String, String) {
    let (domain, rest) = match name.split_once('/') {
        None => return (DEFAULT_DOMAIN.into(), format!("{OFFICIAL}{name}")),
        Some((LEGACY_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.chars().any(char::is_uppercase) =>
        {
            (first, rest)
        }
        Some(_) => (DEFAULT_DOMAIN, name),
    };
    if domain == DEFAULT_DOMAIN && !rest.contains('/') {
        return (domain.into(), format!("{OFFICIAL}{rest}"));
    }
    (domain.into(), rest.into())
}

fn parse_full(domain: &str, remainder: &str) -> Result<Reference, ReferenceError> {
    match match_grammar(domain, remainder) {
        Some(reference) => reference,
        None if domain.is_empty() && remainder.is_empty() => Err(ReferenceError::Empty),
        None if match_grammar(&domain.to_lowercase(), &remainder.to_lowercase()).is_some()
            // What looks like a registry because of its capitals may be the first part of a path.
            || match_grammar("localhost", &format!("{domain}/{remainder}").to_lowercase())
                .is_some() =>
        {
            Err(ReferenceError::NameUppercase)
        }
        None => Err(ReferenceError::Format),
    }
}

/// `None`: outside the grammar. `Some(Err)`: inside it, but refused for another reason.
fn match_grammar(domain: &str, remainder: &str) -> Option<Result<Reference, ReferenceError>> {
    let (head, digest) = match remainder.split_once('@') {
        Some((head, digest)) => (head, Some(digest)),
        None => (remainder, None),
    };
    let (path, tag) = match head.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (head, None),
    };
    let digest_ok = digest.is_none_or(is_digest_shaped);
    if !is_domain(domain) || !is_path(path) || !tag.is_none_or(is_tag) || !digest_ok {
        return None;
    }
    if path.len() > MAX_PATH {
        return Some(Err(ReferenceError::TooLong));
    }
    let digest = match digest.map(str::parse).transpose() {
        Ok(digest) => digest,
        Err(e) => return Some(Err(ReferenceError::Digest(e))),
    };
    Some(Ok(Reference {
        domain: domain.into(),
        path: path.into(),
        tag: tag.map(Into::into),
        digest,
    }))
}

/// Host name or bracketed IPv6 address, with an optional port of at most 65535.
fn is_domain(s: &str) -> bool {
    let (host, port) = match s.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((v6, rest)) => {
                if v6.is_empty() || !v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                    return false;
                }
                match rest.strip_prefix(':') {
                    Some(port) => ("", Some(port)),
                    None if rest.is_empty() => ("", None),
                    None => return false,
                }
            }
            None => return false,
        },
        None => match s.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (s, None),
        },
    };
    let host_ok = s.starts_with('[')
        || host.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
    let port_ok =
        port.is_none_or(|p| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok());
    host_ok && port_ok
}

/// Whether `s` is a repository path: lower-case components separated by `/`.
pub fn is_path(s: &str) -> bool {
    s.split('/').all(is_path_component)
}

/// `[a-z0-9]+ ((\.|_|__|-+) [a-z0-9]+)*`
fn is_path_component(s: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = s.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) if alnum(first) && alnum(last) => {}
        _ => return false,
    }
    bytes.split(|&b| alnum(b)).all(|separator| {
        matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-')
    })
}

/// Whether `s` is a tag: `[\w][\w.-]{0,127}`.
pub fn is_tag(s: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    s.len() <= 128
        && s.bytes().next().is_some_and(word)
        && s.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// The reference grammar's looser digest: any algorithm, at least 32 hexadecimal digits.
fn is_digest_shaped(s: &str) -> bool {
    let Some((algorithm, hex)) = s.split_once(':') else {
        return false;
    };
    algorithm.split(['-', '_', '+', '.']).all(|c| {
        c.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && c.bytes().all(|b| b.is_ascii_alphanumeric())
    }) && hex.len() >= 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn familiar(s: &str) -> String {
        Reference::parse(s)
            .unwrap_or_else(|e| panic!("{s}: {e}"))
            .familiar()
    }

    #[test]
    fn names_are_normalised_and_made_familiar() {
        let table = [
            ("busybox", "docker.io/library/busybox", "busybox"),
            ("busybox:1", "docker.io/library/busybox:1", "busybox:1"),
            ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
            (
                "index.docker.io/library/busybox:x",
                "docker.io/library/busybox:x",
                "busybox:x",
            ),
            ("me/app", "docker.io/me/app", "me/app"),
            ("library/a/b", "docker.io/library/a/b", "library/a/b"),
            ("localhost/app", "localhost/app", "localhost/app"),
            (
                "localhost:5000/me/app:v1",
                "localhost:5000/me/app:v1",
                "localhost:5000/me/app:v1",
            ),
            ("127.0.0.1:5000/x", "127.0.0.1:5000/x", "127.0.0.1:5000/x"),
            ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
            (
                "a__b/c-d.e_f--g",
                "docker.io/a__b/c-d.e_f--g",
                "a__b/c-d.e_f--g",
            ),
            ("Upper/x", "Upper/x", "Upper/x"),
        ];
        for (typed, full, short) in table {
            let reference = Reference::parse(typed).unwrap_or_else(|e| panic!("{typed}: {e}"));
            assert_eq!(reference.to_string(), full);
            assert_eq!(reference.familiar(), short);
        }
        let digest = Digest::of(b"");
        assert_eq!(familiar(&format!("x:1@{digest}")), format!("x:1@{digest}"));
        assert_eq!(
            Reference::parse("x").map(|r| r.with_default_tag().familiar()),
            Ok("x:latest".into())
        );
    }

    #[test]
    fn refusals_use_dockers_words() {
        let hex = "a".repeat(64);
        let table = [
            (
                "UP",
                "invalid reference format: repository name (library/UP) must be lowercase".into(),
            ),
            (
                "me/UP:x",
                "invalid reference format: repository name (me/UP) must be lowercase".to_string(),
            ),
            ("", "invalid reference format".into()),
            ("YOUR_NAME/app", "repository name must be lowercase".into()),
            ("../../x:latest", "invalid reference format".into()),
            ("host:99999/x", "invalid reference format".into()),
            ("-x", "invalid reference format".into()),
            ("a___b", "invalid reference format".into()),
            ("a..b", "invalid reference format".into()),
            ("x:", "invalid reference format".into()),
            ("x y", "invalid reference format".into()),
            ("x:1:2", "invalid reference format".into()),
            ("x@sha256:abc", "invalid reference format".into()),
            (
                &hex,
                format!(
                    "invalid repository name ({hex}), cannot specify 64-byte hexadecimal strings"
                ),
            ),
        ];
        for (typed, text) in table {
            assert_eq!(
                Reference::parse(typed).map_err(|e| e.to_string()),
                Err(text),
                "{typed}"
            );
        }
        assert_eq!(
            Reference::parse(&format!("x:{}", "t".repeat(300))),
            Err(ReferenceError::Format)
        );
        assert_eq!(
            Reference::parse(&"a".repeat(300)),
            Err(ReferenceError::TooLong)
        );
        assert_eq!(
            Reference::parse(&format!("x@md5:{}", "a".repeat(32))),
            Err(ReferenceError::Digest(DigestError::Unsupported))
        );
    }

    #[test]
    fn any_reference_knows_identifiers() {
        let digest = Digest::of(b"");
        for text in [digest.as_str(), digest.hex()] {
            assert_eq!(
                AnyReference::parse(text),
                Ok(AnyReference::Digest(digest.clone()))
            );
        }
        assert!(matches!(
            AnyReference::parse("x"),
            Ok(AnyReference::Named(_))
        ));
    }

    #[test]
    fn the_reference_filter_takes_names_with_and_without_tags() {
        let image = Reference::parse("busybox:latest").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(image.familiar_match("busybox"), Ok(true));
        assert_eq!(image.familiar_match("busybox:l*"), Ok(true));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,300}") {
            let _ = AnyReference::parse(&text);
        }

        #[test]
        fn parsing_undoes_printing(
            text in "([a-z0-9]{1,5}(\\.[a-z]{1,3})?(:[1-9][0-9]{0,3})?/)?[a-z0-9]{1,4}([._-][a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,4}){0,2}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?"
        ) {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(Reference::parse(&reference.to_string()), Ok(reference.clone()));
                prop_assert_eq!(Reference::parse(&reference.familiar()), Ok(reference.clone()));
            }
        }
    }
}
