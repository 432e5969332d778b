//! Addresses of registries, and which ones may be followed from where.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use http::Uri;

use super::RemoteError;

/// An absolute `http:` or `https:` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    scheme: &'static str,
    host: String,
    port: u16,
    /// Path and query.
    target: String,
}

impl Address {
    /// Reads an absolute address.
    pub fn parse(text: &str) -> Result<Address, RemoteError> {
        let bad = || RemoteError::Other(format!("invalid address {text:?}"));
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let scheme = match uri.scheme_str() {
            Some("https") => "https",
            Some("http") => "http",
            _ => return Err(bad()),
        };
        // No `user:password@`.
        if uri.authority().is_none_or(|a| a.as_str().contains('@')) {
            return Err(bad());
        }
        let host = uri
            .host()
            .filter(|h| !h.is_empty())
            .ok_or_else(bad)?
            .to_ascii_lowercase();
        let port = uri
            .port_u16()
            .unwrap_or(if scheme == "https" { 443 } else { 80 });
        let target = uri.path_and_query().map_or("", |p| p.as_str()).to_string();
        Ok(Address {
            scheme,
            host,
            port,
            target,
        })
    }

    /// A path on this server: absolute, or relative to the root.
    pub fn join(&self, to: &str) -> Result<Address, RemoteError> {
        if to.contains("://") {
            return Address::parse(to);
        }
        if to.starts_with("//") {
            return Address::parse(&format!("{}:{to}", self.scheme));
        }
        let target = if to.starts_with('/') {
            to.to_string()
        } else {
            format!("/{to}")
        };
        Ok(Address {
            target,
            ..self.clone()
        })
    }

    /// A registry's path below this base, which may have a path of its own.
    pub fn join_base(&self, to: &str) -> Result<Address, RemoteError> {
        if to.contains("://") {
            return Address::parse(to);
        }
        let base = self.target.trim_end_matches('/');
        Ok(Address {
            target: format!("{base}{to}"),
            ..self.clone()
        })
    }

    /// Where a redirect leads, unless it would leave TLS, or leave the network for this machine or
    /// a private one.
    pub fn redirected(&self, to: &str, home: &Address) -> Result<Address, RemoteError> {
        let next = self.join(to)?;
        if self.scheme == "https" && next.scheme == "http" {
            return Err(RemoteError::Other(format!(
                "refusing a redirect from https to {next}"
            )));
        }
        if is_private(&next.host) && !is_private(&home.host) {
            return Err(RemoteError::Other(format!(
                "refusing a redirect to the private address {}",
                next.host
            )));
        }
        Ok(next)
    }

    /// Same scheme, host and port.
    pub fn same_origin(&self, other: &Address) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    /// Whether credentials for `self` may go to `realm`: the same host, or over TLS a host of the
    /// same site (`auth.docker.io` for `registry-1.docker.io`).
    pub fn trusts(&self, realm: &Address) -> bool {
        if self.host == realm.host {
            return self.scheme == realm.scheme || realm.scheme == "https";
        }
        realm.scheme == "https" && site(&self.host).is_some_and(|s| site(&realm.host) == Some(s))
    }

    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.scheme == "https" { 443 } else { 80 };
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port != default {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.target)
    }
}

/// The last two labels of a host name; `None` for addresses and single labels.
fn site(host: &str) -> Option<&str> {
    if ip(host).is_some() {
        return None;
    }
    let dot = host.rmatch_indices('.').nth(1).map(|(i, _)| i + 1);
    match dot {
        Some(start) => host.get(start..),
        None => host.contains('.').then_some(host),
    }
}

fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Whether a registry's `host[:port]` is this machine, where plain HTTP is fine.
pub(super) fn is_loopback(domain: &str) -> bool {
    let host = match domain.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => domain,
    };
    host == "localhost" || ip(host).is_some_and(|ip| ip.is_loopback())
}

/// Whether an address is of this machine or a private network, as far as its text tells.
fn is_private(host: &str) -> bool {
    fn private_v4(ip: Ipv4Addr) -> bool {
        ip.is_loopback()
            || ip.is_private()
            || ip.is_link_local()
            || ip.is_unspecified()
            || ip.is_broadcast()
    }
    match ip(host) {
        None => host == "localhost" || host.ends_with(".localhost") || host.ends_with(".internal"),
        Some(IpAddr::V4(ip)) => private_v4(ip),
        Some(IpAddr::V6(ip)) => {
            ip.to_ipv4_mapped().is_some_and(private_v4)
                || ip.is_loopback()
                || ip.is_unspecified()
                || (ip.segments()[0] & 0xfe00) == 0xfc00
                || (ip.segments()[0] & 0xffc0) == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|e| panic!("{e:?}"))
    }

    #[test]
    fn addresses_are_read_and_joined() {
        let base = at("https://Example.org/mirror/");
        assert_eq!(
            base.join_base("/v2/x").map(|a| a.to_string()),
            Ok("https://example.org/mirror/v2/x".into())
        );
        assert_eq!(
            base.join("/y?z=1").map(|a| a.to_string()),
            Ok("https://example.org/y?z=1".into())
        );
        assert_eq!(
            at("http://127.0.0.1:5000").join("x").map(|a| a.to_string()),
            Ok("http://127.0.0.1:5000/x".into())
        );
        for bad in [
            "",
            "x",
            "ftp://x/",
            "https://",
            "https://u:p@x/",
            "file:///etc/passwd",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn redirects_stay_in_the_open() {
        let hub = at("https://registry-1.docker.io");
        assert!(hub.redirected("https://cdn.example.net/x", &hub).is_ok());
        for to in [
            "http://cdn.example.net/x",
            "https://127.0.0.1:2375/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/",
            "https://metadata.google.internal/",
        ] {
            assert!(hub.redirected(to, &hub).is_err(), "{to}");
        }
        let local = at("http://127.0.0.1:5000");
        assert!(local.redirected("http://127.0.0.1:5001/x", &local).is_ok());
    }

    #[test]
    fn tokens_only_go_to_the_same_site() {
        let hub = at("https://registry-1.docker.io");
        assert!(hub.trusts(&at("https://auth.docker.io/token")));
        for realm in [
            "http://auth.docker.io/token",
            "https://attacker.example/",
            "http://attacker/",
            "https://docker.io.attacker.example/",
        ] {
            assert!(!hub.trusts(&at(realm)), "{realm}");
        }
        let local = at("http://127.0.0.1:5000");
        assert!(local.trusts(&at("http://127.0.0.1:5001/token")));
        assert!(!local.trusts(&at("http://127.0.0.2:5001/token")));
    }

    #[test]
    fn loopback_registries_are_known() {
        for domain in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
        ] {
            assert!(is_loopback(domain), "{domain}");
        }
        assert!(!is_loopback("example.org:5000"));
    }
}
