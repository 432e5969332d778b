use http::StatusCode;

use super::find;
use crate::api::message::{Call, Response};
use crate::api::types::UpdateRequest;
use crate::api::{ApiError, ApiResult};
use crate::container::{
    create, kill as signals, links, remove as removal, start as starting, stop as stopping,
    update as updating,
};

pub async fn start(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    starting::start(&call.engine, &container).await?;
    Ok(Response::no_content())
}

pub async fn stop(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    stopping::stop(
        &call.engine,
        &container,
        call.query.int("t")?,
        call.query.get("signal"),
    )
    .await?;
    Ok(Response::no_content())
}

pub async fn restart(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    stopping::restart(
        &call.engine,
        &container,
        id,
        call.query.int("t")?,
        call.query.get("signal"),
    )
    .await?;
    Ok(Response::no_content())
}

pub async fn kill(call: Call, id: &str) -> ApiResult {
    // The signal is checked before the container, as in moby.
    let signal = call.query.get("signal");
    if !signal.is_empty() {
        if let Ok(number) = signal.parse::<u32>()
            && !(1..=64).contains(&number)
            && number != 0
        {
            return Err(ApiError::invalid(format!(
                "cannot kill container: {id}: the linux daemon does not support signal {number}"
            )));
        }
        crate::container::signal::parse_signal(signal)?;
    }
    let container =
        find(&call, id).map_err(|error| error.context(format!("cannot kill container: {id}")))?;
    signals::kill(&call.engine, &container, id, signal).await?;
    Ok(Response::no_content())
}

pub async fn pause(call: Call, id: &str) -> ApiResult {
    signals::pause(&call.engine, &find(&call, id)?).await?;
    Ok(Response::no_content())
}

pub async fn unpause(call: Call, id: &str) -> ApiResult {
    signals::unpause(&call.engine, &find(&call, id)?).await?;
    Ok(Response::no_content())
}

pub async fn rename(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    create::rename(&call.engine, &container, call.query.get("name")).await?;
    Ok(Response::no_content())
}

pub async fn update(mut call: Call, id: &str) -> ApiResult {
    let request: UpdateRequest = call.json().await?;
    let container = find(&call, id)?;
    let answer = updating::update(&call.engine, &container, request).await?;
    Ok(Response::json(StatusCode::OK, &answer))
}

pub async fn resize(call: Call, id: &str) -> ApiResult {
    let (rows, columns) = size(&call)?;
    let container = find(&call, id)?;
    let process = container.process();
    container.record().state.must_run(&container.id())?;
    if let Some(process) = process {
        process.resize(rows, columns).await?;
    }
    container.emit(
        &call.engine,
        "resize",
        &[
            ("height", &rows.to_string()),
            ("width", &columns.to_string()),
        ],
    );
    Ok(Response::status(StatusCode::OK))
}

/// The `h` and `w` of a resize.
pub fn size(call: &Call) -> Result<(u16, u16), ApiError> {
    let number = |name: &str| {
        let text = call.query.get(name);
        text.parse().map_err(|_| {
            ApiError::invalid(format!("invalid resize {name} {text:?}: invalid syntax"))
        })
    };
    Ok((number("h")?, number("w")?))
}

pub async fn remove(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    if call.query.bool("link") {
        return Err(ApiError::invalid(format!(
            "Conflict, cannot remove the default link name of the container: {id}"
        )));
    }
    removal::remove(
        &call.engine,
        &container,
        id,
        call.query.bool("force"),
        call.query.bool("v"),
    )
    .await?;
    Ok(Response::no_content())
}

/// `docker rm --link CONTAINER/ALIAS`.
pub async fn remove_link(call: Call, id: &str, alias: &str) -> ApiResult {
    let container = find(&call, id)?;
    let is_it = |link: &String| links::parse(link).1 == alias;
    let known = container
        .record()
        .host_config
        .links
        .iter()
        .flatten()
        .any(is_it);
    if !known {
        return Err(ApiError::not_found(format!(
            "No such container: {id}/{alias}"
        )));
    }
    if let Some(links) = &mut container.record_mut().host_config.links {
        links.retain(|link| !is_it(link));
    }
    container.save(&call.engine).await?;
    Ok(Response::no_content())
}
