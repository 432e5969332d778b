//! Results that go to the client instead of among the images (`--output`).

use std::collections::HashMap;
use std::io::Write;

use anyhow::{Context, Result, anyhow, bail};
use bottleship_engine::Engine;
use bottleship_engine::layer::{ArchiveOptions, pack};
use bytes::Bytes;
use futures::channel::oneshot;
use http::{HeaderMap, Method};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::filesync;
use super::session::Session;
use crate::daemon::thread::{EngineHandle, Request};

/// Where a result goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// `local`, `tar`, or a kind of image.
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(default)]
    pub attrs: Option<HashMap<String, String>>,
}

impl Output {
    /// Whether it is files for the client, and no image.
    pub fn is_files(&self) -> bool {
        matches!(self.kind.as_str(), "local" | "tar")
    }

    /// Refuses kinds that are not there.
    ///
    /// # Errors
    /// It is one of them.
    pub fn check(&self) -> Result<()> {
        match self.kind.as_str() {
            "" | "moby" | "image" | "local" | "tar" | "cacheonly" => Ok(()),
            kind => bail!("exporter {kind:?} could not be found"),
        }
    }

    /// Sends an image's files to the client.
    ///
    /// # Errors
    /// The image is gone, or the client fails.
    pub async fn send(&self, engine: &EngineHandle, session: &Session, image: &str) -> Result<()> {
        let mut file = tempfile::tempfile().context("a temporary file for the result")?;
        let mut pieces = files_of(engine, image).await?;
        while let Some(piece) = pieces.recv().await {
            file.write_all(&piece.map_err(|e| anyhow!(e))?)?;
        }
        file.flush()?;
        match self.kind.as_str() {
            "tar" => filesync::send_tar(session, file).await,
            _ => filesync::send_files(session, file).await,
        }
    }
}

/// An image's tree as a tar.
async fn files_of(
    engine: &EngineHandle,
    image: &str,
) -> Result<mpsc::Receiver<Result<Bytes, String>>> {
    let (sender, receiver) = mpsc::channel(8);
    let image = image.to_owned();
    let (begun, begins) = oneshot::channel();
    engine.post(move |engine| {
        let engine = engine.clone();
        engine.executor().clone().spawn(async move {
            let packed = tree(&engine, &image).await;
            let mut packed = match packed {
                Ok(packed) => {
                    let _ = begun.send(Ok(()));
                    packed
                }
                Err(error) => {
                    let _ = begun.send(Err(error));
                    return;
                }
            };
            loop {
                let piece = packed.next_piece().map_err(|e| e.to_string()).transpose();
                let Some(piece) = piece else { return };
                let failed = piece.is_err();
                if sender.send(piece).await.is_err() || failed {
                    return;
                }
            }
        });
    })?;
    begins
        .await
        .context("the engine has stopped")?
        .map_err(|e| anyhow!(e))?;
    Ok(receiver)
}

async fn tree(engine: &Engine, image: &str) -> Result<bottleship_engine::layer::Packed, String> {
    let image = engine.images().find(image).map_err(|e| e.to_string())?;
    let view = engine.ports().snapshots.view(image.top().as_ref()).await;
    let view = view.map_err(|e| e.to_string())?;
    pack(&view, &ArchiveOptions::default()).map_err(|e| e.to_string())
}

/// Removes an image that was made only to be sent away: one that has no name.
///
/// # Errors
/// The engine has stopped.
pub async fn forget(engine: &EngineHandle, image: &str) -> Result<()> {
    let ask = async |method: Method, target: String| {
        let (_, body) = mpsc::channel(1);
        let headers = HeaderMap::new();
        engine
            .request(Request {
                method,
                target,
                headers,
                body,
            })
            .await
    };
    let inspected = ask(Method::GET, format!("/images/{image}/json")).await?;
    if let crate::daemon::thread::ResponseBody::Bytes(bytes) = inspected.body
        && let Ok(image) = serde_json::from_slice::<serde_json::Value>(&bytes)
        && image["RepoTags"].as_array().is_none_or(Vec::is_empty)
        && let Some(id) = image["Id"].as_str()
    {
        ask(Method::DELETE, format!("/images/{id}?noprune=1")).await?;
    }
    Ok(())
}
