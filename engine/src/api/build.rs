//! `docker build`.

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bottleship_oci::{Platform, Reference};
use http::{HeaderMap, StatusCode};

use super::message::{Call, Response};
use super::types::{AuthConfig, BuildPruneReport, JsonMessage};
use super::{ApiError, ApiResult, SERVER_VERSION};
use crate::build::containers::EngineContainers;
use crate::build::images::EngineImages;
use crate::build::sandboxes::EngineSandboxes;
use crate::build::{self, BuildRequest, Output, Ports, solve};
use crate::engine::Engine;
use crate::image::blob;
use crate::layer::Limits;
use crate::pipe;

/// `POST /build`. What fails before the first message fails with a status.
pub async fn build(call: Call) -> ApiResult {
    let engine = call.engine;
    let request = BuildRequest::parse(&call.query)?;
    let ports = ports(&engine, &request, accounts(&call.headers))?;
    let limit = engine.config().max_archive as u64;
    let archive = blob::spool(&*engine.ports().content, call.body, limit).await?;
    let (writer, reader) = pipe::pipe(pipe::CAPACITY);
    let output = Output::new(writer, request.quiet);
    let first = output.first();
    let (fail, failed) = futures::channel::oneshot::channel();
    engine.executor().spawn(async move {
        let built = build::build(&ports, &request, archive, &output).await;
        let Err(failure) = built else { return };
        if output.has_sent() {
            let message = JsonMessage::error(failure.code, failure.error.message);
            // Nobody to tell when the client is gone.
            let _ = output.send(&message).await;
        } else {
            let _ = fail.send(failure.error);
        }
    });
    // The first message's sender goes with the output, so this ends with the build at the latest.
    if first.await.is_err()
        && let Ok(error) = failed.await
    {
        return Err(error);
    }
    Ok(Response::with("application/json", reader))
}

/// `POST /build/prune`: forgets the build cache, and removes layers and blobs that nothing uses any more.
pub async fn prune(call: Call) -> ApiResult {
    let engine = call.engine;
    let ports = engine.ports();
    let size = async || -> Result<u64, ApiError> {
        let layers = ports.snapshots.layers().await?;
        Ok(layers.iter().map(|layer| layer.size).sum())
    };
    let before = size().await?;
    let keys = solve::clear(&*ports.store).await?;
    let containers = engine.containers().all().into_iter();
    let used = containers.filter_map(|c| c.record().layer.as_ref()?.parse().ok());
    engine.images().collect(&used.collect()).await?;
    let report = BuildPruneReport {
        caches_deleted: (!keys.is_empty()).then_some(keys),
        space_reclaimed: before.saturating_sub(size().await?),
    };
    Ok(Response::json(StatusCode::OK, &report))
}

fn ports(
    engine: &Engine,
    request: &BuildRequest,
    accounts: BTreeMap<String, AuthConfig>,
) -> Result<Ports, ApiError> {
    let platform = match request.platform.as_str() {
        "" => None,
        text => Some(Platform::parse(text).ok_or_else(|| {
            ApiError::invalid(format!(
                "{text:?}: unknown operating system or architecture: invalid argument"
            ))
        })?),
    };
    let own = engine.ports();
    Ok(Ports {
        images: Rc::new(EngineImages {
            images: engine.images().clone(),
            accounts,
            platform,
        }),
        containers: Rc::new(EngineContainers(engine.clone())),
        sandboxes: Rc::new(EngineSandboxes(engine.clone())),
        snapshots: own.snapshots.clone(),
        content: own.content.clone(),
        store: own.store.clone(),
        fetch: own.fetch.clone(),
        clock: own.clock.clone(),
        entropy: own.entropy.clone(),
        observer: engine
            .builds()
            .observer(request.tags.iter().map(Reference::familiar).collect()),
        limits: Limits {
            archive_bytes: engine.config().max_archive as u64,
            ..Limits::default()
        },
        docker_version: SERVER_VERSION.into(),
    })
}

/// The decoded `X-Registry-Config`: accounts by registry. None if it does not decode, as Docker.
fn accounts(headers: &HeaderMap) -> BTreeMap<String, AuthConfig> {
    const DECODER: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let header = headers.get("x-registry-config");
    let header = header.map(|v| v.as_bytes()).unwrap_or_default();
    let json = DECODER.decode(header).unwrap_or_default();
    serde_json::from_slice(&json).unwrap_or_default()
}
