//! Answers to `WWW-Authenticate` (distribution's token specification).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::url::Address;
use super::{SMALL, collect};
use crate::api::query::encode;
use crate::api::types::AuthConfig;
use crate::fetch::{Fetch, FetchRequest};

/// What Docker says of credentials that a token server does not take.
pub(super) const WRONG_PASSWORD: &str = "unauthorized: incorrect username or password";

pub(super) enum AuthError {
    NoCredentials,
    Denied,
    Other(String),
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: String },
}

impl Challenge {
    /// Reads `Bearer realm="…",service="…"` or `Basic realm="…"`.
    pub fn parse(header: &str) -> Option<Challenge> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, String::new());
        for (key, value) in parameters(rest) {
            match key.as_str() {
                "realm" => realm = Some(value),
                "service" => service = value,
                _ => {}
            }
        }
        Some(Challenge::Bearer {
            realm: realm?,
            service,
        })
    }
}

/// `key="value",key=value`, with `\"` inside quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| *c == ',' || c.is_whitespace()).is_some() {}
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && *c != ',') {
            key.push(c);
        }
        if chars.next_if_eq(&'=').is_none() {
            return out;
        }
        let mut value = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => value.extend(chars.next()),
                    c => value.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                value.push(c);
            }
        }
        out.push((key.trim().to_ascii_lowercase(), value));
    }
}

/// The `Authorization` header that answers a challenge.
pub(super) async fn answer(
    fetch: &dyn Fetch,
    base: &str,
    auth: &AuthConfig,
    challenge: &Challenge,
    scope: &str,
) -> Result<HeaderValue, AuthError> {
    match challenge {
        Challenge::Basic => basic(auth).ok_or(AuthError::NoCredentials),
        Challenge::Bearer { .. } if !auth.registrytoken.is_empty() => bearer(&auth.registrytoken),
        Challenge::Bearer { realm, service } => {
            let bad = |_| AuthError::Other(format!("invalid token server {realm:?}"));
            let address = Address::parse(realm).map_err(bad)?;
            let home = Address::parse(base).map_err(bad)?;
            if !home.trusts(&address) {
                return Err(AuthError::Other(format!(
                    "refusing to ask {} for a token for {}: it is another site, or not https",
                    address.host(),
                    home.host()
                )));
            }
            bearer(&token(fetch, realm, service, scope, auth).await?)
        }
    }
}

async fn token(
    fetch: &dyn Fetch,
    realm: &str,
    service: &str,
    scope: &str,
    auth: &AuthConfig,
) -> Result<String, AuthError> {
    #[derive(Deserialize)]
    struct Token {
        #[serde(default)]
        token: String,
        #[serde(default)]
        access_token: String,
    }
    let service = encode(service);
    let mut headers = HeaderMap::new();
    let request = if auth.identitytoken.is_empty() {
        let joint = if realm.contains('?') { '&' } else { '?' };
        let mut url = format!("{realm}{joint}service={service}");
        for scope in scope.split_whitespace() {
            url.push_str(&format!("&scope={}", encode(scope)));
        }
        if let Some(header) = basic(auth) {
            url.push_str(&format!("&account={}", encode(&auth.username)));
            headers.insert(AUTHORIZATION, header);
        }
        FetchRequest {
            method: Method::GET,
            url,
            headers,
            body: Bytes::new(),
        }
    } else {
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let body = format!(
            "client_id=docker&grant_type=refresh_token&refresh_token={}&scope={}&service={service}",
            encode(&auth.identitytoken),
            encode(scope)
        );
        FetchRequest {
            method: Method::POST,
            url: realm.into(),
            headers,
            body: body.into(),
        }
    };
    let url = request.url.clone();
    let response = fetch
        .fetch(request)
        .await
        .map_err(|e| AuthError::Other(format!("Get {url:?}: {e}")))?;
    match response.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !auth.username.is_empty() => {
            return Err(AuthError::Other(WRONG_PASSWORD.into()));
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(AuthError::Denied),
        status => {
            return Err(AuthError::Other(format!(
                "the token server answered {status}"
            )));
        }
    }
    let bytes = collect(response, SMALL)
        .await
        .map_err(|e| AuthError::Other(e.text()))?;
    let token: Token = serde_json::from_slice(&bytes)
        .map_err(|_| AuthError::Other("the token server's answer is no token".into()))?;
    let token = if token.token.is_empty() {
        token.access_token
    } else {
        token.token
    };
    if token.is_empty() {
        return Err(AuthError::Other(
            "authorization server did not include a token in the response".into(),
        ));
    }
    Ok(token)
}

fn basic(auth: &AuthConfig) -> Option<HeaderValue> {
    let encoded = match (auth.username.is_empty(), auth.auth.is_empty()) {
        (false, _) => STANDARD.encode(format!("{}:{}", auth.username, auth.password)),
        (true, false) => auth.auth.clone(),
        (true, true) => return None,
    };
    secret(format!("Basic {encoded}"))
}

fn bearer(token: &str) -> Result<HeaderValue, AuthError> {
    secret(format!("Bearer {token}"))
        .ok_or_else(|| AuthError::Other("the token is not printable".into()))
}

fn secret(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn challenges_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull""#;
        let bearer = |realm: &str, service: &str| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.into(),
            })
        };
        assert_eq!(
            Challenge::parse(hub),
            bearer("https://auth.docker.io/token", "registry.docker.io")
        );
        assert_eq!(
            Challenge::parse("bearer service=s, realm=r"),
            bearer("r", "s")
        );
        assert_eq!(
            Challenge::parse("Basic realm=\"x\""),
            Some(Challenge::Basic)
        );
        for bad in ["", "Negotiate", "Bearer", "Bearer service=\"x\""] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_challenges_never_panic(text in "\\PC{0,60}") {
            let _ = Challenge::parse(&text);
            let _ = Challenge::parse(&format!("Bearer {text}"));
        }
    }
}
