//! A build whose files come from a client's session: they become the context of the engine's own `POST /build`.

use anyhow::{Context, Result, bail, ensure};
use bottleship_dockerfile::ignore;
use bottleship_engine::api::query::encode;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;

use super::filesync::{Filter, Tree};
use super::session::Session;
use crate::daemon::thread::{Chunk, EngineHandle, Request, ResponseBody};

/// Bytes of one message of a build at most.
const MESSAGE: usize = 16 << 20;
/// Chunks of a context on their way.
const CHUNKS: usize = 8;

/// What to build.
pub struct Solve {
    /// Where it is built.
    pub engine: EngineHandle,
    /// The Dockerfile's name in the client's directory `dockerfile`.
    pub dockerfile: String,
    /// The query of `POST /build`, but for the Dockerfile's name.
    pub query: String,
    /// Accounts of registries are in one.
    pub headers: HeaderMap,
}

impl Solve {
    /// Begins the build of a client's directories `context` and `dockerfile`.
    ///
    /// # Errors
    /// The client fails, or the engine refuses.
    pub async fn of_session(self, session: &Session) -> Result<Messages> {
        let name = self.dockerfile.clone();
        let own_ignore = format!("{name}.dockerignore");
        let filter = Filter {
            include: vec![name.clone(), own_ignore.clone()],
            ..Filter::default()
        };
        let mut beside = Tree::open(session, "dockerfile", &filter).await?;
        let dockerfile = beside.read(&name).await?;
        let mut ignored = beside
            .read(&own_ignore)
            .await?
            .map(|file| (own_ignore, file));
        beside.finish().await?;
        if ignored.is_none() {
            let filter = Filter {
                include: vec![".dockerignore".into()],
                ..Filter::default()
            };
            let mut root = Tree::open(session, "context", &filter).await?;
            ignored = root
                .read(".dockerignore")
                .await?
                .map(|file| (".dockerignore".into(), file));
            root.finish().await?;
        }
        let exclude = ignored.as_ref().map(|(_, file)| ignore::read(file));
        let filter = Filter {
            exclude: exclude.unwrap_or_default(),
            ..Filter::default()
        };
        let mut context = Tree::open(session, "context", &filter).await?;
        let mut extra = Vec::new();
        let mut inside = name.clone();
        if let Some(dockerfile) = dockerfile {
            if context.size(&name) == Some(dockerfile.len() as u64)
                && context.read(&name).await? == Some(dockerfile.clone())
            {
                // It is the context's own.
            } else {
                if context.size(&name).is_some() {
                    inside = format!(".dockerfile.{}", random()?);
                }
                extra.push((inside.clone(), dockerfile));
            }
        }
        if let Some((name, file)) = ignored
            && context.size(&name).is_none()
        {
            let name = if name == ".dockerignore" {
                name
            } else {
                format!("{inside}.dockerignore")
            };
            extra.push((name, file));
        }
        let (chunks, body) = mpsc::channel(CHUNKS);
        tokio::spawn(async move {
            if let Err(error) = context.send(&extra, &chunks).await {
                let error = bottleship_engine::api::BodyError::Failed(format!("{error:#}"));
                // Nobody to tell when the build has ended.
                let _ = chunks.send(Err(error)).await;
            }
        });
        self.of_archive(&inside, body).await
    }

    /// Begins the build of a context that is an archive.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn of_archive(
        self,
        dockerfile: &str,
        body: mpsc::Receiver<Chunk>,
    ) -> Result<Messages> {
        let asked = self.engine.request(Request {
            method: Method::POST,
            target: format!(
                "/build?{}&dockerfile={}&version=2",
                self.query,
                encode(dockerfile)
            ),
            headers: self.headers,
            body,
        });
        let response = asked.await?;
        let body = match response.body {
            ResponseBody::Bytes(bytes) if response.status != StatusCode::OK => {
                let error: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                bail!(
                    "{}",
                    error["message"].as_str().unwrap_or("the build was refused")
                );
            }
            ResponseBody::Stream(body) => body,
            _ => bail!("the build said nothing"),
        };
        Ok(Messages {
            body,
            buffer: BytesMut::new(),
        })
    }
}

/// What a build says, message by message.
pub struct Messages {
    body: mpsc::Receiver<Chunk>,
    buffer: BytesMut,
}

impl Messages {
    /// The next message, or nothing at the end.
    ///
    /// # Errors
    /// The build broke off.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Bytes = self.buffer.split_to(end + 1).freeze();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(
                    serde_json::from_slice(&line).context("a message of the build")?,
                ));
            }
            ensure!(
                self.buffer.len() < MESSAGE,
                "a message of the build is too long"
            );
            match self.body.recv().await {
                Some(chunk) => self.buffer.extend_from_slice(&chunk?),
                None if self.buffer.is_empty() => return Ok(None),
                None => self.buffer.extend_from_slice(b"\n"),
            }
        }
    }
}

/// Sixteen digits that nobody guesses, as the classic client names a Dockerfile from outside its context.
fn random() -> Result<String> {
    Ok(format!("{:016x}", getrandom::u64()?))
}
