//! Clients that serve their files: `POST /session` hands a connection over, on which the client is then the server of
//! gRPC, and the daemon asks it for what a build needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::Stream;
use http::Uri;
use http::uri::PathAndQuery;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioExecutor;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use crate::daemon::thread::Chunk;

/// Sessions and uploads of one daemon at a time at most.
const MOST: usize = 256;
/// A build waits so long for the session that it names: both are on their way at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client that answers.
#[derive(Clone)]
pub struct Session {
    sender: SendRequest<tonic::body::Body>,
}

/// The sessions of a daemon, and contexts that are sent to it beside their build.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<String, Session>>,
    uploads: Mutex<HashMap<String, mpsc::Receiver<Chunk>>>,
    changed: watch::Sender<()>,
}

impl Sessions {
    /// Takes a connection over and keeps it under `id` until it ends.
    ///
    /// # Errors
    /// The connection speaks no HTTP/2, the id is taken, or there are too many.
    pub async fn serve(
        &self,
        id: String,
        connection: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    ) -> Result<()> {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), connection).await?;
        {
            let mut open = lock(&self.open);
            ensure!(open.len() < MOST, "too many sessions");
            ensure!(!open.contains_key(&id), "session {id} exists");
            open.insert(id.clone(), Session { sender });
        }
        self.changed.send_replace(());
        let ended = connection.await;
        lock(&self.open).remove(&id);
        Ok(ended?)
    }

    /// The session of this id, which may be about to come.
    ///
    /// # Errors
    /// It does not come.
    pub async fn get(&self, id: &str) -> Result<Session> {
        self.wait(|| lock(&self.open).get(id).cloned())
            .await
            .with_context(|| format!("no active session for {id}: context deadline exceeded"))
    }

    /// Keeps a body for the build of this id.
    ///
    /// # Errors
    /// There are too many.
    pub fn upload(&self, build: String, body: mpsc::Receiver<Chunk>) -> Result<()> {
        let mut uploads = lock(&self.uploads);
        // Those whose sender has gone, and whose build never came.
        uploads.retain(|_, body| !body.is_closed());
        ensure!(uploads.len() < MOST, "too many uploads");
        uploads.insert(build, body);
        drop(uploads);
        self.changed.send_replace(());
        Ok(())
    }

    /// The body that was, or is about to be, sent for a build.
    ///
    /// # Errors
    /// It does not come.
    pub async fn uploaded(&self, build: &str) -> Result<mpsc::Receiver<Chunk>> {
        self.wait(|| lock(&self.uploads).remove(build))
            .await
            .with_context(|| format!("no upload for build {build}"))
    }

    async fn wait<T>(&self, look: impl Fn() -> Option<T>) -> Option<T> {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(found) = look() {
                    return Some(found);
                }
                changed.changed().await.ok()?;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.ok().flatten()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How a call on a client's session failed, in its words.
pub fn refusal(status: &tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}

impl Session {
    /// Calls a method of the client's whose messages stream both ways.
    ///
    /// # Errors
    /// The client has no such method, or refuses.
    pub async fn stream<Out, In>(
        &self,
        method: &'static str,
        metadata: MetadataMap,
        messages: impl Stream<Item = Out> + Send + 'static,
    ) -> Result<Streaming<In>>
    where
        Out: Message + Default + 'static,
        In: Message + Default + 'static,
    {
        let sender = self.sender.clone();
        let service = tower::service_fn(move |request| sender.clone().send_request(request));
        let mut grpc = Grpc::with_origin(service, Uri::from_static("http://localhost"));
        let request = Request::from_parts(metadata, tonic::Extensions::new(), messages);
        if let Err(error) = grpc.ready().await {
            bail!("the client's session has ended: {error}");
        }
        let path = PathAndQuery::from_static(method);
        let codec = ProstCodec::<Out, In>::default();
        let response = grpc.streaming(request, path, codec).await;
        Ok(response.map_err(|status| refusal(&status))?.into_inner())
    }
}

/// Sessions as they are shared by a daemon's connections.
pub type Shared = Arc<Sessions>;
