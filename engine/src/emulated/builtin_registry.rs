//! The program of the registry image: the engine's registry, in a container of its own, on the container's network and
//! files.
//!
//! As with Docker's own image, `REGISTRY_HTTP_ADDR` says where it listens, `REGISTRY_STORAGE_DELETE_ENABLED` whether
//! manifests and blobs can be deleted, and what was pushed is in `/var/lib/registry`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_linux::abi::fs::{O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY};
use bottleship_linux::abi::{Errno, Signal};
use bottleship_linux::{HostListener, Kernel, Sys};
use bytes::Bytes;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use http::{Method, StatusCode};

use super::{StoredContent, http as transport};
use crate::api::{Request, Response};
use crate::engine::{Engine, WeakEngine};
use crate::registry::{Limits, Open, Registry};
use crate::store::{Op, Store, StoreError, foreign};

const ROOT: &str = "/var/lib/registry";
/// Connections at a time.
const CONNECTIONS: usize = 256;
/// How a Go program that does not handle SIGTERM ends.
const TERMINATED: i32 = 2;

/// Makes the program available in a kernel: `#!/builtin/registry`.
pub fn register(kernel: &Kernel, engine: &Engine) {
    let engine = engine.downgrade();
    kernel.register_builtin(
        "registry",
        Rc::new(move |sys: Sys| {
            let engine = engine.clone();
            async move {
                match run(&sys, &engine).await {
                    Ok(code) => code,
                    Err(text) => {
                        let _ = sys
                            .write_all(2, format!("registry: {text}\n").as_bytes())
                            .await;
                        1
                    }
                }
            }
            .boxed_local()
        }),
    );
}

fn variable(sys: &Sys, name: &str) -> String {
    let value = sys.var(name).unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

async fn run(sys: &Sys, engine: &WeakEngine) -> Result<i32, String> {
    for unsupported in [
        "REGISTRY_AUTH",
        "REGISTRY_HTTP_TLS_CERTIFICATE",
        "REGISTRY_PROXY_REMOTEURL",
    ] {
        if !variable(sys, unsupported).is_empty() {
            return Err(format!("{unsupported} is not supported here"));
        }
    }
    let address = match variable(sys, "REGISTRY_HTTP_ADDR").as_str() {
        "" => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5000)),
        text => listen_address(text).ok_or_else(|| format!("{text}: not an address"))?,
    };
    let listener = sys
        .listen(address)
        .map_err(|errno| format!("listen tcp {address}: bind: {errno}"))?;
    let registry = {
        let engine = engine.upgrade().ok_or("the engine has stopped")?;
        let ports = engine.ports();
        let store: Rc<dyn Store> = Rc::new(FileStore(sys.clone()));
        Registry::new(
            Rc::new(StoredContent::of_registry_files(store.clone())),
            store,
            ports.clock.clone(),
            ports.entropy.clone(),
            Rc::new(Open),
            Limits::default(),
        )
    };
    let deletes = variable(sys, "REGISTRY_STORAGE_DELETE_ENABLED") == "true";
    let _ = sys.catch(&[Signal::SIGTERM, Signal::SIGINT]);
    say(sys, &format!("listening on {address}")).await;
    let serving = std::pin::pin!(serve(sys, &listener, &registry, deletes));
    let stopped = std::pin::pin!(sys.next_signal());
    match select(serving, stopped).await {
        Either::Left((errno, _)) => Err(format!("accept: {errno}")),
        Either::Right(_) => Ok(TERMINATED),
    }
}

/// `:5000`, `0.0.0.0:5000`.
fn listen_address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host {
        "" | "0.0.0.0" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.parse().ok()?,
    };
    Some(SocketAddr::new(host, port.parse().ok()?))
}

async fn say(sys: &Sys, message: &str) {
    let line = format!("level=info msg=\"{message}\"\n");
    // Without a reader it serves all the same.
    let _ = sys.write_all(2, line.as_bytes()).await;
}

/// Serves whoever connects; ends when it cannot accept any more.
async fn serve(sys: &Sys, listener: &HostListener, registry: &Registry, deletes: bool) -> Errno {
    let mut connections = FuturesUnordered::new();
    loop {
        let room = connections.len() < CONNECTIONS;
        let accepted = async {
            if room {
                listener.accept().await
            } else {
                futures::future::pending().await
            }
        };
        let ended = async {
            if connections.next().await.is_none() {
                futures::future::pending::<()>().await;
            }
        };
        match select(std::pin::pin!(accepted), std::pin::pin!(ended)).await {
            Either::Left((Ok((stream, from)), _)) => {
                let from = from.map_or_else(|| "-".to_owned(), |from| from.ip().to_string());
                connections.push(transport::serve(stream, move |request| {
                    answer(sys, registry, deletes, from.clone(), request)
                }));
            }
            Either::Left((Err(errno), _)) => return errno,
            Either::Right(_) => {}
        }
    }
}

async fn answer(
    sys: &Sys,
    registry: &Registry,
    deletes: bool,
    from: String,
    request: Request,
) -> Response {
    let line = format!("{} {}", request.method, request.target.escape_default());
    let is_upload = request.target.contains("/blobs/uploads/");
    let response = if request.method == Method::DELETE && !deletes && !is_upload {
        let code = "UNSUPPORTED";
        let message = "The operation is unsupported.";
        let errors = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Response::json(StatusCode::METHOD_NOT_ALLOWED, &errors)
    } else if request.target == "/" {
        Response::status(StatusCode::OK)
    } else {
        registry.handle(request).await
    };
    let line = format!(
        "{from} - - \"{line} HTTP/1.1\" {}\n",
        response.status.as_u16()
    );
    let _ = sys.write_all(1, line.as_bytes()).await;
    response
}

/// State in files below [`ROOT`], a directory for each bucket: in the container's layer or the volume mounted there.
struct FileStore(Sys);

fn failed(path: &str, errno: Errno) -> StoreError {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => StoreError::Full,
        errno => StoreError::Failed(format!("{path}: {errno}")),
    }
}

/// A key as a file's name: slashes, and what marks them, are escaped.
fn file_name(key: &str) -> String {
    key.replace('%', "%25").replace('/', "%2F")
}

fn key_of(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.replace("%2F", "/").replace("%25", "%")
}

impl FileStore {
    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let fd = match self.0.open(path.as_bytes(), O_RDONLY, 0) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(failed(path, errno)),
        };
        let mut all = Vec::new();
        let read = loop {
            match self.0.read(fd, 1 << 20).await {
                Ok(piece) if piece.is_empty() => break Ok(()),
                Ok(piece) => all.extend_from_slice(&piece),
                Err(errno) => break Err(failed(path, errno)),
            }
        };
        let _ = self.0.close(fd);
        read.map(|()| Some(all.into()))
    }

    async fn write(&self, path: &str, value: &[u8]) -> Result<(), StoreError> {
        let directory = path
            .rsplit_once('/')
            .map_or("/", |(directory, _)| directory);
        for (at, _) in directory
            .match_indices('/')
            .skip(1)
            .chain([(directory.len(), "")])
        {
            let part = directory.get(..at).unwrap_or(directory);
            match self.0.mkdir(part.as_bytes(), 0o755) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(failed(part, errno)),
            }
        }
        // Whoever reads sees all of it or what was there before.
        let new = format!("{path}.new");
        let fd = self
            .0
            .open(new.as_bytes(), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            .map_err(|errno| failed(&new, errno))?;
        let written = self.0.write_all(fd, value).await;
        let _ = self.0.close(fd);
        let moved = written.and_then(|()| self.0.rename(new.as_bytes(), path.as_bytes()));
        moved.map_err(|errno| {
            let _ = self.0.unlink(new.as_bytes());
            failed(path, errno)
        })
    }

    fn names(&self, bucket: &str) -> Result<Vec<String>, StoreError> {
        let path = format!("{ROOT}/{bucket}");
        let entries = match self.0.readdir(path.as_bytes()) {
            Ok(entries) => entries,
            Err(Errno::ENOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(failed(&path, errno)),
        };
        let names = entries.iter().map(|entry| key_of(&entry.name));
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".new")).collect();
        names.sort();
        Ok(names)
    }
}

#[async_trait(?Send)]
impl Store for FileStore {
    async fn list(&self, bucket: &'static str) -> Result<Vec<(String, u64)>, StoreError> {
        let size = |key: String| {
            let path = format!("{ROOT}/{bucket}/{}", file_name(&key));
            let attr = self.0.stat(path.as_bytes()).ok()?;
            Some((key, attr.size))
        };
        Ok(self.names(bucket)?.into_iter().filter_map(size).collect())
    }

    async fn load(&self, bucket: &'static str) -> Result<Vec<(String, Bytes)>, StoreError> {
        let mut all = Vec::new();
        for key in self.names(bucket)? {
            if let Some(value) = self.get(bucket, &key).await? {
                all.push((key, value));
            }
        }
        Ok(all)
    }

    async fn get(&self, bucket: &'static str, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.read(&format!("{ROOT}/{bucket}/{}", file_name(key)))
            .await
    }

    async fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError> {
        for op in ops {
            match op {
                Op::Put { bucket, key, value } => {
                    let path = format!("{ROOT}/{bucket}/{}", file_name(&key));
                    self.write(&path, &value).await?;
                }
                Op::Delete { bucket, key } => {
                    let path = format!("{ROOT}/{bucket}/{}", file_name(&key));
                    match self.0.unlink(path.as_bytes()) {
                        Ok(()) | Err(Errno::ENOENT) => {}
                        Err(errno) => return Err(failed(&path, errno)),
                    }
                }
                Op::PutStaged { .. } => return Err(foreign()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_file_names_are_one_to_one() {
        for key in ["a/b@sha256:00", "a%2Fb", "%", "x"] {
            assert!(!file_name(key).contains('/'));
            assert_eq!(key_of(file_name(key).as_bytes()), key);
        }
    }

    #[test]
    fn addresses_are_gos() {
        let at = |text| listen_address(text).map(|address| address.to_string());
        assert_eq!(at(":5001").as_deref(), Some("0.0.0.0:5001"));
        assert_eq!(at("127.0.0.1:1").as_deref(), Some("127.0.0.1:1"));
        assert_eq!(at("5000"), None);
    }
}
