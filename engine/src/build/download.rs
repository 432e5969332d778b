//! `ADD https://…`: files from the web, within limits.

use bottleship_vfs::{Clock, CreatePerm, InodeRef, NewNode, RenameFlags, SetAttr, Time};
use futures::StreamExt;
use http::header::{CONTENT_DISPOSITION, LAST_MODIFIED, LOCATION};
use http::{HeaderMap, Method};

use super::context::tree_of;
use super::place::{PlaceError, Selected, select};
use super::tree;
use crate::api::ApiError;
use crate::api::types::Timestamp;
use crate::fetch::{Fetch, FetchRequest, FetchResponse};

/// Redirects followed, as Go's HTTP client.
const MAX_REDIRECTS: usize = 10;

/// A file from the web, in a tree of its own.
pub struct Download {
    root: InodeRef,
    /// Its name; empty when the address tells none.
    pub name: String,
    stored: String,
}

impl Download {
    /// The file as a source.
    ///
    /// # Errors
    /// It can't be read.
    pub fn selected(&self) -> Result<Selected, ApiError> {
        let system = |e: PlaceError| ApiError::system(e.to_string());
        let mut list = select(&self.root, &escape(&self.stored)).map_err(system)?;
        list.pop()
            .ok_or_else(|| ApiError::system("the download is gone"))
    }

    /// What is in it.
    ///
    /// # Errors
    /// It can't be read.
    pub fn content(&self, limit: u64) -> Result<Vec<u8>, ApiError> {
        let found = self.selected()?.found;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        tree::read_inode(&found, limit).map_err(|e| ApiError::system(e.to_string()))
    }

    /// The tree it is in, under the given name.
    ///
    /// # Errors
    /// It is no name for a file.
    pub fn renamed(&self, name: &str) -> Result<InodeRef, ApiError> {
        let stored = self.stored.as_bytes();
        if self.stored != name {
            self.root
                .rename(stored, &self.root, name.as_bytes(), RenameFlags::empty())
                .map_err(|e| ApiError::system(e.strerror()))?;
        }
        Ok(self.root.clone())
    }
}

/// A name as a pattern that matches it alone.
fn escape(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Fetches a file of at most `limit` bytes. Only http and https are spoken, also after redirects; what else is
/// allowed is the host's decision.
///
/// # Errors
/// The address is wrong, the server says no, or the file is too large.
pub async fn download(
    fetch: &dyn Fetch,
    url: &str,
    limit: u64,
    now: Timestamp,
) -> Result<Download, ApiError> {
    let response = follow(fetch, url).await?;
    let name = file_name(url, &response.headers);
    let stored = if name.is_empty() {
        "__unnamed__".to_owned()
    } else {
        name.clone()
    };
    let modified = response
        .headers
        .get(LAST_MODIFIED)
        .and_then(|value| http_date(value.to_str().ok()?))
        .unwrap_or(0);
    let clock = Clock::new();
    clock.set(Time::from_nanos(now.nanos()));
    let root = tree_of(&clock, limit)?;
    let system = |e: bottleship_vfs::Errno| ApiError::system(e.strerror());
    let perm = CreatePerm {
        mode: 0o600,
        uid: 0,
        gid: 0,
    };
    let file = root
        .create(stored.as_bytes(), NewNode::File, perm)
        .map_err(system)?;
    let mut body = response.body;
    let mut length = 0u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|e| ApiError::system(e.to_string()))?;
        if length + chunk.len() as u64 > limit {
            return Err(ApiError::invalid(format!(
                "{url} is larger than the limit of {limit} bytes"
            )));
        }
        file.write_at(length, &chunk).map_err(system)?;
        length += chunk.len() as u64;
    }
    let set = SetAttr {
        mtime: Some(Time::from_secs(modified)),
        ..SetAttr::default()
    };
    file.set_attr(&set).map_err(system)?;
    Ok(Download { root, name, stored })
}

async fn follow(fetch: &dyn Fetch, url: &str) -> Result<FetchResponse, ApiError> {
    let mut at = url.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        if !at.starts_with("http://") && !at.starts_with("https://") {
            return Err(ApiError::invalid(format!(
                "Get \"{url}\": unsupported protocol scheme of {at}"
            )));
        }
        let request = FetchRequest {
            method: Method::GET,
            url: at.clone(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
        };
        let response = fetch
            .fetch(request)
            .await
            .map_err(|e| ApiError::system(format!("Get \"{at}\": {e}")))?;
        if response.status.is_redirection() {
            let to = response.headers.get(LOCATION).and_then(|v| v.to_str().ok());
            let to = to.ok_or_else(|| {
                ApiError::system(format!(
                    "Get \"{at}\": {} response missing Location header",
                    response.status.as_u16()
                ))
            })?;
            at = absolute(&at, to);
            continue;
        }
        if !response.status.is_success() {
            return Err(ApiError::not_found(format!(
                "failed to GET {url} with status {}: ",
                response.status
            )));
        }
        return Ok(response);
    }
    Err(ApiError::system(format!(
        "Get \"{url}\": stopped after {MAX_REDIRECTS} redirects"
    )))
}

/// `to` as seen from `base`.
fn absolute(base: &str, to: &str) -> String {
    if to.contains("://") {
        return to.to_owned();
    }
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(after) = to.strip_prefix("//") {
        return format!("{scheme}://{after}");
    }
    if to.starts_with('/') {
        return format!("{scheme}://{host}{to}");
    }
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let slash = if dir.is_empty() { "" } else { "/" };
    format!("{scheme}://{host}/{dir}{slash}{to}")
}

fn file_name(url: &str, headers: &HeaderMap) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let from_path = rest.split_once('/').map_or("", |(_, path)| path);
    let last = from_path.rsplit('/').next().unwrap_or_default();
    if !last.is_empty() && last != "." && last != ".." {
        return last.to_owned();
    }
    let header = headers.get(CONTENT_DISPOSITION);
    let header = header.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let named = header
        .split(';')
        .filter_map(|part| part.trim().strip_prefix("filename="))
        .next()
        .unwrap_or_default();
    let name = named
        .trim_matches('"')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    match name {
        "." | ".." => String::new(),
        name => name.to_owned(),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` as seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    let mut parts = text.split_once(", ")?.1.split(' ');
    let day = parts.next()?;
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = parts.next()?;
    let month = months.iter().position(|m| *m == month)? + 1;
    let year = parts.next()?;
    let time = parts.next()?;
    let nanos = bottleship_oci::time::parse(&format!("{year}-{month:02}-{day}T{time}Z"))?;
    i64::try_from(nanos / 1_000_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_dates() {
        let none = HeaderMap::new();
        assert_eq!(file_name("https://h/a/b.tar?x=1#y", &none), "b.tar");
        assert_eq!(file_name("https://h/", &none), "");
        let mut headers = HeaderMap::new();
        let value = "attachment; filename=\"../x.txt\"";
        headers.insert(CONTENT_DISPOSITION, value.parse().unwrap());
        assert_eq!(file_name("https://h", &headers), "x.txt");
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
    }

    #[test]
    fn redirects_resolve() {
        assert_eq!(absolute("https://h/a/b", "c"), "https://h/a/c");
        assert_eq!(absolute("https://h/a/b", "/c"), "https://h/c");
        assert_eq!(
            absolute("https://h/a/b", "file:///etc/shadow"),
            "file:///etc/shadow"
        );
    }
}
