//! Bearer tokens: signed grants (JWT, HS256) that the registry issues and checks.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::auth::{Action, Authorizer, Challenge, Resource};
use crate::clock::Clock;

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
/// Seconds that clocks may differ.
const SKEW: i64 = 60;
/// The most bytes of a token that are looked at.
const LIMIT: usize = 16 << 10;

/// What a token allows in one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// `repository`, or `registry` for the catalogue.
    #[serde(rename = "type")]
    pub kind: String,
    /// The repository; `catalog` for the catalogue.
    pub name: String,
    /// `pull`, `push`, `delete`, or `*`.
    pub actions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    sub: String,
    nbf: i64,
    exp: i64,
    access: Vec<Grant>,
}

/// Issues and checks tokens.
pub struct TokenAuthority {
    /// Where clients get tokens.
    pub realm: String,
    /// The registry's name, tokens' audience.
    pub service: String,
    key: [u8; 32],
    clock: Rc<dyn Clock>,
}

impl TokenAuthority {
    /// An authority with a key of its own.
    pub fn new(realm: &str, service: &str, key: [u8; 32], clock: Rc<dyn Clock>) -> Self {
        TokenAuthority {
            realm: realm.into(),
            service: service.into(),
            key,
            clock,
        }
    }

    /// A token for someone, good for so many seconds.
    pub fn issue(&self, subject: &str, access: Vec<Grant>, seconds: i64) -> String {
        let now = self.clock.now().seconds();
        let claims = Claims {
            aud: self.service.clone(),
            sub: subject.into(),
            nbf: now,
            exp: now + seconds,
            access,
        };
        let claims = serde_json::to_vec(&claims).unwrap_or_default();
        let body = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(HEADER),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = URL_SAFE_NO_PAD.encode(hmac(&self.key, body.as_bytes()));
        format!("{body}.{signature}")
    }

    /// The grants of a token that is genuine, for us and in its time. The header is not asked which
    /// algorithm to believe.
    fn verify(&self, token: &str) -> Option<Vec<Grant>> {
        if token.len() > LIMIT {
            return None;
        }
        let (body, signature) = token.rsplit_once('.')?;
        let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !same(&given, &hmac(&self.key, body.as_bytes())) {
            return None;
        }
        let (_, claims) = body.split_once('.')?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let now = self.clock.now().seconds();
        let timely =
            now >= claims.nbf.saturating_sub(SKEW) && now < claims.exp.saturating_add(SKEW);
        (claims.aud == self.service && timely).then_some(claims.access)
    }
}

impl Authorizer for TokenAuthority {
    fn authorize(
        &self,
        headers: &HeaderMap,
        resource: &Resource,
        action: Action,
    ) -> Result<(), Challenge> {
        let (kind, name) = match resource {
            Resource::Registry => ("", ""),
            Resource::Catalog => ("registry", "catalog"),
            Resource::Repository(name) => ("repository", name.as_str()),
        };
        let header = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token = header
            .and_then(|h| h.split_once(' '))
            .filter(|(s, _)| s.eq_ignore_ascii_case("bearer"));
        let grants = token.map(|(_, token)| self.verify(token.trim()));
        let allowed = |g: &Grant| {
            g.kind == kind
                && g.name == name
                && g.actions.iter().any(|a| a == "*" || a == action.name())
        };
        let error = match grants {
            None => None,
            Some(None) => Some("invalid_token"),
            Some(Some(_)) if kind.is_empty() => return Ok(()),
            Some(Some(grants)) if grants.iter().any(allowed) => return Ok(()),
            Some(Some(_)) => Some("insufficient_scope"),
        };
        let actions = if action == Action::Push {
            "pull,push"
        } else {
            action.name()
        };
        let scope = if kind.is_empty() {
            String::new()
        } else {
            format!("{kind}:{name}:{actions}")
        };
        Err(Challenge::Bearer {
            realm: self.realm.clone(),
            service: self.service.clone(),
            scope,
            error,
        })
    }
}

/// HMAC-SHA256 (RFC 2104) with a key of half a block.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        for (b, k) in block.iter_mut().zip(key) {
            *b ^= k;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

/// Equality in a time that does not depend on where the difference is.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::Timestamp;
    use crate::clock::ManualClock;

    fn authority(service: &str, key: u8, clock: &Rc<ManualClock>) -> TokenAuthority {
        TokenAuthority::new("https://r.example/token", service, [key; 32], clock.clone())
    }

    fn check(
        authority: &TokenAuthority,
        token: &str,
        name: &str,
        action: Action,
    ) -> Result<(), Challenge> {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {token}")
            .parse()
            .unwrap_or_else(|e| panic!("{e}"));
        headers.insert(AUTHORIZATION, value);
        authority.authorize(&headers, &Resource::Repository(name.into()), action)
    }

    #[test]
    fn hmac_is_rfc_4231s() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = hmac(&key, b"what do ya want for nothing?");
        assert_eq!(
            hex::encode(mac),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    /// Row W28: no algorithm, another audience, another repository, another time, another key.
    #[test]
    fn only_genuine_tokens_for_the_repository_do() {
        let clock = Rc::new(ManualClock::new(Timestamp::from_unix(1_000_000, 0)));
        let ours = authority("ours", 1, &clock);
        let grant = |name: &str| {
            vec![Grant {
                kind: "repository".into(),
                name: name.into(),
                actions: vec!["pull".into()],
            }]
        };
        let token = ours.issue("me", grant("a/b"), 300);
        assert_eq!(check(&ours, &token, "a/b", Action::Pull), Ok(()));
        let error = |result: Result<(), Challenge>| match result {
            Err(Challenge::Bearer { error, .. }) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            error(check(&ours, &token, "a/b", Action::Push)),
            Some("insufficient_scope")
        );
        assert_eq!(
            error(check(&ours, &token, "a/c", Action::Pull)),
            Some("insufficient_scope")
        );
        let claims = token.split('.').nth(1).unwrap_or_default();
        let none = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        let resigned = authority("ours", 2, &clock).issue("me", grant("a/b"), 300);
        let elsewhere = authority("theirs", 1, &clock).issue("me", grant("a/b"), 300);
        for bad in [
            none.as_str(),
            &resigned,
            &elsewhere,
            "",
            "x.y.z",
            &"a".repeat(20_000),
        ] {
            assert_eq!(
                error(check(&ours, bad, "a/b", Action::Pull)),
                Some("invalid_token"),
                "{bad:.40}"
            );
        }
        clock.advance(359_000_000_000);
        assert_eq!(check(&ours, &token, "a/b", Action::Pull), Ok(()));
        clock.advance(2_000_000_000);
        assert_eq!(
            error(check(&ours, &token, "a/b", Action::Pull)),
            Some("invalid_token")
        );
    }
}
