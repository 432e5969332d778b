//! Reading a registry's answers.

use bytes::Bytes;
use futures::StreamExt;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde::Deserialize;

use super::{RemoteError, SMALL};
use crate::fetch::FetchResponse;

/// The path of `</v2/…>; rel="next"`; pages elsewhere are not followed.
pub(super) fn next_page(link: &str) -> Option<String> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    (rest.contains("next") && target.starts_with("/v2/")).then(|| target.to_string())
}

/// A 401 that credentials did not help against.
pub(super) async fn refused(response: FetchResponse) -> RemoteError {
    let challenge = response
        .headers
        .get(WWW_AUTHENTICATE)
        .and_then(|v| v.to_str().ok())
        .map(str::to_string);
    if challenge.is_some_and(|c| c.contains("insufficient_scope")) {
        return RemoteError::Denied;
    }
    match failure(response).await {
        RemoteError::Other(_) => {
            RemoteError::Code("UNAUTHORIZED".into(), "authentication required".into())
        }
        error => error,
    }
}

pub(super) async fn expect(
    response: FetchResponse,
    wanted: &[StatusCode],
) -> Result<FetchResponse, RemoteError> {
    if wanted.contains(&response.status) {
        Ok(response)
    } else {
        Err(failure(response).await)
    }
}

/// The first error of an answer's body.
pub(super) async fn failure(response: FetchResponse) -> RemoteError {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        code: String,
        #[serde(default)]
        message: String,
    }
    let status = response.status;
    let bytes = collect(response, SMALL).await.unwrap_or_default();
    let first = serde_json::from_slice::<Body>(&bytes)
        .ok()
        .and_then(|b| b.errors.into_iter().next());
    match first {
        Some(Item { code, .. }) if code == "DENIED" => RemoteError::Denied,
        Some(Item { code, message }) => RemoteError::Code(code, message),
        None if status == StatusCode::FORBIDDEN => RemoteError::Denied,
        None => RemoteError::Other(format!("received unexpected HTTP status: {status}")),
    }
}

pub(super) async fn collect(
    mut response: FetchResponse,
    limit: usize,
) -> Result<Bytes, RemoteError> {
    let mut all = Vec::new();
    while let Some(chunk) = response.body.next().await {
        let chunk = chunk.map_err(|e| RemoteError::Other(e.to_string()))?;
        if all.len() + chunk.len() > limit {
            return Err(RemoteError::Other(format!(
                "the registry's answer exceeds the limit of {limit} bytes"
            )));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}
