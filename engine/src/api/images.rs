//! `/images/…`, `/commit`, `/distribution/…`.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bottleship_oci::{Platform, Reference};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::filters::Filters;
use super::message::{Call, Response};
use super::query::Query;
use super::types::{AuthConfig, AuthResponse, ContainerConfig, IdResponse, JsonMessage};
use super::{ApiError, ApiResult};
use crate::engine::Engine;
use crate::image::{self, Import, ListOptions, Progress, Pull, Push, Search};
use crate::pipe;

const JSON: &str = "application/json";
const TAR: &str = "application/x-tar";

/// Routes `/images/…`, without the prefix. Names hold slashes.
pub async fn route(call: Call, method: &Method, path: &[&str]) -> ApiResult {
    match (method.as_str(), path) {
        ("GET", ["json"]) => list(call).await,
        ("GET", ["search"]) => search(call).await,
        ("GET", ["get"]) => save(call, None).await,
        ("POST", ["load"]) => load(call).await,
        ("POST", ["create"]) => create(call).await,
        ("POST", ["prune"]) => prune(call).await,
        ("GET", [name @ .., "json"]) => {
            let inspect = {
                let root = &call.engine.config().root_dir;
                call.engine.images().inspect(&name.join("/"), root).await?
            };
            Ok(Response::json(StatusCode::OK, &inspect))
        }
        ("GET", [name @ .., "history"]) => {
            let history = call.engine.images().history(&name.join("/")).await?;
            Ok(Response::json(StatusCode::OK, &history))
        }
        ("GET", [name @ .., "get"]) => save(call, Some(name.join("/"))).await,
        ("POST", [name @ .., "push"]) => push(call, &name.join("/")).await,
        ("POST", [name @ .., "tag"]) => {
            let (repo, tag) = (call.query.get("repo"), call.query.get("tag"));
            call.engine.images().tag(&name.join("/"), repo, tag).await?;
            Ok(Response::status(StatusCode::CREATED))
        }
        ("DELETE", name) if !name.is_empty() => {
            let (force, prune) = (call.query.bool("force"), !call.query.bool("noprune"));
            let users = call.engine.image_users();
            let gone = call
                .engine
                .images()
                .remove(&name.join("/"), force, prune, &users)
                .await?;
            Ok(Response::json(StatusCode::OK, &gone))
        }
        _ => Err(ApiError::not_found("page not found")),
    }
}

async fn list(call: Call) -> ApiResult {
    let filters = Filters::parse(call.query.get("filters"))?;
    let options = ListOptions {
        all: call.query.bool("all"),
        shared_size: call.query.bool("shared-size"),
        containers: false,
    };
    let rows = call.engine.images().list(options, &filters, &[]).await?;
    Ok(Response::json(StatusCode::OK, &rows))
}

async fn search(call: Call) -> ApiResult {
    let filters = Filters::parse(call.query.get("filters"))?;
    let search = Search {
        term: call.query.get("term"),
        limit: usize::try_from(call.query.int_or_zero("limit")).unwrap_or(0),
        filters: &filters,
    };
    Ok(Response::json(
        StatusCode::OK,
        &call.engine.images().search(search).await?,
    ))
}

async fn prune(call: Call) -> ApiResult {
    let filters = Filters::parse(call.query.get("filters"))?;
    let users = call.engine.image_users();
    let report = call.engine.images().prune(&filters, &users).await?;
    Ok(Response::json(StatusCode::OK, &report))
}

async fn save(call: Call, name: Option<String>) -> ApiResult {
    let names: Vec<&str> = match &name {
        Some(name) => vec![name],
        None => call.query.all("names"),
    };
    // Old clients send one value with commas.
    let names: Vec<&str> = names
        .iter()
        .flat_map(|n| n.split(','))
        .filter(|n| !n.is_empty())
        .collect();
    let archive = call.engine.images().save(&names).await?;
    Ok(Response::with(TAR, archive))
}

async fn load(mut call: Call) -> ApiResult {
    let quiet = call.query.bool("quiet");
    let body = std::mem::take(&mut call.body);
    // Docker answers before it has read the archive, so what is wrong with it is a message.
    Ok(messages(&call.engine, async move |engine, progress| {
        engine.images().load(body, quiet, &progress).await
    }))
}

async fn create(mut call: Call) -> ApiResult {
    let platform = platform(&call.query)?;
    if call.query.has("fromImage") && !call.query.get("fromImage").is_empty() {
        let tag = call.query.get("tag");
        let reference = pulled(call.query.get("fromImage"), tag)?;
        let all_tags = reference.is_name_only();
        let pull = Pull {
            reference,
            all_tags,
            platform,
            auth: auth(&call.headers),
        };
        return streamed(&call.engine, async move |engine, progress| {
            engine.images().pull(pull, &progress).await
        })
        .await;
    }
    let source = call.query.get("fromSrc").to_string();
    let repo = call.query.get("repo");
    let tag = if repo.is_empty() {
        None
    } else {
        Some(image::target(repo, call.query.get("tag"))?)
    };
    let message = call.query.get("message").to_string();
    let changes: Vec<String> = call
        .query
        .all("changes")
        .iter()
        .map(|c| c.to_string())
        .collect();
    let body = std::mem::take(&mut call.body);
    streamed(&call.engine, async move |engine, progress| {
        let archive = if source == "-" {
            body
        } else {
            engine.images().download(&source, &progress).await?
        };
        let import = Import {
            archive,
            source,
            tag,
            message,
            changes,
            platform,
        };
        engine.images().import(import, &progress).await.map(|_| ())
    })
    .await
}

async fn push(call: Call, name: &str) -> ApiResult {
    let reference = Reference::parse(name).map_err(|e| ApiError::invalid(e.to_string()))?;
    let tag = call.query.get("tag");
    let reference = if tag.is_empty() {
        reference
    } else {
        image::target(name, tag)?
    };
    let push = Push {
        reference,
        auth: auth(&call.headers),
    };
    streamed(&call.engine, async move |engine, progress| {
        engine.images().push(push, &progress).await
    })
    .await
}

/// `POST /commit`.
pub async fn commit(mut call: Call) -> ApiResult {
    let given: Option<ContainerConfig> = match std::mem::take(&mut call.body)
        .collect(call.engine.config().max_json_body)
        .await?
    {
        body if body.is_empty() || &body[..] == b"null" => None,
        body => Some(super::types::from_slice(&body)?),
    };
    let engine = &call.engine;
    let query = &call.query;
    let container = engine.containers().find(query.get("container"))?;
    let repo = query.get("repo");
    let tag = if repo.is_empty() {
        None
    } else {
        Some(image::target(repo, query.get("tag"))?)
    };
    let id = container.id();
    let (image_id, config, paused) = {
        let record = container.record();
        let running = record.state.status() == "running";
        (
            record.image_id.clone(),
            record.config.clone(),
            running && query.bool_or("pause", true),
        )
    };
    let changes: Vec<String> = query.all("changes").iter().map(|c| c.to_string()).collect();
    // What is wrong with the changes is found before the container is frozen.
    image::apply_changes(&mut image::oci_config(&config)?, &changes)?;
    if paused {
        engine.ports().runtime.pause(&id).await?;
    }
    let layer = engine.ports().snapshots.commit(&id).await;
    if paused {
        engine.ports().runtime.resume(&id).await?;
    }
    let name = tag.as_ref().map(Reference::familiar).unwrap_or_default();
    let commit = image::Commit {
        container: id.clone(),
        parent: image_id.parse().ok(),
        config: given.as_ref().map(image::oci_config).transpose()?,
        container_config: image::oci_config(&config)?,
        layer: layer?,
        author: query.get("author").into(),
        comment: query.get("comment").into(),
        changes,
        tag,
    };
    let comment = commit.comment.clone();
    let new = engine.images().commit(commit).await?;
    container.emit(
        engine,
        "commit",
        &[
            ("comment", &comment),
            ("imageID", new.as_str()),
            ("imageRef", &name),
        ],
    );
    Ok(Response::json(
        StatusCode::CREATED,
        &IdResponse {
            id: new.to_string(),
        },
    ))
}

/// `GET /distribution/{name}/json`.
pub async fn distribution(call: Call, name: &[&str]) -> ApiResult {
    let reference =
        Reference::parse(&name.join("/")).map_err(|e| ApiError::invalid(e.to_string()))?;
    let inspect = call
        .engine
        .images()
        .distribution(reference.with_default_tag(), auth(&call.headers))
        .await?;
    Ok(Response::json(StatusCode::OK, &inspect))
}

/// The reference that `fromImage` and `tag` mean; name only for all tags.
fn pulled(name: &str, tag: &str) -> Result<Reference, ApiError> {
    let bad = |e: bottleship_oci::ReferenceError| ApiError::invalid(e.to_string());
    let reference = Reference::parse(name).map_err(bad)?;
    match tag {
        "" => Ok(reference),
        digest if digest.contains(':') => {
            let digest = digest
                .parse()
                .map_err(|e: bottleship_oci::DigestError| ApiError::invalid(e.to_string()))?;
            Ok(reference.with_digest(digest))
        }
        tag => reference.with_tag(tag).map_err(bad),
    }
}

fn platform(query: &Query) -> Result<Option<Platform>, ApiError> {
    match query.get("platform") {
        "" => Ok(None),
        text => match Platform::parse(text) {
            Some(platform) => Ok(Some(platform)),
            None => Err(ApiError::invalid(format!(
                "{text:?} is an invalid OS component of {text:?}: OSAndVersion specifier component must match"
            ))),
        },
    }
}

/// `POST /auth`: checks credentials.
pub async fn login(mut call: Call) -> ApiResult {
    let auth: AuthConfig = call.json().await?;
    call.engine.images().login(auth).await?;
    let answer = AuthResponse {
        status: "Login Succeeded".into(),
        ..AuthResponse::default()
    };
    Ok(Response::json(StatusCode::OK, &answer))
}

/// The decoded `X-Registry-Auth`; anonymous if there is none or it does not decode, as Docker.
fn auth(headers: &HeaderMap) -> AuthConfig {
    const DECODER: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let header = headers
        .get("x-registry-auth")
        .map(|v| v.as_bytes())
        .unwrap_or_default();
    let json = DECODER.decode(header).unwrap_or_default();
    match serde_json::from_slice::<Value>(&json) {
        Ok(value @ Value::Object(_)) => serde_json::from_value(value).unwrap_or_default(),
        _ => AuthConfig::default(),
    }
}

/// Runs an operation whose answer is its messages. One that fails before its first message fails
/// with a status, as if it had no messages.
async fn streamed<F>(engine: &Engine, operation: F) -> ApiResult
where
    F: AsyncFnOnce(Engine, Progress) -> Result<(), ApiError> + 'static,
{
    let (writer, reader) = pipe::pipe(pipe::CAPACITY);
    let progress = Progress::new(writer);
    let first = progress.first();
    let (fail, failed) = futures::channel::oneshot::channel();
    let own = engine.clone();
    engine.executor().spawn(async move {
        if let Err(error) = operation(own, progress.clone()).await {
            if progress.has_sent() {
                report(&progress, &error).await;
            } else {
                let _ = fail.send(error);
            }
        }
    });
    // The first message's sender goes with the operation, so this ends with it at the latest.
    if first.await.is_err()
        && let Ok(error) = failed.await
    {
        return Err(error);
    }
    Ok(Response::with(JSON, reader))
}

/// As [`streamed`], with every failure as a message.
fn messages<F>(engine: &Engine, operation: F) -> Response
where
    F: AsyncFnOnce(Engine, Progress) -> Result<(), ApiError> + 'static,
{
    let (writer, reader) = pipe::pipe(pipe::CAPACITY);
    let progress = Progress::new(writer);
    let own = engine.clone();
    engine.executor().spawn(async move {
        if let Err(error) = operation(own, progress.clone()).await {
            report(&progress, &error).await;
        }
    });
    Response::with(JSON, reader)
}

async fn report(progress: &Progress, error: &ApiError) {
    // Nobody to tell when the client is gone.
    let _ = progress
        .send(JsonMessage::error(0, error.message.clone()))
        .await;
}
