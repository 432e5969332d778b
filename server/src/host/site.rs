//! The site's registry as HTTP answers, for hosts in this process: what `bottleship serve` would say, without it.

use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use bottleship_engine::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};
use bytes::Bytes;
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

/// Base address of the site's registry; `.invalid` never resolves (RFC 2606).
pub const BASE: &str = "http://site.bottleship.invalid";

/// A [`Fetch`] that answers for [`BASE`] from a directory, and passes on all else.
pub struct SiteFetch {
    dir: PathBuf,
    other: Rc<dyn Fetch>,
}

impl SiteFetch {
    /// Answers from the site in `dir`.
    pub fn new(dir: PathBuf, other: Rc<dyn Fetch>) -> SiteFetch {
        SiteFetch { dir, other }
    }
}

#[async_trait::async_trait(?Send)]
impl Fetch for SiteFetch {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        match request.url.strip_prefix(BASE) {
            Some(path) => Ok(answer(&self.dir, &request.method, path)),
            None => self.other.fetch(request).await,
        }
    }
}

fn answer(dir: &Path, method: &Method, path: &str) -> FetchResponse {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return response(
            StatusCode::METHOD_NOT_ALLOWED,
            HeaderMap::new(),
            Bytes::new(),
        );
    }
    let path = path
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_start_matches('/');
    if path == "v2/" {
        return response(StatusCode::OK, HeaderMap::new(), Bytes::from_static(b"{}"));
    }
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let read = inside.then(|| std::fs::read(dir.join(path)).ok()).flatten();
    let Some(bytes) = read else {
        return response(StatusCode::NOT_FOUND, HeaderMap::new(), Bytes::new());
    };
    let mut headers = HeaderMap::new();
    let kind = if path.contains("/manifests/") {
        "application/vnd.oci.image.manifest.v1+json"
    } else if path.contains("/blobs/") {
        "application/octet-stream"
    } else {
        "application/json"
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let body = if *method == Method::HEAD {
        Bytes::new()
    } else {
        Bytes::from(bytes)
    };
    response(StatusCode::OK, headers, body)
}

fn response(status: StatusCode, headers: HeaderMap, body: Bytes) -> FetchResponse {
    // In pieces, so that progress can be shown.
    let pieces: Vec<_> = (0..body.len())
        .step_by(256 << 10)
        .map(|at| Ok(body.slice(at..body.len().min(at + (256 << 10)))))
        .collect();
    FetchResponse {
        status,
        headers,
        body: futures::stream::iter(pieces).boxed_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_site_are_answered() {
        let dir = tempfile::tempdir().unwrap();
        let site = dir.path().join("site");
        std::fs::create_dir_all(site.join("v2/library/x/manifests")).unwrap();
        std::fs::write(site.join("v2/library/x/manifests/latest"), "{}").unwrap();
        std::fs::write(dir.path().join("secret"), "").unwrap();
        let status = |path: &str| answer(&site, &Method::GET, path).status;
        assert_eq!(status("/v2/"), StatusCode::OK);
        assert_eq!(status("/v2/library/x/manifests/latest"), StatusCode::OK);
        assert_eq!(
            status("/v2/library/y/manifests/latest"),
            StatusCode::NOT_FOUND
        );
        assert_eq!(status("/../secret"), StatusCode::NOT_FOUND);
        assert_eq!(status("/v2/../../secret"), StatusCode::NOT_FOUND);
        assert_eq!(
            answer(&site, &Method::PUT, "/v2/").status,
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
}
