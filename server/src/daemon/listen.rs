//! Where a daemon listens: unix sockets, and TCP with and without TLS.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::access::{Access, Token};
use super::http;
use super::thread::EngineHandle;

/// Connections of one listener at most; those beyond wait in the kernel's queue.
const CONNECTIONS: usize = 4096;
/// A TLS handshake must be over within this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A peer that vanished without a word is found out after so much silence, and as many probes as the kernel's default.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// dockerd's flags about TLS, and the token.
#[derive(Args, Default)]
pub struct Protection {
    /// Use TLS; implied by --tlsverify
    #[arg(long)]
    tls: bool,
    /// Use TLS and take only clients whose certificate this CA signed
    #[arg(long)]
    tlsverify: bool,
    /// Trust certs signed only by this CA
    #[arg(long, value_name = "FILE")]
    tlscacert: Option<PathBuf>,
    /// Path to TLS certificate file
    #[arg(long, value_name = "FILE")]
    tlscert: Option<PathBuf>,
    /// Path to TLS key file
    #[arg(long, value_name = "FILE")]
    tlskey: Option<PathBuf>,
    /// Take over TCP only requests with `Authorization: Bearer` and the token in this file
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What connections over TCP must show.
struct Tcp {
    tls: Option<Arc<ServerConfig>>,
    /// Whether clients show certificates.
    certificates: bool,
    token: Option<Token>,
}

impl Protection {
    fn load(&self) -> Result<Tcp> {
        let tls = if self.tls || self.tlsverify {
            Some(self.server_config()?)
        } else {
            let given = [&self.tlscacert, &self.tlscert, &self.tlskey];
            ensure!(
                given.iter().all(|path| path.is_none()),
                "certificates are given, but neither --tls nor --tlsverify"
            );
            None
        };
        Ok(Tcp {
            tls,
            certificates: self.tlsverify,
            token: self.token_file.as_deref().map(Token::read).transpose()?,
        })
    }

    fn server_config(&self) -> Result<Arc<ServerConfig>> {
        let certificates = certificates(file(&self.tlscert, "--tlscert", "cert.pem")?.as_path())?;
        let path = file(&self.tlskey, "--tlskey", "key.pem")?;
        let key = PrivateKeyDer::from_pem_file(&path)
            .with_context(|| format!("can't read a private key from {}", path.display()))?;
        let builder =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .context("no TLS version is left to speak")?;
        let builder = if self.tlsverify {
            let path = file(&self.tlscacert, "--tlscacert", "ca.pem")?;
            let mut roots = RootCertStore::empty();
            for certificate in self::certificates(&path)? {
                roots
                    .add(certificate)
                    .with_context(|| format!("{}: not a CA certificate", path.display()))?;
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .with_context(|| format!("can't verify clients by {}", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .context("the certificate and the key don't go together")?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A file that a flag names, or that lies where docker keeps it.
fn file(named: &Option<PathBuf>, flag: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.clone());
    }
    let directory = std::env::var_os("DOCKER_CERT_PATH").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let path = directory.or_else(home).map(|dir| dir.join(name));
    path.with_context(|| format!("TLS needs {flag}"))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || -> Result<Vec<_>, _> { CertificateDer::pem_file_iter(path)?.collect() };
    let all = read().with_context(|| format!("can't read certificates from {}", path.display()))?;
    ensure!(!all.is_empty(), "{}: no certificate", path.display());
    Ok(all)
}

/// An open listener.
pub enum Listener {
    /// On a unix socket.
    Unix(UnixListener, PathBuf),
    /// On TCP.
    Tcp(TcpListener, Option<TlsAcceptor>, Access),
}

/// Opens all listeners, or none.
///
/// # Errors
/// When an address can't be listened on, or may not be without protection.
pub async fn open(hosts: &[String], protection: &Protection) -> Result<Vec<Listener>> {
    let tcp = protection.load()?;
    let mut listeners = Vec::new();
    for host in hosts {
        let listener = match host.split_once("://") {
            Some(("unix", path)) => unix(Path::new(path))?,
            Some(("tcp", address)) => tcp.listen(host, address).await?,
            _ => bail!("{host}: listen on unix://PATH or tcp://HOST:PORT"),
        };
        listeners.push(listener);
    }
    Ok(listeners)
}

fn unix(path: &Path) -> Result<Listener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("another daemon listens on {}", path.display());
    }
    let _ = std::fs::remove_file(path);
    let listener =
        UnixListener::bind(path).with_context(|| format!("can't listen on {}", path.display()))?;
    // Whoever can open the socket is this user's equal.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(Listener::Unix(listener, path.into()))
}

impl Tcp {
    async fn listen(&self, host: &str, address: &str) -> Result<Listener> {
        let default_port = if self.tls.is_some() { 2376 } else { 2375 };
        let address = complete(address, default_port);
        let addresses: Vec<SocketAddr> = address
            .to_socket_addrs()
            .with_context(|| format!("{host}: not an address and port"))?
            .collect();
        let open = addresses.iter().find(|address| !address.ip().is_loopback());
        if let Some(open) = open
            && !self.certificates
            && self.token.is_none()
        {
            bail!(
                "refusing to listen on {open}: whoever reaches a Docker daemon owns it. Ask for certificates \
                 (--tlsverify --tlscacert --tlscert --tlskey) or for a token (--token-file), \
                 listen on 127.0.0.1, or on a unix socket"
            );
        }
        let listener = TcpListener::bind(&addresses[..])
            .await
            .with_context(|| format!("can't listen on {address}"))?;
        let port = listener.local_addr()?.port();
        let access = if self.certificates || open.is_some() {
            Access::proven(self.token.clone())
        } else {
            Access::loopback(port, self.token.clone())
        };
        let tls = self.tls.clone().map(TlsAcceptor::from);
        Ok(Listener::Tcp(listener, tls, access))
    }
}

/// `HOST:PORT` of dockerd's `[HOST][:PORT]`.
fn complete(address: &str, port: u16) -> String {
    let address = address.trim_end_matches('/');
    let (host, given) = match address.rsplit_once(':') {
        // The colons of a bare IPv6 address are its own.
        Some((host, given)) if !given.ends_with(']') => (host, Some(given)),
        _ => (address, None),
    };
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    match given {
        Some(given) => format!("{host}:{given}"),
        None => format!("{host}:{port}"),
    }
}

impl Listener {
    /// The address, as dockerd's log says it.
    pub fn address(&self) -> String {
        match self {
            Listener::Unix(_, path) => path.display().to_string(),
            Listener::Tcp(listener, ..) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
        }
    }

    /// The socket file to remove in the end.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Listener::Unix(_, path) => Some(path),
            Listener::Tcp(..) => None,
        }
    }

    /// Serves whoever comes.
    pub async fn serve(self, engine: EngineHandle) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = room.clone().acquire_owned().await else {
                return;
            };
            let engine = engine.clone();
            match &self {
                Listener::Unix(listener, _) => {
                    if let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(async move {
                            http::serve(stream, engine, Access::socket()).await;
                            drop(place);
                        });
                        continue;
                    }
                }
                Listener::Tcp(listener, tls, access) => {
                    if let Ok((stream, _)) = listener.accept().await {
                        let (tls, access) = (tls.clone(), access.clone());
                        tokio::spawn(async move {
                            serve_tcp(stream, tls, access, engine).await;
                            drop(place);
                        });
                        continue;
                    }
                }
            }
            // Out of descriptors: those that are open will close.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn serve_tcp(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    access: Access,
    engine: EngineHandle,
) {
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, KEEPALIVE);
    let _ = rustix::net::sockopt::set_tcp_keepintvl(&stream, KEEPALIVE);
    let Some(tls) = tls else {
        return http::serve(stream, engine, access).await;
    };
    // Whoever speaks no TLS, or shows no certificate, is cut off without a word.
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        http::serve(stream, engine, access).await;
    }
}

/// Lets this process have as many descriptors as it may: each connection is one.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Without more of them it serves fewer clients at a time.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_as_dockerd_does() {
        for (given, expected) in [
            ("", "127.0.0.1:2375"),
            (":1", "127.0.0.1:1"),
            ("127.0.0.1", "127.0.0.1:2375"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]", "[::1]:2375"),
            ("[::1]:7", "[::1]:7"),
            ("localhost:5/", "localhost:5"),
        ] {
            assert_eq!(complete(given, 2375), expected);
        }
    }

    /// Row W07.
    #[tokio::test]
    async fn nobody_listens_in_the_open_without_protection() {
        for host in ["tcp://0.0.0.0:0", "tcp://[::]:0"] {
            let hosts = [host.to_owned()];
            let error = open(&hosts, &Protection::default()).await.err();
            let text = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(text.starts_with("refusing to listen on "), "{text}");
            assert!(text.contains("--tlsverify"), "{text}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef").unwrap();
        let with_token = Protection {
            token_file: Some(file.path().into()),
            ..Protection::default()
        };
        let open = open(&["tcp://0.0.0.0:0".to_owned()], &with_token).await;
        assert_eq!(open.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn certificates_without_tls_are_a_mistake() {
        let protection = Protection {
            tlscert: Some("cert.pem".into()),
            ..Protection::default()
        };
        assert!(open(&[], &protection).await.is_err());
    }
}
