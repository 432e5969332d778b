//! oEmbed (<https://oembed.com>): how other sites learn what to show for a link to a lesson.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::json;

/// A lab's size where the page that shows it names none, in CSS pixels.
const SIZE: (u32, u32) = (800, 520);
/// The smallest that a lab is usable in.
const SMALLEST: (u32, u32) = (320, 320);

/// What is asked (oEmbed 1.0, 2.2).
#[derive(Deserialize)]
struct Asked {
    url: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    maxwidth: Option<u32>,
    #[serde(default)]
    maxheight: Option<u32>,
}

/// The endpoint of the site in `dir`.
pub fn router(dir: &Path) -> Router {
    Router::new()
        .route("/oembed", get(answer))
        .with_state(Arc::new(dir.to_path_buf()))
}

async fn answer(
    State(dir): State<Arc<PathBuf>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let refuse = |status: StatusCode, why: &str| (status, format!("{why}\n")).into_response();
    if asked
        .format
        .as_deref()
        .is_some_and(|format| format != "json")
    {
        return refuse(StatusCode::NOT_IMPLEMENTED, "format must be json");
    }
    let here = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(link) = Link::read(&asked.url).filter(|link| Some(link.host.as_str()) == here) else {
        return refuse(StatusCode::NOT_FOUND, "url must be a lesson of this site");
    };
    let Some(title) = title(&dir, &link.lesson).await else {
        return refuse(StatusCode::NOT_FOUND, "there is no such lesson");
    };
    let width = SIZE.0.min(asked.maxwidth.unwrap_or(u32::MAX));
    let height = SIZE.1.min(asked.maxheight.unwrap_or(u32::MAX));
    if width < SMALLEST.0 || height < SMALLEST.1 {
        return refuse(StatusCode::NOT_FOUND, "a lab needs 320 by 320 pixels");
    }
    Json(document(&link, &title, width, height)).into_response()
}

/// A lesson's address: `https://HOST/?lesson=NAME`.
struct Link {
    scheme: String,
    host: String,
    lesson: String,
}

impl Link {
    fn read(url: &str) -> Option<Link> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str().filter(|s| ["http", "https"].contains(s))?;
        if !["/", "/index.html"].contains(&uri.path()) {
            return None;
        }
        Some(Link {
            scheme: scheme.to_owned(),
            host: uri.authority()?.as_str().to_owned(),
            lesson: lesson_of(&uri)?,
        })
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }
}

/// The lesson that an address asks for. A name needs no escapes.
fn lesson_of(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    let name = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("lesson="))?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (!name.is_empty() && name.len() <= 100 && name.bytes().all(plain)).then(|| name.to_owned())
}

/// A lesson's title, from the list that the build made.
async fn title(dir: &Path, lesson: &str) -> Option<String> {
    let list = tokio::fs::read(dir.join("lessons/index.json")).await.ok()?;
    let list: Vec<serde_json::Value> = serde_json::from_slice(&list).ok()?;
    let entry = list.iter().find(|entry| entry["name"] == lesson)?;
    Some(entry["title"].as_str()?.to_owned())
}

/// The answer, of type "rich" (oEmbed 1.0, 2.3.4.4).
fn document(link: &Link, title: &str, width: u32, height: u32) -> serde_json::Value {
    let origin = link.origin();
    let src = format!("{origin}/?lesson={}&amp;embed", link.lesson);
    let shown = title
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    let html = format!(
        "<iframe src=\"{src}\" width=\"{width}\" height=\"{height}\" title=\"{shown}\" style=\"border:0\" allow=\"clipboard-write\" loading=\"lazy\"></iframe>"
    );
    json!({
        "version": "1.0",
        "type": "rich",
        "title": title,
        "provider_name": "Bottleship",
        "provider_url": format!("{origin}/"),
        "html": html,
        "width": width,
        "height": height,
    })
}

/// Tells who reads a lesson's page where the answer is (oEmbed 1.0, 4: a Link header).
pub async fn discovery(request: Request, next: Next) -> Response {
    let uri = request.uri();
    let page = ["/", "/index.html"].contains(&uri.path());
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).map(str::to_owned);
    // Behind a proxy with TLS, it says so.
    let scheme = match request
        .headers()
        .get("x-forwarded-proto")
        .map(HeaderValue::as_bytes)
    {
        Some(b"https") => "https",
        _ => "http",
    };
    let lesson = page.then(|| lesson_of(uri)).flatten();
    let mut response = next.run(request).await;
    if let (Some(host), Some(lesson)) = (host, lesson) {
        let link = format!(
            "<{scheme}://{host}/oembed?url={scheme}%3A%2F%2F{}%2F%3Flesson%3D{lesson}&format=json>; rel=\"alternate\"; type=\"application/json+oembed\"",
            host.replace(':', "%3A")
        );
        if let Ok(value) = HeaderValue::from_str(&link) {
            response.headers_mut().append(header::LINK, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::middleware;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str) -> (StatusCode, HeaderMap, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("lessons")).unwrap();
        std::fs::write(
            dir.path().join("lessons/index.json"),
            r#"[{"name": "run", "title": "A \"first\" <container>"}]"#,
        )
        .unwrap();
        let router = router(dir.path())
            .route("/", axum::routing::get(async || "page"))
            .layer(middleware::from_fn(discovery));
        let request = Request::get(path).header("host", "labs.example.org:8080");
        let response = router
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            parts.status,
            parts.headers,
            String::from_utf8_lossy(&body).into_owned(),
        )
    }

    #[tokio::test]
    async fn a_lessons_page_leads_to_its_frame() {
        let (status, headers, _) = get("/?lesson=run").await;
        assert_eq!(status, StatusCode::OK);
        let link = headers["link"].to_str().unwrap();
        let (address, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        assert!(rest.contains("type=\"application/json+oembed\""), "{rest}");
        let path = address
            .strip_prefix("http://labs.example.org:8080")
            .unwrap();
        let (status, headers, body) = get(path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(headers["content-type"], "application/json");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&body["version"], &body["type"]),
            (&"1.0".into(), &"rich".into())
        );
        let html = body["html"].as_str().unwrap();
        assert!(
            html.contains("src=\"http://labs.example.org:8080/?lesson=run&amp;embed\""),
            "{html}"
        );
        assert!(
            html.contains("title=\"A &quot;first&quot; &lt;container>\""),
            "{html}"
        );
        let (_, headers, _) = get("/").await;
        assert!(!headers.contains_key("link"));
    }

    #[tokio::test]
    async fn what_is_no_lesson_of_this_site_is_not_embedded() {
        let url = |url: &str, more: &str| {
            format!(
                "/oembed?url={}{more}",
                url.replace(':', "%3A")
                    .replace('/', "%2F")
                    .replace('?', "%3F")
                    .replace('=', "%3D")
            )
        };
        let here = "http://labs.example.org:8080/?lesson=run";
        assert_eq!(get(&url(here, "")).await.0, StatusCode::OK);
        assert_eq!(
            get(&url(here, "&format=xml")).await.0,
            StatusCode::NOT_IMPLEMENTED
        );
        assert_eq!(
            get(&url(here, "&maxwidth=100")).await.0,
            StatusCode::NOT_FOUND
        );
        let (_, _, small) = get(&url(here, "&maxwidth=400&maxheight=9999")).await;
        assert!(
            small.contains("\"width\":400") && small.contains("\"height\":520"),
            "{small}"
        );
        for other in [
            "http://evil.example.com/?lesson=run",
            "http://labs.example.org:8080/?lesson=nothing",
            "http://labs.example.org:8080/?lesson=%2522onload",
            "javascript:alert(1)",
            "http://labs.example.org:8080/v2/?lesson=run",
        ] {
            assert_eq!(
                get(&url(other, "")).await.0,
                StatusCode::NOT_FOUND,
                "{other}"
            );
        }
        assert_eq!(get("/oembed").await.0, StatusCode::BAD_REQUEST);
    }
}
