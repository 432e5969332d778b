//! Whom the engine's requests trust: the system's authorities and, as Go's TLS does for Docker, a server whose own
//! certificate is among them.

use std::sync::Arc;

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// The configuration of a client.
///
/// # Errors
/// When the system's certificates can't be read.
pub fn client() -> anyhow::Result<ClientConfig> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let system = Verifier::new(provider.clone()).context("can't read the system's certificates")?;
    // What can't be read is left out here; the verifier above has said so.
    let trusted = rustls_native_certs::load_native_certs().certs;
    let verifier = Trusting { system, trusted };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct Trusting {
    system: Verifier,
    trusted: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .system
            .verify_server_cert(end_entity, intermediates, server, ocsp, now);
        match verified {
            // An authority's certificate in a server's place. That its dates are right was checked before; the name
            // was not.
            Err(Error::InvalidCertificate(error))
                if is_authority(&error) && self.trusted.iter().any(|t| t == end_entity) =>
            {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

/// Whether the only thing against the certificate is that it is an authority's.
fn is_authority(error: &CertificateError) -> bool {
    match error {
        CertificateError::Other(other) => matches!(
            other.0.downcast_ref::<webpki::Error>(),
            Some(webpki::Error::CaUsedAsEndEntity)
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// Signed by itself for `registry.test`, from November 2026 for a hundred years.
    const OWN: &str = "\
-----BEGIN CERTIFICATE-----
MIIBojCCAUegAwIBAgIUaV6YVCZ+o3o5FDSEPfVcMHx80o4wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNcmVnaXN0cnkudGVzdDAgFw0yNjExMjQxNTU0MzJaGA8yMTI2
MTAzMTE1NTQzMlowGDEWMBQGA1UEAwwNcmVnaXN0cnkudGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABPvl/mDHlrYxrZHJrrNSr4fR+cTELdasutSJJAcraVHl
FCXb4VdtSEnAZtGo8M6fTKZNNEh1iBfAYy5heAJlMUCjbTBrMB0GA1UdDgQWBBSy
Bi2bkhoJaFdFSkKJOn8I2BmROzAfBgNVHSMEGDAWgBSyBi2bkhoJaFdFSkKJOn8I
2BmROzAPBgNVHRMBAf8EBTADAQH/MBgGA1UdEQQRMA+CDXJlZ2lzdHJ5LnRlc3Qw
CgYIKoZIzj0EAwIDSQAwRgIhAOFjwHSz70u/u+cXSawQIm2chl81/gR/RafryLWR
IUsaAiEAzG5bjxBMUx6o0ezz4n8aVqGtDPhY9QgzIYhnP1cV4q0=
-----END CERTIFICATE-----
";

    fn verify(trusted: bool, name: &str, year: u64) -> Result<ServerCertVerified, Error> {
        let own = CertificateDer::from_pem_slice(OWN.as_bytes()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Trusting {
            system: Verifier::new(provider).expect("the system's certificates"),
            trusted: if trusted {
                vec![own.clone()]
            } else {
                Vec::new()
            },
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600));
        let server = ServerName::try_from(name.to_owned()).expect("a name");
        verifier.verify_server_cert(&own, &[], &server, &[], now)
    }

    #[test]
    fn a_trusted_certificate_may_be_the_servers_own() {
        assert!(verify(true, "registry.test", 2030).is_ok());
        assert!(verify(false, "registry.test", 2030).is_err());
        assert!(verify(true, "other.test", 2030).is_err());
        assert!(verify(true, "registry.test", 2020).is_err());
        assert!(verify(true, "registry.test", 2200).is_err());
    }
}
