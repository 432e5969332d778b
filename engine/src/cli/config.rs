//! The client's configuration, `config.json`, and addresses.

use super::prelude::*;
use crate::cli::host::HostResult;

/// Where the daemon is unless said otherwise.
pub const DEFAULT_ADDRESS: &str = "unix:///var/run/docker.sock";
/// The key credentials of Docker Hub are kept under.
pub const HUB: &str = "https://index.docker.io/v1/";
/// The most `config.json` may hold.
const MAX_CONFIG: usize = 1 << 20;

/// Checks a daemon address as docker does before it connects.
pub fn check_address(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Ok(());
    }
    match address.split_once("://") {
        Some(("unix" | "tcp" | "fd" | "npipe" | "ssh" | "http" | "https", rest))
            if !rest.is_empty() || address != "tcp://" =>
        {
            Ok(())
        }
        Some((_, _)) => Err(format!("invalid bind address format: {address}")),
        None => Ok(()),
    }
}

impl Cli<'_> {
    fn config_path(&self) -> String {
        self.absolute(&format!("{}/config.json", self.config_dir))
    }

    /// The configuration; an empty document when there is none, or none that can be read.
    pub async fn load_config(&self) -> J {
        let Ok(data) = self.read_file(&self.config_path(), MAX_CONFIG).await else {
            return json!({});
        };
        match serde_json::from_slice::<J>(&data) {
            Ok(v) if v.is_object() => v,
            _ => {
                self.err(&format!(
                    "WARNING: Error loading config file: {}: invalid JSON\n",
                    self.config_path()
                ))
                .await;
                json!({})
            }
        }
    }

    /// Saves the configuration, readable by its owner alone.
    pub async fn save_config(&self, config: &J) -> Result<(), Failure> {
        let path = self.config_path();
        let text = serde_json::to_string_pretty(config)
            .unwrap_or_default()
            .replace("  ", "\t");
        let write = async || -> HostResult<()> {
            let _ = self
                .host
                .mkdir(&self.absolute(&self.config_dir), 0o700)
                .await;
            let temporary = format!("{path}.new");
            let file = self.host.create(&temporary, 0o600).await?;
            file.write(text.as_bytes()).await?;
            file.close().await?;
            self.host.rename(&temporary, &path).await
        };
        write()
            .await
            .map_err(|e| Failure::new(format!("Error saving credentials: open {path}: {e}")))
    }

    /// The `X-Registry-Auth` header's value for a registry: base64url of its credentials.
    pub async fn registry_auth(&self, registry: &str) -> String {
        let config = self.load_config().await;
        let key = auth_key(registry);
        let entry = config.at("auths").at(key);
        let mut auth = json!({});
        if let Some((user, password)) = decode_auth(entry.text("auth")) {
            auth = json!({"username": user, "password": password, "serveraddress": key});
        }
        if !entry.text("identitytoken").is_empty() {
            auth["identitytoken"] = entry.at("identitytoken").clone();
            auth["serveraddress"] = key.into();
        }
        base64(auth.to_string().as_bytes(), true)
    }
}

/// The key a registry's credentials are kept under.
pub fn auth_key(registry: &str) -> &str {
    if matches!(registry, "docker.io" | "index.docker.io" | "") {
        HUB
    } else {
        registry
    }
}

/// User and password of an `auth` entry.
pub fn decode_auth(text: &str) -> Option<(String, String)> {
    let text = String::from_utf8(unbase64(text)?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((
        user.to_string(),
        password.trim_end_matches('\0').to_string(),
    ))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64, in the URL alphabet when asked; padded.
pub fn base64(data: &[u8], url: bool) -> String {
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i > chunk.len() {
                out.push('=');
                continue;
            }
            let c = ALPHABET[(n >> (18 - 6 * i) & 63) as usize] as char;
            out.push(match c {
                '+' if url => '-',
                '/' if url => '_',
                c => c,
            });
        }
    }
    out
}

/// The bytes of a base64 text, of either alphabet.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut have) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let c = match c {
            b'-' => b'+',
            b'_' => b'/',
            c => c,
        };
        let v = ALPHABET.iter().position(|a| *a == c)? as u32;
        bits = bits << 6 | v;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
            bits &= (1 << have) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_round_trip() {
        for s in ["", "a", "ab", "abc", "user:pass?>~"] {
            assert_eq!(
                unbase64(&base64(s.as_bytes(), true)).as_deref(),
                Some(s.as_bytes())
            );
        }
        assert_eq!(base64(b"u:p", false), "dTpw");
        assert_eq!(decode_auth("dTpw"), Some(("u".into(), "p".into())));
        assert_eq!(unbase64("!"), None);
    }
}
