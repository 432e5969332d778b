//! `/_ping`, `/version`, `/events`.

use futures::StreamExt;
use http::StatusCode;

use super::filters::Filters;
use super::message::{ApiVersion, Body, Call, Response, go_json};
use super::router::ping_headers;
use super::types::{ComponentVersion, Event, PlatformName, StringMap, Timestamp, VersionResponse};
use super::{ApiError, ApiResult};
use crate::units::parse_duration;

/// The engine's version: Docker's it follows, and its own.
pub const SERVER_VERSION: &str = "28.5.1";
/// `Server:` of every answer.
pub const SERVER_HEADER: &str = "Docker/28.5.1 (linux)";

pub async fn ping(_call: Call) -> ApiResult {
    Ok(ping_headers(Response::with(
        "text/plain; charset=utf-8",
        Body::Bytes("OK".into()),
    )))
}

pub async fn version(call: Call) -> ApiResult {
    let platform = call.engine.ports().runtime.platform();
    let own = env!("CARGO_PKG_VERSION").to_string();
    let details = StringMap::from(
        [
            ("ApiVersion", ApiVersion::MAX.to_string()),
            ("Arch", "amd64".into()),
            ("BuildTime", String::new()),
            ("Experimental", "false".into()),
            ("GitCommit", String::new()),
            ("GoVersion", "none (Rust)".into()),
            ("KernelVersion", platform.kernel_version.clone()),
            ("MinAPIVersion", ApiVersion::MIN.to_string()),
            ("Os", "linux".into()),
        ]
        .map(|(key, value)| (key.to_string(), value)),
    );
    let component = |name: &str, version: &str, details| ComponentVersion {
        name: name.into(),
        version: version.into(),
        details,
    };
    let commit = || StringMap::from([("GitCommit".to_string(), own.clone())]);
    Ok(Response::json(
        StatusCode::OK,
        &VersionResponse {
            platform: Some(PlatformName {
                name: format!("Bottleship {own}"),
            }),
            components: Some(vec![
                component("Engine", SERVER_VERSION, details),
                component("containerd", &own, commit()),
                component("runc", &platform.runtime_version, commit()),
                component("docker-init", &own, commit()),
            ]),
            version: SERVER_VERSION.into(),
            api_version: ApiVersion::MAX.to_string(),
            min_api_version: ApiVersion::MIN.to_string(),
            git_commit: own.clone(),
            go_version: "none (Rust)".into(),
            os: "linux".into(),
            arch: "amd64".into(),
            kernel_version: platform.kernel_version,
            experimental: false,
            build_time: String::new(),
        },
    ))
}

/// The `since` and `until` of events and logs: seconds with a fraction, a time,
/// or a duration before now. `None` when not given.
pub fn parse_time(text: &str, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(duration) =
        parse_duration(text).filter(|_| text.ends_with(|c: char| c.is_ascii_alphabetic()))
    {
        return Ok(Some(Timestamp::from_nanos(
            now.nanos() - i128::from(duration),
        )));
    }
    if let Some(time) = Timestamp::parse(text) {
        return Ok(Some(time));
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let bad = || {
        ApiError::invalid(format!(
            "strconv.ParseInt: parsing {text:?}: invalid syntax"
        ))
    };
    let seconds: i64 = seconds.parse().map_err(|_| bad())?;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let nanos = format!("{fraction:0<9}").parse().map_err(|_| bad())?;
    Ok(Some(Timestamp::from_unix(seconds, nanos)))
}

pub async fn events(call: Call) -> ApiResult {
    let engine = &call.engine;
    // Unknown names are not refused here, alone of all lists.
    let filters = Filters::parse(call.query.get("filters"))?;
    let now = engine.now();
    let since = parse_time(call.query.get("since"), now)?;
    let until = parse_time(call.query.get("until"), now)?;
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        return Err(ApiError::invalid(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            call.query.get("since"),
            call.query.get("until")
        )));
    }
    let listener = engine.events().subscribe();
    let in_time = move |event: &Event| {
        let time = Timestamp::from_nanos(event.time_nano.into());
        since.is_none_or(|since| time >= since) && until.is_none_or(|until| time <= until)
    };
    let past = if since.is_some() || until.is_some() {
        engine.events().past()
    } else {
        Vec::new()
    };
    let past: Vec<Event> = past.into_iter().filter(|event| in_time(event)).collect();
    let deadline = until.map(|until| until.since(now).clamp(0, i128::from(u64::MAX)) as u64);
    let end = {
        let engine = engine.clone();
        async move {
            match deadline {
                Some(nanos) => engine.sleep(std::time::Duration::from_nanos(nanos)).await,
                None => futures::future::pending().await,
            }
        }
    };
    let live = listener.take_until(Box::pin(end));
    let lines = futures::stream::iter(past)
        .chain(live)
        .filter(move |event| futures::future::ready(event_matches(&filters, event)))
        .map(|event| Ok(go_json(&event).into()));
    Ok(Response::with("application/json", Body::stream(lines)))
}

fn event_matches(filters: &Filters, event: &Event) -> bool {
    let attribute = |name: &str| event.actor.attributes.get(name).map(String::as_str);
    let of_kind = |filter: &str| {
        let wanted = filters.get(filter);
        wanted.is_empty()
            || (event.r#type == filter
                && wanted.iter().any(|w| {
                    *w == event.actor.id
                        || event.actor.id.starts_with(w.as_str())
                        || attribute("name") == Some(w)
                }))
    };
    let action = |wanted: &String| {
        *wanted == event.action || event.action.starts_with(&format!("{wanted}:"))
    };
    let actions = filters.get("event");
    let image = filters.get("image");
    let image_matches = image.is_empty()
        || image.iter().any(|wanted| {
            let strip = |name: &str| {
                name.rsplit_once(':')
                    .map_or(name.to_owned(), |(repository, _)| repository.to_owned())
            };
            let is = |name: &str| name == wanted || strip(name) == *wanted;
            is(&event.actor.id)
                || attribute("name").is_some_and(is)
                || attribute("image").is_some_and(is)
        });
    (actions.is_empty() || actions.iter().any(action))
        && filters.matches_exactly("type", &event.r#type)
        && filters.matches_exactly("scope", &event.scope)
        && ["container", "volume", "network", "daemon", "plugin"]
            .into_iter()
            .all(of_kind)
        && image_matches
        && filters.matches_labels(attribute)
}
