//! Building images.
//!
//! Two front ends share the parts here ([`context`], [`place`], [`tree`], [`hash`]):
//! - [`classic`], the builder behind `POST /build`: one instruction after another, an image for each;
//! - [`solve`], BuildKit's way, asked for with `version=2`: the steps of [`bottleship_dockerfile::convert`], one
//!   image at the end, progress as in [`solve::progress`].

pub mod classic;
pub mod containers;
pub mod context;
pub mod download;
pub mod hash;
pub mod images;
pub mod output;
pub mod place;
pub mod ports;
pub mod report;
pub mod request;
pub mod sandboxes;
pub mod solve;
pub mod transfer;
pub mod tree;
pub mod users;

use std::rc::Rc;

use bottleship_oci::ImageId;
use bottleship_vfs::Time;

pub use context::Context;
pub use output::Output;
pub use ports::{BuildError, Ports};
pub use report::{BuildStep, Builds, CacheOutcome, Observer, StepReport};
pub use request::BuildRequest;

use crate::api::ApiError;
use crate::store::{self, Pieces, ReadAt};

/// Builds an image of a context and names it. Everything is reported on `output` except the error.
///
/// # Errors
/// See [`BuildError`]. As long as nothing was sent, the error is the answer's status.
pub async fn build(
    ports: &Ports,
    request: &BuildRequest,
    archive: Rc<dyn ReadAt>,
    output: &Output,
) -> Result<ImageId, BuildError> {
    let limit = ports.limits.archive_bytes;
    let now = Time::from_nanos(ports.clock.now().nanos());
    let context = if !request.remote.is_empty() {
        remote_context(ports, request, limit).await?
    } else if archive.size() == 0 {
        Context::empty(now)?
    } else {
        Context::unpack(&*ports.content, archive, limit, now).await?
    };
    if request.buildkit {
        return solve::build(ports, request, &context, output).await;
    }
    let built = classic::build(ports, request, &context, output);
    let id = store::deferred(&*ports.store, built).await?;
    if request.tags.is_empty() {
        store::settle(&*ports.store).await.map_err(ApiError::from)?;
    }
    for tag in &request.tags {
        ports.images.tag(&id, tag).await?;
    }
    if request.quiet {
        output.result(&format!("{id}\n")).await?;
        return Ok(id);
    }
    output
        .show(format!("Successfully built {}\n", id.short()))
        .await?;
    for tag in &request.tags {
        output
            .show(format!("Successfully tagged {}\n", tag.familiar()))
            .await?;
    }
    Ok(id)
}

/// A context from the web: an archive, or only a Dockerfile.
async fn remote_context(
    ports: &Ports,
    request: &BuildRequest,
    limit: u64,
) -> Result<Context, BuildError> {
    let remote = &request.remote;
    let is_web = remote.starts_with("http://") || remote.starts_with("https://");
    let is_git = bottleship_dockerfile::git::parse(remote).is_ok();
    if is_git || !is_web {
        return Err(ApiError::invalid(format!(
            "unable to prepare context from {remote}: Git repositories are not supported here, clone it and build the directory"
        ))
        .into());
    }
    let now = ports.clock.now();
    let file = download::download(&*ports.fetch, remote, limit, now).await?;
    let bytes = file.content(limit)?;
    let time = Time::from_nanos(now.nanos());
    let text = std::str::from_utf8(&bytes).is_ok() && !bytes.contains(&0);
    if text {
        return Ok(Context::of_dockerfile(&bytes, &request.dockerfile, time)?);
    }
    let bytes = Rc::new(Pieces::from(bytes::Bytes::from(bytes)));
    Ok(Context::unpack(&*ports.content, bytes, limit, time).await?)
}
