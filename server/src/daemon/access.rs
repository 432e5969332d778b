//! Who may ask a daemon.
//!
//! Whoever may ask a Docker daemon owns the machine it runs on, so a socket is only for those who can open it, and TCP
//! answers no web page, no name that an attacker's DNS could point here, and beyond loopback nobody without a
//! certificate or the token.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

/// Characters of a token at least.
const TOKEN_LENGTH: usize = 16;

/// What a request must show.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The values of `Host` that name this daemon; any without.
    hosts: Option<Arc<[String]>>,
    /// Whether a browser could be made to ask.
    tcp: bool,
    token: Option<Token>,
}

/// A secret that requests carry as `Authorization: Bearer …`.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads a token from a file; blanks around it don't count.
    ///
    /// # Errors
    /// When there is no such file, or what it holds is too short or can't be sent in a header.
    pub fn read(path: &Path) -> Result<Token> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("can't read the token file {}", path.display()))?;
        let text = text.trim();
        ensure!(
            text.len() >= TOKEN_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic()),
            "{}: a token is at least {TOKEN_LENGTH} printable characters without blanks, \
             for example the output of `openssl rand -hex 32`",
            path.display()
        );
        Ok(Token(text.into()))
    }

    /// Compares in a time that tells nothing about where the difference is.
    fn is(&self, given: &str) -> bool {
        let (own, given) = (self.0.as_bytes(), given.as_bytes());
        own.len() == given.len() && own.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

/// A refusal: its status, and why.
pub type Refusal = (StatusCode, &'static str);

impl Access {
    /// A unix socket: whoever can open it.
    pub fn socket() -> Access {
        Access::default()
    }

    /// TCP on loopback: whoever names this host and port, against DNS rebinding; and shows the token, if there is one.
    pub fn loopback(port: u16, token: Option<Token>) -> Access {
        let names = ["localhost", "127.0.0.1", "[::1]", "api.moby.localhost"];
        let hosts = names
            .iter()
            .flat_map(|name| [(*name).to_owned(), format!("{name}:{port}")])
            .collect();
        Access {
            hosts: Some(hosts),
            tcp: true,
            token,
        }
    }

    /// TCP where connections have shown a certificate, or else requests show the token. Its names are the operator's
    /// affair.
    pub fn proven(token: Option<Token>) -> Access {
        Access {
            hosts: None,
            tcp: true,
            token,
        }
    }

    /// Why a request is not answered.
    pub fn refuses(&self, request: &Parts) -> Option<Refusal> {
        if !self.tcp {
            return None;
        }
        let headers = &request.headers;
        let mut named = headers.get_all(header::HOST).iter();
        let host = named
            .next()
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if named.next().is_some() {
            return Some((StatusCode::BAD_REQUEST, "too many Host headers"));
        }
        if let Some(hosts) = &self.hosts {
            let known = |host: &str| hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
            let target = request.uri.authority();
            if !known(host) || target.is_some_and(|target| !known(target.as_str())) {
                return Some((
                    StatusCode::FORBIDDEN,
                    "the Host header does not name this daemon: connect to localhost or 127.0.0.1",
                ));
            }
        }
        let cross_site = headers
            .get("sec-fetch-site")
            .is_some_and(|value| value != "none" && value != "same-origin");
        // This daemon serves no pages, so nobody but a program claims its own origin (WebSocket libraries do).
        let foreign = |origin: &HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            let named = origin.strip_prefix("http://");
            let named = named.or_else(|| origin.strip_prefix("https://"));
            named.is_none_or(|named| !named.contains(':') || !named.eq_ignore_ascii_case(host))
        };
        if cross_site || headers.get_all(header::ORIGIN).iter().any(foreign) {
            return Some((StatusCode::FORBIDDEN, "requests of web pages are refused"));
        }
        let token = self.token.as_ref()?;
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if given.is_some_and(|(_, given)| token.is(given.trim())) {
            return None;
        }
        Some((
            StatusCode::UNAUTHORIZED,
            "this daemon wants its token: send Authorization: Bearer TOKEN \
             (docker takes it from HttpHeaders in ~/.docker/config.json)",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, fields: &[(&str, &str)]) -> Parts {
        let request = fields
            .iter()
            .fold(http::Request::builder().uri(target), |r, (name, value)| {
                r.header(*name, *value)
            });
        request.body(()).unwrap().into_parts().0
    }

    fn status(access: &Access, target: &str, fields: &[(&str, &str)]) -> u16 {
        access
            .refuses(&request(target, fields))
            .map_or(200, |(status, _)| status.as_u16())
    }

    /// Rows W03 and W04.
    #[test]
    fn loopback_answers_only_requests_that_name_it() {
        let access = Access::loopback(2375, None);
        for host in [
            "localhost",
            "localhost:2375",
            "127.0.0.1:2375",
            "[::1]:2375",
            "LOCALHOST",
        ] {
            assert_eq!(status(&access, "/_ping", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "rebind.attacker.example:2375",
            "127.0.0.1.nip.io",
            "localhost.evil",
            "localhost.",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "localhost:2376",
            "user@localhost",
            "",
        ] {
            assert_eq!(status(&access, "/_ping", &[("host", host)]), 403, "{host}");
        }
        let two = [("host", "localhost"), ("host", "evil")];
        assert_eq!(status(&access, "/_ping", &two), 400);
        assert_eq!(status(&access, "/_ping", &[]), 403);
        let absolute = "http://evil.example/_ping";
        assert_eq!(status(&access, absolute, &[("host", "localhost")]), 403);
        let absolute = "http://localhost:2375/_ping";
        assert_eq!(status(&access, absolute, &[("host", "localhost")]), 200);
    }

    /// Rows W02, W05, W06, W09.
    #[test]
    fn tcp_refuses_web_pages() {
        for access in [Access::loopback(2375, None), Access::proven(None)] {
            for field in [
                ("origin", "https://evil.example"),
                ("origin", "http://localhost"),
                ("origin", "http://localhost:8080"),
                ("origin", "http://127.0.0.1:2375"),
                ("origin", "http://localhost:2375.evil"),
                ("origin", "http://x@localhost:2375"),
                ("origin", "null"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
            ] {
                let fields = [("host", "localhost:2375"), field];
                assert_eq!(status(&access, "/_ping", &fields), 403, "{field:?}");
            }
            let own = [
                ("host", "localhost:2375"),
                ("origin", "http://localhost:2375"),
            ];
            assert_eq!(status(&access, "/_ping", &own), 200);
        }
        let anything = [("host", "anything"), ("origin", "null")];
        assert_eq!(status(&Access::socket(), "/_ping", &anything), 200);
    }

    #[test]
    fn the_token_is_asked_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
        let access = Access::proven(Some(Token::read(file.path()).unwrap()));
        for (value, expected) in [
            ("Bearer 0123456789abcdef", 200),
            ("bearer 0123456789abcdef", 200),
            ("Bearer 0123456789abcdeg", 401),
            ("Bearer 0123456789abcde", 401),
            ("Basic 0123456789abcdef", 401),
            ("Bearer", 401),
            ("", 401),
        ] {
            let fields = [("host", "h"), ("authorization", value)];
            assert_eq!(status(&access, "/info", &fields), expected, "{value}");
        }
        for short in ["", "short", "0123456789 abcdef"] {
            std::fs::write(file.path(), short).unwrap();
            assert!(Token::read(file.path()).is_err(), "{short}");
        }
    }
}
