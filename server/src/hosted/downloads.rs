//! What a visitor takes along: files and images, as tars.

use axum::body::Body;
use axum::extract::Query;
use axum::response::Response;
use bottleship_engine::layer::{ArchiveOptions, archive};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;

use super::api::{Visited, message};
use super::docker;
use super::session::on_engine;
use crate::daemon::thread;

/// Bytes of an archive of a visitor's files.
const DOWNLOAD: usize = 64 << 20;

#[derive(Deserialize)]
pub struct FilePathQuery {
    #[serde(default)]
    path: String,
}

/// Everything below a path of the session's host, as a tar.
pub async fn files(
    Visited(session): Visited,
    Query(FilePathQuery { path }): Query<FilePathQuery>,
) -> Response {
    let path = match path.as_str() {
        "" => "/root".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        _ => return message(StatusCode::BAD_REQUEST, "the path is not absolute"),
    };
    let packed = async {
        let engine = session.engine()?;
        on_engine(&engine, move |engine| {
            Box::pin(async move {
                let tree = engine
                    .ports()
                    .host
                    .open(&path)
                    .await
                    .map_err(|e| e.to_string())?;
                let tree = tree.ok_or_else(|| "no such file or directory".to_owned())?;
                let name = path
                    .rsplit('/')
                    .find(|part| !part.is_empty())
                    .unwrap_or(".");
                let options = ArchiveOptions {
                    name: name.as_bytes().to_vec(),
                    exclude: Vec::new(),
                };
                let mut tar = Bounded(Vec::new());
                archive(&tree.root, &options, &mut tar).map_err(|e| e.to_string())?;
                Ok::<_, String>(tar.0)
            })
        })
        .await
    };
    match packed.await {
        Ok(Ok(tar)) => {
            let mut response = Response::new(Body::from(tar));
            attach(&mut response, "application/x-tar", "files.tar");
            response
        }
        Ok(Err(error)) => message(StatusCode::NOT_FOUND, &error),
        Err(error) => message(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// A visitor's archive, up to a size.
struct Bounded(Vec<u8>);

impl std::io::Write for &mut Bounded {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + data.len() > DOWNLOAD {
            return Err(std::io::Error::other(format!(
                "more than {DOWNLOAD} bytes: fetch a part of it"
            )));
        }
        self.0.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn attach(response: &mut Response, kind: &'static str, name: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
}

#[derive(Deserialize)]
pub struct ImageQuery {
    name: String,
}

/// An image of the session's, as `docker save` writes it.
pub async fn image(
    Visited(session): Visited,
    Query(ImageQuery { name }): Query<ImageQuery>,
) -> Response {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if name.is_empty() || name.len() > 300 || !name.chars().all(is_plain) {
        return message(StatusCode::BAD_REQUEST, "not the name of an image");
    }
    let saved = async {
        let (_, body) = tokio::sync::mpsc::channel(1);
        session
            .engine()?
            .request(thread::Request {
                method: Method::GET,
                target: format!("/images/get?names={name}"),
                headers: HeaderMap::new(),
                body,
            })
            .await
    };
    match saved.await {
        Ok(saved) => {
            let mut response = Response::new(docker::body_of(saved.body));
            *response.status_mut() = saved.status;
            attach(&mut response, "application/x-tar", "image.tar");
            response
        }
        Err(error) => message(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}
