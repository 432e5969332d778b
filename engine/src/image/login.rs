//! `docker login`: whether a registry accepts credentials.

use bottleship_oci::reference::DEFAULT_DOMAIN;

use super::Images;
use super::remote::Remote;
use crate::api::ApiError;
use crate::api::types::AuthConfig;

impl Images {
    /// Asks the registry the credentials are for.
    pub async fn login(&self, auth: AuthConfig) -> Result<(), ApiError> {
        let domain = domain(&auth.serveraddress).to_owned();
        Remote::push_endpoint(self, &domain, auth)?.login().await
    }
}

/// The registry of an address such as `https://index.docker.io/v1/` or `localhost:5000`.
fn domain(address: &str) -> &str {
    let host = address
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    match host.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" => DEFAULT_DOMAIN,
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::domain;

    #[test]
    fn addresses_name_registries() {
        for (address, name) in [
            ("", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("localhost:5000", "localhost:5000"),
            ("http://registry.example/v2/", "registry.example"),
        ] {
            assert_eq!(domain(address), name);
        }
    }
}
