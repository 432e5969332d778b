//! The engine's HTTP client: `fetch`.

use async_trait::async_trait;
use bottleship_engine::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};
use bottleship_engine::pipe::BodyError;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, LocalBoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use js_sys::{Array, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::{JsCast, JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, ReadableStreamDefaultReader, RequestInit, RequestRedirect, Response};

use crate::error_text;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn js_fetch(url: &str, init: &RequestInit) -> Promise;
}

/// `fetch`. Redirects are followed by the browser, which shows a page none of them; what CORS hides stays hidden.
#[derive(Default)]
pub struct PageFetch {
    /// The site's address, ending in a slash; empty for none.
    site: String,
}

impl PageFetch {
    /// A client for a page of this site.
    pub fn new(site: &str) -> Self {
        PageFetch { site: site.into() }
    }

    /// A registry is at its server's root, and a site may be in a directory of its server.
    fn address(&self, url: &str) -> String {
        let root = self.site.match_indices('/').nth(2);
        if let Some((end, _)) = root
            && let Some(path) = url.strip_prefix(&self.site[..=end])
            && path.starts_with("v2/")
        {
            return format!("{}{path}", self.site);
        }
        url.to_owned()
    }
}

#[async_trait(?Send)]
impl Fetch for PageFetch {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let failed = |error: JsValue| {
            FetchError(format!(
                "{} {:?}: {}",
                go_method(request.method.as_str()),
                request.url,
                why(&error)
            ))
        };
        let headers = Headers::new().map_err(failed)?;
        for (name, value) in &request.headers {
            // The browser keeps some names to itself and passes over them.
            if let Ok(value) = value.to_str() {
                headers.append(name.as_str(), value).map_err(failed)?;
            }
        }
        let init = RequestInit::new();
        init.set_method(request.method.as_str());
        init.set_headers_headers(&headers);
        init.set_redirect(RequestRedirect::Follow);
        if !request.body.is_empty() {
            init.set_body(&Uint8Array::from(request.body.as_ref()).into());
        }
        let response = JsFuture::from(js_fetch(&self.address(&request.url), &init))
            .await
            .map_err(failed)?;
        let response: Response = response.unchecked_into();
        Ok(FetchResponse {
            status: StatusCode::from_u16(response.status())
                .map_err(|_| FetchError(format!("{:?}: malformed HTTP status", request.url)))?,
            headers: header_map(&response.headers()),
            body: body(&response),
        })
    }
}

/// Go's client names a method in a sentence: `Get "https://…"`.
fn go_method(method: &str) -> String {
    let lower = method.to_ascii_lowercase();
    let mut letters = lower.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

/// A browser gives no reason for a failed request; the usual ones are said.
fn why(error: &JsValue) -> String {
    let text = error_text(error);
    if text == "Failed to fetch" {
        "network is unreachable, or the server does not allow this page (CORS)".into()
    } else {
        text
    }
}

fn header_map(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for pair in headers.entries() {
        let Ok(pair) = pair.map(JsCast::unchecked_into::<Array>) else {
            break;
        };
        let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) else {
            continue;
        };
        // The body comes decoded: these speak of what was on the wire.
        if name == "content-encoding" || name == "transfer-encoding" {
            continue;
        }
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) {
            map.append(name, value);
        }
    }
    if headers.has("content-encoding").unwrap_or(false) {
        map.remove(http::header::CONTENT_LENGTH);
    }
    map
}

fn body(response: &Response) -> LocalBoxStream<'static, Result<Bytes, BodyError>> {
    let Some(readable) = response.body() else {
        return stream::empty().boxed_local();
    };
    let reader: ReadableStreamDefaultReader = readable.get_reader().unchecked_into();
    let guard = Cancel(reader);
    stream::unfold(Some(guard), |guard| async {
        let guard = guard?;
        match next(&guard.0).await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(guard))),
            Ok(None) => None,
            Err(error) => Some((Err(BodyError::Failed(why(&error))), None)),
        }
    })
    .boxed_local()
}

/// Tells the browser to stop when nobody reads on.
struct Cancel(ReadableStreamDefaultReader);

impl Drop for Cancel {
    fn drop(&mut self) {
        // The promise of an ended stream is settled; that of another one is of no interest.
        drop(self.0.cancel());
    }
}

async fn next(reader: &ReadableStreamDefaultReader) -> Result<Option<Bytes>, JsValue> {
    let part = JsFuture::from(reader.read()).await?;
    if Reflect::get(&part, &"done".into())?.is_truthy() {
        return Ok(None);
    }
    let value: Uint8Array = Reflect::get(&part, &"value".into())?.dyn_into()?;
    Ok(Some(value.to_vec().into()))
}

#[cfg(test)]
mod tests {
    use super::PageFetch;

    #[test]
    fn the_registry_of_a_site_in_a_directory_is_in_it() {
        let fetch = PageFetch::new("https://example.org/lab/");
        assert_eq!(
            fetch.address("https://example.org/v2/library/busybox/tags/list"),
            "https://example.org/lab/v2/library/busybox/tags/list"
        );
        for other in [
            "https://example.org/x",
            "https://ghcr.io/v2/",
            "data:text/plain,v2/",
        ] {
            assert_eq!(fetch.address(other), other);
        }
        assert_eq!(PageFetch::default().address("http://a/v2/"), "http://a/v2/");
    }
}
